"""The permission set with exactly what is needed, by Salesforce's rules. Pure.

The rules: a right on an object needs the rights below it and read on its parents; rights of lines, members and prices follow
from another object; required, system and master-detail fields must not be listed; addresses are granted as a whole; nothing
that Salesforce computes can be editable. A set that is deployed replaces the one in the org.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from integrations.salesforce.metadata import FieldPermission, MetadataPackage, ObjectPermission, PermissionSet
from integrations.salesforce.metadata_xml import write_document
from project.security.rights import (
    CREATE,
    DELETE,
    EDIT,
    FOLLOWS,
    PARENTS,
    READ,
    WITHOUT_RIGHTS,
    ObjectFact,
    Wish,
    with_included,
)

NAME, LABEL = "Causeway_Integration", "Causeway Integration"
ABOUT = "Exactly what Causeway's integration user needs. Made by Causeway; give it to nobody else."
FILE = f"{NAME}.permissionset-meta.xml"
NO_VIEW_ALL = frozenset({"product2", "pricebook2"})
"""Objects without sharing: everybody who may read one reads all of them."""
ALWAYS_SEEN = frozenset({
    "id", "name", "ownerid", "createddate", "createdbyid", "lastmodifieddate", "lastmodifiedbyid", "systemmodstamp",
    "isdeleted", "masterrecordid", "lastname", "firstname", "stagename", "closedate", "iswon", "isclosed", "isconverted",
    "status", "priority", "lastactivitydate", "lastvieweddate", "lastreferenceddate", "isprivate", "unitprice", "quantity",
})  # fmt: skip
"""Standard fields that field-level security does not cover, for objects that the user cannot describe."""


def build(
    wishes: Iterable[Wish], facts: Mapping[str, ObjectFact], user_rights: Iterable[str], *, all_records: bool = True
) -> PermissionSet:
    """The set for these needs; `facts` by object name in lower case. What the org does not have is left out.

    `all_records`: see every record of the objects, whatever sharing says; without it sharing decides.
    """
    by_object: dict[str, list[Wish]] = {}
    for wish in wishes:
        by_object.setdefault(wish.object.lower(), []).append(wish)
    kept = {key: asked for key, asked in by_object.items() if facts.get(key) is None or facts[key].exists is not False}
    return PermissionSet(
        NAME, LABEL, ABOUT, fields=tuple(_fields(kept, facts)), objects=tuple(_objects(kept, facts, all_records)),
        user_permissions=tuple(sorted(user_rights)),
    )  # fmt: skip


def _objects(asked: Mapping[str, Sequence[Wish]], facts: Mapping[str, ObjectFact], all_records: bool) -> list[ObjectPermission]:
    verbs: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for key, wishes in asked.items():
        fact = facts.get(key)
        name = fact.name if fact else wishes[0].object
        needed = with_included(verb for wish in wishes for verb in wish.verbs) | {READ}
        _want(verbs, names, name, needed, facts)
    return [
        ObjectPermission(
            names[key], read=True, create=CREATE in allowed, edit=EDIT in allowed, delete=DELETE in allowed,
            view_all=all_records and key not in NO_VIEW_ALL,
        )
        for key, allowed in sorted(verbs.items())
    ]  # fmt: skip


def _want(
    verbs: dict[str, set[str]], names: dict[str, str], name: str, needed: set[str], facts: Mapping[str, ObjectFact]
) -> None:
    """Note what is needed of one object and of those that it depends on; each object is entered once for the same rights."""
    key = name.lower()
    if key in FOLLOWS:
        changes = needed & {CREATE, EDIT, DELETE}
        _want(verbs, names, FOLLOWS[key], {READ, EDIT} if changes and FOLLOWS[key] != "Pricebook2" else {READ}, facts)
        return
    if key not in WITHOUT_RIGHTS:
        if needed <= verbs.get(key, set()):
            return
        verbs.setdefault(key, set()).update(needed)
        names.setdefault(key, name)
    fact = facts.get(key)
    for parent in (*PARENTS.get(key, ()), *(fact.masters if fact else ())):
        if parent.lower() != key:
            _want(verbs, names, parent, {READ}, facts)


def _fields(asked: Mapping[str, Sequence[Wish]], facts: Mapping[str, ObjectFact]) -> list[FieldPermission]:
    found: dict[str, FieldPermission] = {}
    for key, wishes in asked.items():
        fact = facts.get(key)
        for wish in wishes:
            named = _granted(wish, fact) if wish.field else None
            if named is None:
                continue
            name, can_change = named
            full = f"{fact.name if fact else wish.object}.{name}"
            had = found.get(full.lower())
            edit = bool({CREATE, EDIT} & wish.verbs) and can_change
            found[full.lower()] = FieldPermission(full, readable=True, editable=edit or (had.editable if had else False))
    return [found[key] for key in sorted(found)]


def _granted(wish: Wish, fact: ObjectFact | None) -> tuple[str, bool] | None:
    """The field to grant for a wish, and whether it can be editable; None where field-level security does not apply."""
    if "." in wish.field:  # a path to another object's field is granted there
        return None
    found = fact.fields.get(wish.field.lower()) if fact else None
    if found is None:
        return None  # nothing is known about it: a set that names a field which is not there is refused as a whole
    if found.exists is False or (not found.seen and found.name.lower() in ALWAYS_SEEN):
        return None
    whole = fact.fields.get(found.compound.lower()) if fact and found.compound else None
    if whole is not None:
        return (whole.name, found.can_change) if whole.takes_rights else None
    return (found.name, found.can_change) if found.takes_rights else None


@dataclass(frozen=True)
class Change:
    """One difference between the set in the org and the one that would be deployed. `kind`: added, removed or changed."""

    kind: str
    what: str
    before: str
    after: str


def changes(present: PermissionSet | None, wanted: PermissionSet) -> list[Change]:
    """What deploying would change, as people read it; empty when the org's set is the same."""
    old, new = _lines(present) if present else {}, _lines(wanted)
    found = []
    for name in sorted({*old, *new}, key=str.lower):
        before, after = old.get(name, ""), new.get(name, "")
        if before != after:
            kind = "added" if not before else "removed" if not after else "changed"
            found.append(Change(kind, name, before, after))
    return found


