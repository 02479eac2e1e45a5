"""Storing what Salesforce said: accepted states, answers, waiting rows and counts in one transaction (I-01, I-03).

Files are staged first; the transaction registers them together with the state of the batch. A worker that dies in between
leaves a batch whose answers are collected again, and nothing twice.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as compute

from integrations.lake.tables import live_files
from integrations.lake.writing import StagedFile, open_writer, register
from integrations.models import LakeTable, OutboxBatch
from integrations.salesforce.loads import row_error
from integrations.sync.outbox import causes, diffing, in_memory, kinds, targets, waiting
from integrations.sync.outbox.answers import AGAIN, FAILED, NOT_ATTEMPTED, WRITTEN
from integrations.sync.outbox.causes import Cause
from integrations.sync.outbox.columns import Column
from integrations.sync.outbox.plain import plain_value, plain_values
from integrations.sync.outbox.session import Session
from integrations.sync.outbox.waiting import Refused

pc: Any = compute  # its functions are made when it is imported, so no checker knows them

SAMPLES = 100  # written rows of a push that are listed with old and new values
LISTED = 1000  # rows of a class that the ledger lists
AT_ONCE = 5_000  # waiting rows that are written in the closing transaction; more go before it, in small ones
SLICE = 1_000


@dataclass
class Landing:
    """What one step of a batch stores. `update` are columns of the batch; `also` writes in the same transaction."""

    answers: pa.Table
    update: dict[str, Any]
    unsure: pa.Array | None = None
    """Keys of rows that may or may not have been written."""
    also: Callable[[], None] | None = None
    without: Collection[str] | None = None
    """Fields that were not sent, whatever the masks say (default: those refused until now)."""
    files: list[tuple[LakeTable, StagedFile]] = field(default_factory=list)
    gone: list[tuple[str, str]] = field(default_factory=list)
    accepted_keys: list[str] = field(default_factory=list)
    edited_keys: set[str] = field(default_factory=set)


def land(session: Session, batch: OutboxBatch, landing: Landing) -> None:
    """Store a step. Raises `RunStopped` afterwards when too many rows failed or the run must end."""
    now = session.now()
    refused = list(_stage(session, landing, batch))
    early, late = (refused, []) if len(refused) > AT_ONCE else ([], refused)
    if early:  # safe to repeat: a run counts as one try of a row
        waiting.store_refused(session.target, early, run=session.run, now=now)

    def write() -> None:
        for table, staged in landing.files:
            register(table, staged, run=session.run, now=now)
        waiting.store_refused(session.target, late, run=session.run, now=now)
        waiting.free_accepted(session.target, landing.accepted_keys, edited=landing.edited_keys)
        kinds.tell_deleted(session.target, landing.gone, run=session.run, now=now)
        OutboxBatch.objects.filter(pk=batch.pk).update(**landing.update)
        if landing.also is not None:
            landing.also()

    session.save(write, now=now)
    for name, value in landing.update.items():
        setattr(batch, name, value)


def _stage(session: Session, landing: Landing, batch: OutboxBatch) -> Iterator[Refused]:
    """Write the files, count the rows; gives the rows that wait from now on."""
    answers = landing.answers
    if landing.unsure is not None and len(landing.unsure):
        stage_unsure(session, landing, landing.unsure)
    if not answers.num_rows:
        return
    session.engine.bind("answers", answers)
    written = answers.filter(pc.equal(answers.column("outcome_"), WRITTEN))
    if written.num_rows:
        _stage_accepted(session, landing, written)
    landing.files.append((session.answers, _stage_answers(session, answers, batch)))
    _count_untried(session, answers)
    yield from _take_failed(session, landing, answers)
    if landing.gone:
        _stage_gone(session, landing)


def _stage_accepted(session: Session, landing: Landing, written: pa.Table) -> None:
    """The accepted state of written rows, their counts, and samples of what changed."""
    placed, others = _placed(session, landing)
    first = not landing.files and not live_files(session.accepted)
    kind = "base" if first else "delta"  # a key comes once in it, so that readers of the only file need not merge
    is_whole = session.is_whole and not others and not session.terms.unsure
    found = None if session.kept is None else in_memory.find_answers(session.kept, written)
    if is_whole and session.kept is not None:
        rows = in_memory.accept(session.kept, written, found, placed)
        landing.files.append((session.accepted, in_memory.write_table(session.accepted, rows, kind=kind)[0]))
    else:
        statement = diffing.accept_statement(placed, others, unsure=session.terms.unsure)
        statement = diffing.whole_statement(placed) if is_whole else statement
        landing.files.append((session.accepted, session.engine.copy_to(statement, session.accepted, kind)))
    created = int(pc.sum(written.column("created_").cast(pa.int64())).as_py() or 0)
    session.counts["created"] = session.counts.get("created", 0) + created
    listed = _list_samples(session, written, found)
    session.count(WRITTEN, written.num_rows - listed)
    held = waiting.held_keys(session.target)
    if held:
        landing.accepted_keys = [key for key in written.column("key_").to_pylist() if key in held]
        wanted = waiting.edited_rows(session.target, landing.accepted_keys)
        sent = sent_rows(session, list(wanted)) if wanted else {}
        landing.edited_keys = {key for key, row in sent.items() if plain_values(row, session.columns) == wanted[key]}


def _list_samples(session: Session, written: pa.Table, found: Any) -> int:
    """List some written rows with old and new values."""
    room = SAMPLES - session.counts.get("listed", 0)
    if room <= 0:
        return 0
    if session.kept is not None:
        rows = in_memory.first_written(session.kept, written, found, room).to_pylist()
    else:
        rows = session.engine.table(diffing.read_statement("samples.sql", room=str(room))).to_pylist()
    for row in rows:
        detail = {"changes": changes_in(row, session)}
        about = {"label": row["label_"] or "", "salesforce_id": row["answer_id_"] or row["id_"] or "", "detail": detail}
        session.list_row(WRITTEN, row["key_"], **about)
    session.counts["listed"] = session.counts.get("listed", 0) + len(rows)
    return len(rows)


def changes_in(row: dict[str, Any], session: Session) -> dict[str, list[Any]]:
    """Old and new value of each sent field; an old value that we do not know is the text "?"."""
    changes = {}
    for column, sign, known in zip(session.columns, row["sent_"], row["known_"], strict=True):
        if sign == "1" and column.field not in session.without:
            old = plain_value(row[column.before]) if known == "1" or (row["new_"] and not session.by_id) else "?"
            changes[column.field] = [old, plain_value(row[column.name])]
    return changes


def _stage_answers(session: Session, answers: pa.Table, batch: OutboxBatch) -> StagedFile:
    places = pa.nulls(answers.num_rows, pa.int64()).fill_null(batch.number)
    with open_writer(session.answers) as writer:
        writer.write(answers.append_column("place_", places))
    return writer.staged


def _count_untried(session: Session, answers: pa.Table) -> None:
    """Rows that Salesforce did not get to (R-131): they differ still, so that the next run sends them."""
    left = answers.filter(pc.equal(answers.column("outcome_"), NOT_ATTEMPTED))
    named = left.slice(0, max(0, LISTED - session.counts.get(NOT_ATTEMPTED, 0)))
    for row in named.to_pylist():
        code, _, message = (row["error_"] or "UNPROCESSED:Salesforce did not get to this row.").partition(":")
        session.list_row(NOT_ATTEMPTED, row["key_"], code, message.removesuffix(": --").strip())
    session.count(NOT_ATTEMPTED, left.num_rows - named.num_rows)


def _take_failed(session: Session, landing: Landing, answers: pa.Table) -> Iterator[Refused]:
    """Waiting rows for what was refused for good, counted; with their values as we wanted them."""
    failed = answers.filter(pc.equal(answers.column("outcome_"), FAILED))
    for start in range(0, failed.num_rows, SLICE):
        part = failed.slice(start, SLICE).to_pylist()
        rows = sent_rows(session, [answer["key_"] for answer in part])
        for answer in part:
            yield _refuse(session, landing, answer, rows.get(answer["key_"]))


def _refuse(session: Session, landing: Landing, answer: dict[str, Any], row: dict[str, Any] | None) -> Refused:
    error = row_error(answer["error_"] or "")
    known_id = answer["id_"] or (row["id_"] if row else "") or ""
    refused = waiting.refusal_of(
        error,
        key=answer["key_"],
        by_id=session.by_id,
        label=(row["label_"] if row else "") or "",
        parent_key=(row["parent_"] if row else "") or "",
        salesforce_id=known_id,
        values=plain_values(row, session.columns) if row else {},
    )
    cause = refused.cause
    assert cause is not None
    if cause.later is causes.Later.GONE:
        landing.gone.append((refused.key, known_id))
    count_refused(session, refused, cause)
    return refused


def count_refused(session: Session, refused: Refused, cause: Cause) -> None:
    """Count a refused row in its class, listed while there is room (R-269)."""
    outcome = "skipped" if cause.skipped else FAILED
    session.counts[cause.name] = session.counts.get(cause.name, 0) + 1
    if session.counts.get(outcome, 0) < LISTED:
        about = {"label": refused.label, "salesforce_id": refused.salesforce_id, "detail": {"fields": list(refused.fields)}}
        session.list_row(outcome, refused.key, refused.code, refused.message, **about)
    else:
        session.count(outcome, 1)


def sent_rows(session: Session, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Sent rows by key, for few keys."""
    diffing.bind_keys(session.engine, "wanted", key_=list(keys))
    sql = "SELECT s.* FROM sent AS s INNER JOIN wanted AS w ON w.key_ = s.key_"
    return {row["key_"]: row for row in session.engine.table(sql).to_pylist()}


