"""Changes of a schema as rows: how deployed metadata is kept in the data file and applied to the catalogue.

Rows are JSON objects with a `kind`: object, field, drop_field, drop_object, rename_object, notes. A `guarded` field is seen
only by users to whom a permission set (or their profile) grants it. Notes keep what a component says beyond the schema.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.demo_org.schema.stored import field_from_json, object_from_json
from integrations.demo_org.schema.types import Field, ObjectType, Schema

CURRENCY_FIELD = "currencyisocode"
Row = Mapping[str, Any]


@dataclass
class Draft:
    """A schema in the making. `guarded` has lower-cased field names by lower-cased object name."""

    objects: dict[str, ObjectType]
    guarded: dict[str, set[str]] = field(default_factory=dict)
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    installing: str = ""
    """Namespace of the package that is being installed; components of another namespace cannot be created."""

    def copy(self) -> "Draft":
        """One that can be changed alone."""
        guarded = {name: set(each) for name, each in self.guarded.items()}
        return Draft(dict(self.objects), guarded, dict(self.notes), self.installing)

    def find(self, name: str) -> ObjectType | None:
        """The object of that API name, in any case."""
        return self.objects.get(name.lower())

    def schema(self) -> Schema:
        """The finished schema."""
        return Schema(self.objects.values())

    def apply(self, rows: Iterable[Row]) -> "Draft":
        """Put the changes in, in their order; what refers to an object that is not there is passed over."""
        for row in rows:
            CHANGES[row["kind"]](self, row)
        return self


def with_currency(kind: ObjectType) -> ObjectType:
    """The object with a CurrencyIsoCode if it holds money and its catalogue entry lacks one."""
    if kind.find(CURRENCY_FIELD) or not any(each.type == "currency" for each in kind.fields):
        return kind
    code = Field("CurrencyIsoCode", "Currency ISO Code", "picklist", length=3, defaulted_on_create=True, default="USD")
    return replace(kind, fields=(*kind.fields, code))


def _put_object(draft: Draft, row: Row) -> None:
    made = with_currency(object_from_json(row["body"]))
    draft.objects[made.name.lower()] = made


def _put_field(draft: Draft, row: Row) -> None:
    kind = draft.find(row["object"])
    if kind is None:
        return
    made = field_from_json(row["body"])
    name = made.name.lower()
    present = kind.find(name) is not None
    fields = tuple(made if each.name.lower() == name else each for each in kind.fields)
    draft.objects[kind.name.lower()] = with_currency(replace(kind, fields=fields if present else (*kind.fields, made)))
    if row.get("guarded"):
        draft.guarded.setdefault(kind.name.lower(), set()).add(name)


def _drop_field(draft: Draft, row: Row) -> None:
    kind = draft.find(row["object"])
    if kind is None:
        return
    draft.objects[kind.name.lower()] = kind.without([row["field"]])
    draft.guarded.get(kind.name.lower(), set()).discard(row["field"].lower())


def _rules_of(draft: Draft, object_name: str) -> list[str]:
    """The notes that are validation rules of an object."""
    return [name for name in draft.notes if name.lower().startswith(f"ValidationRule:{object_name}.".lower())]


def _screens_of(draft: Draft, object_name: str) -> list[str]:
    """The notes that are the tab and the page layouts of an object."""
    tab, layout = f"CustomTab:{object_name}".lower(), f"Layout:{object_name}-".lower()
    return [name for name in draft.notes if name.lower() == tab or name.lower().startswith(layout)]


def _drop_object(draft: Draft, row: Row) -> None:
    draft.objects.pop(row["object"].lower(), None)
    for name in [*_rules_of(draft, row["object"]), *_screens_of(draft, row["object"])]:
        draft.notes.pop(name)
    draft.guarded.pop(row["object"].lower(), None)


def _rename_object(draft: Draft, row: Row) -> None:
    old, new = row["object"], row["to"]
    kind = draft.objects.pop(old.lower(), None)
    if kind is None:
        return
    draft.objects[new.lower()] = replace(kind, name=new)
    for name in _rules_of(draft, old):
        draft.notes[f"ValidationRule:{new}.{name.rpartition('.')[2]}"] = draft.notes.pop(name)
    if old.lower() in draft.guarded:
        draft.guarded[new.lower()] = draft.guarded.pop(old.lower())
    for key, each in draft.objects.items():
        if any(old in made.reference_to for made in each.fields):
            draft.objects[key] = replace(each, fields=tuple(_pointing_to(made, old, new) for made in each.fields))


def _pointing_to(made: Field, old: str, new: str) -> Field:
    return replace(made, reference_to=tuple(new if each == old else each for each in made.reference_to))


def _put_notes(draft: Draft, row: Row) -> None:
    if row["body"] is None:
        draft.notes.pop(row["name"], None)
    else:
        draft.notes[row["name"]] = row["body"]


CHANGES = {
    "object": _put_object,
    "field": _put_field,
    "drop_field": _drop_field,
    "drop_object": _drop_object,
    "rename_object": _rename_object,
    "notes": _put_notes,
}
