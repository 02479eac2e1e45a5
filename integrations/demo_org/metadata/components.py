"""What can be done with each type of component: save, delete, read, list. Calls work on a draft until they are kept."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

from integrations.demo_org import definitions, ids
from integrations.demo_org import page_layouts as layouts
from integrations.demo_org.metadata import automation, fields, listing, objects, permissions, screens, validation
from integrations.demo_org.metadata.values import Refused, Values, as_list, text_of
from integrations.demo_org.schema.changes import Draft

if TYPE_CHECKING:
    from integrations.demo_org.org import Caller, DemoOrg
    from integrations.demo_org.schema.changes import Row

LONG_AGO = "1970-01-01T00:00:00.000Z"
PREFIXES = {
    "CustomObject": "01I",
    "CustomField": "00N",
    "ValidationRule": "03d",
    "PermissionSet": "0PS",
    "InstalledPackage": "0A3",
    **{kind: each[2] for kind, each in {**screens.SCREENS, **automation.KINDS}.items()},
}
# components that are parts of a file, and the element that holds them there
IN_OBJECTS = {"CustomField": "fields", "ValidationRule": "validationRules"}
NESTED = {**IN_OBJECTS, **automation.WORKFLOW_PARTS}
WHOLE_FILES = {"CustomField": "CustomObject", "ValidationRule": "CustomObject",
               **dict.fromkeys(automation.WORKFLOW_PARTS, "Workflow")}  # fmt: skip
TYPES = tuple(PREFIXES)
DIRECTORIES = {
    "CustomObject": ("objects", "object"), "PermissionSet": ("permissionsets", "permissionset"),
    "Workflow": ("workflows", "workflow"), "InstalledPackage": ("installedPackages", "installedPackage"),
    **{kind: each[:2] for kind, each in {**screens.SCREENS, **automation.KINDS}.items() if kind not in NESTED},
}  # fmt: skip
# objects that tell of components and are none themselves
ABOUT_SCHEMA = frozenset({*definitions.TABLES, "ApexClass", "ApexTrigger"})
# types that real orgs have and this one does not imitate: named when somebody wants to save one
UNKNOWN = "INVALID_TYPE"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one component."""

    full_name: str
    created: bool = False
    deleted: bool = False
    changed: bool = True
    refusal: Refused | None = None


