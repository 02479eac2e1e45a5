"""Values to choose from while a condition is typed: what a text field mostly holds, names of events, features."""

from datetime import UTC, datetime, timedelta

from integrations.lake.engine import open_engine
from integrations.lake.failures import EngineError
from integrations.product.kpis import tables as kpi_tables
from integrations.product.models.features import Feature
from integrations.product.segments import asking
from integrations.product.segments.asking import Question
from integrations.product.segments.builder import Row
from integrations.product.segments.fieldtypes import FEATURES
from integrations.product.segments.records import remembered
from integrations.sync.mapping.types import STRING
from integrations.sync.matching import spine

MOST, DAYS = 30, 30
LONGEST = 80  # longer texts are nobody's choice


def suggest(row: Row, *, now: datetime) -> list[tuple[str, str]]:
    """Values with their labels; none for what has no usual values (names, addresses, numbers) or while the lake is away."""
    asked = row.field
    if asked is None:
        return []
    try:
        if asked.name == FEATURES:
            return list(Feature.objects.filter(active=True).values_list("key", "name"))
        if asked.type == "ACTIVITY":
            return [(name, "") for name in event_names(now=now)]
        if asked.type == STRING and asked.source == "attribute":
            return [(text, "") for text in usual_values(row, now=now)]
    except EngineError:
        return []
    return []


def event_names(*, now: datetime) -> list[str]:
    """The most frequent names of events in the last 30 days."""
    table, today = kpi_tables.daily_events_table(), now.astimezone(UTC).date()

    def read() -> list[str]:
        with open_engine() as engine:
            since = today - timedelta(days=DAYS)
            engine.bind("daily_events", kpi_tables.daily_events(columns=["name", "events"], since=since))
            rows = engine.rows(engine.sql("product/segments/statements/event_names.sql"), most=MOST)
        return [name for name, _ in rows]

    return remembered(table, f"event names {today}", read)


def usual_values(row: Row, *, now: datetime) -> list[str]:
    """The most frequent values of an attribute, if it has usual values at all (some value stands in two records)."""
    asked = row.field
    assert asked is not None

    def read() -> list[str]:
        found = asking.slice_by(Question(row.known), asked, (), now=now).slices
        texts = [str(each.value) for each in found if each.value is not None and each.records > 1]
        return [text for text in texts if len(text) <= LONGEST][:MOST]

    return remembered(spine.spine_table(row.known.entity), f"values of {asked.key}", read)
