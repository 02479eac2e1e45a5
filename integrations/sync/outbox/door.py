"""The door: which fields of a push may be written, judged by the kind, the describe and nothing else (PX-36, PX-D11)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from integrations.models import OutboxTarget
from integrations.salesforce.describe import FieldInfo, ObjectInfo
from integrations.sync.outbox.columns import COMPOUND, Column, column_of, lookup_of, path_column
from integrations.sync.outbox.kinds import OutboxKind

HIDDEN = "does not exist, or the connected user cannot see it"


@dataclass(frozen=True)
class Entry:
    """What the door lets through: columns by the name that was asked for, and `refused` fields with the reason for each.

    `key` is the key field; `closed` says why nothing at all may be written, "" when something may.
    """

    by_name: dict[str, Column]
    refused: dict[str, str] = field(default_factory=dict)
    key: FieldInfo | None = None
    closed: str = ""

    @property
    def columns(self) -> tuple[Column, ...]:
        """What may be written, in the order asked for."""
        return tuple(self.by_name.values())


def check_entry(kind: OutboxKind, target: OutboxTarget, info: ObjectInfo, names: Iterable[str]) -> Entry:
    """Check object, key and every field. A bad field stays out alone (I-10); a bad key or object closes the door (R-169)."""
    key = info.field(target.key_field)
    closed = _why_closed(kind, target, info, key)
    columns: dict[str, Column] = {}
    refused: dict[str, str] = {}
    seen: set[str] = set()
    for name in names:
        column, reason = _check_field(kind, target, info, name)
        if not reason and column is not None and column.field.lower() in seen:
            reason = "is named twice"
        if reason or column is None:
            refused[name] = reason
            continue
        seen.add(column.field.lower())
        columns[name] = column
    return Entry(columns, refused, key, closed)


def why_not(kind: OutboxKind, target: OutboxTarget, info: ObjectInfo, name: str) -> str:
    """Why a field must not be written; "" when it may."""
    return _check_field(kind, target, info, name)[1]


def _why_closed(kind: OutboxKind, target: OutboxTarget, info: ObjectInfo, key: FieldInfo | None) -> str:
    saves = kind.saves_by
    if saves and not info.updateable:
        return f"the connected user may not edit {info.name}"
    if saves == "upsert" and not info.createable:
        return f"the connected user may not create {info.name}"
    if saves == "update" and target.key_field.lower() != "id":
        return f"{kind.label} is updated by Id, not by {target.key_field}"
    if saves == "upsert" and (key is None or not (key.external_id or key.id_lookup) or key.type == "id"):
        return f"the key {info.name}.{target.key_field} " + (HIDDEN if key is None else "is no external id")
    return ""


def _check_field(kind: OutboxKind, target: OutboxTarget, info: ObjectInfo, name: str) -> tuple[Column | None, str]:
    found = lookup_of(info, name) if "." in name else info.field(name)
    if found is None:
        return None, HIDDEN
    own = found.name
    if own.lower() == target.key_field.lower():
        return None, "is the key"
    if found.calculated or found.auto_number or found.type in COMPOUND:
        return None, "is calculated by Salesforce" if found.type not in COMPOUND else "is written by its parts"
    writable = found.updateable or (found.createable and kind.saves_by == "upsert")
    if not writable:
        return None, "is read-only for the connected user"
    reason = kind.may_write(target, info, own)
    column = path_column(name, found) if "." in name else column_of(found)
    return column, reason


def missing_required(info: ObjectInfo, columns: Sequence[Column]) -> list[str]:
    """Fields that a create needs and these rows never have (R-111)."""
    given = {column.field.lower() for column in columns} | {column.lookup.lower() for column in columns}
    return [field.name for field in info.fields if field.is_required and field.name.lower() not in given]
