"""Records as flows see them: typed values, parents on demand, found by filters. Flows see everything (system mode)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import orjson

from integrations.demo_org.clock import from_text, to_text
from integrations.demo_org.lookups import normalize_id
from integrations.demo_org.schema.types import Field, ObjectType
from integrations.demo_org.store import has_column, quote

if TYPE_CHECKING:
    import sqlite3

    from integrations.demo_org.org import DemoOrg

WHOLE = frozenset({"int", "long"})
IDS = frozenset({"id", "reference"})
COMPARISONS = {
    "EqualTo": "=", "NotEqualTo": "<>", "GreaterThan": ">", "GreaterThanOrEqualTo": ">=", "LessThan": "<",
    "LessThanOrEqualTo": "<=",
}  # fmt: skip
LIKES = {"StartsWith": "{}%", "EndsWith": "%{}", "Contains": "%{}%"}
MOST_FOUND = 50_000


@dataclass
class Record:
    """A record of an object: values by field name; `changed` are the fields that a flow set and did not save yet."""

    kind: ObjectType
    values: dict[str, Any]
    changed: set[str] = field(default_factory=set)

    @property
    def id(self) -> str:
        """The record's id; empty while it is not saved."""
        return str(self.values.get("Id") or "")

    def get(self, name: str) -> Any:
        """The value of a field in any case; KeyError if the object has no such field."""
        made = self.kind.find(name)
        if made is None:
            raise KeyError(name)
        return self.values.get(made.name)

    def set(self, name: str, value: Any) -> None:
        """Give a field a value; KeyError if the object has no such field."""
        made = self.kind.find(name)
        if made is None:
            raise KeyError(name)
        self.values[made.name] = value
        self.changed.add(made.name)


def readable(kind: ObjectType) -> list[tuple[Field, str]]:
    """The fields whose values can be read, with their SQL; `{row}` stands for the table."""
    found = []
    for each in kind.fields:
        if has_column(each):
            found.append((each, f"{{row}}.{quote(each.name)}"))
        elif each.formula is not None:
            found.append((each, f"({each.formula})"))
    return found


def typed(made: Field, value: Any) -> Any:
    """A stored value as a flow has it: booleans, dates and instants are such."""
    if value is None:
        return False if made.type == "boolean" else None
    if made.type == "boolean":
        return bool(value)
    if made.type == "date":
        return date.fromisoformat(str(value)[:10])
    if made.type == "datetime":
        return from_text(str(value))
    return value


def stored(value: Any) -> Any:
    """A flow's value as a save, a query or JSON takes it."""
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, date):
        return value.isoformat()
    return value


def load_records(connection: "sqlite3.Connection", kind: ObjectType, ids: Iterable[str]) -> dict[str, Record]:
    """The records of these ids as they are now."""
    sql = f"SELECT {_columns(kind)} FROM {quote(kind.name)} AS r WHERE r.Id IN (SELECT value FROM json_each(?))"  # noqa: S608
    rows = connection.execute(sql, (orjson.dumps(list(ids)).decode(),))
    return {each.id: each for each in _records(kind, rows)}


def _columns(kind: ObjectType) -> str:
    return ", ".join(sql.replace("{row}", "r") for _, sql in readable(kind))


def _records(kind: ObjectType, rows: Iterable[Sequence[Any]]) -> list[Record]:
    fields = [made for made, _ in readable(kind)]
    return [Record(kind, {made.name: typed(made, value) for made, value in zip(fields, row, strict=True)}) for row in rows]


def prior_record(kind: ObjectType, now: Record, before: dict[str, Any]) -> Record:
    """The record as it was before the save: what was remembered, and else as it is now."""
    old = {name: typed(made, value) for name, value in before.items() if (made := kind.find(name)) is not None}
    return Record(kind, {**now.values, **old})


