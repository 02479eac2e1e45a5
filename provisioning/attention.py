"""What of provisioning waits for a person: each question a fixed number of statements, whatever the size."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BooleanField, Count, F, Max, Min, Q, QuerySet, Value

from integrations.access import Refusal
from integrations.lake.engine import open_engine
from integrations.models import SalesforceOrg
from integrations.sync.mirror import tables
from provisioning.mapping import leads
from provisioning.mapping.judging import UNMAPPED
from provisioning.models import Provision, ProvisioningSettings
from provisioning.provision import queries

State = Provision.State
WRITE_BACK_LATE = timedelta(minutes=15)
LISTED, NAMED = 50, 3
LINES = """
SELECT l."Product2Id", count(DISTINCT l."OpportunityId") FROM lines l JOIN deals d ON d."Id" = l."OpportunityId"
WHERE NOT d."IsClosed" GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Deals:
    """Groups of deals: those that wait for somebody, and those that could not be written back for a while."""

    waiting: list[dict[str, Any]]
    not_written_back: list[dict[str, Any]]


def deals_in_need(*, now: datetime) -> Deals:
    """Deals that wait for somebody, by connection, state, cause and unanswered flag, the most first, `one` a deal of the group;
    and by connection those whose ids Salesforce does not have yet.

    One statement of three parts, so that each is answered from an index (by connection and state, by connection and flag).
    """
    everywhere = Provision.objects.filter(org__in=SalesforceOrg.objects.values("pk"))
    flagged = everywhere.exclude(flag="").filter(flag_answer="")
    waiting = everywhere.filter(queries.needs_person(), state__in=(State.BLOCKED, State.STOPPED))
    late = everywhere.filter(state=State.INCOMPLETE, opened_at__lt=now - WRITE_BACK_LATE)
    parts = (flagged, waiting.exclude(~Q(flag="") & Q(flag_answer="")))
    first, *others = [_grouped(each, is_late=False) for each in parts] + [_grouped(late, is_late=True)]
    groups = list(first.union(*others, all=True))
    asked = sorted((each for each in groups if not each["is_late"]), key=lambda each: (-each["n"], each["one"]))
    return Deals(asked[:LISTED], _by_connection(each for each in groups if each["is_late"]))


def _grouped(rows: QuerySet[Provision], *, is_late: bool) -> Any:
    flagged = rows.order_by().annotate(is_late=Value(is_late, BooleanField()))
    return flagged.values(
        "org", "state", "reason_code", "flag", "flag_answer", "is_late", connection=F("org__name")
    ).annotate(
        n=Count("pk"), since=Min("opened_at"), flagged=Min("flagged_at"), one=Max("pk"), name=Max("name"),
        sentence=Max("sentence"),
    )  # fmt: skip


def _by_connection(groups: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for each in groups:
        kept = found.setdefault(each["org"], {**each, "n": 0})
        kept["n"] += each["n"]
        kept["since"], kept["sentence"] = min(kept["since"], each["since"]), max(kept["sentence"], each["sentence"])
    return list(found.values())


def connections_in_need(orgs: Iterable[SalesforceOrg], *, now: datetime) -> list[ProvisioningSettings]:
    """Settings of those `orgs` that work and whose org lacks something, whose poll cannot ask, or whose old key ends soon."""
    working = (each for each in orgs if each.provisioning_enabled and each.is_connected)
    found = (getattr(each, "provisioning_settings", None) for each in working)
    return [each for each in found if each is not None and each.removed_at is None and _lacks_something(each, now)]


def _lacks_something(settings: ProvisioningSettings, now: datetime) -> bool:
    if settings.poll_trouble:
        return True
    key, called = settings.callout_key_made_at, settings.last_callout_at
    ends = settings.old_key_until is not None and settings.old_key_until > now
    unused = key is not None and called is not None and called < key
    return settings.checked_at is not None and (bool(settings.lacks) or (ends and unused))


@dataclass(frozen=True, slots=True)
class Unmapped:
    """Products on sale that lead nowhere: how many, the first names, and open deals that have one (None = not known)."""

    org: SalesforceOrg
    products: int
    names: tuple[str, ...]
    deals: int | None


def unmapped_products() -> list[Unmapped]:
    """For each working connection whose products are mirrored. Reads the lake: for the worker, not for pages."""
    rows = ProvisioningSettings.objects.filter(
        org__provisioning_enabled=True, org__state=SalesforceOrg.State.CONNECTED, removed_at=None
    ).exclude(checked_at=None)
    found = []
    for settings in rows.select_related("org"):
        try:
            judged = [each.product for each in leads.judge_products(settings.org) if each.state == UNMAPPED]
        except (Refusal, tables.SchemaError):
            continue
        if not judged:
            continue
        deals = _open_deals(settings.org)
        hit = None if deals is None else sum(deals.get(each.id, 0) for each in judged)
        found.append(Unmapped(settings.org, len(judged), tuple(each.name for each in judged[:NAMED]), hit))
    return found


def _open_deals(org: SalesforceOrg) -> Counter[str] | None:
    """Open opportunities by product on them; None where lines or opportunities are not mirrored."""
    try:
        lines = tables.live(org, "OpportunityLineItem", ["Product2Id", "OpportunityId"])
        deals = tables.live(org, "Opportunity", ["Id", "IsClosed"])
    except (Refusal, tables.SchemaError):
        return None
    with open_engine() as engine:
        engine.bind("lines", lines)
        engine.bind("deals", deals)
        return Counter(dict(engine.rows(LINES)))
