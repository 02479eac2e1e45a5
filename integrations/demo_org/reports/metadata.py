"""Report metadata as the API writes it: reportMetadata, reportExtendedMetadata, reportTypeMetadata."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from integrations.demo_org.reports.aggregates import aggregates_of
from integrations.demo_org.reports.definition import DateFilter, Filter, Grouping, ReportDefinition
from integrations.demo_org.reports.filters import OPERATORS, date_filter_days, duration_days
from integrations.demo_org.reports.report_types import ReportColumn, ReportType, report_type
from integrations.demo_org.reports.run import Viewer
from integrations.demo_org.reports.statement import Statement
from integrations.demo_org.soql.dates import Calendar

OPERATOR_LABELS = {
    "equals": "equals", "notEqual": "not equal to", "lessThan": "less than", "greaterThan": "greater than",
    "lessOrEqual": "less or equal", "greaterOrEqual": "greater or equal", "contains": "contains",
    "notContain": "does not contain", "startsWith": "starts with", "includes": "includes", "excludes": "excludes",
}  # fmt: skip
PROBABILITIES = [(">0", "All")] + [(f"gt{n}", f"> {n}%") for n in range(90, 0, -10)] + [
    (f"lt{n}", f"< {n}%") for n in range(90, 0, -10)
]  # fmt: skip
STANDARD_FILTERS = {
    "open": ("Opportunity Status", [("all", "Any"), ("open", "Open"), ("closed", "Closed"), ("closedwon", "Closed Won")]),
    "probability": ("Probability", PROBABILITIES),
}
DURATIONS = {
    "Fiscal Year": [
        ("THIS_FISCAL_YEAR", "Current FY"), ("LAST_FISCAL_YEAR", "Previous FY"), ("NEXT_FISCAL_YEAR", "Next FY"),
    ],
    "Fiscal Quarter": [
        ("THIS_FISCAL_QUARTER", "Current FQ"), ("LAST_FISCAL_QUARTER", "Previous FQ"), ("NEXT_FISCAL_QUARTER", "Next FQ"),
    ],
    "Calendar Year": [("THIS_YEAR", "Current CY"), ("LAST_YEAR", "Previous CY"), ("NEXT_YEAR", "Next CY")],
    "Calendar Quarter": [("THIS_QUARTER", "Current CQ"), ("LAST_QUARTER", "Previous CQ"), ("NEXT_QUARTER", "Next CQ")],
    "Calendar Month": [("LAST_MONTH", "Last Month"), ("THIS_MONTH", "This Month"), ("NEXT_MONTH", "Next Month")],
    "Calendar Week": [("LAST_WEEK", "Last Week"), ("THIS_WEEK", "This Week"), ("NEXT_WEEK", "Next Week")],
    "Day": [
        ("YESTERDAY", "Yesterday"), ("TODAY", "Today"), ("TOMORROW", "Tomorrow"), ("LAST_7_DAYS", "Last 7 Days"),
        ("LAST_30_DAYS", "Last 30 Days"), ("LAST_60_DAYS", "Last 60 Days"), ("LAST_90_DAYS", "Last 90 Days"),
        ("LAST_120_DAYS", "Last 120 Days"), ("NEXT_7_DAYS", "Next 7 Days"), ("NEXT_30_DAYS", "Next 30 Days"),
        ("NEXT_60_DAYS", "Next 60 Days"), ("NEXT_90_DAYS", "Next 90 Days"), ("NEXT_120_DAYS", "Next 120 Days"),
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Saved:
    """A report record's own facts beside its definition."""

    id: str | None
    name: str
    developer_name: str
    folder_id: str | None
    description: str | None
    definition: ReportDefinition


# -- reportMetadata --------------------------------------------------------------------------------------------------


