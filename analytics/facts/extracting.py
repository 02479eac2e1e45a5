"""Statements that take attributes out of mirrored records: joins along lookups, conditions, value tables, types. Names come
from a checked map and are quoted; every value is a parameter."""
# ruff: noqa: S608 - names are quoted, values are parameters

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from analytics.attributes.body import ACCOUNT, RecordGroup, Source, Step, Where
from analytics.facts.mirrored import Mirrored, bound_name
from integrations.lake.dialect import quote_name

FAR = 1_000_000


@dataclass
class Extract:
    """One statement under construction over records of one object. `params` are its parameters."""

    mirrored: Mirrored
    object: str
    prefix: str = "v"
    params: dict[str, Any] = field(default_factory=dict)
    joins: dict[tuple[Step, ...], str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def place(self, value: Any) -> str:
        """A parameter with that value."""
        name = f"{self.prefix}{len(self.params)}"
        self.params[name] = value
        return f"${name}"

    # --- fields ---

    def alias(self, steps: Sequence[Step]) -> str | None:
        """The joined record at the end of some steps; None when an object or lookup on the way is not mirrored."""
        at, object_ = "r", self.object
        for count, step in enumerate(steps, 1):
            way = tuple(steps[:count])
            if way not in self.joins:
                if not self.mirrored.has(object_, step.field) or not self.mirrored.has(step.object):
                    return None
                name = f"j{len(self.joins)}"
                on = f'{name}."Id" = {at}.{quote_name(step.field)}'
                self.lines.append(f"LEFT JOIN {bound_name(step.object)} AS {name} ON {on}")
                self.joins[way] = name
            at, object_ = self.joins[way], step.object
        return at

    def column(self, steps: Sequence[Step], name: str) -> tuple[str, str]:
        """Expression and kind of a field at the end of some steps; ("", "") when it is not mirrored."""
        holder = steps[-1].object if steps else self.object
        kind = self.mirrored.kind(holder, name)
        at = self.alias(steps) if kind else None
        return (f"{at}.{quote_name(name)}", kind) if at else ("", "")

    # --- accounts ---

    def account(self, path: Sequence[Step], other: Sequence[Step]) -> str:
        """The id of the account that a record belongs to."""
        found = [each for each in (self._end_of(path), self._end_of(other) if other else "") if each]
        return f"coalesce({', '.join(found)})" if found else "CAST(NULL AS {{text}})"

    def _end_of(self, path: Sequence[Step]) -> str:
        if not path:
            return 'r."Id"' if self.object == ACCOUNT else ""
        return self.column(path[:-1], path[-1].field)[0]

    # --- values ---

    def value(self, source: Source, kind: str, *, translated: bool = True) -> str:
        """The value of a source as a kind (text, number, moment, day), its value table applied."""
        here = [each for each in source.chain() if each.object == self.object]
        found = [text for each in here if (text := self._one_value(each, kind, translated=translated))]
        if not found:
            return f"CAST(NULL AS {{{{{kind}}}}})"
        return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"

    def _one_value(self, source: Source, kind: str, *, translated: bool) -> str:
        columns = [each for name in source.fields if (each := self.column(source.of, name))[0]]
        if not columns:
            return ""
        if len(columns) == 1 and not (translated and source.values):
            return as_kind(*columns[0], kind)
        text = _joined([as_kind(*each, "text") for each in columns])
        if translated and source.values:
            text = self._translated(text, source)
        return as_kind(text, "text", kind)

    def _translated(self, text: str, source: Source) -> str:
        cases = " ".join(
            f"WHEN {text} = {self.place(value)} THEN {self.place(meaning)}" for value, meaning in source.values.items()
        )
        return f"CASE {cases} ELSE {text} END"

    # --- conditions ---

    def condition(self, wheres: Sequence[Where]) -> str:
        """All conditions; a field that is not mirrored fits nothing, so that no record counts by mistake."""
        return " AND ".join(f"({self._one_condition(each)})" for each in wheres) or "1 = 1"

    def _one_condition(self, where: Where) -> str:
        text, kind = self.column(where.of, where.field)
        if not text:
            return "1 = 0"
        is_blank = f"({text} IS NULL OR {text} = '')" if kind == "text" else f"{text} IS NULL"
        if where.op == "blank":
            return is_blank
        if where.op == "not blank":
            return f"NOT {is_blank}"
        values = [self._operand(each, kind) for each in where.values]
        if where.op in ("=", "in"):
            return " OR ".join(f"coalesce({text} = {each}, false)" for each in values) or "1 = 0"
        if where.op in ("!=", "not in"):  # as in Salesforce, a blank value is another one
            return " AND ".join(f"coalesce({text} <> {each}, true)" for each in values) or "1 = 1"
        return " AND ".join(f"coalesce({text} {where.op} {each}, false)" for each in values)

    def _operand(self, value: str, kind: str) -> str:
        sql = kind if kind != "clock" else "text"
        return f"CAST({self.place(_typed(value, kind))} AS {{{{{sql}}}}})"

    # --- the statement ---

    def statement(self, columns: dict[str, str], condition: str) -> str:
        """SELECT of named expressions."""
        listed = ", ".join(f"{text} AS {quote_name(name)}" for name, text in columns.items())
        return f"SELECT {listed} FROM {bound_name(self.object)} AS r {' '.join(self.lines)} WHERE {condition}"


def as_kind(text: str, kind: str, wanted: str) -> str:
    """An expression of one kind as another; what cannot be read so is null. Blank text is null."""
    if wanted == "text":
        return _as_text(text, kind)
    if kind == wanted:
        return text
    if wanted == "number":
        if kind == "text":
            return f"{{{{try_number({text})}}}}"
        return f"CAST({text} AS {{{{number}}}})" if kind == "whole" else "CAST(NULL AS {{number}})"
    if wanted == "moment" and kind == "day":
        return f"CAST({text} AS {{{{moment}}}})"
    if wanted == "day" and kind == "moment":
        return f"{{{{day_of({text})}}}}"
    return f"CAST(NULL AS {{{{{wanted}}}}})"


def _as_text(text: str, kind: str) -> str:
    if kind == "text":
        return f"nullif({{{{trim({text})}}}}, '')"
    if kind == "flag":
        return f"CASE WHEN {text} THEN 'true' WHEN NOT {text} THEN 'false' END"
    plain = f"CAST({text} AS {{{{text}}}})"
    if kind == "number":  # 12.500000000000 is 12.5
        return f"CASE WHEN {{{{position({plain}, '.')}}}} > 0 THEN {{{{replace_all({plain}, '[.]?0*$', '')}}}} ELSE {plain} END"
    return plain


def _joined(texts: Sequence[str]) -> str:
    """Texts with ", " between those that are not blank."""
    if len(texts) == 1:
        return texts[0]
    parts = " || ".join(f"coalesce(', ' || {each}, '')" for each in texts)
    return f"nullif({{{{substring({parts}, 3, {FAR})}}}}, '')"


def _typed(value: str, kind: str) -> Any:
    """A value of a condition in the kind of its field; one that is none of that kind equals nothing."""
    try:
        if kind == "flag":
            return {"true": True, "false": False}.get(value.strip().lower())
        if kind in ("number", "whole"):
            number = Decimal(value)
            return int(number) if kind == "whole" and number == int(number) else number
        if kind == "day":
            return date.fromisoformat(value[:10])
        if kind == "moment":
            found = datetime.fromisoformat(value.replace("Z", "+00:00"))
            return found if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, InvalidOperation, OverflowError):
        return None
    return value