def _stage_gone(session: Session, landing: Landing) -> None:
    """Records that are deleted are accepted no more: a row that finds a new record is sent whole."""
    landing.files.append((session.accepted, stage_gone(session.accepted, landing.gone)))


def stage_gone(table: LakeTable, records: Iterable[tuple[str, str]]) -> StagedFile:
    """A delta that removes keys from the accepted state."""
    keys, ids = zip(*records, strict=True)
    names = ["key_", "id_", "unsure_", "gone_"]
    rows = pa.table(
        [
            pa.array(keys, pa.string()),
            pa.array(ids, pa.string()),
            pa.nulls(len(keys), pa.string()),
            pa.array([True] * len(keys)),
        ],
        names=names,
    )
    with open_writer(table, columns=names) as writer:
        writer.write(rows)
    return writer.staged


def stage_unsure(session: Session, landing: Landing, keys: pa.Array) -> None:
    """Rows on their way when the line broke: their sent fields count as unknown, so that the next push sends them again."""
    session.engine.bind("doubtful", pa.table({"key_": keys}))
    statement = diffing.unsure_statement(*_placed(session, landing))
    landing.files.append((session.accepted, session.engine.copy_to(statement, session.accepted)))


def _placed(session: Session, landing: Landing) -> tuple[list[tuple[int, Column]], list[str]]:
    """Columns that were sent, with their places in the masks, and the accepted columns that keep their values."""
    left_out = session.without if landing.without is None else landing.without
    placed = [(place, column) for place, column in enumerate(session.columns) if column.field not in left_out]
    return placed, targets.other_columns(session.accepted, [column for _, column in placed])


def mark_again(answers: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The answers with these rows marked as tried again."""
    chosen = pc.is_in(answers.column("key_"), value_set=pa.array(list(keys), pa.string()))
    outcome = pc.if_else(chosen, AGAIN, answers.column("outcome_"))
    return answers.set_column(answers.schema.get_field_index("outcome_"), "outcome_", outcome)
