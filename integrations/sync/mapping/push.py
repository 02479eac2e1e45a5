"""The job `mapping.push` (PX-16, PX-35..PX-38): desired rows of linked records into the outbox, which sends what differs.

The rows are spooled first, those that do not fit with their problem, and memory stays flat. A push with
nothing changed sends nothing (R-118).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from integrations.models import Mapping, OutboxTarget
from integrations.sync.mapping import facts, kinds, pins, shape
from integrations.sync.mapping.body import PUSH, MappingBody
from integrations.sync.mapping.check import Known, Usable
from integrations.sync.mapping.counting import PAIRS_TALLY, note_dropped
from integrations.sync.outbox.push import push_rows
from integrations.sync.outbox.targets import ensure_target, is_planned
from integrations.sync.runs import Recorder

if TYPE_CHECKING:
    from integrations.sync.mapping.desired import Left

JOB, LABEL = kinds.PUSH_JOB, "Push to Salesforce"


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


def _count(recorder: Recorder, mapping: Mapping, left: "Left") -> None:
    """What is told of the rows and values, once a run."""
    counted = recorder.checkpoint.get("counted", [])
    if mapping.pk not in counted:
        left.tell(mapping.entity, recorder)
        recorder.save({**recorder.checkpoint, "counted": [*counted, mapping.pk]})
