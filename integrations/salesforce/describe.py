"""Typed access to describes: what a field is, and whether the connected user may read, filter or write it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.salesforce.errors import UnexpectedAnswer


@dataclass(frozen=True)
class Choice:
    """One picklist value; `value` is the API value, `label` is translated (R-109)."""

    value: str
    label: str
    active: bool
    default: bool


@dataclass(frozen=True)
class FieldInfo:
    """One field. `length` in characters, `precision` in digits with `scale` of them after the point."""

    name: str
    label: str
    type: str
    length: int = 0
    byte_length: int = 0
    precision: int = 0
    scale: int = 0
    digits: int = 0
    nillable: bool = True
    createable: bool = False
    updateable: bool = False
    calculated: bool = False
    auto_number: bool = False
    defaulted_on_create: bool = False
    external_id: bool = False
    id_lookup: bool = False
    unique: bool = False
    case_sensitive: bool = False
    custom: bool = False
    filterable: bool = True
    sortable: bool = True
    groupable: bool = False
    restricted_picklist: bool = False
    html: bool = False
    encrypted: bool = False
    compound_name: str = ""
    relationship_name: str = ""
    reference_to: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = field(default=(), repr=False)
    help_text: str = ""

    @property
    def is_required(self) -> bool:
        """Whether a create without it fails (R-111)."""
        return self.createable and not self.nillable and not self.defaulted_on_create

    @property
    def is_writable(self) -> bool:
        """Whether our user may set it on create and change it later (never judged by type)."""
        return self.createable and self.updateable

    @property
    def is_polymorphic(self) -> bool:
        """Whether it may point to several object types."""
        return len(self.reference_to) > 1

    @property
    def active_values(self) -> tuple[str, ...]:
        """API values that may be written (R-108)."""
        return tuple(choice.value for choice in self.choices if choice.active)


@dataclass(frozen=True)
class ObjectInfo:
    """One object. Only fields that the connected user can see are in `fields` (by lower-case name, see `field`)."""

    name: str
    label: str
    key_prefix: str
    custom: bool
    queryable: bool
    createable: bool
    updateable: bool
    deletable: bool
    retrieveable: bool
    replicateable: bool
    mergeable: bool
    fields: tuple[FieldInfo, ...] = field(repr=False)
    child_relationships: tuple["ChildRelationship", ...] = field(default=(), repr=False)

    def field(self, name: str) -> FieldInfo | None:
        """The field of that name in any case, None when it does not exist or the user cannot see it."""
        return self._by_name.get(name.lower())

    @property
    def _by_name(self) -> dict[str, FieldInfo]:
        index = self.__dict__.get("_index")
        if index is None:
            index = {item.name.lower(): item for item in self.fields}
            object.__setattr__(self, "_index", index)
        return index

    @property
    def external_ids(self) -> tuple[FieldInfo, ...]:
        """Fields that upserts may use as key."""
        return tuple(item for item in self.fields if item.external_id or (item.id_lookup and item.type != "id"))


@dataclass(frozen=True)
class ChildRelationship:
    """Objects that point here, with the name for child queries (empty when there is none)."""

    object: str
    field: str
    name: str


FLAGS = {
    "nillable": "nillable",
    "createable": "createable",
    "updateable": "updateable",
    "calculated": "calculated",
    "auto_number": "autoNumber",
    "defaulted_on_create": "defaultedOnCreate",
    "external_id": "externalId",
    "id_lookup": "idLookup",
    "unique": "unique",
    "case_sensitive": "caseSensitive",
    "custom": "custom",
    "filterable": "filterable",
    "sortable": "sortable",
    "groupable": "groupable",
    "restricted_picklist": "restrictedPicklist",
    "html": "htmlFormatted",
    "encrypted": "encrypted",
}
NUMBERS = {"length": "length", "byte_length": "byteLength", "precision": "precision", "scale": "scale", "digits": "digits"}


def read_object(data: Mapping[str, Any]) -> ObjectInfo:
    """An `ObjectInfo` from a describe answer; unknown keys are ignored, missing ones take their usual value."""
    if not isinstance(data.get("name"), str) or not isinstance(data.get("fields"), list):
        raise UnexpectedAnswer("This is not a describe answer.", code="BAD_DESCRIBE")
    return ObjectInfo(
        name=data["name"],
        label=str(data.get("label") or data["name"]),
        key_prefix=str(data.get("keyPrefix") or ""),
        custom=bool(data.get("custom")),
        queryable=bool(data.get("queryable", True)),
        createable=bool(data.get("createable")),
        updateable=bool(data.get("updateable")),
        deletable=bool(data.get("deletable")),
        retrieveable=bool(data.get("retrieveable", True)),
        replicateable=bool(data.get("replicateable")),
        mergeable=bool(data.get("mergeable")),
        fields=tuple(read_field(item) for item in data["fields"]),
        child_relationships=tuple(
            ChildRelationship(
                str(item.get("childSObject") or ""), str(item.get("field") or ""), str(item.get("relationshipName") or "")
            )
            for item in data.get("childRelationships") or ()
        ),
    )


def read_field(data: Mapping[str, Any]) -> FieldInfo:
    """A `FieldInfo` from one entry of a describe's `fields`."""
    flags: dict[str, Any] = {ours: bool(data[theirs]) for ours, theirs in FLAGS.items() if data.get(theirs) is not None}
    numbers: dict[str, Any] = {ours: int(data[theirs]) for ours, theirs in NUMBERS.items() if data.get(theirs) is not None}
    return FieldInfo(
        name=str(data["name"]),
        label=str(data.get("label") or data["name"]),
        type=str(data.get("type") or "string"),
        compound_name=str(data.get("compoundFieldName") or ""),
        relationship_name=str(data.get("relationshipName") or ""),
        reference_to=tuple(data.get("referenceTo") or ()),
        choices=tuple(_read_choice(item) for item in data.get("picklistValues") or ()),
        help_text=str(data.get("inlineHelpText") or ""),
        **flags,
        **numbers,
    )


def _read_choice(item: Mapping[str, Any]) -> Choice:
    value = str(item.get("value") or "")
    return Choice(value, str(item.get("label") or value), bool(item.get("active", True)), bool(item.get("defaultValue")))
