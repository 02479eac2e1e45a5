"""When a customer needs attention: conditions over signals, and what held in words. Pure.

A value that is not known fulfills no condition but `is_unknown`: nobody gets a task because a figure is missing (R-115).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.product.health.scoring import BadParts, shown

NUMBERS = {"at_most": "is at most", "below": "is below", "at_least": "is at least", "above": "is above", "equals": "is"}
TEXTS = {"is": "is", "is_not": "is not", "contains": "contains"}
FLAGS = {"is_true": "is yes", "is_false": "is no"}
MOMENTS = {"before": "is before", "after": "is after"}
ALWAYS = {"is_known": "is known", "is_unknown": "is not known"}
OPERATORS: dict[str, dict[str, str]] = {"NUMBER": NUMBERS, "STRING": TEXTS, "BOOLEAN": FLAGS, "DATE_TIME": MOMENTS}
WORDS = {**NUMBERS, **TEXTS, **FLAGS, **MOMENTS, **ALWAYS}
WITHOUT_VALUE = frozenset((*FLAGS, *ALWAYS))
MOST = 20
LONGEST = 255


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. `value` is text in JSON; numbers and instants are read when they are compared."""

    signal: str
    op: str
    value: str = ""


def holds(conditions: Sequence[Condition], values: Mapping[str, Any], *, every: bool = True) -> bool:
    """Whether all (or, without `every`, some) conditions hold; no condition at all always holds."""
    if not conditions:
        return True
    found = [is_true(each, values.get(each.signal)) for each in conditions]
    return all(found) if every else any(found)


def is_true(condition: Condition, value: Any) -> bool:
    """Whether one condition holds for a value."""
    if condition.op in ALWAYS:
        return (value is None or value == "") == (condition.op == "is_unknown")
    if value is None or value == "":
        return False
    if condition.op in NUMBERS:
        return isinstance(value, Decimal | int) and not isinstance(value, bool) and _compare(condition, Decimal(value))
    if condition.op in FLAGS:
        return isinstance(value, bool) and value == (condition.op == "is_true")
    if condition.op in MOMENTS:
        if not isinstance(value, datetime):
            return False
        limit = read_moment(condition.value)
        return value < limit if condition.op == "before" else value > limit
    left, right = str(value).strip().casefold(), condition.value.strip().casefold()
    return right in left if condition.op == "contains" else (left == right) == (condition.op == "is")


def explain(
    conditions: Sequence[Condition], values: Mapping[str, Any], labels: Mapping[str, str], *, every: bool = True
) -> str:
    """What held, one sentence a condition: "Active users, change 30 days: -52 (at most -40)"."""
    told = [each for each in conditions if every or is_true(each, values.get(each.signal))]
    return "\n".join(_sentence(each, values.get(each.signal), labels) for each in told)


def in_words(condition: Condition, labels: Mapping[str, str]) -> str:
    """The condition as pages say it."""
    value = "" if condition.op in WITHOUT_VALUE else f" {condition.value}"
    return f"{labels.get(condition.signal, condition.signal)} {WORDS.get(condition.op, condition.op)}{value}"


def read_conditions(data: Any, *, known: Mapping[str, str] | None = None) -> tuple[Condition, ...]:
    """Conditions from JSON. `known` gives the types of the signals; `BadParts` names what cannot be used, with the fix."""
    if not isinstance(data, list):
        raise BadParts({"conditions": "Is a list."})
    if len(data) > MOST:
        raise BadParts({"conditions": f"Has at most {MOST} conditions."})
    errors: dict[str, str] = {}
    found = []
    for place, each in enumerate(data, 1):
        try:
            found.append(_read(each, known))
        except ValueError as error:
            errors[f"conditions[{place}]"] = str(error)
    if errors:
        raise BadParts(errors)
    return tuple(found)


def write_conditions(conditions: Sequence[Condition]) -> list[dict[str, str]]:
    """Conditions as JSON."""
    return [{"signal": each.signal, "op": each.op, "value": each.value} for each in conditions]


def read_moment(text: str) -> datetime:
    """A day (midnight UTC) or an instant with its zone; ValueError otherwise (R-074)."""
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        if len(text.strip()) > 10:
            raise ValueError("an instant needs a time zone")
        moment = moment.replace(tzinfo=UTC)
    return moment


def _compare(condition: Condition, value: Decimal) -> bool:
    limit = Decimal(condition.value)
    return {
        "at_most": value <= limit, "below": value < limit, "at_least": value >= limit, "above": value > limit,
        "equals": value == limit,
    }[condition.op]  # fmt: skip


def _sentence(condition: Condition, value: Any, labels: Mapping[str, str]) -> str:
    label = labels.get(condition.signal, condition.signal)
    if condition.op in ALWAYS:
        return f"{label} {WORDS[condition.op]}."
    limit = "" if condition.op in WITHOUT_VALUE else f" ({WORDS[condition.op].removeprefix('is ')} {condition.value})"
    return f"{label}: {shown(round(value, 1) if isinstance(value, Decimal) else value)}{limit}"


def _read(data: Any, known: Mapping[str, str] | None) -> Condition:
    if not isinstance(data, Mapping):
        raise ValueError("Is an object with signal, op and value.")
    if unknown := sorted(set(data) - {"signal", "op", "value"}):
        raise ValueError(f"Has unknown fields: {', '.join(map(str, unknown))[:200]}.")
    signal, op = data.get("signal"), data.get("op")
    if not isinstance(signal, str) or not signal:
        raise ValueError("Needs a signal.")
    if known is not None and signal not in known:
        raise ValueError(f"There is no signal {signal[:80]!r}.")
    allowed = {**(OPERATORS[known[signal]] if known is not None else WORDS), **ALWAYS}
    if op not in allowed:
        raise ValueError(f"op is one of {', '.join(allowed)}.")
    if op in WITHOUT_VALUE:
        return Condition(signal, op)
    return Condition(signal, op, _read_value(op, data.get("value")))


def _read_value(op: str, value: Any) -> str:
    if value is None or isinstance(value, bool | list | Mapping) or str(value).strip() == "":
        raise ValueError("Needs a value to compare with.")
    text = str(value).strip()
    if len(text) > LONGEST:
        raise ValueError(f"value is at most {LONGEST} characters long.")
    if op in NUMBERS:
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise ValueError("value is no number.") from None
        if not number.is_finite() or abs(number) > Decimal(10) ** 15:
            raise ValueError("value is no usable number.")
        return shown(number)
    if op in MOMENTS:
        try:
            read_moment(text)
        except ValueError:
            raise ValueError("value is a day such as 2027-01-31, or an instant with its time zone.") from None
    return text
