"""What the budget pages and the API read: how a connection's API calls are shared, what used them, and when they free again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum

from integrations.models import ApiUsage, OutboxBatch, Run, SalesforceOrg
from integrations.orgs import budget, sharing
from integrations.orgs.budget_settings import as_values, settings_of
from integrations.orgs.forecasting import Forecast, forecast, free_again
from integrations.orgs.usage import USAGE, hour_of
from integrations.queries import job_label

DAY, HOUR = timedelta(hours=24), timedelta(hours=1)
SPANS = {"24h": 24, "7d": 168}
LABELS = {
    "mirror": "Reading (mirror)", "okr": "Key results", "product": "Product", "billing": "Billing",
    "provisioning": "Provisioning", "analytics": "Analytics", "connection": "Sign-in and checks", "outbox": "Outbox",
    "matching": "Matching", "other": "Other",
}  # fmt: skip
BULK_JOBS_A_DAY = 10_000  # query jobs in 24 hours, org-wide; jobs that write have a limit of their own, above it
TOP_RUNS = 10
KINDS = (
    ("query_calls", "Queries over REST"), ("composite_calls", "Composite (up to 200 records each)"),
    ("bulk_calls", "Bulk API"), ("report_runs", "Reports, answered directly"),
    ("report_instances", "Reports, in the background"),
)  # fmt: skip


@dataclass(frozen=True)
class DomainUse:
    """One domain in the last 24 hours: used, what is kept for it, its cap, and what its schedules and people may use now."""

    key: str
    label: str
    used: int
    floor: int
    cap: int | None
    weight: int
    schedules: int
    people: int
    enabled: bool


@dataclass(frozen=True)
class Reports:
    """Report runs left in this hour for us, for people and for schedules."""

    people: budget.ReportAllowance
    schedules: budget.ReportAllowance


@dataclass(frozen=True)
class Budget:
    """One connection. Numbers are None before Salesforce has named its limit."""

    org: SalesforceOrg
    at: datetime | None
    standing: sharing.Standing | None
    rules: sharing.Rules
    share: int | None
    left: int | None
    reserve: int | None
    percent: int
    ours: int
    domains: Sequence[DomainUse]
    settings: Mapping[str, Any]

    @property
    def others(self) -> int | None:
        """Calls of the org that are not in our count."""
        return None if self.standing is None else max(0, self.standing.used - self.standing.spent)

    @property
    def state(self) -> str:
        """healthy, degraded (75 %) or action (90 %)."""
        return "action" if self.percent >= sharing.STOP_SOON else "degraded" if self.percent >= sharing.WARN else "healthy"

    @property
    def schedules_left(self) -> int | None:
        """The most that a schedule of any domain may use now."""
        return None if self.standing is None else max((each.schedules for each in self.domains if each.enabled), default=0)


@dataclass(frozen=True)
class Use:
    """Calls of one job, run, or kind."""

    label: str
    calls: int
    runs: int = 0
    run: int | None = None


@dataclass(frozen=True)
class Detail:
    """Everything on the page of one connection."""

    budget: Budget
    forecast: Forecast
    all_free: datetime | None
    half_free: datetime | None
    reports: Reports
    bulk_jobs: int
    bulk_jobs_left: int
    kinds: Sequence[Use]
    jobs: Sequence[Use]
    runs: Sequence[Use]
    hours: Sequence[tuple[datetime, int, Mapping[str, int]]]
    chart: Mapping[str, Any] = field(default_factory=dict)


def read_budget(org: SalesforceOrg, *, now: datetime) -> Budget:
    """How the allowance of one connection stands; four statements."""
    rules, standing = budget.rules_of(org), budget.standing_of(org, now=now)
    rows = ApiUsage.objects.filter(org=org, hour__gt=hour_of(now) - DAY).order_by()
    ours = standing.ours if standing else dict(rows.values_list("domain").annotate(n=Sum("calls")).values_list("domain", "n"))
    at = rows.filter(limit_max__gt=0).order_by("-limit_at").values_list("limit_at", flat=True).first()
    return Budget(
        org=org, at=at, standing=standing, rules=rules,
        share=sharing.share_of(rules, standing) if standing else None,
        left=sharing.remaining(rules, standing) if standing else None,
        reserve=sharing.reserve_of(rules, standing) if standing else None,
        percent=sharing.pressure(rules, standing) if standing else 0,
        ours=sum(ours.values()), domains=_domains(rules, standing, ours), settings=as_values(settings_of(org)),
    )  # fmt: skip


def _domains(rules: sharing.Rules, standing: sharing.Standing | None, ours: Mapping[str, int]) -> list[DomainUse]:
    floors = sharing.floors_of(rules, standing) if standing else {}
    share = sharing.share_of(rules, standing) if standing else 0
    names = [*sharing.DOMAINS, *sorted(name for name in ours if name not in sharing.DOMAINS)]
    return [
        DomainUse(
            key=name, label=LABELS.get(name, name.capitalize()), used=ours.get(name, 0), floor=floors.get(name, 0),
            cap=int(share * rules.caps[name]) if name in rules.caps else None, weight=rules.weights.get(name, 1),
            schedules=sharing.may_use(rules, standing, domain=name, interactive=False) if standing else 0,
            people=sharing.may_use(rules, standing, domain=name, interactive=True) if standing else 0,
            enabled=name in rules.domains,
        )
        for name in names
    ]  # fmt: skip


def read_all(*, now: datetime) -> list[Budget]:
    """Every connection that was ever authorized, the fullest first."""
    orgs = SalesforceOrg.objects.exclude(state__in=(SalesforceOrg.State.NEW, SalesforceOrg.State.DISCONNECTED))
    return sorted((read_budget(org, now=now) for org in orgs), key=lambda each: (-each.percent, each.org.name.casefold()))


def read_detail(org: SalesforceOrg, *, span: str, now: datetime) -> Detail:
    """One connection over a span of `SPANS`; a fixed number of statements."""
    USAGE.flush()
    this_hour = hour_of(now)
    found = read_budget(org, now=now)
    past = _by_hour(org, this_hour - DAY * 8)
    whole = {at: sum(calls.values()) for at, calls in past.items()}
    used = sum(calls for at, calls in whole.items() if at > this_hour - DAY)
    hours = [this_hour - HOUR * back for back in reversed(range(SPANS[span]))]
    listed = [(at, sum(past.get(at, {}).values()), past.get(at, {})) for at in hours]
    jobs_made = _jobs_of_the_day(org, this_hour)
    return Detail(
        budget=found, forecast=forecast(whole, share=found.share or 0, this_hour=this_hour),
        all_free=free_again(whole, over=used, this_hour=this_hour) if used else None,
        half_free=free_again(whole, over=(used + 1) // 2, this_hour=this_hour) if used else None,
        reports=Reports(
            budget.report_runs_left(org, now=now, interactive=True), budget.report_runs_left(org, now=now, interactive=False)
        ),
        bulk_jobs=jobs_made, bulk_jobs_left=_jobs_left(org, jobs_made),
        kinds=_kinds(org, this_hour - HOUR * (SPANS[span] - 1)), jobs=_jobs(org, now - HOUR * SPANS[span]),
        runs=_runs(org, now - HOUR * SPANS[span]), hours=listed, chart=_chart(listed),
    )  # fmt: skip


def _by_hour(org: SalesforceOrg, since: datetime) -> dict[datetime, dict[str, int]]:
    rows = ApiUsage.objects.filter(org=org, hour__gte=since).order_by().values_list("hour", "domain", "calls")
    found: dict[datetime, dict[str, int]] = {}
    for at, domain, calls in rows:
        if calls:
            found.setdefault(at, {})[domain] = calls
    return found


def _jobs_of_the_day(org: SalesforceOrg, this_hour: datetime) -> int:
    """Bulk jobs made in the last 24 hours: as counted by the wire, or by the batches sent where that is more."""
    counted = ApiUsage.objects.filter(org=org, hour__gt=this_hour - DAY).aggregate(n=Sum("bulk_jobs", default=0))["n"]
    sent = OutboxBatch.objects.filter(target__org=org, way=OutboxBatch.Way.BULK, created_at__gt=this_hour - DAY)
    return max(counted, sent.exclude(job_id="").count())


def _jobs_left(org: SalesforceOrg, made: int) -> int:
    """What the day's limit leaves, or less if Salesforce said so at the last access check."""
    told = org.posture.get("limits", {}).get("DailyBulkV2QueryJobs", {})
    most, left = told.get("Max", BULK_JOBS_A_DAY), told.get("Remaining", BULK_JOBS_A_DAY)
    return max(0, min(int(most) - made, int(left)))


