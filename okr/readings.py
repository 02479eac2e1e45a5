"""What a report's answer says about one link: a value, or the reason why there is none. Pure: data in, data out.

Rules (Salesforce Analytics API): aggregates belong to `reportMetadata.aggregates` by position of that very answer, so they are
looked up by **name**; groups are looked up by field and **value**, then their `key` opens the fact map, because keys move when
groups appear, vanish or are sorted anew. Labels are words in the running user's language and are never parsed (R-219).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

from integrations.salesforce import ids

# Statuses as in `ReportLink.Status`; repeated here because this module knows no model.
FIELD_GONE = "field_gone"
ROW_MISSING = "row_missing"
NO_VALUE = "no_value"
FORMAT = "format"
TYPE_CHANGED = "type_changed"
CURRENCY_CHANGED = "currency_changed"
INCOMPLETE = "incomplete"

ROW_COUNT = "RowCount"
TOTAL = "T"
READABLE_FORMATS = ("TABULAR", "SUMMARY", "MATRIX")
FORMAT_NAMES = {"MULTI_BLOCK": "joined", "TABULAR": "tabular", "SUMMARY": "summary", "MATRIX": "matrix"}
PLACES = Decimal("0.000001")  # what the database keeps
LARGEST = Decimal(10) ** 18
DIGITS = Context(prec=15)
OR_HIDDEN = "or the connected Salesforce user cannot see it any more"
# int and double are both plain numbers: a count that became an average is another aggregate name anyway.
PLAIN_NUMBERS = {"int", "double", "long", "number"}


@dataclass(frozen=True, slots=True)
class Value:
    """A value read. `amount` is exact to 6 decimals; 45 means 45 % when `type` is percent (BW-D10)."""

    amount: Decimal
    type: str = ""
    currency: str = ""
    all_data: bool = True
    is_assumed_zero: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """Why there is no value now: a `ReportLink.Status` word and a sentence for a person. The last value stays (I-21)."""

    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """One group of an answer with the names of its level; `key` is only good within that answer."""

    field: str
    field_label: str
    granularity: str
    across: bool
    key: str
    value: Any
    label: str
    groups: tuple[Mapping[str, Any], ...]


def value_from(
    report: Mapping[str, Any],
    *,
    field: str,
    group_path: Sequence[Mapping[str, Any]] = (),
    expected_type: str = "",
    expected_currency: str = "",
    unit_currency: str = "",
    missing_row_is_zero: bool = False,
    field_label: str = "",
) -> Value | Broken:
    """The value of aggregate `field` in the group that `group_path` names (empty = grand total) of a finished run.

    `expected_type` and `expected_currency` are what the report said when it was linked ("" = not known). `unit_currency` is the
    code that the key result counts in: a report that names a code for the first time must name this one. A missing row is a
    zero only with `missing_row_is_zero`, and only for sums and counts of a report that is still grouped that way (BW-D8).
    """
    refused = _refused_format(report, field=field, group_path=group_path)
    if refused:
        return refused
    names = _metadata(report).get("aggregates") or []
    if field not in names:
        return Broken(FIELD_GONE, f"The report no longer has the summary field {field_label or field}, {OR_HIDDEN}.")
    data_type = type_of(report, field)
    if expected_type and not same_kind(expected_type, data_type):
        return Broken(
            TYPE_CHANGED, f"The summary field was {expected_type} when it was linked and is {data_type or 'unknown'} now."
        )
    key = fact_key(report, group_path)
    if isinstance(key, Broken):
        if key.status == ROW_MISSING and missing_row_is_zero and zero_is_true(field) and _is_grouped_as(report, group_path):
            return _zero(report, data_type)
        return key
    cell = _cell(report, key, names.index(field))
    if isinstance(cell, Broken):
        return cell
    return _value_of(cell, report, data_type, expected_currency=expected_currency, unit_currency=unit_currency)


def fact_key(report: Mapping[str, Any], group_path: Sequence[Mapping[str, Any]]) -> str | Broken:
    """The fact-map key (`row!column`) of the group with this path in this answer; `T!T` for an empty path."""
    left = [dict(step) for step in group_path]
    keys: list[str] = []
    for across in (False, True):
        key, missing = _descend(report, across=across, steps=left)
        if missing:
            return missing
        keys.append(key)
    if left:
        return Broken(ROW_MISSING, f"The report is no longer grouped by {_step_label(left[0])}.")
    return "!".join(keys)


def groups_of(report: Mapping[str, Any], *, across: bool, parent: Group | None = None) -> Iterator[Group]:
    """The groups of the first level of an axis, or those below `parent`."""
    levels = _levels(report, across=across)
    depth = parent.key.count("_") + 1 if parent else 0
    if depth >= len(levels):
        return
    level = levels[depth]
    info = (_extended(report).get("groupingColumnInfo") or {}).get(level["name"]) or {}
    found = parent.groups if parent else (report.get(_axis(across)) or {}).get("groupings") or ()
    for each in found:
        yield Group(
            field=level["name"], field_label=str(info.get("label") or level["name"]),
            granularity=str(level.get("dateGranularity") or "None"), across=across, key=str(each.get("key")),
            value=each.get("value"), label=str(each.get("label") if each.get("label") is not None else "-"),
            groups=tuple(each.get("groupings") or ()),
        )  # fmt: skip


def path_step(group: Group) -> dict[str, Any]:
    """What a link stores of one group: names and the value, never the key (BW-D8)."""
    return {
        "field": group.field, "field_label": group.field_label, "value": _storable(group.value), "label": group.label,
        "across": group.across, "granularity": group.granularity,
    }  # fmt: skip


def same_group(wanted: Any, found: Any) -> bool:
    """Whether two group values mean the same: ids by 18 characters, days by the day, numbers by amount, null only null."""
    if wanted is None or found is None:
        return wanted is found
    if isinstance(wanted, bool) or isinstance(found, bool):
        return isinstance(wanted, bool) and isinstance(found, bool) and wanted == found
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return same_group(wanted.get("amount"), found.get("amount")) and wanted.get("currency") == found.get("currency")
    numbers = (int, float, Decimal)
    if isinstance(wanted, numbers) and isinstance(found, numbers):
        return Decimal(str(wanted)) == Decimal(str(found))
    if not isinstance(wanted, str) or not isinstance(found, str):
        return False
    return wanted == found or _same_id(wanted, found) or _same_instant_day(wanted, found)


def type_of(report: Mapping[str, Any], field: str) -> str:
    """The data type of an aggregate as the answer or description says it, in lower case; "" when it says none."""
    info = (_extended(report).get("aggregateColumnInfo") or {}).get(field) or {}
    return str(info.get("dataType") or ("int" if field == ROW_COUNT else "")).lower()


def same_kind(expected: str, found: str) -> bool:
    """Whether a link may go on: the same type, or both plain numbers. An unknown type is not held against the report."""
    expected, found = expected.lower(), found.lower()
    return not found or expected == found or {expected, found} <= PLAIN_NUMBERS


def currency_of(report: Mapping[str, Any]) -> str:
    """The currency code the report shows money in; "" in an org with one currency, where Salesforce names none."""
    return str(_metadata(report).get("currency") or "").upper()


def zero_is_true(field: str) -> bool:
    """Whether no rows means 0 for this aggregate: sums and counts, not averages, extremes or formulas (BW-D8)."""
    return field == ROW_COUNT or field.startswith(("s!", "u!"))


def differs(old: Decimal | None, new: Decimal) -> bool:
    """Whether a value moved. Salesforce computes in doubles: what differs after 15 significant digits is the same number."""
    return old is None or DIGITS.create_decimal(old) != DIGITS.create_decimal(new)


def decimal_of(raw: Any) -> Decimal | None:
    """A JSON number as an exact Decimal, rounded half up to 6 decimals; None for what is not a finite number (R-072)."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float, Decimal)):
        return None
    if isinstance(raw, float) and not math.isfinite(raw):
        return None
    try:
        amount = Decimal(str(raw))
        return amount.quantize(PLACES, ROUND_HALF_UP) if amount.is_finite() and abs(amount) < LARGEST else None
    except InvalidOperation:
        return None