def report_metadata(saved: Saved, viewer: Viewer) -> dict[str, Any]:
    """The definition as the API writes it."""
    definition = saved.definition
    kind = report_type(viewer.schema, definition.report_type)
    statement = Statement(viewer.schema, viewer.calendar, viewer.user_id, definition, kind)
    aggregates = [each.name for each in aggregates_of(statement, definition)]
    return {
        "aggregates": aggregates,
        "buckets": [_bucket(each) for each in definition.buckets] or None,
        "chart": definition.chart,
        "crossFilters": [_cross_filter(each) for each in definition.cross_filters],
        "currency": definition.currency or (viewer.currency if viewer.multi_currency else None),
        "customSummaryFormula": {each.name: _formula(each) for each in definition.formulas} or None,
        "dashboardSetting": None,
        "description": saved.description,
        "detailColumns": [each for each in definition.detail_columns if statement.find(each)],
        "developerName": saved.developer_name,
        "division": None,
        "folderId": saved.folder_id,
        "groupingsAcross": [_grouping(each) for each in definition.groupings_across],
        "groupingsDown": [_grouping(each) for each in definition.groupings_down],
        "hasDetailRows": definition.show_details,
        "hasRecordCount": "RowCount" in aggregates,
        "historicalSnapshotDates": [],
        "id": saved.id,
        "name": saved.name,
        "presentationOptions": {"hasStackedSummaries": True},
        "reportBooleanFilter": definition.boolean_filter,
        "reportFilters": [_filter(each) for each in definition.filters],
        "reportFormat": definition.format,
        "reportType": {"label": kind.label, "type": definition.report_type},
        "scope": definition.scope,
        "showGrandTotal": True,
        "showSubtotals": True,
        "sortBy": [{"sortColumn": each.column, "sortOrder": each.order} for each in definition.sort],
        "standardDateFilter": date_filter_json(definition.date_filter, kind, viewer.calendar),
        "standardFilters": [{"name": name, "value": value} for name, value in _standard_filters(definition, kind)] or None,
        "supportsRoleHierarchy": kind.name in {"Opportunity", "OpportunityProduct"},
        "topRows": _top_rows(definition),
        "userOrHierarchyFilterId": None,
    }


def _top_rows(definition: ReportDefinition) -> dict[str, Any] | None:
    if definition.row_limit is None:
        return None
    order = definition.sort[0].order if definition.sort else "Asc"
    return {"direction": order, "rowLimit": definition.row_limit}


def _grouping(each: Grouping) -> dict[str, Any]:
    return {
        "dateGranularity": each.granularity,
        "name": each.column,
        "sortAggregate": each.sort_aggregate,
        "sortOrder": each.order,
    }


def _filter(each: Filter) -> dict[str, Any]:
    return {
        "column": each.column,
        "filterType": "fieldValue",
        "isRunPageEditable": each.run_page_editable,
        "operator": each.operator,
        "value": each.value,
    }


def _cross_filter(each: Any) -> dict[str, Any]:
    return {
        "criteria": [_filter(part) for part in each.criteria],
        "includesObject": each.includes,
        "primaryEntityField": "Id",
        "relatedEntity": each.related,
        "relatedEntityJoinField": each.field,
    }


def _formula(each: Any) -> dict[str, Any]:
    return {
        "acrossGroup": None,
        "acrossGroupType": "all",
        "decimalPlaces": 2,
        "description": None,
        "downGroup": None,
        "downGroupType": "all",
        "formula": each.expression,
        "formulaType": {"double": "number"}.get(each.data_type, each.data_type),
        "label": each.label,
    }


def _bucket(each: Any) -> dict[str, Any]:
    ranges = [{"label": label, "rangeUpperBound": bound} for label, bound in each.ranges]
    values = [{"label": label, "sourceDimensionValues": list(members)} for label, members in each.values]
    return {
        "bucketType": "number" if each.ranges else "text",
        "devloperName": each.name,
        "label": each.label,
        "nullTreatedAsZero": False,
        "otherBucketLabel": each.other,
        "sourceColumnName": each.source,
        "values": ranges or values,
    }


def _standard_filters(definition: ReportDefinition, kind: ReportType) -> list[tuple[str, str]]:
    """The type's ready-made filters with their values, the widest where the report says nothing."""
    given = dict(definition.standard_filters)
    widest = {"open": "all", "probability": ">0"}
    return [(name, given.get(name, widest[name])) for name in kind.standard_filters]


def date_filter_json(asked: DateFilter | None, kind: ReportType, calendar: Calendar) -> dict[str, Any]:
    """The standard date filter with the days that its duration means now."""
    asked = asked or DateFilter(kind.date_column)
    first, last = date_filter_days(asked, calendar)
    return {"column": asked.column, "durationValue": asked.duration or "CUSTOM", "endDate": last, "startDate": first}


