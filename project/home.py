"""What the overview shows, read in a fixed number of queries, whatever the size of the tables."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, Q

from analytics.attention import sync_hours
from integrations.access import has_role, may_change
from integrations.models import ApiUsage, Run, SalesforceOrg
from integrations.orgs.states import Shown, shown_state
from integrations.sync import jobs
from okr import queries
from okr.models import KeyResult
from project.first_steps import FirstSteps, read_first_steps
from project.needs_person.asking import Asker
from project.needs_person.listing import Listing, read_needs
from project.timetable import PREFIX, next_time, timetable

EACH_MINUTE = ("product.flush",)
SHOWN = 8
CONNECTIONS = 6  # listed with their domains; the others have a page
SYNC_OF_ANALYTICS = "analytics.sync"
DOMAINS = {
    "mirror": "Reading", "okr": "Key results", "product": "Product", "billing": "Billing", "provisioning": "Provisioning",
    "analytics": "Analytics", "outbox": "Writing",
}  # fmt: skip


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


@dataclass(frozen=True)
class Line:
    """One domain of a connection: its last run and when the next one comes (None: nothing is scheduled)."""

    label: str
    last: Run
    next_at: datetime | None


@dataclass(frozen=True)
class Place:
    """One connection with its domains."""

    org: SalesforceOrg
    shown: Shown
    usage: Usage | None
    lines: list[Line]


@dataclass
class Overview:
    """Lists are empty for people who may not see them."""

    listing: Listing = field(default_factory=lambda: Listing([]))
    steps: FirstSteps | None = None
    orgs: list[SalesforceOrg] = field(default_factory=list)
    healthy: int = 0
    runs_today: int = 0
    runs_with_errors: int = 0
    usage: list[Usage] = field(default_factory=list)
    upcoming: list[Upcoming] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    recent: list[Run] = field(default_factory=list)
    attention: list[KeyResult] = field(default_factory=list)
    mine: list[KeyResult] = field(default_factory=list)
    sees_operations: bool = False
    operates: bool = False
    may_connect: bool = False

    @property
    def is_new(self) -> bool:
        """Nothing was ever connected."""
        return not self.orgs

    @property
    def worst(self) -> str:
        """Tone of the one sentence at the top: bad, warn, or ok."""
        tones = {each.tone for each in self.listing.needs}
        return "bad" if "bad" in tones else "warn" if "warn" in tones else "ok"

    @property
    def more_places(self) -> int:
        """Connections that are not listed."""
        return max(0, len(self.orgs) - len(self.places))


def read_overview(user: AbstractBaseUser | AnonymousUser, *, now: datetime, org: SalesforceOrg | None = None) -> Overview:
    """Everything on the page for `user`; with `org` its runs and key results only. What needs a person is that of all."""
    asker = Asker(user, now)
    overview = Overview(sees_operations=has_role(user, "analyst"), may_connect=may_change(user, "admin"))
    overview.operates = asker.may_somewhere
    overview.orgs = asker.orgs
    overview.healthy = sum(1 for org in overview.orgs if org.is_connected)
    overview.listing = read_needs(asker)
    overview.steps = read_first_steps(user)
    _read_key_results(overview, user, org)
    if overview.sees_operations:
        _read_operations(overview, asker, org)
    return overview


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


def _read_operations(overview: Overview, asker: Asker, org: SalesforceOrg | None) -> None:
    runs = Run.objects.filter(org=org) if org is not None else Run.objects.all()
    midnight = asker.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    bad = Q(state__in=(Run.State.PARTIAL, Run.State.FAILED, Run.State.INTERRUPTED))
    counts = runs.filter(queued_at__gte=midnight).aggregate(n=Count("id"), bad=Count("id", filter=bad))
    overview.runs_today, overview.runs_with_errors = counts["n"], counts["bad"]
    worth_a_look = runs.exclude(job__in=EACH_MINUTE, state=Run.State.SUCCESS)  # they would fill the list by themselves
    overview.recent = list(worth_a_look.select_related("org").defer("checkpoint")[:SHOWN])
    labels = {job.name: job.label for job in jobs.every()}
    for run in overview.recent:
        run.label = labels.get(run.job, run.job)  # pyright: ignore[reportAttributeAccessIssue]
    shown = [each for each in overview.orgs if org is None or each.pk == org.pk]
    overview.usage = _usage(shown, asker.now)
    if overview.healthy:
        slots = [slot for slot in timetable() if slot.job]
        overview.upcoming = sorted(
            (Upcoming(labels.get(slot.job, slot.name), slot.what, next_time(slot.cron, after=asker.now)) for slot in slots),
            key=lambda upcoming: upcoming.at,
        )
    overview.places = _places(shown, overview.usage, asker)


def _usage(orgs: list[SalesforceOrg], now: datetime) -> list[Usage]:
    rows = ApiUsage.objects.filter(hour__gte=now - timedelta(hours=24), limit_max__gt=0).order_by("limit_at")
    latest = {org: (used or 0, limit) for org, used, limit in rows.values_list("org", "limit_used", "limit_max")}
    return [Usage(each, *latest[each.pk]) for each in orgs if each.pk in latest]


def _places(orgs: list[SalesforceOrg], usage: list[Usage], asker: Asker) -> list[Place]:
    """The connections with their domains, those in trouble first; no statement besides what the asker knows already."""
    used = {each.org.pk: each for each in usage}
    shown = {org.pk: shown_state(org, locked=org.pk in asker.locked) for org in orgs}
    rank = {"action": 0, "degraded": 1, "healthy": 2}
    listed = sorted(orgs, key=lambda org: (rank.get(shown[org.pk].tone, 3), org.name.casefold()))[:CONNECTIONS]
    hours = sync_hours(orgs)
    times = {slot.job: asker.times.get(PREFIX + slot.name) or next_time(slot.cron, after=asker.now)
             for slot in timetable() if slot.job}  # fmt: skip
    return [Place(org, shown[org.pk], used.get(org.pk), _lines(org, times, hours.get(org.pk), asker)) for org in listed]


def _lines(org: SalesforceOrg, times: dict[str, datetime], sync_hour: int | None, asker: Asker) -> list[Line]:
    """The latest run of each domain, and the next time of any of its jobs that ran here."""
    last: dict[str, Run] = {}
    due: dict[str, datetime] = {}
    for run in asker.runs:
        if run.org_id != org.pk:
            continue
        if run.domain not in last or last[run.domain].pk < run.pk:
            last[run.domain] = run
        at = times.get(run.job)
        if run.job == SYNC_OF_ANALYTICS and sync_hour is not None:
            at = next_time(f"0 {sync_hour} * * *", after=asker.now)
        if at is not None and org.is_connected and getattr(org, f"{run.domain}_enabled", True):
            due[run.domain] = min(at, due.get(run.domain, at))
    ordered = sorted(last, key=lambda name: (list(DOMAINS).index(name) if name in DOMAINS else len(DOMAINS), name))
    return [Line(DOMAINS.get(name, name.capitalize()), last[name], due.get(name)) for name in ordered]
