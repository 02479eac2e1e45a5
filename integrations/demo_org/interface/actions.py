"""Quick actions that create a record (with defaults from where they start), tabs, theme, process rules and approvals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.errors import ApiError
from integrations.demo_org.interface.layouts import item, shown_fields
from integrations.demo_org.lookups import normalize_id
from integrations.demo_org.records import NOT_FOUND, find_kind, save_one
from integrations.demo_org.replies import origin_of, read_json, reply
from integrations.demo_org.schema.types import ObjectType


@dataclass(frozen=True, slots=True)
class Action:
    """A global action: what it creates and which fields it shows. `fixed` are values it always sets."""

    name: str
    label: str
    type: str
    target: str
    fields: tuple[str, ...]
    fixed: tuple[tuple[str, str], ...] = ()


ACTIONS = (
    Action("LogACall", "Log a Call", "LogACall", "Task", ("Subject", "Description", "WhoId", "WhatId"),
           (("Status", "Completed"), ("TaskSubtype", "Call"))),
    Action("NewTask", "New Task", "Create", "Task", ("Subject", "ActivityDate", "Priority", "Status", "WhoId", "WhatId")),
    Action("NewAccount", "New Account", "Create", "Account", ("Name", "Phone", "Website")),
    Action("NewContact", "New Contact", "Create", "Contact", ("FirstName", "LastName", "Email", "Phone", "AccountId")),
    Action("NewCase", "New Case", "Create", "Case", ("Subject", "Status", "Priority", "ContactId", "AccountId")),
    Action("NewLead", "New Lead", "Create", "Lead", ("FirstName", "LastName", "Company", "Email", "Phone")),
    Action("NewOpportunity", "New Opportunity", "Create", "Opportunity", ("Name", "CloseDate", "StageName", "AccountId")),
)  # fmt: skip


def find_action(request: Request) -> tuple[Action, ObjectType]:
    """The action of the path and the object that it creates."""
    schema = request.app.state.org.schema_for(request.state.caller)
    found = next((each for each in ACTIONS if each.name == request.path_params["action"]), None)
    target = schema.find(found.target) if found else None
    if found is None or target is None:
        raise NOT_FOUND
    return found, target


def base_of(request: Request) -> str:
    """Where the actions of the path are."""
    version, name = request.path_params["version"], request.path_params.get("name")
    return f"/services/data/v{version}" + (f"/sobjects/{name}" if name else "") + "/quickActions"


def listed(request: Request, action: Action) -> dict[str, Any]:
    """One action of a list."""
    own = f"{base_of(request)}/{action.name}"
    defaults = f"{own}/defaultValues"
    return {
        "label": action.label, "name": action.name, "type": action.type,
        "urls": {"defaultValues": defaults, "defaultValuesTemplate": f"{defaults}/{{ID}}", "describe": f"{own}/describe",
                 "quickAction": own},
    }  # fmt: skip


def list_actions(request: Request) -> Response:
    """GET quickActions, of the org or of an object."""
    if "name" in request.path_params:
        find_kind(request)
    schema = request.app.state.org.schema_for(request.state.caller)
    return reply(request, [listed(request, each) for each in ACTIONS if schema.find(each.target)])


def describe_action(request: Request) -> Response:
    """GET quickActions/{name}/describe: what it is, and the layout of its fields."""
    action, target = find_action(request)
    fields = [each for each in shown_fields(target) if each.name in action.fields]
    rows = [{"layoutItems": [item(target, each, edit=True)], "numItems": 1} for each in fields]
    defaults = [{"defaultValue": None, "field": each.name} for each in fields]
    head = listed(request, action)
    return reply(request, {
        "accessLevelRequired": None, "contextSobjectType": None, "defaultValues": defaults, "icons": [],
        "label": head["label"], "layout": {"id": None, "layoutRows": rows, "name": "ActionLayout"}, "name": head["name"],
        "targetParentField": None, "targetRecordTypeId": None, "targetSobjectType": target.name, "type": head["type"],
        "urls": head["urls"],
    })  # fmt: skip


def parent_values(target: ObjectType, request: Request, context: str | None) -> dict[str, Any]:
    """The look-ups of a new record that point to the record from which the action was started."""
    schema = request.app.state.org.schema_for(request.state.caller)
    record_id = normalize_id(context) if context else None
    kind = schema.by_prefix(record_id) if record_id else None
    if context and kind is None:
        raise ApiError(400, "INVALID_ID_FIELD", f"invalid context id {context}")
    if kind is None:
        return {}
    people = kind.name in {"Contact", "Lead"}
    fitting = [f for f in target.fields if kind.name in f.reference_to and f.createable and f.name != "OwnerId"]
    fitting.sort(key=lambda each: (each.name == "WhatId") == people)
    return {fitting[0].name: record_id} if fitting else {}


def default_values(request: Request) -> Response:
    """GET quickActions/{name}/defaultValues[/{context}]: a record as it would start."""
    action, target = find_action(request)
    values = {name: made.default for name in action.fields if (made := target.find(name)) is not None}
    values |= parent_values(target, request, request.path_params.get("context"))
    return reply(request, {"attributes": {"type": target.name}, **values})


def perform(request: Request) -> Response:
    """POST quickActions/{name}: create the record."""
    action, target = find_action(request)
    body = read_json(request)
    record = body.get("record") if isinstance(body, dict) else None
    if not isinstance(record, Mapping):
        raise ApiError(400, "JSON_PARSER_ERROR", "The body needs a record")
    context = body.get("contextId")
    values = {**dict(action.fixed), **parent_values(target, request, context), **record}
    known = {name: value for name, value in values.items() if target.find(name) or name not in dict(action.fixed)}
    result = save_one(request, target, known, operation="insert")
    return reply(request, {"contextId": context, "created": True, "errors": [], "feedItemIds": [], "id": result.id,
                           "success": True, "successMessage": None}, 201)  # fmt: skip


# -- neighbors -------------------------------------------------------------------------------------------------------


def tabs_of(request: Request) -> list[dict[str, Any]]:
    """One tab per object that people work with."""
    schema, origin = request.app.state.org.schema_for(request.state.caller), origin_of(request)
    kinds = [each for each in schema.objects.values() if each.createable and each.searchable]
    return [
        {
            "colors": [], "custom": each.custom, "iconUrl": f"{origin}/img/icon/generic32.png", "icons": [],
            "label": each.label_plural, "miniIconUrl": f"{origin}/img/icon/generic16.png",
            "name": each.name if each.custom else f"standard-{each.name}", "sobjectName": each.name,
            "timeZone": None, "url": f"{origin}/{each.key_prefix}/o",
        }
        for each in sorted(kinds, key=lambda kind: kind.label_plural)
    ]  # fmt: skip


def list_tabs(request: Request) -> Response:
    """GET tabs."""
    return reply(request, tabs_of(request))


def show_theme(request: Request) -> Response:
    """GET theme: no object has icons of its own here."""
    schema = request.app.state.org.schema_for(request.state.caller)
    return reply(request, {"themeItems": [{"colors": None, "icons": None, "name": each} for each in sorted(
        kind.name for kind in schema.objects.values())]})  # fmt: skip


def process_rules(request: Request) -> Response:
    """GET process/rules: none are set up. POST triggers them for records: nothing to do."""
    if request.method == "GET":
        return reply(request, {"rules": {}})
    body = read_json(request)
    if not isinstance(body, dict) or not isinstance(body.get("contextIds"), list):
        raise ApiError(400, "INVALID_INPUT", "contextIds is required")
    return reply(request, {"errors": None, "success": True})


def approvals(request: Request) -> Response:
    """GET process/approvals: none are set up, so a POST finds none that applies."""
    if request.method == "GET":
        return reply(request, {"approvals": {}})
    raise ApiError(400, "NO_APPLICABLE_PROCESS", "No applicable approval process was found.")


_DATA = "/services/data/v{version}"
routes = [
    *(
        route
        for base in (f"{_DATA}/quickActions", f"{_DATA}/sobjects/{{name}}/quickActions")
        for route in (
            Route(base, list_actions, methods=["GET"]),
            Route(base + "/{action}", perform, methods=["POST"]),
            Route(base + "/{action}", describe_action, methods=["GET"]),
            Route(base + "/{action}/describe", describe_action, methods=["GET"]),
            Route(base + "/{action}/defaultValues", default_values, methods=["GET"]),
            Route(base + "/{action}/defaultValues/{context}", default_values, methods=["GET"]),
        )
    ),
    Route(_DATA + "/tabs", list_tabs, methods=["GET"]),
    Route(_DATA + "/theme", show_theme, methods=["GET"]),
    Route(_DATA + "/process/rules", process_rules, methods=["GET", "POST"]),
    Route(_DATA + "/process/approvals", approvals, methods=["GET", "POST"]),
]
