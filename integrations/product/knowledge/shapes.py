"""Articles as we show them, made from records of Salesforce. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.html import escape, strip_tags

from integrations.product.knowledge.sanitizing import clean_html, text_to_html
from integrations.salesforce.describe import FieldInfo, ObjectInfo
from integrations.salesforce.ids import is_id, to_18

LISTED = ("Id", "KnowledgeArticleId", "ArticleNumber", "Title", "Summary", "UrlName", "Language", "LastPublishedDate")
LONGEST_SUMMARY = 300
MOST_SECTIONS = 20


@dataclass(frozen=True, slots=True)
class Hit:
    """An article in a list. `id` is the article's own (it stays over versions), `published_at` ISO 8601 in UTC."""

    id: str
    number: str
    title: str
    summary: str
    url_name: str
    language: str
    published_at: str


@dataclass(frozen=True, slots=True)
class Article:
    """One article in one language; `html` is safe to show."""

    id: str
    version_id: str
    number: str
    title: str
    summary: str
    language: str
    published_at: str
    html: str


def read_hit(record: Mapping[str, Any]) -> Hit:
    """A `Hit` from a record of Knowledge__kav or KnowledgeArticleVersion."""
    return Hit(
        id_of(record, "KnowledgeArticleId") or id_of(record, "Id"), _text(record, "ArticleNumber"), _text(record, "Title"),
        shorten(_text(record, "Summary")), _text(record, "UrlName"), _text(record, "Language"),
        moment_of(_text(record, "LastPublishedDate")),
    )  # fmt: skip


def read_article(record: Mapping[str, Any], body: tuple[FieldInfo, ...]) -> Article:
    """An `Article` from a record that has the fields of `body`."""
    hit = read_hit(record)
    html = body_html(record, body, title=hit.title) or text_to_html(_text(record, "Summary"))
    return Article(hit.id, id_of(record, "Id"), hit.number, hit.title, hit.summary, hit.language, hit.published_at, html)


def body_fields(info: ObjectInfo) -> tuple[FieldInfo, ...]:
    """What an org wrote its articles in: its own long texts, rich or plain, in the order of describe."""
    found = [each for each in info.fields if each.custom and each.type == "textarea" and not each.encrypted]
    return tuple(found[:MOST_SECTIONS])


def body_html(record: Mapping[str, Any], body: tuple[FieldInfo, ...], *, title: str) -> str:
    """The texts that are filled, one below the other; with their labels when there are several."""
    parts = []
    for each in body:
        text = _text(record, each.name)
        made = clean_html(text) if each.html else text_to_html(text)
        plain = strip_tags(made).strip()
        if plain and plain.casefold() != title.casefold():
            parts.append((each.label, made))
    if len(parts) == 1:
        return parts[0][1]
    return "".join(f"<h3>{escape(label)}</h3>{made}" for label, made in parts)


def rank(hits: Sequence[Hit], words: Sequence[str]) -> list[Hit]:
    """Titles that hold more of the words first; else Salesforce's own order of relevance stays."""
    wanted = [word.casefold() for word in words]
    return sorted(hits, key=lambda hit: -sum(word in hit.title.casefold() for word in wanted))


def id_of(record: Mapping[str, Any], name: str) -> str:
    """An id with 18 characters; empty when there is none."""
    found = _text(record, name)
    return to_18(found) if is_id(found) else ""


def moment_of(text: str) -> str:
    """`2026-01-31T09:00:00.000+0000` as ISO 8601 that every browser reads."""
    return f"{text[:19]}Z" if text.endswith("+0000") else text


def shorten(text: str) -> str:
    """A summary of some lines."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_SUMMARY else f"{text[: LONGEST_SUMMARY - 1].rsplit(' ', 1)[0]}…"


def to_json(found: Hit | Article) -> dict[str, Any]:
    """For the API and the cache."""
    return asdict(found)


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""
