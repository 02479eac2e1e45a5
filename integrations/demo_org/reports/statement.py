"""The SQL of a report: its columns over the joined tables, its filters, and the groups that it asks for."""

# ruff: noqa: S608 - the SQL is built from the schema's own names; every value is a parameter.

from dataclasses import dataclass

from integrations.demo_org.reports import filters
from integrations.demo_org.reports.definition import Bucket, CrossFilter, Filter, Grouping, ReportDefinition
from integrations.demo_org.reports.filters import bad
from integrations.demo_org.reports.granularity import NUMBERED, bucket_sql
from integrations.demo_org.reports.report_types import REPORT_TYPES, ReportColumn, ReportType
from integrations.demo_org.schema.types import Schema
from integrations.demo_org.soql.conditions import Sql
from integrations.demo_org.soql.dates import Calendar, local_sql
from integrations.demo_org.soql.expressions import Expressions
from integrations.demo_org.soql.functions import DATE_PARTS
from integrations.demo_org.soql.ordering import sort_key
from integrations.demo_org.soql.scope import Build, Scope, column_sql, quote_text
from integrations.demo_org.soql.tree import Call, Path

PROBABILITY = {"gt": ">", "lt": "<"}


@dataclass(frozen=True)
class Grouped:
    """A grouping made ready: its column, granularity, the SQL of the group's value and of the name shown for it."""

    grouping: Grouping
    column: ReportColumn
    key: str
    shown: str | None

    @property
    def granularity(self) -> str:
        """The date granularity; None for other columns."""
        return self.grouping.granularity if self.column.type in {"date", "datetime"} else "None"


