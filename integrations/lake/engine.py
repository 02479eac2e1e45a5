"""SQL over the lake, one engine a job: in memory, bounded, spilling to disk, gone with the job.

`with open_engine() as engine:` gives DuckDB in this process, or what LAKE_ENGINE_URL names. Nothing of an engine is
shared between jobs: they meet in the lake's files only. The steps of one job take turns with the same one (`one_engine`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings

from integrations.lake import dialect, reading
from integrations.lake.failures import EngineError
from integrations.lake.types import SchemaError
from integrations.lake.writing import StagedFile, nothing_staged, open_writer
from integrations.models import LakeTable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Engine", "EngineError", "open_engine"]
Parameter = None | bool | int | str | Decimal | date | datetime | time | Sequence[str] | Sequence[int]
ROWS = 50_000
FOLDER = Path(__file__).resolve().parent.parent


class Engine(ABC):
    """What every engine can do. SQL is common SQL plus `{{words}}` of the dialect; parameters are `$name`."""

    dialect: dialect.Dialect

    @abstractmethod
    def bind(self, name: str, rows: "reading.Relation | pa.Table | pa.RecordBatchReader") -> None:
        """Give rows a name for later statements; the same name again replaces it."""

    @abstractmethod
    def batches(self, sql: str, rows: int = ROWS, **params: Parameter) -> "Iterator[pa.RecordBatch]":
        """The result of one query, streamed; memory stays flat. Use it up before the next statement."""

    @abstractmethod
    def _execute(self, statement: str, params: dict[str, Parameter]) -> None: ...

    @abstractmethod
    def _query(self, statement: str, params: dict[str, Parameter]) -> "pa.Table": ...

    @abstractmethod
    def close(self) -> None:
        """Free memory and spill files."""

    def forget(self) -> bool:
        """Become as empty as a new one, for the next step of the same job; False where that is no easier than a new one."""
        return False

    def keep(self, name: str, sql: str, **params: Parameter) -> bool:
        """Give the result of one query a name without taking it out of the engine; False where the engine cannot do so, then
        nothing happened (bind what `batches` gives)."""
        return False

    def run(self, sql: str, **params: Parameter) -> None:
        """Perform one statement, or several between semicolons; each gets the parameters that it names."""
        for statement in _statements_of(self.dialect, sql):
            self._execute(statement, named_parameters(statement, params))

    def table(self, sql: str, **params: Parameter) -> "pa.Table":
        """The whole result of one query as an Arrow table: for results that are known to be small."""
        statement = self._single(sql)
        return self._query(statement, named_parameters(statement, params))

    def rows(self, sql: str, **params: Parameter) -> list[tuple[Any, ...]]:
        """The result of one query as Python rows (Decimal, aware UTC datetimes): for small results."""
        columns = [_plain(column).to_pylist() for column in self.table(sql, **params).columns]
        return list(zip(*columns, strict=True))

    def copy_to(self, sql: str, table: LakeTable, kind: str = "delta", **params: Parameter) -> StagedFile:
        """The result of one query as a staged file of `table` (not of a partitioned one), streamed.

        Columns are found by name; those that the query lacks read as null. Register the file afterwards.
        """
        files = self.copy_all_to(sql, table, kind, **params)
        if table.day:
            raise TypeError(f"Table {table.name} has a file a day: use copy_all_to.")
        return files[0] if files else nothing_staged(kind)

    def copy_all_to(self, sql: str, table: LakeTable, kind: str = "delta", **params: Parameter) -> list[StagedFile]:
        """Like `copy_to`, for partitioned tables too: a file a day."""
        stream = self.batches(sql, ROWS, **params)
        first = next(stream, None)
        if first is None:
            return []
        with open_writer(table, kind=kind, columns=first.schema.names) as writer:
            writer.write(fit_batch(first, writer.schema))
            for batch in stream:
                writer.write(fit_batch(batch, writer.schema))
        return writer.files

    def sql(self, file: str | Path) -> str:
        """The text of a .sql file (relative to the integrations package, or a whole path) in this engine's words."""
        return self.dialect.translate(_read_sql(FOLDER / file))

    def _single(self, sql: str) -> str:
        statements = _statements_of(self.dialect, sql)
        if len(statements) != 1:
            raise EngineError("A query is exactly one statement; use run() for several.")
        return statements[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _plain(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Sums of whole numbers as whole numbers: DuckDB gives them 38 digits."""
    import pyarrow as pa

    is_whole = pa.types.is_decimal(column.type) and column.type.scale == 0
    return column.cast(pa.int64()) if is_whole else column


def named_parameters(statement: str, params: dict[str, Parameter]) -> dict[str, Parameter]:
    """Those parameters that the statement names; EngineError when one is missing."""
    names = dialect.names_of_parameters(statement)
    if missing := [name for name in names if name not in params]:
        raise EngineError(f"The statement needs the parameters {', '.join(missing)}.")
    return {name: params[name] for name in names}


class _Kept:
    """The engine of one job between two of its steps."""

    def __init__(self) -> None:
        self._idle: Engine | None = None
        self._is_over = False

    @contextmanager
    def lend(self) -> Iterator[Engine]:
        """The idle one, or a new one while that is in use. One that failed is not used again."""
        engine, self._idle = self._idle or _new_engine(), None
        try:
            yield engine
            if not self._is_over and self._idle is None and engine.forget():
                self._idle = engine
        finally:
            if self._idle is not engine:
                engine.close()

    def end(self) -> None:
        """The job is over."""
        self._is_over = True
        if self._idle is not None:
            self._idle.close()


_kept: ContextVar[_Kept | None] = ContextVar("engine_of_the_job", default=None)


@contextmanager
def one_engine() -> Iterator[None]:
    """One job: inside, engines that are opened one after the other are one, emptied in between (a start of DuckDB takes as long
    as a dozen small statements). Threads that the job starts have engines of their own."""
    kept = _Kept()
    before = _kept.set(kept)
    try:
        yield
    finally:
        _kept.reset(before)
        kept.end()


@contextmanager
def open_engine() -> Iterator[Engine]:
    """The engine of LAKE_ENGINE_URL for one job or one step of it, with nothing bound; its memory and spill files are gone
    at the end of the step, a kept engine at the end of the job."""
    kept = _kept.get()
    with kept.lend() if kept is not None else _new_engine() as engine:
        yield engine


def _new_engine() -> Engine:
    scheme = settings.LAKE_ENGINE_URL.partition("://")[0]
    if scheme == "duckdb":
        from integrations.lake.duck import DuckEngine

        return DuckEngine()
    if scheme == "chdb":
        from integrations.lake.chdb_engine import ChdbEngine

        return ChdbEngine()
    from integrations.lake.clickhouse import ClickHouseEngine

    return ClickHouseEngine(settings.LAKE_ENGINE_URL)


@lru_cache(maxsize=256)
def _read_sql(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _statements_of(words: dialect.Dialect, sql: str) -> tuple[str, ...]:
    """The statements of a text in an engine's words. Most texts come again with each job; lists of keys do not."""
    return _known_statements(words, sql) if len(sql) < dialect.LONG else _known_statements.__wrapped__(words, sql)


@lru_cache(maxsize=256)
def _known_statements(words: dialect.Dialect, sql: str) -> tuple[str, ...]:
    return tuple(dialect.split_statements(words.translate(sql)))


def fit_batch(batch: "pa.RecordBatch", schema: "pa.Schema") -> "pa.Table":
    """A result in the types of a table, exactly: digits, milliseconds and ranges that do not fit are refused, not cut.

    Floats are refused for numbers (R-072): the statement casts to {{number}} and so decides how to round.
    """
    import pyarrow as pa

    columns = []
    for wanted in schema:
        column = batch.column(wanted.name)
        if pa.types.is_floating(column.type) and not pa.types.is_floating(wanted.type):
            raise SchemaError(f"Column {wanted.name} is a float; CAST it AS {{{{number}}}} in the statement.")
        try:
            columns.append(column if column.type == wanted.type else column.cast(wanted.type))
        except pa.ArrowException as error:
            raise SchemaError(f"Column {wanted.name} does not fit {wanted.type}: values are out of its range.") from error
    return pa.Table.from_arrays(columns, schema=schema)
