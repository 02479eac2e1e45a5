"""Comparing desired rows with the accepted state: twins, waiting rows, orphans, levels, and what a person must allow first."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import pyarrow as pa

from integrations.lake import reading
from integrations.lake.engine import Engine, open_engine
from integrations.lake.writing import StagedFile
from integrations.models import GuardRequest, OutboxPush, OutboxTarget
from integrations.orgs.connect import OrgClient
from integrations.salesforce.describe import FieldInfo, ObjectInfo
from integrations.sync import guard
from integrations.sync.outbox import diffing, door, intake, kinds, restored, targets, waiting
from integrations.sync.outbox.columns import fields_of
from integrations.sync.outbox.diffing import Terms
from integrations.sync.outbox.session import Session
from integrations.sync.runs import Recorder

MOST_LEVELS = 50
FLAG = re.compile(r"[ckx]\d+\Z|(?:new|remove|heavy|twin|orphan)_\Z")
WORK_BYTES = 48 * 1024 * 1024
INSTEAD = "instead"
"""Fate of a row that goes with the values that a person set."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one fate that travel alike."""

    fate: str
    level: int
    heavy: bool
    new: bool
    rows: int
    clears: int
    unknown: int


@dataclass
class Plan:
    """What a push will do."""

    groups: list[Group]
    held: waiting.Held = field(default_factory=waiting.Held)
    staged: list[StagedFile] = field(default_factory=list)
    batches: list[dict[str, Any]] = field(default_factory=list)

    def total(self, *fates: str) -> int:
        """Rows of these fates; without any, all."""
        return sum(group.rows for group in self.groups if not fates or group.fate in fates)


def open_session(
    recorder: Recorder, push: OutboxPush, entry: door.Entry, info: ObjectInfo, client: OrgClient, engine: Engine
) -> Session:
    """The shared state of a push whose door is open."""
    kind, target = kinds.get(push.target.kind), push.target
    columns = targets.fit_columns(target.accepted, entry.columns)
    targets.ensure_accepted(target, columns)
    terms = Terms(
        columns=columns, upsert=kind.saves_by == "upsert", by_id=target.key_field.lower() == "id", blank=kind.blank,
        may_remove="delete" in kind.operations, fold_keys=entry.key is not None and _folds(entry.key),
    )  # fmt: skip
    session = Session(recorder, push, kind, info, client, engine, columns, terms, kind.saves_by or "delete")
    for name, reason in entry.refused.items():
        session.refuse_field(name, reason)
    return session


def _folds(key: FieldInfo) -> bool:
    """Whether Salesforce takes keys that differ only by case for the same."""
    return key.type not in ("id", "reference") and not key.case_sensitive


def key_rule(entry: door.Entry, target: OutboxTarget) -> intake.KeyRule:
    """How the keys of this target are taken in."""
    key = entry.key
    if key is None or target.key_field.lower() == "id":
        return intake.KeyRule(by_id=True)
    is_number = key.type in ("int", "double", "currency", "percent", "long")
    return intake.KeyRule(False, key.length or intake.LONGEST_KEY, key.case_sensitive, is_number)


# --- comparing ----------------------------------------------------------------------------------------------------------


def compare(session: Session, desired: Any, entry: door.Entry, *, complete: bool) -> Plan:
    """Bind desired rows and accepted state, find twins, waiting rows and orphans, and sum up what would happen."""
    desired_rows, absent = bind_desired(session, desired, entry)
    session.bind_accepted()
    if complete and not session.push.is_dry and restored.is_doubtful(session.target, run=session.run):
        restored.settle(session, key_rule(entry, session.target))
    doubtful = session.engine.rows("SELECT 1 FROM stored WHERE unsure_ IS NOT NULL LIMIT 1")
    terms = replace(session.terms, unsure=bool(doubtful), absent=absent > 0)
    terms = _bind_twins(session.engine, terms)
    terms = _bind_orphans(session, terms)
    terms = _bind_levels(session, terms)
    held = waiting.hold_back(session.engine, session.target, terms, complete=complete)
    terms = _bind_kept(session.engine, terms, held)
    groups = _sum_up(session, terms, desired_rows)
    guarded = _ask_guard(session, groups)
    if guarded:
        asked = replace(terms, guarded=frozenset(guarded))
        groups = _sum_up(session, asked, desired_rows)
    return Plan(groups, held)


