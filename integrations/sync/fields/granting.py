"""The permission set that makes created fields visible and writable for the integration user.

Fields deployed by metadata are invisible until somebody is granted field-level security. A set that is deployed replaces the
one in the org, so it is deployed only where there is none; later fields are added to it as records. Assigning it twice is fine.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from integrations.salesforce import metadata, rest
from integrations.salesforce.client import Client
from integrations.salesforce.composite import RowAnswer, insert_rows, update_rows
from integrations.salesforce.errors import SalesforceError
from integrations.salesforce.ids import is_id
from integrations.salesforce.metadata import CustomField, FieldPermission, PermissionSet
from integrations.salesforce.soql import equals, one_of

SET_NAME, SET_LABEL = "Causeway_Product", "Causeway Product"
SET_DESCRIPTION = "Read and edit access to the fields that the product-experience sync writes. Managed by Causeway."
ALREADY_THERE = "DUPLICATE_VALUE"


def new_set(fields: Iterable[CustomField]) -> PermissionSet:
    """The permission set for an org that does not have it yet, to be deployed together with the fields.

    Field-level security only: the object itself is granted by whoever connected the org, and rights on objects depend on each
    other (contacts on accounts), which differs from org to org.
    """
    return PermissionSet(SET_NAME, SET_LABEL, SET_DESCRIPTION, fields=metadata.grants_for(fields))


def find_set(client: Client, name: str = SET_NAME) -> str:
    """The id of the permission set, empty when the org has none of that name."""
    where = f"{equals('Name', name)} AND NamespacePrefix = null"  # one of a managed package is not ours
    found = client.query_all(f"SELECT Id FROM PermissionSet WHERE {where} LIMIT 1")  # noqa: S608  quoted
    return str(found[0]["Id"]) if found else ""


def grant(client: Client, fields: Iterable[CustomField], *, name: str = SET_NAME) -> list[tuple[str, SalesforceError]]:
    """Let the set read and edit these fields, row by row, so that nothing is taken from it that others put in meanwhile.

    What it allows already is left alone. Gives the fields that were refused, each with Salesforce's reason. LookupError when
    there is no such set; raises the wire's errors when nothing could be asked.
    """
    parent = find_set(client, name)
    if not parent:
        raise LookupError(f"the permission set {name} is not there")
    wanted = {each.field.lower(): each for each in metadata.grants_for(fields)}
    condition = f"{equals('ParentId', parent)} AND {one_of('SobjectType', sorted(_objects(wanted.values())))}"
    present = client.query_all(
        f"SELECT Id, Field, PermissionsRead, PermissionsEdit FROM FieldPermissions WHERE {condition}"  # noqa: S608  quoted
    )
    there = {str(row["Field"]).lower(): row for row in present}
    new = [each for key, each in wanted.items() if key not in there]
    wider = [
        (each, there[key]["Id"]) for key, each in wanted.items()
        if key in there and not _allows(there[key], each)
    ]  # fmt: skip
    made = [{"ParentId": parent, "SobjectType": _object(each), "Field": each.field, **_rights(each)} for each in new]
    changed = [{"Id": found, **_rights(each)} for each, found in wider]
    refused = _refusals(new, insert_rows(client, "FieldPermissions", made) if made else ())
    return refused + _refusals([each for each, _ in wider], update_rows(client, "FieldPermissions", changed) if changed else ())


def _refusals(asked: Sequence[FieldPermission], answers: Iterable[Sequence[RowAnswer]]) -> list[tuple[str, SalesforceError]]:
    rows = [row for batch in answers for row in batch]
    told = [(each.field, row.error) for each, row in zip(asked, rows, strict=True)]
    return [(name, error) for name, error in told if error is not None and error.code != ALREADY_THERE]


def _rights(each: FieldPermission) -> dict[str, bool]:
    return {"PermissionsRead": each.readable or each.editable, "PermissionsEdit": each.editable}


def _allows(row: Mapping[str, Any], each: FieldPermission) -> bool:
    return bool(row["PermissionsRead"]) and (bool(row["PermissionsEdit"]) or not each.editable)


def _object(each: FieldPermission) -> str:
    return each.field.partition(".")[0]


def _objects(granted: Iterable[FieldPermission]) -> set[str]:
    return {_object(each) for each in granted}


def assign(client: Client, user_id: str, name: str = SET_NAME) -> bool:
    """Give the set of that name to a user; False when that user had it. Raises the wire's errors (no right, no license)."""
    if not is_id(user_id):
        raise ValueError("not a user's id")
    found = find_set(client, name)
    if not found:
        raise LookupError(f"the permission set {name} is not there")
    return assign_set(client, user_id, found)


def assign_set(client: Client, user_id: str, set_id: str) -> bool:
    """The same for a set whose id is known."""
    row = {"AssigneeId": user_id, "PermissionSetId": set_id}
    try:
        rest.create_record(client, "PermissionSetAssignment", row)
    except SalesforceError as error:
        if error.code == ALREADY_THERE:
            return False
        raise
    return True
