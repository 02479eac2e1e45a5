"""What the integration user needs, what it has, and what that means: needed, missing, too much. Pure; knows no HTTP, no ORM."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

READ, CREATE, EDIT, DELETE = "read", "create", "edit", "delete"
VERBS = (READ, CREATE, EDIT, DELETE)
INCLUDES = {READ: (), CREATE: (READ,), EDIT: (READ,), DELETE: (READ, EDIT)}
"""Salesforce refuses a right on an object without these."""

TOO_BROAD = {
    "ModifyAllData": ("Modify All Data", "It may change and delete every record of the org."),
    "ManageUsers": ("Manage Users", "It may make users and change what they are allowed."),
    "BulkApiHardDelete": ("Bulk API Hard Delete", "It may delete records so that nobody can bring them back."),
    "AuthorApex": ("Author Apex", "It may run code with the rights of the system."),
    "ManageInternalUsers": ("Manage Internal Users", "It may make users and change what they are allowed."),
}
SEES_ALL = {"ViewAllData": ("View All Data", "It sees every record of every object, also those that nobody needs here.")}
DEPLOYING = {
    "CustomizeApplication": ("Customize Application", "Needed only while Causeway deploys fields or permission sets."),
    "ModifyMetadata": ("Modify Metadata Through Metadata API Functions", "Needed only while Causeway deploys."),
    "ManageProfilesPermissionsets": ("Manage Profiles and Permission Sets", "Needed only while Causeway deploys."),
    "AssignPermissionSets": ("Assign Permission Sets", "Needed only while Causeway gives itself a permission set."),
}
USER_LABELS = {
    "ApiEnabled": "API Enabled", "RunReports": "Run Reports", "ViewSetup": "View Setup and Configuration",
    "EditTask": "Edit Tasks", "ViewPublicReports": "View Reports in Public Folders",
}  # fmt: skip
JUDGED = (*USER_LABELS, *TOO_BROAD, *SEES_ALL, *DEPLOYING)
"""User permissions that are asked for; an org that does not know one is not asked about it."""

# Objects whose access follows from another object or from a user permission: they cannot stand in a permission set.
FOLLOWS = {
    "opportunitylineitem": "Opportunity", "opportunitycontactrole": "Opportunity", "opportunityhistory": "Opportunity",
    "opportunityfieldhistory": "Opportunity", "pricebookentry": "Pricebook2", "campaignmember": "Campaign",
    "accounthistory": "Account", "accountcontactrelation": "Account", "quotelineitem": "Quote", "orderitem": "Order",
    "casecomment": "Case", "casehistory": "Case", "contracthistory": "Contract",
}  # fmt: skip
WITHOUT_RIGHTS = frozenset({
    "task", "event", "activity", "user", "organization", "recordtype", "report", "dashboard", "folder", "currencytype",
    "datedconversionrate", "businesshours", "profile", "permissionset", "opportunitystage", "leadstatus", "casestatus",
    "fiscalyearsettings", "userrole", "group", "entitydefinition", "fielddefinition", "period",
})  # fmt: skip
PARENTS = {
    "contact": ("Account",), "opportunity": ("Account",), "case": ("Account", "Contact"), "contract": ("Account",),
    "order": ("Account", "Contract"), "asset": ("Account", "Contact"), "quote": ("Opportunity",), "entitlement": ("Account",),
    "campaignmember": ("Campaign",), "lead": (), "opportunitylineitem": ("Opportunity",), "pricebookentry": ("Pricebook2",),
}  # fmt: skip
"""Standard objects that may be read only by who may read these (Salesforce refuses the set otherwise)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A right that a domain needs. Without `field` it is about the object. `optional`: a missing one stops nothing."""

    object: str
    field: str
    verbs: frozenset[str]
    domain: str
    why: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class FieldFact:
    """A field as the org has it. `seen`: by the integration user. `exists` None: nobody could tell.
    `takes_rights`: field-level security applies to it (required, system and master-detail fields are always visible)."""

    name: str
    seen: bool
    editable: bool = False
    createable: bool = False
    takes_rights: bool = True
    can_change: bool = True
    exists: bool | None = True
    compound: str = ""
    """The field whose rights count for it: addresses and geolocations are granted as a whole."""


@dataclass(frozen=True)
class ObjectFact:
    """An object as the org has it. `allowed`: what the integration user may do. `masters`: parents by master-detail."""

    name: str
    seen: bool
    allowed: frozenset[str] = frozenset()
    fields: Mapping[str, FieldFact] = field(default_factory=dict)
    masters: tuple[str, ...] = ()
    exists: bool | None = True


@dataclass(frozen=True)
class Given:
    """What permission sets and the profile say, as far as it can be read. None: it could not be read."""

    user_rights: Mapping[str, tuple[str, ...]] | None = None
    """User permission: names of the sets that give it."""
    object_rights: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None
    """Object: verb (also view_all, modify_all): names of the sets."""
    spelled: Mapping[str, str] = field(default_factory=dict)
    """Objects of `object_rights` as Salesforce spells them."""
    known: frozenset[str] = frozenset()
    """User permissions that this org has at all."""
    profile: str = ""
    sets: tuple[str, ...] = ()
    license: str = ""


OK, MISSING, ABSENT, NOT_READ, TOO_MUCH = "ok", "missing", "absent", "unknown", "too_much"
WORDS = {
    OK: "as needed", MISSING: "missing", ABSENT: "not in the org", NOT_READ: "could not be read", TOO_MUCH: "more than needed",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One line of the table. `name` is empty for the object itself; `extra` are rights that nobody needs."""

    object: str
    name: str
    state: str
    needed: tuple[str, ...]
    granted: tuple[str, ...]
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    optional: bool = False
    given_by: tuple[str, ...] = ()


