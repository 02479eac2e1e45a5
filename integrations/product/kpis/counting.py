"""Counting people and events of customers in windows, set-based, in two steps: bits of each person, then sums of each customer.

The same statements run over the daily roll-up (windows of whole UTC days) and over the events themselves (any instants). One
number says in which windows a person did what (see `tables`), so that each row costs one multiplication and one OR however many
windows and features there are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from integrations.lake.dialect import quote_name
from integrations.lake.engine import Engine
from integrations.lake.reading import Relation
from integrations.product.ingest import lake_tables
from integrations.product.kpis import tables
from integrations.product.kpis.registry import FeatureKpis
from integrations.product.kpis.rules import Rule
from integrations.product.kpis.rules_sql import Conditions
from integrations.product.kpis.windows import ROLLING, ROLLING_PAIRS, USAGE, Window, are_whole_days, bits_by_edge, span_of

SQL = "product/kpis/sql"
ACTIVE = 0
"""Position of "active" among the slots."""
NARROW, WIDE, MANY_PEOPLE = 21, 32, 1 << 20
"""How far apart bits are that are counted in one sum of 63 bits: three of them, or two from so many people on. A sum then never
runs into the next one."""


@dataclass(frozen=True)
class Activity:
    """Where activity is read from: a relation, the column of its instant, and what its rows say.

    `masks` gives an expression for each column of bits, `counts` one for the number of events of a feature in a row.
    """

    relation: Relation
    instant: str
    masks: Mapping[str, str]
    counts: Mapping[int, str]
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Statement:
    """A query with its parameters."""

    text: str
    params: Mapping[str, Any]


def daily_activity(windows: Mapping[str, Window], features: Sequence[FeatureKpis]) -> Activity:
    """Activity from the roll-up; the windows must be whole UTC days."""
    span = span_of(windows[name] for name in USAGE)
    masks = [tables.bits_column(each) for each in sorted({ACTIVE, *(feature.position for feature in features)})]
    counts = {each.id: tables.count_column(each.id) for each in features}
    table = tables.daily_table([(each.id, each.position) for each in features])
    columns = [tables.DAY, tables.CUSTOMER_ID, tables.END_USER_ID, *dict.fromkeys(masks), *counts.values()]
    relation = tables.reading.newest(table, columns=columns, since=span.start.date(), until=span.end.date())
    return Activity(relation, tables.DAY, {name: f"coalesce({name}, 0)" for name in masks}, counts)


def event_activity(
    engine: Engine, windows: Mapping[str, Window], features: Sequence[FeatureKpis], rules: Mapping[int, Sequence[Rule]]
) -> Activity:
    """Activity from the events themselves, for windows that begin or end within a day."""
    span = span_of(windows[name] for name in USAGE)
    said = what_rows_say(engine, features, rules)
    names = [lake_tables.DAY, lake_tables.AT, lake_tables.CUSTOMER_ID, lake_tables.END_USER_ID, lake_tables.AUTOMATIC]
    names += [lake_tables.NAME] if features else []
    names += [lake_tables.PROPERTIES] if said.uses_properties else []
    relation = lake_tables.events(columns=names, since=span.start.date(), until=span.end.date())
    counts = {key: f"CASE WHEN {text} THEN 1 ELSE 0 END" for key, text in said.conditions.items()}
    return Activity(relation, lake_tables.AT, said.masks, counts, said.params)


@dataclass(frozen=True)
class Said:
    """What one event says: expressions for bits and for each feature, and the parameters that they name."""

    masks: Mapping[str, str]
    conditions: Mapping[int, str]
    params: Mapping[str, str | Decimal]
    uses_properties: bool


def what_rows_say(engine: Engine, features: Sequence[FeatureKpis], rules: Mapping[int, Sequence[Rule]]) -> Said:
    """The expressions over a row of `product/events`."""
    made = Conditions(engine.dialect)
    conditions = {each.id: made.of_rules(rules[each.id]) for each in features}
    masks = {tables.bits_column(ACTIVE): ["CASE WHEN coalesce(automatic, false) THEN 0 ELSE 1 END"]}
    for each in features:
        term = f"CASE WHEN {conditions[each.id]} THEN CAST({tables.slot_value(each.position)} AS {{{{whole}}}}) ELSE 0 END"
        masks.setdefault(tables.bits_column(each.position), []).append(term)
    return Said({name: " + ".join(terms) for name, terms in masks.items()}, conditions, made.params, made.uses_properties)


def users_statement(
    engine: Engine, activity: Activity, windows: Mapping[str, Window], features: Sequence[FeatureKpis], *, moved: bool,
    people: int,
) -> Statement:  # fmt: skip
    """Distinct users by customer: a column `u{position}_{n}` for each slot and window that it is asked of. `moved`: customers
    were merged, or people got a customer later (the engine then has `merged` and `late`). `people`: about how many end users
    there are in all, too many rather than too few."""
    edges = bits_by_edge(windows, USAGE)
    bits = ", ".join(f"{{{{bit_or({name} * in_windows)}}}} AS {name}" for name in activity.masks)
    instant = quote_name(activity.instant)
    masks = ", ".join(f"CAST({text} AS {{{{whole}}}}) AS {name}" for name, text in activity.masks.items())
    persons = engine.sql(f"{SQL}/persons.sql")
    persons = _fill(persons, bits=bits, instant=instant, window=_case(instant, edges), masks=masks)
    if moved:
        again = ", ".join(f"{{{{bit_or({name})}}}} AS {name}" for name in activity.masks)
        persons = _fill(engine.sql(f"{SQL}/survivors.sql"), bits=again, persons=persons)
    lane = NARROW if people < MANY_PEOPLE else WIDE
    text = _fill(engine.sql(f"{SQL}/people.sql"), **_lanes(features, lane), persons=persons)
    return Statement(text, {**activity.params, **_edges(activity, edges)})


def _lanes(features: Sequence[FeatureKpis], lane: int) -> dict[str, str]:
    """The parts of `people.sql`: bits of a column that are `lane` places apart are added up together and taken apart again."""
    lanes: dict[str, tuple[str, int, int]] = {}  # name of a sum: column, its lowest bit, the bits that are asked of it
    decoded = []
    for position in (ACTIVE, *(each.position for each in features)):
        column, slot = tables.bits_column(position), tables.slot_value(position).bit_length() - 1
        for number in range(len(USAGE) if position == ACTIVE else ROLLING_PAIRS):
            lowest, above = (slot + number) % lane, (slot + number) // lane * lane
            name = f"{column}_{lowest}"
            lanes[name] = (column, lowest, lanes.get(name, (column, lowest, 0))[2] | 1 << above)
            shifted = f"{{{{shift_right({name}, {above})}}}}" if above else name
            decoded.append(f"{{{{bit_and({shifted}, {(1 << lane) - 1})}}}} AS {users_column(position, number)}")
    sums = []
    for name, (column, lowest, bits) in lanes.items():
        shifted = f"{{{{shift_right({column}, {lowest})}}}}" if lowest else column
        sums.append(f"CAST(sum({{{{bit_and({shifted}, {bits})}}}}) AS {{{{whole}}}}) AS {name}")
    return {"lanes": ", ".join(sums), "decoded": ", ".join(decoded)}


def events_statement(
    engine: Engine, activity: Activity, windows: Mapping[str, Window], features: Sequence[FeatureKpis], *, moved: bool
) -> Statement:
    """Events of features by customer: a column `e{feature}_{window}` for each rolling window."""
    edges = bits_by_edge(windows, ROLLING)
    sums, names = [], []
    for each in features:
        for place, window in enumerate(ROLLING):
            name = events_column(each.id, window)
            inside = f"{quote_name(activity.instant)} >= $begin{place}"
            sums.append(f"sum(CASE WHEN {inside} THEN coalesce({activity.counts[each.id]}, 0) ELSE 0 END) AS {name}")
            names.append(name)
    persons = _fill(engine.sql(f"{SQL}/feature_events.sql"), sums=", ".join(sums), instant=quote_name(activity.instant))
    again = ", ".join(f"sum({name}) AS {name}" for name in names)
    if moved:
        persons = _fill(engine.sql(f"{SQL}/survivors.sql"), bits=again, persons=persons)
    text = _fill(engine.sql(f"{SQL}/users.sql"), counts=again, persons=persons)
    begins = {f"begin{place}": _value(activity, windows[name].start) for place, name in enumerate(ROLLING)}
    last = {"first": _value(activity, min(each for each, _ in edges)), "last": _value(activity, windows["7d"].end)}
    return Statement(text, {**activity.params, **begins, **last})


def answers_statement(engine: Engine, windows: Mapping[str, Window], names: Sequence[str]) -> Statement:
    """NPS answers by customer: `n{i}`, `p{i}` and `d{i}` are all, promoters and detractors of the ith window."""
    counts = []
    for place in range(len(names)):
        here = f"in_window = {place}"
        counts += [
            f"{{{{count_if({here})}}}} AS n{place}", f"{{{{count_if({here} AND score >= 9)}}}} AS p{place}",
            f"{{{{count_if({here} AND score <= 6)}}}} AS d{place}",
        ]  # fmt: skip
    span = span_of(windows[name] for name in names)
    return Statement(_fill(engine.sql(f"{SQL}/answers.sql"), counts=", ".join(counts)), {"first": span.start, "last": span.end})


def users_column(position: int, number: int) -> str:
    """Where the users of a slot in the nth window of `USAGE` stand."""
    return f"u{position}_{number}"


def events_column(feature_id: int, window: str) -> str:
    """Where the events of a feature in a rolling window stand."""
    return f"e{feature_id}_{window}"


def needs_events(windows: Mapping[str, Window]) -> bool:
    """Whether the roll-up by UTC day cannot answer for these windows."""
    return not are_whole_days(windows[name] for name in USAGE)


def _case(instant: str, edges: Iterable[tuple[datetime, int]]) -> str:
    parts = [f"WHEN {instant} >= $edge{place} THEN {bits}" for place, (_, bits) in enumerate(edges)]
    return f"CASE {' '.join(parts)} ELSE 0 END"


def _edges(activity: Activity, edges: Sequence[tuple[datetime, int]]) -> dict[str, date | datetime]:
    named = {f"edge{place}": _value(activity, edge) for place, (edge, _) in enumerate(edges)}
    return named | {"first": _value(activity, edges[-1][0]), "last": _value(activity, edges[0][0])}


def _value(activity: Activity, instant: datetime) -> date | datetime:
    return instant.date() if activity.instant == tables.DAY else instant


def _fill(text: str, **parts: str) -> str:
    for name, part in parts.items():
        text = text.replace(f"<<{name}>>", part)
    return text
