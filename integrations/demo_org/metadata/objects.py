"""CustomObject components: new custom objects with their fields, changes of labels, and what metadata tells of objects."""

from dataclasses import replace
from typing import TYPE_CHECKING

from integrations.demo_org.metadata.fields import check_name, describe_field, field_rows
from integrations.demo_org.metadata.validation import describe_rule, rule_names, rule_rows
from integrations.demo_org.metadata.values import Refused, Values, as_list, text_of
from integrations.demo_org.schema.catalogue import fields as make
from integrations.demo_org.schema.stored import object_to_json
from integrations.demo_org.schema.types import Field, ObjectType

if TYPE_CHECKING:
    from integrations.demo_org.schema.changes import Draft, Row

SHARING = ("sharingModel", "externalSharingModel")
REQUIRED = ("label", "pluralLabel", "nameField", "deploymentStatus", "sharingModel")
MODELED = frozenset({"fullName", "label", "pluralLabel", "nameField", "fields", "validationRules"})
# parts of an object file that this org has no use for: refused rather than dropped silently
NOT_IMITATED = ("businessProcesses", "webLinks", "sharingReasons", "indexes")
NAME_LENGTH = 80


def object_rows(draft: "Draft", values: Values, *, create: bool, update: bool) -> "list[Row]":
    """The changes that save an object. Standard objects only get custom fields."""
    name = text_of(values, "fullName")
    present = draft.find(name)
    if present is None and not create:
        raise Refused("INVALID_CROSS_REFERENCE_KEY", f"In field: fullName - no CustomObject named {name} found")
    if present is not None and not update:
        raise Refused("DUPLICATE_DEVELOPER_NAME", f"That object name is already in use: {name}")
    refused = next((part for part in NOT_IMITATED if values.get(part)), None)
    if refused:
        raise Refused("INVALID_TYPE", f"This org does not imitate {refused} of custom objects")
    if present is None:
        check_name(name, what="Custom Object", installing=draft.installing)
        made = _new_object(draft, name, values)
    elif present.custom:
        made = _changed_object(present, values)
    else:
        return _sharing_rows(draft, present, values) + _field_changes(draft, present, values)
    notes = {key: value for key, value in values.items() if key not in MODELED and value not in (None, "")}
    rows: list[Row] = [
        {"kind": "object", "body": object_to_json(made)}, {"kind": "notes", "name": f"CustomObject:{made.name}", "body": notes},
    ]  # fmt: skip
    return rows + _field_changes(draft.copy().apply(rows), made, values)


def _sharing_rows(draft: "Draft", kind: ObjectType, values: Values) -> "list[Row]":
    """Who sees the records of a standard object: the one setting of its file that is kept besides its fields."""
    given = {key: values[key] for key in SHARING if values.get(key)}
    name = f"CustomObject:{kind.name}"
    known = draft.notes.get(name) or {}
    return [{"kind": "notes", "name": name, "body": {**known, **given}}] if given and given != known else []


def _field_changes(draft: "Draft", kind: ObjectType, values: Values) -> "list[Row]":
    """The changes for the fields and validation rules inside an object."""
    rows: list[Row] = []
    for each in as_list(values.get("fields")):
        own = text_of(each, "fullName")
        present = kind.find(own)
        if present is not None and not present.custom:
            continue  # standard fields in an object file only carry settings of the user interface
        made = field_rows(draft, {**each, "fullName": f"{kind.name}.{own}"}, create=True, update=True)
        draft = draft.copy().apply(made)
        rows += made
    for each in as_list(values.get("validationRules")):
        named = {**each, "fullName": f"{kind.name}.{text_of(each, 'fullName')}"}
        rows += rule_rows(draft, named, create=True, update=True)
    return rows


def _new_object(draft: "Draft", name: str, values: Values) -> ObjectType:
    """A custom object with the fields that every one has."""
    missing = [each for each in REQUIRED if not values.get(each)]
    if missing:
        raise Refused("REQUIRED_FIELD_MISSING", f"Required field is missing: {missing[0]}")
    label, plural = text_of(values, "label"), text_of(values, "pluralLabel")
    detail = text_of(values, "sharingModel") == "ControlledByParent"
    fields = [
        make.identity("Record"), *([] if detail else [make.owner("Group User")]), make.deleted(), _name_field(values),
        *make.audit(), *make.viewed(),
    ]  # fmt: skip
    return make.define(name, label, plural, free_prefix(draft), fields)


