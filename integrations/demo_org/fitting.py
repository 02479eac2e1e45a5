"""Fitting rows to an object: names become fields, values their stored form, parents' external ids become ids."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from integrations.demo_org.coercion import convert_column
from integrations.demo_org.lookups import find_keys, fold
from integrations.demo_org.rights import find_bar
from integrations.demo_org.rows import UNSET, Frame, RowError
from integrations.demo_org.schema.types import Field, ObjectType

if TYPE_CHECKING:
    from integrations.demo_org.saving import Work

SECURITY = (
    "Please check the security settings of this field and verify that it is read/write for your profile or permission set."
)


def fit_frame(work: "Work", frame: Frame, *, for_insert: bool, ids_given: bool = False) -> Frame:
    """The frame with canonical names and stored values; problems are noted in its errors.

    `ids_given`: the Id column came from matching and is no mistake on insert.
    """
    barred = find_bar(work.kind, work.stored, verb="create" if for_insert else "edit")
    if barred is not None:
        fitted = Frame(frame.positions, {name: column for name, column in frame.columns.items() if name == "Id"})
        fitted.fail_all(barred)
        return fitted
    fitted = Frame(frame.positions, {})
    refused: list[str] = []
    for name, column in frame.columns.items():
        _fit_column(work, fitted, name, column, refused=refused, for_insert=for_insert)
    if for_insert and "Id" in fitted.columns and not ids_given:
        fitted.columns.pop("Id")
        fitted.fail_all(RowError("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ("Id",)))
    if refused:
        text = f"Unable to create/update fields: {', '.join(refused)}. {SECURITY}"
        fitted.fail_all(RowError("INVALID_FIELD_FOR_INSERT_UPDATE", text, tuple(refused)))
    return fitted


def _fit_column(
    work: "Work", fitted: Frame, name: str, column: Sequence[object], *, refused: list[str], for_insert: bool
) -> None:
    """One column of the client's rows."""
    made = work.kind.find(name)
    if made is None:
        _fit_relationship(work, fitted, name, column, refused=refused, for_insert=for_insert)
        return
    if made.name == "Id":
        fitted.columns["Id"] = column
        return
    if not _is_writable(work, made, for_insert=for_insert):
        if work.source != "bulk" or any(value not in {"", UNSET} for value in column):
            refused.append(made.name)
        return
    values, errors = convert_column(made, column, source=work.source)
    fitted.columns[made.name] = values
    for row, error in errors.items():
        fitted.fail(row, error)


def _is_writable(work: "Work", made: Field, *, for_insert: bool) -> bool:
    """Whether the field may be set in this kind of save (an upsert's key always may)."""
    if work.external_id and made.name.lower() == work.external_id.lower():
        return True
    return made.createable if for_insert else made.updateable


def _no_column(work: "Work", name: str) -> RowError:
    """The error for a name that the object does not have."""
    return RowError("INVALID_FIELD", f"No such column '{name}' on sobject of type {work.kind.name}")


def _fit_relationship(
    work: "Work", fitted: Frame, name: str, column: Sequence[object], *, refused: list[str], for_insert: bool
) -> None:
    """A parent named by its external id: `Rel` with {"Ext__c": x}, or the CSV header `Rel.Ext__c` or `Type:Rel.Ext__c`."""
    path, _, key_name = name.partition(".")
    target_name, _, relationship = path.rpartition(":")
    made = work.kind.by_relationship(relationship)
    if made is None or (not key_name and work.source == "bulk"):
        fitted.fail_all(_no_column(work, name))
        return
    if not _is_writable(work, made, for_insert=for_insert):
        refused.append(made.name)
        return
    wanted = [(target_name, key_name, value) if key_name else _named_parent(value) for value in column]
    values: list[object] = [None] * len(column)
    for target, key in dict.fromkeys((each[0], each[1]) for each in wanted):
        rows = [row for row, each in enumerate(wanted) if each[:2] == (target, key)]
        _resolve(work, fitted, made, (target, key), {row: wanted[row][2] for row in rows}, values)
    fitted.columns[made.name] = values


def _named_parent(value: object) -> tuple[str, str, object]:
    """(type, key field, key value) of a nested parent; ("", "", None) for null."""
    if not isinstance(value, Mapping):
        return "", "", value
    attributes = value.get("attributes")
    target = str(attributes.get("type", "")) if isinstance(attributes, Mapping) else ""
    keys = [(str(key), each) for key, each in value.items() if key != "attributes"]
    return (target, *keys[0]) if len(keys) == 1 else (target, "", value)


def _resolve(
    work: "Work", fitted: Frame, made: Field, named: tuple[str, str], wanted: dict[int, object], values: list[object]
) -> None:
    """Put the ids of the named parents into `values`, by row."""
    empty = {row for row, value in wanted.items() if value is None or value == ""}
    for row in empty:
        values[row] = UNSET if work.source == "bulk" else None
    rest = {row: value for row, value in wanted.items() if row not in empty}
    if not rest:
        return
    parent, key = _parent_key(work, made, named)
    if parent is None or key is None:
        text = f"The external foreign key reference does not reference a valid entity: {made.relationship_name}"
        for row in rest:
            fitted.fail(row, RowError("INVALID_FIELD", text))
        return
    _find_parents(work, fitted, (parent, key), rest, values)


def _find_parents(
    work: "Work", fitted: Frame, target: tuple[ObjectType, Field], rest: dict[int, object], values: list[object]
) -> None:
    """Look the parents up by their key, each distinct value once."""
    parent, key = target
    if work.source == "bulk":
        cleared = {row for row, value in rest.items() if value == "#N/A"}
        rest = {row: value for row, value in rest.items() if row not in cleared}
    stored, errors = convert_column(key, list(rest.values()), source="rest")
    distinct = list(dict.fromkeys(fold(key, value) for value in stored if value is not None))
    found = find_keys(work.connection, parent, key, distinct)
    by_value = {value: found.get(place, []) for place, value in enumerate(distinct)}
    for place, (row, shown) in enumerate(rest.items()):
        matches = [] if place in errors else by_value.get(fold(key, stored[place]), [])
        if len(matches) == 1:
            values[row] = matches[0]
            continue
        how = "matches more than one record" if matches else "not found"
        text = f"Foreign key external ID: {str(shown).lower()} {how} for field {key.name} in entity {parent.name}"
        fitted.fail(row, RowError("INVALID_FIELD", text))


def _parent_key(work: "Work", made: Field, named: tuple[str, str]) -> tuple[ObjectType | None, Field | None]:
    """The parent object and its key field; None where there is no such thing."""
    target_name, key_name = named
    schema = work.org.schema_for(work.caller)
    names = [target_name] if target_name else list(made.reference_to)
    for name in names:
        parent = schema.find(name)
        key = parent.find(key_name) if parent else None
        if parent and key and (key.external_id or key.id_lookup) and parent.name in made.reference_to:
            return parent, key
    return None, None
