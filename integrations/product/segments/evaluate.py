"""Whether one record fulfils conditions: in Python, with the answers that the SQL gives for all records at once. Pure.

Facts come from a `Facts` object, which may look things up only when they are asked: cheap conditions are tried first.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

from integrations.product.segments.conditions import ALL, ANY, Condition, Group, Node
from integrations.product.segments.fieldtypes import Field
from integrations.product.segments.folding import fold
from integrations.product.segments.predicates import (
    Between,
    Blank,
    During,
    Flag,
    Happened,
    IdIn,
    Predicate,
    Test,
    TextHas,
    TextIn,
    predicate_of,
)
from integrations.sync.mapping.types import BOOLEAN, DATE_TIME, NUMBER, STRING

NUMBER_TEXT = re.compile(r"[+-]?[0-9]{1,26}([.][0-9]{1,12})?\Z", re.ASCII)
MOMENT_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?Z\Z", re.ASCII)
SPACE = " \t\n\r\f\v"
COSTS = {"column": 0, "attribute": 0, "link": 1, "kpi": 2, "activity": 3}
Value = None | bool | str | Decimal | datetime


class Facts(Protocol):
    """What is known of one record."""

    def value(self, field: Field) -> object:
        """A column (text or instant), an attribute as stored in JSON, or a KPI (a number); None for a blank."""
        ...

    def ids(self, field: Field) -> frozenset[str]:
        """Its Salesforce ids: of active links for `salesforce.linked`, of suspended ones too for `salesforce.id`."""
        ...

    def count(self, field: Field, happened: Happened) -> int:
        """How often the event or feature of `happened` was used on its days."""
        ...


def fulfils(tree: Group, fields: Mapping[str, Field], facts: Facts, *, now: datetime) -> bool:
    """Whether the record fulfils an expanded tree."""
    return _holds(tree, fields, facts, now)


def _holds(node: Node, fields: Mapping[str, Field], facts: Facts, now: datetime) -> bool:
    if isinstance(node, Condition):
        return holds(predicate_of(node, fields[node.field], now=now), facts)
    ordered = sorted(node.of, key=lambda each: _cost(each, fields))
    if node.match == ALL:
        return all(_holds(each, fields, facts, now) for each in ordered)
    found = any(_holds(each, fields, facts, now) for each in ordered)
    return found if node.match == ANY else not found


def _cost(node: Node, fields: Mapping[str, Field]) -> int:
    if isinstance(node, Condition):
        return COSTS[fields[node.field].source]
    return max((_cost(each, fields) for each in node.of), default=0)


def holds(predicate: Predicate, facts: Facts) -> bool:
    """Whether one predicate is true of the record."""
    field, test = predicate.field, predicate.test
    if isinstance(test, Happened):
        found = facts.count(field, test) >= test.times
    elif field.source == "link":
        found = _link(test, facts.ids(field))
    else:
        found = _passes(test, read_fact(field, facts.value(field)))
    return found != predicate.negated


def _link(test: Test, ids: frozenset[str]) -> bool:
    if isinstance(test, IdIn):
        return not ids.isdisjoint(test.ids)
    return bool(ids) == test.value if isinstance(test, Flag) else not ids


def _passes(test: Test, value: Value) -> bool:
    if value is None:
        return isinstance(test, Blank)
    match test, value:
        case TextIn(), str():
            return fold(value) in test.texts
        case TextHas(), str():
            text = fold(value)
            found = {"start": text.startswith, "end": text.endswith}.get(test.where, text.__contains__)
            return found(test.text)
        case Between(), Decimal():
            return _above(test, value) and _below(test, value)
        case During(), datetime():
            return test.interval.holds(value)
        case Flag(), bool():
            return value is test.value
    return False


def _above(test: Between, value: Decimal) -> bool:
    return test.low is None or value > test.low or (test.low_in and value == test.low)


def _below(test: Between, value: Decimal) -> bool:
    return test.high is None or value < test.high or (test.high_in and value == test.high)


def read_fact(field: Field, raw: object) -> Value:
    """A raw value as the field's type; what is of no use for it is a blank."""
    if field.type == NUMBER and field.source == "kpi" and raw is None and field.zero:
        return Decimal(0)
    if raw is None or raw == "":
        return None
    if isinstance(raw, datetime):
        utc = raw.astimezone(UTC)
        return utc.replace(microsecond=utc.microsecond // 1000 * 1000)  # the lake keeps milliseconds
    if isinstance(raw, bool):
        raw = "true" if raw else "false"
    if isinstance(raw, int | float | Decimal):
        raw = format(raw, "f") if isinstance(raw, Decimal) else str(raw)
    return _from_text(field.type, raw) if isinstance(raw, str) else None


def _from_text(kind: str, text: str) -> Value:
    if kind == STRING:
        return text
    if kind == NUMBER:
        bare = text.strip(SPACE)
        return Decimal(bare) if NUMBER_TEXT.match(bare) else None
    if kind == BOOLEAN:
        return {"true": True, "false": False}.get(text)
    if kind == DATE_TIME and MOMENT_TEXT.match(text):
        return _moment(text)
    return None


def _moment(text: str) -> Any:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
