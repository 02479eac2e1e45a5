"""The first push after a restore: values that are newer than the backup are left alone (I-07).

A restored database knows less than Salesforce does: what was sent after the backup was made is forgotten here and stands there.
So the next complete push of each target first reads the live values. Where they are not what the backup says was accepted, the
wanted value counts as accepted without being sent, and the difference is listed as a change that a person may overrule. From
then on a value goes out as soon as it changes here. What nobody touched since the backup is sent as always.

A push that is not complete carries wishes made after the restore, and goes as always, too. Heavy to import.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from integrations.lake.dialect import quote_name, quote_text
from integrations.lake.writing import StagedFile, register
from integrations.models import HumanEdit, OutboxRow, OutboxTarget, Run
from integrations.sync.outbox import diffing, intake, live, targets
from integrations.sync.outbox.columns import Column
from integrations.sync.outbox.landing import LISTED
from integrations.sync.outbox.plain import plain_value
from integrations.sync.outbox.session import Session

CHUNK = 500
CLOCKS = timedelta(minutes=10)  # Salesforce's clock and ours
SETTLED = (Run.State.SUCCESS, Run.State.PARTIAL)
MOVED = Column("LastModifiedDate", "moved_", "moment", "moment")
NEWER = "Salesforce's value is newer than the backup that this installation was restored from."


def is_doubtful(target: OutboxTarget, *, run: Run) -> bool:
    """Whether the target was restored and no other run has compared it with live values since."""
    if target.restored_at is None:
        return False
    by = target.settled_by
    settled = by is not None and by.pk != run.pk and by.state in SETTLED
    if settled:
        OutboxTarget.objects.filter(pk=target.pk).update(restored_at=None, restored_from=None, settled_by=None)
        target.restored_at = None
    return not settled


def is_unverified(target: OutboxTarget) -> bool:
    """Whether a compare would take what we forgot in a restore for changes by people."""
    restored = target.restored_at
    return restored is not None and target.settled_by_id is None and (target.verified_at or restored) <= restored


def settle(session: Session, rule: intake.KeyRule) -> int:
    """Read live values, keep those that are newer than the backup, and bind the accepted state anew; how many cells are kept.

    `desired` and `accepted` are bound. Raises what reading from Salesforce raises: nothing is sent before this is done.
    """
    columns = [column for column in session.columns if not column.lookup]
    _read_live(session, columns, rule)
    beside = _beside(session, columns)
    staged = session.engine.copy_to(_accepted_statement(session, columns, beside), session.accepted)
    edits = [_edit(session, row, column, n) for row, column, n in _kept_cells(session, columns, beside)]
    _tell(session, edits)
    _store(session, staged, edits)
    session.bind_accepted()
    return len(edits)


def _read_live(session: Session, columns: Sequence[Column], rule: intake.KeyRule) -> None:
    keys = "SELECT key_ FROM accepted UNION SELECT key_ FROM desired WHERE key_ IS NOT NULL"
    wish = live.Wish(session.target.object, session.key_field, (*columns, MOVED), rule)
    with live.read_live(session.client, wish, session.engine.table(keys).column("key_")) as rows:
        session.engine.bind("live", rows)


def _beside(session: Session, columns: Sequence[Column]) -> str:
    since = (session.target.restored_from or timezone.now()) - CLOCKS
    moment = f"CAST({quote_text(since.strftime('%Y-%m-%d %H:%M:%S+00'))} AS {{{{moment}}}})"
    cells = ""
    for n, column in enumerate(columns):
        name = quote_name(column.name)
        newer = (
            f"((a.{name} IS NOT NULL AND NOT {diffing.equal(f'v.{name}', f'a.{name}')}) "
            f"OR (a.{name} IS NULL AND v.{name} IS NOT NULL AND v.moved_ > {moment}))"
        )
        named = quote_text(f" {column.field.lower()} ")
        wanted = f"(d.key_ IS NOT NULL AND {{{{position(coalesce(d.absent_, ''), {named})}}}} = 0)"
        if session.terms.blank == "leave":
            wanted = f"({wanted} AND d.{name} IS NOT NULL)"
        cells += f", d.{name} AS d{n}, a.{name} AS a{n}, v.{name} AS v{n}, {newer} AS n{n}, {wanted} AS w{n}"
    others = targets.other_columns(session.accepted, columns)
    cells += "".join(f", a.{quote_name(name)} AS o{n}" for n, name in enumerate(others))
    return diffing.read_statement("restored.sql", cells=cells)


def _accepted_statement(session: Session, columns: Sequence[Column], beside: str) -> str:
    """Rows of the accepted state as they are from now on: what is newer there counts as accepted, and no doubt is left."""
    others = targets.other_columns(session.accepted, columns)
    values = "".join(
        f", CASE WHEN n{n} AND w{n} THEN d{n} ELSE a{n} END AS {quote_name(column.name)}" for n, column in enumerate(columns)
    )
    values += "".join(f", o{n} AS {quote_name(name)}" for n, name in enumerate(others))
    some = diffing.any_of(f"(n{n} AND w{n})" for n in range(len(columns)))
    return diffing.read_statement("restored_accept.sql", values=values, beside=beside, some=some)


def _kept_cells(session: Session, columns: Sequence[Column], beside: str) -> Iterator[tuple[dict[str, Any], Column, int]]:
    """Cells of which Salesforce's value stays although ours is another one."""
    flags = [f"(n{n} AND NOT ({_ours(n)} IS NULL AND NOT w{n}) AND NOT {diffing.equal(f'v{n}', _ours(n))})"
             for n in range(len(columns))]  # fmt: skip
    cells = "".join(f", {flag} AS h{n}, {_ours(n)} AS u{n}, v{n}" for n, flag in enumerate(flags))
    some = diffing.any_of(f"h{n}" for n in range(len(columns)))
    statement = diffing.read_statement("restored_kept.sql", cells=cells, beside=beside, some=some)
    for batch in session.engine.batches(statement, rows=CHUNK):
        for row in batch.to_pylist():
            yield from ((row, column, n) for n, column in enumerate(columns) if row[f"h{n}"])


