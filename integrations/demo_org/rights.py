"""What single users may do with objects and fields: access that the control plane takes away (or gives back) at run time.

Without an order everybody may do what the object itself allows. An order for a user comes before one for everybody; it also
comes before what permission sets say, because its purpose is to take access away.
"""

import threading
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from integrations.demo_org.rows import RowError
from integrations.demo_org.schema.types import Field, ObjectType

if TYPE_CHECKING:
    from integrations.demo_org.org import Caller, DemoOrg

VERBS = ("read", "create", "edit", "delete")
NO_RIGHT = RowError("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")


@dataclass(frozen=True, slots=True)
class Right:
    """Access to one object. Without `read` it does not exist for the user. `hidden`, `locked`: field names in lower case."""

    read: bool = True
    create: bool = True
    edit: bool = True
    delete: bool = True
    hidden: frozenset[str] = field(default_factory=frozenset)
    locked: frozenset[str] = field(default_factory=frozenset)

    def shown(self, kind: ObjectType) -> ObjectType | None:
        """The object as a user with this access sees it; None when not at all."""
        if not self.read:
            return None
        seen = kind.without(self.hidden) if self.hidden & kind.by_name.keys() else kind
        fields = tuple(self._field(each) for each in seen.fields)
        return replace(
            seen, fields=fields, createable=kind.createable and self.create, updateable=kind.updateable and self.edit,
            deletable=kind.deletable and self.delete, undeletable=kind.undeletable and self.delete,
        )  # fmt: skip

    def _field(self, made: Field) -> Field:
        open_ = made.name.lower() not in self.locked
        create, update = made.createable and self.create and open_, made.updateable and self.edit and open_
        return (
            made
            if (create, update) == (made.createable, made.updateable)
            else replace(made, createable=create, updateable=update)
        )


class Rights:
    """All orders of an org. `number` grows with each change. Safe for threads."""

    def __init__(self) -> None:
        self.number = 0
        self._orders: dict[tuple[str, str], Right] = {}
        self._lock = threading.Lock()

    def order(self, user_id: str, kind: ObjectType, wanted: dict[str, Any]) -> None:
        """Change a user's access to an object ("" = everybody). What `wanted` does not name stays as it is.

        ValueError for an unknown word, a value that is not true or false, or a field that the object does not have.
        """
        known = {*VERBS, "fields"}
        unknown = sorted(set(wanted) - known)
        if unknown:
            raise ValueError(f"There is no right {', '.join(unknown)}. Known: {', '.join(sorted(known))}")
        verbs = {name: wanted[name] for name in VERBS if name in wanted}
        if any(not isinstance(each, bool) for each in verbs.values()):
            raise ValueError("A right is true or false")
        with self._lock:
            key = (user_id, kind.name.lower())
            right = replace(self._orders.get(key, Right()), **verbs)
            for name, levels in (wanted.get("fields") or {}).items():
                right = _with_field(right, kind, name, levels)
            self._orders[key] = right
            self.number += 1

    def of(self, user_id: str) -> dict[str, Right]:
        """The user's orders by lower-cased object name."""
        with self._lock:
            everybody = {name: right for (user, name), right in self._orders.items() if not user}
            return everybody | {name: right for (user, name), right in self._orders.items() if user and user == user_id}

    def rows(self) -> list[dict[str, Any]]:
        """All orders, for the control plane."""
        with self._lock:
            rows = [{"user": user, "object": name, **asdict(right)} for (user, name), right in self._orders.items()]
        return [{**row, "hidden": sorted(row["hidden"]), "locked": sorted(row["locked"])} for row in rows]

    def clear(self) -> None:
        """Everybody may do again what the objects allow."""
        with self._lock:
            self._orders.clear()
            self.number += 1

    def __bool__(self) -> bool:
        return bool(self._orders)


def _with_field(right: Right, kind: ObjectType, name: str, levels: Any) -> Right:
    """The access with another one to a field: {"read": bool, "edit": bool}."""
    if kind.find(name) is None or not isinstance(levels, dict) or set(levels) - {"read", "edit"}:
        raise ValueError(f'Say {{"fields": {{"{name}": {{"read": true, "edit": false}}}}}} with a field of {kind.name}')
    key = {name.lower()}
    read, edit = bool(levels.get("read", True)), bool(levels.get("edit", levels.get("read", True)))
    hidden = right.hidden - key if read else right.hidden | key
    return replace(right, hidden=hidden, locked=right.locked - key if edit else right.locked | key)


def find_bar(kind: ObjectType, stored: ObjectType, *, verb: str) -> RowError | None:
    """Why a user who sees `kind` may not do something that the object (`stored`) allows; None when he may."""
    if verb == "create" and stored.createable and not kind.createable:
        return RowError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be inserted: {kind.name}")
    edits = verb == "edit" and stored.updateable and not kind.updateable
    deletes = verb == "delete" and stored.deletable and not kind.deletable
    return NO_RIGHT if edits or deletes else None


def holds(org: "DemoOrg", caller: "Caller", permission: str) -> bool:
    """Whether the caller is an administrator or has a user permission such as ModifyMetadata, by profile or permission set."""
    kind = org.schema.find("PermissionSet")
    if caller.is_admin or kind is None:
        return True
    if kind.find(f"Permissions{permission}") is None:
        return False
    sql = f"""SELECT 1 FROM PermissionSet p WHERE p.Permissions{permission} = 1 AND (
        p.Id IN (SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = :user)
        OR p.ProfileId = (SELECT ProfileId FROM "User" WHERE Id = :user))"""  # noqa: S608 - a name of the catalogue
    return org.store.read().execute(sql, {"user": caller.user_id}).fetchone() is not None