@dataclass
class Workshop:
    """One call or deployment: components are tried on a draft; `keep` makes them real."""

    org: "DemoOrg"
    caller: "Caller"
    draft: "Draft" = field(init=False)
    rows: "list[Row]" = field(default_factory=list)
    sets: list[tuple[str, Values]] = field(default_factory=list)
    replaces_sets: bool = False  # whether a permission set takes the place of the one there, or is added to it

    def __post_init__(self) -> None:
        self.draft = self.org.draft.copy()

    def save(self, kind: str, values: Values, *, create: bool = True, update: bool = True) -> Outcome:
        """Try to create or change a component."""
        name = text_of(values, "fullName")
        try:
            if not name:
                raise Refused("REQUIRED_FIELD_MISSING", "Required field is missing: fullName")
            created = self._save(kind, values, create=create, update=update)
        except Refused as refusal:
            return Outcome(name, changed=False, refusal=refusal)
        return Outcome(name, created=created)

    def _save(self, kind: str, values: Values, *, create: bool, update: bool) -> bool:
        """Put a component into the draft; whether it is new."""
        name = text_of(values, "fullName")
        if kind == "PermissionSet":
            permissions.check_permission_set(self.draft, values)
            self._change(permissions.access_rows(self.draft, values, replaces=self.replaces_sets))
            tried = {text_of(each, "fullName") for what, each in self.sets if what == "save"}
            known = permissions.find_permission_set(self.org, name) is not None or name in tried
            if not known and not create:
                raise Refused("INVALID_CROSS_REFERENCE_KEY", f"In field: fullName - no PermissionSet named {name} found")
            if known and not update:
                raise Refused("DUPLICATE_DEVELOPER_NAME", f"Duplicate developer name: {name}")
            self.sets.append(("save", values))
            return not known
        if kind == "Workflow":
            return self._save_parts(values, create=create, update=update)
        if kind in automation.KINDS:
            known = automation.find_component(self.draft, kind, name) is not None
            stamp = self.org.clock.stamp()
            self._change(automation.component_rows(self.draft, kind, values, create=create, update=update, stamp=stamp))
            return not known
        if screens.is_screen(kind):
            known = screens.find_screen(self.draft, kind, name) is not None
            known = known or (kind == "Layout" and layouts.describe_layout(self.draft, name) is not None)
            self._change(screens.screen_rows(self.draft, kind, values, create=create, update=update))
            return not known
        maker = {"CustomObject": objects.object_rows, "CustomField": fields.field_rows,
                 "ValidationRule": validation.rule_rows}.get(kind)  # fmt: skip
        if maker is None:
            raise Refused(UNKNOWN, f"This org does not imitate components of type {kind}")
        finder = {"CustomObject": Draft.find, "CustomField": fields.find_field, "ValidationRule": validation.find_rule}[kind]
        found = finder(self.draft, name)
        self._change(maker(self.draft, values, create=create, update=update))
        return found is None

    def _save_parts(self, values: Values, *, create: bool, update: bool) -> bool:
        """A whole workflow file: its outbound messages, then its rules. Nothing else in it is imitated."""
        own, parts = text_of(values, "fullName"), automation.WORKFLOW_PARTS
        unknown = sorted(each for each in values if each not in {"fullName", *parts.values()} and not each.startswith("@"))
        if unknown:
            raise Refused(UNKNOWN, f"This org does not imitate {unknown[0]} of Workflow components")
        named = [
            (kind, {**each, "fullName": f"{own}.{text_of(each, 'fullName')}"})
            for kind, element in parts.items()
            for each in as_list(values.get(element))
        ]
        saved = [self._save(kind, each, create=create, update=update) for kind, each in named]
        return any(saved)

    def drop(self, kind: str, name: str) -> Outcome:
        """Try to delete a component."""
        try:
            if kind == "PermissionSet":
                if permissions.find_permission_set(self.org, name) is None:
                    raise Refused("INVALID_CROSS_REFERENCE_KEY", f"No PermissionSet named: {name} found")
                self.sets.append(("drop", {"fullName": name}))
                self._change([{"kind": "notes", "name": f"{permissions.ACCESS_NOTE}{name}", "body": None}])
            elif kind in automation.KINDS:
                self._change(automation.drop_rows(self.draft, kind, name))
            elif screens.is_screen(kind):
                self._change(screens.drop_screen_rows(self.draft, kind, name))
            else:
                dropper = {"CustomObject": objects.drop_object_rows, "CustomField": fields.drop_rows,
                           "ValidationRule": validation.drop_rule_rows}.get(kind)  # fmt: skip
                if dropper is None:
                    raise Refused(UNKNOWN, f"This org does not imitate components of type {kind}")
                self._change(dropper(self.draft, name))
        except Refused as refusal:
            return Outcome(name, changed=False, refusal=refusal)
        return Outcome(name, deleted=True)

    def rename(self, kind: str, old: str, new: str) -> Outcome:
        """Try to rename a custom object."""
        try:
            if kind != "CustomObject":
                raise Refused(UNKNOWN, f"This org does not rename components of type {kind}")
            self._change(objects.rename_object_rows(self.draft, old, new))
        except Refused as refusal:
            return Outcome(old, changed=False, refusal=refusal)
        return Outcome(old)

    def _change(self, rows: "list[Row]") -> None:
        self.draft.apply(rows)
        self.rows += rows

    def keep(self) -> None:
        """Make it real, all in one transaction. Refused when the org changed in between so that a part cannot be saved."""
        self.org.change_schema(self.rows, also=self._keep_sets)

    def _keep_sets(self) -> None:
        permissions.forget_dropped(self.org, self.rows)
        if listing.concerns_automation(self.rows):
            listing.write_listing(self.org, self.caller, self.draft)
        for what, values in self.sets:
            if what == "drop":
                permissions.drop_permission_set(self.org, self.caller, text_of(values, "fullName"))
            else:
                permissions.save_permission_set(self.org, self.caller, self.draft, values, replaces=self.replaces_sets)


def read_component(org: "DemoOrg", kind: str, name: str, *, version: float) -> Values | None:
    """A component as readMetadata tells it, or None if there is none of that name. Refused for types not imitated."""
    if kind == "PermissionSet":
        return permissions.describe_permission_set(org, name)
    if kind in automation.KINDS:
        return automation.find_component(org.draft, kind, name)
    if kind == "Workflow":
        return _describe_workflow(org, name)
    if kind == "CustomObject":
        found = org.draft.find(name)
        return objects.describe_object(org.draft, found, version=version) if found else None
    if kind == "CustomField":
        made = fields.find_field(org.draft, name)
        owner = org.draft.find(fields.owners_named(name.partition(".")[0])[0])
        if made is None or owner is None:
            return None
        return fields.describe_field(org.draft, owner, made, version=version, qualified=True)
    if kind == "ValidationRule":
        return validation.describe_rule(org.draft, name, qualified=True)
    if kind == "Layout":
        return layouts.describe_layout(org.draft, name)
    if kind == "InstalledPackage":
        known = name in definitions.installed_spaces(org)
        return {"fullName": name, "activateRSS": False, "versionNumber": definitions.VERSION} if known else None
    if screens.is_screen(kind):
        kept = screens.find_screen(org.draft, kind, name)
        return None if kept is None else {"fullName": name, **kept}
    raise Refused(UNKNOWN, f"This org does not imitate components of type {kind}")


