"""Conditions as one statement over all records: generated SQL in which every value is a parameter. Pure.

Four levels, so that each step is worked out once a row: raw values (one look into the JSON of a record), typed values `x1`,
folded texts `f1`, and the tests. Dates of attributes are compared as texts: their stored form without the Z sorts as the
instants do. The statement reads the tables `records`, `customers`, `kpis_...`, `links_...`, `daily...` that `binding` provides.
"""
# ruff: noqa: S608 - names are quoted or ours, values come as parameters

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from integrations.lake.dialect import quote_name
from integrations.product.segments.conditions import ALL, ANY, Condition, Group, Node
from integrations.product.segments.fieldtypes import ATTRIBUTE, FEATURES, KPI, LINKED, Field
from integrations.product.segments.folding import fold_sql
from integrations.product.segments.predicates import (
    Between,
    Blank,
    During,
    Flag,
    Happened,
    IdIn,
    Predicate,
    TextHas,
    TextIn,
    predicate_of,
)
from integrations.sync.mapping.catalogue import column_of
from integrations.sync.mapping.stored import write_instant
from integrations.sync.mapping.types import BOOLEAN, DATE_TIME, NUMBER

MOMENT = "^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]([.][0-9]{1,6})?Z$"
MILLISECOND = timedelta(milliseconds=1)
WHO = {False: "a.end_user_id", True: "coalesce(m.survivor, a.customer_id, p.customer_id)"}
# Merged customers count as the one that stands for them, people without a customer as those of the one that they have by now.
JOINS = (
    " LEFT JOIN merged AS m ON m.was = a.customer_id LEFT JOIN persons AS p ON a.customer_id IS NULL AND p.id = a.end_user_id"
)
OWN, CUSTOMERS = "r", "c"  # the record itself, the customer of an end user


@dataclass
class Needs:
    """What must be bound for a statement."""

    columns: dict[str, set[str]] = field(default_factory=lambda: {OWN: {"id"}, CUSTOMERS: set()})
    kpis: dict[str, set[str]] = field(default_factory=lambda: {OWN: set(), CUSTOMERS: set()})
    links: set[tuple[str, str, int | None]] = field(default_factory=set)
    events: bool = False
    features: set[str] = field(default_factory=set)  # columns of the daily roll-up
    since: date | None = None  # of activity
    until: date | None = None


