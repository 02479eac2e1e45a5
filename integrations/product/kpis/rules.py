"""What makes an event an event of a feature: rules read from JSON, checked, and decided for one event. Pure.

A feature has rules of which any may fit. A rule names events (`is`, `starts_with`, `matches` a pattern) and may ask for
properties, all of which must fit. The set-based decision in `rules_sql` gives the same answers; tests hold them against each
other.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

MATCHES = ("is", "starts_with", "matches")
TEXT_OPS = ("is", "is_not", "contains", "starts_with")
NUMBER_OPS = ("gt", "gte", "lt", "lte")
BARE_OPS = ("exists", "missing")
OPS = (*TEXT_OPS, *NUMBER_OPS, *BARE_OPS)
OP_LABELS = {
    "is": "is", "is_not": "is not", "contains": "contains", "starts_with": "starts with", "gt": "is more than",
    "gte": "is at least", "lt": "is less than", "lte": "is at most", "exists": "is there", "missing": "is not there",
}  # fmt: skip
MATCH_LABELS = {"is": "is", "starts_with": "starts with", "matches": "matches the pattern"}
MOST_RULES, MOST_CONDITIONS, LONGEST = 20, 10, 200
KEY = re.compile(r"[a-z][a-z0-9_]{0,49}\Z", re.ASCII)
NUMBER = re.compile(r"[+-]?[0-9]{1,26}([.][0-9]{1,12})?\Z", re.ASCII)
NOT_RE2 = re.compile(r"\(\?(?:=|!|<=|<!|\(|>|P=)|\\[1-9]|[*+?}]\+")
Value = str | bool | Decimal | None


class RuleProblem(ValueError):
    """A rule that cannot be; `path` says where, as in rules[0].where[1].op."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path, self.message = path, message


