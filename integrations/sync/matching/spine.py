"""The spine in the lake: `spine/customers` and `spine/end_users` follow the database rows, so that SQL can join them.

Only changed rows are copied. The public verbs that change the spine are here too: `save_customers`, `save_end_users`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from integrations.lake import reading, tables, writing
from integrations.lake.engine import Engine, fit_batch, open_engine
from integrations.lake.reading import Relation
from integrations.lake.types import Column, arrow_schema
from integrations.lake.writing import StagedFile, nothing_staged
from integrations.models import Customer, EndUser, Entity, LakeTable, Run
from integrations.sync.matching.saving import SaveReport, make_attributes, save_customers, save_end_users

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SaveReport", "make_attributes", "refresh_spine", "relation", "save_customers", "save_end_users", "spine_table"]

OVERLAP = timedelta(minutes=10)  # rows are read again for so long, for transactions that commit late (I-05)
ROWS = 20_000
PIECE = 10  # batches of rows that are compared at once
NAMES = {Entity.CUSTOMER: "spine/customers", Entity.END_USER: "spine/end_users"}
TEXTS = {Entity.CUSTOMER: ("external_id", "name", "website"), Entity.END_USER: ("external_id", "name", "email", "phone")}
MOMENTS = ("first_seen_at", "last_seen_at")


def columns_of(entity: str) -> tuple[Column, ...]:
    """Columns of the lake table. `attributes` is JSON; `version` is `updated_at` in microseconds; `removed` are records that
    were erased or merged away, `deleted` those whose database row is gone."""
    parent: tuple[Column, ...] = (("customer_id", "whole"),) if entity == Entity.END_USER else ()
    texts = tuple((name, "text") for name in (*TEXTS[Entity(entity)], "attributes"))
    moments = tuple((name, "moment") for name in MOMENTS)
    return (("id", "whole"), *parent, *texts, *moments, ("version", "whole"), ("removed", "flag"), ("deleted", "flag"))


def spine_table(entity: str, *, make: bool = True) -> LakeTable:
    """The lake table of an entity; with `make` false only to read from."""
    table = tables.ensure_table if make else tables.peek_table
    return table(
        NAMES[Entity(entity)], columns=columns_of(entity), key="id", version="version", removed="removed",
        subjects={"external_id": str(entity), "id": f"{entity}.id"},
    )  # fmt: skip


def relation(entity: str, columns: Iterable[str] | None = None) -> Relation:
    """The records as of the last refresh, without those that were erased or merged away."""
    return reading.newest(spine_table(entity, make=False), columns=columns)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How many rows of the database were copied, and how many are gone from it."""

    changed: int
    deleted: int


def refresh_spine(*, now: datetime, run: Run | None = None) -> dict[str, Refreshed]:
    """Bring both lake tables up to the database; safe to repeat and to run twice at once."""
    with open_engine() as engine:
        return {entity: _refresh(engine, entity, now=now, run=run) for entity in (Entity.CUSTOMER, Entity.END_USER)}


def _refresh(engine: Engine, entity: Entity, *, now: datetime, run: Run | None) -> Refreshed:
    table = spine_table(entity)
    engine.bind("old", reading.newest(table, columns=["id", "version", "deleted"], include_removed=True))
    changed = _copy_changed(engine, table, entity)
    if changed.rows:
        _register(table, changed, now=now, run=run)
        engine.bind("old", reading.newest(table, columns=["id", "version", "deleted"], include_removed=True))
    deleted = _copy_deleted(engine, table, entity, now=now)
    if deleted.rows:
        _register(table, deleted, now=now, run=run)
    return Refreshed(changed.rows, deleted.rows)


def _register(table: LakeTable, staged: StagedFile, *, now: datetime, run: Run | None) -> None:
    with transaction.atomic():
        writing.register(table, staged, run=run, now=now)


