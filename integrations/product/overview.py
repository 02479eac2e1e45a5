"""What the overview of product experience shows: how the sync of each connection stands, and what the product knows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Min, Q, Sum

from integrations import mapping_pages
from integrations.models import Customer, EndUser, Entity, RecordLink, Run, RunObject, SalesforceOrg
from integrations.orgs import vault
from integrations.orgs.states import Shown, shown_state
from integrations.product.models import (
    CsmTask,
    Engagement,
    EventBatch,
    Feature,
    HealthDay,
    HealthScore,
    IngestDay,
    KpiState,
    Segment,
    TaskRule,
)
from integrations.sync.mapping.synchronize import STEPS, WELL

NEVER, GOING, WAITING, ENDED, NOT_STARTED = "never", "running", "queued", "ended", "not_started"
DAYS = 30  # over which counters count
QUIET_AFTER = timedelta(minutes=5)  # events that wait longer for the lake are worth a word


@dataclass(frozen=True)
class Step:
    """One of fetch, map and push: how it went last, when it was last well."""

    job: str
    label: str
    last: Run | None = None
    well: Run | None = None
    failed_rows: int = 0


@dataclass(frozen=True)
class Stage:
    """One step of a synchronization that is going on."""

    label: str
    state: str
    run: Run | None = None
    done: int = 0
    total: int | None = None


@dataclass
class Progress:
    """How far a synchronization has come."""

    run: Run
    stages: list[Stage] = field(default_factory=list)

    @property
    def percent(self) -> int:
        """Finished stages, and what is known of the one at work."""
        parts = [1.0 if each.state == ENDED else _part(each) for each in self.stages]
        return round(100 * sum(parts) / max(1, len(parts)))


@dataclass
class Card:
    """One connection: the integration card."""

    org: SalesforceOrg
    shown: Shown
    steps: list[Step] = field(default_factory=list)
    mappings: list[dict[str, Any]] = field(default_factory=list)
    progress: Progress | None = None

    @property
    def last_sync_at(self) -> datetime | None:
        """When data last reached Salesforce: the end of the last push that ended well (PX-11)."""
        push = self.steps[-1].well if self.steps else None
        return push.finished_at if push is not None else None

    @property
    def last_push(self) -> Step | None:
        """The push, as it went last."""
        return self.steps[-1] if self.steps else None

    @property
    def is_ready(self) -> bool:
        """Whether it can be synchronized now."""
        return self.org.is_connected and self.org.product_enabled


@dataclass(frozen=True)
class Figures:
    """What the product knows, over all connections."""

    customers: int = 0
    linked_customers: int = 0
    end_users: int = 0
    linked_users: int = 0
    events: int = 0
    last_event_at: datetime | None = None
    waiting_events: int = 0
    waiting_since: datetime | None = None
    is_behind: bool = False
    rules: int = 0
    tasks: int = 0
    waiting_tasks: int = 0


def read_cards(*, org: SalesforceOrg | None, now: datetime) -> list[Card]:
    """The cards of all connections, or of the chosen one, in a fixed number of queries."""
    orgs = [org] if org is not None else list(SalesforceOrg.objects.exclude(state=SalesforceOrg.State.DISCONNECTED))
    steps, locked = read_steps(orgs), vault.locked_orgs()
    groups = {group["org"].pk: group for group in mapping_pages.read_overview(org=org, now=now)["groups"]}
    cards = []
    for each in orgs:
        group = groups.get(each.pk, {"rows": [], "going": None})
        progress = read_progress(group["going"]) if group["going"] is not None else None
        cards.append(Card(each, shown_state(each, locked=each.pk in locked), steps[each.pk], group["rows"], progress))
    return cards


def read_steps(orgs: Sequence[SalesforceOrg]) -> dict[int, list[Step]]:
    """The three steps of each connection, in a fixed number of queries."""
    names = [job for job, _ in STEPS]
    ended = Run.objects.filter(org__in=orgs, job__in=names).exclude(state__in=Run.ACTIVE)
    newest = ended.values("org", "job").annotate(last=Max("id"), well=Max("id", filter=Q(state__in=WELL)))
    wanted = {(row["org"], row["job"]): (row["last"], row["well"]) for row in newest}
    runs = Run.objects.in_bulk([pk for pair in wanted.values() for pk in pair if pk])
    sums = RunObject.objects.filter(run__in=runs).values_list("run").annotate(n=Sum("failed"))
    failed = dict(sums)
    return {
        each.pk: [_step(job, label, wanted.get((each.pk, job), (None, None)), runs, failed) for job, label in STEPS]
        for each in orgs
    }


def _step(job: str, label: str, pair: tuple[int | None, int | None], runs: dict[int, Run], failed: dict[int, int]) -> Step:
    last, well = (runs.get(pk) if pk else None for pk in pair)
    return Step(job, label, last, well, failed.get(well.pk, 0) if well else 0)


def read_progress(run: Run) -> Progress:
    """How far the run has come: its steps are runs of their own."""
    known: dict[str, Any] = dict(run.checkpoint.get("steps", {}))
    children = Run.objects.in_bulk([int(each["run"]) for each in known.values() if each.get("run")])
    read = dict(RunObject.objects.filter(run__in=children).values_list("run").annotate(n=Sum("read")))
    progress = Progress(run)
    for job, label in STEPS:
        child = children.get(int(known.get(job, {}).get("run") or 0))
        state = NOT_STARTED if child is None else child.state if child.is_active else ENDED
        if child is not None and state == ENDED and child.state not in WELL:
            state = child.state
        progress.stages.append(
            Stage(label, state, child, read.get(child.pk, 0) if child else 0, child.total if child else None)
        )
    return progress


def _part(stage: Stage) -> float:
    return min(0.95, stage.done / stage.total) if stage.state == GOING and stage.total else 0.0


def read_figures(*, org: SalesforceOrg | None, now: datetime) -> Figures:
    """Counters of the page; links and tasks of the chosen connection only."""
    links = RecordLink.objects.filter(state=RecordLink.State.ACTIVE, **({"org": org} if org else {}))
    linked = dict(links.values_list("entity").annotate(n=Count("customer", distinct=True) + Count("end_user", distinct=True)))
    recent = CsmTask.objects.filter(opened_at__gte=now - timedelta(days=DAYS), **({"rule__org": org} if org else {}))
    tasks = dict(recent.order_by().values_list("state").annotate(n=Count("pk")))
    rules = TaskRule.objects.filter(state=TaskRule.State.ACTIVE, **({"org": org} if org else {}))
    since = now.astimezone(UTC).date() - timedelta(days=DAYS)
    buffer = EventBatch.objects.aggregate(rows=Sum("rows", default=0), since=Min("received_at"))
    users = EndUser.objects.filter(erased_at=None).aggregate(n=Count("pk"), at=Max("last_seen_at"))
    return Figures(
        customers=Customer.objects.filter(erased_at=None, merged_into=None).count(),
        linked_customers=linked.get(Entity.CUSTOMER, 0),
        end_users=users["n"], linked_users=linked.get(Entity.END_USER, 0), last_event_at=users["at"],
        events=IngestDay.objects.filter(day__gt=since).aggregate(n=Sum("accepted", default=0))["n"],
        waiting_events=buffer["rows"], waiting_since=buffer["since"],
        is_behind=buffer["since"] is not None and now - buffer["since"] > QUIET_AFTER,
        rules=rules.count(), tasks=tasks.get(CsmTask.State.CREATED, 0), waiting_tasks=tasks.get(CsmTask.State.WAITING, 0),
    )  # fmt: skip


@dataclass(frozen=True)
class Place:
    """One more counter, with the page that it leads to."""

    name: str
    value: int
    note: str
    url: str


def read_places(*, now: datetime, analyst: bool) -> list[Place]:
    """Segments, engagements and features; the pages of the last two are for analysts."""
    segments = Segment.objects.filter(archived_at=None)
    places = [Place("Segments", segments.count(), f"of {Customer._meta.verbose_name_plural} and end users", "product:segments")]
    if not analyst:
        return places
    begun, over = Q(starts_at=None) | Q(starts_at__lte=now), Q(ends_at__isnull=False, ends_at__lte=now)
    states = Engagement.State
    engagements = Engagement.objects.aggregate(
        live=Count("pk", filter=Q(state=states.LIVE) & begun & ~over), drafts=Count("pk", filter=Q(state=states.DRAFT))
    )
    places.append(Place("Live engagements", engagements["live"], f"{engagements['drafts']} in draft", "product:engagements"))
    features = Feature.objects.filter(active=True).aggregate(n=Count("pk"), kpis=Count("pk", filter=Q(as_kpi=True)))
    return [*places, Place("Features", features["n"], f"{features['kpis']} offered as KPI", "product:features")]


def read_kpis() -> KpiState | None:
    """Of which instant the stored KPIs are."""
    return KpiState.objects.first()


def read_health() -> dict[str, Any]:
    """The active scores, each with its newest day."""
    scores = list(HealthScore.objects.filter(state=HealthScore.State.ACTIVE))
    days = HealthDay.objects.filter(score__in=scores, day=F("score__computed_at__date"))
    newest = {each.score_id: each for each in days}
    return {"scores": [{"score": score, "day": newest.get(score.pk)} for score in scores]}
