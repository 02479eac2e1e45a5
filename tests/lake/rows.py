"""Tables and rows that the lake's tests share."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
from django.db import transaction
from django.utils import timezone

from integrations.lake.engine import open_engine
from integrations.lake.reading import Relation, newest
from integrations.lake.tables import columns_of, ensure_table
from integrations.lake.types import arrow_schema
from integrations.lake.writing import StagedFile, open_writer, register
from integrations.models import LakeFile, LakeTable

COLUMNS = [
    ("Id", "text"), ("Name", "text"), ("Amount", "number"), ("Employees", "whole"), ("Active", "flag"), ("Opened", "day"),
    ("OpensAt", "clock"), ("SystemModstamp", "moment"), ("IsDeleted", "flag"),
]  # fmt: skip


def accounts(name: str = "mirror/1/Account", **extra: Any) -> LakeTable:
    """A table as the mirror makes them."""
    return ensure_table(
        name, columns=extra.pop("columns", COLUMNS), key="Id", version="SystemModstamp", removed="IsDeleted", **extra
    )


def moment(second: int = 0) -> datetime:
    """An instant, some seconds after a fixed one."""
    return datetime.fromtimestamp(1_700_000_000 + second, tz=UTC)


def account(id: str, second: int | None = 0, **values: Any) -> dict[str, Any]:  # noqa: A002
    """A whole row."""
    row = {
        "Id": id, "Name": f"Name of {id}", "Amount": Decimal("12.5"), "Employees": 7, "Active": True,
        "Opened": date(2024, 2, 29), "OpensAt": time(8, 30), "IsDeleted": False,
        "SystemModstamp": None if second is None else moment(second),
    }  # fmt: skip
    return row | values


def table_of(table: LakeTable, rows: Iterable[dict[str, Any]], columns: Iterable[str] | None = None) -> pa.Table:
    """Rows in the table's types."""
    chosen = [column for column in columns_of(table) if columns is None or column[0] in set(columns)]
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(chosen))


def write_all(table: LakeTable, rows: Iterable[pa.Table]) -> list[StagedFile]:
    """Write without registering."""
    with open_writer(table) as writer:
        for each in rows:
            writer.write(each)
    return writer.files


def store(
    table: LakeTable, rows: Iterable[dict[str, Any]], *, kind: str = "delta", columns: Iterable[str] | None = None
) -> list[LakeFile]:
    """Write and register rows as one file (or one a day)."""
    columns = None if columns is None else list(columns)
    with open_writer(table, kind=kind, columns=columns) as writer:
        writer.write(table_of(table, rows, columns))
    with transaction.atomic():
        return register(table, writer.files, now=timezone.now())


def read(what: LakeTable | Relation, sql: str = "SELECT * FROM t", **params: Any) -> list[dict[str, Any]]:
    """Rows of a relation (the newest of a table) as dicts, ordered by their first column."""
    with open_engine() as engine:
        engine.bind("t", newest(what) if isinstance(what, LakeTable) else what)
        rows = engine.table(sql, **params).to_pylist()
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])
