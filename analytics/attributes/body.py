"""The attribute map as data: where in Salesforce each attribute stands (FZ-D2). Pure: no ORM, no HTTP, no clock.

A `Source` names an object and a field of it (or of a record that it points to, `of`), which of its records count (`where`),
how values read (`values`), and how one gets from a record to its account (`path`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics.attributes.catalogue import BY_KEY, CATALOGUE, MAIN_OF, group_keys

ACCOUNT = "Account"
PICKS = ("first", "latest", "every")
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "in", "not in", "blank", "not blank")
BLANK_OPERATORS = ("blank", "not blank")
AMOUNT_IS = ("total", "monthly", "yearly")
END_IS = ("first_day_without", "last_day_with")
DEFAULTS: dict[str, Any] = {
    "tx_amount_is": "total", "tx_end_is": "last_day_with", "default_months": 12, "csat_scale": 5, "ces_scale": 7,
}  # fmt: skip
"""Settings of a map: what an amount is for, what an end date means, the term where none is given, the scales of surveys."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step along a lookup: `field` of the record, which leads to a record of `object`."""

    field: str
    object: str


@dataclass(frozen=True, slots=True)
class Where:
    """One condition on a record (all must hold). `values` are texts: true/false, numbers, ISO days, picklist API values.

    `of`: the field stands on the record that these steps lead to. Text is compared as it is; blank means null or "".
    """

    field: str
    op: str = "="
    values: tuple[str, ...] = ()
    of: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where one attribute comes from.

    `path` leads from a record of `object` to its account; () for Account itself. `other_path` is tried where the first ends in
    nothing (a campaign member is a contact or a converted lead). `of` leads to the record that holds `fields`; () = the record
    itself. Several `fields` are joined by ", " (blank ones left out). `values` translates values; one that is not in it stays
    as it is. `pick` (attributes of accounts on other objects): the value of the account's first or latest record by `order_by`
    (a field of `object`; "" = CreatedDate) that is not blank, or every record is an event. `otherwise` is used where this one
    is blank; for record groups it stands on the same object and only `of`, `fields` and `values` of it count.
    """

    object: str
    fields: tuple[str, ...]
    where: tuple[Where, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    path: tuple[Step, ...] = ()
    other_path: tuple[Step, ...] = ()
    of: tuple[Step, ...] = ()
    pick: str = "latest"
    order_by: str = ""
    otherwise: "Source | None" = None

    @property
    def holder(self) -> str:
        """The object that has `fields`."""
        return self.of[-1].object if self.of else self.object

    def chain(self) -> "list[Source]":
        """This source and those used where it is blank, in order."""
        return [self, *(self.otherwise.chain() if self.otherwise else [])]


@dataclass(frozen=True, slots=True)
class MapBody:
    """A whole map. `attributes` has every key of the catalogue, None = not mapped. `settings` has every key of `DEFAULTS`.

    `reads`: further fields by object that exist in the org and that facts use when they are there (currencies, field history,
    person accounts); found when the map is saved.
    """

    attributes: Mapping[str, Source | None]
    settings: Mapping[str, Any] = field(default_factory=lambda: dict(DEFAULTS))
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def get(self, key: str) -> Source | None:
        """Source of an attribute, None when it is not mapped."""
        return self.attributes.get(key)

    def is_mapped(self, key: str) -> bool:
        """Whether the attribute has a source."""
        return self.attributes.get(key) is not None

    def group(self, records: str) -> "RecordGroup | None":
        """The records of one group of the catalogue; None when it is not mapped."""
        main = self.get(MAIN_OF[records])
        if main is None:
            main = next((found for key in group_keys(records) if (found := self.get(key)) is not None), None)
        if main is None:
            return None
        mapped = {key: found for key in group_keys(records) if (found := self.get(key)) is not None}
        return RecordGroup(records, main.object, main.where, main.path, main.other_path, mapped)


@dataclass(frozen=True, slots=True)
class RecordGroup:
    """Records of one object, each with several attributes. `where` and the paths are those of the group's main attribute."""

    records: str
    object: str
    where: tuple[Where, ...]
    path: tuple[Step, ...]
    other_path: tuple[Step, ...]
    sources: Mapping[str, Source]


EMPTY = MapBody({each.key: None for each in CATALOGUE})


# --- JSON ----------------------------------------------------------------------------------------------------------------


def as_json(body: MapBody) -> dict[str, Any]:
    """The form in which a map is stored and exported; what has its usual value is left out."""
    return {
        "attributes": {key: None if found is None else source_as_json(found) for key, found in body.attributes.items()},
        "settings": {**DEFAULTS, **body.settings},
        "reads": {name: list(fields) for name, fields in body.reads.items()},
    }


def source_as_json(source: Source) -> dict[str, Any]:
    """One source as plain data."""
    data: dict[str, Any] = {"object": source.object, "fields": list(source.fields)}
    optional: dict[str, Any] = {
        "where": [_where_as_json(each) for each in source.where], "values": dict(source.values), "path": _steps(source.path),
        "other_path": _steps(source.other_path), "of": _steps(source.of), "order_by": source.order_by,
        "pick": "" if source.pick == "latest" else source.pick,
        "otherwise": source_as_json(source.otherwise) if source.otherwise else None,
    }  # fmt: skip
    return data | {name: value for name, value in optional.items() if value}


def _where_as_json(where: Where) -> dict[str, Any]:
    data: dict[str, Any] = {"field": where.field, "op": where.op, "values": list(where.values)}
    return data | ({"of": _steps(where.of)} if where.of else {})


def _steps(steps: Iterable[Step]) -> list[dict[str, str]]:
    return [{"field": each.field, "object": each.object} for each in steps]


# --- What a map reads ----------------------------------------------------------------------------------------------------


def fields_needed(body: MapBody) -> dict[str, tuple[str, ...]]:
    """Every object and field that the map reads, in the order met; accounts and their id are always among them."""
    found: dict[str, dict[str, None]] = {ACCOUNT: {}}
    for source in body.attributes.values():
        for each in source.chain() if source is not None else ():
            _note_source(each, found)
    for name, fields in body.reads.items():
        found.setdefault(name, {}).update(dict.fromkeys(fields))
    return {name: tuple(fields) for name, fields in found.items()}


def _note_source(source: Source, found: dict[str, dict[str, None]]) -> None:
    own = found.setdefault(source.object, {})
    if source.order_by:
        own[source.order_by] = None
    for steps in (source.path, source.other_path, source.of, *(each.of for each in source.where)):
        _note_steps(source.object, steps, found)
    found.setdefault(source.holder, {}).update(dict.fromkeys(source.fields))
    for each in source.where:
        holder = each.of[-1].object if each.of else source.object
        found.setdefault(holder, {})[each.field] = None


def _note_steps(start: str, steps: Iterable[Step], found: dict[str, dict[str, None]]) -> None:
    at = start
    for step in steps:
        found.setdefault(at, {})[step.field] = None
        found.setdefault(step.object, {})
        at = step.object


def objects_of(body: MapBody, keys: Iterable[str]) -> list[str]:
    """Objects that these attributes stand on or lead through."""
    only = MapBody({key: body.get(key) if key in set(keys) else None for key in BY_KEY}, body.settings)
    return [name for name in fields_needed(only) if name != ACCOUNT or any(body.is_mapped(key) for key in keys)]
