"""How a Salesforce field is held, compared and written, from its describe. Pure.

Three underscores cannot stand in a Salesforce name, and none can end with one: so names of ours that have them never collide
with a field.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from integrations.salesforce.describe import FieldInfo, ObjectInfo

PATH = "___"  # stands for the point of a path such as Account__r.External_Id__c
BEFORE = "___before"
LONGEST = 80
RESERVED = ("key", "parent_key", "label", "remove", "absent", "problem")
"""Columns of desired rows that are not fields."""
MOST_DIGITS = 38

NUMBERS = {"double": "number", "currency": "number", "percent": "number", "int": "whole", "long": "whole"}
KINDS = {"boolean": "flag", "date": "day", "datetime": "moment", "time": "clock", **NUMBERS}
COMPOUND = frozenset(("address", "location", "complexvalue", "anytype", "base64"))


@dataclass(frozen=True, slots=True)
class Column:
    """One field that a push writes. `field` is Salesforce's spelling, `name` the column's in the lake.

    `like` says how values are compared: `text`, `choices` (in any order, R-078), `id` (15 or 18 characters), `number` (at the
    field's scale), `moment` (whole seconds), `plain`. `digits` stand before the point, `length` is in characters, 0 = not
    known. `new_only` and `old_only`: the user may set it only when the record is created, or only afterwards. `lookup` is the
    reference field behind a path.
    """

    field: str
    name: str
    kind: str
    like: str
    scale: int = 0
    digits: int = 0
    length: int = 0
    new_only: bool = False
    old_only: bool = False
    lookup: str = ""

    @property
    def before(self) -> str:
        """Column of the value that was there before."""
        return shortened(f"{self.name}{BEFORE}")


def column_name(field: str) -> str:
    """The lake's column for a field or a path over a parent."""
    return shortened(field.replace(".", PATH))


def shortened(name: str) -> str:
    """`name` when the lake takes it, else its beginning and a digest."""
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 17]}_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def kind_of(info: FieldInfo) -> str:
    """Kind of the lake's column that holds the field exactly."""
    return KINDS.get(info.type, "text")


def like_of(info: FieldInfo) -> str:
    """When two of its values are the same."""
    if info.type == "multipicklist":
        return "choices"
    if info.type in ("id", "reference"):
        return "id"
    return {"text": "text", "number": "number", "moment": "moment"}.get(kind_of(info), "plain")


def column_of(info: FieldInfo, *, path: str = "", lookup: FieldInfo | None = None) -> Column:
    """The column of a field; for a path, of the parent's key that stands for the reference field `lookup`."""
    rights = lookup or info
    return Column(
        field=path or info.name,
        name=column_name(path or info.name),
        kind=kind_of(info),
        like=like_of(info),
        scale=info.scale,
        digits=info.digits if kind_of(info) == "whole" else max(0, info.precision - info.scale),
        length=info.length if kind_of(info) == "text" else 0,
        new_only=rights.createable and not rights.updateable,
        old_only=rights.updateable and not rights.createable,
        lookup=lookup.name if lookup else "",
    )


def lookup_of(info: ObjectInfo, path: str) -> FieldInfo | None:
    """The reference field that `Parent__r.Key__c` stands for, None when the object has no such parent."""
    relationship, _, rest = path.partition(".")
    if not rest or "." in rest:
        return None
    name = relationship.rpartition(":")[2].lower()
    return next((field for field in info.fields if field.relationship_name.lower() == name), None)


def path_column(path: str, lookup: FieldInfo) -> Column:
    """The column of a parent's external id. The parent's describe is not asked for: the key is sent as text."""
    relationship, _, key = path.partition(".")
    spelled = relationship.rpartition(lookup.relationship_name)[0] + lookup.relationship_name
    key_info = FieldInfo(name=key, label=key, type="string")
    return column_of(key_info, path=f"{spelled}.{key}", lookup=lookup)


def fields_of(names: Iterable[str]) -> list[str]:
    """The columns of desired rows that are fields."""
    return [name for name in names if name not in RESERVED]
