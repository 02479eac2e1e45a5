"""The form of a task rule: lines of conditions, read into a draft and shown again with what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from integrations.models import SalesforceOrg
from integrations.product.form_rows import Line, blank_line, place_errors, read_lines, whole_number
from integrations.product.models import Segment, TaskRule
from integrations.product.task_rules.conditions import read_conditions
from integrations.product.task_rules.definitions import NUMBERS, Draft

NAMES = ("signal", "op", "value")
TEXTS = ("name", "subject", "description", "priority", "status", "match", "owner", "owner_id")


@dataclass
class RuleForm:
    """What was typed. `errors` are those of single fields and of the whole; those of lines stand with the lines."""

    org: SalesforceOrg
    values: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    def draft(self) -> Draft:
        """The draft that the form describes; impossible numbers become values that the verbs refuse by name."""
        number = self.values["segment"]
        segment = Segment.objects.filter(pk=number).first() if number.isdigit() else None
        conditions = [
            {name: text for name, text in line.values.items() if text or name != "value"} for line in self.lines
        ]  # fmt: skip
        texts = {name: self.values[name] for name in TEXTS}
        numbers = {name: whole_number(self.values[name]) for name in NUMBERS}
        return Draft(org=self.org, conditions=conditions, segment=segment, **texts, **numbers)  # pyright: ignore[reportArgumentType]

    def refuse(self, errors: Mapping[str, str]) -> None:
        """Show what the verb refused."""
        self.errors |= place_errors(self.lines, errors, "conditions")

    def add_line(self) -> None:
        """One more line."""
        self.lines.append(blank_line(self.lines, NAMES))


def read_form(data: Mapping[str, str], org: SalesforceOrg) -> RuleForm:
    """The form as it was sent."""
    values = {name: data.get(name, "").strip() for name in (*TEXTS, *NUMBERS, "segment")}
    return RuleForm(org, values, read_lines(data, "condition", NAMES, needed="signal"))


def write_form(rule: TaskRule | None, org: SalesforceOrg) -> RuleForm:
    """The form of a stored rule, or a new one."""
    if rule is None:
        usual = Draft(org, "", "{{customer}} needs attention")
        values = {name: str(getattr(usual, name)) for name in (*TEXTS, *NUMBERS)} | {"segment": ""}
        form = RuleForm(org, values)
        form.add_line()
        return form
    values = {name: str(getattr(rule, name)) for name in (*TEXTS, *NUMBERS)} | {"segment": str(rule.segment_id or "")}
    lines = [
        Line(number, {"signal": each.signal, "op": each.op, "value": each.value})
        for number, each in enumerate(read_conditions(rule.conditions))
    ]  # fmt: skip
    return RuleForm(org, values, lines)
