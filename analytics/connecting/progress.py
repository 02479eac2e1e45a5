"""How far the first read is, object by object, in the four groups of data (FZ-09): for the set-up page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Sum

from analytics.attributes.authoring import current_map
from analytics.attributes.body import fields_needed
from analytics.attributes.catalogue import SYNCED
from analytics.connecting import daily, older
from analytics.connecting.estimate import group_of
from analytics.connecting.first_read import JOB, SYNC
from analytics.models import AnalyticsSettings, FactsState
from integrations.models import Backfill, MirrorObject, Run, RunObject, SalesforceOrg
from integrations.sync.mirror import backfill

WAITS, READS, RECENT, DONE, PAUSED, TROUBLE = "waits", "reads", "recent", "done", "paused", "trouble"
WORDS = {
    WAITS: "Waits", READS: "Reading", RECENT: "Newest year is here", DONE: "Complete", PAUSED: "Paused",
    TROUBLE: "Cannot be read",
}  # fmt: skip
BADGES = {WAITS: "queued", READS: "running", RECENT: "running", DONE: "healthy", PAUSED: "paused", TROUBLE: "degraded"}


@dataclass(frozen=True, slots=True)
class ObjectLine:
    """One object. `rows` are here already; `since` is the oldest change that is here, None = everything."""

    object: str
    group: str
    state: str
    rows: int
    since: datetime | None = None
    done: int = 0
    total: int = 0
    note: str = ""

    @property
    def words(self) -> str:
        """The state for people."""
        return WORDS[self.state]

    @property
    def badge(self) -> str:
        """Its name among the badges."""
        return BADGES[self.state]


@dataclass(frozen=True)
class Progress:
    """The whole of it. `state`: not_started, paused, reading, computing or ready."""

    state: str
    lines: Sequence[ObjectLine] = ()
    runs: Sequence[Run] = ()
    facts: FactsState | None = None
    next_sync: datetime | None = None
    by_group: Mapping[str, Sequence[ObjectLine]] = field(default_factory=dict)

    @property
    def is_moving(self) -> bool:
        """Whether it changes by itself, so that the page asks again."""
        return self.state in ("reading", "computing")

    @property
    def complete(self) -> int:
        """Objects that are complete."""
        return sum(1 for each in self.lines if each.state == DONE)


def read_progress(org: SalesforceOrg, *, now: datetime) -> Progress:
    """How it stands, in a handful of queries; nothing is asked of Salesforce."""
    settings = AnalyticsSettings.objects.filter(org=org).first()
    facts = FactsState.objects.filter(org=org).first()
    if settings is None or settings.started_at is None:
        return Progress("not_started", facts=facts)
    active = list(Run.objects.filter(org=org, job__in=(JOB, SYNC, backfill.JOB), state__in=Run.ACTIVE).order_by("pk"))
    lines = _lines(org, active, is_paused=settings.paused_at is not None)
    state = _state(settings, active, lines)
    groups = {label: [each for each in lines if each.group == group] for group, label in SYNCED}
    next_sync = None if settings.paused_at else daily.next_slot(settings.sync_hour, now=now)
    return Progress(state, lines, active, facts, next_sync, {label: found for label, found in groups.items() if found})


def _state(settings: AnalyticsSettings, active: Sequence[Run], lines: Sequence[ObjectLine]) -> str:
    if settings.paused_at is not None:
        return "paused"
    jobs = {each.job for each in active}
    if JOB in jobs or (backfill.JOB in jobs and any(each.state != DONE for each in lines)):
        return "reading"
    return "computing" if SYNC in jobs else "ready"


def _lines(org: SalesforceOrg, active: Sequence[Run], *, is_paused: bool) -> list[ObjectLine]:
    found = current_map(org)
    if found is None:
        return []
    body = found[0]
    mirrors = {each.name: each for each in MirrorObject.objects.filter(org=org)}
    waiting: dict[str, list[Backfill]] = {}
    for each in older.open_backfills(org):
        waiting.setdefault(each.object.name, []).append(each)
    counted = _counted(active)
    names = fields_needed(body)
    return [
        _line(name, group_of(name, body), mirrors.get(name), waiting.get(name, []), counted, bool(active), is_paused)
        for name in names
    ]


def _line(
    name: str, group: str, mirror: MirrorObject | None, waiting: Sequence[Backfill], counted: Mapping[str, int],
    is_active: bool, is_paused: bool,
) -> ObjectLine:  # fmt: skip
    if mirror is None or mirror.watermark is None:
        state = PAUSED if is_paused else READS if name in counted else WAITS
        note = "" if is_active or is_paused else "It comes with the next read."
        if mirror is not None and mirror.state in (MirrorObject.State.NO_ACCESS, MirrorObject.State.GONE):
            state, note = TROUBLE, mirror.reason
        return ObjectLine(name, group, state, counted.get(name, 0), note=note)
    if mirror.state != MirrorObject.State.ACTIVE:
        state = PAUSED if mirror.state == MirrorObject.State.PAUSED else TROUBLE
        return ObjectLine(name, group, state, mirror.rows, mirror.reads_from, note=mirror.reason)
    if not waiting:
        since = mirror.reads_from if mirror.watermark_field else None  # without a date of change every read is of everything
        return ObjectLine(name, group, DONE if since is None else RECENT, mirror.rows, since, note=mirror.note)
    state = PAUSED if all(each.state == Backfill.State.PAUSED for each in waiting) else READS
    done, total = sum(each.done_rows for each in waiting), sum(each.estimated_rows for each in waiting)
    return ObjectLine(name, group, state, mirror.rows + done, mirror.reads_from, done, total, waiting[0].sentence)


def _counted(active: Sequence[Run]) -> dict[str, int]:
    """Rows that active runs have brought in so far, by object."""
    if not active:
        return {}
    rows = RunObject.objects.filter(run__in=active).values_list("name").annotate(n=Sum("read"))
    return dict(rows)