@dataclass(frozen=True, slots=True)
class Condition:
    """What a property of the event must be."""

    property: str
    op: str
    value: Value = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Events by name, and what their properties must be."""

    event: str
    match: str = "is"
    where: tuple[Condition, ...] = field(default=())


@dataclass(frozen=True)
class Wanted:
    """A feature as somebody wants it; `rules` is JSON."""

    key: str
    name: str
    rules: Any
    active: bool = True
    as_kpi: bool = False


def read_rules(raw: Any) -> tuple[Rule, ...]:
    """Rules from JSON; `RuleProblem` names the first place that is wrong and the fix."""
    if not isinstance(raw, list) or not raw:
        raise RuleProblem("rules", 'Give a list with at least one rule such as {"event": "Report Created"}.')
    if len(raw) > MOST_RULES:
        raise RuleProblem("rules", f"At most {MOST_RULES} rules; use a pattern instead of many names.")
    return tuple(_read_rule(each, f"rules[{place}]") for place, each in enumerate(raw))


def write_rules(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """The JSON that `read_rules` reads."""
    return [
        {"event": rule.event, "match": rule.match, "where": [_write_condition(each) for each in rule.where]} for rule in rules
    ]


def check_key(key: str) -> str:
    """The key of a feature, checked; it becomes part of column names."""
    if not KEY.match(key):
        raise RuleProblem("key", "Use at most 50 small letters, digits and _, beginning with a letter.")
    if key.startswith("pct_"):
        raise RuleProblem("key", "A key cannot begin with pct_: it would read like a percent change.")
    return key


def fits(rules: Sequence[Rule], name: str, properties: Mapping[str, Any]) -> bool:
    """Whether an event of that name with these properties (as JSON reads them) is one of the feature."""
    return any(_name_fits(rule, name) and all(holds(each, properties) for each in rule.where) for rule in rules)


def holds(condition: Condition, properties: Mapping[str, Any]) -> bool:
    """Whether a property is as wanted. Nested values and null count as missing for all comparisons but `exists`."""
    raw = properties.get(condition.property)
    if condition.op == "exists":
        return raw is not None
    if condition.op == "missing":
        return raw is None
    text = text_of(raw)
    if condition.op == "is_not":
        return not _equals(raw, text, condition.value)
    if text is None:
        return False
    if condition.op in NUMBER_OPS:
        return _compares(number_of(text), condition)
    if condition.op == "is":
        return _equals(raw, text, condition.value)
    wanted = str(condition.value)
    return wanted in text if condition.op == "contains" else text.startswith(wanted)


def text_of(raw: Any) -> str | None:
    """A property as text, numbers without a needless .0; None for null, lists and objects."""
    if raw is None or isinstance(raw, list | dict):
        return None
    if isinstance(raw, float):
        return str(raw).removesuffix(".0")
    return str(raw).lower() if isinstance(raw, bool) else str(raw)


def number_of(text: str) -> Decimal | None:
    """A number with at most 26 digits before and 12 behind the point; None for anything else."""
    text = text.strip(" \t\n\r\f\v")
    if not NUMBER.match(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:  # pragma: no cover - the pattern admits numbers only
        return None


def _equals(raw: Any, text: str | None, wanted: Value) -> bool:
    if text is None:
        return False
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        number = wanted if isinstance(wanted, Decimal) else number_of(str(wanted)) if isinstance(wanted, str) else None
        return number is not None and number_of(text) == number
    if isinstance(wanted, Decimal):
        return number_of(text) == wanted
    return text == text_of(wanted)


def _compares(number: Decimal | None, condition: Condition) -> bool:
    if number is None or not isinstance(condition.value, Decimal):
        return False
    return {
        "gt": number > condition.value, "gte": number >= condition.value, "lt": number < condition.value,
        "lte": number <= condition.value,
    }[condition.op]  # fmt: skip


def _name_fits(rule: Rule, name: str) -> bool:
    if rule.match == "is":
        return name == rule.event
    if rule.match == "starts_with":
        return name.startswith(rule.event)
    return re.search(rule.event, name, re.ASCII) is not None


# --- Reading ---------------------------------------------------------------------------------------------------------


def _read_rule(raw: Any, path: str) -> Rule:
    if not isinstance(raw, dict):
        raise RuleProblem(path, "A rule is an object with event, match and where.")
    if unknown := sorted(set(raw) - {"event", "match", "where"}):
        raise RuleProblem(f"{path}.{unknown[0]}", "Unknown; a rule has event, match and where.")
    match = raw.get("match", "is")
    if match not in MATCHES:
        raise RuleProblem(f"{path}.match", f"Must be one of {', '.join(MATCHES)}.")
    event = _read_text(raw.get("event"), f"{path}.event", "the name of an event")
    if match == "matches":
        _check_pattern(event, f"{path}.event")
    where = raw.get("where") or []
    if not isinstance(where, list) or len(where) > MOST_CONDITIONS:
        raise RuleProblem(f"{path}.where", f"Must be a list of at most {MOST_CONDITIONS} conditions.")
    return Rule(event, match, tuple(_read_condition(each, f"{path}.where[{place}]") for place, each in enumerate(where)))


def _read_condition(raw: Any, path: str) -> Condition:
    if not isinstance(raw, dict):
        raise RuleProblem(path, "A condition is an object with property, op and value.")
    if unknown := sorted(set(raw) - {"property", "op", "value"}):
        raise RuleProblem(f"{path}.{unknown[0]}", "Unknown; a condition has property, op and value.")
    name = _read_text(raw.get("property"), f"{path}.property", "the name of a property")
    op = raw.get("op", "is")
    if op not in OPS:
        raise RuleProblem(f"{path}.op", f"Must be one of {', '.join(OPS)}.")
    if op in BARE_OPS:
        return Condition(name, op)
    return Condition(name, op, _read_value(raw.get("value"), op, f"{path}.value"))


def _read_value(raw: Any, op: str, path: str) -> Value:
    if op in NUMBER_OPS:
        number = None if isinstance(raw, bool) else number_of(str(raw))
        if number is None:
            raise RuleProblem(path, "Must be a number with at most 26 digits before and 12 behind the point.")
        return number
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int | float | Decimal):
        number = number_of(str(raw))
        if number is None:
            raise RuleProblem(path, "This number is too long; compare it as text.")
        return number if op in ("is", "is_not") else str(raw)
    return _read_text(raw, path, "a text, number, true or false")


def _read_text(raw: Any, path: str, what: str) -> str:
    if not isinstance(raw, str) or not raw or len(raw) > LONGEST or "\0" in raw:
        raise RuleProblem(path, f"Must be {what}, 1 to {LONGEST} characters.")
    return raw


def _check_pattern(pattern: str, path: str) -> None:
    """Only what both engines know: no look-around, no references back (they promise to be quick on any text)."""
    if NOT_RE2.search(pattern):
        raise RuleProblem(path, "The pattern uses look-around or a reference back, which are not supported.")
    try:
        re.compile(pattern, re.ASCII)
    except re.error as error:
        raise RuleProblem(path, f"The pattern is not a regular expression: {error.msg}.") from None


def _write_condition(condition: Condition) -> dict[str, Any]:
    value = condition.value
    if isinstance(value, Decimal):
        value = (
            int(value)
            if value == value.to_integral_value()
            else float(value)
            if Decimal(str(float(value))) == value
            else str(value)
        )
    plain = {"property": condition.property, "op": condition.op}
    return plain if condition.op in BARE_OPS else plain | {"value": value}
