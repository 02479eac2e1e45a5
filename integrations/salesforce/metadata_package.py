"""A package of components to deploy together: checked, and zipped with its manifest. Pure; knows no HTTP."""

import io
import zipfile
from dataclasses import dataclass
from typing import Protocol

from integrations.salesforce.metadata_callouts import OutboundMessage
from integrations.salesforce.metadata_parts import CustomField, CustomObject
from integrations.salesforce.metadata_permissions import PermissionSet
from integrations.salesforce.metadata_xml import Values, write_document

FILE_DATE = (2020, 1, 1, 0, 0, 0)  # the same package gives the same bytes


@dataclass(frozen=True, slots=True)
class CustomTab:
    """A tab of a custom object; `motif` is its picture."""

    object: str
    motif: str = "Custom57: Building Block"


@dataclass(frozen=True, slots=True)
class CustomApp:
    """A Lightning app with tabs in their order (names of custom objects, or standard-Account and the like)."""

    name: str
    label: str
    tabs: tuple[str, ...] = ()
    description: str = ""

    def element(self) -> Values:
        """The app's file without its name."""
        facts: Values = {
            "description": self.description or None, "formFactors": ["Small", "Large"], "isNavAutoTempTabsDisabled": False,
            "isNavPersonalizationDisabled": False, "label": self.label, "navType": "Standard", "tabs": list(self.tabs),
            "uiType": "Lightning",
        }  # fmt: skip
        return {name: value for name, value in facts.items() if value not in (None, [])}


@dataclass(frozen=True, slots=True)
class PageLayout:
    """A page layout with one section of two columns; `fields` run down the left column, then the right one."""

    object: str
    name: str
    section: str
    fields: tuple[str, ...]
    read_only: frozenset[str] = frozenset()

    @property
    def full_name(self) -> str:
        """`Object-Layout Name`"""
        return f"{self.object}-{self.name}"

    def element(self) -> Values:
        """The layout's file without its name."""
        middle = -(-len(self.fields) // 2)
        halves = (self.fields[:middle], self.fields[middle:])
        columns = [{"layoutItems": [self._item(each) for each in half]} for half in halves]
        section = {"customLabel": True, "detailHeading": True, "editHeading": True, "label": self.section,
                   "layoutColumns": columns, "style": "TwoColumnsTopToBottom"}  # fmt: skip
        return {"layoutSections": [section]}

    def _item(self, name: str) -> Values:
        behavior = "Readonly" if name in self.read_only else "Required" if name == "Name" else "Edit"
        return {"behavior": behavior, "field": name}


class Component(Protocol):
    """A component with a file of its own: a credential, a registered service, a flow."""

    kind: str
    folder: str
    suffix: str

    @property
    def full_name(self) -> str:
        """As manifests name it."""
        ...

    def element(self) -> Values:
        """The file without its name."""
        ...

    def problems(self) -> list[str]:
        """What Salesforce would refuse."""
        ...


@dataclass(frozen=True, slots=True)
class MetadataPackage:
    """What is deployed together. `fields` go to objects that exist; fields of new objects stand in their object."""

    objects: tuple[CustomObject, ...] = ()
    fields: tuple[CustomField, ...] = ()
    permission_sets: tuple[PermissionSet, ...] = ()
    tabs: tuple[CustomTab, ...] = ()
    apps: tuple[CustomApp, ...] = ()
    layouts: tuple[PageLayout, ...] = ()
    components: tuple[Component, ...] = ()
    messages: tuple[OutboundMessage, ...] = ()

    def all_fields(self) -> list[CustomField]:
        """The fields of new and of existing objects."""
        return [*(each for made in self.objects for each in made.fields), *self.fields]

    def members(self) -> dict[str, list[str]]:
        """Full names by type, as the manifest lists them."""
        named = {
            "CustomApplication": [each.name for each in self.apps], "Layout": [each.full_name for each in self.layouts],
            "CustomField": [each.full_name for each in self.all_fields()], "CustomObject": [each.name for each in self.objects],
            "CustomTab": [each.object for each in self.tabs], "PermissionSet": [each.name for each in self.permission_sets],
            "WorkflowOutboundMessage": [each.full_name for each in self.messages],
        }  # fmt: skip
        for each in self.components:
            named.setdefault(each.kind, []).append(each.full_name)
        return {kind: sorted(names) for kind, names in named.items() if names}

    def problems(self) -> list[str]:
        """What Salesforce would refuse and can be known before sending, each with the component's name."""
        found = [f"{each.name}: {text}" for each in (*self.objects, *self.permission_sets) for text in each.problems()]
        parts = (*self.fields, *self.components, *self.messages)
        found += [f"{each.full_name}: {text}" for each in parts for text in each.problems()]
        for kind, names in self.members().items():
            lower = [each.lower() for each in names]
            found += [
                f"{each} stands twice among the {kind}s." for each in dict.fromkeys(names) if lower.count(each.lower()) > 1
            ]
        return found if self.members() else ["There is nothing to deploy."]

    def files(self, *, api_version: str) -> dict[str, bytes]:
        """The files of the package by path, the manifest first."""
        types = [{"members": names, "name": kind} for kind, names in self.members().items()]
        found = {"package.xml": write_document("Package", {"types": types, "version": api_version})}
        for made in self.objects:
            found[f"objects/{made.name}.object"] = write_document("CustomObject", made.element())
        for owner in dict.fromkeys(each.object for each in self.fields):
            parts = [each.element() for each in self.fields if each.object == owner]
            found[f"objects/{owner}.object"] = write_document("CustomObject", {"fields": parts})
        for each in self.permission_sets:
            found[f"permissionsets/{each.name}.permissionset"] = write_document("PermissionSet", each.element())
        for each in self.tabs:
            tab = {"customObject": True, "motif": each.motif}
            found[f"tabs/{each.object}.tab"] = write_document("CustomTab", tab)
        for each in self.apps:
            found[f"applications/{each.name}.app"] = write_document("CustomApplication", each.element())
        for each in self.layouts:
            found[f"layouts/{each.full_name}.layout"] = write_document("Layout", each.element())
        for each in self.components:
            found[f"{each.folder}/{each.full_name}.{each.suffix}"] = write_document(each.kind, each.element())
        for owner in dict.fromkeys(each.object for each in self.messages):  # only what the manifest names is changed
            parts = [each.element() for each in self.messages if each.object == owner]
            found[f"workflows/{owner}.workflow"] = write_document("Workflow", {"outboundMessages": parts})
        return found

    def zipped(self, *, api_version: str) -> bytes:
        """The package as a zip; the same package gives the same bytes. ValueError names everything that is wrong with it."""
        problems = self.problems()
        if problems:
            raise ValueError(" ".join(problems))
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in self.files(api_version=api_version).items():
                archive.writestr(zipfile.ZipInfo(name, FILE_DATE), body, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()
