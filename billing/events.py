"""Usage counted from product events: the events of one name in a period, read from the lake as a stream."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from billing.merged import keys_by_customer
from billing.models import BillableMetric
from billing.pricing import Period
from integrations.lake.engine import open_engine
from integrations.product.ingest import lake_tables

SELECT = """
SELECT customer_id, "at", properties FROM events
WHERE name = $name AND "at" >= $start AND "at" < $end AND customer_id IS NOT NULL
"""


def uses_of(
    metric: BillableMetric, customers: Collection[str] | None, period: Period
) -> Iterator[tuple[str, datetime, Decimal, str]]:
    """What the events of billing customers (None: of all) add in [start, end), those of customers that were merged too (see
    `merged`). Erased and unknown customers have none."""
    keys = keys_by_customer(customers)
    if not keys:
        return
    for spine, at, amount, value in _rows(metric, period):
        for key in keys.get(spine, ()):
            yield key, at, amount, value


def _rows(metric: BillableMetric, period: Period) -> Iterator[tuple[int, datetime, Decimal, str]]:
    last = (period.end - timedelta(microseconds=1)).date()
    columns = ("customer_id", "at", "name", "properties")
    with open_engine() as engine:
        engine.bind("events", lake_tables.events(columns=columns, since=period.start.date(), until=last))
        for batch in engine.batches(SELECT, name=metric.event_name, start=period.start, end=period.end):
            for row in batch.to_pylist():
                found = value_of(metric, _read(row["properties"]))
                if found is not None:
                    yield row["customer_id"], row["at"], *found


def _read(text: str | None) -> dict[str, Any]:
    try:
        found = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def value_of(metric: BillableMetric, properties: dict[str, Any]) -> tuple[Decimal, str] | None:
    """What one event adds: (amount, text of the property); None when it does not count (pure)."""
    if any(properties.get(name) != value for name, value in metric.filters.items()):
        return None
    if metric.aggregation == BillableMetric.Aggregation.COUNT:
        return Decimal(1), ""
    value = properties.get(metric.event_property)
    if value is None or isinstance(value, list | dict):
        return None
    if metric.aggregation == BillableMetric.Aggregation.UNIQUE:
        return Decimal(1), str(value)
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return (number, str(value)) if number.is_finite() else None