class Statement:
    """Compiles one report definition for one user."""

    def __init__(
        self, schema: Schema, calendar: Calendar, user_id: str, definition: ReportDefinition, kind: ReportType,
        build: Build | None = None,
    ) -> None:  # fmt: skip
        self.schema = schema
        self.calendar = calendar
        self.user_id = user_id
        self.definition = definition
        self.kind = kind
        self.build = build or Build("", schema, calendar, user_id)
        self.scope = Scope(self.build, kind.kind)
        self.expressions = Expressions(self.scope)
        self.buckets = {each.name: each for each in definition.buckets}

    # -- columns -----------------------------------------------------------------------------------------------------

    def find(self, name: str) -> ReportColumn | None:
        """A column of the report type or a bucket of the report."""
        bucket = self.buckets.get(name)
        if bucket is None:
            return self.kind.find(name)
        source = self.kind.find(bucket.source)
        return ReportColumn(bucket.name, bucket.label, "string", special="bucket", paths=(bucket.source,)) if source else None

    def need(self, name: str, what: str) -> ReportColumn:
        """A column that must exist. ApiError names it when it does not (any more)."""
        found = self.find(name)
        if found is None:
            raise bad(f"The {what} column is invalid or you do not have access to it: {name}")
        return found

    def sql(self, column: ReportColumn) -> str:
        """The stored value of a column; amounts in the user's currency."""
        if column.special:
            return self._special(column)
        path = _path(column.path)
        if column.type == "currency":
            return self.expressions.term(Call("CONVERTCURRENCY", (path,))).sql
        return self.scope.resolve(path).sql

    def raw(self, column: ReportColumn) -> str:
        """The same without conversion of currencies."""
        return self._special(column) if column.special else self.scope.resolve(_path(column.path)).sql

    def id_sql(self, column: ReportColumn) -> str:
        """The record id that a column's cells carry."""
        return self.scope.resolve(_path(column.id_path)).sql

    def day(self, column: ReportColumn) -> str:
        """The day of a date or datetime column, in the user's time zone."""
        sql = self.sql(column)
        if column.type != "datetime":
            return sql
        return f"substr({local_sql(sql, self.calendar.time_zone, self.calendar.now.year)}, 1, 10)"

    def sort_sql(self, column: ReportColumn) -> str:
        """What rows are sorted by."""
        return self._special(column) if column.special else sort_key(self.scope.resolve(_path(column.path)))

    def _special(self, column: ReportColumn) -> str:
        if column.special == "bucket":
            return self._bucket(self.buckets[column.name])
        paths = [self.scope.resolve(_path(each)).sql for each in column.paths]
        today = quote_text(self.calendar.today.isoformat())
        if column.special == "age":
            created, closed, is_closed = paths
            end = f"CASE WHEN {is_closed} THEN {closed} ELSE {today} END"
            return f"CAST(julianday({end}) - julianday(substr({created}, 1, 10)) AS INTEGER)"
        if column.special == "case_age":
            created, closed, is_closed = paths
            now = quote_text(self.calendar.now.strftime("%Y-%m-%dT%H:%M:%S"))
            end = f"CASE WHEN {is_closed} THEN {closed} ELSE {now} END"
            return f"CAST((julianday({end}) - julianday({created})) * 24 AS INTEGER)"
        year = DATE_PARTS["FISCAL_YEAR"].format(paths[0], self.calendar.fiscal_start)
        quarter = DATE_PARTS["FISCAL_QUARTER"].format(paths[0], self.calendar.fiscal_start)
        return year if column.special == "fiscal_year" else f"('Q' || {quarter} || '-' || {year})"

    def _bucket(self, bucket: Bucket) -> str:
        """A bucket column as CASE."""
        source = self.sql(self.need(bucket.source, "bucket"))
        cases = [
            f"WHEN {source} < {float(bound)!r} THEN {quote_text(label)}" if bound is not None else
            f"WHEN {source} IS NOT NULL THEN {quote_text(label)}"
            for label, bound in bucket.ranges
        ]  # fmt: skip
        for label, members in bucket.values:
            cases.append(f"WHEN {source} IN ({', '.join(map(quote_text, members)) or 'NULL'}) THEN {quote_text(label)}")
        other = quote_text(bucket.other) if bucket.values else "NULL"
        return f"(CASE {' '.join(cases)} ELSE {other} END)" if cases else "NULL"

    # -- groups ------------------------------------------------------------------------------------------------------

    def grouped(self, grouping: Grouping) -> Grouped:
        """A grouping's SQL."""
        column = self.need(grouping.column, "grouping")
        if column.type in {"date", "datetime"}:
            key = self.day(column) if grouping.granularity == "None" else self._cut(column, grouping.granularity)
            return Grouped(grouping, column, key, None)
        if column.is_lookup and column.data_type != "id":
            return Grouped(grouping, column, self.id_sql(column), self.sql(column))
        return Grouped(grouping, column, self.sql(column), None)

    def _cut(self, column: ReportColumn, granularity: str) -> str:
        """A date cut to its period; the day is computed once, in a subexpression that SQLite keeps short."""
        if granularity in NUMBERED | {"Day", "Week", "Month", "Quarter", "Year", "FiscalQuarter", "FiscalYear"}:
            return bucket_sql(self.day(column), granularity, self.calendar)
        raise bad(f"The date granularity is not valid: {granularity}")

    # -- rows --------------------------------------------------------------------------------------------------------

    def where(self) -> Sql:
        """All filters of the report; call before `source`."""
        parts = [self._standing()]
        parts += self._date_part() + self._standard_parts() + self._cross_parts()
        asked = [self._filter(each) for each in self.definition.filters]
        parts.append(filters.join_filters(asked, self.definition.boolean_filter))
        text = " AND ".join(f"({each.text})" for each in parts if each.text != "1") or "1"
        return Sql(text, [value for each in parts for value in each.params])

    def _standing(self) -> Sql:
        """No deleted rows; only the user's own when the scope says so."""
        parts, params = [], []
        if self.kind.kind.find("IsDeleted"):
            parts.append(f'{self.scope.root}."IsDeleted" = 0')
        if self.definition.scope == "user" and self.kind.kind.find("OwnerId"):
            parts.append(f'{self.scope.root}."OwnerId" = ?')
            params.append(self.user_id)
        if self.definition.scope == "team" and self.kind.kind.find("OwnerId"):
            team = 'SELECT "Id" FROM "User" WHERE "ManagerId" = ? OR "Id" = ?'
            parts.append(f'{self.scope.root}."OwnerId" IN ({team})')
            params += [self.user_id, self.user_id]
        return Sql(" AND ".join(parts) or "1", params)

    def _date_part(self) -> list[Sql]:
        asked = self.definition.date_filter
        if asked is None:
            return []
        first, last = filters.date_filter_days(asked, self.calendar)
        if not first and not last:
            return []
        column = self.need(asked.column, "standard date filter")
        return [filters.between_days(self.sql(column), column.type, first, last, self.calendar)]

    def _standard_parts(self) -> list[Sql]:
        """The ready-made filters of opportunity reports."""
        parts = []
        for name, value in self.definition.standard_filters:
            if name == "open" and value != "all":
                parts.append(self._open_part(value))
            elif name == "probability" and value[:2] in PROBABILITY and value[2:].isdigit():
                column = self.need("PROBABILITY", "standard filter")
                parts.append(Sql(f"{self.sql(column)} {PROBABILITY[value[:2]]} ?", [float(value[2:])]))
        return parts

    def _open_part(self, value: str) -> Sql:
        closed, won = self.sql(self.need("CLOSED", "standard filter")), self.sql(self.need("WON", "standard filter"))
        texts = {"open": f"{closed} = 0", "closed": f"{closed} = 1", "closedwon": f"{won} = 1"}
        if value not in texts:
            raise bad(f"The standard filter value is not valid: {value}")
        return Sql(texts[value], [])

    def _cross_parts(self) -> list[Sql]:
        """With or without related rows."""
        return [self._cross_part(each) for each in self.definition.cross_filters]

    def _cross_part(self, each: CrossFilter) -> Sql:
        related = self.schema.find(each.related)
        reference = related.find(each.field) if related else None
        if related is None or reference is None:
            raise bad(f"The cross filter is invalid: {each.related}")
        alias = self.build.alias()
        conditions = [Sql(f'{alias}."{reference.name}" = {self.scope.root}."Id"', [])]
        if related.find("IsDeleted"):
            conditions.append(Sql(f'{alias}."IsDeleted" = 0', []))
        for asked in each.criteria:
            field = related.find(asked.column)
            if field is None:
                raise bad(f"The cross filter column is invalid or you do not have access to it: {asked.column}")
            data_type = REPORT_TYPES.get(field.type, field.type)
            conditions.append(filters.filter_sql(column_sql(alias, field), data_type, asked, self.calendar))
        inner = f'SELECT 1 FROM "{related.name}" AS {alias} WHERE {" AND ".join(part.text for part in conditions)}'
        params = [value for part in conditions for value in part.params]
        return Sql(f"{'' if each.includes else 'NOT '}EXISTS ({inner})", params)

    def _filter(self, asked: Filter) -> Sql:
        column = self.need(asked.column, "filter")
        return filters.filter_sql(self.sql(column), column.data_type, asked, self.calendar)

    def limited(self, where: Sql) -> Sql:
        """The rows that a row limit leaves: the first n by the report's sort."""
        limit = self.definition.row_limit
        if limit is None:
            return where
        inner = Statement(self.schema, self.calendar, self.user_id, self.definition, self.kind, self.build)
        condition, order = inner.where(), inner.order()
        root = f'{inner.scope.root}."Id"'
        chosen = f"SELECT {root} FROM {inner.scope.from_sql()} WHERE {condition.text}{order} LIMIT {int(limit)}"
        return Sql(f'{self.scope.root}."Id" IN ({chosen})', condition.params)

    def order(self) -> str:
        """ORDER BY of detail rows."""
        terms = []
        for each in self.definition.sort:
            column = self.find(each.column)
            if column is not None:
                terms.append(f"{self.sort_sql(column)}{' DESC' if each.order.lower().startswith('d') else ''}")
        return f" ORDER BY {', '.join(terms)}" if terms else ""


def _path(text: str) -> Path:
    return Path(tuple(text.split(".")))