def _sum_up(session: Session, terms: Terms, desired_rows: int) -> list[Group]:
    """The groups. Rows that are not the same are kept as a table `work` when they are few enough, so that later steps need
    not compare again."""
    engine, kept = session.engine, _take_work(session.engine, terms)
    session.work, session.terms = kept, replace(terms, work=kept is not None)
    if kept is None:
        return read_sums(engine, terms)
    engine.bind("work", kept)
    groups = read_sums(engine, session.terms) if kept.num_rows else []
    same = desired_rows - kept.num_rows
    return [*groups, Group(diffing.SAME, 0, False, False, same, 0, 0)] if same else groups


def _take_work(engine: Engine, terms: Terms) -> pa.Table | None:
    """All rows that are not the same; None when they are too many to hold."""
    batches: list[pa.RecordBatch] = []
    size = 0
    statement = diffing.read_statement("work.sql", diff=diffing.diff_statement(terms))
    found = engine.batches(statement)
    for batch in found:
        batches.append(batch)
        size += batch.nbytes
        if size > WORK_BYTES:
            found.close()  # type: ignore[attr-defined]
            return None
    return _with_flags(pa.Table.from_batches(batches)) if batches else pa.table({"key_": pa.array([], pa.string())})


def _with_flags(rows: pa.Table) -> pa.Table:
    """Flags as flags: ClickHouse answers a comparison with a number."""
    for place, name in enumerate(rows.column_names):
        if FLAG.match(name) and not pa.types.is_boolean(rows.schema.field(name).type):
            rows = rows.set_column(place, name, rows.column(name).cast(pa.bool_()))
    return rows


def bind_desired(session: Session, desired: Any, entry: door.Entry) -> tuple[int, int]:
    """Take desired rows in as `desired`, under the names of the lake: how many there are, and how many name absent fields."""
    taken = dict(zip(entry.by_name, session.columns, strict=True))
    inlet = intake.Intake(taken, key_rule(entry, session.target))
    with read_batches(desired) as batches:
        rows = _in_memory(inlet, inlet.stream(batches))
        session.engine.bind("desired", rows)
    if isinstance(rows, pa.Table):
        return rows.num_rows, rows.num_rows - rows.column(intake.ABSENT).null_count
    return session.engine.rows("SELECT count(*), count(absent_) FROM desired")[0]


def _in_memory(inlet: intake.Intake, batches: Iterator[pa.RecordBatch]) -> "pa.Table | pa.RecordBatchReader":
    """Desired rows as a table where they are few enough, which spares the engine a copy; else as a stream."""
    taken: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        taken.append(batch)
        size += batch.nbytes
        if size > WORK_BYTES:
            return pa.RecordBatchReader.from_batches(inlet.schema, chain(taken, batches))
    return pa.Table.from_batches(taken, schema=inlet.schema)


@contextmanager
def read_batches(desired: Any) -> Iterator[Iterable[pa.RecordBatch]]:
    """The batches of desired rows; those of a relation come from an engine of their own while ours takes them in."""
    if not isinstance(desired, reading.Relation):
        yield intake.batches_in(desired)
        return
    with open_engine() as source:
        source.bind("source", desired)
        yield source.batches("SELECT * FROM source")


def fields_in(desired: Any) -> list[str]:
    """The field names among the columns of desired rows."""
    return fields_of(intake.names_in(desired))


def _bind_twins(engine: Engine, terms: Terms) -> Terms:
    twins = engine.table(diffing.twins_statement(terms))
    if not twins.num_rows:
        return terms
    engine.bind("twins", twins)
    return replace(terms, twins=True)


