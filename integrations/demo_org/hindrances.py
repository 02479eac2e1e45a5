"""What stands in the way of a save although the rows are good: maintenance, full storage, triggers, approvals, duplicate
rules, row locks. All of it is switched by the settings; what the control plane itself saves is never hindered.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from integrations.demo_org.rows import UNSET, Frame, RowError
from integrations.demo_org.schema.types import Field, ObjectType
from integrations.demo_org.store import has_column, quote

if TYPE_CHECKING:
    from integrations.demo_org.saving import Work

CHUNK = 200
CONTROL = "control"
READ_ONLY = RowError(
    "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
    "Updates can't be made during maintenance. Try again when maintenance is complete.",
)
STORAGE = RowError("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded")
APPROVAL = RowError("ENTITY_IS_LOCKED", "the entity is locked for editing")
LOCKED = "unable to obtain exclusive access to this record or 1 records: {}"
DUPLICATE = "Use one of these records?"
# look-ups that do not lock what they point to
UNLOCKED = frozenset({"User", "Group", "RecordType", "Profile", "UserRole"})


@dataclass(frozen=True, slots=True)
class Hold:
    """Who holds a parent record until when (monotonic seconds)."""

    token: object
    until: float


class Locks:
    """Which parents are held, and how many rows were looked at. Safe for threads."""

    def __init__(self) -> None:
        self._held: dict[str, Hold] = {}
        self._rows: dict[str, int] = {}
        self._lock = threading.Lock()
        self._call = threading.local()

    @contextmanager
    def one_call(self) -> Iterator[None]:
        """What this thread saves until the end counts as one call, which does not get in its own way (composite parts)."""
        self._call.token = object()
        try:
            yield
        finally:
            self._call.token = None

    def token(self, transaction: int) -> object:
        """Who holds what is saved now: the call that this thread is in, or else the transaction."""
        return getattr(self._call, "token", None) or transaction

    def spread(self, name: str, rows: int, percent: float) -> list[int]:
        """Which of the next rows of an object are hit when so many percent of all rows are, evenly spread."""
        share = min(max(percent, 0.0), 100.0) / 100
        with self._lock:
            before = self._rows.get(name, 0)
            self._rows[name] = before + rows
        return [row for row in range(rows) if int((before + row + 1) * share + 1e-9) > int((before + row) * share + 1e-9)]

    def try_hold(self, parents: Iterable[str], *, token: object, seconds: float) -> set[str]:
        """Hold the parents for some time; those that somebody else holds now are returned."""
        now = time.monotonic()
        with self._lock:
            self._held = {each: hold for each, hold in self._held.items() if hold.until > now}
            wanted = set(parents)
            taken = {each for each in wanted if each in self._held and self._held[each].token != token}
            self._held.update(dict.fromkeys(wanted - taken, Hold(token, now + seconds)))
        return taken

    def clear(self) -> None:
        """Nobody holds anything."""
        with self._lock:
            self._held.clear()
            self._rows.clear()


def stop_call(work: "Work", frame: Frame, count: int) -> Frame:
    """Refuse rows before they are looked at: during maintenance, and where a trigger takes too long.

    `count` is the number of rows of the whole call. Returns the rows that are left.
    """
    settings = work.org.settings
    if work.source == CONTROL:
        return frame
    limit = next((most for name, most in settings.trigger_row_limits.items() if name.lower() == work.kind.name.lower()), 0)
    if settings.read_only:
        frame.fail_all(READ_ONLY)
    elif limit:
        name = f"{work.kind.name.removesuffix('__c')}Trigger"
        event = {"insert": "BeforeInsert", "update": "BeforeUpdate"}.get(work.operation, f"Before{work.operation.capitalize()}")
        text = f"{name}: execution of {event} caused by: System.LimitException: Apex CPU time limit exceeded"
        error = RowError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", text)
        for row, position in enumerate(frame.positions):
            if min(CHUNK, count - position // CHUNK * CHUNK) > limit:
                frame.fail(row, error)
    return work.refuse(frame)


def check_frame(work: "Work", frame: Frame, *, is_new: bool) -> None:
    """Note what stands in the way of storing new or changed rows."""
    settings = work.org.settings
    if work.source == CONTROL:
        return
    if is_new and settings.storage_full:
        frame.fail_all(STORAGE)
        return
    if settings.duplicate_rules:
        _check_duplicates(work, frame)
    ids: Sequence[object] = frame.columns.get("Id") or ()
    check_approvals(work, frame, ids)
    check_locks(work, frame, ids)


def check_approvals(work: "Work", frame: Frame, ids: Sequence[object]) -> None:
    """Records in an approval process cannot be changed or deleted."""
    held = {each[:15] for each in work.org.settings.approval_locked}
    if held and work.source != CONTROL:
        for row, record_id in enumerate(ids):
            if str(record_id)[:15] in held:
                frame.fail(row, APPROVAL)


def check_locks(work: "Work", frame: Frame, ids: Sequence[object]) -> None:
    """Rows that somebody else holds: by order of a fault or a percentage, named by the settings, or children of a held one."""
    settings = work.org.settings
    if work.source == CONTROL:
        return
    hit = list(range(work.org.faults.take_locks(work.kind.name, len(frame))))
    if settings.lock_percent > 0:
        hit += work.org.locks.spread(work.kind.name, len(frame), settings.lock_percent)
    for row in dict.fromkeys(hit):
        _lock_row(frame, row, str(ids[row]) if ids else "")
    held = {each[:15] for each in settings.locked_records}
    if held:
        _check_named(work, frame, held)
    if settings.parent_lock_seconds > 0 and work.operation in {"insert", "update", "upsert"}:
        _check_parents(work, frame, ids)


def _lock_row(frame: Frame, row: int, record_id: str) -> None:
    if row not in frame.errors:
        frame.fail(row, RowError("UNABLE_TO_LOCK_ROW", LOCKED.format(record_id[:15])))


def _check_named(work: "Work", frame: Frame, held: set[str]) -> None:
    """Records that the settings name, and their children."""
    for name, column in frame.columns.items():
        made = work.stored.find(name)
        if made is None or made.type not in {"id", "reference"}:
            continue
        for row, value in enumerate(column):
            if isinstance(value, str) and value[:15] in held:
                _lock_row(frame, row, value)


def _check_parents(work: "Work", frame: Frame, ids: Sequence[object]) -> None:
    """Two writes that touch children of one parent at once: the later one does not get the lock.

    A bulk job works on two chunks of 200 rows at a time, so the second of a pair loses against the first.
    """
    parents = _parents_of(work, frame, ids)
    if work.source != "bulk":
        wanted = {each for row in parents for each in row}
        seconds, token = work.org.settings.parent_lock_seconds, work.org.locks.token(work.org.store.transaction)
        taken = work.org.locks.try_hold(wanted, token=token, seconds=seconds)
    else:
        taken = set[str]()
    first: dict[int, set[str]] = {}
    for position, row in zip(frame.positions, parents, strict=True):
        if position // CHUNK % 2 == 0:
            first.setdefault(position // CHUNK // 2, set()).update(row)
    for row, (position, own) in enumerate(zip(frame.positions, parents, strict=True)):
        pair, second = divmod(position // CHUNK, 2)
        lost = own & (taken | (first.get(pair, set()) if second and work.source == "bulk" else set()))
        if lost:
            _lock_row(frame, row, min(lost))


def _parents_of(work: "Work", frame: Frame, ids: Sequence[object]) -> list[set[str]]:
    """For each row the parents that a save of it locks: those that it names and those that the record has already."""
    links = [each for each in work.stored.fields if _locks_parent(each)]
    found: list[set[str]] = [set() for _ in range(len(frame))]
    for each in links:
        for row, value in enumerate(frame.columns.get(each.name, ())):
            if isinstance(value, str) and value not in {"", UNSET}:
                found[row].add(value)
    if ids and links:
        columns = ", ".join(quote(each.name) for each in links)
        sql = f"SELECT Id, {columns} FROM {quote(work.stored.name)} WHERE Id IN (SELECT value FROM json_each(?))"  # noqa: S608
        stored = {row[0]: row[1:] for row in work.connection.execute(sql, (orjson.dumps(list(ids)).decode(),))}
        for row, record_id in enumerate(ids):
            found[row].update(each for each in stored.get(str(record_id), ()) if each)
    return found


def _locks_parent(made: Field) -> bool:
    return made.type == "reference" and has_column(made) and bool(made.reference_to) and not UNLOCKED & set(made.reference_to)


def _check_duplicates(work: "Work", frame: Frame) -> None:
    """Rows that a duplicate rule of the settings finds again among the live records (blank values never match)."""
    for rule in work.org.settings.duplicate_rules:
        if str(rule.get("object", "")).lower() != work.kind.name.lower():
            continue
        made = [work.stored.find(str(name)) for name in rule.get("fields", [])]
        fields = [each for each in made if each is not None and has_column(each)]
        if not fields or len(fields) < len(made) or any(each.name not in frame.columns for each in fields):
            continue
        error = RowError("DUPLICATES_DETECTED", str(rule.get("message") or DUPLICATE))
        for row in _duplicates(work, frame, fields):
            frame.fail(row, error)


def _duplicates(work: "Work", frame: Frame, fields: Sequence[Field]) -> set[int]:
    """The rows whose values another live record has in all the fields."""
    kind: ObjectType = work.stored
    columns = [frame.columns[each.name] for each in fields]
    own = frame.columns.get("Id") or [None] * len(frame)
    rows = [[key, *values] for key, *values in zip(own, *columns, strict=True)]
    given = [row if not {None, "", UNSET} & set(map(str, filter(None, row[1:]))) and all(row[1:]) else None for row in rows]
    alive = "AND t.IsDeleted = 0" if kind.find("IsDeleted") else ""
    same = " AND ".join(f"t.{quote(each.name)} = json_extract(k.value, '$[{n}]')" for n, each in enumerate(fields, 1))
    sql = (
        f"SELECT DISTINCT k.key FROM json_each(?) AS k JOIN {quote(kind.name)} AS t ON {same} "  # noqa: S608
        f"WHERE k.type = 'array' AND t.Id IS NOT json_extract(k.value, '$[0]') {alive}"
    )
    return {row[0] for row in work.connection.execute(sql, (orjson.dumps(given).decode(),))}
