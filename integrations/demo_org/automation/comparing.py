"""Comparisons in decisions and start conditions."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from integrations.demo_org.automation.facts import stored
from integrations.demo_org.automation.formulas import as_text

EMPTY = (None, "", [])


def meets(left: Any, operator: str, right: Any, *, prior: Callable[[], Any] = lambda: None) -> bool:
    """Whether a value compares so with another. `prior` gives what the left one was before, for IsChanged."""
    if operator in {"IsNull", "IsBlank", "IsEmpty"}:
        return (left in EMPTY) == _truth(right)
    if operator == "IsChanged":
        return (_plain(left) != _plain(prior())) == _truth(right)
    if operator in {"In", "NotIn"}:
        inside = isinstance(right, list) and any(_plain(left) == _plain(each) for each in right)
        return inside == (operator == "In")
    if operator in {"StartsWith", "EndsWith", "Contains"}:
        return _contains(left, operator, right)
    if operator in {"EqualTo", "NotEqualTo"}:
        return _equal(left, right) == (operator == "EqualTo")
    return _ordered(left, operator, right)


def _truth(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _plain(value: Any) -> Any:
    """The form in which an empty text is nothing, and a date equals its text."""
    return None if value in EMPTY else stored(value)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return _truth(left) == _truth(right)
    if isinstance(left, int | float) and isinstance(right, str):
        return as_text(left) == right
    if isinstance(right, int | float) and isinstance(left, str):
        return left == as_text(right)
    return _plain(left) == _plain(right)


def _contains(left: Any, operator: str, right: Any) -> bool:
    if isinstance(left, list):
        return any(_plain(each) == _plain(right) for each in left)
    text, part = as_text(left), as_text(right)
    return {"StartsWith": text.startswith(part), "EndsWith": text.endswith(part), "Contains": part in text}[operator]


def _ordered(left: Any, operator: str, right: Any) -> bool:
    """Larger or smaller; nothing is neither."""
    if left in EMPTY or right in EMPTY:
        return False
    if isinstance(left, date | datetime) or isinstance(right, date | datetime):
        left, right = str(stored(left)), str(stored(right))
        left, right = left[: min(len(left), len(right))], right[: min(len(left), len(right))]
    elif isinstance(left, str) != isinstance(right, str):
        try:
            left, right = float(left), float(right)
        except ValueError:
            return False
    return {
        "GreaterThan": left > right, "GreaterThanOrEqualTo": left >= right, "LessThan": left < right,
        "LessThanOrEqualTo": left <= right,
    }[operator]  # fmt: skip
