"""Where articles come from: which connection, which object, which channel, which language."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import SalesforceOrg
from integrations.orgs.connect import OrgClient, client_for
from integrations.orgs.posture import Need
from integrations.product.models import KnowledgeBase
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import InvalidType, NoAccess, NotFound
from integrations.sync.mirror.describing import describe_object

DOMAIN = "product"
ARTICLE, VERSION = "Knowledge__kav", "KnowledgeArticleVersion"
ENDING = "__kav"
ABSENT_SECONDS = 600
"""How long it is remembered that an org has no Knowledge; the button on the page asks again."""
USUAL_LANGUAGE = "en_US"
Channel = KnowledgeBase.Channel
NONE = (
    "has no Salesforce Knowledge, or the integration user cannot see it. Turn on Knowledge in Setup, give the user read access "
    "to Knowledge (and the Knowledge User license, where the org asks for it), then check again."
)


@dataclass(frozen=True, slots=True)
class Source:
    """A connection's articles. `search` is the object that searches name, `info` what it looks like."""

    org: SalesforceOrg
    search: str
    info: ObjectInfo
    channel: str
    language: str
    languages: tuple[str, ...]


def base_of(org: SalesforceOrg) -> KnowledgeBase:
    """The settings of a connection; an unsaved row with the usual values when nobody chose."""
    return KnowledgeBase.objects.filter(org=org).first() or KnowledgeBase(org=org)


def shown_orgs() -> list[SalesforceOrg]:
    """Connections whose articles may be shown: those that somebody chose first, then by name."""
    orgs = SalesforceOrg.objects.filter(product_enabled=True).exclude(
        state__in=(SalesforceOrg.State.NEW, SalesforceOrg.State.DISCONNECTED)
    )
    rows = {each.org_id: each for each in KnowledgeBase.objects.filter(org__in=orgs)}
    found = [org for org in orgs if org.pk not in rows or rows[org.pk].enabled]
    return sorted(found, key=lambda org: (org.pk not in rows, org.name))


def choose_org(number: int | None = None) -> SalesforceOrg:
    """The connection of that number, or the first whose articles are shown; `Refusal` when there is none."""
    orgs = shown_orgs()
    found = next((org for org in orgs if number is None or org.pk == number), None)
    if found is None:
        text = "No connection shows articles." if number is None else "This connection shows no articles."
        raise Refusal("no_source", f"{text} Connect a Salesforce org with Knowledge, or switch its articles on.")
    return found


def open_source(client: OrgClient, org: SalesforceOrg, *, language: str = "", fresh: bool = False) -> Source:
    """What the org's Knowledge looks like. `Refusal` no_knowledge, channel_hidden or language, each with what to do."""
    base, absent = base_of(org), f"knowledge-absent:{org.pk}:{org.generation}:{org.user_id}"
    if cache.get(absent) and not fresh:
        raise Refusal("no_knowledge", f"{org.name} {NONE}")
    found = _find_object(org, client, fresh=fresh)
    if found is None:
        cache.set(absent, True, ABSENT_SECONDS)
        raise Refusal("no_knowledge", f"{org.name} {NONE}")
    cache.delete(absent)
    search, info = found
    if info.field(base.channel) is None:
        text = f"The integration user of {org.name} cannot see {base.channel}, which says who may read an article; grant it."
        raise Refusal("channel_hidden", text)
    languages = info.field("Language")
    known = languages.active_values if languages else ()
    return Source(org, search, info, base.channel, _language(language or base.language, info), known)


def _find_object(org: SalesforceOrg, client: OrgClient, *, fresh: bool) -> tuple[str, ObjectInfo] | None:
    """Lightning Knowledge has one object; before that, each kind of article had its own behind a common one."""
    for name in (ARTICLE, VERSION):
        try:
            info = describe_object(org, client, name, fresh=fresh)
        except (NotFound, InvalidType, NoAccess):
            continue
        if info.queryable:
            return name, info
    return None


def _language(wanted: str, info: ObjectInfo) -> str:
    """The language to read: the wanted one, else the field's default, else English."""
    field = info.field("Language")
    if field is None:
        return wanted or USUAL_LANGUAGE
    known = {each.lower(): each for each in field.active_values}
    if wanted:
        exact = wanted.replace("-", "_").lower()
        alike = [value for key, value in known.items() if key.partition("_")[0] == exact.partition("_")[0]]
        found = known.get(exact) or (alike[0] if alike else "")
        if not found:
            raise Refusal("language", f"There are no articles in {wanted[:20]}; known: {', '.join(field.active_values)}.")
        return found
    chosen = next((each.value for each in field.choices if each.default and each.active), "")
    return chosen or known.get(USUAL_LANGUAGE.lower()) or next(iter(field.active_values), USUAL_LANGUAGE)


def client_of(org: SalesforceOrg) -> OrgClient:
    """A client whose calls the product pays for."""
    return client_for(org, domain=DOMAIN)


def save_base(
    org: SalesforceOrg, changes: Mapping[str, Any], *, user: Person | None, now: datetime, address: str | None = None
) -> KnowledgeBase:
    """Store the choice of a person. `Refusal` for a channel or language that is none."""
    channel, language = str(changes.get("channel") or Channel.PUBLIC), str(changes.get("language") or "").strip()
    if channel not in Channel.values:
        raise Refusal("channel", f"Choose one of {', '.join(Channel.labels)}.")
    if language and not (len(language) <= 10 and language.replace("_", "").isalpha() and language.isascii()):
        raise Refusal("language", "A language is written like en_US or de.")
    before = base_of(org)
    kept = {"enabled": before.enabled, "channel": before.channel, "language": before.language}
    wanted = {"enabled": bool(changes.get("enabled")), "channel": channel, "language": language}
    base, _ = KnowledgeBase.objects.update_or_create(org=org, defaults={**wanted, "updated_at": now})
    if wanted != kept:
        audit.record("knowledge.changed", actor=user, target=org.name, before=kept, after=wanted, address=address)
    return base


def posture_need() -> Need:
    """The access check looks for articles where a person chose that they are shown; others may have no Knowledge at all."""
    return Need(ARTICLE, ("Id", "Title", "PublishStatus", "Language"), "help articles (Knowledge)", enabled=is_wanted)


def is_wanted(org: SalesforceOrg) -> bool:
    """Whether somebody chose to show this connection's articles."""
    return org.product_enabled and KnowledgeBase.objects.filter(org=org, enabled=True).exists()
