"""Sending by collections of up to 200 records: small pushes, rows that Bulk cannot take, and rows tried again (R-132, R-140).

Rows go in windows. Before a window is sent, its end is stored; after it, its answers: so that a worker that dies leaves at most
one window in doubt. Every row is keyed, so that sending a call again has the effect of sending it once (I-04).
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from integrations.models import OutboxBatch
from integrations.salesforce import composite
from integrations.salesforce.composite import RowAnswer
from integrations.salesforce.errors import (
    BatchTooHeavy,
    InvalidField,
    RowLocked,
    SalesforceError,
    TooLarge,
)
from integrations.sync.outbox import answers, causes, payload, planning
from integrations.sync.outbox.answers import FAILED, NOT_ATTEMPTED, WRITTEN
from integrations.sync.outbox.causes import Now
from integrations.sync.outbox.landing import Landing, land
from integrations.sync.outbox.session import STORAGE, Session

WINDOW_ROWS = 1_000
MOST_EXTRA_CALLS = 60  # of a batch beyond the usual ones, for halving what is too heavy
Work = dict[str, Any]
ROOM = "STORAGE_LIMIT_EXCEEDED:Storage limit exceeded; no record is created in this run any more.: --"
NOTHING_LEFT = "INVALID_FIELD_FOR_INSERT_UPDATE:The only changed fields cannot be written.:{} --"


def send_composite(session: Session, batch: OutboxBatch, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Send what is left of a batch. An error that stops the run is raised after the answers so far are stored."""
    while batch.done_rows < batch.places:
        first = batch.first_place + batch.done_rows
        last = min(batch.last_place, first + WINDOW_ROWS - 1)
        rows = read_places(session, first, last)
        _begin(session, batch, last)
        talk = _Talk(session, sleep=sleep, first=batch.attempt == 1)
        try:
            talk.send(rows)
        except SalesforceError as error:
            _break_off(session, batch, talk, rows, error)
            raise
        _end(session, batch, talk, rows)
        session.rest()


def read_places(session: Session, first: int, last: int) -> list[Work]:
    """The rows at these places, in their order."""
    sql = "SELECT * FROM sent WHERE place_ >= $first AND place_ <= $last ORDER BY place_"
    return session.engine.table(sql, first=first, last=last).to_pylist()


def _begin(session: Session, batch: OutboxBatch, last: int) -> None:
    """What may be on its way from now on is stored before it is."""
    update = {
        "state": OutboxBatch.State.SENT,
        "sent_rows": last - batch.first_place + 1,
        "sent_at": batch.sent_at or session.now(),
    }
    session.save(lambda: _update(batch, update))
    for name, value in update.items():
        setattr(batch, name, value)


def _update(batch: OutboxBatch, update: dict[str, Any]) -> None:
    OutboxBatch.objects.filter(pk=batch.pk).update(**update)


def _end(session: Session, batch: OutboxBatch, talk: "_Talk", rows: Sequence[Work]) -> None:
    """A window is answered whole: it is stored, and the batch is done with its last one."""
    table = talk.table(rows)
    done = batch.sent_rows
    update = _counted(batch, table) | {"done_rows": done}
    if done >= batch.places:
        update |= {"state": OutboxBatch.State.COLLECTED, "collected_at": session.now()}
    land(session, batch, Landing(table, update))


def _break_off(session: Session, batch: OutboxBatch, talk: "_Talk", rows: Sequence[Work], error: SalesforceError) -> None:
    """The line broke inside a window: what was answered is stored, what was on its way is in doubt, the rest was not tried."""
    table = talk.table(row for row in rows if row["key_"] not in talk.on_the_way)
    doubtful = talk.on_the_way  # whatever the last attempt said: an earlier one of the same call may have arrived
    update = _counted(batch, table) | {"state": OutboxBatch.State.ABANDONED, "error": str(error)[:1000]}
    land(session, batch, Landing(table, update, unsure=pa.array(doubtful, pa.string())))


def _counted(batch: OutboxBatch, table: pa.Table) -> dict[str, Any]:
    counts = answers.counts_of(table)
    return {
        "accepted_rows": batch.accepted_rows + counts.get(WRITTEN, 0),
        "failed_rows": batch.failed_rows + counts.get(FAILED, 0),
        "unprocessed_rows": batch.unprocessed_rows + counts.get(NOT_ATTEMPTED, 0),
    }


