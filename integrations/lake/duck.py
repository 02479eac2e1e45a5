"""DuckDB in this process: in memory, two cores at most as told, spilling into a scratch folder, blind to all other files.

Nothing is downloaded: Parquet and time zones are built in, extensions are switched off. Files in object storage are copied
into the scratch folder first, so that both ways run the very same statements.
"""
# ruff: noqa: S608 - names are quoted, file names are ours, values come as parameters

import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.conf import settings

from integrations.lake import dialect, merging, storage
from integrations.lake.dialect import quote_name
from integrations.lake.engine import ROWS, Engine, EngineError, Parameter, named_parameters
from integrations.lake.failures import without_values
from integrations.lake.reading import NUMBER, ROW, FileRef, Relation
from integrations.lake.types import Column

if TYPE_CHECKING:
    import pyarrow as pa

STATEMENT_SECONDS = 270  # the queue ends a task after 300
DOWNLOADS = 4


class DuckEngine(Engine):
    """One DuckDB connection of one job."""

    dialect = dialect.DUCKDB

    def __init__(self) -> None:
        import duckdb

        self._store = storage.open_store()
        self._scratch = self._store.scratch()
        self._spool: dict[str, str] = {}
        self._failures = (duckdb.Error,)
        self._made: dict[str, str] = {}
        try:
            self._connection = duckdb.connect(":memory:", config=self._config())
            self._lock_down()
        except duckdb.Error as error:
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise EngineError(f"DuckDB does not start: {without_values(str(error))}") from None

    def _config(self) -> dict[str, Any]:
        return {
            "memory_limit": f"{settings.LAKE_MEMORY_MB}MB",
            "threads": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            "temp_directory": str(self._scratch),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }

    def _lock_down(self) -> None:
        """Statements see the lake and the scratch folder and nothing else of this machine, and cannot change that."""
        seen = [f"{self._scratch}/"] + ([f"{self._store.root}/"] if isinstance(self._store, storage.Folder) else [])
        for setting in (
            "SET TimeZone = 'UTC'",
            "SET python_enable_replacements = false",
            f"SET allowed_directories = {self.dialect.list_texts(seen)}",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            self._connection.execute(setting)

    def bind(self, name: str, rows: "Relation | pa.Table | pa.RecordBatchReader") -> None:
        """A relation becomes a view, a table is read where it is, a stream is taken in once (and may spill)."""
        import pyarrow as pa

        if name in self._made:
            self._drop(name)
        if isinstance(rows, Relation):
            self._execute(f"CREATE TEMP VIEW {quote_name(name)} AS {merging.write_sql(rows, self)}", {})
            self._made[name] = "VIEW"
        elif isinstance(rows, pa.RecordBatchReader):
            self._connection.register("_stream", rows)
            self._execute(f"CREATE TEMP TABLE {quote_name(name)} AS SELECT * FROM _stream", {})
            self._connection.unregister("_stream")
            self._made[name] = "TABLE"
        else:
            self._connection.register(name, rows)
            self._made[name] = "VIEW"

    def keep(self, name: str, sql: str, **params: Parameter) -> bool:
        """See `Engine`: a table that may spill. The query may read what had that name before."""
        statement = self._single(sql)
        self._execute(f"CREATE TEMP TABLE _kept AS {statement}", named_parameters(statement, params))
        if name in self._made:
            self._drop(name)
        self._execute(f"ALTER TABLE _kept RENAME TO {quote_name(name)}", {})
        self._made[name] = "TABLE"
        return True

    def forget(self) -> bool:
        """See `Engine`. Downloaded files go, too: the next step may need others."""
        for name in list(self._made):
            self._drop(name)
        for place in self._spool.values():
            os.unlink(place)
        self._spool.clear()
        return True

    def _drop(self, name: str) -> None:
        self._connection.unregister(name)
        self._execute(f"DROP {self._made.pop(name)} IF EXISTS {quote_name(name)}", {})

    def scan(self, files: Sequence[FileRef], columns: Sequence[Column], *, places: bool) -> str:
        """See `Scanner`. Files with equal columns need no look at each one before the scan starts."""
        by_name = ", union_by_name = true" if len({each.columns for each in files}) > 1 else ""
        chosen = merging.select_columns(columns, files, self.dialect)
        if places:
            numbers = ", ".join(str(each.number) for each in files)
            chosen += f", CAST([{numbers}] AS BIGINT[])[CAST(file_index AS BIGINT) + 1] AS {NUMBER}"
            chosen += f", file_row_number AS {ROW}"
        paths = self.dialect.list_texts(self._paths(files))
        return f"SELECT {chosen} FROM read_parquet({paths}{by_name}, hive_partitioning = false)"

    def _paths(self, files: Sequence[FileRef]) -> list[str]:
        if isinstance(self._store, storage.Folder):
            return [self._store.address(each.path) for each in files]
        wanted = [each.path for each in files if each.path not in self._spool]
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            self._spool.update(zip(wanted, pool.map(self._download, wanted), strict=True))
        return [self._spool[each.path] for each in files]

    def _download(self, path: str) -> str:
        place = self._scratch / path.replace("/", "-")
        with self._store.read(path) as source, place.open("wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
        return str(place)

    def batches(self, sql: str, rows: int = ROWS, **params: Parameter) -> "Iterator[pa.RecordBatch]":
        """See `Engine`."""
        statement = self._single(sql)
        with self._explained():
            reader = self._connection.sql(statement, params=named_parameters(statement, params) or None).to_arrow_reader(rows)
            yield from reader

    def _execute(self, statement: str, params: dict[str, Parameter]) -> None:
        with self._explained(), self._limited():
            self._connection.execute(statement, params or None)

    def _query(self, statement: str, params: dict[str, Parameter]) -> "pa.Table":
        with self._explained(), self._limited():
            return self._connection.sql(statement, params=params or None).to_arrow_table()

    @contextmanager
    def _limited(self) -> Iterator[None]:
        timer = threading.Timer(STATEMENT_SECONDS, self._connection.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """DuckDB's errors as ours: its message names values of rows, which belong into no log."""
        try:
            yield
        except self._failures as error:
            raise EngineError(f"The statement failed: {without_values(str(error))}") from None

    def close(self) -> None:
        """See `Engine`."""
        self._connection.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
