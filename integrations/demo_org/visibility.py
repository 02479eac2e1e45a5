"""What a user sees of the schema: hidden parts of the settings, and deployed fields that must be granted first.

A field that was deployed is invisible to everybody, administrators too, until a permission set that the user holds (or the
profile) has a FieldPermissions row for it.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from integrations.demo_org.clock import from_text, to_text
from integrations.demo_org.rights import Right
from integrations.demo_org.schema.changes import CURRENCY_FIELD
from integrations.demo_org.schema.types import ObjectType, Schema

if TYPE_CHECKING:
    from integrations.demo_org.org import Caller, DemoOrg

MULTI_CURRENCY_OBJECTS = frozenset({"currencytype", "datedconversionrate"})
GRANTS = """SELECT lower(f.Field), max(f.PermissionsEdit) FROM FieldPermissions f WHERE f.PermissionsRead = 1
    AND f.ParentId IN (SELECT a.PermissionSetId FROM PermissionSetAssignment a WHERE a.AssigneeId = :user
        UNION SELECT p.Id FROM PermissionSet p JOIN "User" u ON u.ProfileId = p.ProfileId WHERE u.Id = :user)
    GROUP BY lower(f.Field)"""
COORDINATE = re.compile(r"__(?:latitude|longitude)__s$")
ONE_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a user saw last, why (`key`) and since when."""

    key: object
    schema: Schema
    since: str


class Visibility:
    """Keeps one schema per user (one for all as long as no field needs a grant)."""

    def __init__(self, org: "DemoOrg") -> None:
        self.org = org
        self._seen: dict[str, Seen] = {}
        self._lock = threading.Lock()

    def of(self, caller: "Caller | None") -> Seen:
        """The schema as the caller sees it, with the moment of its last change (never the same second twice)."""
        settings, org = self.org.settings, self.org
        user = caller.user_id if caller and (org.draft.guarded or org.rights) else ""
        grants = self._grants(user)
        hidden = (repr(settings.hidden_objects), repr(settings.hidden_fields), settings.multi_currency)
        key = (org.schema_number, *hidden, grants, org.rights.number)
        with self._lock:
            known = self._seen.get(user)
            if known is None or known.key != key:
                known = Seen(key, self._build(dict(grants), org.rights.of(user)), self._next_stamp(known))
                self._seen[user] = known
            return known

    def _next_stamp(self, known: Seen | None) -> str:
        """Now, but later than the last change: clients compare whole seconds."""
        now = self.org.clock.stamp()
        return now if known is None or known.since < now else to_text(from_text(known.since) + ONE_SECOND)

    def _grants(self, user: str) -> frozenset[tuple[str, int]]:
        """(object.field, may edit) of the fields granted to the user; nothing while no field needs a grant."""
        if not user or self.org.schema.find("FieldPermissions") is None:
            return frozenset()
        return frozenset((name, edit) for name, edit in self.org.store.read().execute(GRANTS, {"user": user}))

    def _build(self, grants: dict[str, int], rights: Mapping[str, Right]) -> Schema:
        """The schema with the hidden parts taken out."""
        settings = self.org.settings
        hidden = {name.lower(): {each.lower() for each in names} for name, names in settings.hidden_fields.items()}
        gone = {name.lower() for name in settings.hidden_objects}
        gone |= set() if settings.multi_currency else MULTI_CURRENCY_OBJECTS
        always = set() if settings.multi_currency else {CURRENCY_FIELD}
        kept: list[ObjectType] = []
        for key, kind in self.org.schema.objects.items():
            if key in gone:
                continue
            guarded = self.org.draft.guarded.get(key, set())
            ungranted = {name for name in guarded if f"{key}.{granted_name(name)}" not in grants}
            without = hidden.get(key, set()) | always | ungranted
            shown = kind.without(without) if without & kind.by_name.keys() else kind
            seen = _read_only(shown, {name for name in guarded if not grants.get(f"{key}.{granted_name(name)}", 1)})
            allowed = rights[key].shown(seen) if key in rights else seen
            kept += [allowed] if allowed is not None else []
        return Schema(kept)


def granted_name(name: str) -> str:
    """The field whose grant counts for a field (both in lower case): coordinates are seen with their geolocation."""
    return COORDINATE.sub("__c", name)


def _read_only(kind: ObjectType, names: set[str]) -> ObjectType:
    """The object with some fields closed to writing."""
    if not names:
        return kind
    fields = (replace(f, createable=False, updateable=False) if f.name.lower() in names else f for f in kind.fields)
    return replace(kind, fields=tuple(fields))
