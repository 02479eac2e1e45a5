"""What the org's API allowance was spent on, and how much of it is ours to spend (I-18).

Our own count is kept by UTC hour and domain; Salesforce's count comes with every answer. Both cover a rolling day.
"""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Sum

from integrations import alerts
from integrations.access import Refusal
from integrations.models import ApiUsage, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.orgs.states import page_of
from integrations.orgs.usage import USAGE, hour_of
from integrations.salesforce.errors import SalesforceError

log = structlog.get_logger(__name__)

DAY = timedelta(hours=24)
HOUR = timedelta(hours=1)
KEPT_FOR_OTHERS = 0.10  # of the whole allowance: below that we stop, whatever our share says
KEPT_FOR_PEOPLE = 0.10  # of our share: schedules leave so much for clicks
# Org-wide limits an hour and what we take of them; dashboards and other tools need the rest.
SYNC_REPORTS, SYNC_REPORTS_OURS, SYNC_REPORTS_SCHEDULED = 500, 450, 350
REPORT_INSTANCES, REPORT_INSTANCES_OURS, REPORT_INSTANCES_SCHEDULED = 1200, 1100, 900


@dataclass(frozen=True)
class Allowance:
    """API calls of the rolling 24 hours. `used` and `limit` are Salesforce's numbers (None before the first answer)."""

    used: int | None
    limit: int | None
    ours: int
    our_share: int | None
    remaining_for_us: int | None
    at: datetime | None = None

    @property
    def percent(self) -> int:
        """Used part of the org's allowance, 0 to 100."""
        return min(100, round(100 * (self.used or 0) / self.limit)) if self.limit else 0


def allowance(org: SalesforceOrg, *, now: datetime) -> Allowance:
    """What the org's calls of the last 24 hours leave for us: the smaller of our share and what others need."""
    USAGE.flush()
    rows = ApiUsage.objects.filter(org=org, hour__gt=hour_of(now) - DAY)
    ours = rows.aggregate(n=Sum("calls", default=0))["n"]
    newest = rows.filter(limit_max__isnull=False).order_by("-limit_at").first()
    if newest is None or not newest.limit_max:
        return Allowance(None, None, ours, None, None)
    used, limit = newest.limit_used or 0, newest.limit_max
    share = int(limit * settings.API_BUDGET_SHARE)
    free = int(limit * (1 - KEPT_FOR_OTHERS)) - used
    return Allowance(used, limit, ours, share, max(0, min(share - ours, free)), newest.limit_at)


def may_spend(org: SalesforceOrg, *, calls: int, domain: str = "other", interactive: bool = False, now: datetime) -> bool:
    """Whether `calls` more fit our share. Schedules stop earlier than people, so that a click works late in the day."""
    left = allowance(org, now=now)
    if left.remaining_for_us is None or left.our_share is None:
        return True
    reserve = 0 if interactive else int(left.our_share * KEPT_FOR_PEOPLE)
    return calls <= left.remaining_for_us - reserve


@dataclass(frozen=True)
class ReportAllowance:
    """Report runs that we may still start in this hour: synchronous ones, and asynchronous instances."""

    sync: int
    instances: int


def report_runs_left(org: SalesforceOrg, *, now: datetime, interactive: bool = False) -> ReportAllowance:
    """Runs left of the hourly limits, counted over the last 60 minutes (the hour before counts by its overlap)."""
    USAGE.flush()
    this_hour = hour_of(now)
    overlap = 1 - (now - this_hour) / HOUR
    sync = instances = 0.0
    for hour, weight in ((this_hour, 1.0), (this_hour - HOUR, overlap)):
        sums = ApiUsage.objects.filter(org=org, hour=hour).aggregate(
            sync=Sum("report_runs", default=0), instances=Sum("report_instances", default=0)
        )
        sync, instances = sync + sums["sync"] * weight, instances + sums["instances"] * weight
    most_sync = SYNC_REPORTS_OURS if interactive else SYNC_REPORTS_SCHEDULED
    most_instances = REPORT_INSTANCES_OURS if interactive else REPORT_INSTANCES_SCHEDULED
    return ReportAllowance(max(0, int(most_sync - sync)), max(0, int(most_instances - instances)))


def by_hour(org: SalesforceOrg, *, now: datetime, hours: int = 24) -> list[dict[str, object]]:
    """Our calls in each of the last `hours` UTC hours, oldest first, zeros included."""
    USAGE.flush()
    first = hour_of(now) - HOUR * (hours - 1)
    rows = ApiUsage.objects.filter(org=org, hour__gte=first).values("hour").annotate(n=Sum("calls"), failed=Sum("errors"))
    found = {row["hour"]: row for row in rows}
    steps = (first + HOUR * step for step in range(hours))
    return [{"hour": at, "calls": found.get(at, {}).get("n", 0), "errors": found.get(at, {}).get("failed", 0)} for at in steps]


