"""Reads reportMetadata from clients: changes to a saved report for one run, and new definitions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from integrations.demo_org.reports.definition import (
    FORMATS,
    GRANULARITIES,
    Bucket,
    CrossFilter,
    DateFilter,
    Filter,
    Formula,
    Grouping,
    ReportDefinition,
    Sort,
)
from integrations.demo_org.reports.filters import bad

FIXED = "Cross filters and standard filters cannot be changed when a report runs"


def changed(definition: ReportDefinition, metadata: Any, *, saving: bool = False) -> ReportDefinition:
    """The definition with a client's reportMetadata applied; keys that are absent stay.

    Runs cannot change cross filters and standard filters (the API's rule); saving can.
    """
    if metadata is None:
        return definition
    if not isinstance(metadata, Mapping):
        raise bad("The reportMetadata must be an object")
    found: dict[str, Any] = {}
    for key, (name, read) in READERS.items():
        if key in metadata:
            found[name] = read(metadata[key])
    wanted = replace(definition, **found)
    if not saving:
        _check_fixed(definition, wanted)
    return wanted


def _check_fixed(before: ReportDefinition, after: ReportDefinition) -> None:
    known = {"open": "all", "probability": ">0"}
    changed_standard = {**known, **dict(before.standard_filters)} != {**known, **dict(after.standard_filters)}
    if changed_standard or before.cross_filters != after.cross_filters:
        raise bad(FIXED)


def new_definition(metadata: Any) -> ReportDefinition:
    """A definition from a whole reportMetadata."""
    if not isinstance(metadata, Mapping):
        raise bad("The reportMetadata is missing")
    kind = metadata.get("reportType")
    name = kind.get("type") if isinstance(kind, Mapping) else kind
    if not isinstance(name, str) or not name:
        raise bad("The reportType is missing")
    return changed(ReportDefinition(name), metadata, saving=True)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad("A list is expected in the reportMetadata")
    return value


def _objects(value: Any) -> list[Mapping[str, Any]]:
    found = _list(value)
    if not all(isinstance(each, Mapping) for each in found):
        raise bad("A list of objects is expected in the reportMetadata")
    return found


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str) or not found:
        raise bad(f"The property {key} is missing in the reportMetadata")
    return found


def _names(value: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in _list(value))


def _groupings(value: Any) -> tuple[Grouping, ...]:
    found = []
    for each in _objects(value):
        granularity = each.get("dateGranularity") or "None"
        if granularity not in GRANULARITIES:
            raise bad(f"The date granularity is not valid: {granularity}")
        found.append(Grouping(_text(each, "name"), granularity, each.get("sortOrder") or "Asc", each.get("sortAggregate")))
    return tuple(found)


def _filters(value: Any) -> tuple[Filter, ...]:
    return tuple(_one_filter(each) for each in _objects(value))


def _one_filter(each: Mapping[str, Any]) -> Filter:
    editable = bool(each.get("isRunPageEditable", True))
    return Filter(_text(each, "column"), _text(each, "operator"), str(each.get("value") or ""), editable)


def _date_filter(value: Any) -> DateFilter | None:
    if not value:
        return None
    if not isinstance(value, Mapping):
        raise bad("The standardDateFilter must be an object")
    duration = str(value.get("durationValue") or "CUSTOM")
    if duration != "CUSTOM":
        return DateFilter(_text(value, "column"), duration)
    return DateFilter(_text(value, "column"), "CUSTOM", value.get("startDate") or None, value.get("endDate") or None)


def _standard_filters(value: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(value, Mapping):
        return tuple((str(name), str(each)) for name, each in value.items())
    return tuple((_text(each, "name"), str(each.get("value") or "")) for each in _objects(value))


def _cross_filters(value: Any) -> tuple[CrossFilter, ...]:
    return tuple(_one_cross_filter(each) for each in _objects(value))


def _one_cross_filter(each: Mapping[str, Any]) -> CrossFilter:
    includes, criteria = bool(each.get("includesObject", True)), _filters(each.get("criteria"))
    return CrossFilter(_text(each, "relatedEntity"), _text(each, "relatedEntityJoinField"), includes, criteria)


def _sort(value: Any) -> tuple[Sort, ...]:
    return tuple(Sort(_text(each, "sortColumn"), each.get("sortOrder") or "Asc") for each in _objects(value))


def _row_limit(value: Any) -> int | None:
    limit = value.get("rowLimit") if isinstance(value, Mapping) else None
    if limit is None:
        return None
    if not isinstance(limit, int) or limit < 1:
        raise bad("The rowLimit must be a positive number")
    return limit


def _formulas(value: Any) -> tuple[Formula, ...]:
    if not value:
        return ()
    if not isinstance(value, Mapping):
        raise bad("The customSummaryFormula must be an object")
    kinds = {"number": "double", "currency": "currency", "percent": "percent"}
    return tuple(
        Formula(name, str(each.get("label") or name), _text(each, "formula"), kinds.get(str(each.get("formulaType")), "double"))
        for name, each in value.items()
    )


def _buckets(value: Any) -> tuple[Bucket, ...]:
    found = []
    for each in _objects(value):
        rows = _objects(each.get("values"))
        ranges = tuple((str(row.get("label")), row.get("rangeUpperBound")) for row in rows if "rangeUpperBound" in row)
        members = tuple(
            (str(row.get("label")), _names(row.get("sourceDimensionValues"))) for row in rows if "sourceDimensionValues" in row
        )
        name = each.get("devloperName") or each.get("developerName") or ""
        other = str(each.get("otherBucketLabel") or "Other")
        found.append(Bucket(str(name), str(each.get("label") or name), _text(each, "sourceColumnName"), ranges, members, other))
    return tuple(found)


def _format(value: Any) -> str:
    if value not in FORMATS:
        raise bad(f"The report format is not valid: {value}")
    return value


def _plain(value: Any) -> Any:
    return value or None


READERS: dict[str, tuple[str, Any]] = {
    "reportFormat": ("format", _format),
    "detailColumns": ("detail_columns", _names),
    "groupingsDown": ("groupings_down", _groupings),
    "groupingsAcross": ("groupings_across", _groupings),
    "aggregates": ("aggregates", _names),
    "reportFilters": ("filters", _filters),
    "reportBooleanFilter": ("boolean_filter", _plain),
    "standardDateFilter": ("date_filter", _date_filter),
    "standardFilters": ("standard_filters", _standard_filters),
    "crossFilters": ("cross_filters", _cross_filters),
    "scope": ("scope", lambda value: str(value or "organization")),
    "sortBy": ("sort", _sort),
    "topRows": ("row_limit", _row_limit),
    "customSummaryFormula": ("formulas", _formulas),
    "buckets": ("buckets", _buckets),
    "hasDetailRows": ("show_details", bool),
    "chart": ("chart", _plain),
}