def _bind_orphans(session: Session, terms: Terms) -> Terms:
    keys = waiting.waiting_parents(session.target)
    if not keys:
        return terms
    diffing.bind_keys(session.engine, "orphans", key_=keys)
    return replace(terms, orphans=True)


def _bind_kept(engine: Engine, terms: Terms, held: waiting.Held) -> Terms:
    if not held.back:
        return terms
    instead = {row.key for row in held.edited}
    fates = [INSTEAD if key in instead else why for key, why in held.back.items()]
    diffing.bind_keys(engine, "kept", key_=list(held.back), kept_=fates)
    return replace(terms, kept=True)


def _bind_levels(session: Session, terms: Terms) -> Terms:
    """Parents before children among rows of one kind: a new row comes after the new row that it names (R-147)."""
    if session.kind.parent_of != session.kind.name:
        return terms
    pairs = dict(session.engine.rows(diffing.read_statement("families.sql")))
    if not pairs:
        return terms
    levels = {key: level_of(key, pairs) for key in pairs}
    diffing.bind_keys(session.engine, "levels", key_=list(levels), level_=list(levels.values()))
    return replace(terms, levels=True)


def level_of(key: str, parents: dict[str, str]) -> int:
    """How many of its ancestors come before a row; a circle ends at its own row."""
    level, seen, current = 0, {key}, parents.get(key)
    while current is not None and current not in seen and level < MOST_LEVELS:
        seen.add(current)
        level += 1
        current = parents.get(current)
    return level


def read_sums(engine: Engine, terms: Terms) -> list[Group]:
    """Rows by fate, level, way and newness."""
    rows = engine.rows(diffing.sums_statement(terms))
    groups = [Group(fate, int(level), bool(heavy), bool(new), *map(int, counts)) for fate, level, heavy, new, *counts in rows]
    return sorted(groups, key=lambda group: (group.fate, group.level, group.heavy, group.new))


def _ask_guard(session: Session, groups: list[Group]) -> set[str]:
    """The effects that must wait for a person's yes (I-11). Asked in a dry run, too, but then nobody is told."""
    clears = sum(group.clears for group in groups if group.fate == diffing.SEND)
    removes = sum(group.rows for group in groups if group.fate == diffing.REMOVE)
    refused = set[str]()
    asked = GuardRequest.objects.filter(org=session.target.org, subject=_subject(session), answer=None)
    if not (clears or removes or asked.exists()):
        return refused
    of_rows = session.engine.rows("SELECT count(*) FROM accepted")[0][0]
    for effect, rows in (("clear", clears), ("delete", removes)):
        if session.push.is_dry:
            if guard.needs_yes(rows, of_rows):
                refused.add(effect)
            continue
        if not _may(session, effect, rows, of_rows):
            refused.add(effect)
    return refused


def _may(session: Session, effect: str, rows: int, of_rows: int) -> bool:
    digest, examples = "", []
    if guard.needs_yes(rows, of_rows):
        fate, word = (diffing.SEND, "{{position(clear_, '1')}} > 0") if effect == "clear" else (diffing.REMOVE, "true")
        statement = diffing.read_statement("guarded.sql", work=diffing.work_source(session.terms), fate=f"'{fate}'", only=word)
        digest = guard.digest_of(f"{key}:{mask}" for key, _, mask in _streamed(session.engine, statement))
        examples = [label or key for key, label, _ in session.engine.rows(f"{statement} ORDER BY key_ LIMIT 20")]
    return guard.ask(
        session.target.org, subject=_subject(session), effect=effect, rows=rows, of_rows=of_rows, digest=digest,
        examples=examples, run=session.run, now=session.now(),
    )  # fmt: skip


def _subject(session: Session) -> str:
    """What the guard calls the target."""
    return f"{session.target.kind}/{session.target.object}"[:120]


def _streamed(engine: Engine, statement: str) -> Iterator[tuple[Any, ...]]:
    for batch in engine.batches(statement):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
