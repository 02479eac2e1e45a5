"""Describe answers: what Salesforce tells about objects and fields, with all 57 keys of a field."""

import base64
from collections.abc import Sequence
from typing import Any

from integrations.demo_org.schema.types import Field, ObjectType, PicklistValue, Schema

BYTES_PER_CHARACTER = 3
MASTER_RECORD_TYPE = "012000000000000AAA"
SOAP_TYPES = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int", "long": "xsd:long",
    "double": "xsd:double", "currency": "xsd:double", "percent": "xsd:double", "date": "xsd:date",
    "datetime": "xsd:dateTime", "time": "xsd:time", "base64": "xsd:base64Binary", "address": "urn:address",
    "location": "urn:location",
}  # fmt: skip
PLAIN_LENGTH = frozenset({"id", "reference"})
NEVER_GRANTED = frozenset({"Id", "Name", "OwnerId", "RecordTypeId", "IndividualId", "CurrencyIsoCode", "Pricebook2Id"})
SYSTEM_NAMES = frozenset({
    "IsDeleted", "MasterRecordId", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp",
    "LastActivityDate", "LastViewedDate", "LastReferencedDate", "PhotoUrl", "EmailBouncedReason",
    "EmailBouncedDate", "IsEmailBounced",
})  # fmt: skip
URL_NAMES = ("compactLayouts", "approvalLayouts", "listviews", "describe", "quickActions", "layouts")


def describe_field(made: Field, kind: ObjectType) -> dict[str, Any]:
    """The describe entry of one field, its keys in Salesforce's (alphabetical) order."""
    is_text = made.is_text or made.type in PLAIN_LENGTH
    length = made.length if is_text or made.type == "base64" else 0
    controller = made.controller
    return {
        "aggregatable": made.aggregatable,
        "aiPredictionField": False,
        "autoNumber": made.auto_number,
        "byteLength": length if made.type in PLAIN_LENGTH else length * BYTES_PER_CHARACTER,
        "calculated": made.calculated,
        "calculatedFormula": made.formula_text
        or (made.formula.replace("{row}.", "") if made.formula and made.custom else None),
        "cascadeDelete": made.cascade_delete,
        "caseSensitive": made.case_sensitive,
        "compoundFieldName": made.compound,
        "controllerName": controller,
        "createable": made.createable,
        "custom": made.custom,
        "defaultValue": _default_value(made),
        "defaultValueFormula": None,
        "defaultedOnCreate": made.defaulted_on_create,
        "dependentPicklist": controller is not None,
        "deprecatedAndHidden": False,
        "digits": made.digits,
        "displayLocationInDecimal": made.type == "location",
        "encrypted": made.type == "encryptedstring",
        "externalId": made.external_id,
        "extraTypeInfo": _extra_type(made, kind),
        "filterable": made.filterable,
        "filteredLookupInfo": None,
        "formulaTreatNullNumberAsZero": False,
        "groupable": made.groupable,
        "highScaleNumber": False,
        "htmlFormatted": made.html,
        "idLookup": made.id_lookup,
        "inlineHelpText": made.help,
        "label": made.label,
        "length": length,
        "mask": "*" if made.type == "encryptedstring" else None,
        "maskType": "all" if made.type == "encryptedstring" else None,
        "name": made.name,
        "nameField": made.name_field,
        "namePointing": made.name_pointing,
        "nillable": made.nillable,
        "permissionable": _is_permissionable(made),
        "picklistValues": _picklist(made, kind),
        "polymorphicForeignKey": len(made.reference_to) > 1,
        "precision": made.precision,
        "queryByDistance": made.type in {"address", "location"},
        "referenceTargetField": None,
        "referenceTo": list(made.reference_to),
        "relationshipName": made.relationship_name,
        "relationshipOrder": 0 if made.custom and made.cascade_delete and made.type == "reference" else None,
        "restrictedDelete": False,
        "restrictedPicklist": made.restricted_picklist,
        "scale": made.scale,
        "searchPrefilterable": made.type == "reference" and made.createable and made.name != "OwnerId",
        "soapType": SOAP_TYPES.get(made.type, "xsd:string"),
        "sortable": made.sortable,
        "type": made.type,
        "unique": made.unique,
        "updateable": made.updateable,
        "writeRequiresMasterRead": False,
    }


def _default_value(made: Field) -> object:
    """The default that describe shows: of checkboxes and picklists."""
    if made.type == "boolean":
        return bool(made.default)
    return made.default if made.type in {"picklist", "multipicklist"} else None


def _extra_type(made: Field, kind: ObjectType) -> str | None:
    """What the plain type does not say."""
    if made.type == "textarea":
        return "richtextarea" if made.html else "plaintextarea"
    if made.name == "PhotoUrl":
        return "imageurl"
    is_person = kind.find("LastName") is not None and (made.compound == "Name" or made.name_field)
    return "personname" if is_person else None


def _is_permissionable(made: Field) -> bool:
    """Whether field-level security can be set: not for required, system and name fields."""
    if made.name in NEVER_GRANTED or made.name in SYSTEM_NAMES or made.name_field or made.compound == "Name":
        return False
    can_change = made.createable or made.updateable or made.custom or made.type in {"address", "location"}
    return made.calculated or (can_change and (made.nillable or made.type == "boolean"))


def _picklist(made: Field, kind: ObjectType) -> list[dict[str, Any]]:
    """The picklist entries in definition order."""
    return [
        {
            "active": each.active,
            "defaultValue": each.default,
            "label": each.label or each.value,
            "validFor": valid_for(made, kind, each),
            "value": each.value,
        }
        for each in made.picklist
    ]


