"""What must hold before a row is stored: required fields, defaults, look-ups, uniqueness, and what else is in the way."""

from itertools import repeat
from typing import TYPE_CHECKING, Any

from integrations.demo_org import hindrances, rules
from integrations.demo_org.lookups import find_ids, find_keys, fold, fold_column, normalize_id
from integrations.demo_org.rows import UNSET, Frame, RowError
from integrations.demo_org.schema.types import Field
from integrations.demo_org.store import has_column

if TYPE_CHECKING:
    from integrations.demo_org.saving import Work

EMPTY = (None, UNSET)


def add_defaults(work: "Work", frame: Frame) -> None:
    """Fill what the client left out of new rows: default values, the owner, checkboxes."""
    for each in work.stored.fields:
        if not has_column(each) or each.auto_number or each.name == "Id":
            continue
        value = _default(work, each)
        column = frame.columns.get(each.name)
        if column is None:
            if value is not None:
                frame.columns[each.name] = list(repeat(value, len(frame)))
            continue
        if UNSET in column or (None in column and not each.nillable):
            replaced = EMPTY if not each.nillable else (UNSET,)
            frame.columns[each.name] = [value if item in replaced else item for item in column]


def _default(work: "Work", made: Field) -> object:
    """The stored default of a field, or None."""
    if made.name == "OwnerId":
        return work.caller.user_id or None
    if made.type == "boolean":
        return int(bool(made.default))
    return made.default


def check_insert(work: "Work", frame: Frame) -> None:
    """Note what stands against storing the new rows."""
    missing: dict[int, list[str]] = {}
    for each in work.kind.fields:
        if not _is_required(each):
            continue
        column = frame.columns.get(each.name)
        if column is None or None in column or UNSET in column:
            empty = range(len(frame)) if column is None else [row for row, value in enumerate(column) if value in EMPTY]
            for row in empty:
                missing.setdefault(row, []).append(each.name)
    _refuse_missing(frame, missing)
    _check_both(work, frame, is_new=True)


def check_update(work: "Work", frame: Frame) -> None:
    """Note what stands against storing the changes."""
    missing: dict[int, list[str]] = {}
    for name, column in frame.columns.items():
        made = work.kind.find(name)
        if made and made.name != "Id" and not made.nillable and made.type != "boolean" and None in column:
            for row, value in enumerate(column):
                if value is None:
                    missing.setdefault(row, []).append(made.name)
    _refuse_missing(frame, missing)
    _check_both(work, frame, is_new=False)


def _is_required(made: Field) -> bool:
    """Whether a new row must name the field."""
    optional = made.nillable or made.defaulted_on_create or made.type == "boolean" or made.auto_number
    return made.createable and not optional and has_column(made)


def _refuse_missing(frame: Frame, missing: dict[int, list[str]]) -> None:
    """Mark rows with empty required fields."""
    for row, names in missing.items():
        text = f"Required fields are missing: [{', '.join(names)}]"
        frame.fail(row, RowError("REQUIRED_FIELD_MISSING", text, tuple(names)))


def _check_both(work: "Work", frame: Frame, *, is_new: bool) -> None:
    """The checks that new and changed rows share."""
    for name in list(frame.columns):
        made = work.stored.find(name)
        if made and made.type == "reference" and made.reference_to:
            _check_references(work, frame, made)
        if made and made.unique and name.lower() != (work.external_id or "").lower():
            _check_unique(work, frame, made)
    rules.check_rules(work, frame, is_new=is_new)
    if is_new and work.kind.name == "PermissionSetAssignment":
        _check_assignments(work, frame)
    hindrances.check_frame(work, frame, is_new=is_new)


