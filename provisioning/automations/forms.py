"""The editor of an automation: read into a draft, shown again as it was typed with what is wrong."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from integrations.product.form_rows import Line, blank_line, place_errors, read_lines, whole_number
from provisioning.automations.authoring import Draft
from provisioning.automations.callout import AnswerWrong, read_answer
from provisioning.models import Automation

CONDITION, HEADER = ("field", "operator", "value"), ("name", "value", "secret")
REQUEST = ("url", "method", "body", "customer_path", "subscription_path")
TEXTS = ("name", "trigger", "trial_days", "opportunity", "sample", *REQUEST)
BODY = """{
  "company": "{{ account.Name }}",
  "opportunity": "{{ opportunity.Id }}",
  "subscriptions": {{ subscriptions }}
}"""


@dataclass
class AutomationForm:
    """What was typed. `errors` are those of single fields; those of lines stand with the lines."""

    values: dict[str, str] = field(default_factory=dict)
    stages: list[str] = field(default_factory=list)
    conditions: list[Line] = field(default_factory=list)
    headers: list[Line] = field(default_factory=list)
    write_back: bool = True
    errors: dict[str, str] = field(default_factory=dict)

    def draft(self) -> Draft:
        """The draft that the form describes; impossible numbers become values that are refused by name."""
        values, days = self.values, self.values["trial_days"]
        headers = [
            {"name": each.values["name"], "value": each.values["value"], "secret": bool(each.values["secret"])}
            for each in self.headers
        ]
        callout: dict[str, Any] = {name: values[name] for name in REQUEST} | {"headers": headers}
        return Draft(
            values["name"], values["trigger"], self.stages, [dict(each.values) for each in self.conditions],
            callout if values["url"] else {}, self.write_back, whole_number(days) if days else None,
        )  # fmt: skip

    def refuse(self, errors: Mapping[str, str]) -> None:
        """Show what the verb refused."""
        self.errors |= place_errors(self.conditions, errors, "conditions")

    def add(self, what: str) -> None:
        """One more line of conditions or headers."""
        if what == "header":
            self.headers.append(blank_line(self.headers, HEADER))
        else:
            self.conditions.append(blank_line(self.conditions, CONDITION))

    def ids_in_sample(self, products: list[str]) -> str:
        """What the response paths find in the pasted answer, in words; "" without one."""
        if not self.values["sample"]:
            return ""
        try:
            found = read_answer(self.draft().callout, json.loads(self.values["sample"]), products=products)
        except (ValueError, RecursionError) as error:
            return str(error) if isinstance(error, AnswerWrong) else "The sample answer is no JSON."
        named = [f"{product}: {key}" for product, key in (found.subscription_ids or {}).items()]
        return "; ".join([f"customer: {found.customer_id or 'as usual'}", *named])


def read_form(data: QueryDict) -> AutomationForm:
    """The form as it was sent."""
    plain: dict[str, str] = {name: str(value) for name, value in data.items()}
    values = {name: plain.get(name, "").strip() for name in TEXTS}
    return AutomationForm(
        values, [str(each) for each in data.getlist("stage")], read_lines(plain, "condition", CONDITION, needed="field"),
        read_lines(plain, "header", HEADER, needed="name"), bool(plain.get("write_back")),
    )  # fmt: skip


def write_form(automation: Automation | None, *, trigger: str = "won") -> AutomationForm:
    """The form of a stored automation, or of a new one; secret values are never shown."""
    if automation is None:
        values = dict.fromkeys(TEXTS, "") | {"trigger": trigger, "method": "POST", "body": BODY}
        return AutomationForm(values)
    callout = automation.callout
    values = dict.fromkeys(TEXTS, "") | {name: str(callout.get(name) or "") for name in REQUEST}
    values |= {"name": automation.name, "trigger": automation.trigger, "method": values["method"] or "POST"}
    values |= {"trial_days": str(automation.trial_days or ""), "body": values["body"] or BODY}
    conditions = [
        Line(number, {name: _plain(each.get(name)) for name in CONDITION}) for number, each in enumerate(automation.conditions)
    ]
    headers = [
        Line(number, {name: _plain(each.get(name)) for name in HEADER})
        for number, each in enumerate(callout.get("headers") or [])
    ]
    return AutomationForm(values, list(automation.stages), conditions, headers, automation.write_back)


def _plain(value: Any) -> str:
    return ", ".join(str(each) for each in value) if isinstance(value, list | tuple) else str(value or "")
