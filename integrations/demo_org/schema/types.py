"""What an object and a field are, in Salesforce's own terms (describe), and how they are stored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class PicklistValue:
    """One entry of a picklist. `valid_for` names the controlling values that allow it (empty = not dependent)."""

    value: str
    label: str = ""
    active: bool = True
    default: bool = False
    valid_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One field as describe tells it. `type` is the describe word: string, picklist, double, reference, ...

    Stored in a column of the same name: text as TEXT (NOCASE unless `case_sensitive` or an id), boolean as 0/1, int as
    INTEGER, double/currency/percent as REAL, date as YYYY-MM-DD, datetime as YYYY-MM-DDTHH:MM:SS.000Z, time as
    HH:MM:SS.000Z, multipicklist as a;b in definition order. A calculated field has no column: `formula` is an SQL
    expression over the row's columns, written with `{row}.` before each column name; `formula_text` is what describe shows.
    """

    name: str
    label: str
    type: str = "string"
    length: int = 0
    precision: int = 0
    scale: int = 0
    digits: int = 0
    reference_to: tuple[str, ...] = ()
    relationship_name: str | None = None
    child_relationship: str | None = None
    cascade_delete: bool = False
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    defaulted_on_create: bool = False
    default: object = None
    external_id: bool = False
    id_lookup: bool = False
    unique: bool = False
    case_sensitive: bool = False
    calculated: bool = False
    formula: str | None = None
    formula_text: str | None = None
    auto_number: bool = False
    name_field: bool = False
    name_pointing: bool = False
    custom: bool = False
    filterable: bool = True
    groupable: bool = True
    sortable: bool = True
    aggregatable: bool = True
    html: bool = False
    restricted_picklist: bool = False
    controller: str | None = None
    picklist: tuple[PicklistValue, ...] = ()
    compound: str | None = None
    help: str | None = None

    @property
    def is_text(self) -> bool:
        """Whether values are compared as text without case (unless `case_sensitive`)."""
        return self.type in {
            "string", "textarea", "picklist", "multipicklist", "combobox", "email", "phone", "url", "encryptedstring",
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One sObject. `fields` keeps describe's order; look-ups are by lower-cased name."""

    name: str
    label: str
    label_plural: str
    key_prefix: str
    fields: tuple[Field, ...]
    custom: bool = False
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    queryable: bool = True
    searchable: bool = True
    mergeable: bool = False
    replicateable: bool = True
    undeletable: bool = True
    by_name: Mapping[str, Field] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {each.name.lower(): each for each in self.fields})

    def find(self, name: str) -> Field | None:
        """The field of that API name, in any case."""
        return self.by_name.get(name.lower())

    def by_relationship(self, name: str) -> Field | None:
        """The reference field whose relationship is called `name` (Account for AccountId), in any case."""
        wanted = name.lower()
        return next((each for each in self.fields if (each.relationship_name or "").lower() == wanted), None)

    def without(self, hidden: Iterable[str]) -> "ObjectType":
        """A copy in which the named fields do not exist (field-level security)."""
        gone = {name.lower() for name in hidden}
        return replace(self, fields=tuple(each for each in self.fields if each.name.lower() not in gone))


class Schema:
    """All objects of an org, or those a user may see."""

    def __init__(self, objects: Iterable[ObjectType]) -> None:
        self.objects: dict[str, ObjectType] = {each.name.lower(): each for each in objects}

    def find(self, name: str) -> ObjectType | None:
        """The object of that API name, in any case."""
        return self.objects.get(name.lower())

    def by_prefix(self, record_id: str) -> ObjectType | None:
        """The object whose key prefix starts `record_id`."""
        return next((each for each in self.objects.values() if record_id.startswith(each.key_prefix)), None)

    def children_of(self, name: str) -> list[tuple[ObjectType, Field]]:
        """Every (object, field) that points to the named object."""
        return [(each, f) for each in self.objects.values() for f in each.fields if name in f.reference_to]
