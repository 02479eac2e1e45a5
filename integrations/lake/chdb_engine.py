"""ClickHouse's engine in this process, from the chdb package: proves in tests that its SQL gives the same results.

One at a time in a process: chdb has one session.
"""
# ruff: noqa: S608 - names are quoted and the file is ours

import shutil
import uuid
from typing import TYPE_CHECKING

from integrations.lake.clickhouse import SETTINGS, ClickHouseSql, explained
from integrations.lake.clickhouse_values import type_of
from integrations.lake.dialect import quote_name

if TYPE_CHECKING:
    import pyarrow as pa


class ChdbEngine(ClickHouseSql):
    """ClickHouse's engine in this process, from the chdb package (development and tests)."""

    def __init__(self) -> None:
        from chdb import session

        super().__init__()
        self._scratch = self._store.scratch()
        self._session = session.Session(str(self._scratch / "session"))
        for name, value in (SETTINGS | {"max_threads": 2}).items():
            self._session.query(f"SET {name} = {value if isinstance(value, int) else self.dialect.quote_text(value)}")

    def _send(self, statement: str, params: dict[str, str]) -> None:
        with explained():
            self._session.query(statement, "CSV", params=params)

    def _receive(self, statement: str, params: dict[str, str]) -> "pa.RecordBatchReader":
        import pyarrow as pa

        answer = self._session.query(statement, "ArrowStream", params=params)
        return pa.ipc.open_stream(answer.bytes())

    def _load(self, name: str, rows: "pa.RecordBatchReader") -> str:
        import pyarrow.parquet as pq

        place = self._scratch / f"{uuid.uuid4().hex}.parquet"
        with pq.ParquetWriter(place, rows.schema) as writer:
            for batch in rows:
                writer.write_batch(batch)
        columns = ", ".join(f"{quote_name(field.name)} {type_of(field.type)}" for field in rows.schema)
        source = f"file('{place}', 'Parquet', {self.dialect.quote_text(columns)})"
        self._send(f"CREATE TEMPORARY VIEW {quote_name(name)} AS SELECT * FROM {source}", {})
        return "VIEW"

    def close(self) -> None:
        """See `Engine`."""
        self._session.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
