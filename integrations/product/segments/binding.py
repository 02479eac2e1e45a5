"""What a query over segments reads, put before the engine: spine, KPIs, links, activity; a missing table is empty."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import connection

from integrations.lake import reading
from integrations.lake.engine import Engine, open_engine
from integrations.lake.tables import columns_of
from integrations.models import Customer, EndUser, Entity, LakeTable, RecordLink
from integrations.product.kpis import tables as kpi_tables
from integrations.product.segments.fieldtypes import LINKED
from integrations.product.segments.known import feature_ids
from integrations.product.segments.sql import CUSTOMERS, OWN, Needs
from integrations.sync.matching import spine

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 50_000
ACTIVE = (RecordLink.State.ACTIVE,)
KNOWN_ID = (RecordLink.State.ACTIVE, RecordLink.State.SUSPENDED)


def kpi_table() -> LakeTable | None:
    """`product/kpis`, once it exists."""
    return LakeTable.objects.filter(name=kpi_tables.KPIS).first()


def stored_kpis() -> list[str]:
    """Columns of `product/kpis` with figures; none while nothing was computed."""
    table = kpi_table()
    own = ("id", kpi_tables.CUSTOMER_ID, kpi_tables.COMPUTED_AT, kpi_tables.REMOVED)
    return [name for name, _ in columns_of(table) if name not in own] if table else []


@contextmanager
def bound_engine(entity: str, needs: Needs) -> Iterator[Engine]:
    """An engine that has everything a statement needs."""
    with open_engine() as engine:
        bind_needs(engine, entity, needs)
        yield engine


def bind_needs(engine: Engine, entity: str, needs: Needs, *, only: list[int] | None = None) -> None:
    """Give each table that the statement names to the engine; with `only`, no more than these records (a page of them)."""
    keys = {OWN: only, CUSTOMERS: _customers_of(entity, only)}
    engine.bind("records", reading.newest(spine.spine_table(entity, make=False), columns=sorted(needs.columns[OWN]), keys=only))
    if needs.columns[CUSTOMERS]:
        columns, table = sorted(needs.columns[CUSTOMERS]), spine.spine_table(Entity.CUSTOMER, make=False)
        engine.bind("customers", reading.newest(table, columns=columns, keys=keys[CUSTOMERS]))
    for scope in (OWN, CUSTOMERS):
        table = kpi_table() if needs.kpis[scope] else None
        if table is not None:
            columns = [kpi_tables.CUSTOMER_ID, *sorted(needs.kpis[scope])]
            engine.bind(f"kpis_{scope}", reading.newest(table, columns=columns, keys=keys[scope]))
    for scope, kind, org in needs.links:
        of = Entity.CUSTOMER if scope == CUSTOMERS else entity
        name = f"links_{scope}_{'linked' if kind == LINKED else 'id'}_{org or 'any'}"
        engine.bind(name, links(of, org, ACTIVE if kind == LINKED else KNOWN_ID))
    if needs.since is not None:
        _bind_activity(engine, needs)


def _customers_of(entity: str, only: list[int] | None) -> list[int] | None:
    """The customers of some end users."""
    if only is None or entity == Entity.CUSTOMER:
        return only
    found = EndUser.objects.filter(pk__in=only, customer__isnull=False).values_list("customer_id", flat=True)
    return list(dict.fromkeys(key for key in found if key is not None))


def links(entity: str, org: int | None, states: tuple[str, ...]) -> "pa.Table":
    """Linked records with their Salesforce ids, streamed past the ORM's objects."""
    import pyarrow as pa

    key = "customer_id" if entity == Entity.CUSTOMER else "end_user_id"
    found = RecordLink.objects.filter(entity=entity, state__in=states).exclude(salesforce_id="").order_by()
    found = found if org is None else found.filter(org=org)
    schema = pa.schema([("id", pa.int64()), ("salesforce_id", pa.string())])
    batches = []
    statement, params = found.values_list(key, "salesforce_id").query.sql_with_params()
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, params)
        while rows := cursor.fetchmany(ROWS):
            ids, texts = zip(*rows, strict=True)
            batches.append(pa.RecordBatch.from_arrays([pa.array(ids, pa.int64()), pa.array(texts, pa.string())], schema=schema))
    return pa.Table.from_batches(batches, schema=schema)


def feature_columns() -> dict[str, str]:
    """Features by key with their column in the roll-up; those that were never counted are missing."""
    known = {name for name, _ in columns_of(kpi_tables.daily_table(make=False))}
    found = {key: kpi_tables.count_column(number) for key, number in feature_ids().items()}
    return {key: column for key, column in found.items() if column in known}


def _bind_activity(engine: Engine, needs: Needs) -> None:
    """The daily roll-up, who was merged into whom, and whose customer people have now."""
    days: dict[str, Any] = {"since": needs.since, "until": needs.until}
    who = [name for name, _ in kpi_tables.WHO]
    if needs.events:
        engine.bind("daily_events", kpi_tables.daily_events(**days))
    if needs.features:
        engine.bind("daily", kpi_tables.daily(columns=[*who, *sorted(needs.features)], **days))
    engine.bind("merged", _merged())
    engine.bind("persons", spine.relation(Entity.END_USER, columns=["id", "customer_id"]))


def _merged() -> "pa.Table":
    """Customers that were merged away, with the one that stands for them at the end of the chain."""
    import pyarrow as pa

    into: dict[int, int] = dict(Customer.objects.exclude(merged_into=None).values_list("pk", "merged_into_id"))
    found = {}
    for key, target in into.items():
        seen = {key}
        while target in into and target not in seen:
            seen.add(target)
            target = into[target]
        found[key] = target
    return pa.table({"was": pa.array(found, pa.int64()), "survivor": pa.array(list(found.values()), pa.int64())})
