"""Preparing a push: what differs is staged with its before-images and cut into batches, the rest is counted with reasons.

Nothing is sent here. What is decided is stored in one transaction: the rows to send, their batches, the counts of everything
that is not sent. A dry run takes the same road up to the storing.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa

from integrations.lake import reading
from integrations.lake.writing import StagedFile, register
from integrations.models import OutboxBatch, OutboxPush, OutboxRow
from integrations.salesforce.errors import AuthError, LimitReached, SalesforceError, UpstreamUnavailable
from integrations.sync.outbox import diffing, in_memory, intake, live, planning, problems, rowwork, targets, waiting
from integrations.sync.outbox.columns import Column
from integrations.sync.outbox.comparing import INSTEAD, Plan
from integrations.sync.outbox.landing import LISTED, changes_in
from integrations.sync.outbox.session import Session
from integrations.sync.outbox.waiting import Refused

WHOLE_RUN = (AuthError, LimitReached, UpstreamUnavailable)
"""What is not about one target: it ends the run."""
SMALL_BATCH = 2_000  # rows of one composite batch
SAMPLES = 100
SEND = (diffing.SEND, diffing.REMOVE)
UNSENT = "unsent"
"""Failed rows that were never sent: they say nothing about whether Salesforce takes what is sent."""

# --- staging ------------------------------------------------------------------------------------------------------------


def stage(session: Session, plan: Plan) -> None:
    """Write the rows to send with their before-images, in their order, and cut them into batches."""
    push = session.push
    push.rows, push.changed = plan.total(), plan.total(*SEND)
    if not push.changed and not plan.held.edited:
        return
    begin_push(session)
    trouble = session.target.rows.filter(code="STORAGE_LIMIT_EXCEEDED").exists()
    with _befores(session, plan):
        staged = _write_rows(session, creates_last=trouble)
    plan.staged.append(staged)
    total = plan.total(*SEND)
    _cut(session, plan, creates_last=trouble)
    if total > staged.rows:
        session.count("skipped", total - staged.rows, name="erased")  # whom the lake must forget (I-23)
        _count_kept(session, plan, staged)
    session.is_whole = not plan.held.edited
    if not session.is_whole:
        session.kept = None  # more rows come behind them
    stage_waiting(session, plan, plan.held.edited, after=total)


def _write_rows(session: Session, *, creates_last: bool) -> StagedFile:
    """Stage the rows. Where they are few they stay in memory too, so that sending need not read them again."""
    if not session.terms.work or session.work is None:
        statement = diffing.stage_statement(session.terms, creates_last=creates_last)
        return session.engine.copy_to(statement, session.sent, offset=0)
    rows = in_memory.arrange(session.work, session.columns, creates_last=creates_last)
    staged, whole = in_memory.write_table(session.sent, rows)
    session.kept = whole if staged.rows == rows.num_rows else None  # else the lake must forget somebody
    return staged


def _count_kept(session: Session, plan: Plan, staged: StagedFile) -> None:
    """Batches have fewer rows than places where rows had to be forgotten."""
    if staged.rows:
        file = reading.FileRef(staged.path, 1, frozenset(staged.columns))
        rows = reading.Relation(session.sent.name, (("place_", "whole"),), deltas=(file,), newest=False)
        session.engine.bind("staged", rows)
    for batch in plan.batches:
        sql = "SELECT count(*) FROM staged WHERE place_ >= $first AND place_ <= $last"
        places = {"first": batch["first_place"], "last": batch["last_place"]}
        batch["rows"] = session.engine.rows(sql, **places)[0][0] if staged.rows else 0
    plan.batches = [batch for batch in plan.batches if batch["rows"]]


def begin_push(session: Session) -> None:
    """The tables of what this push sends and hears."""
    push = session.push
    push.fields = [asdict(column) for column in session.columns]
    push.sent, push.answers = targets.ensure_sent(push, session.columns), targets.ensure_answers(push)


@contextmanager
def _befores(session: Session, plan: Plan) -> Iterator[None]:
    """Read the values that we do not know and are about to replace: of few rows, and of records that we change by id."""
    unknown = sum(group.unknown for group in plan.groups if group.fate == diffing.SEND)
    if not unknown or not (session.by_id or unknown <= live.BY_KEYS):
        yield
        return
    terms = session.terms
    keys = session.engine.table(
        diffing.read_statement("unknown.sql", work=diffing.work_source(terms), unknown=diffing.unknown_in(terms))
    ).column("key_")
    columns = tuple(column for column in session.columns if not column.lookup)
    rule = intake.KeyRule(by_id=session.by_id, length=intake.LONGEST_KEY)
    wish = live.Wish(session.target.object, session.key_field, columns, rule)
    try:
        with live.read_live(session.client, wish, keys) as rows:
            session.engine.bind("live", rows)
        session.terms = replace(terms, live=True, work=False)
    except WHOLE_RUN:
        raise
    except SalesforceError:  # a field may be written but not read: then nobody knows what stood there
        session.terms = terms
    yield
    session.terms = terms


def _cut(session: Session, plan: Plan, *, creates_last: bool) -> None:
    """Batches over the places of the staged rows: each level, kind of operation and way apart."""
    wanted: dict[tuple[Any, ...], int] = {}
    for group in plan.groups:
        if group.fate in SEND:
            removes = group.fate == diffing.REMOVE
            key = (group.level, removes, creates_last and group.new, group.heavy)
            wanted[key] = wanted.get(key, 0) + group.rows
    place = 1
    for (_, removes, new, heavy), n in sorted(wanted.items()):
        probe = min(n, planning.ROWS_A_CALL) if creates_last and new else 0  # no hammering while there is no room
        place = add_batches(plan, session, place, probe, removes, planning.COMPOSITE)
        way = planning.COMPOSITE if heavy and not removes else planning.choose_way(n - probe)
        place = add_batches(plan, session, place, n - probe, removes, way)


def add_batches(plan: Plan, session: Session, place: int, rows: int, removes: bool, way: str) -> int:
    """Cut `rows` from `place` on into batches that travel one way; the place after them."""
    size = SMALL_BATCH if way == planning.COMPOSITE else max(rows, 1)
    for begin in range(0, rows, size):
        n = min(size, rows - begin)
        operation = "delete" if removes else session.operation
        plan.batches.append({"first_place": place + begin, "last_place": place + begin + n - 1, "rows": n, "way": way,
                             "operation": operation})  # fmt: skip
    return place + rows


def stage_waiting(session: Session, plan: Plan, rows: Sequence[OutboxRow], *, after: int = 0) -> None:
    """Waiting rows, with the values that a person gave them instead, behind the others."""
    if rows:
        stage_table(session, plan, rowwork.sent_table(session, rows, after=after), after=after)


def stage_table(session: Session, plan: Plan, table: pa.Table, *, after: int = 0, removes: bool = False) -> None:
    """Rows that are made here, at the places after `after`."""
    plan.staged.append(rowwork.stage_rows(session.sent, table))
    way = planning.choose_way(table.num_rows)
    add_batches(plan, session, after + 1, table.num_rows, removes, way)
    session.push.changed += table.num_rows


# --- everything that is not sent ------------------------------------------------------------------------------------------


REASONS = {
    "no_key": ("failed", "MISSING_KEY", "The row has no key."),
    "twin": ("failed", "DUPLICATE_KEY", "Several rows have this key; none of them is sent."),
    "forbidden": ("failed", "NOT_ALLOWED", "Records of this kind are never deleted."),
    "orphan": ("not_attempted", "WAITING_FOR_PARENT", "Its parent is not accepted yet."),
    "guarded": ("skipped", "MASS_CHANGE", "Too much would be cleared or deleted at once; a person must allow it."),
    "parked": ("skipped", "PARKED", "It was refused before and waits for a person."),
    "dismissed": ("skipped", "DISMISSED", "A person said that it need not be written."),
}
STATES = {"bad": "unfit", "twin": "conflict", "forbidden": "parked", "orphan": "waiting_parent"}


def count_unsent(session: Session, plan: Plan, *, settled: int = 0) -> None:
    """Count and list what is not sent; rows that must explain themselves become waiting rows (not in a dry run).

    `settled` rows were written by an interrupted run of this push: they count as written here.
    """
    session.count("written", settled, name="settled")
    session.count("unchanged", plan.total(diffing.SAME, waiting.EDITED) - settled)
    for fate in (*REASONS, "bad"):
        total = plan.total(fate)
        if total:
            _count_fate(session, fate, total)


def _count_fate(session: Session, fate: str, total: int) -> None:
    outcome = REASONS[fate][0] if fate in REASONS else "failed"
    cells = "".join(f", v{n}" for n in range(len(session.columns))) if fate == "bad" else ""
    statement = diffing.read_statement("unsent.sql", work=diffing.work_source(session.terms), fate=f"'{fate}'", cells=cells)
    listed, seen = 0, set[str]()
    for batch in session.engine.batches(statement, rows=1_000):
        rows = batch.to_pylist()
        for number, row in enumerate(rows):
            key = row["key_"] or f"row without key {number + 1}"
            if listed < LISTED and key not in seen:
                seen.add(key)
                listed += 1
                told = _refused(session, fate, row)
                about = {"label": told.label, "salesforce_id": told.salesforce_id, "detail": _detail(told)}
                session.list_row(outcome, key, told.code, told.message, **about)
        if fate in STATES and not session.push.is_dry:
            kept = {row["key_"]: _refused(session, fate, row) for row in rows if row["key_"]}
            waiting.store_refused(session.target, kept.values(), run=session.run, now=session.now())
        elif fate not in STATES and listed >= LISTED:
            break
    session.count(outcome, total - listed)
    if outcome == "failed":
        session.counts[UNSENT] = session.counts.get(UNSENT, 0) + total


def _refused(session: Session, fate: str, row: dict[str, Any]) -> Refused:
    about: dict[str, Any] = {
        "key": row["key_"] or "", "label": row["label_"] or "", "parent_key": row["parent_"] or "",
        "salesforce_id": row["id_"] or "",
    }  # fmt: skip
    if fate != "bad":
        _, code, message = REASONS[fate]
        return Refused(code=code, message=message, state=STATES.get(fate, ""), **about)
    code, fields, message = problems.read_problem(row["bad_"] or "")
    if "key" in fields:  # no value that a person could give helps
        return Refused(code=code, message=message, state=OutboxRow.State.PARKED, problem=row["bad_"], **about)
    values = waiting.wanted_of(row, session.columns)
    return Refused(code=code, message=message, fields=fields, values=values, state=STATES[fate], problem=row["bad_"], **about)


def _detail(told: Refused) -> dict[str, Any]:
    return {"fields": list(told.fields)} if told.fields else {}


def list_samples(session: Session, plan: Plan) -> None:
    """Dry run: what would be written, with old and new values."""
    if not plan.total(*SEND):
        session.count("written", plan.total(INSTEAD))
        return
    offset_free = diffing.stage_statement(session.terms, creates_last=False)
    sql = diffing.read_statement("dry_samples.sql", stage=offset_free, room=str(SAMPLES))
    rows = session.engine.table(sql, offset=0).to_pylist()
    for row in rows:
        about = {"label": row["label_"] or "", "salesforce_id": row["id_"] or ""}
        session.list_row("written", row["key_"], detail={"changes": changes_in(row, session)}, **about)
    session.count("written", plan.total(*SEND, INSTEAD) - len(rows))


# --- storing the plan ---------------------------------------------------------------------------------------------------


def store_plan(session: Session, plan: Plan, *, also: Callable[[], None] | None = None) -> None:
    """One transaction: the staged rows exist, their batches wait, everything else is counted."""
    push, now = session.push, session.now()
    first = 1 + (OutboxBatch.objects.filter(run=session.run).order_by("-number").values_list("number", flat=True).first() or 0)

    def write() -> None:
        for staged in plan.staged:
            register(session.sent, staged, run=session.run, now=now)
        OutboxBatch.objects.bulk_create(
            OutboxBatch(push=push, target=session.target, run=session.run, number=first + n, created_at=now, **batch)
            for n, batch in enumerate(plan.batches)
        )
        waiting.settle(session.target, plan.held.settled)
        push.save(update_fields=["fields", "rows", "changed", "sent", "answers"])
        if also is not None:
            also()

    session.save(write, now=now)


def estimate(session: Session, plan: Plan) -> None:
    """Dry run: the batches that there would be."""
    _cut(session, plan, creates_last=False)
    add_batches(plan, session, plan.total(*SEND) + 1, plan.total(INSTEAD), False, planning.choose_way(plan.total(INSTEAD)))


def estimated_calls(plan: Plan) -> int:
    """API requests that the batches will take."""
    return sum(planning.calls_of(batch["way"], batch["rows"]) for batch in plan.batches)


def columns_of(push: OutboxPush) -> tuple[Column, ...]:
    """The columns of a stored plan."""
    return tuple(Column(**each) for each in push.fields)
