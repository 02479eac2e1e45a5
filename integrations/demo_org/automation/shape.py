"""Flows as they are deployed, turned into something that can be run. Whatever is not understood here is refused by name.

Pure: nothing here looks at an org. What the names in a flow refer to is checked by `checks`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.demo_org.nested import Refused, Values, as_list, flag_of, text_of

INVALID = "FIELD_INTEGRITY_EXCEPTION"
PLACE = frozenset({"name", "label", "description", "locationX", "locationY", "elementSubtype", "styleProperties",
                   "processMetadataValues"})  # fmt: skip
ABOUT = frozenset({
    "fullName", "apiVersion", "areMetricsLoggedToDataCloud", "customProperties", "description", "environments",
    "interviewLabel",
    "isAdditionalPermissionRequiredToRun", "isOverridable", "isTemplate", "label", "migratedFromWorkflowRuleName",
    "processMetadataValues", "processType", "runInMode", "sourceTemplate", "start", "status", "timeZoneSidKey", "triggerOrder",
})  # fmt: skip
AFTER = frozenset({"connector", "faultConnector"})
SEARCH = frozenset({"object", "filterLogic", "filters"})
# element of the file: the children that are understood
NODES: dict[str, frozenset[str]] = {
    "actionCalls": PLACE | AFTER | {
        "actionName", "actionType", "inputParameters", "outputParameters", "storeOutputAutomatically", "flowTransactionModel",
        "nameSegment", "versionSegment", "versionString", "offset", "dataTypeMappings",
    },
    "assignments": PLACE | {"assignmentItems", "connector"},
    "decisions": PLACE | {"defaultConnector", "defaultConnectorLabel", "rules"},
    "loops": PLACE | {"assignNextValueToReference", "collectionReference", "iterationOrder", "nextValueConnector",
                      "noMoreValuesConnector"},
    "recordCreates": PLACE | AFTER | {"assignRecordIdToReference", "inputAssignments", "inputReference", "object",
                                      "storeOutputAutomatically"},
    "recordDeletes": PLACE | AFTER | SEARCH | {"inputReference"},
    "recordLookups": PLACE | AFTER | SEARCH | {
        "assignNullValuesIfNoRecordsFound", "getFirstRecordOnly", "limit", "outputAssignments", "outputReference",
        "queriedFields", "sortField", "sortOrder", "storeOutputAutomatically",
    },
    "recordUpdates": PLACE | AFTER | SEARCH | {"inputAssignments", "inputReference"},
}  # fmt: skip
RESOURCES: dict[str, frozenset[str]] = {
    "constants": frozenset({"name", "dataType", "description", "value", "processMetadataValues"}),
    "formulas": frozenset({"name", "dataType", "description", "expression", "scale", "processMetadataValues"}),
    "textTemplates": frozenset({"name", "description", "isViewedAsPlainText", "text", "processMetadataValues"}),
    "variables": frozenset({"name", "dataType", "description", "apexClass", "isCollection", "isInput", "isOutput", "objectType",
                            "scale", "value", "processMetadataValues"}),
}  # fmt: skip
START = PLACE | {
    "connector", "doesRequireRecordChangedToMeetCriteria", "filterFormula", "filterLogic", "filters", "object",
    "recordTriggerType", "scheduledPaths", "triggerType",
}  # fmt: skip
PATH = frozenset({"name", "label", "description", "connector", "maxBatchSize", "offsetNumber", "offsetUnit", "pathType",
                  "recordField", "timeSource"})  # fmt: skip
CONDITION = frozenset({"leftValueReference", "operator", "rightValue", "processMetadataValues"})
RULE = PLACE | {"conditionLogic", "conditions", "connector", "doesRequireRecordChangedToMeetCriteria"}
FILTER = frozenset({"field", "operator", "value", "processMetadataValues"})
VALUES = ("stringValue", "numberValue", "booleanValue", "dateValue", "dateTimeValue", "elementReference")
STATUSES = frozenset({"Active", "Draft", "Obsolete", "InvalidDraft"})
TRIGGERS = frozenset({"Create", "Update", "CreateAndUpdate"})
OPERATORS = frozenset({
    "EqualTo", "NotEqualTo", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo", "StartsWith", "EndsWith",
    "Contains", "IsNull", "IsBlank", "IsChanged", "In", "NotIn", "IsEmpty",
})  # fmt: skip
ASSIGNING = frozenset({"Assign", "Add", "Subtract", "AddAtStart", "AddItem", "AssignCount"})
ACTIONS = frozenset({"externalService", "outboundMessage"})
DATA_TYPES = frozenset({"String", "Number", "Currency", "Boolean", "Date", "DateTime", "SObject", "Apex", "Picklist",
                        "Multipicklist"})  # fmt: skip
UNITS = {"Minutes": 60, "Hours": 3_600, "Days": 86_400}


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison: of a reference in decisions, of a field in filters."""

    left: str
    operator: str
    right: Values | None