def _check_assignments(work: "Work", frame: Frame) -> None:
    """A user holds a permission set only once."""
    pairs = [frame.columns.get(name) for name in ("AssigneeId", "PermissionSetId")]
    if None in pairs:
        return
    sql = "SELECT 1 FROM PermissionSetAssignment WHERE AssigneeId = ? AND PermissionSetId = ?"
    for row, (user, held) in enumerate(zip(*pairs, strict=True)):
        if row not in frame.errors and work.connection.execute(sql, (user, held)).fetchone():
            text = f"Duplicate PermissionSetAssignment.  Assignee: {str(user)[:15]}; Permission Set: {str(held)[:15]}"
            frame.fail(row, RowError("DUPLICATE_VALUE", text, ("AssigneeId", "PermissionSetId")))


def _check_references(work: "Work", frame: Frame, made: Field) -> None:
    """Every look-up value must be the id of a live record of a fitting object; the column gets the 18-character forms."""
    column = frame.columns[made.name]
    distinct = {value for value in set(column) if value not in EMPTY}
    if made.name == "OwnerId" and distinct == {work.caller.user_id}:
        return
    resolved: dict[object, object] = {None: None, UNSET: UNSET}
    problems: dict[object, RowError] = {}
    for value, outcome in _resolve_ids(work, made, distinct).items():
        if isinstance(outcome, RowError):
            problems[value] = outcome
            resolved[value] = None
        else:
            resolved[value] = outcome
    if problems:
        for row, value in enumerate(column):
            if value in problems:
                frame.fail(row, problems[value])
    frame.columns[made.name] = list(map(resolved.__getitem__, column))


def _resolve_ids(work: "Work", made: Field, distinct: set[Any]) -> dict[str, str | RowError]:
    """For each look-up value its 18-character id or what is wrong with it."""
    outcome: dict[str, str | RowError] = {}
    by_object: dict[str, dict[str, str]] = {}
    for value in distinct:
        record_id = normalize_id(value)
        if record_id is None:
            text = f"{made.label}: id value of incorrect type: {value}"
            outcome[value] = RowError("MALFORMED_ID", text, (made.name,))
            continue
        target = work.org.schema.by_prefix(record_id)
        if target is not None and target.name in made.reference_to:
            by_object.setdefault(target.name, {})[value] = record_id
        elif target is None and any(work.org.schema.find(name) is None for name in made.reference_to):
            outcome[value] = record_id  # the target is an object that this org does not imitate
        else:
            text = f"{made.label}: id value of incorrect type: {value}"
            outcome[value] = RowError("FIELD_INTEGRITY_EXCEPTION", text, (made.name,))
    for name, values in by_object.items():
        known = find_ids(work.connection, work.org.schema.objects[name.lower()], values.values())
        for value, record_id in values.items():
            outcome[value] = _checked_target(record_id, known)
    return outcome


def _checked_target(record_id: str, known: dict[str, bool]) -> str | RowError:
    """The id if its record is there and not deleted."""
    if record_id not in known:
        return RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    return RowError("ENTITY_IS_DELETED", "entity is deleted") if known[record_id] else record_id


def _check_unique(work: "Work", frame: Frame, made: Field) -> None:
    """No two live records may share the value of a unique field."""
    column = frame.columns[made.name]
    own = frame.columns.get("Id")
    whole = fold_column(made, column)
    if None not in whole and len(set(whole)) == len(whole) and not find_keys(work.connection, work.stored, made, whole):
        return
    rows = [row for row, value in enumerate(column) if value not in EMPTY]
    folded = [fold(made, column[row]) for row in rows]
    found = find_keys(work.connection, work.stored, made, folded)
    seen: set[object] = set()
    for place, row in enumerate(rows):
        others = [each for each in found.get(place, []) if own is None or each != own[row]]
        if others:
            text = f"duplicate value found: {made.name} duplicates value on record with id: {others[0][:15]}"
            frame.fail(row, RowError("DUPLICATE_VALUE", text))
        elif folded[place] in seen:
            text = "duplicate value found: <unknown> duplicates value on record with id: <unknown>"
            frame.fail(row, RowError("DUPLICATE_VALUE", text))
        seen.add(folded[place])