def _lines(made: PermissionSet) -> dict[str, str]:
    lines = {f"Permission {name}": "on" for name in made.user_permissions}
    for each in made.objects:
        rights = ("read", "create", "edit", "delete", "view_all", "modify_all")
        lines[each.object] = ", ".join(right.replace("_", " ") for right in rights if getattr(each, right))
    for each in made.fields:
        lines[each.field] = "read, edit" if each.editable else "read"
    return {name: text for name, text in lines.items() if text}


def file_of(made: PermissionSet) -> bytes:
    """The set as one file in source format, for `force-app/main/default/permissionsets/`."""
    return write_document("PermissionSet", made.element())


def package_of(made: PermissionSet) -> MetadataPackage:
    """The package that is deployed, and that the zip holds."""
    return MetadataPackage(permission_sets=(made,))


# --- kept with the review ---------------------------------------------------------------------------------------------


def to_json(made: PermissionSet) -> dict[str, list[list[object]]]:
    """The set as it is kept with a review."""
    return {
        "objects": [[each.object, each.create, each.edit, each.delete, each.view_all] for each in made.objects],
        "fields": [[each.field, each.editable] for each in made.fields],
        "user": [[name] for name in made.user_permissions],
    }


def from_json(data: Mapping[str, Sequence[Sequence[object]]], *, all_records: bool = True) -> PermissionSet:
    """The set that a review kept; without `all_records` sharing decides which records are seen."""
    objects = tuple(
        ObjectPermission(
            str(name), create=bool(create), edit=bool(edit), delete=bool(delete), view_all=bool(view_all) and all_records
        )
        for name, create, edit, delete, view_all in data.get("objects", ())
    )
    fields = tuple(FieldPermission(str(name), editable=bool(edit)) for name, edit in data.get("fields", ()))
    user = tuple(str(name) for (name,) in data.get("user", ()))
    return PermissionSet(NAME, LABEL, ABOUT, fields=fields, objects=objects, user_permissions=user)
