"""Whether what a flow names is there: objects, fields, elements, resources, actions. The first fault refuses the flow."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from integrations.demo_org.automation.formulas import names_in, read_expression
from integrations.demo_org.automation.merging import references_in
from integrations.demo_org.automation.openapi import Service, encode, property_schema
from integrations.demo_org.automation.shape import INVALID, Flow, Node, criteria_of, target_of
from integrations.demo_org.formulas.reading import BadFormula
from integrations.demo_org.nested import Refused, Values, as_list, flag_of, text_of
from integrations.demo_org.schema.types import ObjectType

if TYPE_CHECKING:
    from integrations.demo_org.schema.changes import Draft

TITLES = {
    "actionCalls": "Action", "assignments": "Assignment", "decisions": "Decision", "loops": "Loop",
    "recordCreates": "Create Records",
    "recordDeletes": "Delete Records", "recordLookups": "Get Records", "recordUpdates": "Update Records",
    "variables": "Variable", "constants": "Constant", "formulas": "Formula", "textTemplates": "Text Template",
}  # fmt: skip
# global values: their parts, or None for the fields of an object
GLOBALS: dict[str, tuple[str, ...] | str] = {
    "$Flow": ("CurrentDate", "CurrentDateTime", "FaultMessage", "InterviewGuid", "CurrentRecord", "ActiveStages",
        "InterviewStartTime"),
    "$User": "User", "$Organization": "Organization", "$Profile": "Profile",
}  # fmt: skip
FIND_SERVICE = Callable[[str], Service | None]


class Checker:
    """Looks at one flow against a draft of the org's schema. `find_service` and `has_message` know the org's actions."""

    def __init__(self, draft: "Draft", flow: Flow, *, find_service: FIND_SERVICE, has_message: Callable[[str], bool]) -> None:
        self.draft, self.flow, self.find_service, self.has_message = draft, flow, find_service, has_message
        self.kind = self._object(flow.object, "Start")

    def check(self) -> None:
        """Refuse the flow at its first fault."""
        self._check_start()
        for each in self.flow.nodes.values():
            for target in targets_of(each):
                self._target(target, self._where(each))
            self._node(each)
        for each in self.flow.resources.values():
            self._resource(each)
        self._check_reached()

    def _where(self, node: Node) -> str:
        return f"{node.name} ({TITLES.get(node.kind, node.kind)})"

    def _refuse(self, where: str, text: str) -> None:
        raise Refused(INVALID, f"{where} - {text}")

    def _object(self, name: str, where: str) -> ObjectType:
        found = self.draft.find(name) if name else None
        if found is None:
            raise Refused(INVALID, f"{where} - The object \"{name}\" doesn't exist, or you don't have access to it.")
        return found

    def _field(self, kind: ObjectType, name: str, where: str) -> None:
        if kind.find(name) is None:
            self._refuse(where, f'The field "{name}" for the object "{kind.name}" doesn\'t exist.')

    def _target(self, name: str, where: str) -> None:
        if name and name not in self.flow.nodes:
            self._refuse(where, f'The connector refers to the element "{name}", which doesn\'t exist.')

    def _check_start(self) -> None:
        flow = self.flow
        for target in (flow.target, *(each.target for each in flow.paths)):
            self._target(target, "Start")
        for each in flow.criteria.conditions:
            self._field(self.kind, each.left, "Start")
            self._value(each.right, "Start")
        if flow.formula:
            self._formula(flow.formula, "Start")
        for each in flow.paths:
            if each.source_field:
                self._field(self.kind, each.source_field, each.name)

    def _check_reached(self) -> None:
        """Elements to which nothing leads cannot be saved in an active flow."""
        leading = {self.flow.target, *(each.target for each in self.flow.paths)}
        for each in self.flow.nodes.values():
            leading |= set(targets_of(each))
        alone = sorted(set(self.flow.nodes) - leading)
        if alone and self.flow.status == "Active":
            raise Refused(INVALID, f'The element "{alone[0]}" isn\'t connected to any other element of the flow.')

    def _node(self, node: Node) -> None:
        where, values = self._where(node), node.values
        check = {
            "actionCalls": self._action, "assignments": self._assignment, "decisions": self._decision, "loops": self._loop,
        }.get(node.kind)  # fmt: skip
        if check is not None:
            check(node, where)
            return
        reference = text_of(values, "inputReference")
        if reference:
            self._reference(reference, where)
        name = text_of(values, "object")
        if not name and reference:
            return
        kind = self._object(name, where)
        criteria = criteria_of(values, "filterLogic", "filters", where)
        for each in criteria.conditions:
            self._field(kind, each.left, where)
            self._value(each.right, where)
        for each in as_list(values.get("inputAssignments")):
            self._field(kind, text_of(each, "field"), where)
            self._value(each.get("value"), where)
        for each in as_list(values.get("outputAssignments")):
            self._field(kind, text_of(each, "field"), where)
            self._assignable(text_of(each, "assignToReference"), where)
        for name in [*as_list(values.get("queriedFields")), *filter(None, [text_of(values, "sortField")])]:
            self._field(kind, str(name), where)
        for element in ("outputReference", "assignRecordIdToReference"):
            if text_of(values, element):
                self._assignable(text_of(values, element), where)

    def _action(self, node: Node, where: str) -> None:
        name, kind = text_of(node.values, "actionName"), text_of(node.values, "actionType")
        if kind == "outboundMessage":
            if not self.has_message(name):
                self._refuse(where, f'We couldn\'t find the outbound message "{name}".')
            unknown = [text_of(each, "name") for each in as_list(node.values.get("inputParameters"))
                       if text_of(each, "name") != "SObjectRowId"]  # fmt: skip
            if unknown:
                self._refuse(where, f'The action "{name}" has no input parameter "{unknown[0]}".')
        else:
            self._service_action(node, where, name)
        for each in as_list(node.values.get("inputParameters")):
            self._value(each.get("value"), where)
        for each in as_list(node.values.get("outputParameters")):
            self._assignable(text_of(each, "assignToReference"), where)

    def _service_action(self, node: Node, where: str, name: str) -> None:
        service_name, _, operation_name = name.partition(".")
        service = self.find_service(service_name)
        operation = service.find(operation_name) if service else None
        if service is None or operation is None:
            self._refuse(where, f'We couldn\'t find the action "{name}" with the action type "externalService".')
            return
        known = {each.name for each in operation.parameters} | ({"body"} if operation.body is not None else set())
        named = {*known, *(encode(each) for each in known)}
        for each in as_list(node.values.get("inputParameters")):
            if text_of(each, "name") not in named:
                self._refuse(where, f'The action "{name}" has no input parameter "{text_of(each, "name")}".')

    def _assignment(self, node: Node, where: str) -> None:
        for each in as_list(node.values.get("assignmentItems")):
            self._assignable(text_of(each, "assignToReference"), where)
            self._value(each.get("value"), where)

    def _decision(self, node: Node, where: str) -> None:
        for rule in as_list(node.values.get("rules")):
            for each in criteria_of(rule, "conditionLogic", "conditions", where).conditions:
                self._reference(each.left, where)
                self._value(each.right, where)

    def _loop(self, node: Node, where: str) -> None:
        self._reference(text_of(node.values, "collectionReference"), where)
        target = text_of(node.values, "assignNextValueToReference")
        if target:
            self._assignable(target, where)

    def _value(self, value: Any, where: str) -> None:
        if isinstance(value, dict) and text_of(value, "elementReference"):
            self._reference(text_of(value, "elementReference"), where)
        elif isinstance(value, dict):
            for each in references_in(text_of(value, "stringValue")):
                self._reference(each, where)

    def _formula(self, text: str, where: str) -> None:
        try:
            names = names_in(read_expression(text))
        except BadFormula as problem:
            raise Refused(INVALID, f"{where} - The formula expression is invalid: {problem}") from problem
        for each in sorted(names):
            self._reference(each, where)

    def _resource(self, node: Node) -> None:
        where, values = self._where(node), node.values
        if node.kind == "formulas":
            self._formula(text_of(values, "expression"), where)
        if node.kind == "textTemplates":
            for each in references_in(text_of(values, "text")):
                self._reference(each, where)
        kind, class_name = text_of(values, "dataType"), text_of(values, "apexClass")
        if kind == "SObject":
            self._object(text_of(values, "objectType"), where)
        if kind == "Apex" and self.class_schema(class_name) is None:
            text = (
                '"apexClass" is invalid. Provide the API name of an Apex class that includes an Apex data type supported in '
                "flows."
            )
            self._refuse(where, text)
        if node.kind != "formulas":
            self._value(values.get("value"), where)

    def class_schema(self, name: str) -> Values | None:
        """The type behind a generated class, or None if no registration of the org makes such a class."""
        own = name.removeprefix("ExternalService__")
        service = self.find_service(own.partition("_")[0])
        if service is None or own == name:
            return None
        return next((each for key, each in service.classes.items() if key.lower() == name.lower()), None)

    def _assignable(self, reference: str, where: str) -> None:
        head = reference.partition(".")[0]
        resource = self.flow.resources.get(head)
        if head != "$Record" and (resource is None or resource.kind != "variables"):
            self._refuse(where, f'The element has an invalid reference to "{reference}": only variables can be set.')
        self._reference(reference, where)

    def _reference(self, reference: str, where: str) -> None:
        """Refuse a reference to what is not there, down to its last part."""
        head, *rest = reference.split(".")
        if head in {"$Record", "$Record__Prior"}:
            self._parts(self.kind, rest, reference, where)
        elif head in GLOBALS:
            known = GLOBALS[head]
            if isinstance(known, str):
                self._parts(self._object(known, where), rest, reference, where)
            elif not rest or rest[0] not in known:
                self._refuse(where, f'The element has an invalid reference to "{reference}".')
        elif head in self.flow.resources:
            self._resource_part(self.flow.resources[head], rest, reference, where)
        elif head in self.flow.nodes:
            self._node_part(self.flow.nodes[head], rest, reference, where)
        elif not any(head == text_of(rule, "name") for each in self.flow.nodes.values() if each.kind == "decisions"
                     for rule in as_list(each.values.get("rules"))):  # fmt: skip
            self._refuse(where, f'The element has an invalid reference to "{reference}".')

    def _resource_part(self, node: Node, rest: list[str], reference: str, where: str) -> None:
        kind = text_of(node.values, "dataType")
        if rest and kind == "SObject":
            self._parts(self._object(text_of(node.values, "objectType"), where), rest, reference, where)
        elif rest and kind == "Apex":
            schema = self.class_schema(text_of(node.values, "apexClass"))
            if schema is not None and property_schema(schema, rest) is None:
                self._refuse(where, f'The element has an invalid reference to "{reference}".')
        elif rest:
            self._refuse(where, f'The element has an invalid reference to "{reference}".')

    def _node_part(self, node: Node, rest: list[str], reference: str, where: str) -> None:
        """What an element stores by itself: a found or created record, a loop's current item, an action's outputs."""
        name = text_of(node.values, "object")
        if node.kind == "loops":
            name = self._looped_object(node)
        if rest and name and node.kind != "actionCalls":
            self._parts(self._object(name, where), rest, reference, where)

    def _looped_object(self, node: Node) -> str:
        head = text_of(node.values, "collectionReference").partition(".")[0]
        source = self.flow.nodes.get(head) or self.flow.resources.get(head)
        return (text_of(source.values, "object") or text_of(source.values, "objectType")) if source else ""

    def _parts(self, kind: ObjectType, rest: list[str], reference: str, where: str) -> None:
        """A field of a record, maybe of a parent."""
        for place, each in enumerate(rest):
            if place == len(rest) - 1:
                self._field(kind, each, where)
                return
            link = kind.by_relationship(each)
            target = self.draft.find(link.reference_to[0]) if link and link.reference_to else None
            if target is None:
                self._refuse(where, f'The element has an invalid reference to "{reference}".')
                return
            kind = target


def targets_of(node: Node) -> Iterator[str]:
    """The elements to which an element leads."""
    for name in ("connector", "faultConnector", "defaultConnector", "nextValueConnector", "noMoreValuesConnector"):
        if target := target_of(node.values, name):
            yield target
    for rule in as_list(node.values.get("rules")):
        if target := target_of(rule):
            yield target


def is_collection(node: Node) -> bool:
    """Whether a variable holds many values."""
    return flag_of(node.values, "isCollection")
