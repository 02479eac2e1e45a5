"""Checked events as rows of the lake: typed columns, files staged a day, and which ids are stored already.

Imported by jobs only (pyarrow).
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings

from integrations.lake.engine import open_engine
from integrations.lake.reading import FileRef, Relation
from integrations.lake.tables import live_files
from integrations.lake.types import arrow_schema
from integrations.lake.writing import StagedFile, open_writer
from integrations.models import LakeTable
from integrations.product.ingest import lake_tables as tables
from integrations.product.ingest.checking import Checked

if TYPE_CHECKING:
    import pyarrow as pa

FIRST_DAY = date(1970, 1, 1)
DAY_MILLISECONDS = 86_400_000
STORED = "SELECT DISTINCT s.event_id FROM stored AS s JOIN given AS g ON s.event_id = g.event_id"


@dataclass(frozen=True, slots=True)
class Row:
    """A new event with our numbers for its customer and end user. `received` is milliseconds since 1970."""

    event: Checked
    received: int
    customer: int | None
    end_user: int | None


@dataclass(frozen=True, slots=True)
class Staged:
    """Files that exist for nobody yet, and the days in them."""

    events: list[StagedFile]
    nps: list[StagedFile]
    days: list[date]


def day_of(milliseconds: int) -> date:
    """The UTC day of an instant."""
    return FIRST_DAY + timedelta(days=milliseconds // DAY_MILLISECONDS)


def stored_ids(ids: Collection[str], days: Iterable[date]) -> set[str]:
    """Those of the ids that are stored on these days or within the setting PRODUCT_DEDUPE_DAYS of them.

    A repeat usually has the same time and so the same day; one without a time, or with a corrected clock, has not.
    """
    table = tables.events_table()
    around = timedelta(days=settings.PRODUCT_DEDUPE_DAYS)
    first, last = min(days) - around, max(days) + around
    files = [each for each in live_files(table) if each.day is None or first <= each.day <= last]
    if not files or not ids:
        return set()
    refs = tuple(FileRef(each.path, each.number, frozenset(each.columns), each.bytes) for each in files)
    relation = Relation(table.name, ((tables.EVENT_ID, "text"),), deltas=refs, newest=False)
    import pyarrow as pa

    with open_engine() as engine:
        engine.bind("stored", relation)
        engine.bind("given", pa.table({tables.EVENT_ID: pa.array(ids, pa.string())}))
        return {row[0] for row in engine.rows(STORED)}


def stage(rows: Sequence[Row]) -> Staged:
    """Write the files of new events, and of the NPS answers among them."""
    answers = [row for row in rows if row.event.type == "nps"]
    events = _write(tables.events_table(), _events(rows)) if rows else []
    nps = _write(tables.nps_table(), _answers(answers)) if answers else []
    return Staged(events, nps, sorted({day_of(row.event.at) for row in rows}))


def _write(table: LakeTable, rows: "pa.Table") -> list[StagedFile]:
    with open_writer(table) as writer:
        writer.write(rows)
    return writer.files


def _events(rows: Sequence[Row]) -> "pa.Table":
    events = [row.event for row in rows]
    return _table(
        tables.EVENT_COLUMNS,
        _shared(rows) | {
            tables.NAME: [event.name for event in events], tables.AUTOMATIC: [event.automatic for event in events],
            tables.PROPERTIES: [event.properties for event in events],
        },
    )  # fmt: skip


def _answers(rows: Sequence[Row]) -> "pa.Table":
    given = [json.loads(row.event.properties) for row in rows]
    return _table(
        tables.NPS_COLUMNS,
        _shared(rows) | {
            tables.SURVEY: [each["survey"] for each in given], tables.SCORE: [each["score"] for each in given],
            tables.COMMENT: [each["comment"] for each in given],
        },
    )  # fmt: skip


def _shared(rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {
        tables.EVENT_ID: [row.event.id for row in rows],
        tables.DAY: [row.event.at // DAY_MILLISECONDS for row in rows],
        tables.AT: [row.event.at for row in rows],
        tables.RECEIVED_AT: [row.received for row in rows],
        tables.CUSTOMER_ID: [row.customer for row in rows],
        tables.END_USER_ID: [row.end_user for row in rows],
    }


def _table(columns: Sequence[tuple[str, str]], values: dict[str, list[Any]]) -> "pa.Table":
    import pyarrow as pa

    raw = {"text": pa.string(), "flag": pa.bool_(), "whole": pa.int64(), "day": pa.int32(), "moment": pa.int64()}
    schema = arrow_schema(columns)
    arrays = [pa.array(values[name], raw[kind]).cast(schema.field(name).type) for name, kind in columns]
    return pa.Table.from_arrays(arrays, schema=schema)
