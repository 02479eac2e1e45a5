"""`?columns=true` and `?explain=`: what a query's columns are, and how it would be run."""

import sqlite3
from typing import Any

from integrations.demo_org.soql.compiled import Child, Choice, CompiledQuery, Compound, Leaf, Node
from integrations.demo_org.soql.functions import AGGREGATES

APEX_TYPES = {
    "id": "Id", "reference": "Id", "boolean": "Boolean", "int": "Integer", "long": "Long", "double": "Double",
    "currency": "Decimal", "percent": "Decimal", "date": "Date", "datetime": "Datetime", "time": "Time",
    "address": "Address", "location": "Location", "base64": "Blob",
}  # fmt: skip
NUMERIC = frozenset({"int", "long", "double", "currency", "percent"})


def columns_of(compiled: CompiledQuery) -> dict[str, Any]:
    """The answer to `?columns=true`."""
    if compiled.node is None:
        columns = [_grouped(compiled, k) for k in range(len(compiled.columns))]
    else:
        columns = [_entry(compiled, name, entry) for name, entry in compiled.node.entries.items()]
    return {
        "columnMetadata": columns,
        "entityName": compiled.object.name,
        "groupBy": compiled.query.group is not None,
        "idSelected": any(each.name == "Id" for each in compiled.columns),
        "keyPrefix": compiled.object.key_prefix,
    }


def _column(name: str, kind: str | None, **more: Any) -> dict[str, Any]:
    """One entry with every key."""
    return {
        "aggregate": False,
        "apexType": None if kind is None else APEX_TYPES.get(kind, "String"),
        "booleanType": kind == "boolean",
        "columnName": name,
        "custom": False,
        "displayName": name,
        "foreignKeyName": None,
        "insertable": False,
        "joinColumns": [],
        "numberType": kind in NUMERIC,
        "textType": kind is not None and kind not in APEX_TYPES,
        "updatable": False,
        **more,
    }


def _grouped(compiled: CompiledQuery, index: int) -> dict[str, Any]:
    """A column of an aggregate row: functions show as written, their key is the alias or exprN."""
    column = compiled.columns[index]
    if not column.function:
        return _column(column.name, column.type)
    inner = column.field.name if column.field else ""
    shown = f"{column.function.lower() if column.function in AGGREGATES else column.function}({inner})"
    return _column(column.name, column.type, aggregate=True, displayName=shown)


def _entry(compiled: CompiledQuery, name: str, entry: Leaf | Compound | Node | Choice | Child) -> dict[str, Any]:
    if isinstance(entry, Leaf):
        return _leaf(compiled, name, entry)
    if isinstance(entry, Node):
        joined = [_entry(compiled, key, each) for key, each in entry.entries.items()]
        return _column(name, None, foreignKeyName=f"{name}Id", joinColumns=joined)
    if isinstance(entry, Child):
        nested = compiled.children[entry.index].compiled
        assert nested.node is not None
        joined = [_entry(nested, key, each) for key, each in nested.node.entries.items()]
        return _column(name, None, aggregate=True, joinColumns=joined)
    return _column(name, "address" if isinstance(entry, Compound) else None)


def _leaf(compiled: CompiledQuery, name: str, entry: Leaf) -> dict[str, Any]:
    field = compiled.columns[entry.index].field
    if field is None:
        return _column(name, entry.type)
    return _column(name, entry.type, custom=field.custom, insertable=field.createable, updatable=field.updateable)


def explain(compiled: CompiledQuery, connection: sqlite3.Connection) -> dict[str, Any]:
    """The answer to `?explain=`: one plan, told from SQLite's own."""
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", compiled.params)]
    name = compiled.object.name
    total = connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0]  # noqa: S608 - a schema name
    found = next((each for each in steps if f" {compiled.root}" in each), "")
    indexed = found.startswith("SEARCH")
    fields = [found.split("(", 1)[1].split("=")[0].split(">")[0].split("<")[0].strip()] if indexed and "(" in found else []
    cardinality = max(1, total // 10) if indexed else total
    note = {
        "description": "Not considering filter for optimization because unindexed",
        "fields": ["IsDeleted"],
        "tableEnumOrId": name,
    }
    plan = {
        "cardinality": cardinality,
        "fields": fields,
        "leadingOperationType": "Index" if indexed else "TableScan",
        "notes": [] if indexed or not compiled.object.find("IsDeleted") else [note],
        "relativeCost": round(cardinality / max(total, 1) / 1.5, 3),
        "sobjectCardinality": total,
        "sobjectType": name,
    }
    return {"plans": [plan], "sourceQuery": compiled.text}
