"""Facts and events written straight into the lake, for tests of what is computed from them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from django.db import transaction

from analytics.facts import tables
from analytics.models import FactsState
from integrations.lake.types import arrow_schema
from integrations.lake.writing import open_writer, register
from integrations.models import Customer, LakeTable, SalesforceOrg
from integrations.product.ingest import lake_tables

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    """An instant such as 2026-01-31 or 2026-01-31T10:00."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def write_rows(table: LakeTable, rows: Iterable[Mapping[str, Any]], *, now: datetime = AS_OF) -> None:
    """Put rows into a table of the lake; columns that a row lacks are null."""
    known = tuple((name, kind) for name, kind in table.columns)
    listed = [dict(row) for row in rows]
    if table.day:
        listed.sort(key=lambda row: row[table.day])
    columns = {name: [_fit(row.get(name), kind) for row in listed] for name, kind in known}
    with open_writer(table, kind="base") as writer:
        writer.write(pa.Table.from_pydict(columns, schema=arrow_schema(known)))
    with transaction.atomic():
        register(table, writer.files, now=now)


def write_facts(org: SalesforceOrg, *, as_of: datetime = AS_OF, **named: Sequence[Mapping[str, Any]]) -> FactsState:
    """Facts of a connection by table: `write_facts(org, subjects=[{"subject": "c1", ...}], movements=[...])`."""
    for name, rows in named.items():
        write_rows(tables.facts_table(org, name), rows, now=as_of)
    digest = hashlib.sha256(repr(sorted(named.items())).encode()).hexdigest()
    state, _ = FactsState.objects.update_or_create(org=org, defaults={"as_of": as_of, "computed_at": as_of, "digest": digest})
    return state


def write_events(rows: Iterable[tuple[str, int | None, int | None, datetime]], *, automatic: bool = False) -> int:
    """Events (name, customer number, end user number, when) into `product/events`; how many."""
    listed = sorted(rows, key=lambda row: row[3])
    write_rows(
        lake_tables.events_table(),
        [
            {
                "event_id": f"e{number}-{at.isoformat()}-{who}", "day": at.date(), "at": at, "received_at": at, "customer_id": whose,
                "end_user_id": who, "name": name, "automatic": automatic, "properties": "{}",
            }
            for number, (name, whose, who, at) in enumerate(listed)
        ],
    )  # fmt: skip
    return len(listed)


def make_customers(count: int, *, prefix: str = "cust") -> list[Customer]:
    """Customers of the spine, numbered."""
    rows = [Customer(external_id=f"{prefix}-{number:04d}", name=f"Customer {number}") for number in range(count)]
    return Customer.objects.bulk_create(rows)


def _fit(value: Any, kind: str) -> Any:
    if kind == "number" and isinstance(value, int | float | str):
        return Decimal(str(value))
    if kind == "day" and isinstance(value, str):
        return date.fromisoformat(value)
    if kind == "moment" and isinstance(value, str):
        return utc(value)
    return value
