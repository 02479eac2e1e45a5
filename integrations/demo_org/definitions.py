"""The rows of EntityDefinition, FieldDefinition, CustomObject and CustomField: what the schema says, as records (and packages).

They are written anew when the schema has changed since they were last asked for. What a user may not see of the schema is
left out of that user's queries by `hidden_definitions`.
"""

import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from zlib import crc32

from integrations.demo_org import ids
from integrations.demo_org.schema.types import Field, ObjectType
from integrations.demo_org.store import quote

if TYPE_CHECKING:
    from integrations.demo_org.org import Caller, DemoOrg

TABLES = ("EntityDefinition", "FieldDefinition", "CustomObject", "CustomField", "InstalledSubscriberPackage",
          "SubscriberPackage", "SubscriberPackageVersion")  # fmt: skip
PACKAGES = {"SBQQ": "Salesforce CPQ", "NOME": "Metronome", "causeway": "Causeway"}  # names of namespaces that are known
WORDS = {
    "boolean": "Checkbox", "date": "Date", "datetime": "Date/Time", "time": "Time", "email": "Email", "phone": "Phone",
    "url": "URL", "id": "Lookup()", "location": "Geolocation", "address": "Address", "base64": "Base64",
}  # fmt: skip
VERSION = "1.0"
SUFFIXES = ("__kav", "__mdt", "__c", "__e", "__b", "__s")
SYSTEM = "<local>"
# the number of the schema whose rows an org's tables hold
_written: "weakref.WeakKeyDictionary[DemoOrg, tuple[int, str]]" = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


def refresh(org: "DemoOrg") -> None:
    """Write the rows anew unless they tell of the schema as it is."""
    current = (org.schema_number, org.clock.stamp()[:10])
    with _LOCK:
        if _written.get(org) == current or org.schema.find("EntityDefinition") is None:
            return
        rows = _rows(org)
        with org.store.write() as connection:
            for table in TABLES:
                connection.execute(f"DELETE FROM {quote(table)}")  # noqa: S608 - names of our own
                org.store.insert(table, rows[table])
        _written[org] = current


def hidden_definitions(org: "DemoOrg", caller: "Caller") -> Mapping[str, tuple[str, list[str]]]:
    """The rows that tell of objects and fields that the caller cannot see, as `hidden_rows` of a query."""
    seen = org.schema_for(caller)
    if seen is org.schema:
        return {}
    objects = [kind.name for key, kind in org.schema.objects.items() if key not in seen.objects]
    fields = [
        f"{kind.name}.{made.name}"
        for key, kind in org.schema.objects.items()
        for made in kind.fields
        if (known := seen.objects.get(key)) is None or known.find(made.name) is None
    ]
    return {"entitydefinition": ("Id", objects), "fielddefinition": ("Id", fields)}


def _rows(org: "DemoOrg") -> dict[str, list[dict[str, Any]]]:
    """The rows of all four tables."""
    stamp = org.clock.stamp()
    user = org.store.read().execute('SELECT min("Id") FROM "User"').fetchone()[0] or "005000000000000AAA"
    audit = {
        "CreatedDate": stamp, "CreatedById": user, "LastModifiedDate": stamp, "LastModifiedById": user, "SystemModstamp": stamp,
    }  # fmt: skip
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for kind in org.schema.objects.values():
        own = own_id(org, "01I", kind.name) if kind.custom else kind.name
        notes = org.draft.notes.get(f"CustomObject:{kind.name}") or {}
        found["EntityDefinition"].append({**_entity(kind, own, stamp), **_sharing(kind, notes)})
        found["FieldDefinition"] += _fields(kind, stamp)
        if kind.custom:
            space, name = bare_name(kind.name)
            row = {"Id": own, "DeveloperName": name, "NamespacePrefix": space, "Description": None, "Language": "en_US"}
            found["CustomObject"].append({**row, "ManageableState": "installed" if space else "unmanaged", **audit})
        for made in kind.fields:
            if made.custom and made.compound is None:
                found["CustomField"].append({**_custom(org, kind, made, own), **audit})
    for space in installed_spaces(org):
        _list_package(org, found, space)
    return found