def judge_object(wishes: Sequence[Wish], fact: ObjectFact | None, given: Given) -> list[Line]:
    """The lines of one object: itself first, then its fields by name. `wishes` are all of this object."""
    name = fact.name if fact else wishes[0].object
    asked = {verb for wish in wishes for verb in wish.verbs}
    needed = with_included(asked) | {READ}
    lines = [_object_line(name, needed, wishes, fact, given)]
    by_field: dict[str, list[Wish]] = {}
    for wish in wishes:
        if wish.field:
            by_field.setdefault(wish.field.lower(), []).append(wish)
    lines += [_field_line(name, by_field[key], fact) for key in sorted(by_field)]
    return lines


def with_included(verbs: Iterable[str]) -> set[str]:
    """The verbs and those that Salesforce wants with them."""
    return {each for verb in verbs for each in (verb, *INCLUDES[verb])}


def _object_line(name: str, needed: set[str], wishes: Sequence[Wish], fact: ObjectFact | None, given: Given) -> Line:
    optional = all(wish.optional for wish in wishes)
    facts = {
        "domains": _names(wish.domain for wish in wishes),
        "why": _names(wish.why for wish in wishes),
        "optional": optional,
    }
    if fact is None:
        return Line(name, "", NOT_READ, _ordered(needed), (), **facts)
    if not fact.seen:
        state = ABSENT if fact.exists is False else MISSING
        return Line(name, "", state, _ordered(needed), (), _ordered(needed), **facts)
    missing = needed - fact.allowed
    listed = (given.object_rights or {}).get(name.lower(), {})
    extra = [verb for verb in VERBS if verb in listed and verb not in needed]
    extra += ["modify_all"] if "modify_all" in listed else []
    sets = _names(each for verb in extra for each in listed[verb])
    state = MISSING if missing else TOO_MUCH if extra else OK
    granted = _ordered(fact.allowed)
    return Line(name, "", state, _ordered(needed), granted, _ordered(missing), tuple(extra), given_by=sets, **facts)


