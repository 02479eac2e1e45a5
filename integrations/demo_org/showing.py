"""Records as REST shows them: values, compound addresses, attributes; and the SQL that reads them."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from integrations.demo_org.schema.types import Field, ObjectType
from integrations.demo_org.store import quote

ADDRESS_PARTS = ("City", "Country", "GeocodeAccuracy", "Latitude", "Longitude", "PostalCode", "State", "Street")


def record_path(version: str, object_name: str, record_id: str) -> str:
    """The path of a record, relative to the host."""
    return f"/services/data/v{version}/sobjects/{object_name}/{record_id}"


def attributes(version: str, object_name: str, record_id: str) -> dict[str, str]:
    """The `attributes` of a record."""
    return {"type": object_name, "url": record_path(version, object_name, record_id)}


def column_expression(made: Field, alias: str) -> str:
    """The SQL that yields the stored (or calculated) value of a field for the row `alias`."""
    if made.calculated and made.formula:
        return f"({made.formula.replace('{row}.', f'{alias}.')})"
    return "NULL" if made.calculated else f"{alias}.{quote(made.name)}"


def render_value(made: Field, value: Any) -> Any:
    """A stored value as JSON shows it: real booleans, datetimes with +0000, numbers of the field's kind."""
    if made.type == "boolean":
        return bool(value)
    if value is None:
        return None
    if made.type == "datetime":
        return value[:-1] + "+0000"
    return float(value) if made.type in {"double", "currency", "percent"} else value


def _parts(made: Field, kind: ObjectType) -> list[tuple[str, Field]]:
    """(JSON key, field) of the parts of a compound field."""
    if made.type == "location":
        stem = made.name.removesuffix("__c")
        pairs = [("latitude", f"{stem}__Latitude__s"), ("longitude", f"{stem}__Longitude__s")]
    else:
        prefix = made.name.removesuffix("Address")
        pairs = [(part[0].lower() + part[1:], f"{prefix}{part}") for part in ADDRESS_PARTS]
    return [(key, part) for key, name in pairs if (part := kind.find(name)) is not None]


def _reader(made: Field, kind: ObjectType, alias: str, start: int) -> tuple[list[str], Callable[[Sequence[Any]], Any]]:
    """The SQL columns of a field (from column `start`) and the function that shows it."""
    if made.type not in {"address", "location"}:
        return [column_expression(made, alias)], lambda row: render_value(made, row[start])
    parts = _parts(made, kind)
    keys = [key for key, _ in parts]

    def compound(row: Sequence[Any]) -> dict[str, Any] | None:
        values = row[start : start + len(keys)]
        return dict(zip(keys, values, strict=True)) if any(value is not None for value in values) else None

    return [column_expression(part, alias) for _, part in parts], compound


def read_records(
    connection: sqlite3.Connection, kind: ObjectType, ids: Sequence[str], *, names: Sequence[str] | None, version: str
) -> dict[str, dict[str, Any]]:
    """The live records of the given ids, by id. `names` are canonical field names, None = all. Id is always there."""
    chosen = list(kind.fields) if names is None else [kind.by_name[name.lower()] for name in names]
    columns, readers = ["r.Id"], []
    for made in chosen:
        expressions, reader = _reader(made, kind, "r", len(columns))
        columns += expressions
        readers.append((made.name, reader))
    alive = " AND r.IsDeleted = 0" if kind.find("IsDeleted") else ""
    marks = ", ".join("?" * len(ids))
    sql = f"SELECT {', '.join(columns)} FROM {quote(kind.name)} AS r WHERE r.Id IN ({marks}){alive}"  # noqa: S608
    shown = {}
    for row in connection.execute(sql, list(ids)):
        body: dict[str, Any] = {"attributes": attributes(version, kind.name, row[0])}
        body |= {name: reader(row) for name, reader in readers}
        shown[row[0]] = body
    return shown