def _ours(n: int) -> str:
    return f"CASE WHEN w{n} THEN d{n} ELSE a{n} END"


def _edit(session: Session, row: dict[str, Any], column: Column, n: int) -> HumanEdit:
    return HumanEdit(
        target=session.target, key=row["key_"], salesforce_id=row["id_"] or "", field=column.field, lost=True,
        ours=plain_value(row[f"u{n}"]), theirs=plain_value(row[f"v{n}"]), decision=HumanEdit.Decision.THEIRS,
        seen_at=session.now(),
    )  # fmt: skip


def _tell(session: Session, edits: Sequence[HumanEdit]) -> None:
    """The run says what it left alone."""
    if not edits:
        return
    tally = session.recorder.object(f"{session.target.object}: newer than the backup"[:80])
    for edit in edits[:LISTED]:
        tally.skipped(f"{edit.key} {edit.field}"[:255], "NEWER_THAN_BACKUP", NEWER, salesforce_id=edit.salesforce_id)
    if len(edits) > LISTED:
        tally.counted("skipped", len(edits) - LISTED)


def _store(session: Session, staged: StagedFile, edits: Sequence[HumanEdit]) -> None:
    keys = sorted({edit.key for edit in edits})

    def write() -> None:
        if staged.rows:
            register(session.accepted, staged, run=session.run, now=session.now())
        for start in range(0, len(keys), CHUNK):  # what waits there is older than Salesforce's value
            OutboxRow.objects.filter(target=session.target, key__in=keys[start : start + CHUNK]).delete()
        keep_edits(edits)
        OutboxTarget.objects.filter(pk=session.target.pk).update(settled_by=session.run)

    session.save(write)
    session.target.settled_by = session.run


def keep_edits(edits: Sequence[HumanEdit]) -> None:
    """Store or renew changes by cell (inside a transaction)."""
    for start in range(0, len(edits), CHUNK):
        HumanEdit.objects.bulk_create(
            edits[start : start + CHUNK],
            update_conflicts=True,
            unique_fields=["target", "key", "field"],
            update_fields=["salesforce_id", "ours", "theirs", "decision", "lost", "seen_at", "decided_by", "decided_at"],
        )
