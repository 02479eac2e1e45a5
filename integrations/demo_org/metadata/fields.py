"""CustomField components: `Object.Field__c` in, the schema changed; and back again as metadata tells them."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from integrations.demo_org.metadata.field_types import MOST_PLACES, Place, build_field, location_parts, type_word
from integrations.demo_org.metadata.values import Refused, Values, number_of, text_of
from integrations.demo_org.rules import DEPLOYED, make_rule
from integrations.demo_org.schema.stored import field_to_json
from integrations.demo_org.schema.types import Field, ObjectType
from integrations.demo_org.store import quote

if TYPE_CHECKING:
    from integrations.demo_org.schema.changes import Draft, Row

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*__c", re.ASCII)
NAMESPACED = re.compile(r"[A-Za-z]\w*?__\w+__c", re.ASCII)
LONGEST_NAME, LONGEST_LABEL, MOST_FIELDS, MOST_EXTERNAL_IDS = 40, 40, 800, 25
OLD_PICKLISTS = 38.0
SHARED = {"activity": ("Task", "Event")}
"""Objects whose custom fields belong to several: those of activities are fields of tasks and of events."""
# what the schema itself says; anything else of a component is kept as a note
MODELED = frozenset({
    "fullName", "label", "type", "length", "precision", "scale", "required", "externalId", "unique", "caseSensitive",
    "defaultValue", "referenceTo", "relationshipName", "displayFormat", "inlineHelpText", "valueSet", "picklist",
})  # fmt: skip


def check_name(name: str, *, what: str, installing: str = "") -> None:
    """Refuse a developer name that Salesforce would not take; those of the package `installing` are taken."""
    if installing:
        name = name.removeprefix(f"{installing}__")
    if NAMESPACED.fullmatch(name):
        space = name.split("__", maxsplit=1)[0]
        text = "Only components in the same namespace as the organization can be created through the API"
        raise Refused("INVALID_FIELD", f"Cannot create a new component with the namespace: {space}.  {text}")
    if not NAME.fullmatch(name):
        rule = "can only contain underscores and alphanumeric characters. It must be unique, begin with a letter, not include"
        text = f"The {what} API Name {rule} spaces, not end with an underscore, and not contain two consecutive underscores."
        raise Refused("INVALID_FIELD", text)
    if len(name.removesuffix("__c")) > LONGEST_NAME:
        raise Refused("STRING_TOO_LONG", f"Name (length of name exceeds maximum length: {LONGEST_NAME})")


def split_name(full_name: str) -> tuple[str, str]:
    """Object and field of `Object.Field__c`."""
    object_name, dot, name = full_name.partition(".")
    if not dot or not object_name or not name:
        raise Refused("INVALID_FIELD", f"The full name of a custom field is Object.Field__c: {full_name[:80]}")
    return object_name, name


def owners_named(object_name: str) -> tuple[str, ...]:
    """The objects that have the fields of an object: itself, or those that share them."""
    return SHARED.get(object_name.lower(), (object_name,))


def owner_of(draft: "Draft", full_name: str) -> tuple[ObjectType, str]:
    """The object that a field's full name names, and the field's own name."""
    object_name, name = split_name(full_name)
    kind = draft.find(object_name)
    if kind is None:
        text = f"In field: CustomObject - no CustomObject named {object_name} found"
        raise Refused("INVALID_CROSS_REFERENCE_KEY", text)
    return kind, name


def find_field(draft: "Draft", full_name: str) -> Field | None:
    """The field of that full name, or None."""
    object_name, _, name = full_name.partition(".")
    kind = draft.find(owners_named(object_name)[0])
    return kind.find(name) if kind else None


def field_rows(draft: "Draft", values: Values, *, create: bool, update: bool) -> "list[Row]":
    """The changes that save a CustomField, on each object that has it. Refused when it may not be created or does not exist."""
    object_name, name = split_name(text_of(values, "fullName"))
    rows: list[Row] = []
    for owner in owners_named(object_name):
        rows += _rows_of_owner(draft, {**values, "fullName": f"{owner}.{name}"}, create=create, update=update)
    return rows


def _rows_of_owner(draft: "Draft", values: Values, *, create: bool, update: bool) -> "list[Row]":
    kind, name = owner_of(draft, text_of(values, "fullName"))
    present = kind.find(name)
    if present is None and not create:
        raise Refused("INVALID_CROSS_REFERENCE_KEY", f"In field: fullName - no CustomField named {kind.name}.{name} found")
    if present is not None and not update:
        raise Refused("DUPLICATE_DEVELOPER_NAME", f"There is already a field named {name.removesuffix('__c')} on {kind.label}.")
    if present is not None and not present.custom:
        raise Refused("INVALID_FIELD", f"{kind.name}.{name}: standard fields cannot be changed here")
    label = text_of(values, "label")
    if not label:
        raise Refused("REQUIRED_FIELD_MISSING", "Required field is missing: label")
    if len(label) > LONGEST_LABEL:
        raise Refused("STRING_TOO_LONG", f"Label: data value too large: {label} (max length={LONGEST_LABEL})")
    if present is None:
        check_name(name, what="Custom Field", installing=draft.installing)
    made = build_field(Place(present.name if present else name, label, kind, draft), values)
    made = _changed(present, made) if present else _fresh(kind, made)
    rows = _rows(kind, made, values, guarded=present is None and is_granted(made))
    if present is not None and present.calculated:
        changed = draft.copy().apply(rows)
        rows += _rebuilt(changed, changed.objects[kind.name.lower()], made.name)
    return rows


def _changed(present: Field, made: Field) -> Field:
    """A field that exists, described anew: its type must stay one of the same kind of value."""
    if present.calculated != made.calculated or (
        type_word(present) != type_word(made) and not (present.is_text and made.is_text)
    ):
        text = f"Cannot change the type of {present.name} from {type_word(present)} to {type_word(made)}"
        raise Refused("FIELD_INTEGRITY_EXCEPTION", text)
    return replace(made, child_relationship=made.child_relationship or present.child_relationship)


def _fresh(kind: ObjectType, made: Field) -> Field:
    """A new field, within the limits of an object."""
    if sum(each.custom for each in kind.fields) >= MOST_FIELDS:
        raise Refused("LIMIT_EXCEEDED", f"This entity has reached its maximum number of {MOST_FIELDS} custom fields")
    if made.external_id and sum(each.external_id for each in kind.fields) >= MOST_EXTERNAL_IDS:
        text = f"{kind.label} already has {MOST_EXTERNAL_IDS} external ID fields"
        raise Refused("LIMIT_EXCEEDED", text)
    if not made.nillable and made.type == "reference" and not made.cascade_delete:
        raise Refused("FIELD_INTEGRITY_EXCEPTION", "A required lookup is not imitated")
    return made


def is_granted(made: Field) -> bool:
    """Whether field-level security applies: required fields and master-detail links are always visible."""
    return made.nillable or made.type == "boolean" or made.auto_number


def _rows(kind: ObjectType, made: Field, values: Values, *, guarded: bool) -> "list[Row]":
    notes = {name: value for name, value in values.items() if name not in MODELED and value not in (None, "")}
    if made.calculated and made.formula_text is None:
        notes["type"] = "Summary"
    full_name = f"CustomField:{kind.name}.{made.name}"
    scale = number_of(values, "scale", 0, low=0, high=MOST_PLACES, label="Scale") if made.type == "location" else 0
    parts = location_parts(made, scale)
    made_rows = [
        {"kind": "field", "object": kind.name, "body": field_to_json(each), "guarded": guarded} for each in (*parts, made)
    ]
    return [*made_rows, {"kind": "notes", "name": full_name, "body": notes or None}]


def drop_rows(draft: "Draft", full_name: str) -> "list[Row]":
    """The changes that delete a custom field."""
    made = find_field(draft, full_name)
    if made is None or not made.custom:
        raise Refused("INVALID_CROSS_REFERENCE_KEY", f"No CustomField named: {full_name} found")
    rows: list[Row] = []
    for owner in owners_named(full_name.partition(".")[0]):
        kind = draft.objects[owner.lower()]
        users = find_users(draft, kind, made)
        if users:
            raise Refused(
                "DEPENDENCY_EXISTS", f"This custom field is referenced elsewhere in salesforce.com: {', '.join(users)}"
            )
        notes = {"kind": "notes", "name": f"CustomField:{kind.name}.{made.name}", "body": None}
        gone = [made.name, *(each.name for each in location_parts(made, 0))]
        rows += [{"kind": "drop_field", "object": kind.name, "field": each} for each in gone] + [notes]
    return rows


def _formulas_with(kind: ObjectType, name: str) -> list[Field]:
    """The deployed formulas of an object that name one of its fields."""
    word = re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w)", re.IGNORECASE)
    return [each for each in kind.fields if each.formula_text and word.search(each.formula_text) and each.name != name]


def _rebuilt(draft: "Draft", kind: ObjectType, changed: str, *, above: frozenset[str] = frozenset()) -> "list[Row]":
    """The formulas that contain a changed formula, built anew on it, and those that contain these."""
    rows: list[Row] = []
    above |= {changed}
    for each in _formulas_with(kind, changed):
        if each.name in above:
            raise Refused("FIELD_INTEGRITY_EXCEPTION", f"Error: {each.name} and {changed} contain each other")
        told = describe_field(draft, kind, each, version=OLD_PICKLISTS, qualified=True)
        fresh = build_field(Place(each.name, each.label, draft.objects[kind.name.lower()], draft), told)
        rows.append({"kind": "field", "object": kind.name, "body": field_to_json(fresh), "guarded": False})
        draft = draft.copy().apply(rows)
        rows += _rebuilt(draft, draft.objects[kind.name.lower()], each.name, above=above)
    return rows


def find_users(draft: "Draft", kind: ObjectType, made: Field) -> list[str]:
    """The calculated fields and validation rules that need a field."""
    column, table = quote(made.name), quote(kind.name)
    named = [f"{kind.name}.{each.name}" for each in _formulas_with(kind, made.name)]
    found = named + [
        f"{other.name}.{each.name}" for other in draft.objects.values() for each in other.fields
        if each.formula and each.custom and column in each.formula and (other.name == kind.name or table in each.formula)
        and f"{other.name}.{each.name}" not in named
    ]  # fmt: skip
    without = replace(kind, fields=kind.without([made.name]).fields)
    for name, body in draft.notes.items():
        if name.lower().startswith(f"{DEPLOYED}{kind.name}.".lower()):
            try:
                make_rule(without, draft.schema(), {"formula": body.get("errorConditionFormula"), "message": ""})
            except ValueError:
                found.append(name.removeprefix(DEPLOYED))
    return found


def describe_field(draft: "Draft", kind: ObjectType, made: Field, *, version: float, qualified: bool) -> Values:
    """A field as readMetadata tells it, its elements in alphabetical order behind the name."""
    facts: Values = {"externalId": made.external_id, "label": made.label, "type": type_word(made)} if made.custom else {}
    word = type_word(made)
    if made.calculated:
        facts |= _sizes(made, word) if word in {"Number", "Currency", "Percent"} else {}
        facts["inlineHelpText"] = made.help
    elif made.custom:
        facts |= _sizes(made, word)
        facts |= {"inlineHelpText": made.help, "caseSensitive": made.case_sensitive or None, "defaultValue": _default(made)}
        facts["required"] = None if word in {"Checkbox", "MasterDetail", "AutoNumber"} else not made.nillable
        facts |= _place(kind, made) if word == "Location" else {}
        facts["unique"] = made.unique if word in {"Text", "Number", "Email"} else None
    if made.type in {"picklist", "multipicklist"} and (made.custom or version < OLD_PICKLISTS):
        facts |= _picklist(kind, made, version)
    if word in {"Lookup", "MasterDetail"} and made.custom:
        facts["referenceTo"] = made.reference_to[0]
        facts["relationshipName"] = (made.child_relationship or "").removesuffix("__r") or None
    facts |= draft.notes.get(f"CustomField:{kind.name}.{made.name}", {})
    name = f"{kind.name}.{made.name}" if qualified else made.name
    return {"fullName": name, **{key: facts[key] for key in sorted(facts) if facts[key] is not None}}


def _sizes(made: Field, word: str) -> Values:
    if word in {"Text", "LongTextArea", "Html", "EncryptedText"}:
        return {"length": made.length}
    if word in {"Number", "Currency", "Percent"}:
        return {"precision": made.precision or made.digits or 18, "scale": made.scale}
    return {"displayFormat": made.default} if word == "AutoNumber" else {}


def _place(kind: ObjectType, made: Field) -> Values:
    """What metadata says about a geolocation field; how many decimals it has is a matter of its parts."""
    part = kind.find(location_parts(made, 0)[0].name)
    return {"displayLocationInDecimal": True, "scale": part.scale if part else 0}


def _default(made: Field) -> Any:
    if made.type == "boolean":
        return bool(made.default)
    if made.default is None or made.auto_number or made.picklist:
        return None
    return f'"{made.default}"' if made.is_text else made.default


def _picklist(kind: ObjectType, made: Field, version: float) -> Values:
    """The entries, in the form of the version (v38 replaced `picklist` by `valueSet`)."""
    if version < OLD_PICKLISTS:
        converted = kind.name == "Lead" and made.name == "Status"
        entries = [{"fullName": e.value, **({"converted": e.value == "Closed - Converted"} if converted else {}),
                    "default": e.default} for e in made.picklist]  # fmt: skip
        return {"picklist": {"picklistValues": entries, "sorted": False}}
    entries = [
        {"fullName": e.value, "default": e.default, "isActive": None if e.active else False, "label": e.label or e.value}
        for e in made.picklist
    ]
    allowed = [{"controllingFieldValue": list(e.valid_for), "valueName": e.value} for e in made.picklist if e.valid_for]
    value_set: Values = {"controllingField": made.controller, "restricted": made.restricted_picklist or None,
                         "valueSetDefinition": {"sorted": False, "value": entries}}  # fmt: skip
    return {"valueSet": value_set | ({"valueSettings": allowed} if allowed else {})}