def _field_line(owner: str, wishes: list[Wish], fact: ObjectFact | None) -> Line:
    needed = {READ} | ({EDIT} if any({CREATE, EDIT} & wish.verbs for wish in wishes) else set())
    facts = _facts(wishes)
    found = fact.fields.get(wishes[0].field.lower()) if fact else None
    if found is None:
        return Line(owner, wishes[0].field, NOT_READ, _ordered(needed), (), **facts)
    if not found.seen:
        state = ABSENT if found.exists is False else MISSING
        return Line(owner, found.name, state, _ordered(needed), (), _ordered(needed), **facts)
    granted = {READ} | ({EDIT} if found.editable or found.createable else set())
    missing = needed - granted
    return Line(owner, found.name, MISSING if missing else OK, _ordered(needed), _ordered(granted), _ordered(missing), **facts)


def _facts(wishes: Sequence[Wish]) -> dict[str, Any]:
    optional = all(wish.optional for wish in wishes)
    domains = _names(wish.domain for wish in wishes)
    return {"domains": domains, "why": _names(wish.why for wish in wishes), "optional": optional}


def _ordered(verbs: Iterable[str]) -> tuple[str, ...]:
    found = set(verbs)
    return tuple(verb for verb in VERBS if verb in found)


def _names(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


@dataclass(frozen=True)
class UserLine:
    """One user permission: needed, given by which sets, and the verdict."""

    name: str
    label: str
    state: str
    why: str
    given_by: tuple[str, ...] = ()
    is_dangerous: bool = False


def judge_user(needed: Mapping[str, str], given: Given) -> list[UserLine]:
    """User permissions: those `needed` (with the reason), then those that are too broad or only for deploying."""
    lines = []
    for name, why in needed.items():
        label = USER_LABELS.get(name, name)
        if given.user_rights is None:
            lines.append(UserLine(name, label, NOT_READ, why))
        elif name in given.known:
            sets = given.user_rights.get(name, ())
            lines.append(UserLine(name, label, OK if sets else MISSING, why, sets))
    for group, dangerous in ((TOO_BROAD, True), (SEES_ALL, False), (DEPLOYING, False)):
        for name, (label, why) in group.items():
            sets = (given.user_rights or {}).get(name, ())
            if sets and name not in needed:
                lines.append(UserLine(name, label, TOO_MUCH, why, sets, dangerous))
    return lines


def unneeded_objects(needed: Iterable[str], given: Given) -> list[tuple[str, tuple[str, ...]]]:
    """Objects that permission sets allow and nobody needs, with the rights, by name. Parents of needed ones do not count."""
    wanted = {name.lower() for name in needed}
    wanted |= {parent.lower() for name in wanted for parent in PARENTS.get(name, ())}
    wanted |= {FOLLOWS[name].lower() for name in wanted if name in FOLLOWS}
    listed = given.object_rights or {}
    found = ((given.spelled.get(name, name), rights) for name, rights in listed.items() if name not in wanted and rights)
    return sorted((name, tuple(verb.replace("_", " ") for verb in rights)) for name, rights in found)


def field_fact(data: Mapping[str, Any]) -> FieldFact:
    """A `FieldFact` from one element of a describe's `fields`."""
    open_ = data.get("nillable", True) or data.get("type") == "boolean" or data.get("autoNumber") or data.get("calculated")
    is_detail = data.get("relationshipOrder") is not None
    return FieldFact(
        str(data["name"]), seen=True, editable=bool(data.get("updateable")), createable=bool(data.get("createable")),
        takes_rights=bool(data.get("permissionable", data.get("custom"))) and bool(open_) and not is_detail,
        can_change=not data.get("calculated") and not data.get("autoNumber"), compound=str(data.get("compoundFieldName") or ""),
    )  # fmt: skip


def object_fact(data: Mapping[str, Any]) -> ObjectFact:
    """An `ObjectFact` from a describe."""
    flags = {READ: "queryable", CREATE: "createable", EDIT: "updateable", DELETE: "deletable"}
    fields = {str(each["name"]).lower(): field_fact(each) for each in data.get("fields") or ()}
    masters = (
        parent for each in data.get("fields") or () if each.get("relationshipOrder") is not None
        for parent in each.get("referenceTo") or ()
    )  # fmt: skip
    return ObjectFact(
        str(data["name"]), True, frozenset(verb for verb, flag in flags.items() if data.get(flag)), fields, tuple(masters)
    )