def installed_spaces(org: "DemoOrg") -> list[str]:
    """The namespaces of the managed packages that are installed."""
    spaces = {bare_name(kind.name)[0] for kind in org.schema.objects.values() if kind.custom}
    spaces |= {row[0] for row in org.store.read().execute('SELECT "NamespacePrefix" FROM "PackageLicense"')}
    return sorted(each for each in spaces if each)


def _list_package(org: "DemoOrg", found: dict[str, list[dict[str, Any]]], space: str) -> None:
    """The rows of a managed package that is installed, in its first version."""
    package, version = own_id(org, "033", space), own_id(org, "04t", space)
    name = PACKAGES.get(space, space)
    found["SubscriberPackage"].append(
        {"Id": package, "Name": name, "NamespacePrefix": space, "Description": None, "IsPackageValid": True}
    )
    found["SubscriberPackageVersion"].append({
        "Id": version, "SubscriberPackageId": package, "Name": VERSION, "Description": None, "MajorVersion": 1,
        "MinorVersion": 0, "PatchVersion": 0, "BuildNumber": 1, "ReleaseState": "Released", "IsBeta": False,
        "IsDeprecated": False, "IsManaged": True, "IsPasswordProtected": False, "IsOrgDependent": False,
        "IsSecurityReviewed": False,
    })  # fmt: skip
    found["InstalledSubscriberPackage"].append({
        "Id": own_id(org, "0A3", space), "SubscriberPackageId": package, "SubscriberPackageVersionId": version,
        "MinPackageVersionId": version,
    })  # fmt: skip


def own_id(org: "DemoOrg", prefix: str, name: str) -> str:
    """The id of a component, made from its name: the same as the Metadata API tells."""
    return ids.make_ids(prefix, org.store.instance, crc32(name.lower().encode()), 1)[0]


def bare_name(name: str) -> tuple[str | None, str]:
    """Namespace (or None) and developer name: `ns__Thing__c` is Thing of ns."""
    stem = next((name.removesuffix(each) for each in SUFFIXES if name.endswith(each)), name)
    space, _, own = stem.rpartition("__")
    return (space, own) if space and stem != name else (None, stem)


def _names(name: str, label: str) -> dict[str, Any]:
    space, own = bare_name(name)
    return {
        "QualifiedApiName": name, "NamespacePrefix": space, "DeveloperName": own, "MasterLabel": label, "Label": label,
        "PublisherId": space or (SYSTEM if own != name else "System"),
    }  # fmt: skip


def _entity(kind: ObjectType, durable: str, stamp: str) -> dict[str, Any]:
    """One EntityDefinition. Its id is the object's name, by which fields and addresses point to it."""
    business = kind.createable and not kind.name.endswith("__e")
    return {
        "Id": kind.name, "DurableId": durable, "LastModifiedDate": stamp if kind.custom else None,
        **_names(kind.name, kind.label), "PluralLabel": kind.label_plural, "DefaultCompactLayoutId": None,
        "KeyPrefix": kind.key_prefix, "IsCustomizable": business, "IsApexTriggerable": business,
        "IsWorkflowEnabled": business, "IsProcessEnabled": business, "IsCompactLayoutable": business,
        "IsDeprecatedAndHidden": False, "IsCustomSetting": False, "IsQueryable": kind.queryable,
        "IsSearchable": kind.searchable, "IsTriggerable": business, "IsReplicateable": kind.replicateable,
        "IsRetrieveable": kind.queryable, "IsLayoutable": business, "IsIdEnabled": True, "IsEverCreatable": kind.createable,
        "IsEverUpdatable": kind.updateable, "IsEverDeletable": kind.deletable, "IsFeedEnabled": False,
    }  # fmt: skip