def _describe_workflow(org: "DemoOrg", name: str) -> Values | None:
    """An object's workflow file: its outbound messages and rules; None if it has none."""
    found: Values = {"fullName": name}
    for kind, element in automation.WORKFLOW_PARTS.items():
        own = [each for each, _ in automation.note_names(org.draft, kind) if each.partition(".")[0].lower() == name.lower()]
        bodies = [automation.find_component(org.draft, kind, each) or {} for each in own]
        if bodies:
            found[element] = [{**body, "fullName": each.partition(".")[2]} for each, body in zip(own, bodies, strict=True)]
    return found if len(found) > 1 else None


def _workflow_names(org: "DemoOrg") -> Iterator[tuple[str, bool]]:
    owners = {
        name.partition(".")[0] for kind in automation.WORKFLOW_PARTS for name, _ in automation.note_names(org.draft, kind)
    }
    return ((each, True) for each in sorted(owners))


def component_id(org: "DemoOrg", kind: str, name: str) -> str:
    """A stable id for a component that is no record."""
    if kind == "PermissionSet":
        return permissions.find_permission_set(org, name) or ""
    if kind == "Flow":
        name = automation.version_name(org.draft, name)
    return ids.make_ids(PREFIXES[kind], org.store.instance, crc32(name.lower().encode()), 1)[0]


def list_components(org: "DemoOrg", kind: str) -> list[Values]:
    """The components of a type as listMetadata tells them; none for types that are not imitated."""
    lister = LISTERS.get(kind)
    return [file_properties(org, kind, name, custom=custom) for name, custom in lister(org)] if lister else []


def _object_names(org: "DemoOrg") -> Iterator[tuple[str, bool]]:
    kinds = sorted(org.schema.objects.values(), key=lambda kind: kind.name)
    return ((each.name, each.custom) for each in kinds if each.name not in ABOUT_SCHEMA)


def _field_names(org: "DemoOrg") -> Iterator[tuple[str, bool]]:
    for kind in sorted(org.schema.objects.values(), key=lambda each: each.name):
        yield from ((f"{kind.name}.{made.name}", True) for made in kind.fields if made.custom and made.compound is None)


def _set_names(org: "DemoOrg") -> Iterator[tuple[str, bool]]:
    sql = "SELECT coalesce(NamespacePrefix || '__', '') || Name FROM PermissionSet WHERE IsOwnedByProfile = 0 ORDER BY 1"
    return ((row[0], True) for row in org.store.read().execute(sql))


def _notes_of(kind: str) -> Callable[["DemoOrg"], Iterator[tuple[str, bool]]]:
    return lambda org: automation.note_names(org.draft, kind)


def _screens_of(kind: str) -> Callable[["DemoOrg"], Iterator[tuple[str, bool]]]:
    return lambda org: screens.screen_names(org.draft, kind)


LISTERS: dict[str, Callable[["DemoOrg"], Iterator[tuple[str, bool]]]] = {
    **{kind: _screens_of(kind) for kind in screens.SCREENS}, **{kind: _notes_of(kind) for kind in automation.KINDS},
    "Layout": lambda org: layouts.layout_names(org.draft), "Workflow": _workflow_names,
    "CustomObject": _object_names, "CustomField": _field_names, "PermissionSet": _set_names,
    "ValidationRule": lambda org: ((name, True) for name in validation.rule_names(org.draft)),
    "InstalledPackage": lambda org: ((name, True) for name in definitions.installed_spaces(org)),
}  # fmt: skip


def file_properties(org: "DemoOrg", kind: str, name: str, *, custom: bool = True) -> Values:
    """What listMetadata and retrieve say about a component (standard objects have neither id nor dates)."""
    user_id, user_name = first_user(org)
    directory, suffix = DIRECTORIES.get(WHOLE_FILES.get(kind, kind), ("objects", "object"))
    stamp = LONG_AGO if not custom else org.visibility.of(None).since
    facts: dict[str, Any] = {
        "createdById": user_id,
        "createdByName": user_name,
        "createdDate": stamp,
        "fileName": f"{directory}/{name.partition('.')[0] if kind in NESTED else name}.{suffix}",
        "fullName": name,
        "id": component_id(org, kind, name) if custom else "",
        "lastModifiedById": user_id,
        "lastModifiedByName": user_name,
        "lastModifiedDate": stamp,
        "namespacePrefix": "",
        "type": kind,
    }
    if custom:
        facts = {**{k: facts[k] for k in list(facts)[:9]}, "manageableState": "unmanaged", "type": kind}
    return facts


def first_user(org: "DemoOrg") -> tuple[str, str]:
    """Id and name of the org's first user, who made what came with the org."""
    row = org.store.read().execute('SELECT Id, Name FROM "User" ORDER BY Id LIMIT 1').fetchone()
    return (row[0], row[1]) if row else ("", "")
