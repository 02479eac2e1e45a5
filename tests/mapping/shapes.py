"""Salesforce fields and sources for tests of the mapping."""

from datetime import UTC, datetime
from typing import Any

from integrations.salesforce.describe import Choice, FieldInfo, ObjectInfo

TEXTS = ("string", "textarea", "picklist", "multipicklist", "combobox", "email", "url", "phone")


def make_field(name: str = "PX_Field__c", kind: str = "string", **extra: Any) -> FieldInfo:
    """A writable custom field with the usual sizes of its type."""
    sizes: dict[str, Any] = {"length": 255} if kind in TEXTS else {"length": 18} if kind in ("id", "reference") else {}
    sizes |= {"double": {"precision": 18, "scale": 2}, "currency": {"precision": 18, "scale": 2}}.get(kind, {})
    sizes |= {"percent": {"precision": 18, "scale": 2}, "int": {"digits": 8}}.get(kind, {})
    writable = {"createable": True, "updateable": True, "custom": name.endswith("__c")}
    return FieldInfo(
        **({"name": name, "label": name.removesuffix("__c").replace("_", " "), "type": kind} | sizes | writable | extra)
    )


def make_choices(*values: str, inactive: tuple[str, ...] = (), labels: dict[str, str] | None = None) -> tuple[Choice, ...]:
    """Picklist values in order; labels are the values unless told otherwise."""
    named = labels or {}
    return tuple(Choice(value, named.get(value, value), value not in inactive, False) for value in values)


def make_object(name: str = "Account", *fields: FieldInfo, **extra: Any) -> ObjectInfo:
    """A described object with these fields and an Id."""
    flags = {"queryable": True, "createable": True, "updateable": True, "deletable": True, "retrieveable": True}
    flags |= {"replicateable": True, "mergeable": not name.endswith("__c"), "custom": name.endswith("__c")}
    identity = FieldInfo("Id", "Record ID", "id", length=18, nillable=False, createable=False, updateable=False)
    return ObjectInfo(
        **(
            {"name": name, "label": name.removesuffix("__c"), "key_prefix": "001", "fields": (identity, *fields)}
            | flags
            | extra
        )
    )


def at(text: str) -> datetime:
    """An instant in UTC from `2026-11-22 04:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
