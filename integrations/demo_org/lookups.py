"""Finding records for the save engine: which of many ids or key values exist, in one statement each."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from integrations.demo_org import ids
from integrations.demo_org.rows import UNSET
from integrations.demo_org.schema.types import Field, ObjectType
from integrations.demo_org.store import quote


def find_ids(connection: sqlite3.Connection, kind: ObjectType, wanted: Iterable[str]) -> dict[str, bool]:
    """Which of the 18-character ids exist, and whether each is deleted."""
    deleted = "t.IsDeleted" if kind.find("IsDeleted") else "0"
    sql = f"SELECT t.Id, {deleted} FROM json_each(?) AS k CROSS JOIN {quote(kind.name)} AS t ON t.Id = k.value"  # noqa: S608
    return {row[0]: bool(row[1]) for row in connection.execute(sql, (orjson.dumps(list(wanted)).decode(),))}


def find_keys(connection: sqlite3.Connection, kind: ObjectType, key: Field, values: Sequence[object]) -> dict[int, list[str]]:
    """For each place in `values`, the ids of the live records whose key field has that value (by the field's case rule)."""
    found: dict[int, list[str]] = {}
    for place, record_id, *_ in connection.execute(*_keys_sql(kind, key, values, ())):
        found.setdefault(place, []).append(record_id)
    return found


def read_by_keys(
    connection: sqlite3.Connection, kind: ObjectType, key: Field, values: Sequence[object], *, names: Sequence[str]
) -> list[tuple[Any, ...]]:
    """The same as rows (place, id, rowid, then the values of the fields `names`), for those who change the records next."""
    return connection.execute(*_keys_sql(kind, key, values, names)).fetchall()


def _keys_sql(kind: ObjectType, key: Field, values: Sequence[object], names: Sequence[str]) -> tuple[str, tuple[str]]:
    alive = "AND t.IsDeleted = 0" if kind.find("IsDeleted") else ""
    columns = "".join(f", t.{quote(name)}" for name in names)
    sql = (
        f"SELECT k.key, t.Id, t.rowid{columns} FROM json_each(?) AS k CROSS JOIN {quote(kind.name)} AS t "  # noqa: S608
        f"ON t.{quote(key.name)} = k.value {alive}"
    )
    return sql, (orjson.dumps(list(values)).decode(),)


def fold(key: Field, value: object) -> object:
    """The form in which two values of a key field are the same."""
    return value.casefold() if isinstance(value, str) and not key.case_sensitive and key.type != "id" else value


def fold_column(key: Field, values: Sequence[object]) -> list[Any]:
    """The folded values of a column; None where there is none."""
    if set(map(type, values)) == {str} and UNSET not in values:
        return list(values if key.case_sensitive or key.type == "id" else map(str.casefold, values))  # type: ignore[arg-type]
    return [None if value in {None, UNSET} else fold(key, value) for value in values]


def normalize_id(text: str) -> str | None:
    """The 18-character form, or None if the text is no id."""
    try:
        return ids.to_18(text)
    except ValueError:
        return None
