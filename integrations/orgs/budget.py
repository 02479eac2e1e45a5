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
from integrations.models import ApiUsage, BudgetSettings, SalesforceOrg
from integrations.orgs import sharing
from integrations.orgs.connect import client_for
from integrations.orgs.posture import ASKED_BY_CHECKS
from integrations.orgs.states import page_of
from integrations.orgs.usage import USAGE, hour_of
from integrations.salesforce.errors import SalesforceError

log = structlog.get_logger(__name__)

DAY = timedelta(hours=24)
HOUR = timedelta(hours=1)
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


def rules_of(org: SalesforceOrg) -> sharing.Rules:
    """What an administrator chose for the connection, else the installation's share and the usual division."""
    chosen = BudgetSettings.objects.filter(org=org).first() or BudgetSettings(org=org)
    switches = {"mirror": True} | {name: bool(getattr(org, f"{name}_enabled")) for name in sharing.DOMAINS if name != "mirror"}
    return sharing.Rules(
        share=settings.API_BUDGET_SHARE if chosen.share_percent is None else chosen.share_percent / 100,
        people=chosen.people_percent / 100,
        weights=chosen.weights,
        caps={name: percent / 100 for name, percent in chosen.caps.items()},
        domains=tuple(name for name in sharing.DOMAINS if switches[name]),
    )


def standing_of(org: SalesforceOrg, *, now: datetime) -> sharing.Standing | None:
    """The calls of the last 24 hours; None before Salesforce named its limit."""
    USAGE.flush()
    rows = ApiUsage.objects.filter(org=org, hour__gt=hour_of(now) - DAY)
    newest = rows.filter(limit_max__gt=0).order_by("-limit_at").values_list("limit_used", "limit_max", "limit_at").first()
    if newest is None:
        return None
    ours = dict(rows.order_by().values_list("domain").annotate(n=Sum("calls")).values_list("domain", "n"))
    return sharing.Standing(newest[1], newest[0] or 0, ours, newest[2])


def allowance(org: SalesforceOrg, *, now: datetime) -> Allowance:
    """What the org's calls of the last 24 hours leave for us: the smaller of our share and what others need."""
    found = standing_of(org, now=now)
    if found is None:
        rows = ApiUsage.objects.filter(org=org, hour__gt=hour_of(now) - DAY)
        return Allowance(None, None, rows.aggregate(n=Sum("calls", default=0))["n"], None, None)
    rules = rules_of(org)
    share, left = sharing.share_of(rules, found), sharing.remaining(rules, found)
    return Allowance(found.used, found.limit, found.spent, share, left, found.at)


def may_spend(org: SalesforceOrg, *, calls: int, domain: str = "other", interactive: bool = False, now: datetime) -> bool:
    """Whether `calls` more fit (see `sharing`). Schedules stop earlier than people, so that a click works late in the day."""
    found = standing_of(org, now=now)
    return found is None or calls <= sharing.may_use(rules_of(org), found, domain=domain, interactive=interactive)


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
    weights = {this_hour: 1.0, this_hour - HOUR: overlap}
    hours = ApiUsage.objects.filter(org=org, hour__in=weights).order_by().values("hour")
    sync = instances = 0.0
    for sums in hours.annotate(sync=Sum("report_runs", default=0), instances=Sum("report_instances", default=0)):
        weight = weights[sums["hour"]]
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
    asked = _objects(ApiUsage.objects.filter(org=org, hour=hour).values_list("objects_asked", flat=True))
    new = asked - before - ASKED_BY_CHECKS
    return Suspicion("new_objects", f"Objects never asked for before: {', '.join(sorted(new))}.") if new else None


def _objects(lists: Iterable[list[str]]) -> set[str]:
    return {name for names in lists for name in names}


READING_AGE = timedelta(minutes=10)


def watch_usage(*, now: datetime) -> int:
    """Raise or close the alert about suspicious use of every connection; every 10 minutes. Returns alerts raised."""
    raised = 0
    for org in SalesforceOrg.objects.filter(state=SalesforceOrg.State.CONNECTED):
        _read_usage_if_old(org, now)
        raised += warn_before_end(org, now=now)
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


def warn_before_end(org: SalesforceOrg, *, now: datetime) -> bool:
    """Tell when 75 and when 90 % of what we may use are used, once each; the alert closes below 70 %."""
    found = standing_of(org, now=now)
    if found is None:
        return False
    rules, key = rules_of(org), f"budget:{org.pk}"
    percent = sharing.pressure(rules, found)
    code = alerts.open_alerts().filter(key=key).values_list("code", flat=True).first() or "0"
    level = sharing.level_after(int(code) if code.isdigit() else 0, percent)
    if not level:
        alerts.recover_alert(key, now=now, note=f"{org.name}: API calls are free again.")
        return False
    share = sharing.share_of(rules, found)
    body = f"We used {found.spent:,} of our {share:,} calls in 24 hours; the org used {found.used:,} of {found.limit:,}."
    body += " Schedules stop first, people can go on with what is kept for them." if level == sharing.STOP_SOON else ""
    title = f"{org.name}: {level} % of our API calls are used"
    return alerts.raise_alert(
        key, code=str(level), title=title, body=body, url=f"/budget/{org.pk}/", org=org, now=now,
        severity="action" if level == sharing.STOP_SOON else "warning",
    ) is not None  # fmt: skip


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