def valid_for(made: Field, kind: ObjectType, entry: PicklistValue) -> str | None:
    """The controlling values that allow an entry, as base64 bits (highest bit first) over the controlling field's entries."""
    controller = kind.find(made.controller) if made.controller else None
    if controller is None:
        return None
    names = ["false", "true"] if controller.type == "boolean" else [each.value for each in controller.picklist]
    size = -(-len(names) // 24) * 3
    bits = bytearray(size)
    for position, name in enumerate(names):
        if name in entry.valid_for:
            bits[position >> 3] |= 0x80 >> (position & 7)
    return base64.b64encode(bytes(bits)).decode()


def _flags(kind: ObjectType) -> dict[str, Any]:
    """The keys that the list of objects and the full describe share, apart from names."""
    is_user_data = kind.createable and kind.deletable
    return {
        "activateable": False,
        "associateEntityType": None,
        "associateParentEntity": None,
        "createable": kind.createable,
        "custom": kind.custom,
        "customSetting": False,
        "deepCloneable": False,
        "deletable": kind.deletable,
        "deprecatedAndHidden": False,
        "feedEnabled": is_user_data,
        "hasSubtypes": False,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": kind.key_prefix,
        "label": kind.label,
        "labelPlural": kind.label_plural,
        "layoutable": is_user_data,
        "mergeable": kind.mergeable,
        "mruEnabled": is_user_data,
        "name": kind.name,
        "queryable": kind.queryable,
        "replicateable": kind.replicateable,
        "retrieveable": True,
        "searchable": kind.searchable,
        "triggerable": is_user_data,
        "undeletable": kind.undeletable,
        "updateable": kind.updateable,
    }


def _urls(kind: ObjectType, version: str) -> dict[str, str]:
    """Where the object's resources are, relative to the host."""
    base = f"/services/data/v{version}/sobjects/{kind.name}"
    direct = {"listviews", "describe", "quickActions"}
    names = {each: f"{base}/{each}" if each in direct else f"{base}/describe/{each}" for each in URL_NAMES}
    return {**names, "rowTemplate": f"{base}/{{ID}}", "sobject": base}


def list_entry(kind: ObjectType, version: str) -> dict[str, Any]:
    """The short description in the list of objects."""
    return {**_flags(kind), "urls": _urls(kind, version)}


def describe_object(
    kind: ObjectType, schema: Schema, *, version: str, base_url: str, record_types: Sequence[tuple[str, str, str, bool]] = ()
) -> dict[str, Any]:
    """The full describe. `schema` is what the caller sees; `record_types` are (id, name, developer name, active)."""
    urls = {
        **_urls(kind, version),
        "uiDetailTemplate": f"{base_url}/{{ID}}",
        "uiEditTemplate": f"{base_url}/{{ID}}/e",
        "uiNewRecord": f"{base_url}/{kind.key_prefix}/e",
        "defaultValues": f"/services/data/v{version}/sobjects/{kind.name}/defaultValues?recordTypeId&fields",
    }
    body = {
        **_flags(kind),
        "actionOverrides": [],
        "childRelationships": _children(kind, schema),
        "compactLayoutable": kind.createable,
        "defaultImplementation": None,
        "extendedBy": None,
        "extendsInterfaces": None,
        "fields": [describe_field(each, kind) for each in kind.fields],
        "implementedBy": None,
        "implementsInterfaces": None,
        "listviewable": None,
        "lookupLayoutable": None,
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": _record_types(kind, version, record_types),
        "searchLayoutable": kind.searchable,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": _scopes(kind),
        "urls": urls,
    }
    return dict(sorted(body.items()))


def _children(kind: ObjectType, schema: Schema) -> list[dict[str, Any]]:
    """Every field of other objects that points here."""
    rows = [
        {
            "cascadeDelete": made.cascade_delete,
            "childSObject": child.name,
            "deprecatedAndHidden": False,
            "field": made.name,
            "junctionIdListNames": [],
            "junctionReferenceTo": [],
            "relationshipName": made.child_relationship,
            "restrictedDelete": False,
        }
        for child, made in schema.children_of(kind.name)
    ]
    return sorted(rows, key=lambda row: (str(row["childSObject"]), str(row["field"])))


def _record_types(kind: ObjectType, version: str, record_types: Sequence[tuple[str, str, str, bool]]) -> list[dict[str, Any]]:
    """The record types, the master one last."""
    base = f"/services/data/v{version}/sobjects/{kind.name}/describe/layouts"
    rows = [*record_types, (MASTER_RECORD_TYPE, "Master", "Master", True)]
    return [
        {
            "active": active,
            "available": True,
            "defaultRecordTypeMapping": position == 0,
            "developerName": developer_name,
            "master": record_id == MASTER_RECORD_TYPE,
            "name": name,
            "recordTypeId": record_id,
            "urls": {"layout": f"{base}/{record_id}"},
        }
        for position, (record_id, name, developer_name, active) in enumerate(rows)
    ]


def _scopes(kind: ObjectType) -> list[dict[str, str]]:
    """The scopes that list views may use."""
    plural = kind.label_plural.lower()
    scopes = [{"label": f"All {plural}", "name": "everything"}]
    return [*scopes, {"label": f"My {plural}", "name": "mine"}] if kind.find("OwnerId") else scopes