class Query:
    """One statement in the making: fields that are used get columns, conditions become the WHERE."""

    def __init__(
        self,
        entity: str,
        fields: Mapping[str, Field],
        *,
        engine: str,
        now: datetime,
        kpis: Iterable[str] = (),
        features: Mapping[str, str] | None = None,
    ) -> None:
        self.entity, self.fields, self.engine, self.now = entity, fields, engine, now
        self.known_kpis, self.feature_columns = frozenset(kpis), dict(features or {})
        self.params: dict[str, Any] = {}
        self.needs = Needs()
        self._raw: dict[str, str] = {}  # alias: SQL
        self._typed: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        self._places: dict[str, int] = {}
        self._keys: dict[str, list[str]] = {OWN: [], CUSTOMERS: []}
        self.where = "true"

    # --- Columns ------------------------------------------------------------------------------------------------------

    def column(self, asked: Field) -> str:
        """The name of the field's typed value."""
        if asked.key not in self._places:
            self._places[asked.key] = len(self._places)
            self._add(asked, self._places[asked.key])
        return f"x{self._places[asked.key]}"

    def folded(self, asked: Field) -> str:
        """The name of the field's text without case."""
        alias = self.column(asked)
        self._folded[f"f{alias[1:]}"] = fold_sql(alias)
        return f"f{alias[1:]}"

    def owner(self, asked: Field) -> str:
        """The column with the key of the record that the field belongs to."""
        return "customer_id" if self._scope(asked) == CUSTOMERS else "id"

    def _scope(self, asked: Field) -> str:
        scope = CUSTOMERS if asked.of_customer else OWN
        if scope == CUSTOMERS:
            self.needs.columns[CUSTOMERS].add("id")
            self.needs.columns[OWN].add("customer_id")
        return scope

    def _add(self, asked: Field, place: int) -> None:
        scope, raw = self._scope(asked), f"v{place}"
        if asked.source == "attribute":
            self.needs.columns[scope].add("attributes")
            self._raw[raw] = self._attribute(scope, asked.name.removeprefix(ATTRIBUTE))
            self._typed[f"x{place}"] = _typed(asked.type, raw)
        elif asked.source == "kpi":
            self._raw[raw] = self._kpi(scope, asked)
            self._typed[f"x{place}"] = raw
        else:
            self.needs.columns[scope].add(asked.name)
            self._raw[raw] = f"{scope}.{quote_name(asked.name)}"
            self._typed[f"x{place}"] = raw if asked.type == DATE_TIME else f"nullIf({raw}, '')"

    def _attribute(self, scope: str, key: str) -> str:
        if self.engine == "clickhouse":
            return f"JSONExtract({scope}.attributes, {self.param(key)}, 'Nullable(String)')"
        self._keys[scope].append(f'$."{key}"')
        return f"js_{scope}[{len(self._keys[scope])}]"

    def _kpi(self, scope: str, asked: Field) -> str:
        name = column_of(asked.name.removeprefix(KPI))
        if name not in self.known_kpis:
            value = "CAST(NULL AS {{number}})"
        else:
            self.needs.kpis[scope].add(name)
            value = f"CAST(k{scope}.{quote_name(name)} AS {{{{number}}}})"
        return f"coalesce({value}, CAST(0 AS {{{{number}}}}))" if asked.zero else value

    # --- Conditions -----------------------------------------------------------------------------------------------------

    def keep(self, tree: Group) -> None:
        """Only records that fulfil this expanded tree, too."""
        self.where = f"{self.where} AND {self._node(tree)}" if self.where != "true" else self._node(tree)

    def keep_text(self, columns: Iterable[Field], text: str) -> None:
        """Only records of which one of the columns contains this folded text."""
        value = self.param(text)
        found = " OR ".join(f"{{{{position(coalesce({self.folded(each)}, ''), {value})}}}} > 0" for each in columns)
        self.where = f"({found})" if self.where == "true" else f"{self.where} AND ({found})"

    def condition(self, tree: Group) -> str:
        """An expanded tree as an expression that is true or false, never null."""
        return self._node(tree)

    def _node(self, node: Node) -> str:
        if isinstance(node, Condition):
            return self._predicate(predicate_of(node, self.fields[node.field], now=self.now))
        if not node.of:
            return "true" if node.match == ALL else "false"
        joined = (" AND " if node.match == ALL else " OR ").join(map(self._node, node.of))
        return f"({joined})" if node.match in (ALL, ANY) else f"(NOT ({joined}))"

    def _predicate(self, predicate: Predicate) -> str:
        test = predicate.test
        if isinstance(test, Happened):
            found = self._happened(predicate.field, test)
        elif predicate.field.source == "link":
            found = self._link(predicate)
        else:
            found = self._test(predicate)
        return f"NOT {found}" if predicate.negated else found

    def _test(self, predicate: Predicate) -> str:
        asked, test = predicate.field, predicate.test
        if isinstance(test, Blank):
            return f"({self.column(asked)} IS NULL)"
        if isinstance(test, TextIn):
            found = f"{self.folded(asked)} {self._in(test.texts)}"
        elif isinstance(test, TextHas):
            found = self._has(self.folded(asked), test)
        elif isinstance(test, Between):
            found = self._between(self.column(asked), test)
        elif isinstance(test, During):
            found = self._during(asked, test)
        else:
            assert isinstance(test, Flag)
            found = self.column(asked) if test.value else f"NOT {self.column(asked)}"
        return f"coalesce({found}, false)"

    def _in(self, values: tuple[str, ...]) -> str:
        if len(values) == 1:
            return f"= {self.param(values[0])}"
        return f"IN (SELECT {{{{unnest({self.param(list(values))})}}}})"

    def _has(self, text: str, test: TextHas) -> str:
        value = self.param(test.text)
        if test.where == "start":
            return f"{{{{starts_with({text}, {value})}}}}"
        if test.where == "end":
            return f"{'endsWith' if self.engine == 'clickhouse' else 'ends_with'}({text}, {value})"
        return f"{{{{position({text}, {value})}}}} > 0"

    def _between(self, number: str, test: Between) -> str:
        limits = []
        if test.low is not None:
            limits.append(f"{number} {'>=' if test.low_in else '>'} {self._number(test.low)}")
        if test.high is not None:
            limits.append(f"{number} {'<=' if test.high_in else '<'} {self._number(test.high)}")
        return " AND ".join(limits)

    def _number(self, value: Any) -> str:
        return f"CAST({self.param(format(value, 'f'))} AS {{{{number}}}})"

    def _during(self, asked: Field, test: During) -> str:
        value, interval = self.column(asked), test.interval
        limits = [f"{value} IS NOT NULL"]
        for sign, bound in ((">=", interval.first), ("<", interval.until)):
            if bound is not None:
                limits.append(f"{value} {sign} {self._bound(asked, bound)}")
        return " AND ".join(limits)

    def _bound(self, asked: Field, bound: datetime) -> str:
        if asked.source == "attribute":
            return self.param(write_instant(bound).removesuffix("Z"))
        return self.param(_whole_milliseconds(bound))

    def _link(self, predicate: Predicate) -> str:
        asked, test = predicate.field, predicate.test
        scope = self._scope(asked)
        self.needs.links.add((scope, LINKED if asked.name.startswith(LINKED) else "id", asked.org))
        table, key = links_table(scope, asked), self.owner(asked)
        if isinstance(test, IdIn):
            return f"coalesce({key} IN (SELECT id FROM {table} WHERE salesforce_id {self._in(test.ids)}), false)"
        some = f"coalesce({key} IN (SELECT id FROM {table}), false)"
        return some if isinstance(test, Flag) and test.value else f"(NOT {some})"

    def _happened(self, asked: Field, test: Happened) -> str:
        first, last = date.fromisoformat(test.first), date.fromisoformat(test.last)
        self.needs.since = min(first, self.needs.since or first)
        self.needs.until = max(last, self.needs.until or last)
        is_feature = asked.name == FEATURES
        column = self.feature_columns.get(test.name) if is_feature else "events"
        if column is None:  # never counted so far
            return "false"
        if is_feature:
            self.needs.features.add(column)
        else:
            self.needs.events = True
        key = self.owner(asked)
        of_customer = self.entity == "customer" or key == "customer_id"
        named = "" if is_feature else f" AND a.name = {self.param(test.name)}"
        inner = (
            f"SELECT {WHO[of_customer]} FROM {'daily' if is_feature else 'daily_events'} AS a{JOINS if of_customer else ''} "
            f"WHERE a.day >= {self.param(first)} AND a.day <= {self.param(last)}{named} "
            f"GROUP BY 1 HAVING sum(a.{quote_name(column)}) >= {self.param(test.times)}"
        )
        return f"coalesce({key} IN ({inner}), false)"

    def param(self, value: Any) -> str:
        """A parameter of the statement."""
        name = f"p{len(self.params)}"
        self.params[name] = value
        return f"${name}"

    # --- The statement ----------------------------------------------------------------------------------------------------

    def rows(self) -> str:
        """SELECT of the records that are kept: id, customer_id (of end users), and every typed and folded column."""
        raw = "".join(f", {sql} AS {name}" for name, sql in self._raw.items())
        typed = "".join(f", {sql} AS {name}" for name, sql in self._typed.items())
        folded = "".join(f", {sql} AS {name}" for name, sql in self._folded.items())
        own = "id" + (", customer_id" if self._has_customers else "")
        values = "".join(f", {name}" for name in self._typed)
        statement = f"SELECT {self._own()}{raw} {self._from()}"
        statement = f"SELECT {own}{typed} FROM ({statement}) AS raw_rows"
        if folded:
            statement = f"SELECT {own}{values}{folded} FROM ({statement}) AS typed_rows"
        return f"SELECT * FROM ({statement}) AS folded_rows WHERE {self.where}"

    @property
    def _has_customers(self) -> bool:
        return bool(self.needs.columns[CUSTOMERS])

    def _own(self) -> str:
        return "r.id AS id" + (", c.id AS customer_id" if self._has_customers else "")

    def _from(self) -> str:
        text = "FROM " + self._source("records", OWN)
        if self._has_customers:
            text += f" LEFT JOIN {self._source('customers', CUSTOMERS)} ON c.id = r.customer_id"
        for scope in (OWN, CUSTOMERS):
            if self.needs.kpis[scope]:
                text += f" LEFT JOIN kpis_{scope} AS k{scope} ON k{scope}.customer_id = {scope}.id"
        return text

    def _source(self, table: str, scope: str) -> str:
        """A table with the attributes that are asked for, taken out of its JSON in one go."""
        if not self._keys[scope]:
            return f"{table} AS {scope}"
        paths = f"$js_{scope}"
        self.params[paths[1:]] = list(self._keys[scope])
        return f"(SELECT *, json_extract_string(attributes, {paths}) AS js_{scope} FROM {table}) AS {scope}"


def links_table(scope: str, asked: Field) -> str:
    """The name of the table with the links that a field asks for."""
    return f"links_{scope}_{'linked' if asked.name.startswith(LINKED) else 'id'}_{asked.org or 'any'}"


def _typed(kind: str, raw: str) -> str:
    if kind == NUMBER:
        return f"{{{{try_number({raw})}}}}"
    if kind == BOOLEAN:
        return f"CASE WHEN {raw} = 'true' THEN true WHEN {raw} = 'false' THEN false END"
    if kind == DATE_TIME:
        return f"CASE WHEN {{{{matches({raw}, '{MOMENT}')}}}} THEN replace({raw}, 'Z', '') END"
    return f"nullIf({raw}, '')"


def _whole_milliseconds(bound: datetime) -> datetime:
    """The first whole millisecond at or after an instant: what millisecond values can be compared with exactly."""
    utc = bound.astimezone(UTC)
    rest = utc.microsecond % 1000
    if not rest:
        return utc
    floor = utc - timedelta(microseconds=rest)
    return floor if floor.replace(microsecond=0) >= datetime.max.replace(tzinfo=UTC, microsecond=0) else floor + MILLISECOND
