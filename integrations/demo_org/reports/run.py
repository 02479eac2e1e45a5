"""Runs a report: one GROUP BY in SQL, then the trees of groups, the dense fact map and, when asked for, detail rows."""

# ruff: noqa: S608 - the SQL is built from the schema's own names; every value is a parameter.

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from integrations.demo_org.reports.aggregates import Aggregate, aggregates_of, gather, label_of, value_of
from integrations.demo_org.reports.cells import EMPTY, CellMaker, plain_number
from integrations.demo_org.reports.definition import ReportDefinition
from integrations.demo_org.reports.facts import ROOT, Level, Node, Path, axis, roll_up, tree, tree_json
from integrations.demo_org.reports.filters import MAX_FILTERS, bad
from integrations.demo_org.reports.granularity import bucket_label
from integrations.demo_org.reports.report_types import ReportColumn, ReportType, report_type
from integrations.demo_org.reports.statement import Grouped, Statement
from integrations.demo_org.schema.types import Schema
from integrations.demo_org.soql.dates import Calendar, local_sql

MOST_ROWS = 2000
MOST_GROUPS = 2000
MAX_COLUMNS = 100
FORMAT_GROUPS = {"TABULAR": (0, 0), "SUMMARY": (3, 0), "MATRIX": (2, 2)}


@dataclass(frozen=True)
class Viewer:
    """For whom a report runs."""

    schema: Schema
    calendar: Calendar
    user_id: str
    currency: str = "USD"
    multi_currency: bool = False


@dataclass
class Result:
    """What a run found, ready for JSON."""

    down: list[Node]
    across: list[Node]
    facts: dict[str, dict[str, Any]]
    all_data: bool
    rows: int


def check(definition: ReportDefinition) -> None:
    """Salesforce's limits on reports that the API runs. ApiError 400."""
    if len(definition.detail_columns) > MAX_COLUMNS:
        raise bad(f"Reports can have at most {MAX_COLUMNS} columns")
    if len(definition.filters) > MAX_FILTERS:
        raise bad(f"Reports can have at most {MAX_FILTERS} custom field filters")
    if definition.failure:
        raise bad(definition.failure)
    down, across = FORMAT_GROUPS.get(definition.format, (0, 0))
    if len(definition.groupings_down) > down or len(definition.groupings_across) > across:
        raise bad(f"The number of groupings is not valid for the report format {definition.format}")


def run_definition(connection: sqlite3.Connection, viewer: Viewer, definition: ReportDefinition, *, details: bool) -> Result:
    """Run a definition for a viewer. ApiError 400 when it cannot be run."""
    check(definition)
    kind = report_type(viewer.schema, definition.report_type)
    return Run(connection, viewer, definition, kind, details=details and definition.show_details).result()