def _sharing(kind: ObjectType, notes: Mapping[str, Any]) -> dict[str, Any]:
    """Who sees records that are not shared with them: what was deployed, else what every new org has."""
    usual = ("ReadWrite" if kind.find("OwnerId") else "ControlledByParent") if kind.createable else None
    inside = notes.get("sharingModel") or usual
    return {"InternalSharingModel": inside, "ExternalSharingModel": notes.get("externalSharingModel") or inside}


def _fields(kind: ObjectType, stamp: str) -> Iterator[dict[str, Any]]:
    """The FieldDefinition rows of an object."""
    for made in kind.fields:
        whole = made.type in {"double", "currency", "percent", "int", "long"}
        yield {
            "Id": f"{kind.name}.{made.name}", "DurableId": f"{kind.name}.{made.name}",
            "LastModifiedDate": stamp if made.custom else None, **_names(made.name, made.label),
            "EntityDefinitionId": kind.name, "Length": made.length, "DataType": data_type(made), "ValueTypeId": made.type,
            "ExtraTypeInfo": _extra(made), "Precision": (made.precision or made.digits) if whole else 0,
            "Scale": made.scale, "RelationshipName": made.relationship_name, "ReferenceTargetField": None,
            "Description": made.help, "IsCalculated": made.calculated, "IsHighScaleNumber": False,
            "IsHtmlFormatted": made.html, "IsNameField": made.name_field, "IsNillable": made.nillable,
            "IsWorkflowFilterable": made.filterable, "IsCompactLayoutable": not made.html, "IsFieldHistoryTracked": False,
            "IsIndexed": made.type in {"id", "reference"} or made.unique or made.external_id,
            "IsApiFilterable": made.filterable, "IsApiSortable": made.sortable, "IsApiGroupable": made.groupable,
            "IsListVisible": made.type != "textarea", "IsPolymorphicForeignKey": len(made.reference_to) > 1,
        }  # fmt: skip


def _extra(made: Field) -> str | None:
    """What the type alone does not tell of a text area."""
    if made.type != "textarea":
        return None
    return "richtextarea" if made.html else "plaintextarea"


def data_type(made: Field) -> str:
    """The type as the setup pages call it: Text(80), Number(16, 2), Lookup(Account), Formula (Text)."""
    word = _word(made)
    if made.calculated:
        return f"Formula ({word.partition('(')[0]})"
    marks = " (External ID)" if made.external_id else ""
    if made.unique:
        marks += f" (Unique Case {'Sensitive' if made.case_sensitive else 'Insensitive'})"
    return word + marks


def _word(made: Field) -> str:
    if made.auto_number:
        return "Auto Number"
    if made.type in {"double", "currency", "percent", "int", "long"}:
        name = {"currency": "Currency", "percent": "Percent"}.get(made.type, "Number")
        size = made.precision or made.digits
        return f"{name}({max(size - made.scale, 0)}, {made.scale})"
    if made.type == "reference":
        return f"{'Master-Detail' if made.cascade_delete and not made.nillable else 'Lookup'}({','.join(made.reference_to)})"
    if made.type in {"picklist", "multipicklist", "combobox"}:
        return "Picklist (Multi-Select)" if made.type == "multipicklist" else "Picklist"
    if made.type == "textarea":
        return f"{'Rich Text Area' if made.html else 'Text Area' if made.length <= 255 else 'Long Text Area'}({made.length})"
    return WORDS.get(made.type) or f"{'Name' if made.name_field and not made.custom else 'Text'}({made.length})"


def _custom(org: "DemoOrg", kind: ObjectType, made: Field, table: str) -> dict[str, Any]:
    """One CustomField."""
    space, name = bare_name(made.name)
    return {
        "Id": own_id(org, "00N", f"{kind.name}.{made.name}"), "TableEnumOrId": table, "DeveloperName": name,
        "NamespacePrefix": space, "Description": None, "InlineHelpText": made.help, "Length": made.length or None,
        "Precision": made.precision or None, "Scale": made.scale if made.precision else None,
        "RelationshipLabel": None, "ManageableState": "installed" if space else "unmanaged",
    }  # fmt: skip
