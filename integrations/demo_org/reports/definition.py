"""What a report asks for: the saved definition behind a `Report` record.

A definition holds what Salesforce keeps in `reportMetadata` apart from the record's own fields (name, developer name,
folder, description), which stay in the `Report` table. It is stored as JSON in the side table `_report_definition`.
Column names are the report API's own (`ACCOUNT_NAME`, `AMOUNT`, `Opportunity.Region__c`); `report_types` says what they mean.
"""

import json
import sqlite3
from dataclasses import asdict, dataclass, field
from typing import Any

TABLE_SQL = "CREATE TABLE IF NOT EXISTS _report_definition (report_id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID"

FORMATS = ("TABULAR", "SUMMARY", "MATRIX", "MULTI_BLOCK")
GRANULARITIES = (
    "None", "Day", "Week", "Month", "Quarter", "Year", "FiscalQuarter", "FiscalYear", "MonthInYear", "DayInMonth",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grouping:
    """One level of grouping. `granularity` is one of GRANULARITIES and only matters for date and datetime columns.

    `order` is Asc or Desc; `sort_aggregate` names an aggregate (`s!AMOUNT`) that orders the groups instead of their value.
    """

    column: str
    granularity: str = "None"
    order: str = "Asc"
    sort_aggregate: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """A column filter. `operator` is the API's word (equals, notEqual, lessThan, greaterThan, lessOrEqual, greaterOrEqual,
    contains, notContain, startsWith, includes, excludes); `value` is text, several alternatives separated by commas.
    """  # fmt: skip

    column: str
    operator: str
    value: str
    run_page_editable: bool = True


@dataclass(frozen=True, slots=True)
class DateFilter:
    """The standard date filter. `duration` is CUSTOM (then `start` and `end`, ISO dates, inclusive, either may be None)
    or a standard duration such as THIS_FISCAL_QUARTER, LAST_N_DAYS:90, THIS_MONTH, which moves with the clock.
    """

    column: str
    duration: str = "CUSTOM"
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True)
class CrossFilter:
    """Rows with (`includes=True`) or without related rows: `related` is the child object, `field` its reference field.

    `criteria` narrow the related rows; their columns are plain field names of the child object (IsClosed).
    """

    related: str
    field: str
    includes: bool = True
    criteria: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Sort:
    """Order of detail rows; `order` is Asc or Desc."""

    column: str
    order: str = "Asc"


@dataclass(frozen=True, slots=True)
class Formula:
    """A summary formula (`FORMULA1`): arithmetic over aggregates, as in `AMOUNT:SUM / RowCount`. `data_type` is the
    describe word of the result: double, currency or percent (percent 45 means 45 %)."""

    name: str
    label: str
    expression: str
    data_type: str = "double"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket column (`BucketField_12345678`) over `source`. `ranges` are (label, upper bound, exclusive) for numbers, in
    rising order with None as the last bound; `values` are (label, [values]) for text; rows in no bucket show `other`."""

    name: str
    label: str
    source: str
    ranges: tuple[tuple[str, float | None], ...] = ()
    values: tuple[tuple[str, tuple[str, ...]], ...] = ()
    other: str = "Other"


@dataclass(frozen=True, slots=True)
class ReportDefinition:
    """A saved report without its name.

    `report_type`: a standard type (`Opportunity`, `AccountList`, `ContactList`, `LeadList`, `CaseList`, `OpportunityProduct`,
    `Campaign`, `Activity`, `User`, `Product2`) or `CustomEntity$Thing__c` for any other object.
    `aggregates`: names in display order: `RowCount`, `s!COL` sum, `a!COL` average, `m!COL` smallest, `mx!COL` largest,
    `u!COL` unique, `FORMULA1`. `standard_filters` are (name, value) such as ("open", "closedwon") or ("probability", ">0").
    `scope`: organization, user or team. `row_limit` keeps the first n detail rows by `sort` (tabular only).
    `blocks` are the parts of a joined (MULTI_BLOCK) report; all else is then ignored except groupings.
    `failure`: when set, every run ends with this sentence (a report that Salesforce cannot run).
    """

    report_type: str
    format: str = "TABULAR"
    detail_columns: tuple[str, ...] = ()
    groupings_down: tuple[Grouping, ...] = ()
    groupings_across: tuple[Grouping, ...] = ()
    aggregates: tuple[str, ...] = ("RowCount",)
    filters: tuple[Filter, ...] = ()
    boolean_filter: str | None = None
    date_filter: DateFilter | None = None
    standard_filters: tuple[tuple[str, str], ...] = ()
    cross_filters: tuple[CrossFilter, ...] = ()
    scope: str = "organization"
    sort: tuple[Sort, ...] = ()
    row_limit: int | None = None
    formulas: tuple[Formula, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    show_details: bool = True
    currency: str | None = None
    chart: dict[str, Any] | None = None
    blocks: tuple["ReportDefinition", ...] = ()
    failure: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def groupings(self) -> tuple[Grouping, ...]:
        """All levels: down first, then across."""
        return self.groupings_down + self.groupings_across


def to_json(definition: ReportDefinition) -> str:
    """The definition as JSON text."""
    return json.dumps(asdict(definition), ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> ReportDefinition:
    """The definition that `to_json` wrote."""
    return _from_dict(json.loads(text))


def _from_dict(body: dict[str, Any]) -> ReportDefinition:
    """Rebuild the nested records; lists become tuples so that equal definitions compare equal."""
    return ReportDefinition(
        **{
            **body,
            "detail_columns": tuple(body["detail_columns"]),
            "groupings_down": tuple(Grouping(**each) for each in body["groupings_down"]),
            "groupings_across": tuple(Grouping(**each) for each in body["groupings_across"]),
            "aggregates": tuple(body["aggregates"]),
            "filters": tuple(Filter(**each) for each in body["filters"]),
            "date_filter": DateFilter(**body["date_filter"]) if body["date_filter"] else None,
            "standard_filters": tuple((name, value) for name, value in body["standard_filters"]),
            "cross_filters": tuple(_cross_filter(each) for each in body["cross_filters"]),
            "sort": tuple(Sort(**each) for each in body["sort"]),
            "formulas": tuple(Formula(**each) for each in body["formulas"]),
            "buckets": tuple(_bucket(each) for each in body["buckets"]),
            "blocks": tuple(_from_dict(each) for each in body["blocks"]),
        }
    )


def _cross_filter(body: dict[str, Any]) -> CrossFilter:
    return CrossFilter(**{**body, "criteria": tuple(Filter(**each) for each in body.get("criteria", ()))})


def _bucket(body: dict[str, Any]) -> Bucket:
    ranges = tuple((label, bound) for label, bound in body["ranges"])
    values = tuple((label, tuple(members)) for label, members in body["values"])
    return Bucket(**{**body, "ranges": ranges, "values": values})


def store_definition(connection: sqlite3.Connection, report_id: str, definition: ReportDefinition) -> None:
    """Write or replace the definition of the report with that 18-character id; creates the side table if needed.

    `connection` is the writing one (`with org.store.write() as connection`).
    """
    connection.execute(TABLE_SQL)
    connection.execute("INSERT OR REPLACE INTO _report_definition VALUES (?, ?)", (report_id, to_json(definition)))


def load_definition(connection: sqlite3.Connection, report_id: str) -> ReportDefinition | None:
    """The stored definition, or None when the report has none."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_report_definition'").fetchone()
    if not found:
        return None
    row = connection.execute("SELECT body FROM _report_definition WHERE report_id = ?", (report_id,)).fetchone()
    return from_json(row[0]) if row else None
