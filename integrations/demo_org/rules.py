"""Validation rules: those of the settings (one condition on one field, or a formula) and those that were deployed.

A row for which a rule's condition is true is refused with the rule's message. As in Salesforce a rule looks at the whole
record as it would be after the save, also when the save does not touch the fields that the rule names.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from integrations.demo_org.formulas import BadFormula, Compiled, compile_formula
from integrations.demo_org.rows import UNSET, Frame, RowError
from integrations.demo_org.schema.types import ObjectType, Schema
from integrations.demo_org.store import has_column, quote

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg
    from integrations.demo_org.saving import Work

CODE = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
DEPLOYED = "ValidationRule:"
KEYS = frozenset({"name", "object", "field", "op", "value", "formula", "message", "error_field", "active"})


@dataclass(frozen=True, slots=True)
class Rule:
    """One active rule of an object, ready to be asked."""

    error: RowError
    names: frozenset[str]
    condition: Callable[[Any], bool] | None = None
    formula: Compiled | None = None


def check_rules(work: "Work", frame: Frame, *, is_new: bool) -> None:
    """Refuse the rows of new or changed records that a rule does not let pass."""
    rules = rules_of(work.org, work.stored)
    if not rules or not len(frame):
        return
    names = frozenset[str]().union(*(rule.names for rule in rules))
    old = {} if is_new else _stored_values(work, frame, names)
    new = {name: _merged(frame, name, old.get(name)) for name in names}
    for rule in rules:
        if rule.formula is not None:
            hits = _hits(work, rule.formula, new, old, is_new=is_new, count=len(frame))
        else:
            column, condition = new[next(iter(rule.names))], rule.condition
            hits = [row for row, value in enumerate(column) if condition is not None and condition(value)]
        for row in hits:
            frame.fail(row, rule.error)


def rules_of(org: "DemoOrg", kind: ObjectType) -> list[Rule]:
    """The active rules of an object. Rules about fields that are gone are passed over."""
    ordered = [each for each in org.settings.validation_rules if str(each.get("object", "")).lower() == kind.name.lower()]
    prefix = f"{DEPLOYED}{kind.name}.".lower()
    deployed = [_from_metadata(body) for name, body in org.draft.notes.items() if name.lower().startswith(prefix)]
    found: list[Rule] = []
    for each in (*ordered, *deployed):
        try:
            if each.get("active", True):
                found.append(make_rule(kind, org.schema, each))
        except ValueError:
            continue
    return found


def _from_metadata(body: Mapping[str, Any]) -> dict[str, Any]:
    """A deployed ValidationRule in the settings' words."""
    return {
        "formula": body.get("errorConditionFormula", ""), "message": body.get("errorMessage", ""),
        "error_field": body.get("errorDisplayField"), "active": str(body.get("active", "")).lower() == "true",
    }  # fmt: skip


def make_rule(kind: ObjectType, schema: Schema, described: Mapping[str, Any]) -> Rule:
    """A rule from {field, op, value} or {formula}, with message and error_field. ValueError says what is wrong with it."""
    unknown = set(described) - KEYS
    if unknown:
        raise ValueError(f"A rule has no {', '.join(sorted(unknown))}. Known: {', '.join(sorted(KEYS))}")
    shown = described.get("error_field")
    if shown and kind.find(str(shown)) is None:
        raise ValueError(f"The error field {shown} does not exist on {kind.name}")
    error = RowError(CODE, str(described.get("message", "")), (str(shown),) if shown else ())
    if described.get("formula"):
        try:
            formula = compile_formula(str(described["formula"]), kind, schema, for_rule=True)
        except BadFormula as problem:
            raise ValueError(f"Error in formula: {problem}") from problem
        if formula.type != "Boolean":
            raise ValueError(f"Error in formula: Formula result is data type ({formula.type}), incompatible with Boolean")
        return Rule(error, formula.names, formula=formula)
    made, op = kind.find(str(described.get("field", ""))), str(described.get("op", "="))
    if made is None or not has_column(made):
        raise ValueError(f"{kind.name} has no stored field {described.get('field')}")
    if op not in CONDITIONS:
        raise ValueError(f"There is no condition {op}. Known: {', '.join(CONDITIONS)}")
    wanted, test = described.get("value"), CONDITIONS[op]
    return Rule(error, frozenset({made.name}), condition=lambda value: test(value, wanted))


def _stored_values(work: "Work", frame: Frame, names: frozenset[str]) -> dict[str, Sequence[object]]:
    """The columns as they are before the change, row for row."""
    if not names:
        return {}
    ordered = sorted(names)
    columns = ", ".join(map(quote, ordered))
    sql = f"SELECT Id, {columns} FROM {quote(work.stored.name)} WHERE Id IN (SELECT value FROM json_each(?))"  # noqa: S608
    ids = list(frame.columns["Id"])
    found = {row[0]: row[1:] for row in work.connection.execute(sql, (orjson.dumps(ids).decode(),))}
    nothing = (None,) * len(ordered)
    rows = [found.get(str(each), nothing) for each in ids]
    return {name: [row[place] for row in rows] for place, name in enumerate(ordered)}


def _merged(frame: Frame, name: str, old: Sequence[object] | None) -> Sequence[object]:
    """A column as it would be after the save."""
    before = old if old is not None else [None] * len(frame)
    column = frame.columns.get(name)
    if column is None:
        return before
    return [was if value == UNSET else value for value, was in zip(column, before, strict=True)] if UNSET in column else column


def _hits(
    work: "Work",
    formula: Compiled,
    new: Mapping[str, Sequence[object]],
    old: Mapping[str, Sequence[object]],
    *,
    is_new: bool,
    count: int,
) -> list[int]:
    """The rows for which a formula is true; SQLite evaluates it over the rows as JSON."""
    names = sorted(formula.names)
    rows = [
        {name: [new[name][row], old[name][row] if old else None] for name in names} for row in range(count)
    ]  # a small object for each row: rules are few and batches small
    parts = []
    for place in (0, 1):
        columns = "".join(f""", json_extract(value, '$."{name}"[{place}]') AS {quote(name)}""" for name in names)
        parts.append(f"SELECT key AS number{columns} FROM given")  # noqa: S608
    sql = (
        f"WITH given AS MATERIALIZED (SELECT key, value FROM json_each(:rows)), fresh AS ({parts[0]}), former AS ({parts[1]}) "  # noqa: S608
        f"SELECT r.number FROM fresh AS r JOIN former AS o ON o.number = r.number "
        f"WHERE {formula.sql.replace('{row}', 'r').replace('{old}', 'o')}"
    )
    params = {"rows": orjson.dumps(rows).decode(), "is_new": int(is_new)}
    return [row[0] for row in work.connection.execute(sql, params)]


def _compare(value: Any, wanted: Any, *, less: bool) -> bool:
    """Numeric or text comparison; null is never less or greater."""
    if value is None or wanted is None:
        return False
    if isinstance(wanted, int | float) and not isinstance(value, int | float):
        return False
    value, wanted = (value, wanted) if isinstance(wanted, int | float) else (str(value), str(wanted))
    return value < wanted if less else value > wanted


CONDITIONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    "<": lambda value, wanted: _compare(value, wanted, less=True),
    ">": lambda value, wanted: _compare(value, wanted, less=False),
    "blank": lambda value, _wanted: value is None,
    "not_blank": lambda value, _wanted: value is not None,
    "contains": lambda value, wanted: value is not None and str(wanted).casefold() in str(value).casefold(),
    "matches": lambda value, wanted: value is not None and re.search(str(wanted), str(value)) is not None,
}