class Run:
    """One run of one report."""

    def __init__(
        self, connection: sqlite3.Connection, viewer: Viewer, definition: ReportDefinition, kind: ReportType, *, details: bool
    ) -> None:
        self.connection = connection
        self.viewer = viewer
        self.definition = definition
        self.details = details
        self.statement = Statement(viewer.schema, viewer.calendar, viewer.user_id, definition, kind)
        self.down = [self.statement.grouped(each) for each in definition.groupings_down]
        self.across = [self.statement.grouped(each) for each in definition.groupings_across]
        self.groups: list[Grouped] = [*self.down, *self.across]
        self.aggregates = aggregates_of(self.statement, definition)
        self.parts = gather(self.statement, self.aggregates)
        self.where = self.statement.limited(self.statement.where())
        self.names: list[dict[Any, Any]] = [{} for _ in self.groups]
        self.spelling: list[dict[Any, Any]] = [{} for _ in self.groups]

    def result(self) -> Result:
        """Everything that the answer needs."""
        leaves = self._leaves()
        totals = roll_up(leaves, self.parts.kinds)
        unique = self._unique()
        width = len(self.down)
        down = self._tree((down for down, _, _ in leaves), 0, totals, unique)
        across = self._tree((across for _, across, _ in leaves), width, totals, unique)
        counted = totals.get((ROOT, ROOT))
        rows = int(counted[0]) if counted else 0
        cut = _cut(down)
        facts = self._facts(down, across, totals, unique)
        if self.details:
            self._add_rows(facts, down, across)
        return Result(down, across, facts, not cut and not (self.details and rows > MOST_ROWS), rows)

    # -- groups ------------------------------------------------------------------------------------------------------

    def _leaves(self) -> list[tuple[Path, Path, Sequence[Any]]]:
        """The finest groups with their partial aggregates, from one statement."""
        keys = [each.key for each in self.groups]
        shown = [f"MAX({each.shown})" for each in self.groups if each.shown]
        select = ", ".join([*keys, *shown, *self.parts.sql])
        group = f" GROUP BY {', '.join(str(k + 1) for k in range(len(keys)))}" if keys else ""
        sql = f"SELECT {select} FROM {self.statement.scope.from_sql()} WHERE {self.where.text}{group}"
        return [self._leaf(row, len(keys), len(shown)) for row in self.connection.execute(sql, self.where.params)]

    def _leaf(self, row: Sequence[Any], keys: int, shown: int) -> tuple[Path, Path, Sequence[Any]]:
        path = self._path(row[:keys])
        names = iter(row[keys : keys + shown])
        for k, each in enumerate(self.groups):
            if each.shown:
                self.names[k][path[k]] = next(names)
        width = len(self.down)
        return path[:width], path[width:], row[keys + shown :]

    def _path(self, values: Sequence[Any]) -> Path:
        """Group values in one spelling: text groups do not differ by case."""
        path = []
        for k, value in enumerate(values):
            value = bool(value) if self.groups[k].column.type == "boolean" and value is not None else plain_number(value)
            folded = value.casefold() if isinstance(value, str) and not self.groups[k].shown else value
            path.append(self.spelling[k].setdefault(folded, value))
        return tuple(path)

    def _tree(self, paths: Any, first: int, totals: dict[Any, Any], unique: dict[Any, dict[str, int]]) -> list[Node]:
        """The groups of one axis; `first` is its first level."""
        groups = self.down if first == 0 else self.across
        levels = [self._level(each) for each in groups]
        is_down = first == 0

        def parts_of(path: Path) -> list[Any]:
            key = (path, ROOT) if is_down else (ROOT, path)
            return [totals.get(key), unique.get(key, {})]

        return tree(paths, levels, self.names[first : first + len(groups)], parts_of)

    def _level(self, each: Grouped) -> Level:
        """How the groups of a level are ordered and labeled."""
        field = each.column.field
        places = {v.value.casefold(): k for k, v in enumerate(field.picklist)} if field and field.type == "picklist" else {}
        labels = {v.value: v.label or v.value for v in field.picklist} if field else {}
        calendar = self.viewer.calendar
        maker = CellMaker(each.column, calendar.locale, self.viewer.currency, multi_currency=self.viewer.multi_currency)

        def rank(value: Any, label: str) -> Any:
            if each.shown:
                return (0, label.casefold())
            if places:
                return (places.get(str(value).casefold(), len(places)), str(value).casefold())
            return (0, value.casefold()) if isinstance(value, str) else (0, value)

        def label(value: Any, name: Any) -> str:
            if value is None:
                return EMPTY
            if each.shown:
                return str(name if name is not None else value)
            if each.granularity != "None":
                return bucket_label(value, each.granularity, calendar)
            if each.column.type == "datetime":
                return bucket_label(value, "Day", calendar)
            return labels.get(value) or maker.label(value, value)

        return Level(rank, label, each.grouping.order.lower().startswith("d"), self._by_aggregate(each))

    def _by_aggregate(self, each: Grouped) -> Any:
        """Order by an aggregate of the group instead of its value."""
        wanted = each.grouping.sort_aggregate
        found = next((a for a in self.aggregates if a.name == wanted), None) if wanted else None
        if found is None:
            return None
        aggregate: Aggregate = found
        return lambda parts: value_of(aggregate, self.parts, parts[0], parts[1])

    def _unique(self) -> dict[tuple[Path, Path], dict[str, int]]:
        """Counts of distinct values: they do not add up, so each level of totals is its own statement."""
        wanted = [name for name in self.parts.places if name.startswith("u!")]
        found: dict[tuple[Path, Path], dict[str, int]] = {}
        if not wanted:
            return found
        counts = [f"COUNT(DISTINCT {self._unique_sql(name)})" for name in wanted]
        width = len(self.down)
        for depth in range(width + 1):
            for breadth in range(len(self.across) + 1):
                chosen = [*range(depth), *range(width, width + breadth)]
                for key, row in self._distinct(chosen, counts, depth):
                    found[key] = dict(zip(wanted, row, strict=True))
        return found

    def _unique_sql(self, name: str) -> str:
        column = self.statement.need(name.removeprefix("u!"), "aggregate")
        return self.statement.id_sql(column) if column.is_lookup else self.statement.sql(column)

    def _distinct(self, chosen: list[int], counts: list[str], depth: int) -> list[tuple[tuple[Path, Path], Sequence[Any]]]:
        keys = [self.groups[k].key for k in chosen]
        group = f" GROUP BY {', '.join(str(k + 1) for k in range(len(keys)))}" if keys else ""
        sql = f"SELECT {', '.join([*keys, *counts])} FROM {self.statement.scope.from_sql()} WHERE {self.where.text}{group}"
        found = []
        for row in self.connection.execute(sql, self.where.params):
            path = tuple(self._spelled(k, value) for k, value in zip(chosen, row, strict=False))
            found.append(((path[:depth], path[depth:]), row[len(keys) :]))
        return found

    def _spelled(self, level: int, value: Any) -> Any:
        """A group value in the spelling chosen before."""
        if self.groups[level].column.type == "boolean" and value is not None:
            value = bool(value)
        value = plain_number(value)
        folded = value.casefold() if isinstance(value, str) and not self.groups[level].shown else value
        return self.spelling[level].get(folded, value)

    # -- facts -------------------------------------------------------------------------------------------------------

    def _facts(
        self, down: list[Node], across: list[Node], totals: dict[Any, Any], unique: dict[Any, dict[str, int]]
    ) -> dict[str, dict[str, Any]]:
        """A fact for every row group and total with every column group and total."""
        columns = axis(across)
        facts: dict[str, dict[str, Any]] = {}
        for row_key, row_path in axis(down):
            for column_key, column_path in columns:
                place = (row_path, column_path)
                facts[f"{row_key}!{column_key}"] = self._fact(totals.get(place), unique.get(place, {}))
        return facts

    def _fact(self, parts: Sequence[Any] | None, unique: dict[str, int]) -> dict[str, Any]:
        locale, currency = self.viewer.calendar.locale, self.viewer.currency
        cells = []
        for each in self.aggregates:
            value = value_of(each, self.parts, parts, unique)
            cells.append({"label": label_of(each, value, locale, currency), "value": value})
        return {"aggregates": cells, "rows": []} if self.details else {"aggregates": cells}

    # -- details -----------------------------------------------------------------------------------------------------

    def _add_rows(self, facts: dict[str, dict[str, Any]], down: list[Node], across: list[Node]) -> None:
        """Put the first 2,000 rows under their finest groups."""
        keys = {each.path: each.key for root in (*down,) for each in root.walk()}
        column_keys = {each.path: each.key for root in across for each in root.walk()}
        columns = [each for each in map(self.statement.find, self.definition.detail_columns) if each]
        makers = [self._maker(each) for each in columns]
        width = len(self.down)
        for row in self._rows(columns):
            path = tuple(self._spelled(k, value) for k, value in enumerate(row[: len(self.groups)]))
            place = f"{keys.get(path[:width], 'T')}!{column_keys.get(path[width:], 'T')}"
            values = row[len(self.groups) :]
            cells = [maker.cell(*values[3 * k : 3 * k + 3]) for k, maker in enumerate(makers)]
            if place in facts:
                facts[place]["rows"].append({"dataCells": cells})

    def _maker(self, column: ReportColumn) -> CellMaker:
        viewer = self.viewer
        return CellMaker(column, viewer.calendar.locale, viewer.currency, multi_currency=viewer.multi_currency)

    def _rows(self, columns: list[ReportColumn]) -> list[Sequence[Any]]:
        """Group keys, then per column its value, local value and id."""
        select = [each.key for each in self.groups]
        for column in columns:
            value = self.statement.sql(column)
            local = self._local(column, value)
            select += [value, local, self.statement.id_sql(column) if column.is_lookup else "NULL"]
        order = self.statement.order() or f" ORDER BY {self.statement.scope.root}.rowid"
        source = self.statement.scope.from_sql()
        sql = f"SELECT {', '.join(select) or '1'} FROM {source} WHERE {self.where.text}{order} LIMIT {MOST_ROWS}"
        return self.connection.execute(sql, self.where.params).fetchall()

    def _local(self, column: ReportColumn, value: str) -> str:
        if column.type != "datetime":
            return value
        return local_sql(value, self.viewer.calendar.time_zone, self.viewer.calendar.now.year)


def _cut(nodes: list[Node]) -> bool:
    """Keep at most 2,000 top groups; whether some had to go."""
    too_many = len(nodes) > MOST_GROUPS
    del nodes[MOST_GROUPS:]
    return too_many


def groups_json(nodes: list[Node]) -> dict[str, Any]:
    """One axis as the API writes it."""
    return {"groupings": tree_json(nodes)}
