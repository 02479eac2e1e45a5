"""The job `mapping.push` (PX-16, PX-35..PX-38): desired rows of linked records into the outbox, which sends what differs.

The rows are spooled first: what does not fit is known and counted before anything is sent, and memory stays flat. A push with
nothing changed sends nothing (R-118).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from integrations.models import Entity, Mapping, OutboxPush, OutboxTarget, Run
from integrations.sync.mapping import facts, kinds, pins, shape
from integrations.sync.mapping.body import PUSH, MappingBody
from integrations.sync.mapping.check import Known, Usable
from integrations.sync.mapping.convert import NOTICES
from integrations.sync.mapping.pull import PAIRS_TALLY, TALLIES, note_dropped
from integrations.sync.outbox.push import push_rows
from integrations.sync.outbox.targets import ensure_target
from integrations.sync.runs import Recorder

if TYPE_CHECKING:
    from integrations.sync.mapping.desired import Left

JOB, LABEL = "mapping.push", "Push to Salesforce"


def perform(recorder: Recorder) -> None:
    """Push every active mapping of the connection that pushes; customers first."""
    now = timezone.now()
    pinned = pins.pin(recorder, wanted=lambda body: bool(body.pairs_of(PUSH)))
    for pk, number in pinned.items():
        if int(pk) not in recorder.checkpoint.get("done", []):
            mapping, body = pins.load(pk, number)
            push_mapping(recorder, mapping, body, now=now)
            recorder.save({**recorder.checkpoint, "done": [*recorder.checkpoint.get("done", []), mapping.pk]})
            recorder.breathe()


def push_mapping(recorder: Recorder, mapping: Mapping, body: MappingBody, *, now: datetime) -> None:
    """One mapping: judge its shape, make its rows, hand them over. Called again in each turn until the outbox is done."""
    known = facts.know_object(mapping.org, mapping.entity, body.object)
    usable = shape.judge(mapping, body, known, now=now)
    if known.info is None:
        recorder.object(PAIRS_TALLY).failed(body.object, "unknown_object", mapping.reason)
        return
    note_dropped(recorder, usable, PUSH)
    if not usable.body.pairs_of(PUSH):
        return
    target = ensure_target(mapping.org, kind=kinds.kind_of(mapping.entity), object=usable.body.object)
    report = push_rows(recorder, target, desired_rows(recorder, mapping, usable, known, target, now))
    if report.error:
        recorder.object(PAIRS_TALLY).skipped(f"{target.object}: push", "not_pushed", report.error)


def desired_rows(
    recorder: Recorder, mapping: Mapping, usable: Usable, known: Known, target: OutboxTarget, now: datetime
) -> Any:
    """The desired rows as a reader over a spool file; none when the outbox has its plan already and goes on with it."""
    from integrations.sync.mapping import desired

    sendings = desired.sendings_of(usable.body, known)
    schema = desired.schema_of(sendings)
    if is_planned(recorder.run, target):
        return schema.empty_table()
    left = desired.Left()
    losers = desired.losers_of(mapping.org, usable.body)
    rows = desired.stream(mapping.org, usable.body, sendings, losers=losers, left=left, now=now)
    reader = desired.spool(_while_pinned(rows, mapping, usable.body), schema)
    _count(recorder, mapping, left)
    return reader


def _while_pinned(rows: Iterator[Any], mapping: Mapping, body: MappingBody) -> Iterator[Any]:
    """The same batches; the run ends as cancelled when the mapping is taken away in between (R-085)."""
    for batch in rows:
        pins.check(mapping, body)
        yield batch


def is_planned(run: Run, target: OutboxTarget) -> bool:
    """Whether the outbox took the rows of this run in already and goes on with them."""
    return OutboxPush.objects.filter(run=run, target=target).exclude(fields=[]).exists()


def _count(recorder: Recorder, mapping: Mapping, left: "Left") -> None:
    """The rows that are not handed over, once a run, and how many values were changed by a named rule (I-06)."""
    counted = recorder.checkpoint.get("counted", [])
    if mapping.pk in counted:
        return
    tally = recorder.object(TALLIES[Entity(mapping.entity)])
    for outcome, (key, label, salesforce_id), code, message in left.named:
        record = tally.failed if outcome == "failed" else tally.skipped
        record(key, code, message, label=label, salesforce_id=salesforce_id)
    for outcome, count in left.counts.items():
        tally.counted(outcome, count - sum(each[0] == outcome for each in left.named))
    for notice, count in sorted(left.notices.items()):
        text = f"{count:,} values: {NOTICES.get(notice, notice)}."
        recorder.object("Changed values").skipped(f"{TALLIES[Entity(mapping.entity)]}: {notice}", notice, text)
    recorder.save({**recorder.checkpoint, "counted": [*counted, mapping.pk]})