def extract_group(
    mirrored: Mirrored, group: RecordGroup, columns: dict[str, tuple[str, str]]
) -> tuple[str, dict[str, Any]] | None:
    """The records of a group: `record`, `account`, `created` and an expression for each named column (attribute, kind). A
    column `raw_x` comes without its value table. None when the object was not read yet."""
    if not mirrored.has(group.object):
        return None
    made = Extract(mirrored, group.object)
    found = {"record": 'r."Id"', "account": made.account(group.path, group.other_path)}
    found["created"] = made.value(Source(group.object, ("CreatedDate",)), "moment")
    for name, (key, kind) in columns.items():
        source = group.sources.get(key)
        found[name] = (
            made.value(source, kind, translated=not name.startswith("raw_")) if source else f"CAST(NULL AS {{{{{kind}}}}})"
        )
    condition = made.condition(group.where)
    return made.statement(found, condition), made.params


def extract_attribute(mirrored: Mirrored, source: Source, kind: str, rank: int) -> tuple[str, dict[str, Any]] | None:
    """One source of an account attribute (without those behind it): record, account, value, ordered (what first and latest go
    by), rank. Blank values are left out."""
    if not mirrored.has(source.object):
        return None
    made = Extract(mirrored, source.object, f"s{int(rank)}_")
    alone = Source(source.object, source.fields, values=source.values, of=source.of)
    value = made.value(alone, kind)
    ordered = made.value(Source(source.object, (source.order_by or "CreatedDate",)), "moment")
    columns = {
        "record": 'r."Id"', "account": made.account(source.path, source.other_path), "value": value, "ordered": ordered,
        "rank": str(int(rank)),
    }  # fmt: skip
    condition = made.condition(source.where)
    return f"SELECT * FROM ({made.statement(columns, condition)}) AS found WHERE value IS NOT NULL", made.params