# -- reportExtendedMetadata ------------------------------------------------------------------------------------------


def extended_metadata(definition: ReportDefinition, viewer: Viewer) -> dict[str, Any]:
    """Labels and types of the columns, groupings and aggregates that a report uses."""
    kind = report_type(viewer.schema, definition.report_type)
    statement = Statement(viewer.schema, viewer.calendar, viewer.user_id, definition, kind)
    details = [each for each in map(statement.find, definition.detail_columns) if each]
    aggregates = {
        each.name: {
            "acrossGroupingContext": None,
            "dataType": each.data_type,
            "downGroupingContext": None,
            "label": each.label,
        }
        for each in aggregates_of(statement, definition)
    }
    groupings = {}
    for levels in (definition.groupings_down, definition.groupings_across):
        for level, each in enumerate(levels):
            column = statement.need(each.column, "grouping")
            groupings[each.column] = {"dataType": column.data_type, "groupingLevel": level, "label": column.label}
    return {
        "aggregateColumnInfo": aggregates,
        "availableDashboardSettings": None,
        "detailColumnInfo": {each.name: _detail_info(each) for each in details},
        "groupingColumnInfo": groupings,
    }


def _detail_info(column: ReportColumn) -> dict[str, Any]:
    info: dict[str, Any] = {"dataType": column.data_type, "label": column.label}
    return {**info, "isLookup": True} if column.is_lookup else info


# -- reportTypeMetadata ----------------------------------------------------------------------------------------------


def type_metadata(kind: ReportType, calendar: Calendar) -> dict[str, Any]:
    """Everything that a report of this type could use."""
    return {
        "categories": [
            {"columns": {name: _type_column(kind.columns[name]) for name in names}, "label": label}
            for label, names in kind.categories
        ],
        "dataTypeFilterOperatorMap": {
            name: [{"label": OPERATOR_LABELS[each], "name": each} for each in operators]
            for name, operators in OPERATORS.items()
        },
        "dateGranularityInfos": None,
        "divisionInfo": None,
        "hasOuterJoin": False,
        "isExternalObjectReport": False,
        "isHistorical": False,
        "objectRelationships": [],
        "scopeInfo": _scopes(kind),
        "standardDateFilterDurationGroups": _durations(calendar),
        "standardFilterInfos": {
            name: {
                "filterValues": [{"label": label, "name": value} for value, label in STANDARD_FILTERS[name][1]],
                "label": STANDARD_FILTERS[name][0],
                "type": "PICKLIST",
            }
            for name in kind.standard_filters
        },
        "supportsJoinedFormat": True,
    }


def _type_column(column: ReportColumn) -> dict[str, Any]:
    values: Iterable[tuple[str, str]] = ()
    if column.type == "boolean":
        values = (("True", "True"), ("False", "False"))
    elif column.field is not None and column.data_type in {"picklist", "multipicklist"}:
        values = ((each.value, each.label or each.value) for each in column.field.picklist if each.active)
    return {
        "dataType": column.data_type,
        "filterValues": [{"label": label, "name": value} for value, label in values],
        "filterable": True,
        "isLookup": column.is_lookup,
        "label": column.label,
    }


def _scopes(kind: ReportType) -> dict[str, Any]:
    named = [("user", f"My {kind.noun}"), ("team", f"My team's {kind.noun}"), ("organization", f"All {kind.noun}")]
    values = [{"allowsDivision": value == "organization", "label": label, "value": value} for value, label in named]
    return {"defaultValue": "organization", "values": values}


def _durations(calendar: Calendar) -> list[dict[str, Any]]:
    today = calendar.today.isoformat()
    custom = {"endDate": today, "label": "Custom", "startDate": today, "value": "CUSTOM"}
    groups: list[dict[str, Any]] = [{"label": "", "standardDateFilterDurations": [custom]}]
    for label, durations in DURATIONS.items():
        listed = []
        for value, shown in durations:
            days = duration_days(value, calendar)
            if days:
                listed.append({
                    "endDate": days[1].isoformat(), "label": shown, "startDate": days[0].isoformat(), "value": value,
                })  # fmt: skip
        groups.append({"label": label, "standardDateFilterDurations": listed})
    return groups
