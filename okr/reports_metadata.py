"""What can be chosen in a report: summary fields with their units, rows (groups), filters. Pure, over describe and run bodies.

A describe and a run share `reportMetadata` and `reportExtendedMetadata`; only a run has groups, only a describe has the columns
to filter by.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from okr import readings
from okr.readings import Group

NUMBER, PERCENT, CURRENCY, CUSTOM = "number", "percent", "currency", "custom"
MOST_FILTERS = 20  # Salesforce: custom filters of one report
MOST_COLUMNS = 100  # Salesforce refuses to run wider reports through the API
MOST_VALUE = 1000


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """A summary field of "Select Field" (BW-29). `unit` and `unit_label` are what a link imports (BW-30).

    `level` names the grouping that a summary formula is defined at ("" = everywhere): elsewhere it has no value.
    """

    name: str
    label: str
    type: str
    unit: str
    unit_label: str
    zero_is_true: bool
    level: str = ""


@dataclass(frozen=True, slots=True)
class GroupChoice:
    """A row (or column) of the report that a link can point at, with the groups below it (BW-31)."""

    path: tuple[dict[str, Any], ...]
    label: str
    children: tuple["GroupChoice", ...] = ()

    @property
    def full_label(self) -> str:
        """The path in words, such as `EMEA > New Business`."""
        return " > ".join(str(step["label"]) for step in self.path)


@dataclass(frozen=True, slots=True)
class GroupTree:
    """All rows and columns of an answer. A matrix cell is a row's path followed by a column's path."""

    down: tuple[GroupChoice, ...] = ()
    across: tuple[GroupChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class FilterColumn:
    """A column that a filter may name, its operators, and its allowed values when it has a list of them."""

    name: str
    label: str
    type: str
    operators: tuple[str, ...]
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a filter is not accepted: a stable code and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class FieldReport:
    """Fields to choose from, or the reason why there is none (BW-35)."""

    fields: list[FieldChoice] = field(default_factory=list)
    reason: str = ""


def summary_fields(report: Mapping[str, Any]) -> list[FieldChoice]:
    """The selectable summary fields of a description or run, in its own order; tabular reports offer the record count only."""
    metadata = report.get("reportMetadata") or {}
    if metadata.get("reportFormat") not in readings.READABLE_FORMATS:
        return []
    names = [str(name) for name in metadata.get("aggregates") or []]
    if metadata["reportFormat"] == "TABULAR":
        names = [name for name in names if name == readings.ROW_COUNT]
    return [_field_choice(report, name) for name in names]


def fields_or_reason(report: Mapping[str, Any]) -> FieldReport:
    """The summary fields, or a sentence that says why nothing is selectable and what to check (BW-35)."""
    fields = summary_fields(report)
    return FieldReport(fields, "" if fields else _why_none(report))


def unit_for(report: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Unit and its label for an aggregate: percent stays percent, money imports the report's code (BW-30, BW-D10)."""
    data_type = readings.type_of(report, name)
    if data_type == "percent":
        return PERCENT, "%"
    if data_type == "currency":
        return CURRENCY, readings.currency_of(report)
    return NUMBER, ""


def group_choices(report: Mapping[str, Any]) -> GroupTree:
    """The groups of a run as a tree per axis, in the report's own order."""
    return GroupTree(down=_branches(report, across=False), across=_branches(report, across=True))


def flatten(choices: Sequence[GroupChoice]) -> Iterator[GroupChoice]:
    """Every choice, parents before their children."""
    for choice in choices:
        yield choice
        yield from flatten(choice.children)


def path_label(path: Sequence[Mapping[str, Any]]) -> str:
    """A stored path in words; "Grand total" for an empty one."""
    return " > ".join(str(step.get("label", step.get("value"))) for step in path) or "Grand total"


def path_token(path: Sequence[Mapping[str, Any]]) -> str:
    """A path as one form value."""
    return json.dumps([dict(step) for step in path], sort_keys=True, separators=(",", ":"), ensure_ascii=False) if path else ""


def path_from_token(token: str) -> list[dict[str, Any]]:
    """The path of a form value; ValueError when it is not one."""
    if not token:
        return []
    body = json.loads(token)
    return checked_path(body)


def checked_path(body: Any) -> list[dict[str, Any]]:
    """A path from outside with exactly the keys that a link stores; ValueError names what is wrong."""
    if not isinstance(body, list) or len(body) > 5:
        raise ValueError("A row is a list of at most five steps.")
    return [_checked_step(step) for step in body]


