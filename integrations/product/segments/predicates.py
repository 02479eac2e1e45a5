"""A checked condition as a plain test of one value: what SQL and the evaluator of a single record both carry out. Pure.

Every test is true or false, never unknown: a blank fulfils no test but "is blank", and a negated test is its complement, so
that "is not Pro" holds for records without a plan.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from integrations.product.segments.conditions import Condition
from integrations.product.segments.fieldtypes import Field
from integrations.product.segments.folding import fold
from integrations.product.segments.spans import Interval, fixed_interval, span_interval
from integrations.sync.mapping.types import DATE_TIME, NUMBER, STRING

SPANS = frozenset(("in_next", "in_last", "not_in_last", "more_than_ago", "more_than_ahead"))


@dataclass(frozen=True, slots=True)
class Blank:
    """There is no value."""


@dataclass(frozen=True, slots=True)
class TextIn:
    """The folded text is one of these."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextHas:
    """The folded text contains, begins or ends with this one."""

    text: str
    where: str


@dataclass(frozen=True, slots=True)
class Between:
    """A number within limits; None is open."""

    low: Decimal | None
    high: Decimal | None
    low_in: bool = True
    high_in: bool = True


@dataclass(frozen=True, slots=True)
class During:
    """An instant within an interval."""

    interval: Interval


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes, or no."""

    value: bool


@dataclass(frozen=True, slots=True)
class IdIn:
    """One of the record's Salesforce ids is one of these."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Happened:
    """It happened at least so often, on UTC days from `first` to `last` (both included, ISO)."""

    name: str
    times: int
    first: str
    last: str


Test = Blank | TextIn | TextHas | Between | During | Flag | IdIn | Happened


@dataclass(frozen=True, slots=True)
class Predicate:
    """A test of a field, or its complement."""

    field: Field
    test: Test
    negated: bool = False


def predicate_of(condition: Condition, field: Field, *, now: datetime) -> Predicate:
    """The predicate of a checked condition, relative dates resolved."""
    op, value = condition.op, condition.value
    if op in ("is_blank", "is_not_blank"):
        return Predicate(field, Blank(), op == "is_not_blank")
    if field.type == STRING:
        return _text(field, op, value)
    if field.type == NUMBER:
        return _number(field, op, value)
    if field.type == DATE_TIME:
        interval = span_interval(op, value, now=now) if op in SPANS else fixed_interval(op, value)
        return Predicate(field, During(interval), op == "not_in_last")
    if op in ("is_true", "is_false"):
        return Predicate(field, Flag(op == "is_true"))
    if op in ("did", "did_not"):
        today = now.astimezone(UTC).date()
        first = today - timedelta(days=value["days"])
        return Predicate(field, Happened(value["name"], value["times"], first.isoformat(), today.isoformat()), op == "did_not")
    ids = tuple(value) if isinstance(value, list) else (value,)
    return Predicate(field, IdIn(ids), op in ("is_not", "is_none_of"))


def _text(field: Field, op: str, value: object) -> Predicate:
    if isinstance(value, list):
        return Predicate(field, TextIn(tuple(dict.fromkeys(map(fold, value)))), op == "is_none_of")
    text = fold(str(value))
    if op in ("is", "is_not"):
        return Predicate(field, TextIn((text,)), op == "is_not")
    where = {"starts_with": "start", "ends_with": "end"}.get(op, "inside")
    return Predicate(field, TextHas(text, where), op == "not_contains")


def _number(field: Field, op: str, value: object) -> Predicate:
    if isinstance(value, list):
        return Predicate(field, Between(Decimal(value[0]), Decimal(value[1])))
    number = Decimal(str(value))
    limits = {
        "more_than": Between(number, None, low_in=False), "at_least": Between(number, None),
        "less_than": Between(None, number, high_in=False), "at_most": Between(None, number),
    }  # fmt: skip
    return Predicate(field, limits.get(op, Between(number, number)), op == "is_not")
