"""Which flows and workflow rules a saved record starts. Pure but for the formulas' look at parents."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from integrations.demo_org.automation.comparing import meets
from integrations.demo_org.automation.facts import Record, find_parent
from integrations.demo_org.automation.formulas import evaluate, read_expression
from integrations.demo_org.automation.shape import Flow, join_conditions
from integrations.demo_org.formulas.reading import BadFormula, Name, Node
from integrations.demo_org.formulas.reading import Call as FunctionCall
from integrations.demo_org.nested import Refused, as_list, text_of

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

CREATE_ONLY, EVERY_CHANGE, WHEN_IT_CHANGES = "onCreateOnly", "onAllChanges", "onCreateOrTriggeringUpdate"
OPERATIONS = {
    "equals": "EqualTo", "notEqual": "NotEqualTo", "lessThan": "LessThan", "greaterThan": "GreaterThan",
    "lessOrEqual": "LessThanOrEqualTo", "greaterOrEqual": "GreaterThanOrEqualTo", "contains": "Contains",
    "startsWith": "StartsWith",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """An active workflow rule: criteria or a formula, and the outbound messages that it sends."""

    name: str
    trigger: str
    items: tuple[tuple[str, str, str], ...]
    logic: str
    formula: Node | None
    messages: tuple[str, ...]


@dataclass
class Seen:
    """A record at the moment of a save, as formulas of start conditions see it."""

    org: "DemoOrg"
    record: Record
    prior: Record | None
    is_new: bool
    now: datetime

    def value_of(self, reference: str) -> Any:
        """The value of a field of the record, of the record before, or of a parent."""
        head, *rest = reference.split(".")
        holder = self.prior if head == "$Record__Prior" else self.record
        if not head.startswith("$Record"):
            rest = [head, *rest]
        for name in rest[:-1]:
            holder = find_parent(self.org.store.read(), self.org, holder, name) if holder is not None else None
        try:
            return holder.get(rest[-1]) if holder is not None and rest else None
        except KeyError as problem:
            raise BadFormula(f"The field {problem} doesn't exist") from problem

    def before(self) -> "Seen":
        """The same as it was before the save."""
        return Seen(self.org, self.prior or self.record, self.prior, is_new=False, now=self.now)


def starts_flow(flow: Flow, seen: Seen) -> bool:
    """Whether the save starts the flow: by its kind, its conditions, and whether they were not met before."""
    if not (flow.fires_on_create if seen.is_new else flow.fires_on_update):
        return False
    if not meets_start(flow, seen):
        return False
    return not flow.must_change or seen.is_new or not meets_start(flow, seen.before())


def meets_start(flow: Flow, seen: Seen) -> bool:
    """Whether a record meets the start conditions."""
    if flow.formula:
        try:
            return evaluate(read_expression(flow.formula), seen) is True
        except (BadFormula, KeyError):
            return False
    record, prior = seen.record, seen.prior
    try:
        met = [
            meets(record.get(each.left), each.operator, _literal(each.right),
                  prior=lambda each=each: prior.get(each.left) if prior is not None else object())
            for each in flow.criteria.conditions
        ]  # fmt: skip
    except KeyError:
        return False  # a field that is gone
    return join_conditions(flow.criteria.logic, met)


def _literal(value: Mapping[str, Any] | None) -> Any:
    """The value of a start condition."""
    if not value:
        return None
    (kind, text), *_ = value.items()
    text = "" if text is None else str(text)
    if kind == "booleanValue":
        return text.lower() == "true"
    return float(text) if kind == "numberValue" else text


def read_rule(object_name: str, full_name: str, values: Mapping[str, Any]) -> Rule:
    """A workflow rule that sends outbound messages. Refused when it does anything else."""
    trigger = text_of(values, "triggerType")
    if trigger not in {CREATE_ONLY, EVERY_CHANGE, WHEN_IT_CHANGES}:
        raise Refused("INVALID_FIELD", f"'{trigger}' is not a valid value for the enum 'WorkflowTriggerTypes'")
    if as_list(values.get("workflowTimeTriggers")):
        raise Refused("INVALID_TYPE", "This org does not imitate time triggers of workflow rules")
    names = []
    for each in as_list(values.get("actions")):
        if text_of(each, "type") != "OutboundMessage":
            raise Refused(
                "INVALID_TYPE", f"This org does not imitate workflow actions of type {text_of(each, 'type') or 'none'}"
            )
        names.append(f"{object_name}.{text_of(each, 'name')}")
    items = []
    for each in as_list(values.get("criteriaItems")):
        operation = text_of(each, "operation")
        if operation not in OPERATIONS:
            raise Refused("INVALID_TYPE", f"This org does not imitate the operation {operation or 'none'} of workflow rules")
        items.append((text_of(each, "field").rpartition(".")[2], OPERATIONS[operation], text_of(each, "value")))
    formula = None
    if text_of(values, "formula"):
        try:
            formula = _of_record(read_expression(text_of(values, "formula")))
        except BadFormula as problem:
            raise Refused("FIELD_INTEGRITY_EXCEPTION", f"Error in formula: {problem}") from problem
    if formula is None and not items:
        raise Refused("REQUIRED_FIELD_MISSING", "A workflow rule needs criteriaItems or a formula")
    logic = text_of(values, "booleanFilter", "and")
    return Rule(full_name, trigger, tuple(items), logic, formula, tuple(names))


def _of_record(node: Node) -> Node:
    """Field names of a workflow rule's formula as references to the record."""
    if isinstance(node, Name) and not node.path.startswith("$"):
        return Name(f"$Record.{node.path}")
    return FunctionCall(node.function, tuple(map(_of_record, node.arguments))) if isinstance(node, FunctionCall) else node


def starts_rule(rule: Rule, seen: Seen) -> bool:
    """Whether the save starts the rule."""
    if not seen.is_new and rule.trigger == CREATE_ONLY:
        return False
    if not _meets_rule(rule, seen):
        return False
    return seen.is_new or rule.trigger == EVERY_CHANGE or not _meets_rule(rule, seen.before())


def _meets_rule(rule: Rule, seen: Seen) -> bool:
    try:
        if rule.formula is not None:
            return evaluate(rule.formula, seen) is True
        met = [_meets_item(seen.record.get(name), operator, text) for name, operator, text in rule.items]
    except (BadFormula, KeyError):
        return False
    return join_conditions(rule.logic, met)


def _meets_item(value: Any, operator: str, text: str) -> bool:
    """One criterion; several texts behind commas mean any of them (none of them for notEqual)."""
    wanted = (
        [each.strip() for each in text.split(",")]
        if operator in {"EqualTo", "NotEqualTo", "Contains", "StartsWith"}
        else [text]
    )
    if isinstance(value, bool):
        wanted = [str(each.lower() in {"true", "1"}).lower() for each in wanted]
    tests = [meets(value, operator, each or None) for each in wanted]
    return all(tests) if operator == "NotEqualTo" else any(tests)
