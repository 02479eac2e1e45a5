"""What the overview shows, read in a fixed number of queries."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, Max, Min, Q

from integrations.access import has_role
from integrations.alerts import open_alerts
from integrations.models import ApiUsage, OutboxRow, Run, SalesforceOrg, WorkerHeartbeat
from integrations.sync import guard, jobs
from okr import queries
from okr.models import KeyResult
from project.timetable import next_time, timetable

WORKER_SILENT_AFTER = timedelta(minutes=3)
EACH_MINUTE = ("product.flush",)
SHOWN = 8


@dataclass(frozen=True)
class Problem:
    """Something a person should do; `url` is the page where it is done."""

    severity: str
    title: str
    body: str = ""
    url: str = ""
    action: str = "Open"
    since: datetime | None = None


@dataclass(frozen=True)
class Upcoming:
    """A job of the timetable and when it starts next (UTC)."""

    label: str
    what: str
    at: datetime


@dataclass(frozen=True)
class Usage:
    """API calls of one connection in the last 24 hours, as Salesforce last told it."""

    org: SalesforceOrg
    used: int
    limit: int


@dataclass
class Overview:
    """Lists are empty for people who may not see them."""

    problems: list[Problem] = field(default_factory=list)
    more_problems: int = 0
    orgs: list[SalesforceOrg] = field(default_factory=list)
    healthy: int = 0
    runs_today: int = 0
    runs_with_errors: int = 0
    usage: list[Usage] = field(default_factory=list)
    upcoming: list[Upcoming] = field(default_factory=list)
    recent: list[Run] = field(default_factory=list)
    attention: list[KeyResult] = field(default_factory=list)
    mine: list[KeyResult] = field(default_factory=list)
    sees_operations: bool = False
    may_connect: bool = False

    @property
    def is_new(self) -> bool:
        """Nothing was ever connected."""
        return not self.orgs


def read_overview(user: AbstractBaseUser | AnonymousUser, *, now: datetime, org: SalesforceOrg | None = None) -> Overview:
    """Everything on the page for `user`; with `org` its runs and key results only. Problems are always those of all."""
    overview = Overview(sees_operations=has_role(user, "analyst"), may_connect=has_role(user, "admin"))
    overview.orgs = list(SalesforceOrg.objects.exclude(state=SalesforceOrg.State.DISCONNECTED))
    overview.healthy = sum(1 for org in overview.orgs if org.is_connected)
    _read_problems(overview, user, now)
    _read_key_results(overview, user, org)
    if overview.sees_operations:
        _read_operations(overview, now, org)
    return overview


def _read_problems(overview: Overview, user: Any, now: datetime) -> None:
    alerts = list(open_alerts(user).order_by("severity", "-since")[: SHOWN * 5])
    overview.problems = [
        Problem(alert.severity, alert.title, alert.body, alert.url, _action_for(alert.url), alert.since)
        for alert in alerts[:SHOWN]
    ]
    overview.more_problems = max(0, len(alerts) - SHOWN)
    if not has_role(user, "operator"):
        return
    overview.problems.extend(_engine_problems())
    beat = WorkerHeartbeat.objects.aggregate(last=Max("beat_at"))["last"]
    if overview.orgs and (beat is None or now - beat > WORKER_SILENT_AFTER):
        said = "It has never reported." if beat is None else "Nothing refreshes until it is back."
        text = f"{said} Start it with: manage.py qcluster"
        overview.problems.insert(0, Problem("action", "The background worker is not running", text, since=beat))


def _engine_problems() -> list[Problem]:
    """What waits for a person in the outbox: questions of the guard, and rows that nobody but a person can cure."""
    found = [
        Problem("action", f"{asked.org}: {asked.rows:,} of {asked.of_rows:,} rows would be changed at once",
                "Nothing is done until somebody allows it.", "/outbox/", "Decide", asked.asked_at)
        for asked in guard.pending()[:SHOWN]
    ]  # fmt: skip
    stuck = OutboxRow.objects.filter(state__in=(OutboxRow.State.PARKED, OutboxRow.State.CONFLICT, OutboxRow.State.UNFIT))
    waiting = stuck.aggregate(n=Count("pk"), since=Min("first_failed_at"))
    if waiting["n"]:
        rows = "1 row waits" if waiting["n"] == 1 else f"{waiting['n']:,} rows wait"
        text = "What was to be written does not fit or was not taken; the outbox says why."
        found.append(Problem("warning", f"{rows} for a person", text, "/outbox/", "Open", waiting["since"]))
    return found


def _action_for(url: str) -> str:
    if url.startswith("/connections/"):
        return "Fix connection"
    return "Choose again" if url.startswith("/okr/") else "Open"


def _read_key_results(overview: Overview, user: Any, org: SalesforceOrg | None) -> None:
    active = KeyResult.objects.filter(objective__archived_at=None).select_related("objective", "owner", "link", "link__org")
    if org is not None:
        active = active.filter(link__org=org)
    overview.mine = list(active.filter(owner=user).order_by("objective__period__ends_on", "id")[:SHOWN])
    theirs = active.filter(queries.needs_attention())
    if not overview.sees_operations:
        theirs = theirs.filter(Q(owner=user) | Q(objective__owner=user))
    overview.attention = list(theirs.order_by("link__status_since", "id")[:SHOWN])
    for key_result in (*overview.mine, *overview.attention):
        queries.show_connection(queries.link_of(key_result))


def _read_operations(overview: Overview, now: datetime, org: SalesforceOrg | None) -> None:
    runs = Run.objects.filter(org=org) if org is not None else Run.objects.all()
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    bad = Q(state__in=(Run.State.PARTIAL, Run.State.FAILED, Run.State.INTERRUPTED))
    counts = runs.filter(queued_at__gte=midnight).aggregate(n=Count("id"), bad=Count("id", filter=bad))
    overview.runs_today, overview.runs_with_errors = counts["n"], counts["bad"]
    worth_a_look = runs.exclude(job__in=EACH_MINUTE, state=Run.State.SUCCESS)  # they would fill the list by themselves
    overview.recent = list(worth_a_look.select_related("org")[:SHOWN])
    labels = {job.name: job.label for job in jobs.every()}
    for run in overview.recent:
        run.label = labels.get(run.job, run.job)  # pyright: ignore[reportAttributeAccessIssue]
    _read_usage(overview, now, org)
    if overview.healthy:
        overview.upcoming = sorted(
            (
                Upcoming(labels.get(slot.job, slot.name), slot.what, next_time(slot.cron, after=now))
                for slot in timetable()
                if slot.job
            ),
            key=lambda upcoming: upcoming.at,
        )


def _read_usage(overview: Overview, now: datetime, org: SalesforceOrg | None) -> None:
    rows = ApiUsage.objects.filter(hour__gte=now - timedelta(hours=24), limit_max__gt=0).order_by("hour")
    latest = {org: (used or 0, limit) for org, used, limit in rows.values_list("org", "limit_used", "limit_max")}
    shown = [each for each in overview.orgs if org is None or each.pk == org.pk]
    overview.usage = [Usage(each, *latest[each.pk]) for each in shown if each.pk in latest]
