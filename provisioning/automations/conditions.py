"""Conditions of an automation on the opportunity's own fields (typed operators), checked and decided. Pure.

A blank field fulfils only "is empty", "is not" and "is none of". Texts are compared without regard to case, as Salesforce does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from integrations.salesforce.describe import FieldInfo
from integrations.salesforce.values import read_choices, read_day, read_flag, read_moment, read_number

NUMBER, TEXT, FLAG, DAY, MOMENT, CHOICE, CHOICES = "number", "text", "flag", "day", "moment", "choice", "choices"
KINDS = {
    "int": NUMBER, "long": NUMBER, "double": NUMBER, "currency": NUMBER, "percent": NUMBER, "boolean": FLAG, "date": DAY,
    "datetime": MOMENT, "picklist": CHOICE, "combobox": CHOICE, "multipicklist": CHOICES, "string": TEXT, "email": TEXT,
    "phone": TEXT, "url": TEXT, "id": TEXT, "reference": TEXT,
}  # fmt: skip
EQUAL, ORDER = ("is", "is_not"), ("above", "at_least", "below", "at_most")
EMPTY = ("is_empty", "is_not_empty")
OPERATORS: dict[str, tuple[str, ...]] = {
    NUMBER: (*EQUAL, *ORDER, *EMPTY),
    DAY: (*EQUAL, *ORDER, *EMPTY),
    MOMENT: (*ORDER, *EMPTY),
    TEXT: (*EQUAL, "contains", "begins_with", "one_of", "none_of", *EMPTY),
    CHOICE: (*EQUAL, "one_of", "none_of", *EMPTY),
    CHOICES: ("contains", "does_not_contain", *EMPTY),
    FLAG: ("is",),
}
WORDS = {
    "is": "is", "is_not": "is not", "above": "is above", "at_least": "is at least", "below": "is below",
    "at_most": "is at most", "contains": "contains", "does_not_contain": "does not contain", "begins_with": "begins with",
    "one_of": "is one of", "none_of": "is none of", "is_empty": "is empty", "is_not_empty": "is not empty",
}  # fmt: skip
NEGATIVE = frozenset(("is_not", "none_of", "does_not_contain", "is_empty"))
LISTED = frozenset(("one_of", "none_of"))
MOST_CONDITIONS, LONGEST_VALUE, MOST_VALUES = 20, 255, 50


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of an automation. `kind` is the sort of field that it was written for; `value` a text, or texts for lists."""

    field: str
    operator: str
    value: str | tuple[str, ...] = ""
    kind: str = TEXT
    label: str = ""

    def as_dict(self) -> dict[str, Any]:
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"field": self.field, "operator": self.operator, "value": value, "kind": self.kind, "label": self.label}

    @property
    def words(self) -> str:
        """`Amount is at least 5000`"""
        value = ", ".join(self.value) if isinstance(self.value, tuple) else self.value
        shown = "" if self.operator in EMPTY else f" {value}"
        return f"{self.label or self.field} {WORDS.get(self.operator, self.operator)}{shown}"


def read_condition(given: Mapping[str, Any]) -> Condition:
    """A stored condition."""
    value = given.get("value")
    plain = tuple(str(each) for each in value) if isinstance(value, list | tuple) else "" if value is None else str(value)
    texts = {name: str(given.get(name) or "") for name in ("field", "operator", "label")}
    return Condition(texts["field"], texts["operator"], plain, str(given.get("kind") or TEXT), texts["label"])


def check_condition(given: Mapping[str, Any], field: FieldInfo | None) -> tuple[Condition | None, str]:
    """The condition as it may be stored, or why it may not; `field` is what the org has under that name."""
    read = read_condition(given)
    if field is None:
        return None, f"{read.field[:80] or 'The field'} is no field of Opportunity that the integration user can read."
    kind = KINDS.get(field.type)
    if kind is None:
        return None, f"{field.label} is a {field.type} field, which conditions cannot look at."
    if read.operator not in OPERATORS[kind]:
        words = ", ".join(WORDS[each] for each in OPERATORS[kind])
        return None, f"{field.label} cannot be asked that way; choose one of: {words}."
    value, problem = _value(read, kind, field)
    return (None, problem) if problem else (Condition(field.name, read.operator, value, kind, field.label), "")


def holds(condition: Condition, values: Mapping[str, Any]) -> bool:
    """Whether a deal with these values fulfils it; a field that could not be read fulfils nothing."""
    name = next((each for each in values if each.lower() == condition.field.lower()), None)
    if name is None:
        return False
    value = values[name]
    blank = value is None or value == ""
    if condition.operator in EMPTY:
        return blank == (condition.operator == "is_empty")
    if blank:
        return condition.operator in NEGATIVE or (condition.kind == FLAG and condition.value == "false")
    try:
        return _compare(condition, value)
    except (ValueError, TypeError):
        return False


