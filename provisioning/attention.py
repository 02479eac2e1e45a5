"""What of provisioning waits for a person: each question a fixed number of statements, whatever the size."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Min, Q

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


def deals_in_need() -> list[dict[str, Any]]:
    """Deals that wait for somebody, by connection, state, cause and unanswered flag; `one` is a deal of the group.

    Two statements, so that each is answered from an index (by connection and state, by connection and flag).
    """
    everywhere = Provision.objects.filter(org__in=SalesforceOrg.objects.values("pk"))
    flagged = everywhere.exclude(flag="").filter(flag_answer="")
    waiting = everywhere.filter(queries.needs_person(), state__in=(State.BLOCKED, State.STOPPED))
    groups: list[dict[str, Any]] = []
    for rows in (flagged, waiting.exclude(~Q(flag="") & Q(flag_answer=""))):
        grouped = rows.order_by().values("org", "state", "reason_code", "flag", "flag_answer", connection=F("org__name"))
        groups += grouped.annotate(
            n=Count("pk"), since=Min("opened_at"), flagged=Min("flagged_at"), one=Max("pk"), name=Max("name")
        )
    return sorted(groups, key=lambda each: (-each["n"], each["one"]))[:LISTED]


def late_write_backs(*, now: datetime) -> list[dict[str, Any]]:
    """Deals whose ids could not be written to Salesforce for a while, by connection."""
    rows = Provision.objects.filter(
        org__in=SalesforceOrg.objects.values("pk"), state=State.INCOMPLETE, opened_at__lt=now - WRITE_BACK_LATE
    ).order_by()
    return list(
        rows.values("org", connection=F("org__name")).annotate(n=Count("pk"), since=Min("opened_at"), sentence=Max("sentence"))
    )


def connections_in_need(*, now: datetime) -> list[ProvisioningSettings]:
    """Settings of working connections whose org lacks something, whose poll cannot ask, or whose old key ends soon."""
    rows = ProvisioningSettings.objects.filter(
        org__provisioning_enabled=True, org__state=SalesforceOrg.State.CONNECTED, removed_at=None
    )
    ending = Q(old_key_until__gt=now) & Q(last_callout_at__lt=F("callout_key_made_at"))
    found = rows.filter(~Q(lacks=[]) | ~Q(poll_trouble="") | ending).exclude(checked_at=None, poll_trouble="")
    return list(found.select_related("org").order_by("org__name"))


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