def find_parent(connection: "sqlite3.Connection", org: "DemoOrg", record: Record, name: str) -> Record | None:
    """The record to which a relationship leads, or None. KeyError if the object has no such relationship."""
    made = record.kind.by_relationship(name)
    if made is None:
        raise KeyError(name)
    parent_id = str(record.values.get(made.name) or "")
    kind = next((each for target in made.reference_to if (each := org.schema.find(target)) and
                 parent_id.startswith(each.key_prefix)), None)  # fmt: skip
    return load_records(connection, kind, [parent_id]).get(parent_id) if parent_id and kind else None


@dataclass(frozen=True, slots=True)
class Search:
    """What a flow looks for: (field, operator, value) conditions joined by `and` or `or`."""

    conditions: tuple[tuple[str, str, Any], ...]
    logic: str = "and"
    sort_field: str = ""
    descending: bool = False
    limit: int = MOST_FOUND


def find_records(connection: "sqlite3.Connection", kind: ObjectType, search: Search) -> list[Record]:
    """The live records that meet the conditions. KeyError names a field that the object does not have."""
    parts, values = [], []
    for name, operator, wanted in search.conditions:
        sql, more = _condition(kind, name, operator, wanted)
        parts.append(sql)
        values += more
    joined = _joined(search.logic, parts)
    alive = "r.IsDeleted = 0" if kind.find("IsDeleted") else "1"
    order = ""
    if search.sort_field:
        made = _field(kind, search.sort_field)
        order = f" ORDER BY {_sql_of(kind, made)} {'DESC' if search.descending else 'ASC'}, r.Id"
    sql = f"SELECT {_columns(kind)} FROM {quote(kind.name)} AS r WHERE {alive} AND ({joined}){order} LIMIT {search.limit}"  # noqa: S608
    return _records(kind, connection.execute(sql, values))


def _joined(logic: str, parts: list[str]) -> str:
    if not parts:
        return "1"
    if logic.lower() in {"and", "or"}:
        return f" {logic.upper()} ".join(parts)
    words = logic.replace("(", " ( ").replace(")", " ) ").upper().split()
    return " ".join(parts[int(word) - 1] if word.isdigit() else word for word in words)


def _field(kind: ObjectType, name: str) -> Field:
    made = kind.find(name)
    if made is None:
        raise KeyError(name)
    return made


def _sql_of(kind: ObjectType, made: Field) -> str:
    found = next((sql for each, sql in readable(kind) if each.name == made.name), None)
    if found is None:
        raise KeyError(made.name)
    return found.replace("{row}", "r")


def _condition(kind: ObjectType, name: str, operator: str, wanted: Any) -> tuple[str, list[Any]]:
    """The SQL of one condition and its values; texts compare without case, as queries do."""
    made = _field(kind, name)
    column = _sql_of(kind, made)
    if operator in {"IsNull", "IsBlank"}:
        empty = f"({column} IS NULL OR {column} = '')" if made.is_text else f"({column} IS NULL)"
        return (empty if wanted is True else f"(NOT {empty})"), []
    if operator in {"In", "NotIn"}:
        items = [_comparable(made, each) for each in wanted] if isinstance(wanted, list) else []
        word = "IN" if operator == "In" else "NOT IN"
        return f"({column} {word} (SELECT value FROM json_each(?)))", [orjson.dumps(items).decode()]  # noqa: S608 - a column of our own
    if operator in LIKES:
        text = str(stored(wanted) or "").replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return f"({column} LIKE ? ESCAPE '\\')", [LIKES[operator].format(text)]
    value = _comparable(made, wanted)
    if value is None:
        return f"({column} IS {'' if operator == 'EqualTo' else 'NOT '}NULL)", []
    if operator == "NotEqualTo":
        return f"({column} IS NOT ?)", [value]
    return f"({column} {COMPARISONS[operator]} ?)", [value]


def _comparable(made: Field, wanted: Any) -> Any:
    """A value in the encoding of the column."""
    value = stored(wanted)
    if made.type == "boolean":
        return int(value is True or str(value).lower() == "true")
    if made.type in IDS and isinstance(value, str):
        return normalize_id(value) or value
    if made.type == "datetime" and isinstance(wanted, date) and not isinstance(wanted, datetime):
        return to_text(datetime(wanted.year, wanted.month, wanted.day, tzinfo=UTC))
    return value
