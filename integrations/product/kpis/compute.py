"""Computing the KPIs of all customers at once: counts by set-based statements, then exact figures column by column.

`figures_of` streams them for any instant and time zone; `stage_changes` stages for `product/kpis` only the rows that differ
from what is stored there, so that a second computation of the same data writes nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

import pyarrow as pa

from integrations.lake import reading
from integrations.lake.dialect import quote_name
from integrations.lake.engine import Engine
from integrations.lake.types import arrow_type
from integrations.lake.writing import StagedFile
from integrations.product.ingest import lake_tables
from integrations.product.kpis import counting, figures, moved, tables
from integrations.product.kpis.catalog import Counted
from integrations.product.kpis.counting import ACTIVE, SQL, Statement
from integrations.product.kpis.engagement_counts import Engagements
from integrations.product.kpis.registry import Column, FeatureKpis
from integrations.product.kpis.windows import ANSWERS, ROLLING, ROLLING_PAIRS, USAGE, Window, span_of, windows_of
from integrations.sync.mapping.catalogue import column_of
from integrations.sync.mapping.desired import spool

ROWS = 20_000
KIND = {True: "whole", False: "number"}


@dataclass(frozen=True)
class Staged:
    """Changes that are staged: files for `product/kpis`, and how many customers there are and were changed, and their highest
    number."""

    files: tuple[StagedFile, ...]
    customers: int
    newest: int
    changed: int


def stored_columns(columns: Sequence[Column]) -> list[tuple[str, str]]:
    """Name and kind of each figure in `product/kpis`."""
    return [(column_of(each.key), KIND[each.kpi.is_whole]) for each in columns]


def figures_of(
    engine: Engine, columns: Sequence[Column], counted: Counted, seen: Engagements, *, as_of: datetime, zone: tzinfo = UTC
) -> Iterator[pa.RecordBatch]:
    """The figures of every living customer: customer_id, then a column for each of `columns` by the name that stores it."""
    windows = windows_of(as_of, zone=zone)
    chosen = [each for each in counted.offered if any(column.feature == each for column in columns)]
    activity = _activity_of(engine, windows, chosen, counted)
    engine.bind("activity", activity.relation)
    engine.bind("answers", _answers(windows))
    is_moved = moved.bind_moved(engine, ("activity", "answers"))
    _bind_counts(engine, activity, windows, chosen, is_moved=is_moved)
    customers = moved.living_customers()
    engine.bind("customers", pa.table({tables.CUSTOMER_ID: pa.array(customers, pa.int64())}))
    engine.bind("active", seen.active)
    engine.bind("shown", seen.shown)
    text = engine.sql(f"{SQL}/figures.sql").replace("<<columns>>", _count_columns(chosen))
    for batch in engine.batches(text, ROWS):
        yield _figures(batch, columns)


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """What `figures_of` gives."""
    stored = [pa.field(name, arrow_type(kind)) for name, kind in stored_columns(columns)]
    return pa.schema([pa.field(tables.CUSTOMER_ID, pa.int64()), *stored])


def stage_changes(engine: Engine, counted: Counted, seen: Engagements, *, as_of: datetime, now: datetime) -> Staged:
    """Compute as of a midnight (UTC) and stage what differs from what is stored."""
    columns = counted.columns
    stored = stored_columns(columns)
    table = tables.kpis_table(stored)
    engine.bind("fresh", spool(figures_of(engine, columns, counted, seen, as_of=as_of), schema_of(columns)))
    names = [name for name, _ in stored]
    engine.bind("stored", reading.newest(table, columns=[tables.CUSTOMER_ID, *names]))
    kind = "delta" if reading.newest(table).files else "base"
    listed = ", ".join(f"f.{quote_name(name)} AS {quote_name(name)}" for name in names)
    own = "f.customer_id AS customer_id, f.customer_id AS id, CAST($now AS {{moment}}) AS computed_at, false AS removed"
    text = engine.sql(f"{SQL}/changed.sql").replace("<<columns>>", f"{own}, {listed}").replace("<<differs>>", _differs(names))
    at = now.replace(microsecond=now.microsecond // 1000 * 1000)  # the lake keeps milliseconds
    changed = engine.copy_to(text, table, kind, now=at)
    gone = engine.copy_to(engine.sql(f"{SQL}/gone.sql"), table, "delta", now=at)
    customers, newest = engine.rows("SELECT count(*), coalesce(max(customer_id), 0) FROM customers")[0]
    return Staged((changed, gone), customers, newest, changed.rows + gone.rows)


def _activity_of(
    engine: Engine, windows: dict[str, Window], features: Sequence[FeatureKpis], counted: Counted
) -> counting.Activity:
    """From the roll-up where it can answer, from the events where a window cuts a UTC day."""
    if counting.needs_events(windows):
        return counting.event_activity(engine, windows, features, counted.rules)
    return counting.daily_activity(windows, features)


def _bind_counts(
    engine: Engine,
    activity: counting.Activity,
    windows: dict[str, Window],
    features: Sequence[FeatureKpis],
    *,
    is_moved: bool,
) -> None:
    """Each count by customer as a table of the engine."""
    spans = [windows[name] for name in ANSWERS]
    moment = arrow_type("moment")
    engine.bind("spans", pa.table({
        "number": pa.array(range(len(spans)), pa.int64()), "begins": pa.array([each.start for each in spans], moment),
        "ends": pa.array([each.end for each in spans], moment),
    }))  # fmt: skip
    people = moved.highest_person()
    _keep(engine, "users", counting.users_statement(engine, activity, windows, features, moved=is_moved, people=people))
    if features:
        _keep(engine, "events_of_features", counting.events_statement(engine, activity, windows, features, moved=is_moved))
    else:
        engine.bind("events_of_features", pa.table({tables.CUSTOMER_ID: pa.array([], pa.int64())}))
    _keep(engine, "answers_counted", counting.answers_statement(engine, windows, ANSWERS))


def _keep(engine: Engine, name: str, statement: Statement) -> None:
    """The result of a query as a table, through a spool file: one statement streams at a time."""
    batches = engine.batches(statement.text, **statement.params)
    first = next(batches, None)
    if first is None:
        engine.bind(name, engine.table(statement.text, **statement.params))
        return

    def both() -> Iterator[pa.RecordBatch]:
        yield first
        yield from batches

    engine.bind(name, spool(both(), first.schema))


def _count_columns(features: Sequence[FeatureKpis]) -> str:
    users = [
        f"u.{counting.users_column(position, number)} AS {counting.users_column(position, number)}"
        for position in (ACTIVE, *(each.position for each in features))
        for number in range(len(USAGE) if position == ACTIVE else ROLLING_PAIRS)
    ]
    events = [f"e.{name} AS {name}" for each in features for name in (counting.events_column(each.id, w) for w in ROLLING)]
    answers = [f"a.{letter}{place} AS {letter}{place}" for place in range(len(ANSWERS)) for letter in "npd"]
    return ", ".join([*users, *events, *answers, "x.n AS engagements_active", "y.n AS engagements_total"])


def _figures(batch: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    counts = {name: batch.column(name) for name in batch.schema.names}
    schema = schema_of(columns)
    made = [figures.column_of_counts(each, counts) for each in columns]
    arrays = [counts[tables.CUSTOMER_ID], *made]
    return pa.RecordBatch.from_arrays(
        [each.cast(field.type) for each, field in zip(arrays, schema, strict=True)], schema=schema
    )


def _differs(names: Sequence[str]) -> str:
    """True where any figure is another one; null equals null."""
    return " OR ".join(
        f"coalesce(f.{name} <> s.{name}, (f.{name} IS NULL) <> (s.{name} IS NULL))" for name in map(quote_name, names)
    )


def _answers(windows: dict[str, Window]) -> Any:
    span = span_of(windows[name] for name in ANSWERS)
    names = [name for name, _ in lake_tables.NPS_COLUMNS if name not in (lake_tables.COMMENT, lake_tables.DAY)]
    return lake_tables.nps_answers(columns=names, since=span.start.date(), until=span.end.date())
