"""The mirror against a list of what Salesforce has: set-based, in the lake's engine.

A list is one or more staged files of the object's own table with few columns (`sweeping`), registered by nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.lake import tables as lake_tables
from integrations.lake.dialect import quote_name
from integrations.lake.engine import Engine, open_engine
from integrations.lake.reading import FileRef, Relation, newest
from integrations.lake.types import Column
from integrations.lake.writing import StagedFile
from integrations.models import LakeTable, MirrorObject
from integrations.salesforce import soql
from integrations.salesforce.describe import ObjectInfo
from integrations.sync.mirror.tables import KEY, REMOVED

CREATED = "CreatedDate"
ALIVE = f"NOT coalesce({quote_name(REMOVED)}, false)"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which records both sides are compared on: those that the mirror should hold by now (I-05).

    `since` on `field`: older ones are not mirrored and therefore no orphans. `until` on CreatedDate: newer ones come with the
    next read and are not missing. "" or None where the object has no such field: all records.
    """

    field: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def where(self) -> list[str]:
        """The scope as SOQL conditions."""
        found = [soql.compare(self.field, ">=", self.since)] if self.field and self.since else []
        return found + ([soql.compare(CREATED, "<", self.until)] if self.until else [])

    def sql(self) -> tuple[str, dict[str, Any]]:
        """The scope as a condition on the mirror, with its parameters."""
        parts, params = [ALIVE], dict[str, Any]()
        if self.field and self.since:
            parts.append(f"{quote_name(self.field)} >= CAST($scope_since AS {{{{moment}}}})")
            params["scope_since"] = self.since
        if self.until:
            parts.append(f"{quote_name(CREATED)} < CAST($scope_until AS {{{{moment}}}})")
            params["scope_until"] = self.until
        return " AND ".join(parts), params


@dataclass(frozen=True, slots=True)
class Difference:
    """Ids where the sides differ. `stale` ones are here in an older version than a past read should have brought."""

    missing: list[str]
    stale: list[str]
    orphans: list[str]
    theirs: int
    ours: int

    @property
    def is_none(self) -> bool:
        return not (self.missing or self.stale or self.orphans)


def scope_of(mirror: MirrorObject, table: LakeTable, info: ObjectInfo) -> Scope:
    """What can be compared of this object."""
    have = {name for name, _ in lake_tables.columns_of(table)}

    def filterable(name: str) -> bool:
        found = info.field(name)
        return name in have and found is not None and found.filterable

    field = mirror.watermark_field if filterable(mirror.watermark_field) else ""
    since = mirror.reads_from if field else None
    return Scope(field, since, mirror.watermark if filterable(CREATED) else None)


def count_ours(table: LakeTable, scope: Scope) -> int:
    """How many records of the scope the mirror holds live."""
    condition, params = scope.sql()
    columns = [KEY, REMOVED, scope.field, CREATED if scope.until else ""]
    with open_engine() as engine:
        engine.bind("present", newest(table, columns=[each for each in columns if each], include_removed=True))
        return engine.rows(f"SELECT count(*) FROM present WHERE {condition}", **params)[0][0]  # noqa: S608


def compare_ids(table: LakeTable, listed: Sequence[StagedFile], scope: Scope, *, read_until: datetime | None) -> Difference:
    """Which ids differ. `listed` has Id and, where the object has them, version, IsDeleted and CreatedDate of every record.

    Versions from `read_until` on are the next read's business, not stale. A record that is deleted here and live there is
    missing; one that is live here and in the bin there is an orphan.
    """
    key = quote_name(KEY)
    condition, params = scope.sql()
    columns = [KEY, REMOVED, table.version, scope.field, CREATED if scope.until else ""]
    with open_engine() as engine:
        theirs = staged_relation(table, listed)
        engine.bind("listed", theirs)
        engine.bind("present", newest(table, columns=[each for each in columns if each], include_removed=True))
        there = f"SELECT {key} FROM listed" + (f" WHERE {ALIVE}" if REMOVED in theirs.names else "")  # noqa: S608
        bound = f"{quote_name(CREATED)} < CAST($scope_until AS {{{{moment}}}})"
        in_scope = f"SELECT {key} FROM ({_listed_alive(theirs)}) AS l" + (f" WHERE {bound}" if _bounds(scope, theirs) else "")  # noqa: S608
        missing = (
            f"SELECT {key} FROM ({in_scope}) AS t WHERE {key} NOT IN (SELECT {key} FROM present WHERE {ALIVE}) ORDER BY {key}"  # noqa: S608
        )
        orphans = f"SELECT {key} FROM present WHERE {condition} AND {key} NOT IN ({there}) ORDER BY {key}"  # noqa: S608
        has_version = bool(table.version) and table.version in theirs.names
        return Difference(
            missing=_ids(engine, missing, **params),
            stale=_stale(engine, theirs, table.version, read_until) if has_version and read_until else [],
            orphans=_ids(engine, orphans, **params),
            theirs=engine.rows(f"SELECT count(*) FROM ({in_scope}) AS t", **params)[0][0],  # noqa: S608
            ours=engine.rows(f"SELECT count(*) FROM present WHERE {condition}", **params)[0][0],  # noqa: S608
        )


def staged_relation(table: LakeTable, files: Sequence[StagedFile]) -> Relation:
    """Staged files as rows, each key once in its newest version, although they are not registered."""
    have = {name for each in files for name in each.columns} or {table.key}
    columns: tuple[Column, ...] = tuple(column for column in lake_tables.columns_of(table) if column[0] in have)
    version = table.version if table.version in have else ""
    roles = tuple(column for column in columns if column[0] in (table.key, version))
    found = tuple(FileRef(each.path, number, frozenset(each.columns), each.bytes) for number, each in enumerate(files))
    return Relation(table.name, columns, table.key, version, deltas=found, include_removed=True, roles=roles)


def _listed_alive(theirs: Relation) -> str:
    return f"SELECT * FROM listed WHERE {ALIVE if REMOVED in theirs.names else 'true'}"  # noqa: S608


def _bounds(scope: Scope, theirs: Relation) -> bool:
    return scope.until is not None and CREATED in theirs.names


def _stale(engine: Engine, theirs: Relation, version_name: str, read_until: datetime) -> list[str]:
    key, version = quote_name(KEY), quote_name(version_name)
    ours = f"(SELECT {key} AS _id, {version} AS _version FROM present WHERE {ALIVE})"  # noqa: S608
    older = f"(p._version IS NULL OR t.{version} > p._version)"
    sql = (
        f"SELECT t.{key} FROM ({_listed_alive(theirs)}) AS t JOIN {ours} AS p ON t.{key} = p._id "  # noqa: S608
        f"WHERE t.{version} < CAST($read_until AS {{{{moment}}}}) AND {older} ORDER BY t.{key}"
    )
    return _ids(engine, sql, read_until=read_until)


def _ids(engine: Engine, sql: str, **params: Any) -> list[str]:
    return [row[0] for row in engine.rows(sql, **params)]
