"""Merging duplicates: children move to the master, the other records go to the recycle bin and name their master."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from integrations.demo_org import consequences
from integrations.demo_org.errors import ApiError
from integrations.demo_org.lookups import find_ids, normalize_id
from integrations.demo_org.removal import AMONG, delete_records
from integrations.demo_org.saving import Work, save
from integrations.demo_org.schema.types import ObjectType
from integrations.demo_org.store import has_column, quote

if TYPE_CHECKING:
    from integrations.demo_org.org import Caller, DemoOrg


def merge_records(
    org: "DemoOrg",
    caller: "Caller",
    object_name: str,
    *,
    master: str,
    losers: Sequence[str],
    fields: Mapping[str, object] | None = None,
) -> list[str]:
    """Merge up to two records into `master`: children move, losers go to the recycle bin and name their master.

    Returns the ids of the children that moved. ApiError for objects that cannot be merged, wrong or deleted ids.
    """
    kind = org.schema_for(caller).find(object_name)
    if kind is None or not kind.mergeable:
        raise ApiError(400, "INVALID_OPERATION", f"merge is not supported for entity type {object_name}")
    ids = [_live_id(org, kind, each) for each in (master, *losers)]
    if len(set(ids)) < len(ids) or not 1 <= len(losers) <= 2:
        raise ApiError(400, "INVALID_OPERATION", "A merge takes a master and one or two other records")
    stored = org.schema.objects[kind.name.lower()]
    with org.store.write() as connection:
        stamp = org.clock.stamp()
        work = Work(org, caller, kind, stored, connection, "delete", None, "rest", stamp, [])
        moved = _move_children(work, ids[0], ids[1:])
        delete_records(work, ids[1:])
        sql = f"UPDATE {quote(kind.name)} SET MasterRecordId = ? WHERE Id IN {AMONG}"  # noqa: S608
        connection.execute(sql, (ids[0], consequences.to_json(ids[1:])))
        results = save(org, caller, kind.name, [{**(fields or {}), "Id": ids[0]}], operation="update")
        if not results[0].success:
            first = results[0].errors[0]
            raise ApiError(400, first.code, first.message, first.fields)
    return moved


def _live_id(org: "DemoOrg", kind: ObjectType, text: str) -> str:
    """The id of a record that is there."""
    record_id = normalize_id(text)
    if record_id is None:
        raise ApiError(400, "MALFORMED_ID", f"malformed id {text}")
    known = find_ids(org.store.read(), kind, [record_id])
    if known.get(record_id, True):
        code = "ENTITY_IS_DELETED" if record_id in known else "INVALID_CROSS_REFERENCE_KEY"
        raise ApiError(400, code, "entity is deleted" if record_id in known else "invalid cross reference id")
    return record_id


def _move_children(work: "Work", master: str, losers: list[str]) -> list[str]:
    """Everything that pointed to a loser points to the master."""
    moved: list[str] = []
    listed = consequences.to_json(losers)
    for child, made in work.org.schema.children_of(work.stored.name):
        if not has_column(made) or made.name == "MasterRecordId":
            continue
        column = quote(made.name)
        rows = work.connection.execute(f"SELECT Id FROM {quote(child.name)} WHERE {column} IN {AMONG}", (listed,)).fetchall()  # noqa: S608
        if not rows:
            continue
        moved += [row[0] for row in rows]
        stamp = ", SystemModstamp = :stamp" if child.find("SystemModstamp") else ""
        update = (
            f"UPDATE {quote(child.name)} SET {column} = :master{stamp} WHERE {column} IN (SELECT value FROM json_each(:ids))"  # noqa: S608
        )
        work.connection.execute(update, {"master": master, "stamp": work.stamp, "ids": listed})
    return moved
