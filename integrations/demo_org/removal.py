"""Deleting, restoring and merging: the recycle bin, what goes with a record, what is left without it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from integrations.demo_org import consequences, derived, hindrances
from integrations.demo_org.clock import to_text
from integrations.demo_org.lookups import find_ids, normalize_id
from integrations.demo_org.matching import IS_DELETED, NO_ID, NOT_FOUND
from integrations.demo_org.rights import find_bar
from integrations.demo_org.rows import Frame, RowError, RowResult
from integrations.demo_org.schema.types import Field, ObjectType
from integrations.demo_org.store import has_column, quote

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg
    from integrations.demo_org.saving import Work

KEPT_DAYS = 15
NOT_IN_BIN = RowError("UNDELETE_FAILED", "Entity is not in the recycle bin")
AMONG = "(SELECT value FROM json_each(?))"


def remove_frame(work: "Work", frame: Frame) -> None:
    """Delete, undelete or hard-delete the rows of a frame; only their Id counts."""
    column = next((values for name, values in frame.columns.items() if name.lower() == "id"), [None] * len(frame))
    made = [_checked_id(work, frame, row, value) for row, value in enumerate(column)]
    known = find_ids(work.connection, work.stored, [each for each in made if each])
    for row, record_id in enumerate(made):
        if row not in frame.errors:
            _check_state(work, frame, row, record_id, known)
    barred = find_bar(work.kind, work.stored, verb="delete")
    if barred is not None:
        frame.errors.clear()
        frame.fail_all(barred)
    hindrances.check_approvals(work, frame, made)
    hindrances.check_locks(work, frame, made)
    frame.columns = {"Id": made}
    frame = work.refuse(frame)
    good: list[str] = list(dict.fromkeys(frame.columns["Id"]))  # type: ignore[arg-type]
    if good:
        {"delete": delete_records, "undelete": undelete_records, "hardDelete": purge_records}[work.operation](work, good)
    for position, record_id in zip(frame.positions, frame.columns["Id"], strict=True):
        work.results[position] = RowResult(str(record_id))


def _checked_id(work: "Work", frame: Frame, row: int, value: object) -> str:
    """The 18-character id, or "" with the row marked as failed."""
    if not isinstance(value, str) or not value:
        frame.fail(row, NO_ID)
        return ""
    record_id = normalize_id(value)
    if record_id is None or not record_id.startswith(work.kind.key_prefix):
        frame.fail(row, RowError("MALFORMED_ID", f"malformed id {value}"))
    return record_id or ""


def _check_state(work: "Work", frame: Frame, row: int, record_id: str, known: Mapping[str, bool]) -> None:
    """Whether the record is in a state that allows the operation."""
    if record_id not in known:
        frame.fail(row, NOT_FOUND)
    elif work.operation == "undelete" and not known[record_id]:
        frame.fail(row, NOT_IN_BIN)
    elif work.operation == "delete" and known[record_id]:
        frame.fail(row, IS_DELETED)


def delete_records(work: "Work", ids: Sequence[str], *, roots: Mapping[str, str] | None = None) -> None:
    """Put live records into the recycle bin, with what belongs to them; look-ups to them become empty."""
    _bin(work, work.stored, list(ids), dict(roots or {each: each for each in ids}), depth=0)


def _bin(work: "Work", kind: ObjectType, ids: list[str], roots: dict[str, str], *, depth: int) -> None:
    """One level of a cascading delete."""
    if not ids or depth > 10:
        return
    for child, made in work.org.schema.children_of(kind.name):
        if has_column(made) and made.name != "MasterRecordId":
            _release_child(work, child, made, ids, roots, depth=depth)
    listed = consequences.to_json(ids)
    if kind.find("IsDeleted"):
        stamp = ", SystemModstamp = ?2" if kind.find("SystemModstamp") else ""
        sql = f"UPDATE {quote(kind.name)} SET IsDeleted = 1{stamp} WHERE Id IN (SELECT value FROM json_each(?1))"  # noqa: S608
        work.connection.execute(sql, (listed, work.stamp) if stamp else (listed,))
        rows = [(each, kind.name, work.stamp, roots[each]) for each in ids]
        work.connection.executemany("INSERT OR REPLACE INTO _deleted VALUES (?, ?, ?, ?)", rows)
    else:
        work.connection.execute(f"DELETE FROM {quote(kind.name)} WHERE Id IN {AMONG}", (listed,))  # noqa: S608
    if kind.name == "OpportunityLineItem":
        _roll_up_parents(work, listed)
    derived.follow_removal(work, kind, ids)


def _roll_up_parents(work: "Work", listed: str) -> None:
    """The deals of removed (or restored) lines are summed again."""
    sql = f"SELECT DISTINCT OpportunityId FROM OpportunityLineItem WHERE Id IN {AMONG}"  # noqa: S608
    consequences.roll_up_deals(work, [row[0] for row in work.connection.execute(sql, (listed,)) if row[0]])


def _release_child(work: "Work", child: ObjectType, made: Field, ids: list[str], roots: dict[str, str], *, depth: int) -> None:
    """The records that point to deleted ones: they go too, or their look-up is emptied."""
    alive = "AND IsDeleted = 0" if child.find("IsDeleted") else ""
    column = quote(made.name)
    sql = f"SELECT Id, {column} FROM {quote(child.name)} WHERE {column} IN {AMONG} {alive}"  # noqa: S608
    found = work.connection.execute(sql, (consequences.to_json(ids),)).fetchall()
    if not found:
        return
    if made.cascade_delete or not made.nillable:
        _bin(work, child, [row[0] for row in found], {row[0]: roots[row[1]] for row in found}, depth=depth + 1)
        return
    rows = [(parent, child.name, made.name, record_id) for record_id, parent in found]
    work.connection.executemany("INSERT INTO _cleared VALUES (?, ?, ?, ?)", rows)
    stamp = ", SystemModstamp = ?2" if child.find("SystemModstamp") else ""
    update = f"UPDATE {quote(child.name)} SET {column} = NULL{stamp} WHERE Id IN (SELECT value FROM json_each(?1))"  # noqa: S608
    listed = consequences.to_json(row[0] for row in found)
    work.connection.execute(update, (listed, work.stamp) if stamp else (listed,))


def undelete_records(work: "Work", ids: Sequence[str]) -> None:
    """Take records out of the recycle bin, with what went there together with them; emptied look-ups are filled again."""
    listed = consequences.to_json(ids)
    sql = f"SELECT id, object FROM _deleted WHERE root IN {AMONG}"  # noqa: S608
    found = work.connection.execute(sql, (listed,)).fetchall() or [(each, work.stored.name) for each in ids]
    for name in dict.fromkeys(row[1] for row in found):
        _restore(work, work.org.schema.objects[name.lower()], [row[0] for row in found if row[1] == name])
    cleared = work.connection.execute(f"SELECT parent, object, field, id FROM _cleared WHERE parent IN {AMONG}", (listed,))  # noqa: S608
    for parent, name, column, record_id in cleared.fetchall():
        kind = work.org.schema.objects[name.lower()]
        stamp = ", SystemModstamp = :stamp" if kind.find("SystemModstamp") else ""
        update = f"UPDATE {quote(name)} SET {quote(column)} = :parent{stamp} WHERE Id = :id AND {quote(column)} IS NULL"  # noqa: S608
        work.connection.execute(update, {"parent": parent, "id": record_id, "stamp": work.stamp})
    work.connection.execute(f"DELETE FROM _cleared WHERE parent IN {AMONG}", (listed,))  # noqa: S608
    work.connection.execute(f"DELETE FROM _deleted WHERE root IN {AMONG} OR id IN {AMONG}", (listed, listed))  # noqa: S608


def _restore(work: "Work", kind: ObjectType, ids: list[str]) -> None:
    """Records of one object come back."""
    sets = ["IsDeleted = 0"]
    sets += ["SystemModstamp = ?2"] if kind.find("SystemModstamp") else []
    sets += ["MasterRecordId = NULL"] if kind.find("MasterRecordId") else []
    sql = f"UPDATE {quote(kind.name)} SET {', '.join(sets)} WHERE Id IN (SELECT value FROM json_each(?1))"  # noqa: S608
    listed = consequences.to_json(ids)
    work.connection.execute(sql, (listed, work.stamp) if len(sets) > 1 and "?2" in sql else (listed,))
    if kind.name == "OpportunityLineItem":
        _roll_up_parents(work, listed)
    derived.follow_removal(work, kind, ids)


def purge_records(work: "Work", ids: Sequence[str]) -> None:
    """Remove records for good, with what belongs to them; the list of deletions keeps their ids for 15 days."""
    known = find_ids(work.connection, work.stored, ids)
    delete_records(work, [each for each in ids if not known.get(each)])
    sql = f"SELECT id, object FROM _deleted WHERE root IN {AMONG} OR id IN {AMONG}"  # noqa: S608
    listed = consequences.to_json(ids)
    _erase(work.connection, work.connection.execute(sql, (listed, listed)).fetchall())
    work.connection.execute(f"DELETE FROM {quote(work.stored.name)} WHERE Id IN {AMONG}", (listed,))  # noqa: S608


def _erase(connection: object, found: Iterable[tuple[str, str]]) -> None:
    """Delete rows of any object."""
    by_object: dict[str, list[str]] = {}
    for record_id, name in found:
        by_object.setdefault(name, []).append(record_id)
    for name, ids in by_object.items():
        connection.execute(f"DELETE FROM {quote(name)} WHERE Id IN {AMONG}", (consequences.to_json(ids),))  # type: ignore[attr-defined] # noqa: S608


def purge_bin(org: "DemoOrg", object_name: str = "") -> int:
    """Empty the recycle bin, of one object or of all; how many records went, not counting what went there with them.

    The list of deletions keeps their ids.
    """
    with org.store.write() as connection:
        sql = "SELECT id, object, root FROM _deleted WHERE ?1 = '' OR root IN (SELECT id FROM _deleted WHERE object = ?1)"
        rows = [row for row in connection.execute(sql, (object_name,)).fetchall() if org.schema.find(row[1])]
        there = [row for row in rows if find_ids(connection, org.schema.objects[row[1].lower()], [row[0]])]
        _erase(connection, [row[:2] for row in there])
    return sum(record_id == root for record_id, _, root in there)


def purge_expired(org: "DemoOrg") -> int:
    """Empty the recycle bin of what has been there for more than 15 days; how many records went."""
    limit = to_text(org.clock.now() - timedelta(days=KEPT_DAYS))
    with org.store.write() as connection:
        found = connection.execute("SELECT id, object FROM _deleted WHERE at < ?", (limit,)).fetchall()
        if found:
            _erase(connection, found)
            connection.execute("DELETE FROM _deleted WHERE at < ?", (limit,))
    return len(found)