# --- Signs of a stolen token (S-011) ---------------------------------------------------------------------------------

STRANGER_SHARE = 0.20  # of the allowance, used by others within an hour
UNUSUAL_FACTOR, UNUSUAL_FROM = 3, 200  # our own calls against the median of that hour in the last week


@dataclass(frozen=True)
class Suspicion:
    """Something about the use of the org's API that a person should look at."""

    code: str
    sentence: str


def suspicions(org: SalesforceOrg, *, now: datetime) -> list[Suspicion]:
    """Signs that somebody else uses the org's API, or our token: strange growth, unusual volume, objects never asked for."""
    USAGE.flush()
    found = [_strangers(org, now), _unusual_volume(org, now), _new_objects(org, now)]
    return [each for each in found if each is not None]


def _strangers(org: SalesforceOrg, now: datetime) -> Suspicion | None:
    readings = ApiUsage.objects.filter(org=org, limit_max__isnull=False, limit_at__gte=now - HOUR * 2).order_by("limit_at")
    points = list(readings.values_list("limit_at", "limit_used", "limit_max", "hour"))
    if len(points) < 2:
        return None
    (_, first, _, since), (at, last, limit, _) = points[0], points[-1]
    # Calls counted since the hour of the first reading: at least ours, so the difference is never too large.
    ours = ApiUsage.objects.filter(org=org, hour__gte=since).aggregate(n=Sum("calls", default=0))["n"]
    others = last - first - ours
    if not limit or others <= limit * STRANGER_SHARE:
        return None
    return Suspicion(
        "usage_by_others", f"Within two hours {others:,} API calls were made in this org that are not ours (by {at:%H:%M} UTC)."
    )


def _unusual_volume(org: SalesforceOrg, now: datetime) -> Suspicion | None:
    hour = hour_of(now)
    week = [hour - DAY * days for days in range(1, 8)]
    sums = dict(
        ApiUsage.objects.filter(org=org, hour__in=[hour, *week])
        .values_list("hour")
        .annotate(n=Sum("calls"))
        .values_list("hour", "n")
    )
    earlier = [sums.get(at, 0) for at in week]
    usual, current = statistics.median(earlier), sums.get(hour, 0)
    known = ApiUsage.objects.filter(org=org, hour__lt=hour - DAY * 6).exists()
    if not known or current < UNUSUAL_FROM or current <= usual * UNUSUAL_FACTOR:
        return None
    return Suspicion("unusual_volume", f"We made {current:,} API calls in this hour; usual for this hour are {usual:,.0f}.")


def _new_objects(org: SalesforceOrg, now: datetime) -> Suspicion | None:
    hour = hour_of(now)
    before = _objects(ApiUsage.objects.filter(org=org, hour__lt=hour).values_list("objects_asked", flat=True))
    if not before or not ApiUsage.objects.filter(org=org, hour__lt=hour - DAY).exists():
        return None
    new = _objects(ApiUsage.objects.filter(org=org, hour=hour).values_list("objects_asked", flat=True)) - before
    return Suspicion("new_objects", f"Objects never asked for before: {', '.join(sorted(new))}.") if new else None


def _objects(lists: Iterable[list[str]]) -> set[str]:
    return {name for names in lists for name in names}


READING_AGE = timedelta(minutes=10)


def watch_usage(*, now: datetime) -> int:
    """Raise or close the alert about suspicious use of every connection; every 10 minutes. Returns alerts raised."""
    raised = 0
    for org in SalesforceOrg.objects.filter(state=SalesforceOrg.State.CONNECTED):
        _read_usage_if_old(org, now)
        found = suspicions(org, now=now)
        if not found:
            alerts.recover_alert(f"usage:{org.pk}", now=now)
            continue
        sentences = " ".join(each.sentence for each in found)
        alert = alerts.raise_alert(
            f"usage:{org.pk}",
            code="+".join(each.code for each in found),
            title=f"{org.name}: unusual use of the API",
            body=f"{sentences} If nobody knows why, revoke this connection's token on its page.",
            url=f"{page_of(org)}#disconnect",
            org=org,
            now=now,
        )
        raised += alert is not None
    return raised


def _read_usage_if_old(org: SalesforceOrg, now: datetime) -> None:
    """One cheap call when nobody asked Salesforce lately, so that the header tells what others use."""
    USAGE.flush()
    if ApiUsage.objects.filter(org=org, limit_at__gt=now - READING_AGE).exists():
        return
    try:
        client_for(org, domain="connection").limits()
    except (SalesforceError, Refusal) as error:
        log.info("usage not read", org=org.pk, code=getattr(error, "code", ""))
    USAGE.flush()
