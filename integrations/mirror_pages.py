"""Everything that the pages of the mirror read, in a fixed number of queries."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet

from integrations.models import Backfill, Drift, MirrorObject, RecordMerge, Run, SalesforceOrg

STALE_AFTER = timedelta(hours=26)  # a daily read that is two hours late
LISTED = 50
State = MirrorObject.State
UNDER_WAY = (Backfill.State.QUEUED, Backfill.State.RUNNING, Backfill.State.PAUSED)


@dataclass(frozen=True)
class Freshness:
    """How old the mirror of one object is: `state` is a status word, `text` says why in words."""

    state: str
    text: str


def freshness_of(item: MirrorObject, *, now: datetime) -> Freshness:
    """Whether what we hold can be relied on, and since when not."""
    if item.state != State.ACTIVE:
        return Freshness("paused" if item.state == State.PAUSED else "degraded", item.reason or item.get_state_display())
    if item.read_at is None:
        return Freshness("not_read", "The first read comes with the next run.")
    if now - item.read_at > STALE_AFTER:
        return Freshness("degraded", "The last daily read did not come through.")
    return Freshness("fresh", "")


def parity_of(item: MirrorObject) -> Freshness:
    """Whether the last reconciliation found the mirror equal to the org (I-05)."""
    if item.parity_at is None:
        return Freshness("not_read", "Not compared yet")
    if item.parity_theirs == item.parity_ours:
        return Freshness("fresh", f"{item.parity_repaired:,} put right" if item.parity_repaired else "Equal")
    return Freshness("degraded", f"Salesforce has {item.parity_theirs or 0:,}, the mirror {item.parity_ours or 0:,}")


def read_objects(*, org: SalesforceOrg | None, now: datetime) -> list[dict[str, Any]]:
    """Mirrored objects with freshness, parity and open drift; those in trouble first."""
    items = MirrorObject.objects.select_related("org", "last_run").annotate(
        open_drifts=Count("drifts", filter=Q(drifts__settled_at=None), distinct=True)
    )
    if org is not None:
        items = items.filter(org=org)
    rows = [{"item": item, "fresh": freshness_of(item, now=now), "parity": parity_of(item)} for item in items]
    trouble = {"degraded": 0, "paused": 1}
    return sorted(rows, key=lambda row: (trouble.get(row["fresh"].state, 2), row["item"].org.name, row["item"].name))


def backfills_under_way(org: SalesforceOrg | None = None) -> QuerySet[Backfill]:
    """Backfills that wait, run or are paused, newest first."""
    found = Backfill.objects.filter(state__in=UNDER_WAY).select_related("object", "object__org")
    return found.filter(object__org=org) if org is not None else found


def read_object_page(item: MirrorObject, *, now: datetime) -> dict[str, Any]:
    """One mirrored object: its fields, what changed in Salesforce, merges, backfills, latest runs."""
    return {
        "item": item,
        "org": item.org,
        "fresh": freshness_of(item, now=now),
        "parity": parity_of(item),
        "fields": item.fields.order_by("name"),
        "drifts": Drift.objects.filter(object=item).order_by("-seen_at")[:LISTED],
        "merges": RecordMerge.objects.filter(org=item.org, object=item.name).order_by("-seen_at")[:LISTED],
        "backfills": Backfill.objects.filter(object=item).select_related("requested_by")[:LISTED],
        "runs": Run.objects.filter(org=item.org, job__startswith="mirror.", objects_touched__name=item.name)[:8],
    }


def read_connections() -> QuerySet[SalesforceOrg]:
    """Connections that have a mirror or can get one."""
    return SalesforceOrg.objects.exclude(state__in=(SalesforceOrg.State.NEW, SalesforceOrg.State.DISCONNECTED))
