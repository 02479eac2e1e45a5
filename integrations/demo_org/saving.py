"""Saving records: one entry for every way in (REST, composite, bulk, control plane).

A save goes through the same steps as in Salesforce: names and types, matching (upsert), required fields, defaults,
look-ups, uniqueness, validation rules, locks, the write, and then what follows from it (names, roll-ups, history).
Rows travel as columns (`rows.Frame`), because bulk loads are wide and many.
"""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from integrations.demo_org import consequences, constraints, hindrances, late, removal
from integrations.demo_org.errors import ApiError
from integrations.demo_org.fitting import fit_frame
from integrations.demo_org.matching import find_existing, split_at_repeats, split_upsert
from integrations.demo_org.rows import UNSET, Frame, RowError, RowResult, RowsRefused, frames_of
from integrations.demo_org.schema.types import ObjectType
from integrations.demo_org.store import has_column, insert_sql, quote, split_constants

if TYPE_CHECKING:
    import sqlite3

    from integrations.demo_org.org import Caller, DemoOrg

LARGE = 1_000
OPERATIONS = frozenset({"insert", "update", "upsert", "delete", "undelete", "hardDelete"})
ROLLED_BACK = RowError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)
__all__ = ["RowError", "RowResult", "save", "save_table"]


class RolledBack(Exception):
    """Some row failed and the caller wanted all or none."""


@dataclass
class Work:
    """One save call while it runs. `kind` is what the caller may see; `stored` is the whole object.

    `met` has what matching by an external id read of the records it found: (place, id, rowid, values of `met_names`...).
    """

    org: "DemoOrg"
    caller: "Caller"
    kind: ObjectType
    stored: ObjectType
    connection: "sqlite3.Connection"
    operation: str
    external_id: str | None
    source: str
    stamp: str
    results: list[RowResult | None]
    parts: list[consequences.Part] = field(default_factory=list)
    met: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    met_names: list[str] = field(default_factory=list)

    @property
    def user_id(self) -> str:
        """Who saves."""
        return self.caller.user_id

    def refuse(self, frame: Frame) -> Frame:
        """Write down the failed rows of a frame and return the rest."""
        for row, errors in frame.errors.items():
            self.results[frame.positions[row]] = RowResult(None, success=False, errors=errors)
        return frame.without_failed()


def save(
    org: "DemoOrg",
    caller: "Caller",
    object_name: str,
    rows: Sequence[Mapping[str, object]],
    *,
    operation: str,
    external_id: str | None = None,
    all_or_none: bool = False,
    source: str = "rest",
) -> list[RowResult]:
    """Insert, update, upsert, delete, undelete or hardDelete rows; one result per row, in the same order.

    Keys are field names in any case, `Id`, `Rel__r` with a mapping (or, for bulk, `Rel__r.Ext__c`). An absent key leaves
    the field alone, None clears it; with source "bulk" values are CSV text: empty leaves alone, `#N/A` clears. Source
    "control" is the control plane, which no fault, lock or maintenance hinders.
    ApiError if the object or the external id field does not exist or the object does not allow the operation.
    """
    frames = frames_of(rows)
    return _run(org, caller, object_name, frames, len(rows), operation, external_id, all_or_none=all_or_none, source=source)


def save_table(
    org: "DemoOrg",
    caller: "Caller",
    object_name: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    operation: str,
    external_id: str | None = None,
    all_or_none: bool = False,
    source: str = "bulk",
) -> list[RowResult]:
    """The same for rows that share one header, as CSV gives them: the quick way for bulk jobs (no dict per row)."""
    columns = dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}
    frames = [Frame(range(len(rows)), columns)] if rows else []  # type: ignore[arg-type]
    return _run(org, caller, object_name, frames, len(rows), operation, external_id, all_or_none=all_or_none, source=source)