def _checked_step(step: Any) -> dict[str, Any]:
    if not isinstance(step, Mapping) or not isinstance(step.get("field"), str) or "value" not in step:
        raise ValueError("Each step of a row has a field and a value.")
    value = step["value"]
    if not isinstance(value, (str, int, float, bool, dict, type(None))) or len(json.dumps(value)) > MOST_VALUE:
        raise ValueError("The value of a step must be text, a number, true, false or null.")
    return {
        "field": step["field"][:255], "field_label": str(step.get("field_label") or step["field"])[:255], "value": value,
        "label": str(step.get("label", value if value is not None else "-"))[:255], "across": bool(step.get("across")),
        "granularity": str(step.get("granularity") or "")[:20],
    }  # fmt: skip


def find_path(report: Mapping[str, Any], path: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    """`path` with the names, labels and granularity that this answer gives it; None when the answer has no such row."""
    if not path:
        return []
    found: list[dict[str, Any]] = []
    left = [dict(step) for step in path]
    for across in (False, True):
        parent: Group | None = None
        while left:
            step, match = _next_step(report, left, across=across, parent=parent)
            if step is None:
                break
            if match is None:
                return None
            left.remove(step)
            found.append(readings.path_step(match))
            parent = match
    return None if left else found


def _next_step(
    report: Mapping[str, Any], left: list[dict[str, Any]], *, across: bool, parent: Group | None
) -> tuple[dict[str, Any] | None, Group | None]:
    groups = list(readings.groups_of(report, across=across, parent=parent))
    for step in left:
        if groups and step.get("field") == groups[0].field and bool(step.get("across")) == across:
            return step, next((each for each in groups if readings.same_group(step.get("value"), each.value)), None)
    return None, None


def digest_of(report: Mapping[str, Any]) -> str:
    """Digest of what a describe would say about structure, from a describe or a run: unchanged digest, no new describe.

    Filters and dates are left out: a run shows those it was asked with, and relative dates move each day.
    """
    metadata = report.get("reportMetadata") or {}
    extended = report.get("reportExtendedMetadata") or {}
    shape = {
        "metadata": {key: metadata.get(key) for key in ("name", "reportFormat", "aggregates", "currency")},
        "groupings": [
            [(level.get("name"), level.get("dateGranularity")) for level in metadata.get(axis) or []]
            for axis in ("groupingsDown", "groupingsAcross")
        ],
        "aggregates": {
            name: (info.get("dataType"), info.get("label"))
            for name, info in (extended.get("aggregateColumnInfo") or {}).items()
        },
    }
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()


# --- Filters ---------------------------------------------------------------------------------------------------------


def filter_columns(description: Mapping[str, Any]) -> dict[str, FilterColumn]:
    """The columns a filter may use, by name. Cross filters, standard filters and row limits cannot be changed on demand."""
    type_metadata = description.get("reportTypeMetadata") or {}
    operators = type_metadata.get("dataTypeFilterOperatorMap") or {}
    columns: dict[str, FilterColumn] = {}
    for category in type_metadata.get("categories") or []:
        for name, info in (category.get("columns") or {}).items():
            if info.get("filterable", True):
                columns[name] = _filter_column(name, info, operators)
    return columns


def _filter_column(name: str, info: Mapping[str, Any], operators: Mapping[str, Any]) -> FilterColumn:
    data_type = str(info.get("dataType") or "string").lower()
    words = tuple(str(each.get("name")) for each in operators.get(data_type) or [])
    values = tuple(str(each.get("name", each.get("label"))) for each in info.get("filterValues") or [])
    return FilterColumn(name, str(info.get("label") or name), data_type, words, values)


def filter_problem(description: Mapping[str, Any], filters: Sequence[Mapping[str, Any]]) -> Problem | None:
    """The first thing wrong with filters to be added to the report's own, or None."""
    if not filters:
        return None
    metadata = description.get("reportMetadata") or {}
    if len(metadata.get("reportFilters") or []) + len(filters) > MOST_FILTERS:
        return Problem("too_many_filters", f"A report can have {MOST_FILTERS} filters, its own included.")
    columns = filter_columns(description)
    for each in filters:
        problem = _one_filter_problem(columns, each)
        if problem:
            return problem
    return None


def _one_filter_problem(columns: Mapping[str, FilterColumn], each: Mapping[str, Any]) -> Problem | None:
    name, operator, value = str(each.get("column") or ""), str(each.get("operator") or ""), each.get("value")
    column = columns.get(name)
    if column is None:
        return Problem("filter_column", f"The report type has no column {name!r} to filter by, {readings.OR_HIDDEN}.")
    if column.operators and operator not in column.operators:
        return Problem("filter_operator", f"{column.label} can be compared with: {', '.join(column.operators)}.")
    if not isinstance(value, str) or len(value) > MOST_VALUE:
        return Problem("filter_value", f"The value for {column.label} must be text of at most {MOST_VALUE} characters.")
    return _value_problem(column, operator, value)


def _value_problem(column: FilterColumn, operator: str, value: str) -> Problem | None:
    parts = [part.strip() for part in value.split(",")] if value else [""]
    if (
        column.values
        and column.type in {"picklist", "multipicklist"}
        and operator in {"equals", "notEqual", "includes", "excludes"}
    ):
        unknown = next((part for part in parts if part and part not in column.values), None)
        if unknown:
            return Problem("filter_value", f"{column.label} has no value {unknown!r}; it has: {', '.join(column.values[:20])}.")
    if column.type in {"int", "double", "currency", "percent"} and not all(part == "" or _is_number(part) for part in parts):
        return Problem("filter_value", f"{column.label} is compared with a number.")
    if column.type in {"date", "datetime"} and value and not (_is_day(value) or value.isupper() or " " in value):
        return Problem(
            "filter_value", f"{column.label} is compared with a day such as 2026-01-31 or a range such as THIS_MONTH."
        )
    if column.type == "boolean" and value.lower() not in {"true", "false", "1", "0"}:
        return Problem("filter_value", f"{column.label} is true or false.")
    return None


def narrowed(description: Mapping[str, Any], filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The `reportMetadata` to run with: the report's own filters AND the added ones (Salesforce replaces, it does not add)."""
    own = (description.get("reportMetadata") or {}).get("reportFilters") or []
    logic = (description.get("reportMetadata") or {}).get("reportBooleanFilter")
    added = [{"column": each["column"], "operator": each["operator"], "value": each["value"]} for each in filters]
    body: dict[str, Any] = {"reportFilters": [*own, *added]}
    if logic:
        numbers = " AND ".join(str(len(own) + place) for place in range(1, len(added) + 1))
        body["reportBooleanFilter"] = f"({logic}) AND {numbers}"
    return body


# --- Inside ----------------------------------------------------------------------------------------------------------


def _field_choice(report: Mapping[str, Any], name: str) -> FieldChoice:
    info = ((report.get("reportExtendedMetadata") or {}).get("aggregateColumnInfo") or {}).get(name) or {}
    unit, unit_label = unit_for(report, name)
    levels = [str(info[key]) for key in ("downGroupingContext", "acrossGroupingContext") if info.get(key)]
    return FieldChoice(
        name=name, label=str(info.get("label") or ("Record Count" if name == readings.ROW_COUNT else name)),
        type=readings.type_of(report, name), unit=unit, unit_label=unit_label,
        zero_is_true=readings.zero_is_true(name), level=" x ".join(levels),
    )  # fmt: skip


def _why_none(report: Mapping[str, Any]) -> str:
    kind = str((report.get("reportMetadata") or {}).get("reportFormat") or "")
    if kind == "MULTI_BLOCK":
        return "This is a joined report, which has no single summary value. Save one of its blocks as a report of its own."
    if kind == "TABULAR":
        return "This is a tabular report without a record count. Group it in Salesforce and summarize a column."
    if kind not in readings.READABLE_FORMATS:
        return f"Reports of the format {kind or 'unknown'} have no summary value to read."
    return (
        "This report has no summary field. Summarize a column in Salesforce first; if it has one already, the report probably "
        "contains custom objects or fields that the connected Salesforce user cannot see."
    )


def _branches(
    report: Mapping[str, Any], *, across: bool, parent: Group | None = None, path: tuple[dict[str, Any], ...] = ()
) -> tuple[GroupChoice, ...]:
    choices = []
    for group in readings.groups_of(report, across=across, parent=parent):
        here = (*path, readings.path_step(group))
        choices.append(GroupChoice(here, group.label, _branches(report, across=across, parent=group, path=here)))
    return tuple(choices)


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _is_day(text: str) -> bool:
    for parse in (date.fromisoformat, datetime.fromisoformat):
        try:
            parse(text)
        except ValueError:
            continue
        return True
    return False
