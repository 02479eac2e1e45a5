"""Permission sets: what a user may do with objects and fields, joined with what the org has already. Pure; knows no HTTP.

A permission set that is deployed replaces the one in the org (API 40.0 and later), so it must carry all that shall stay.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.salesforce.metadata_parts import DEVELOPER_NAME, CustomField
from integrations.salesforce.metadata_xml import Values, as_dicts

LONGEST_NAME, LONGEST_LABEL = 80, 80


@dataclass(frozen=True, slots=True)
class FieldPermission:
    """What a permission set allows with one field (`Object.Field__c`)."""

    field: str
    readable: bool = True
    editable: bool = False


@dataclass(frozen=True, slots=True)
class ObjectPermission:
    """What a permission set allows with one object."""

    object: str
    read: bool = True
    create: bool = False
    edit: bool = False
    delete: bool = False
    view_all: bool = False
    modify_all: bool = False


@dataclass(frozen=True, slots=True)
class PermissionSet:
    """A permission set. `principals` are those of external credentials that its people may call with (`Credential-Principal`);
    `kept` holds elements that came from the org and go back as they were."""

    name: str
    label: str
    description: str = ""
    fields: tuple[FieldPermission, ...] = ()
    objects: tuple[ObjectPermission, ...] = ()
    user_permissions: tuple[str, ...] = ()
    tabs: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    kept: Mapping[str, Any] = field(default_factory=dict)

    def element(self) -> Values:
        """The set's content without its name; what is written more than once is sorted, as Salesforce gives it."""
        facts: Values = {
            **self.kept, "applicationVisibilities": self._apps(), "label": self.label, "description": self.description or None,
            "externalCredentialPrincipalAccesses": self._principals(),
            "hasActivationRequired": self.kept.get("hasActivationRequired", False),
            "fieldPermissions": [
                {"editable": each.editable, "field": each.field, "readable": each.readable or each.editable}
                for each in sorted(self.fields, key=lambda each: each.field)
            ],
            "objectPermissions": [_object_element(each) for each in sorted(self.objects, key=lambda each: each.object)],
            "tabSettings": self._tabs(),
            "userPermissions": [{"enabled": True, "name": each} for each in sorted(self.user_permissions)],
        }  # fmt: skip
        return {name: facts[name] for name in sorted(facts) if facts[name] not in (None, [], "")}

    def _apps(self) -> list[Values]:
        """Settings of apps as the org had them, ours visible: nobody finds a deployed app in the App Launcher otherwise."""
        kept = [each for each in as_dicts(self.kept.get("applicationVisibilities")) if each.get("application") not in self.apps]
        return sorted(
            [*kept, *({"application": each, "visible": True} for each in self.apps)], key=lambda each: str(each["application"])
        )

    def _principals(self) -> list[Values]:
        """Access to principals as the org had it, ours enabled."""
        key = "externalCredentialPrincipal"
        kept = [each for each in as_dicts(self.kept.get(f"{key}Accesses")) if each.get(key) not in self.principals]
        return sorted([*kept, *({"enabled": True, key: each} for each in self.principals)], key=lambda each: str(each[key]))

    def _tabs(self) -> list[Values]:
        """Settings of tabs as the org had them, ours visible."""
        kept = [each for each in as_dicts(self.kept.get("tabSettings")) if each.get("tab") not in self.tabs]
        return sorted(
            [*kept, *({"tab": each, "visibility": "Visible"} for each in self.tabs)], key=lambda each: str(each["tab"])
        )

    def problems(self) -> list[str]:
        """What Salesforce would refuse."""
        found = []
        if not DEVELOPER_NAME.match(self.name) or len(self.name) > LONGEST_NAME:
            found.append(f"A permission set's name is letters, digits and single underscores, at most {LONGEST_NAME}.")
        if not 0 < len(self.label) <= LONGEST_LABEL:
            found.append(f"A permission set's label has 1 to {LONGEST_LABEL} characters.")
        return found


def _object_element(each: ObjectPermission) -> Values:
    """Wider rights include the narrower ones: Salesforce refuses edit without read."""
    edit = each.edit or each.delete or each.modify_all
    return {
        "allowCreate": each.create, "allowDelete": each.delete or each.modify_all, "allowEdit": edit,
        "allowRead": each.read or each.create or edit or each.view_all, "modifyAllRecords": each.modify_all,
        "object": each.object, "viewAllRecords": each.view_all or each.modify_all,
    }  # fmt: skip


def grants_for(fields: Iterable[CustomField], *, editable: bool = True) -> tuple[FieldPermission, ...]:
    """Field permissions that make new fields visible: only where field-level security applies, and none to edit what
    Salesforce computes."""
    return tuple(
        FieldPermission(each.full_name, readable=True, editable=editable and not each.is_calculated)
        for each in fields if each.takes_permissions
    )  # fmt: skip


def joined(present: PermissionSet, wanted: PermissionSet) -> PermissionSet:
    """Both sets together, nothing taken away: deploying a set replaces the one in the org (API 40.0 and later)."""
    fields = {each.field.lower(): each for each in present.fields}
    for each in wanted.fields:
        had = fields.get(each.field.lower(), FieldPermission(each.field, readable=False))
        both = FieldPermission(had.field, had.readable or each.readable, had.editable or each.editable)
        fields[each.field.lower()] = both
    objects = {each.object.lower(): each for each in present.objects}
    for each in wanted.objects:
        had = objects.get(each.object.lower(), ObjectPermission(each.object, read=False))
        rights = ("read", "create", "edit", "delete", "view_all", "modify_all")
        allowed = {right: getattr(had, right) or getattr(each, right) for right in rights}
        objects[each.object.lower()] = ObjectPermission(had.object, **allowed)
    return replace(
        present, label=present.label or wanted.label, description=present.description or wanted.description,
        fields=tuple(fields.values()), objects=tuple(objects.values()),
        user_permissions=tuple(dict.fromkeys((*present.user_permissions, *wanted.user_permissions))),
        tabs=tuple(dict.fromkeys((*present.tabs, *wanted.tabs))), apps=tuple(dict.fromkeys((*present.apps, *wanted.apps))),
        principals=tuple(dict.fromkeys((*present.principals, *wanted.principals))),
    )  # fmt: skip