def _kinds(org: SalesforceOrg, since: datetime) -> list[Use]:
    sums = ApiUsage.objects.filter(org=org, hour__gte=since).aggregate(
        **{name: Sum(name, default=0) for name, _ in KINDS}, calls=Sum("calls", default=0), errors=Sum("errors", default=0)
    )
    found = [Use(label, sums[name]) for name, label in KINDS]
    rest = sums["calls"] - sum(each.calls for each in found)
    return [
        *found,
        Use("Other calls (describe, single records, checks)", max(0, rest)),
        Use("Refused by Salesforce", sums["errors"]),
    ]


def _jobs(org: SalesforceOrg, since: datetime) -> list[Use]:
    rows = Run.objects.filter(org=org, queued_at__gte=since, calls__gt=0).order_by().values("job")
    sums = rows.annotate(n=Sum("calls")).order_by("-n").values_list("job", "n")[:TOP_RUNS]
    return [Use(job_label(job), calls) for job, calls in sums]


def _runs(org: SalesforceOrg, since: datetime) -> list[Use]:
    rows = Run.objects.filter(org=org, queued_at__gte=since, calls__gt=0).order_by("-calls", "-pk")
    return [Use(job_label(job), calls, run=pk) for pk, job, calls in rows.values_list("pk", "job", "calls")[:TOP_RUNS]]


def _chart(hours: Sequence[tuple[datetime, int, Mapping[str, int]]]) -> dict[str, Any]:
    """The hours as the script draws them: one series a domain that was used."""
    used = {name for _, _, calls in hours for name in calls}
    names = [name for name in LABELS if name in used] + sorted(used - set(LABELS))
    series = [{"label": LABELS.get(name, name), "values": [calls.get(name, 0) for _, _, calls in hours]} for name in names]
    return {"labels": [at.isoformat() for at, _, _ in hours], "series": series}
