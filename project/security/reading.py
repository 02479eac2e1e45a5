"""Asks Salesforce what the integration user may do: describes, permission sets, sign-ins. What is refused is left unknown."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from integrations.salesforce import metadata
from integrations.salesforce.client import Client
from integrations.salesforce.errors import (
    AuthError,
    InvalidField,
    LimitReached,
    Refused,
    SalesforceError,
    UpstreamUnavailable,
)
from integrations.salesforce.ids import is_id
from integrations.salesforce.soql import equals, one_of
from project.security.rights import JUDGED, FieldFact, Given, ObjectFact, Wish, object_fact

FATAL = (AuthError, UpstreamUnavailable, LimitReached)
OBJECT_VERBS = {
    "PermissionsRead": "read", "PermissionsCreate": "create", "PermissionsEdit": "edit", "PermissionsDelete": "delete",
    "PermissionsViewAllRecords": "view_all", "PermissionsModifyAllRecords": "modify_all",
}  # fmt: skip
MOST_LOGINS = 500


def read_objects(client: Client, wishes: Sequence[Wish]) -> dict[str, ObjectFact]:
    """The objects that are needed, by name in lower case. An object that describe hides is looked for in the metadata."""
    named: dict[str, str] = {}
    for wish in wishes:
        named.setdefault(wish.object.lower(), wish.object)
    facts = {key: _described(client, name) for key, name in named.items()}
    hidden = [named[key] for key, fact in facts.items() if not fact.seen]
    there = _in_metadata(client, "CustomObject", hidden)
    for name in hidden:
        facts[name.lower()] = replace(facts[name.lower()], exists=None if there is None else name.lower() in there)
    return _with_hidden_fields(client, facts, wishes)


def _described(client: Client, name: str) -> ObjectFact:
    try:
        return object_fact(client.describe(name))
    except Refused:
        return ObjectFact(name, seen=False)


def _with_hidden_fields(client: Client, facts: dict[str, ObjectFact], wishes: Sequence[Wish]) -> dict[str, ObjectFact]:
    """Add fields that are needed and that the user does not see: custom ones as the metadata tells them."""
    lacking: dict[str, tuple[str, str]] = {}
    for wish in wishes:
        fact = facts[wish.object.lower()]
        if wish.field and "." not in wish.field and wish.field.lower() not in fact.fields:
            lacking.setdefault(f"{fact.name}.{wish.field}".lower(), (fact.name, wish.field))
    custom = [f"{owner}.{name}" for owner, name in lacking.values() if name.lower().endswith("__c")]
    there = _in_metadata(client, "CustomField", custom)
    for key, (owner, name) in lacking.items():
        if key in {each.lower() for each in custom}:
            made = _from_metadata(name, None if there is None else there.get(key, {}))
        else:
            made = FieldFact(name, seen=False, exists=None)  # a standard field that is hidden is hidden by its security
        fact = facts[owner.lower()]
        facts[owner.lower()] = replace(fact, fields={**fact.fields, name.lower(): made})
    return facts


def _from_metadata(name: str, values: Mapping[str, Any] | None) -> FieldFact:
    """A hidden custom field. `values` None: nobody could tell; empty: it does not exist."""
    if values is None:
        return FieldFact(name, seen=False, exists=None)
    if not values:
        return FieldFact(name, seen=False, exists=False)
    kind, required = str(values.get("type") or ""), str(values.get("required") or "").lower() == "true"
    computed = bool(values.get("formula")) or kind in ("Summary", "AutoNumber")
    return FieldFact(
        name, seen=False, exists=True, takes_rights=not required and kind != "MasterDetail", can_change=not computed
    )


def _in_metadata(client: Client, kind: str, names: Sequence[str]) -> dict[str, Mapping[str, Any]] | None:
    """Components by full name in lower case; None when the user may not look (that takes Customize Application)."""
    if not names:
        return {}
    try:
        found = metadata.read_components(client, kind, names)
    except FATAL:
        raise
    except SalesforceError:
        return None
    return {name.lower(): values for name, values in found.items()}


# --- permission sets --------------------------------------------------------------------------------------------------


def read_given(client: Client, user_id: str) -> Given:
    """What the user's permission sets and profile say. Parts that Salesforce refuses are None."""
    if not is_id(user_id):
        return Given()
    try:
        known = {each["name"].removeprefix("Permissions") for each in client.describe("PermissionSet")["fields"]} & set(JUDGED)
        user = _user(client, user_id)
        sets = _sets(client, user_id, str(user.get("ProfileId") or ""), sorted(known))
    except Refused:
        return Given()
    profile = str((user.get("Profile") or {}).get("Name") or "")
    names = {str(row["Id"]): _name_of(row, profile) for row in sets}
    rights: dict[str, tuple[str, ...]] = {}
    for row, name in itertools.product(sets, sorted(known)):
        if row.get(f"Permissions{name}"):
            rights[name] = (*rights.get(name, ()), names[str(row["Id"])])
    license_name = str(((user.get("Profile") or {}).get("UserLicense") or {}).get("Name") or "")
    allowed, spelled = _object_rights(client, names)
    return Given(rights, allowed, spelled, frozenset(known), profile, tuple(names.values()), license_name)


