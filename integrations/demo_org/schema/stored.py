"""Object and field types as JSON: how deployed metadata is kept in the data file."""

from dataclasses import fields
from typing import Any

from integrations.demo_org.schema.types import Field, ObjectType, PicklistValue


def field_to_json(made: Field) -> dict[str, Any]:
    """Every attribute of a field by its name."""
    body = {each.name: getattr(made, each.name) for each in fields(Field)}
    body["picklist"] = [{each.name: getattr(value, each.name) for each in fields(PicklistValue)} for value in made.picklist]
    return body


def field_from_json(body: dict[str, Any]) -> Field:
    """The field that `field_to_json` wrote."""
    entries = body.get("picklist", ())
    picklist = tuple(PicklistValue(**{**each, "valid_for": tuple(each.get("valid_for", ()))}) for each in entries)
    return Field(**{**body, "picklist": picklist, "reference_to": tuple(body.get("reference_to", ()))})


def object_to_json(made: ObjectType) -> dict[str, Any]:
    """Every attribute of an object by its name, its fields included."""
    plain = {each.name: getattr(made, each.name) for each in fields(ObjectType) if each.name not in {"fields", "by_name"}}
    return {**plain, "fields": [field_to_json(each) for each in made.fields]}


def object_from_json(body: dict[str, Any]) -> ObjectType:
    """The object that `object_to_json` wrote."""
    return ObjectType(**{**body, "fields": tuple(field_from_json(each) for each in body["fields"])})