# --- Inside ----------------------------------------------------------------------------------------------------------


def _refused_format(report: Mapping[str, Any], *, field: str, group_path: Sequence[Mapping[str, Any]]) -> Broken | None:
    kind = str(_metadata(report).get("reportFormat") or "")
    if kind not in READABLE_FORMATS:
        word = FORMAT_NAMES.get(kind, kind or "unknown")
        return Broken(FORMAT, f"The report has the {word} format, which has no single value to read.")
    if kind == "TABULAR" and (group_path or field != ROW_COUNT):
        return Broken(FORMAT, "The report became tabular: it has no groups and no summary field but its record count.")
    return None


def _descend(report: Mapping[str, Any], *, across: bool, steps: list[dict[str, Any]]) -> tuple[str, Broken | None]:
    """Walk one axis as deep as `steps` go, taking the steps it uses out of the list. Key `T` when it uses none."""
    parent: Group | None = None
    for level in _levels(report, across=across):
        step = _take_step(steps, level, across=across, other=_levels(report, across=not across))
        if step is None:
            break
        if not _same_granularity(step, level):
            return TOTAL, Broken(
                ROW_MISSING, f"The report is grouped by {_granularity_word(level)} now, no longer as it was linked."
            )
        match = next(
            (each for each in groups_of(report, across=across, parent=parent) if same_group(step.get("value"), each.value)),
            None,
        )
        if match is None:
            return TOTAL, Broken(
                ROW_MISSING, f"The report has no row {_step_label(step)} = {step.get('label', step.get('value'))} now."
            )
        parent = match
    return (parent.key if parent else TOTAL), None