def all_hold(conditions: Iterable[Mapping[str, Any]], values: Mapping[str, Any]) -> bool:
    """Whether every stored condition is fulfilled."""
    return all(holds(read_condition(each), values) for each in conditions)


def exclude_each_other(one: Condition, other: Condition) -> bool:
    """Whether no value of a field can fulfil both. Only clear cases; when in doubt, they may both hold."""
    if one.field.lower() != other.field.lower():
        return False
    for left, right in ((one, other), (other, one)):
        if left.operator == "is_empty" and right.operator not in NEGATIVE:
            return True
        exact = _exact(left)
        if exact is not None and not any(holds(right, {right.field: each}) for each in exact):
            return True
    return _ranges_apart(one, other)


def _exact(condition: Condition) -> list[Any] | None:
    """All values that fulfil it, when they can be listed."""
    if condition.kind == CHOICES:
        return None
    if condition.operator == "is":
        return [condition.value]
    return list(condition.value) if condition.operator == "one_of" else None


def _ranges_apart(one: Condition, other: Condition) -> bool:
    """`above 10` and `below 5`"""
    for low, high in ((one, other), (other, one)):
        if low.operator in ("above", "at_least") and high.operator in ("below", "at_most"):
            least, most = _typed(low.kind, low.value), _typed(high.kind, high.value)
            if least > most or (least == most and (low.operator, high.operator) != ("at_least", "at_most")):
                return True
    return False


def _value(read: Condition, kind: str, field: FieldInfo) -> tuple[str | tuple[str, ...], str]:
    """The value in its plain form, and what is wrong with it."""
    if read.operator in EMPTY:
        return "", ""
    given = read.value
    if read.operator in LISTED:
        several = given if isinstance(given, tuple) else tuple(part.strip() for part in given.split(","))
        kept = tuple(dict.fromkeys(each.strip()[:LONGEST_VALUE] for each in several if each.strip()))
        if not 1 <= len(kept) <= MOST_VALUES:
            return kept, f"{field.label}: name 1 to {MOST_VALUES} values."
        return kept, _unknown_choice(kept, kind, field)
    text = (given[0] if isinstance(given, tuple) and given else given if isinstance(given, str) else "").strip()
    if not text:
        return text, f"{field.label}: enter a value."
    if len(text) > LONGEST_VALUE:
        return text, f"{field.label}: at most {LONGEST_VALUE} characters."
    try:
        _typed(kind, text)
    except ValueError:
        forms = {NUMBER: "a number such as 5000.50", DAY: "a day such as 2027-01-31", FLAG: "true or false",
                 MOMENT: "a moment with its time zone such as 2027-01-31T08:00:00Z"}  # fmt: skip
        return text, f"{field.label}: enter {forms[kind]}."
    return text.lower() if kind == FLAG else text, _unknown_choice((text,), kind, field)


def _unknown_choice(values: Iterable[str], kind: str, field: FieldInfo) -> str:
    known = {choice.value.casefold() for choice in field.choices}
    strange = [each for each in values if each.casefold() not in known] if kind in (CHOICE, CHOICES) and known else []
    return f"{field.label} has no value “{strange[0][:80]}”." if strange else ""


def _typed(kind: str, value: Any) -> Any:
    """A value of the field's sort, comparable; raises ValueError."""
    if kind == NUMBER:
        return value if isinstance(value, Decimal) else read_number(value)
    if kind == FLAG:
        return read_flag(value)
    if kind == DAY:
        return value if isinstance(value, date) and not isinstance(value, datetime) else read_day(str(value))
    if kind == MOMENT:
        return value if isinstance(value, datetime) else read_moment(str(value))
    return str(value).strip().casefold()


def _compare(condition: Condition, raw: Any) -> bool:
    operator, kind = condition.operator, condition.kind
    if operator in LISTED:
        found = _typed(kind, raw) in {_typed(kind, each) for each in condition.value}
        return found == (operator == "one_of")
    wanted = _typed(kind, condition.value if isinstance(condition.value, str) else "")
    if kind == CHOICES:
        found = wanted in {each.strip().casefold() for each in read_choices(str(raw))}
        return found == (operator == "contains")
    value = _typed(kind, raw)
    return {
        "is": lambda: value == wanted,
        "is_not": lambda: value != wanted,
        "above": lambda: value > wanted,
        "at_least": lambda: value >= wanted,
        "below": lambda: value < wanted,
        "at_most": lambda: value <= wanted,
        "contains": lambda: wanted in value,
        "begins_with": lambda: value.startswith(wanted),
    }[operator]()
