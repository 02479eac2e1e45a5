"""Search and read articles in Salesforce: cached for minutes, bounded in time and calls, stale rather than none (I-21)."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache

from integrations.access import Refusal
from integrations.models import SalesforceOrg
from integrations.orgs import budget
from integrations.orgs.connect import NotConnected, OrgClient
from integrations.product.knowledge import sources
from integrations.product.knowledge.shapes import (
    LISTED,
    Article,
    Hit,
    body_fields,
    id_of,
    rank,
    read_article,
    read_hit,
    to_json,
)
from integrations.product.knowledge.sources import ARTICLE, ENDING, Channel, Source
from integrations.salesforce import sosl
from integrations.salesforce.client import Deadlines, Retry, read_page
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import LimitReached, NotFound, SalesforceError, UpstreamUnavailable
from integrations.salesforce.ids import is_id, to_18
from integrations.salesforce.soql import equals, object_name, one_of
from integrations.sync.mirror.describing import describe_object

FRESH = timedelta(minutes=5)
KEPT_SECONDS = 24 * 3600
"""So long an answer is shown with its age when Salesforce cannot be asked."""
SOON = Deadlines(connect=3, read=8, overall=12)
ONCE_MORE = Retry(tries=2, total=15)
USUAL, MOST, LONGEST_TEXT = 10, 50, 200
VISITORS_AN_HOUR = 1_000
"""Searches that visitors with a public key may cost a connection in an hour; answers from the cache are free."""
FORBIDDEN_TO_VISITORS = (Channel.STAFF, Channel.PARTNERS)


@dataclass(frozen=True, slots=True)
class Found:
    """Articles of a search. `stale_since` is when Salesforce said so, set when it could not be asked again."""

    hits: list[Hit]
    language: str
    stale_since: datetime | None = None
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """One article, and since when it could not be asked for again."""

    article: Article
    stale_since: datetime | None = None


class Unavailable(Refusal):
    """Salesforce cannot be asked now, and nothing is kept of an earlier answer."""

    status = 503


def search_articles(
    org: SalesforceOrg, text: str, *, language: str = "", limit: int = USUAL, visitor: bool = False, now: datetime
) -> Found:
    """Published articles of the connection's channel that hold all words of `text`, else any of them; without words the
    newest. `visitor`: asked with a public key. `Refusal` says what is missing, `Unavailable` that Salesforce is away."""
    words, limit = sosl.words_of(text[:LONGEST_TEXT]), max(1, min(limit, MOST))
    if text.strip() and not words:
        return Found([], language)
    _refuse_visitor(org, visitor)

    def ask(client: OrgClient) -> dict[str, Any]:
        source = sources.open_source(client, org, language=language)
        return {"hits": [to_json(each) for each in _search(client, source, words, limit)], "language": source.language,
                "languages": source.languages}  # fmt: skip

    base = sources.base_of(org)
    key = _key(org, "search", base.channel, language or base.language, *sorted(words), str(limit))
    value, since = _cached(org, key, ask, visitor=visitor, now=now)
    return Found([Hit(**each) for each in value["hits"]], value["language"], since, tuple(value["languages"]))


def _search(client: OrgClient, source: Source, words: list[str], limit: int) -> list[Hit]:
    """One call, or two when no article holds all words."""
    fields, where = _listed(source.info), _where(source)
    if not words:
        listed = ", ".join(fields)
        order = "ORDER BY LastPublishedDate DESC NULLS LAST, Id"
        return _query(client, f"SELECT {listed} FROM {object_name(source.search)} WHERE {where} {order} LIMIT {limit}")  # noqa: S608
    hits: list[Hit] = []
    for joint, most in (("AND", limit), ("OR", MOST)) if len(words) > 1 else (("AND", limit),):
        term = sosl.term_of(words, joint=joint, open_end=True)
        text = sosl.write_search(term, source.search, fields, where=where, limit=most)
        hits = [read_hit(each) for each in sosl.run_search(client, text, deadlines=SOON, retry=ONCE_MORE)]
        if hits:
            break
    return rank(hits, words)[:limit]


def _query(client: OrgClient, soql: str) -> list[Hit]:
    return [read_hit(each) for each in _records(client, soql)]


def _records(client: OrgClient, soql: str) -> list[dict[str, Any]]:
    answer = client.request("GET", "query", params={"q": soql}, deadlines=SOON, retry=ONCE_MORE)
    return read_page(answer.data).records


def _listed(info: ObjectInfo) -> list[str]:
    """Of the usual fields those that the user sees."""
    return [name for name in LISTED if info.field(name) is not None]


def _where(source: Source, *languages: str) -> str:
    """Published, in the language, and meant for the channel."""
    spoken = one_of("Language", languages) if languages else equals("Language", source.language)
    return f"{equals('PublishStatus', 'Online')} AND {spoken} AND {equals(source.channel, True)}"


# --- One article -------------------------------------------------------------------------------------------------------


def read_one(org: SalesforceOrg, article_id: str, *, language: str = "", visitor: bool = False, now: datetime) -> Read:
    """The published version of an article in the wanted language, else in the connection's usual one.

    `NotFound` (of the wire) when there is none for this channel; `Refusal` and `Unavailable` as for searches.
    """
    if not is_id(article_id) or article_id[:2].lower() != "ka":
        raise NotFound("There is no such article.")
    wanted = to_18(article_id)
    _refuse_visitor(org, visitor)

    def ask(client: OrgClient) -> dict[str, Any]:
        source = sources.open_source(client, org, language=language)
        return {"article": to_json(_read(client, source, wanted))}

    base = sources.base_of(org)
    key = _key(org, "article", base.channel, language or base.language, wanted)
    value, since = _cached(org, key, ask, visitor=visitor, now=now)
    return Read(Article(**value["article"]), since)


def _read(client: OrgClient, source: Source, wanted: str) -> Article:
    """The record with its texts: from the one object of Lightning Knowledge, or from that of its kind of article."""
    usual = sources.open_source(client, source.org).language
    languages = dict.fromkeys((source.language, usual))
    column = "KnowledgeArticleId" if wanted.startswith("kA") else "Id"
    where = f"{equals(column, wanted)} AND {_where(source, *languages)}"
    info = source.info
    if source.search != ARTICLE:
        kinds = _records(client, f"SELECT Id, ArticleType FROM {source.search} WHERE {where} LIMIT 1")  # noqa: S608  quoted
        name = str(kinds[0].get("ArticleType") or "") if kinds else ""
        if not name.endswith(ENDING):
            raise NotFound("There is no such article.")
        info = describe_object(source.org, client, object_name(name))
    body = body_fields(info)
    listed = ", ".join([*_listed(info), *(each.name for each in body)])
    records = _records(client, f"SELECT {listed} FROM {info.name} WHERE {where} LIMIT {len(languages)}")  # noqa: S608  quoted
    records.sort(key=lambda each: each.get("Language") != source.language)
    if not records or not id_of(records[0], "Id"):
        raise NotFound("There is no such article.")
    return read_article(records[0], body)


# --- The cache, and what protects the org ------------------------------------------------------------------------------


def _cached(
    org: SalesforceOrg, key: str, ask: Callable[[OrgClient], dict[str, Any]], *, visitor: bool, now: datetime
) -> tuple[dict[str, Any], datetime | None]:
    """The answer, at most five minutes old; an older one with its age when Salesforce cannot be asked."""
    kept = cache.get(key)
    at = datetime.fromisoformat(kept["at"]) if kept else None
    if kept and at and timedelta() <= now - at < FRESH:
        return kept["value"], None
    try:
        _spend(org, visitor=visitor, now=now)
        with sources.client_of(org) as client:
            value = ask(client)  # pyright: ignore[reportArgumentType]  the client that was opened is the org's own
    except (UpstreamUnavailable, LimitReached, NotConnected, Unavailable) as error:
        if kept:
            return kept["value"], at
        raise Unavailable(getattr(error, "code", "") or "salesforce", f"Articles cannot be read now. {error}") from None
    except SalesforceError as error:
        if isinstance(error, NotFound):
            raise
        raise Refusal(error.code or "salesforce", f"{org.name}: {error.message}") from None
    cache.set(key, {"at": now.isoformat(), "value": value}, KEPT_SECONDS)
    return value, None


def _spend(org: SalesforceOrg, *, visitor: bool, now: datetime) -> None:
    """Keep within the allowance (I-18), and let visitors use up only so much of it."""
    if not budget.may_spend(org, calls=3, domain=sources.DOMAIN, interactive=not visitor, now=now):
        raise Unavailable("budget", "Our share of the org's API calls is used up for now.")
    if not visitor:
        return
    name = f"knowledge-visitors:{org.pk}:{now:%Y%m%d%H}"
    cache.add(name, 0, 7200)
    if cache.incr(name) > VISITORS_AN_HOUR:
        raise Unavailable("busy", "Too many different searches in this hour; try again later.")


def _refuse_visitor(org: SalesforceOrg, visitor: bool) -> None:
    """A public key never reads what is meant for staff or partners."""
    if visitor and sources.base_of(org).channel in FORBIDDEN_TO_VISITORS:
        raise Refusal("channel", "The articles of this connection are not meant for visitors; choose another channel for them.")


def _key(org: SalesforceOrg, *parts: str) -> str:
    """Another authorization may see other articles, so it has other keys."""
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
    return f"knowledge:{org.pk}:{org.generation}:{org.user_id}:{digest}"