def _take_step(
    steps: list[dict[str, Any]], level: Mapping[str, Any], *, across: bool, other: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """The step for this level: of its field, and linked on this axis unless the field has moved over from the other one."""
    moved = all(each["name"] != level["name"] for each in other)
    for index, step in enumerate(steps):
        if step.get("field") == level["name"] and (bool(step.get("across")) == across or moved):
            return steps.pop(index)
    return None


def _is_grouped_as(report: Mapping[str, Any], group_path: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the report still has every level of the path, at its granularity: only then a missing row is an empty one."""
    by_field = {level["name"]: level for across in (False, True) for level in _levels(report, across=across)}
    return all(step.get("field") in by_field and _same_granularity(step, by_field[step["field"]]) for step in group_path)


def _same_granularity(step: Mapping[str, Any], level: Mapping[str, Any]) -> bool:
    """January and the first quarter have the same first day; only the granularity tells them apart."""
    stored = str(step.get("granularity") or "")
    return not stored or stored.lower() == str(level.get("dateGranularity") or "None").lower()


def _granularity_word(level: Mapping[str, Any]) -> str:
    word = str(level.get("dateGranularity") or "None")
    return f"each value of {level['name']}" if word == "None" else f"{word.lower()} of {level['name']}"


def _cell(report: Mapping[str, Any], key: str, index: int) -> Mapping[str, Any] | Broken:
    facts = report.get("factMap") or {}
    if key not in facts:
        if key == f"{TOTAL}!{TOTAL}" or not facts:
            return Broken(INCOMPLETE, "Salesforce's answer has no totals; the run was not complete.")
        return Broken(ROW_MISSING, "The report has no cell where this row and this column meet.")
    aggregates = facts[key].get("aggregates") or []
    if index >= len(aggregates):
        return Broken(INCOMPLETE, "Salesforce's answer lacks a summary value that the report defines.")
    return aggregates[index]


def _value_of(
    cell: Mapping[str, Any], report: Mapping[str, Any], data_type: str, *, expected_currency: str, unit_currency: str
) -> Value | Broken:
    raw, currency = cell.get("value"), currency_of(report)
    if isinstance(raw, Mapping):  # an amount with its own currency
        currency = str(raw.get("currency") or currency).upper()
        raw = raw.get("amount")
    amount = decimal_of(raw)
    if amount is None:
        if raw is None or isinstance(raw, str):
            return Broken(NO_VALUE, "The report shows no value here (a dash).")
        return Broken(NO_VALUE, "The report's value is not a number that can be kept.")
    if data_type == "currency":
        changed = _changed_currency(currency, expected_currency.upper(), unit_currency.upper())
        if changed:
            return changed
    return Value(
        amount=amount, type=data_type, currency=currency if data_type == "currency" else "", all_data=_all_data(report)
    )


def _changed_currency(found: str, expected: str, unit: str) -> Broken | None:
    if expected and found != expected:
        return Broken(
            CURRENCY_CHANGED, f"The report showed {expected} when it was linked and shows {found or 'no currency'} now."
        )
    if found and not expected and unit and found != unit:
        return Broken(CURRENCY_CHANGED, f"The report shows {found}; the key result counts {unit}.")
    return None


def _zero(report: Mapping[str, Any], data_type: str) -> Value:
    currency = currency_of(report) if data_type == "currency" else ""
    return Value(Decimal(0).quantize(PLACES), data_type, currency, _all_data(report), is_assumed_zero=True)


def _all_data(report: Mapping[str, Any]) -> bool:
    """False when detail rows were cut at 2,000; totals are over all rows even then (R-215)."""
    return bool(report.get("allData", True))


def _metadata(report: Mapping[str, Any]) -> Mapping[str, Any]:
    return report.get("reportMetadata") or {}


def _extended(report: Mapping[str, Any]) -> Mapping[str, Any]:
    return report.get("reportExtendedMetadata") or {}


def _storable(value: Any) -> Any:
    """A group value as plain JSON: the wire gives fractions as Decimal."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {name: _storable(each) for name, each in value.items()}
    return value


def _axis(across: bool) -> str:
    return "groupingsAcross" if across else "groupingsDown"


def _levels(report: Mapping[str, Any], *, across: bool) -> list[Mapping[str, Any]]:
    return [level for level in _metadata(report).get(_axis(across)) or [] if level.get("name")]


def _step_label(step: Mapping[str, Any]) -> str:
    return str(step.get("field_label") or step.get("field"))


def _same_id(wanted: str, found: str) -> bool:
    return (
        len(wanted) in (15, 18)
        and len(found) in (15, 18)
        and ids.is_id(wanted)
        and ids.is_id(found)
        and ids.to_18(wanted) == ids.to_18(found)
    )


def _same_instant_day(wanted: str, found: str) -> bool:
    """A date group is named by its first day; date-time columns append midnight, which says nothing more."""
    return _day(wanted) is not None and _day(wanted) == _day(found)


def _day(text: str) -> str | None:
    day, mark, rest = text[:10], text[10:11], text[11:]
    parts = day.split("-")
    if len(day) != 10 or len(parts) != 3 or not all(part.isascii() and part.isdecimal() for part in parts):
        return None
    if mark and (mark != "T" or not rest.startswith("00:00")):
        return None
    return day