@dataclass
class _Talk:
    """The calls of one window, until each row has its last answer. `said` holds (id, created, outcome, error) by key."""

    session: Session
    sleep: Callable[[float], None]
    first: bool = True
    said: dict[str, tuple[str, bool, str, str]] = field(default_factory=dict)
    on_the_way: list[str] = field(default_factory=list)
    rows_a_call: int = field(default_factory=lambda: planning.ROWS_A_CALL)
    extra_calls: int = 0
    halt: SalesforceError | None = None

    def send(self, rows: Sequence[Work]) -> None:
        """Send, then try locked rows again, each time later and fewer at once (R-132)."""
        locked = list(rows) if not self.first else self._pass(rows)
        for wait, size in zip(planning.LOCK_WAITS, planning.LOCK_SIZES, strict=True):
            if not locked:
                return
            self.sleep(wait)
            self.rows_a_call = min(self.rows_a_call, size)
            locked.sort(key=lambda row: (row["parent_"] or "", row["key_"]))
            locked = self._pass(locked)

    def table(self, rows: Iterable[Work]) -> pa.Table:
        """The last word on each row."""
        keys = [row["key_"] for row in rows if row["key_"] in self.said]
        said = [self.said[key] for key in keys]
        return pa.table(
            [
                pa.array(keys, pa.string()),
                pa.array([each[0] or None for each in said], pa.string()),
                pa.array([each[1] for each in said], pa.bool_()),
                pa.array([each[2] for each in said], pa.string()),
                pa.array([each[3] or None for each in said], pa.string()),
            ],
            schema=answers.SCHEMA,
        )

    def _pass(self, rows: Sequence[Work]) -> list[Work]:
        """Send every row once, or as often as halving and left-out fields need; gives the rows that were locked."""
        locked: list[Work] = []
        queue = list(self._calls(rows))
        while queue:
            call = queue.pop(0)
            again, without = self._call(call, locked)
            if again:
                self.rows_a_call = max(1, min(self.rows_a_call, (len(call) + 1) // 2))
                self.extra_calls += 2
                queue[:0] = planning.halves(again)
            if without:
                queue[:0] = [without]
        return locked

    def _calls(self, rows: Sequence[Work]) -> Iterator[list[Work]]:
        """The rows of each call; what is removed goes apart from what is saved."""
        for chosen in ([row for row in rows if not row["remove_"]], [row for row in rows if row["remove_"]]):
            sizes = [payload.size_of(self._record(row)) for row in chosen]
            yield from planning.in_calls(chosen, sizes, most=self.rows_a_call)

    def _record(self, row: Work) -> composite.Row:
        session = self.session
        return payload.record_of(row, session.columns, session.key_field, without=session.without)

    def _call(self, call: Sequence[Work], locked: list[Work]) -> tuple[list[Work], list[Work]]:
        """One call; the rows that were too heavy together, and those to be sent at once without a field."""
        rows = [row for row in call if not self._answered_here(row)]
        if not rows:
            return [], []
        self.on_the_way = [row["key_"] for row in rows]
        before = self.session.without
        try:
            found = self._ask(rows)
        except (BatchTooHeavy, RowLocked) as error:  # said of the whole call
            found = [RowAnswer("", False, False, error)] * len(rows)
        except TooLarge:
            if len(rows) == 1:
                raise
            return list(rows), []
        except InvalidField as error:
            if not self._leave_out(error, before):
                raise
            return [], list(rows)
        self.on_the_way = []
        return self._sort(rows, found, locked, before)

    def _ask(self, rows: Sequence[Work]) -> list[RowAnswer]:
        session = self.session
        if rows[0]["remove_"]:
            return _deleted(list(next(composite.delete_rows(session.client, [row["id_"] for row in rows]))))
        records = [self._record(row) for row in rows]
        name = session.target.object
        if session.by_id:
            return next(composite.update_rows(session.client, name, records))
        return next(composite.upsert_rows(session.client, name, session.key_field, records))

    def _answered_here(self, row: Work) -> bool:
        """Rows that need not be asked about: no room for new records (R-141), or nothing is left to write."""
        session = self.session
        if row["new_"] and not session.by_id and session.counts.get(STORAGE):
            self._say(row, FAILED, ROOM)
            return True
        if not row["remove_"] and session.by_id and len(self._record(row)) == 1:
            names = ",".join(sorted(session.without))
            self._say(row, FAILED, NOTHING_LEFT.format(names))
            return True
        return False

    def _sort(
        self, rows: Sequence[Work], found: Sequence[RowAnswer], locked: list[Work], before: set[str]
    ) -> tuple[list[Work], list[Work]]:
        heavy, without = [], []
        for row, answer in zip(rows, found, strict=True):
            if answer.error is None:
                self.said[row["key_"]] = (answer.id, answer.created, WRITTEN, "")
                continue
            self._say(row, FAILED, answers.error_text(answer.error))
            now = causes.cause_of(answer.error, by_id=self.session.by_id).now
            if now is Now.STOP:
                self._say(row, NOT_ATTEMPTED, answers.error_text(answer.error))
                self.halt = causes.read_only(answer.error)
            elif now is Now.AGAIN:
                locked.append(row)
            elif now is Now.SMALLER and len(rows) > 1 and self.extra_calls < MOST_EXTRA_CALLS:
                heavy.append(row)
            elif now is Now.WITHOUT_FIELD and self._leave_out(answer.error, before):
                without.append(row)
            elif now is Now.NO_MORE_CREATES:
                self.session.counts[STORAGE] = 1
        if self.halt is not None:
            raise self.halt
        return heavy, without

    def _say(self, row: Work, outcome: str, error: str) -> None:
        self.said[row["key_"]] = ("", False, outcome, error)

    def _leave_out(self, error: SalesforceError, before: set[str]) -> bool:
        """Leave the named fields of ours out from now on; False when the call was made without them already."""
        new = [column.field for column in fields_named(self.session, error) if column.field not in before]
        for name in new:
            self.session.refuse_field(name, f"cannot be written: {error.message}")
        return bool(new)


def fields_named(session: Session, error: SalesforceError) -> list[Any]:
    """Columns of ours among the fields that an error names."""
    named = {name.lower() for name in error.fields}
    return [column for column in session.columns if {column.field.lower(), column.lookup.lower()} & named - {""}]


def _deleted(found: list[RowAnswer]) -> list[RowAnswer]:
    """A record that is gone already is deleted all right."""
    gone = {"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"}
    return [RowAnswer(each.id, True) if each.error is not None and each.error.code in gone else each for each in found]
