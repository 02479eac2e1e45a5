"""PermissionSet components: the set itself, and what it allows with fields and objects (kept as ordinary records)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from integrations.demo_org.metadata import screens
from integrations.demo_org.metadata.fields import find_field, is_granted
from integrations.demo_org.metadata.values import Refused, Values, as_list, flag_of, text_of
from integrations.demo_org.saving import save
from integrations.demo_org.schema.catalogue.setup import PERMISSIONS

if TYPE_CHECKING:
    from integrations.demo_org.org import Caller, DemoOrg
    from integrations.demo_org.schema.changes import Draft, Row

OBJECT_VERBS = {
    "allowCreate": "Create", "allowDelete": "Delete", "allowEdit": "Edit", "allowRead": "Read",
    "modifyAllRecords": "ModifyAllRecords", "viewAllRecords": "ViewAllRecords",
}  # fmt: skip
KNOWN = frozenset({
    "fullName", "label", "description", "license", "hasActivationRequired", "fieldPermissions", "objectPermissions",
    "userPermissions", "tabSettings", "applicationVisibilities", "recordTypeVisibilities",
    "externalCredentialPrincipalAccesses",
})  # fmt: skip
STANDARD_APP = "standard__"
ACCESSES, ACCESS_NOTE = "externalCredentialPrincipalAccesses", "PrincipalAccess:"
SHOWN = (
    ("tabSettings", "tab", "CustomTab", screens.STANDARD_TAB),
    ("applicationVisibilities", "application", "CustomApplication", STANDARD_APP),
)


def check_permission_set(draft: "Draft", values: Values) -> None:
    """Refuse a permission set that names what does not exist or cannot be granted."""
    if not text_of(values, "label"):
        raise Refused("REQUIRED_FIELD_MISSING", "Required field is missing: label")
    unknown = next((name for name in values if name not in KNOWN and not name.startswith("@")), None)
    if unknown:
        raise Refused("INVALID_TYPE", f"This org does not imitate {unknown} of permission sets")
    _user_rights(values)
    check_shown(draft, values)
    for each in as_list(values.get("fieldPermissions")):
        name = text_of(each, "field")
        made = find_field(draft, name)
        if made is None:
            raise Refused("INVALID_CROSS_REFERENCE_KEY", f"In field: field - no CustomField named {name} found")
        if not is_granted(made):
            raise Refused("FIELD_INTEGRITY_EXCEPTION", f"You cannot deploy to a required field: {name}")
        if made.calculated and flag_of(each, "editable"):
            raise Refused("FIELD_INTEGRITY_EXCEPTION", f"Field {name} is not editable")
    for each in as_list(values.get("objectPermissions")):
        if draft.find(text_of(each, "object")) is None:
            text = f"In field: object - no CustomObject named {text_of(each, 'object')} found"
            raise Refused("INVALID_CROSS_REFERENCE_KEY", text)


def check_shown(draft: "Draft", values: Values) -> None:
    """Refuse a permission set that shows tabs or apps which do not exist; the standard ones are not told apart."""
    for element, key, kind, standard in SHOWN:
        for each in as_list(values.get(element)):
            name = text_of(each, key)
            if not name.startswith(standard) and screens.find_screen(draft, kind, name) is None:
                raise Refused("INVALID_CROSS_REFERENCE_KEY", f"In field: {key} - no {kind} named {name} found")


def access_rows(draft: "Draft", values: Values, *, replaces: bool) -> "list[Row]":
    """What a set says about principals of external credentials, as a note; refused when it names one that is not there."""
    name, named = text_of(values, "fullName"), as_list(values.get(ACCESSES))
    if not named and not replaces:
        return []
    present = draft.notes.get(f"{ACCESS_NOTE}{name}")
    kept = set() if replaces or present is None else set(present["principals"])
    for each in named:
        principal = text_of(each, "externalCredentialPrincipal").replace(" - ", "-")
        if principal.lower() not in _principals(draft):
            text = f"In field: externalCredentialPrincipal - no ExternalCredentialPrincipal named {principal} found"
            raise Refused("INVALID_CROSS_REFERENCE_KEY", text)
        kept = kept | {principal} if flag_of(each, "enabled") else kept - {principal}
    body = {"principals": sorted(kept)} if kept else None
    return [] if body == present else [{"kind": "notes", "name": f"{ACCESS_NOTE}{name}", "body": body}]


def _principals(draft: "Draft") -> set[str]:
    """Every principal of the org as `Credential-Principal`, in lower case."""
    return {
        f"{name.partition(':')[2]}-{text_of(each, 'parameterName')}".lower()
        for name, body in draft.notes.items() if name.startswith("ExternalCredential:")
        for each in as_list(body.get("externalCredentialParameters")) if text_of(each, "parameterType") == "NamedPrincipal"
    }  # fmt: skip


def find_permission_set(org: "DemoOrg", name: str) -> str | None:
    """The id of the permission set of that full name: `NAMESPACE__Name` for one that came with a managed package."""
    namespace, own = split_name(name)
    sql = "SELECT Id FROM PermissionSet WHERE Name = ? AND IsOwnedByProfile = 0 AND coalesce(NamespacePrefix, '') = ?"
    row = org.store.read().execute(sql, (own, namespace)).fetchone()
    return row[0] if row else None


def split_name(full_name: str) -> tuple[str, str]:
    """Namespace ("" for none) and own name of a permission set."""
    namespace, parted, own = full_name.partition("__")
    return (namespace, own) if parted else ("", full_name)


def _user_rights(values: Values) -> dict[str, bool]:
    """The columns of the user permissions that a set names."""
    listed = as_list(values.get("userPermissions"))
    rights = {f"Permissions{text_of(each, 'name')}": flag_of(each, "enabled") for each in listed}
    unknown = next((each for each in rights if each not in {f"Permissions{key}" for key, _ in PERMISSIONS}), None)
    if unknown:
        raise Refused("INVALID_FIELD", f"Unknown user permission: {unknown.removeprefix('Permissions')}")
    return rights


def save_permission_set(org: "DemoOrg", caller: "Caller", draft: "Draft", values: Values, *, replaces: bool = False) -> None:
    """Store a checked set and its permissions. What the component does not name stays as it was, or goes if it `replaces`
    the set that is there (deployments since API 40.0)."""
    name = text_of(values, "fullName")
    found = find_permission_set(org, name)
    rights = _user_rights(values)
    if replaces:
        rights = {f"Permissions{key}": False for key, _ in PERMISSIONS} | rights
    row = {"Label": text_of(values, "label"), "Description": text_of(values, "description") or None, **rights}
    namespace, own = split_name(name)
    saved = _save(org, caller, "PermissionSet", {**row, **({"Id": found} if found else {"Name": own})}, update=bool(found))
    if found is None:
        with org.store.write() as connection:
            sql = "UPDATE PermissionSet SET IsCustom = 1, Type = 'Regular', NamespacePrefix = ? WHERE Id = ?"
            connection.execute(sql, (namespace or None, saved))
    for each in as_list(values.get("fieldPermissions")):
        object_name, _, field_name = text_of(each, "field").partition(".")
        kind = draft.objects[object_name.lower()]
        named = {"SobjectType": kind.name, "Field": f"{kind.name}.{kind.by_name[field_name.lower()].name}"}
        edit = flag_of(each, "editable")
        allowed = {"PermissionsEdit": edit, "PermissionsRead": edit or flag_of(each, "readable")}
        _put(org, caller, "FieldPermissions", saved, named, allowed)
    for each in as_list(values.get("objectPermissions")):
        kind = draft.objects[text_of(each, "object").lower()]
        allowed = {f"Permissions{word}": flag_of(each, key) for key, word in OBJECT_VERBS.items()}
        _put(org, caller, "ObjectPermissions", saved, {"SobjectType": kind.name}, allowed)
    if replaces and found:
        _forget_unnamed(org, caller, found, values)


def _forget_unnamed(org: "DemoOrg", caller: "Caller", parent: str, values: Values) -> None:
    """Remove what a set allows and its new version does not name."""
    for table, column, element, key in (
        ("FieldPermissions", "Field", "fieldPermissions", "field"),
        ("ObjectPermissions", "SobjectType", "objectPermissions", "object"),
    ):
        named = {text_of(each, key).lower() for each in as_list(values.get(element))}
        sql = f"SELECT Id, {column} FROM {table} WHERE ParentId = ?"  # noqa: S608 - names of our own
        rows = org.store.read().execute(sql, (parent,)).fetchall()
        gone = [{"Id": row[0]} for row in rows if row[1].lower() not in named]
        if gone:
            save(org, caller, table, gone, operation="delete")


def _save(org: "DemoOrg", caller: "Caller", object_name: str, row: Mapping[str, Any], *, update: bool) -> str:
    """Save one record; its id, or the first error as a refusal."""
    result = save(org, caller, object_name, [row], operation="update" if update else "insert")[0]
    if not result.success:
        raise Refused(result.errors[0].code, result.errors[0].message)
    return str(result.id)


def _put(org: "DemoOrg", caller: "Caller", table: str, parent: str, named: dict[str, str], rights: dict[str, bool]) -> None:
    """Create or change the record about one field or object; one that allows nothing is removed."""
    where = " AND ".join(f"{name} = ?" for name in named)
    sql = f"SELECT Id FROM {table} WHERE ParentId = ? AND {where}"  # noqa: S608 - names of our own
    row = org.store.read().execute(sql, (parent, *named.values())).fetchone()
    if row and not any(rights.values()):
        save(org, caller, table, [{"Id": row[0]}], operation="delete")
    elif row:
        _save(org, caller, table, {"Id": row[0], **rights}, update=True)
    elif any(rights.values()):
        _save(org, caller, table, {"ParentId": parent, **named, **rights}, update=False)


def drop_permission_set(org: "DemoOrg", caller: "Caller", name: str) -> None:
    """Delete a permission set, its permissions and assignments."""
    found = find_permission_set(org, name)
    if found is None:
        raise Refused("INVALID_CROSS_REFERENCE_KEY", f"No PermissionSet named: {name} found")
    result = save(org, caller, "PermissionSet", [{"Id": found}], operation="delete")[0]
    if not result.success:
        raise Refused(result.errors[0].code, result.errors[0].message)


def forget_dropped(org: "DemoOrg", rows: "Sequence[Row]") -> None:
    """Remove what permission sets say about fields and objects that are gone."""
    if org.schema.find("FieldPermissions") is None:
        return
    with org.store.write() as connection:
        for row in rows:
            if row["kind"] == "drop_field":
                connection.execute("DELETE FROM FieldPermissions WHERE Field = ?", (f"{row['object']}.{row['field']}",))
            elif row["kind"] == "drop_object":
                for table in ("FieldPermissions", "ObjectPermissions"):
                    connection.execute(f"DELETE FROM {table} WHERE SobjectType = ?", (row["object"],))  # noqa: S608


def describe_permission_set(org: "DemoOrg", name: str) -> Values | None:
    """A permission set as readMetadata tells it, or None."""
    found = find_permission_set(org, name)
    if found is None:
        return None
    connection = org.store.read()
    rights = ", ".join(f"Permissions{key}" for key, _ in PERMISSIONS)
    sql = f"SELECT Name, Label, Description, HasActivationRequired, {rights} FROM PermissionSet WHERE Id = ?"  # noqa: S608
    _, label, description, activation, *flags = connection.execute(sql, (found,)).fetchone()
    fields = connection.execute(
        "SELECT Field, PermissionsEdit, PermissionsRead FROM FieldPermissions WHERE ParentId = ? ORDER BY Field", (found,)
    )
    columns = ", ".join(f"Permissions{word}" for word in OBJECT_VERBS.values())
    sql = f"SELECT SobjectType, {columns} FROM ObjectPermissions WHERE ParentId = ? ORDER BY SobjectType"  # noqa: S608
    objects = connection.execute(sql, (found,))
    allowed = [key for (key, _), value in zip(PERMISSIONS, flags, strict=True) if value]
    return {
        "fullName": name,
        "description": description,
        **_described_accesses(org, name),
        "fieldPermissions": [{"editable": bool(e), "field": f, "readable": bool(r)} for f, e, r in fields],
        "hasActivationRequired": bool(activation),
        "label": label,
        "objectPermissions": [_described_object(*row) for row in objects],
        "userPermissions": [{"enabled": True, "name": each} for each in sorted(allowed)],
    }


def _described_accesses(org: "DemoOrg", name: str) -> Values:
    note = org.draft.notes.get(f"{ACCESS_NOTE}{name}") or {"principals": []}
    listed = [{"enabled": True, "externalCredentialPrincipal": each} for each in note["principals"]]
    return {ACCESSES: listed} if listed else {}


def _described_object(name: str, *flags: int) -> Values:
    rights: Values = {key: bool(value) for key, value in zip(OBJECT_VERBS, flags, strict=True)}
    rights["object"] = name
    return {key: rights[key] for key in sorted(rights)}