def _copy_changed(engine: Engine, table: LakeTable, entity: Entity) -> StagedFile:
    """Rows that changed since the newest in the lake, less the overlap, except those that are there already.

    The database is read here and piece by piece, not by the engine as a stream: its threads have connections of their own.
    """
    import pyarrow as pa

    latest = engine.rows("SELECT max(version) FROM old")[0][0]
    since = None if latest is None else datetime.fromtimestamp(latest / 1_000_000, UTC) - OVERLAP
    batches = _database_rows(entity, since)
    with writing.open_writer(table, kind="delta" if latest else "base") as writer:
        while piece := list(islice(batches, PIECE)):
            if latest is None:
                writer.write(pa.Table.from_batches(piece))
                continue
            engine.bind("fresh", pa.Table.from_batches(piece))
            for batch in engine.batches(engine.sql("sync/matching/sql/spine_changed.sql")):
                writer.write(fit_batch(batch, writer.schema))
    return writer.staged


def _copy_deleted(engine: Engine, table: LakeTable, entity: Entity, *, now: datetime) -> StagedFile:
    """Marks for rows that somebody deleted from the database; the ids are compared only when the numbers differ."""
    import pyarrow as pa

    model = Customer if entity == Entity.CUSTOMER else EndUser
    ours = engine.rows("SELECT count(*) FROM old WHERE NOT coalesce(deleted, false)")[0][0]
    if model.objects.count() - model.objects.filter(erased_at__isnull=False).count() >= ours:
        return nothing_staged()
    ids = model.objects.order_by().values_list("id", flat=True).iterator(chunk_size=ROWS)
    engine.bind("there", pa.table({"id": pa.array(ids, pa.int64())}))
    version = int(now.timestamp() * 1_000_000)
    return engine.copy_to(engine.sql("sync/matching/sql/spine_deleted.sql"), table, now=version)


def _database_rows(entity: Entity, since: datetime | None) -> "Iterator[pa.RecordBatch]":
    """Rows of the database as typed batches, streamed past the ORM (measured 10 times as fast)."""
    import pyarrow as pa

    kinds = [column for column in columns_of(entity) if column[0] != "deleted"]
    schema = arrow_schema([*kinds, ("deleted", "flag")])
    statement, params = _statement(entity, since)
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, params)
        while rows := cursor.fetchmany(ROWS):
            columns = list(zip(*rows, strict=True))
            arrays = [_array(list(values), kind) for values, (_, kind) in zip(columns, kinds, strict=True)]
            arrays.append(pa.array([False] * len(rows), pa.bool_()))
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: list[Any], kind: str) -> "pa.Array":
    import pyarrow as pa

    if kind == "moment":  # microseconds; the lake keeps milliseconds
        whole = [None if each is None else each // 1000 for each in values]
        return pa.array(whole, pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
    if kind == "flag":
        return pa.array([bool(each) for each in values], pa.bool_())
    return pa.array(values, pa.string() if kind == "text" else pa.int64())


def _statement(entity: Entity, since: datetime | None) -> tuple[str, list[Any]]:
    model = Customer if entity == Entity.CUSTOMER else EndUser
    quote, table = connection.ops.quote_name, connection.ops.quote_name(model._meta.db_table)
    removed = "erased_at IS NOT NULL" + (" OR merged_into_id IS NOT NULL" if entity == Entity.CUSTOMER else "")
    special = {
        "attributes": "attributes::text" if connection.vendor == "postgresql" else "attributes",
        "version": _microseconds("updated_at"),
        "removed": f"({removed})",
    } | {name: _microseconds(name) for name in MOMENTS}
    names = [name for name, _ in columns_of(entity) if name != "deleted"]
    wanted = ", ".join(special.get(name) or str(quote(name)) for name in names)
    statement = f"SELECT {wanted} FROM {table}"  # noqa: S608  names of our own columns
    if since is None:
        return statement, []
    return f"{statement} WHERE updated_at >= %s", [connection.ops.adapt_datetimefield_value(since)]


def _microseconds(column: str) -> str:
    """SQL of an instant as microseconds since 1970, exactly."""
    if connection.vendor == "postgresql":
        return f"(extract(epoch from {column}) * 1000000)::bigint"
    fraction = f"CASE WHEN length({column}) > 20 THEN CAST(substr({column}, 21, 6) AS INTEGER) ELSE 0 END"
    # Whole seconds first: strftime rounds a fraction of .9995 and more up to the next second.
    return f"(CAST(strftime('%%s', substr({column}, 1, 19)) AS INTEGER) * 1000000 + {fraction})"
