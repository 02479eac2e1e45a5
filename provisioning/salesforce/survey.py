"""What an org has of our package already, and the rest that is to be deployed: what is there is never overwritten.

An administrator may have changed a field's values, a label, or the whole flow (ST-27); a second deployment must not undo it.
Only what would not work any more is sent again: the named credential's address, the service's description, permissions.
"""

import json
from collections.abc import Mapping
from typing import Any

from integrations.salesforce import metadata
from integrations.salesforce.client import Client
from integrations.salesforce.metadata import MetadataPackage, PermissionSet
from integrations.salesforce.metadata_answers import read_permission_set
from integrations.salesforce.metadata_callouts import ExternalService, NamedCredential
from integrations.salesforce.metadata_package import Component
from integrations.salesforce.metadata_xml import Values, as_dicts, text_of, write_part

Present = dict[str, dict[str, Values]]


def survey(client: Client, package: MetadataPackage) -> Present:
    """The components of the package that the org has, by type and lower-case full name. Raises the wire's errors."""
    found: Present = {}
    for kind, names in package.members().items():
        there = metadata.read_components(client, kind, names)
        found[kind] = {name.lower(): values for name, values in there.items()}
    return found


def lacking(package: MetadataPackage, present: Mapping[str, Mapping[str, Values]]) -> MetadataPackage:
    """What is left to deploy (pure). A permission set that is deployed replaces the one there, so it is joined with it."""
    fields = present.get("CustomField", {})
    sets = present.get("PermissionSet", {})
    return MetadataPackage(
        fields=tuple(each for each in package.fields if each.full_name.lower() not in fields),
        permission_sets=tuple(
            made for each in package.permission_sets if (made := _needed_set(each, sets.get(each.name.lower()))) is not None
        ),
        components=tuple(
            each for each in package.components if _is_needed(each, present.get(each.kind, {}).get(each.full_name.lower()))
        ),
    )  # fmt: skip


def _needed_set(wanted: PermissionSet, values: Values | None) -> PermissionSet | None:
    if values is None:
        return wanted
    there = read_permission_set(values)
    made = metadata.joined(there, wanted)
    return None if write_part("set", made.element()) == write_part("set", there.element()) else made


def _is_needed(component: Component, values: Values | None) -> bool:
    if values is None:
        return True
    if isinstance(component, NamedCredential):
        return address_of(values) != component.url
    if isinstance(component, ExternalService):
        return _json(text_of(values, "schema")) != _json(component.schema_text())
    return False  # a flow and an external credential belong to the org once they are there


def address_of(values: Mapping[str, Any]) -> str:
    """The address that a named credential calls, without a slash at its end; empty when it has none."""
    for each in as_dicts(values.get("namedCredentialParameters")):
        if text_of(each, "parameterType") == "Url":
            return text_of(each, "parameterValue").rstrip("/")
    return text_of(values, "endpoint").rstrip("/")  # credentials of the old kind


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