def _run(
    org: "DemoOrg",
    caller: "Caller",
    object_name: str,
    frames: list[Frame],
    count: int,
    operation: str,
    external_id: str | None,
    *,
    all_or_none: bool,
    source: str,
) -> list[RowResult]:
    """One transaction over all frames."""
    kind = _allowed_kind(org, caller, object_name, operation)
    stored = org.schema.objects[kind.name.lower()]
    results: list[RowResult | None] = [None] * count
    refused: dict[int, RowResult] = {}
    while True:  # again without the rows that automation refuses; each time there are fewer
        for position in range(count):
            results[position] = refused.get(position)
        left = [_without(frame, refused) for frame in frames]
        try:
            with _quiet_collector(count), org.store.write() as connection:
                stamp = org.clock.stamp()
                work = Work(org, caller, kind, stored, connection, operation, external_id, source, stamp, results)
                for frame in left:
                    _save_frame(work, hindrances.stop_call(work, frame, count))
                if all_or_none and not all(each is not None and each.success for each in results):
                    raise RolledBack
                consequences.follow(work)
        except RolledBack:
            for position, each in enumerate(results):
                if each is None or each.success:
                    results[position] = RowResult(None, success=False, errors=[ROLLED_BACK])
        except RowsRefused as problem:
            fresh = _refused_rows(results, problem)
            if not fresh:  # nothing of this call was saved yet that could be left out
                error = next(iter(problem.errors.values()))
                raise ApiError(400, error.code, error.message, ()) from problem
            refused |= fresh
            continue
        break
    _count(org, kind.name, results)
    return results  # type: ignore[return-value]


def _without(frame: Frame, refused: Mapping[int, RowResult]) -> Frame:
    """A frame of its own without some rows."""
    if not refused:
        return Frame(frame.positions, dict(frame.columns), dict(frame.errors))
    return frame.keep([position not in refused for position in frame.positions])


def _refused_rows(results: Sequence[RowResult | None], problem: RowsRefused) -> dict[int, RowResult]:
    """The failed results of the rows whose records automation refused, by position.

    When it refused others (a deal whose lines were saved), all rows that would have been saved fail.
    """
    found = {n: problem.errors.get(each.id or "") for n, each in enumerate(results) if each is not None and each.success}
    if not any(found.values()):
        found = dict.fromkeys(found, next(iter(problem.errors.values())))
    return {n: RowResult(None, success=False, errors=[error]) for n, error in found.items() if error is not None}


@contextmanager
def _quiet_collector(rows: int) -> Iterator[None]:
    """No garbage collection during a large save: it makes many small objects that all live until its end."""
    pause = rows > LARGE and gc.isenabled()
    if pause:
        gc.disable()
    try:
        yield
    finally:
        if pause:
            gc.enable()


