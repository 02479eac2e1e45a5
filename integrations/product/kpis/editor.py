"""The feature editor's form as a feature that is wanted, and back. Pure.

Names in the form: `key`, `name`, `active`, `as_kpi`; for rule n (any numbers, in the order of the page) `rule-n-event`,
`rule-n-match`; for its condition m `rule-n-where-m-property`, `-op`, `-value`. A rule without an event and a condition without
a property are none. Buttons: `verb` is save, try, add, `add-n` (a condition for rule n), `drop-n`, `drop-n-m`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.product.kpis.rules import (
    BARE_OPS,
    MATCH_LABELS,
    OP_LABELS,
    Rule,
    RuleProblem,
    Wanted,
    read_rules,
    write_rules,
)

NAME = re.compile(r"rule-(\d{1,3})-(event|match|where-(\d{1,3})-(property|op|value))\Z")
PATH = re.compile(r"rules\[(\d+)\](?:\.where\[(\d+)\])?(?:\.(\w+))?")
VERB = re.compile(r"(add|drop)-(\d{1,3})(?:-(\d{1,3}))?\Z")


@dataclass
class ConditionLine:
    """A condition as somebody typed it."""

    property: str = ""
    op: str = "is"
    value: str = ""
    errors: list[str] = field(default_factory=list)


@dataclass
class RuleLine:
    """A rule as somebody typed it."""

    event: str = ""
    match: str = "is"
    where: list[ConditionLine] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass
class Editor:
    """The form; `errors` are of its plain fields and of the rules as a whole (`rules`)."""

    key: str = ""
    name: str = ""
    active: bool = True
    as_kpi: bool = False
    rules: list[RuleLine] = field(default_factory=list)
    errors: dict[str, list[str]] = field(default_factory=dict)

    @property
    def wanted(self) -> Wanted:
        """What is to be saved: lines without a name are left out."""
        return Wanted(self.key, self.name, [_raw_rule(each) for each in self._filled()], self.active, self.as_kpi)

    def _filled(self) -> list[RuleLine]:
        return [each for each in self.rules if each.event or any(line.property for line in each.where)]

    def add_problems(self, problems: Mapping[str, Sequence[str]]) -> None:
        """Put sentences beside what they are about."""
        for path, texts in problems.items():
            found = PATH.match(path)
            if found is None:
                self.errors.setdefault(path, []).extend(texts)
                continue
            rule = self._filled()[int(found[1])]
            line = [each for each in rule.where if each.property or each.value] if found[2] else []
            (line[int(found[2])] if line else rule).errors.extend(texts)

    def change(self, verb: str) -> None:
        """Perform a button that adds or drops a line."""
        if verb == "add":
            self.rules.append(RuleLine())
        found = VERB.match(verb)
        if found is None or int(found[2]) >= len(self.rules):
            return
        rule = self.rules[int(found[2])]
        if found[1] == "add":
            rule.where.append(ConditionLine())
        elif found[3] is None:
            self.rules.remove(rule)
        elif int(found[3]) < len(rule.where):
            del rule.where[int(found[3])]


def write_editor(key: str = "", name: str = "", rules: Any = (), *, active: bool = True, as_kpi: bool = False) -> Editor:
    """The form of a stored feature; one empty line where there is no rule."""
    lines = [
        RuleLine(each["event"], each.get("match", "is"), [
            ConditionLine(line["property"], line.get("op", "is"), _typed(line.get("value"))) for line in each.get("where") or []
        ])
        for each in rules
    ]  # fmt: skip
    return Editor(key, name, active, as_kpi, lines or [RuleLine()])


def read_editor(data: Mapping[str, Any]) -> Editor:
    """The form of one POST (a QueryDict will do)."""
    texts = {str(name): str(data.get(name) or "") for name in data}
    lines: dict[int, RuleLine] = {}
    conditions: dict[int, dict[int, ConditionLine]] = {}
    for name, value in texts.items():
        found = NAME.match(name)
        if found is None:
            continue
        number = int(found[1])
        rule = lines.setdefault(number, RuleLine())
        if found[3] is None:
            setattr(rule, found[2], value.strip())
        else:
            line = conditions.setdefault(number, {}).setdefault(int(found[3]), ConditionLine())
            setattr(line, found[4], value.strip())
    for number, rule in lines.items():
        rule.where = [line for _, line in sorted(conditions.get(number, {}).items())]
    rules = [rule for _, rule in sorted(lines.items())]
    return Editor(texts.get("key", "").strip(), texts.get("name", "").strip(), "active" in texts, "as_kpi" in texts, rules)


def say_rules(raw: Any) -> list[str]:
    """Stored rules in words, one sentence a rule."""
    try:
        return [say_rule(each) for each in read_rules(raw)]
    except RuleProblem as error:
        return [f"Cannot be used: {error}"]


def say_rule(rule: Rule) -> str:
    """One rule in words."""
    parts = [f"Event {MATCH_LABELS[rule.match]} {rule.event}"]
    for each in write_rules([rule])[0]["where"]:
        value = "" if each["op"] in BARE_OPS else f" {_typed(each['value'])}"
        parts.append(f"{each['property']} {OP_LABELS[each['op']]}{value}")
    return ", and ".join(parts)


def _raw_rule(line: RuleLine) -> dict[str, Any]:
    where = [_raw_condition(each) for each in line.where if each.property or each.value]
    return {"event": line.event, "match": line.match, "where": where}


def _raw_condition(line: ConditionLine) -> dict[str, Any]:
    plain = {"property": line.property, "op": line.op}
    return plain if line.op in BARE_OPS else plain | {"value": line.value}


def _typed(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
