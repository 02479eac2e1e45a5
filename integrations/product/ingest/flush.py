"""The job `product.flush`: what waits in the buffer goes into the lake, each event id once (I-04, R-236).

A turn takes some requests, leaves out repeats, brings customers and end users up to date, writes files, and then registers
the files and deletes the requests in one transaction. Killed anywhere before that, the next turn does the same again;
killed after, there is nothing left to do (I-02, I-03).
"""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import structlog
from django.db.models import F
from django.utils import timezone

from integrations.lake.writing import register
from integrations.models import Run
from integrations.product.ingest import joining, new_people, quarantine
from integrations.product.ingest import lake_tables as tables
from integrations.product.ingest.checking import Checked, milliseconds_of
from integrations.product.ingest.packing import unpack
from integrations.product.ingest.people import People, bring_up_to_date
from integrations.product.ingest.storing import Row, Staged, day_of, stage, stored_ids
from integrations.product.models import DirtyDay, EventBatch, IngestDay
from integrations.sync import runs
from integrations.sync.endings import RunStopped
from integrations.sync.runs import Recorder

log = structlog.get_logger(__name__)
JOB, LABEL, DOMAIN = "product.flush", "Flush of product events", "product"
MOST_ROWS, MOST_BYTES = 50_000, 48 * 1024 * 1024  # a turn: events, and their bytes (in memory they take thrice as many)
MOST_REQUESTS = 2_000  # a turn; they are deleted by their numbers, of which a statement takes so many
MOST_TOLD = 1_000
COUNTS = ("accepted", "duplicates", "quarantined", "rejected", "refused", "late")


def flush_due(*, now: datetime) -> Run | None:
    """Ask for a flush when there is something to do; a minute without events leaves no run."""
    if not EventBatch.objects.filter(broken=False).exists() and not joining.is_due():
        return None
    return runs.request_run(JOB, trigger=Run.Trigger.SCHEDULE, now=now)


def perform(recorder: Recorder) -> None:
    """Empty the buffer, some requests a turn; then give events the customer that their user got meanwhile."""
    while flush_once(recorder, now=timezone.now()):
        recorder.breathe()
    while joining.join_once(recorder, now=timezone.now()):
        recorder.breathe()
    quarantine.forget_erased()
    new_people.settle(now=timezone.now())


@dataclass
class Taken:
    """The requests of one turn, read: new ids in their order, and what is counted by UTC day of receiving."""

    batches: list[int] = field(default_factory=list)
    new: dict[str, tuple[Checked, datetime]] = field(default_factory=dict)
    aside: list[tuple[Checked, datetime]] = field(default_factory=list)
    counts: dict[date, Counter[str]] = field(default_factory=dict)

    def count(self, received: datetime, what: str, n: int = 1) -> None:
        """Count on the UTC day on which it was received."""
        self.counts.setdefault(received.astimezone(UTC).date(), Counter())[what] += n


def flush_once(recorder: Recorder, *, now: datetime) -> bool:
    """One turn; False when nothing waits."""
    batches = _take()
    if not batches:
        return False
    taken = _read(batches)
    _leave_out_stored(taken)
    people = bring_up_to_date([event for event, _ in taken.new.values()], now=now)
    rows = _rows(taken, people)
    staged = stage(rows)
    _tell(recorder, taken, people, len(rows))
    recorder.save(also=lambda: _commit(taken, rows, staged, recorder.run, now))
    return True


def _take() -> list[EventBatch]:
    """The oldest requests, at least one, as many as fit a turn."""
    waiting = EventBatch.objects.filter(broken=False).order_by("id")
    chosen, rows, size = list[int](), 0, 0
    for pk, count, length in waiting.values_list("pk", "rows", "size")[:MOST_REQUESTS].iterator():
        rows, size = rows + count, size + length
        if chosen and (rows > MOST_ROWS or size > MOST_BYTES):
            break
        chosen.append(pk)
    return list(waiting.filter(pk__gte=chosen[0], pk__lte=chosen[-1])) if chosen else []


def _read(batches: Sequence[EventBatch]) -> Taken:
    """Unpack, and leave out repeats among the requests; the first one of an id stands."""
    taken = Taken()
    for batch in batches:
        try:
            events = unpack(bytes(batch.body))
        except (ValueError, TypeError, zlib.error):
            _put_by(batch)
            continue
        taken.batches.append(batch.pk)
        taken.count(batch.received_at, "rejected", batch.rejected)
        for event in events:
            if event.reason:
                taken.aside.append((event, batch.received_at))
            elif event.id in taken.new:
                taken.count(batch.received_at, "duplicates")
            else:
                taken.new[event.id] = (event, batch.received_at)
    return taken


def _put_by(batch: EventBatch) -> None:
    """A row that cannot be read (a damaged database) must not stop all others; it stays for a person to look at."""
    log.error("product.batch_broken", batch=batch.pk)
    EventBatch.objects.filter(pk=batch.pk).update(broken=True)


def _leave_out_stored(taken: Taken) -> None:
    if not taken.new:
        return
    days = {day_of(event.at) for event, _ in taken.new.values()}
    for name in stored_ids(list(taken.new), days):
        _, received = taken.new.pop(name)
        taken.count(received, "duplicates")


def _rows(taken: Taken, people: People) -> list[Row]:
    rows = []
    for event, received in taken.new.values():
        if not people.may_store(event):
            taken.count(received, "refused")
            continue
        taken.count(received, "accepted")
        if day_of(event.at) < received.astimezone(UTC).date():
            taken.count(received, "late")
        user = people.users[event.user] if event.user else None
        rows.append(Row(event, milliseconds_of(received), people.customer(event), user))
    for _, received in taken.aside:
        taken.count(received, "quarantined")
    return rows


def _commit(taken: Taken, rows: Sequence[Row], staged: Staged, run: Run, now: datetime) -> None:
    """Files, quarantine and counts appear, the requests go: together or not at all."""
    deleted, _ = EventBatch.objects.filter(pk__in=taken.batches).delete()
    if deleted != len(taken.batches):
        raise RunStopped("overtaken", "Another worker flushed the same requests; nothing was stored twice.")
    register(tables.events_table(), staged.events, run=run, now=now)
    if staged.nps:
        register(tables.nps_table(), staged.nps, run=run, now=now)
    DirtyDay.objects.bulk_create([DirtyDay(day=day, since=now) for day in staged.days])
    joining.remember(rows)
    quarantine.put_aside(taken.aside)
    for day, counts in taken.counts.items():
        IngestDay.objects.get_or_create(day=day)
        IngestDay.objects.filter(day=day).update(**{name: F(name) + counts[name] for name in COUNTS})


def _tell(recorder: Recorder, taken: Taken, people: People, written: int) -> None:
    """The ledger of this turn; it is written with the events or not at all."""
    tally, total = recorder.object("Events"), sum(taken.counts.values(), Counter())
    tally.counted("written", written)
    tally.unchanged(total["duplicates"])
    tally.counted("skipped", total["refused"] + total["quarantined"])
    for entity, name, sentences in people.refused[:MOST_TOLD]:
        recorder.object(f"Traits of {entity}s").skipped(name, "trait_refused", sentences)