def _allowed_kind(org: "DemoOrg", caller: "Caller", object_name: str, operation: str) -> ObjectType:
    """The object as the caller sees it; ApiError if it is unknown or does not allow the operation."""
    kind = org.schema_for(caller).find(object_name)
    if kind is None:
        raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
    if operation not in OPERATIONS:
        raise ValueError(f"unknown operation {operation}")
    whole = org.schema.objects[kind.name.lower()]  # what only this user may not do is told row by row
    allowed = {
        "insert": whole.createable, "update": whole.updateable, "upsert": whole.createable and whole.updateable,
        "delete": whole.deletable, "hardDelete": whole.deletable, "undelete": whole.undeletable,
    }[operation]  # fmt: skip
    if not allowed:
        verb = {"insert": "create", "hardDelete": "delete"}.get(operation, operation)
        text = f"entity type {kind.name} does not support {verb}"
        raise ApiError(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", text, ())
    return kind


def _save_frame(work: Work, frame: Frame) -> None:
    """All rows of one shape."""
    if not len(frame):
        return
    if work.operation in {"delete", "undelete", "hardDelete"}:
        removal.remove_frame(work, frame)
        return
    if work.operation == "insert":
        _insert(work, fit_frame(work, frame, for_insert=True))
    elif work.operation == "update":
        _update(work, find_existing(work, fit_frame(work, frame, for_insert=False)))
    else:
        for part in split_at_repeats(work, frame):
            _upsert(work, part)


def _upsert(work: Work, frame: Frame) -> None:
    """Rows of which some may exist; no key twice beyond a chunk of 200."""
    fresh, known = split_upsert(work, frame)
    if fresh is not None:
        _insert(work, fresh)
    if known is not None:
        _update(work, find_existing(work, known, matched=(work.external_id or "Id").lower() != "id"))


def _insert(work: Work, frame: Frame) -> None:
    """Check and store new rows."""
    frame = work.refuse(frame)
    if not frame.positions:
        return
    constraints.add_defaults(work, frame)
    constraints.check_insert(work, frame)
    frame = work.refuse(frame)
    if not frame.positions:
        return
    made = work.org.store.next_ids(work.kind.name, len(frame))
    frame.columns["Id"] = made
    _add_auto_numbers(work, frame)
    for name, value in _system_values(work).items():
        if work.stored.find(name):
            frame.columns[name] = list(repeat(value, len(frame)))
    columns = {name: column for name, column in frame.columns.items() if has_column(work.stored.by_name[name.lower()])}
    sql, rows = insert_sql(work.kind.name, columns)
    part = consequences.Part(made, frozenset(frame.columns), is_new=True)
    late.write_rows(work, sql, rows, part)
    for position, result in zip(frame.positions, map(RowResult, made, repeat(True), repeat(True)), strict=True):
        work.results[position] = result


def _system_values(work: Work) -> dict[str, object]:
    """What the system writes into a new row."""
    user, now = work.caller.user_id or None, work.stamp
    return {
        "IsDeleted": 0, "CreatedDate": now, "CreatedById": user, "LastModifiedDate": now, "LastModifiedById": user,
        "SystemModstamp": now,
    }  # fmt: skip


def _add_auto_numbers(work: Work, frame: Frame) -> None:
    """Number the new rows; the format is the field's default, such as CUST-{000000}."""
    for each in work.stored.fields:
        if each.auto_number:
            start = work.org.store.next_numbers(f"{work.kind.name}.{each.name}", len(frame))
            frame.columns[each.name] = auto_numbers(str(each.default or "{0}"), range(start, start + len(frame)))


def auto_numbers(form: str, numbers: range) -> list[str]:
    """Numbers in a display format: {000} is the number with at least three digits."""
    head, _, rest = form.partition("{")
    digits, _, tail = rest.partition("}")
    width = max(len(digits), 1)
    return [f"{head}{number:0{width}d}{tail}" for number in numbers]


def _update(work: Work, frame: Frame) -> None:
    """Check and store changes of rows that exist (their Id column is complete)."""
    frame = work.refuse(frame)
    if not frame.positions:
        return
    constraints.check_update(work, frame)
    frame = work.refuse(frame)
    if not frame.positions:
        return
    made: list[str] = list(frame.columns["Id"])  # type: ignore[arg-type]
    part = consequences.Part(made, frozenset(frame.columns), is_new=False, after=dict(frame.columns))
    for name in ("LastModifiedDate", "LastModifiedById", "SystemModstamp"):
        if work.stored.find(name):
            frame.columns[name] = list(repeat(_system_values(work)[name], len(frame)))
    keys = {"id", (work.external_id or "id").lower()}
    names = [name for name in frame.columns if name.lower() not in keys and has_column(work.stored.by_name[name.lower()])]
    fixed, free = split_constants({name: frame.columns[name] for name in names})
    assignments = [_assignment(name, position, column) for position, (name, column) in enumerate(free.items(), 1)]
    assignments += [f"{quote(name)} = {text}" for name, text in fixed.items()]
    where, places = _places(work, part)
    sql = f"UPDATE {quote(work.kind.name)} SET {', '.join(assignments)} WHERE {where} = ?{len(free) + 1}"  # noqa: S608
    late.write_rows(work, sql, zip(*free.values(), places, strict=True), part)
    for position, result in zip(frame.positions, map(RowResult, made), strict=True):
        work.results[position] = result


def _places(work: Work, part: consequences.Part) -> tuple[str, Sequence[object]]:
    """The column by which the records are found again, and its values. What matching read of them is remembered at once."""
    if not work.met or work.org.settings.late_commit_seconds > 0 or not work.met.keys() >= set(part.ids):
        return "Id", part.ids
    met = list(map(work.met.__getitem__, part.ids))
    part.old = {name: list(map(itemgetter(place), met)) for place, name in enumerate(work.met_names, 3)}
    return "rowid", list(map(itemgetter(2), met))


def _assignment(name: str, position: int, column: Sequence[object]) -> str:
    """`a = ?1`, or one that keeps the old value where the client left the field alone."""
    if UNSET in column:
        return f"{quote(name)} = iif(?{position} IS char(0), {quote(name)}, ?{position})"
    return f"{quote(name)} = ?{position}"


def _count(org: "DemoOrg", object_name: str, results: Sequence[RowResult | None]) -> None:
    """Count what was written, for the control plane."""
    good = sum(each is not None and each.success for each in results)
    org.writes.saves += 1
    org.writes.rows += good
    org.writes.failed += len(results) - good
    org.writes.by_object[object_name] = org.writes.by_object.get(object_name, 0) + good
