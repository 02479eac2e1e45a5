"""One run of a flow for one record: its elements one after the other, with variables, until a path ends."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from integrations.demo_org.automation import callouts, openapi
from integrations.demo_org.automation.callouts import CalloutFailed
from integrations.demo_org.automation.comparing import meets
from integrations.demo_org.automation.facts import (
    MOST_FOUND,
    Record,
    Search,
    find_parent,
    find_records,
    load_records,
    stored,
)
from integrations.demo_org.automation.formulas import evaluate, read_expression
from integrations.demo_org.automation.merging import MERGE, merge_text
from integrations.demo_org.automation.openapi import BadInput, matches
from integrations.demo_org.automation.setting import LITERALS, NEVER, FlowFault, Step, combined, copied
from integrations.demo_org.automation.shape import Criteria, Flow, Node, criteria_of, join_conditions, target_of
from integrations.demo_org.errors import ApiError
from integrations.demo_org.formulas.reading import BadFormula
from integrations.demo_org.lookups import normalize_id
from integrations.demo_org.nested import Values, as_list, flag_of, text_of
from integrations.demo_org.schema.types import ObjectType

if TYPE_CHECKING:
    from integrations.demo_org.org import Caller, DemoOrg

logger = logging.getLogger(__name__)
MOST_ELEMENTS = 2_000
TOO_MANY = "The number of iterations exceeded. Only 2000 elements can be executed at runtime."
NO_CALLOUT = "Callout from triggers are currently not supported."
SAVES: dict[str, str] = {"recordCreates": "create", "recordUpdates": "update", "recordDeletes": "delete"}


@dataclass
class Interview:
    """The state of a run. `elements`, `faults` and `calls` tell afterwards what happened."""

    org: "DemoOrg"
    flow: Flow
    caller: "Caller"
    record: Record
    prior: Record | None
    step: Step
    now: datetime
    is_new: bool
    find_service: Callable[[str], openapi.Service | None]
    values: dict[str, Any] = field(default_factory=dict)
    loops: dict[str, list[Any]] = field(default_factory=dict)
    parents: dict[tuple[str, str, str], Record | None] = field(default_factory=dict)
    elements: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    guid: str = field(default_factory=lambda: str(uuid4()))
    depth: int = 0
    generation: int = 0

    def __post_init__(self) -> None:
        self.generation = self.org.store.generation
        for each in self.flow.resources.values():
            if each.kind == "variables":
                self.values[each.name] = self._first_value(each)

    def run(self, target: str) -> None:
        """Walk from an element to the end of its path. FlowFault when an element failed and has no fault path."""
        while target:
            if len(self.elements) >= MOST_ELEMENTS:
                raise FlowFault(TOO_MANY)
            if self.org.store.generation != self.generation:
                raise FlowFault("The org was reset")
            node = self.flow.nodes[target]
            self.elements.append(node.name)
            target = self._pass(node)

    def _pass(self, node: Node) -> str:
        """Do one element; the name of the next one."""
        try:
            return DEEDS[node.kind](self, node)
        except (FlowFault, BadFormula, KeyError) as problem:
            text = str(problem) if not isinstance(problem, KeyError) else f"The field {problem} doesn't exist"
            self.values["$Flow.FaultMessage"] = text
            self.faults.append(f"{node.name}: {text}")
            after = target_of(node.values, "faultConnector")
            if not after:
                raise FlowFault(f"The flow failed at the element {node.name}: {text}") from problem
            return after

    # -- values ------------------------------------------------------------------------------------------------------

    def _first_value(self, node: Node) -> Any:
        if flag_of(node.values, "isCollection"):
            return []
        kind = text_of(node.values, "dataType")
        if kind == "SObject":
            return Record(self.org.schema.objects[text_of(node.values, "objectType").lower()], {})
        if kind == "Apex":
            return {}
        given = node.values.get("value")
        return self.value(given) if given else (False if kind == "Boolean" else None)

    def value(self, given: Values | None) -> Any:
        """A literal, or what a reference leads to."""
        if not given:
            return None
        (kind, text), *_ = given.items()
        text = "" if text is None else str(text)
        if kind == "elementReference":
            return self.value_of(text)
        if kind == "stringValue":
            return merge_text(text, self.value_of)
        return LITERALS[kind](text)

    def value_of(self, reference: str) -> Any:
        """The value of a reference such as `$Record.Account.Name`, `deal.lines` or `Send.responseCode`."""
        head, *rest = reference.split(".")
        if head == "$Record":
            return self._walk(self.record, rest)
        if head == "$Record__Prior":
            return self._walk(self.prior, rest) if self.prior is not None else None
        if head == "$Flow":
            return self._flow_value(rest[0] if rest else "")
        if head in OWNERS:
            return self.org.info.org_id if reference == "$Organization.Id" else self._walk(self._owner(head), rest)
        if head in self.values:
            return self._walk(self.values[head], rest)
        resource = self.flow.resources.get(head)
        return None if resource is None else self._resource(resource)

    def _owner(self, head: str) -> Record | None:
        """The user, profile or organization behind `$User`, `$Profile`, `$Organization`."""
        connection = self.org.store.read()
        ids = {"$User": self.caller.user_id, "$Organization": self.org.info.org_id}
        record_id = ids.get(head, "")
        if head == "$Profile":
            row = connection.execute('SELECT ProfileId FROM "User" WHERE Id = ?', (self.caller.user_id,)).fetchone()
            record_id = (row and row[0]) or ""
        kind = self.org.schema.find(head.removeprefix("$"))
        return load_records(connection, kind, [record_id]).get(record_id) if kind and record_id else None

    def _flow_value(self, name: str) -> Any:
        return {
            "CurrentDate": self.now.date(), "CurrentDateTime": self.now, "InterviewStartTime": self.now,
            "InterviewGuid": self.guid,
            "CurrentRecord": self.record.id, "FaultMessage": self.values.get("$Flow.FaultMessage", ""),
        }.get(name)  # fmt: skip

    def _resource(self, node: Node) -> Any:
        """A constant, formula or text template, evaluated now; formulas that need themselves are stopped."""
        if node.kind == "constants":
            return self.value(node.values.get("value"))
        if self.depth > 40:
            raise BadFormula(f"{node.name} refers to itself")
        self.depth += 1
        try:
            if node.kind == "formulas":
                return evaluate(read_expression(text_of(node.values, "expression")), self)
            return merge_text(text_of(node.values, "text"), self.value_of)
        finally:
            self.depth -= 1

    def _walk(self, value: Any, rest: list[str]) -> Any:
        """A part of a record, of an action's outputs or of a structured variable."""
        for place, name in enumerate(rest):
            if isinstance(value, Record):
                last = place == len(rest) - 1
                value = value.get(name) if last and value.kind.find(name) else self._parent(value, name)
            elif isinstance(value, dict):
                value = next((each for key, each in value.items() if matches(name, str(key))), None)
            else:
                return None
        return value

    def _parent(self, record: Record, name: str) -> Record | None:
        key = (record.kind.name, record.id, name.lower())
        if key not in self.parents:
            self.parents[key] = find_parent(self.org.store.read(), self.org, record, name)
        return self.parents[key]

    def put(self, reference: str, value: Any, operator: str = "Assign") -> None:
        """Set a variable, a field of a record, or a part of a structured variable."""
        head, *rest = reference.split(".")
        holder = self.record if head == "$Record" else self.values.get(head)
        if rest:
            self._put_part(holder, head, rest, value, operator)
            return
        self.values[head] = combined(holder, value, operator)

    def _put_part(self, holder: Any, head: str, rest: list[str], value: Any, operator: str) -> None:
        if isinstance(holder, Record):
            if len(rest) > 1:
                raise FlowFault(f"{head}.{'.'.join(rest)} can't be set: only a record's own fields can")
            holder.set(rest[0], combined(holder.get(rest[0]), value, operator))
            return
        if not isinstance(holder, dict):
            raise FlowFault(f"{head} has no part {rest[0]}")
        for name in rest[:-1]:
            holder = holder.setdefault(name, {})
        holder[rest[-1]] = combined(holder.get(rest[-1]), value, operator)

    # -- elements ----------------------------------------------------------------------------------------------------

    def meets(self, criteria: Criteria) -> bool:
        """Whether a decision's conditions hold."""
        met = [
            meets(self.value_of(each.left), each.operator, self.value(each.right),
                prior=lambda each=each: self._before(each.left))
            for each in criteria.conditions
        ]  # fmt: skip
        return join_conditions(criteria.logic, met)

    def _before(self, reference: str) -> Any:
        """What a field of the record was, for IsChanged; new records have changed in everything."""
        if self.is_new:
            return NEVER
        return self.value_of(reference.replace("$Record.", "$Record__Prior.", 1))

    def assign(self, node: Node) -> str:
        """Assignment: its items in their order."""
        for each in as_list(node.values.get("assignmentItems")):
            self.put(text_of(each, "assignToReference"), copied(self.value(each.get("value"))), text_of(each, "operator"))
        return target_of(node.values)

    def decide(self, node: Node) -> str:
        """Decision: the first outcome whose conditions hold, or the default one."""
        for rule in as_list(node.values.get("rules")):
            if self._takes(criteria_of(rule, "conditionLogic", "conditions", node.name), rule):
                self.values[text_of(rule, "name")] = True
                return target_of(rule)
        return target_of(node.values, "defaultConnector")

    def _takes(self, criteria: Criteria, rule: Values) -> bool:
        """Whether an outcome is taken: its conditions hold, and did not before the save if it asks for that."""
        if not self.meets(criteria):
            return False
        if not flag_of(rule, "doesRequireRecordChangedToMeetCriteria") or self.prior is None:
            return True
        now, self.record = self.record, self.prior
        try:
            return not self.meets(criteria)
        finally:
            self.record = now

    def loop(self, node: Node) -> str:
        """Loop: the next item of the collection, or the way on when there is none."""
        if node.name not in self.loops:
            items = self.value_of(text_of(node.values, "collectionReference"))
            items = list(items) if isinstance(items, list) else []
            self.loops[node.name] = items if text_of(node.values, "iterationOrder") == "Desc" else items[::-1]
        waiting = self.loops[node.name]
        if not waiting:
            del self.loops[node.name]
            return target_of(node.values, "noMoreValuesConnector")
        item = waiting.pop()
        self.values[text_of(node.values, "assignNextValueToReference") or node.name] = item
        return target_of(node.values, "nextValueConnector")

    def look_up(self, node: Node) -> str:
        """Get records: stored automatically, in a variable, or field by field."""
        values = node.values
        kind, first = self.org.schema.objects[text_of(values, "object").lower()], flag_of(values, "getFirstRecordOnly")
        limit = text_of(values, "limit")
        most = 1 if first else int(limit) if limit.isdigit() else MOST_FOUND
        search = self._search(
            values, sort=text_of(values, "sortField"), descending=text_of(values, "sortOrder") == "Desc", limit=most
        )
        found = find_records(self.org.store.read(), kind, search)
        reference = text_of(values, "outputReference")
        single = first or not (flag_of(values, "storeOutputAutomatically") or self._is_collection(reference))
        result: Any = (found[0] if found else None) if single else found
        if as_list(values.get("outputAssignments")):
            for each in as_list(values.get("outputAssignments")):
                if found or flag_of(values, "assignNullValuesIfNoRecordsFound"):
                    self.put(text_of(each, "assignToReference"), found[0].get(text_of(each, "field")) if found else None)
        elif reference:
            if found or flag_of(values, "assignNullValuesIfNoRecordsFound"):
                self.put(reference, result)
        else:
            self.values[node.name] = result
        return target_of(values)

    def _is_collection(self, reference: str) -> bool:
        resource = self.flow.resources.get(reference)
        return resource is not None and flag_of(resource.values, "isCollection")

    def _search(self, values: Values, *, sort: str = "", descending: bool = False, limit: int = MOST_FOUND) -> Search:
        criteria = criteria_of(values, "filterLogic", "filters", "")
        conditions = tuple((each.left, each.operator, self.value(each.right)) for each in criteria.conditions)
        return Search(conditions, criteria.logic, sort, descending, limit)

    def write(self, node: Node) -> str:
        """Create, update or delete records: those of a variable, or those that filters find."""
        values, deed = node.values, SAVES[node.kind]
        reference = text_of(values, "inputReference")
        if reference:
            self._write_given(node, deed, self.value_of(reference))
            return target_of(values)
        kind = self.org.schema.objects[text_of(values, "object").lower()]
        given = {
            text_of(each, "field"): stored(self.value(each.get("value"))) for each in as_list(values.get("inputAssignments"))
        }
        if deed == "create":
            made = self._save(kind, [given], deed)
            self._keep_id(node, made[0])
            return target_of(values)
        found = find_records(self.org.store.read(), kind, self._search(values))
        rows: list[dict[str, Any]] = [{**(given if deed == "update" else {}), "Id": each.id} for each in found]
        self._save(kind, rows, deed)
        return target_of(values)

    def _write_given(self, node: Node, deed: str, given: Any) -> None:
        """Save the record or records of a variable."""
        records = [each for each in (given if isinstance(given, list) else [given]) if isinstance(each, Record)]
        for kind in {each.kind.name: each.kind for each in records}.values():
            own = [each for each in records if each.kind.name == kind.name]
            if deed == "update":
                own = [each for each in own if each.changed - {"Id"}]
            rows = [self._row(each, deed) for each in own]
            made = self._save(kind, rows, deed)
            for record, record_id in zip(own, made, strict=True):
                record.values["Id"] = record_id
                record.changed.clear()
            if deed == "create" and made and not isinstance(given, list):
                self._keep_id(node, made[0])

    def _row(self, record: Record, deed: str) -> dict[str, Any]:
        if deed == "delete":
            return {"Id": record.id}
        names = sorted(record.changed - {"Id"})
        return {name: stored(record.values[name]) for name in names} | ({"Id": record.id} if deed == "update" else {})

    def _keep_id(self, node: Node, record_id: str) -> None:
        target = text_of(node.values, "assignRecordIdToReference")
        if target:
            self.put(target, record_id)
        else:
            self.values[node.name] = record_id

    def _save(self, kind: ObjectType, rows: list[dict[str, Any]], deed: str) -> list[str]:
        if not rows:
            return []
        try:
            return self.step.save(kind, rows, deed)
        except (ApiError, FlowFault) as problem:
            text = problem.message if isinstance(problem, ApiError) else str(problem)
            raise FlowFault(f"This error occurred when the flow tried to {deed} records: {text}") from problem

    def act(self, node: Node) -> str:
        """Action: an outbound message, or a call of an external service."""
        name = text_of(node.values, "actionName")
        if text_of(node.values, "actionType") == "outboundMessage":
            self._notify(node, name)
            return target_of(node.values)
        inputs = {text_of(each, "name"): self.value(each.get("value")) for each in as_list(node.values.get("inputParameters"))}
        outputs = self._call_out(name, inputs)
        self.values[node.name] = outputs
        for each in as_list(node.values.get("outputParameters")):
            self.put(text_of(each, "assignToReference"), self._walk(outputs, [text_of(each, "name")]))
        return target_of(node.values)

    def _notify(self, node: Node, name: str) -> None:
        """Send an outbound message about the record that the action names, or else the one that started the flow."""
        given = [self.value(each.get("value")) for each in as_list(node.values.get("inputParameters"))]
        record_id = normalize_id(str(given[0])) if given and given[0] else self.record.id
        kind = self.org.schema.objects[name.partition(".")[0].lower()]
        record = load_records(self.org.store.read(), kind, [record_id or ""]).get(record_id or "")
        if record is None:
            raise FlowFault(
                f"The outbound message {name} can't be sent: there is no {kind.name} {given[0] if given else ''}".strip()
            )
        self.step.notify(name, record)

    def _call_out(self, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        """The outputs of an operation; any answer but a 2XX one is a fault."""
        if not self.step.may_call_out:
            raise FlowFault(NO_CALLOUT)
        service_name, _, operation_name = name.partition(".")
        service = self.find_service(service_name)
        operation = service.find(operation_name) if service else None
        if service is None or operation is None:
            raise FlowFault(f'The action "{name}" doesn\'t exist any more')
        noted: dict[str, Any] = {"action": name, "method": operation.method, "status": None}
        self.calls.append(noted)
        try:
            call = openapi.make_call(service, operation, inputs)
            answer = callouts.perform(self.org, service.credential, call, user_id=self.caller.user_id)
        except (BadInput, CalloutFailed) as problem:
            noted["error"] = str(problem)
            raise FlowFault(str(problem)) from problem
        noted |= {"status": answer.status, "url": answer.url.partition("?")[0], "seconds": round(answer.seconds, 3)}
        outputs = openapi.read_answer(operation, answer.status, answer.body)
        if not 200 <= answer.status < 300:
            self.values[f"{name} outputs"] = outputs
            raise FlowFault(
                f"Failed with http response code {answer.status}. {answer.body[:300].decode('utf-8', 'replace')}".strip()
            )
        return outputs


OWNERS = frozenset({"$User", "$Organization", "$Profile"})


DEEDS: dict[str, Callable[[Interview, Node], str]] = {
    "assignments": Interview.assign, "decisions": Interview.decide, "loops": Interview.loop, "recordLookups": Interview.look_up,
    "recordCreates": Interview.write, "recordUpdates": Interview.write, "recordDeletes": Interview.write,
    "actionCalls": Interview.act,
}  # fmt: skip
__all__ = ["MERGE", "FlowFault", "Interview", "Step"]