def _user(client: Client, user_id: str) -> dict[str, Any]:
    for more in (", Profile.UserLicense.Name", ""):
        try:
            found = client.query_all(f"SELECT ProfileId, Profile.Name{more} FROM User WHERE {equals('Id', user_id)}")  # noqa: S608
        except InvalidField:
            continue
        return found[0] if found else {}
    return {}


def _sets(client: Client, user_id: str, profile_id: str, known: Sequence[str]) -> list[dict[str, Any]]:
    """The sets that are assigned and the one that stands for the profile, each once."""
    columns = ", ".join(("Id", "Name", "Label", "IsOwnedByProfile", *(f"Permissions{name}" for name in known)))
    given = client.query_all(
        f"SELECT PermissionSetId FROM PermissionSetAssignment WHERE {equals('AssigneeId', user_id)}"  # noqa: S608  quoted
    )
    ids = sorted({str(row["PermissionSetId"]) for row in given if row.get("PermissionSetId")})
    wheres = [one_of("Id", ids)] if ids else []
    wheres += [f"{equals('ProfileId', profile_id)} AND IsOwnedByProfile = true"] if is_id(profile_id) else []
    rows: dict[str, dict[str, Any]] = {}
    for where in wheres:
        for row in client.query_all(f"SELECT {columns} FROM PermissionSet WHERE {where}"):  # noqa: S608  quoted
            rows[str(row["Id"])] = row
    return list(rows.values())


def _name_of(row: Mapping[str, Any], profile: str) -> str:
    if row.get("IsOwnedByProfile"):
        return f"profile {profile}".strip()
    return str(row.get("Label") or row.get("Name") or "")


def _object_rights(
    client: Client, names: Mapping[str, str]
) -> tuple[dict[str, dict[str, tuple[str, ...]]] | None, dict[str, str]]:
    """By object in lower case and verb, the sets that allow it (None when it cannot be read); and how objects are spelled."""
    if not names:
        return {}, {}
    columns = ", ".join(OBJECT_VERBS)
    where = one_of("ParentId", sorted(names))
    try:
        rows = client.query_all(f"SELECT ParentId, SobjectType, {columns} FROM ObjectPermissions WHERE {where}")  # noqa: S608
    except Refused:
        return None, {}
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    spelled = {str(row["SobjectType"]).lower(): str(row["SobjectType"]) for row in rows}
    for row in rows:
        rights = found.setdefault(str(row["SobjectType"]).lower(), {})
        for column, verb in OBJECT_VERBS.items():
            if row.get(column):
                rights[verb] = (*rights.get(verb, ()), names[str(row["ParentId"])])
    return found, spelled


# --- sign-ins ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """An address that Salesforce saw sign-ins of the integration user from."""

    address: str
    times: int
    last: str
    failed: int


def read_addresses(client: Client, user_id: str) -> list[Seen] | None:
    """The addresses of the newest sign-ins, the most recent first; None when the history cannot be read (Manage Users)."""
    if not is_id(user_id):
        return None
    query = f"SELECT SourceIp, LoginTime, Status FROM LoginHistory WHERE {equals('UserId', user_id)}"  # noqa: S608  quoted
    try:
        rows = client.query_all(f"{query} ORDER BY LoginTime DESC LIMIT {MOST_LOGINS}")
    except FATAL:
        raise
    except SalesforceError:
        return None
    return _counted(rows)


def _counted(rows: Iterable[Mapping[str, Any]]) -> list[Seen]:
    found: dict[str, Seen] = {}
    for row in rows:
        address = str(row.get("SourceIp") or "")
        had = found.get(address, Seen(address, 0, str(row.get("LoginTime") or ""), 0))
        found[address] = replace(had, times=had.times + 1, failed=had.failed + (row.get("Status") != "Success"))
    return list(found.values())


def read_present(client: Client, name: str) -> metadata.PermissionSet | None:
    """The permission set of that name as the org has it; None without one or without the right to look."""
    try:
        return metadata.find_permission_set(client, name)
    except FATAL:
        raise
    except SalesforceError:
        return None