def free_prefix(draft: "Draft") -> str:
    """A key prefix that no object has: a00, a01, ..."""
    taken = {each.key_prefix for each in draft.objects.values()}
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return next(f"a{a}{b}" for a in digits for b in digits if f"a{a}{b}" not in taken)


def _name_field(values: Values) -> Field:
    """The Name of a new object: text, or an auto-number."""
    described = values["nameField"]
    if not isinstance(described, dict):
        raise Refused("REQUIRED_FIELD_MISSING", "Required field is missing: nameField")
    label, kind = text_of(described, "label", "Name"), text_of(described, "type")
    if kind == "AutoNumber":
        form = text_of(described, "displayFormat", "{0}")
        return make.counter("Name", label, form, NAME_LENGTH, name_field=True)
    if kind != "Text":
        raise Refused("FIELD_INTEGRITY_EXCEPTION", f"The name field must be Text or AutoNumber, not {kind!r}")
    return make.text("Name", label, NAME_LENGTH, name_field=True, defaulted_on_create=True, id_lookup=True)


def _changed_object(present: ObjectType, values: Values) -> ObjectType:
    """A custom object with other labels."""
    label = text_of(values, "label", present.label)
    return replace(present, label=label, label_plural=text_of(values, "pluralLabel", present.label_plural))


def drop_object_rows(draft: "Draft", name: str) -> "list[Row]":
    """The changes that delete a custom object. Refused while another object's lookup points to it."""
    kind = draft.find(name)
    if kind is None or not kind.custom:
        raise Refused("INVALID_CROSS_REFERENCE_KEY", f"No CustomObject named: {name} found")
    for other in draft.objects.values():
        if other.name != kind.name and any(kind.name in each.reference_to and each.custom for each in other.fields):
            text = f"This custom object is referenced elsewhere in salesforce.com. {other.name}"
            raise Refused("DEPENDENCY_EXISTS", text)
    notes = {"kind": "notes", "name": f"CustomObject:{kind.name}", "body": None}
    return [{"kind": "drop_object", "object": kind.name}, notes]


def rename_object_rows(draft: "Draft", old: str, new: str) -> "list[Row]":
    """The changes that give a custom object another API name."""
    kind = draft.find(old)
    if kind is None or not kind.custom:
        raise Refused("INVALID_CROSS_REFERENCE_KEY", f"No CustomObject named: {old} found")
    check_name(new, what="Custom Object")
    if draft.find(new):
        raise Refused("DUPLICATE_DEVELOPER_NAME", f"That object name is already in use: {new}")
    notes = draft.notes.get(f"CustomObject:{kind.name}")
    moved = [{"kind": "notes", "name": f"CustomObject:{kind.name}", "body": None},
             {"kind": "notes", "name": f"CustomObject:{new}", "body": notes}]  # fmt: skip
    return [{"kind": "rename_object", "object": kind.name, "to": new}, *(moved if notes else [])]


def describe_object(draft: "Draft", kind: ObjectType, *, version: float) -> Values:
    """An object as readMetadata tells it: its settings, its custom (and for standard objects standard) fields."""
    facts: Values = {"label": kind.label, "pluralLabel": kind.label_plural, **draft.notes.get(f"CustomObject:{kind.name}", {})}
    named = next((each for each in kind.fields if each.name_field), None)
    if kind.custom:
        facts.setdefault("deploymentStatus", "Deployed")
        facts.setdefault("sharingModel", "ReadWrite" if kind.find("OwnerId") else "ControlledByParent")
        facts["nameField"] = _described_name(named) if named else None
    shown = [each for each in kind.fields if each.custom and each.compound is None and _is_deployable(draft, kind, each)]
    facts["fields"] = [describe_field(draft, kind, each, version=version, qualified=False) for each in shown]
    rules = [describe_rule(draft, name, qualified=False) for name in rule_names(draft, kind)]
    facts["validationRules"] = rules or None
    return {"fullName": kind.name, **{key: facts[key] for key in sorted(facts) if facts[key] is not None}}


def _is_deployable(draft: "Draft", kind: ObjectType, made: Field) -> bool:
    """Whether a field's definition is known in metadata's words: calculated ones of the catalogue are not."""
    return not made.calculated or f"CustomField:{kind.name}.{made.name}" in draft.notes


def _described_name(named: Field) -> Values:
    form = {"displayFormat": named.default} if named.auto_number else {}
    return {**form, "label": named.label, "type": "AutoNumber" if named.auto_number else "Text"}
