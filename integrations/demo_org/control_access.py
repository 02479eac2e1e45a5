"""The control plane's ways to change what users may see and what an administrator set up: rights, rules, fields."""

from collections.abc import Mapping
from dataclasses import fields as parts_of
from typing import Any

from starlette.requests import Request

from integrations.demo_org import rules
from integrations.demo_org.metadata.fields import find_users
from integrations.demo_org.org import DemoOrg
from integrations.demo_org.schema.stored import field_from_json, field_to_json
from integrations.demo_org.schema.types import Field, ObjectType

FIELD_KEYS = frozenset(each.name for each in parts_of(Field))
NOT_WORDS = "Name an object of the org"


def find_object(org: DemoOrg, body: Mapping[str, Any]) -> ObjectType:
    """The object that a body names. ValueError if there is none."""
    kind = org.schema.find(str(body.get("object", "")))
    if kind is None:
        raise ValueError(f"{NOT_WORDS}: there is no {body.get('object') or 'object given'}")
    return kind


def find_user(org: DemoOrg, name: str) -> str:
    """The id of a user given by name or id; "" (everybody) for no name. ValueError if there is none."""
    if not name:
        return ""
    sql = 'SELECT Id FROM "User" WHERE Username = ? OR Id = ? OR substr(Id, 1, 15) = ?'
    row = org.store.read().execute(sql, (name, name, name)).fetchone()
    if row is None:
        raise ValueError(f"There is no user {name}")
    return row[0]


def manage_rights(request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST {object, user?, read?, create?, edit?, delete?, fields?: {name: {read, edit}}}: what a user (or everybody) may do.

    What is not named stays as it is. Without read the object does not exist for the user: queries fail with INVALID_TYPE,
    describe with 404. Without create, edit or delete rows fail with CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY (create) or
    INSUFFICIENT_ACCESS_OR_READONLY, in bulk jobs too; describe tells it. GET lists the orders, DELETE forgets them all.
    """
    if request.method == "DELETE":
        org.rights.clear()
    elif request.method == "POST":
        kind, user = find_object(org, body), find_user(org, str(body.get("user") or ""))
        org.rights.order(user, kind, {key: value for key, value in body.items() if key not in {"object", "user"}})
    return {"rights": org.rights.rows()}


def manage_rules(request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST {name, object, field, op, value, message, error_field?} or {name, object, formula, message, error_field?}: an
    administrator adds a validation rule (or replaces the one of that name). Rows for which the condition is true fail with
    FIELD_CUSTOM_VALIDATION_EXCEPTION. Conditions (op): = != < > blank not_blank contains matches.

    GET lists the rules; DELETE removes {name}, without a name all. The same list as the setting validation_rules.
    """
    name = str(body.get("name") or "")
    kept = [each for each in org.settings.validation_rules if name and each.get("name") != name]
    if request.method == "POST":
        if not name:
            raise ValueError("A rule needs a name, by which it can be removed again")
        rules.make_rule(find_object(org, body), org.schema, body)
        org.settings.validation_rules = [*kept, body]
    elif request.method == "DELETE":
        org.settings.validation_rules = kept
    return {"rules": org.settings.validation_rules}


def check_rules(org: DemoOrg, listed: Any) -> None:
    """ValueError for a list of validation rules of which one makes no sense."""
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, Mapping):
            rules.make_rule(find_object(org, each), org.schema, each)


def change_field(_request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST {object, field: {name, label, type, length, ...}}: an administrator adds a field, or changes one (only the named
    properties change: {name: "SystemModstamp", filterable: false}). With another type the stored values are converted, those
    that do not fit become blank. {object, field: {name}, remove: true} deletes a custom field with its values.

    Describe and queries know it at once; a removed field fails with INVALID_FIELD.
    """
    kind, described = find_object(org, body), body.get("field")
    if not isinstance(described, dict) or not described.get("name"):
        raise ValueError('Name an object of the org and describe the field: {"object": "Account", "field": {"name": ...}}')
    present = kind.find(str(described["name"]))
    if body.get("remove"):
        if present is None or not present.custom:
            raise ValueError(f"{kind.name} has no custom field {described['name']}; standard fields can only be hidden")
        users = find_users(org.draft, kind, present)
        if users:
            raise ValueError(f"{present.name} is needed by {', '.join(users)}")
        org.change_schema([{"kind": "drop_field", "object": kind.name, "field": present.name}])
        return {"object": kind.name, "removed": present.name}
    unknown = sorted(set(described) - FIELD_KEYS)
    if unknown:
        raise ValueError(f"Not a field: it has no {', '.join(unknown)}")
    known = {"label": described["name"], "custom": True} if present is None else field_to_json(present)
    made = field_from_json({**known, **described, **({"name": present.name} if present else {})})
    org.add_field(kind.name, made)
    return {"object": kind.name, "field": made.name}