@dataclass(frozen=True, slots=True)
class Criteria:
    """Conditions and how they are joined: `and`, `or`, or a text such as `1 AND (2 OR 3)`."""

    logic: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """A way that starts after the save: at once after the commit (`delay` None), or so many seconds after a moment."""

    name: str
    target: str
    delay: int | None = None
    source_field: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One element of a flow. `kind` is its element in the file."""

    kind: str
    name: str
    values: Values


@dataclass(frozen=True, slots=True)
class Flow:
    """A record-triggered flow, ready to be checked and run."""

    name: str
    label: str
    status: str
    object: str
    trigger: str
    criteria: Criteria
    formula: str
    must_change: bool
    target: str
    paths: tuple[Path, ...]
    order: int
    nodes: dict[str, Node]
    resources: dict[str, Node] = field(default_factory=dict)

    @property
    def fires_on_create(self) -> bool:
        """Whether new records start it."""
        return self.trigger in {"Create", "CreateAndUpdate"}

    @property
    def fires_on_update(self) -> bool:
        """Whether changed records start it."""
        return self.trigger in {"Update", "CreateAndUpdate"}


def read_flow(values: Mapping[str, Any]) -> Flow:
    """The flow of a component. Refused with the name of what is wrong or not understood."""
    unknown = sorted(each for each in values if each not in {*ABOUT, *NODES, *RESOURCES} and not each.startswith("@"))
    if unknown:
        names = ", ".join(text_of(each, "name") for each in as_list(values[unknown[0]]) if isinstance(each, dict))
        raise Refused(INVALID, f"This org does not imitate the flow element {unknown[0]}{f' ({names})' if names else ''}")
    if not text_of(values, "label"):
        raise Refused("REQUIRED_FIELD_MISSING", "Required field is missing: label")
    if text_of(values, "processType") != "AutoLaunchedFlow":
        raise Refused(
            INVALID, f"This org imitates only flows of type AutoLaunchedFlow, not {values.get('processType') or 'none'}"
        )
    status = text_of(values, "status", "Draft")
    if status not in STATUSES:
        raise Refused(INVALID, f"'{status}' is not a valid value for the enum 'FlowVersionStatus'")
    nodes, resources = _named(values, NODES), _named(values, RESOURCES)
    both = set(nodes) & set(resources)
    if both:
        raise Refused(INVALID, f'The flow has two elements or resources named "{sorted(both)[0]}".')
    for each in nodes.values():
        PARTS.get(each.kind, _nothing)(each)
    for each in resources.values():
        _check_resource(each)
    return _with_start(values, status, nodes, resources)


def _with_start(values: Mapping[str, Any], status: str, nodes: dict[str, Node], resources: dict[str, Node]) -> Flow:
    """The flow with what its start element says."""
    start = values.get("start")
    if not isinstance(start, dict):
        raise Refused(INVALID, "The flow can't run because nothing is connected to the Start element.")
    _only(start, START, "Start")
    trigger, kind = text_of(start, "recordTriggerType"), text_of(start, "triggerType")
    if kind != "RecordAfterSave" or trigger not in TRIGGERS:
        known = f"triggerType RecordAfterSave with recordTriggerType {', '.join(sorted(TRIGGERS))}"
        text = f"This org imitates only flows that start after a record is saved ({known}), not {kind or 'none'}"
        raise Refused(INVALID, f"{text} with {trigger or 'none'}")
    target, paths = target_of(start), tuple(map(_path, as_list(start.get("scheduledPaths"))))
    if not target and not any(each.target for each in paths):
        raise Refused(INVALID, "The flow can't run because nothing is connected to the Start element.")
    formula, criteria = text_of(start, "filterFormula"), criteria_of(start, "filterLogic", "filters", "Start")
    must_change = flag_of(start, "doesRequireRecordChangedToMeetCriteria")
    if must_change and not criteria.conditions and not formula:
        raise Refused(INVALID, "The Start element requires a changed record to meet the conditions, but it has no conditions.")
    if must_change and trigger == "Create":
        raise Refused(INVALID, "doesRequireRecordChangedToMeetCriteria can be set only for flows that start on updates.")
    order = text_of(values, "triggerOrder")
    return Flow(
        name=text_of(values, "fullName"), label=text_of(values, "label"), status=status, object=text_of(start, "object"),
        trigger=trigger, criteria=criteria, formula=formula, must_change=must_change, target=target, paths=paths,
        order=int(order) if order.isdigit() else 1_001, nodes=nodes, resources=resources,
    )  # fmt: skip


def _named(values: Mapping[str, Any], kinds: Mapping[str, frozenset[str]]) -> dict[str, Node]:
    """The elements of some kinds by their names."""
    found: dict[str, Node] = {}
    for kind, allowed in kinds.items():
        for each in as_list(values.get(kind)):
            if not isinstance(each, dict) or not text_of(each, "name"):
                raise Refused(INVALID, f"Required field is missing: name ({kind})")
            name = text_of(each, "name")
            if name in found:
                raise Refused(INVALID, f'The flow has two elements or resources named "{name}".')
            _only(each, allowed, name)
            found[name] = Node(kind, name, each)
    return found


def _only(values: Mapping[str, Any], allowed: frozenset[str], where: str) -> None:
    """Refuse children that are not understood, so that nothing is silently left out."""
    unknown = sorted(each for each in values if each not in allowed and not each.startswith("@"))
    if unknown:
        raise Refused(INVALID, f"{where} - This org does not imitate {unknown[0]} of flows")


def target_of(values: Mapping[str, Any], name: str = "connector") -> str:
    """The element that a connector leads to, or nothing."""
    connector = values.get(name)
    return text_of(connector, "targetReference") if isinstance(connector, dict) else ""


def criteria_of(values: Mapping[str, Any], logic: str, element: str, where: str) -> Criteria:
    """Filters or conditions with their logic."""
    allowed, left, right = (
        (FILTER, "field", "value") if element == "filters" else (CONDITION, "leftValueReference", "rightValue")
    )
    found = []
    for each in as_list(values.get(element)):
        if not isinstance(each, dict):
            raise Refused(INVALID, f"{where} - a condition is empty")
        _only(each, allowed, where)
        operator = text_of(each, "operator")
        if operator not in OPERATORS:
            raise Refused(INVALID, f"{where} - This org does not imitate the operator {operator or 'none'}")
        given = each.get(right)
        found.append(Condition(text_of(each, left), operator, check_value(given, where) if given else None))
    text = text_of(values, logic, "and")
    if text.lower() not in {"and", "or"}:
        check_logic(text, len(found), where)
    return Criteria(text, tuple(found))


def check_logic(text: str, count: int, where: str) -> None:
    """Refuse a logic that is not `1 AND (2 OR 3)` over the conditions that are there."""
    try:
        join_conditions(text, [True] * count)
    except (ValueError, IndexError) as problem:
        raise Refused(INVALID, f"{where} - The condition logic {text[:60]} is invalid") from problem


def join_conditions(logic: str, met: list[bool]) -> bool:
    """Whether the conditions hold together. ValueError or IndexError for a logic that makes no sense."""
    if logic.lower() in {"and", "or"}:
        return (all if logic.lower() == "and" else any)(met)
    tokens = logic.replace("(", " ( ").replace(")", " ) ").upper().split()
    result, rest = _join_or(tokens, met)
    if rest:
        raise ValueError(f"unexpected {rest[0]}")
    return result


def _join_or(tokens: list[str], met: list[bool]) -> tuple[bool, list[str]]:
    result, rest = _join_and(tokens, met)
    while rest and rest[0] == "OR":
        right, rest = _join_and(rest[1:], met)
        result = result or right
    return result, rest


def _join_and(tokens: list[str], met: list[bool]) -> tuple[bool, list[str]]:
    result, rest = _join_one(tokens, met)
    while rest and rest[0] == "AND":
        right, rest = _join_one(rest[1:], met)
        result = result and right
    return result, rest


def _join_one(tokens: list[str], met: list[bool]) -> tuple[bool, list[str]]:
    first, rest = tokens[0], tokens[1:]
    if first == "NOT":
        inner, rest = _join_one(rest, met)
        return not inner, rest
    if first == "(":
        inner, rest = _join_or(rest, met)
        if not rest or rest[0] != ")":
            raise ValueError("missing )")
        return inner, rest[1:]
    number = int(first)
    if number < 1:
        raise ValueError("conditions are numbered from 1")
    return met[number - 1], rest


def check_value(value: Any, where: str) -> Values:
    """A literal or reference; exactly one of the kinds that are understood."""
    if not isinstance(value, dict):
        raise Refused(INVALID, f"{where} - a value is empty")
    unknown = sorted(each for each in value if each not in VALUES)
    if unknown:
        raise Refused(INVALID, f"{where} - This org does not imitate values given as {unknown[0]}")
    if len(value) != 1:
        raise Refused(INVALID, f"{where} - a value must be given in exactly one way")
    return value


def _path(values: Any) -> Path:
    """A scheduled path."""
    if not isinstance(values, dict):
        raise Refused(INVALID, "Start - a scheduled path is empty")
    name = text_of(values, "name", "AsyncAfterCommit")
    _only(values, PATH, name)
    kind, target = text_of(values, "pathType"), target_of(values)
    if kind == "AsyncAfterCommit":
        extra = sorted({"timeSource", "offsetUnit", "offsetNumber", "recordField", "maxBatchSize"} & values.keys())
        if extra:
            raise Refused(INVALID, f"{name} - {extra[0]} can't be set for a path of type AsyncAfterCommit")
        return Path(name, target)
    source, number, unit = (text_of(values, each) for each in ("timeSource", "offsetNumber", "offsetUnit"))
    if kind or source not in {"RecordTriggerEvent", "RecordField"}:
        raise Refused(INVALID, f"{name} - This org does not imitate paths of type {kind or source or 'none'}")
    if unit not in UNITS or not number.removeprefix("-").isdigit():
        raise Refused(INVALID, f"{name} - This org imitates offsets of whole {', '.join(UNITS)}, not {number} {unit or 'none'}")
    seconds = int(number) * UNITS[unit]
    if source == "RecordTriggerEvent" and seconds < 0:
        raise Refused(INVALID, f"{name} - a path can't start before the record is saved")
    return Path(name, target, seconds, text_of(values, "recordField") if source == "RecordField" else "")


def _nothing(_node: Node) -> None:
    return


def _check_action(node: Node) -> None:
    kind = text_of(node.values, "actionType")
    if kind not in ACTIONS:
        raise Refused(INVALID, f"{node.name} (Action) - This org does not imitate actions of type {kind or 'none'}")
    for each in as_list(node.values.get("inputParameters")):
        _only(each, frozenset({"name", "value", "processMetadataValues"}), node.name)
        if each.get("value"):
            check_value(each["value"], f"{node.name} (Action)")
    for each in as_list(node.values.get("outputParameters")):
        _only(each, frozenset({"name", "assignToReference", "processMetadataValues"}), node.name)


def _check_assignment(node: Node) -> None:
    for each in as_list(node.values.get("assignmentItems")):
        _only(each, frozenset({"assignToReference", "operator", "value", "processMetadataValues"}), node.name)
        operator = text_of(each, "operator")
        if operator not in ASSIGNING:
            raise Refused(INVALID, f"{node.name} (Assignment) - This org does not imitate the operator {operator or 'none'}")
        if each.get("value"):
            check_value(each["value"], f"{node.name} (Assignment)")


def _check_decision(node: Node) -> None:
    for each in as_list(node.values.get("rules")):
        where = f"{node.name} (Decision)"
        _only(each, RULE, where)
        criteria_of(each, "conditionLogic", "conditions", where)


def _check_search(node: Node) -> None:
    criteria_of(node.values, "filterLogic", "filters", node.name)
    _check_inputs(node)


def _check_inputs(node: Node) -> None:
    for each in as_list(node.values.get("inputAssignments")):
        _only(each, frozenset({"field", "value", "processMetadataValues"}), node.name)
        if each.get("value"):
            check_value(each["value"], node.name)


def _check_resource(node: Node) -> None:
    kind = text_of(node.values, "dataType")
    if node.kind != "textTemplates" and kind not in DATA_TYPES:
        raise Refused(INVALID, f"{node.name} - This org does not imitate the data type {kind or 'none'}")
    if node.values.get("value"):
        check_value(node.values["value"], node.name)


PARTS = {
    "actionCalls": _check_action, "assignments": _check_assignment, "decisions": _check_decision,
    "recordCreates": _check_inputs, "recordDeletes": _check_search, "recordLookups": _check_search,
    "recordUpdates": _check_search,
}  # fmt: skip
