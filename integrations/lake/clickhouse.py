"""The same SQL by a ClickHouse server over HTTP, which reads the lake's files itself.

A server needs no credentials from us for the files: it sees the same folder, or object storage by its own configuration.
Its settings are set so that nulls, unions and days behave as in common SQL.
"""
# ruff: noqa: S608 - names are quoted, file names are ours, values come as parameters

import uuid
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import sleep
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

from integrations.lake import dialect, merging, storage
from integrations.lake.clickhouse_values import stream_of, type_of, write_parameters
from integrations.lake.dialect import quote_name
from integrations.lake.engine import ROWS, Engine, EngineError, Parameter, named_parameters
from integrations.lake.failures import without_values
from integrations.lake.reading import NUMBER, ROW, FileRef, Relation
from integrations.lake.types import Column

if TYPE_CHECKING:
    import pyarrow as pa

SERVER_MEMORY = 4 * 1024 * 1024  # bytes a MB of LAKE_MEMORY_MB: a server has more than a worker
CONNECT_SECONDS, READ_SECONDS, STATEMENT_SECONDS = 5, 60, 270
LOCKED_TRIES, LOCKED_SECONDS = 20, 0.25
SETTINGS: dict[str, str | int] = {
    "join_use_nulls": 1, "aggregate_functions_null_for_empty": 1, "data_type_default_nullable": 1, "cast_keep_nullable": 1,
    "union_default_mode": "DISTINCT", "except_default_mode": "DISTINCT", "intersect_default_mode": "DISTINCT",
    "prefer_column_name_to_alias": 1, "session_timezone": "UTC", "enable_extended_results_for_datetime_functions": 1,
    "enable_time_time64_type": 1, "cancel_http_readonly_queries_on_client_close": 1,
    "glob_expansion_max_elements": 1_000_000, "max_execution_time": STATEMENT_SECONDS, "max_query_size": 100_000_000,
    "output_format_arrow_compression_method": "none",
}  # fmt: skip


class ClickHouseSql(Engine):
    """What server and in-process engine share: everything but the way there and back."""

    dialect = dialect.CLICKHOUSE

    def __init__(self) -> None:
        self._store = storage.open_store()
        self._made: dict[str, str] = {}

    @abstractmethod
    def _send(self, statement: str, params: dict[str, str]) -> None:
        """Perform a statement without a result."""

    @abstractmethod
    def _receive(self, statement: str, params: dict[str, str]) -> "pa.RecordBatchReader":
        """The result of a query, as it comes."""

    @abstractmethod
    def _load(self, name: str, rows: "pa.RecordBatchReader") -> str:
        """Bring rows there under that name; gives the word of what was made: TABLE or VIEW."""

    def bind(self, name: str, rows: "Relation | pa.Table | pa.RecordBatchReader") -> None:
        """See `Engine`."""
        import pyarrow as pa

        if name in self._made:
            self._send(f"DROP TEMPORARY {self._made.pop(name)} IF EXISTS {quote_name(name)}", {})
        if isinstance(rows, Relation):
            self._send(f"CREATE TEMPORARY VIEW {quote_name(name)} AS {merging.write_sql(rows, self)}", {})
            self._made[name] = "VIEW"
        else:
            self._made[name] = self._load(name, rows.to_reader() if isinstance(rows, pa.Table) else rows)

    def scan(self, files: Sequence[FileRef], columns: Sequence[Column], *, places: bool) -> str:
        """See `Scanner`."""
        chosen = merging.select_columns(columns, files, self.dialect)
        if places:
            names = self.dialect.list_texts(each.path.rpartition("/")[2] for each in files)
            numbers = ", ".join(str(each.number) for each in files)
            chosen += f", transform(_file, {names}, [{numbers}], 0) AS {NUMBER}, _row_number AS {ROW}"
        present = frozenset().union(*(each.columns for each in files))
        structure = ", ".join(f"{quote_name(name)} {self.dialect.type_of(kind)}" for name, kind in columns if name in present)
        # Without any column of these files, one is still needed to count their rows.
        structure = structure or f"{quote_name(min(present))} Nullable(String)"
        return f"SELECT {chosen} FROM {self._files(files)}, 'Parquet', {self.dialect.quote_text(structure)})"

    def _files(self, files: Sequence[FileRef]) -> str:
        """The beginning of the table function that reads them."""
        paths = [each.path for each in files]
        place = paths[0] if len(paths) == 1 else "{" + ",".join(paths) + "}"
        if isinstance(self._store, storage.Folder):
            return f"file({self.dialect.quote_text(self._store.address(place))}"
        kind = "gcs" if self._store.url.startswith("gs://") else "s3"
        return f"{kind}({self.dialect.quote_text(self._store.address(place))}"

    def batches(self, sql: str, rows: int = ROWS, **params: Parameter) -> "Iterator[pa.RecordBatch]":
        """See `Engine`."""
        statement = self._single(sql)
        with explained():
            for batch in self._receive(*write_parameters(statement, named_parameters(statement, params))):
                for begin in range(0, batch.num_rows, rows):
                    yield batch.slice(begin, rows)

    def _execute(self, statement: str, params: dict[str, Parameter]) -> None:
        with explained():
            self._send(*write_parameters(statement, params))

    def _query(self, statement: str, params: dict[str, Parameter]) -> "pa.Table":
        with explained():
            return self._receive(*write_parameters(statement, params)).read_all()


class ClickHouseEngine(ClickHouseSql):
    """A ClickHouse server (tested with 26.9), one session of it for one job."""

    def __init__(self, url: str) -> None:
        import requests

        super().__init__()
        parts = urlsplit(url)
        secure = parts.scheme == "clickhouses"
        self._url = f"{'https' if secure else 'http'}://{parts.hostname}:{parts.port or (8443 if secure else 8123)}/"
        self._answer: Any = None
        self._http = requests.Session()
        self._http.trust_env = False  # a .netrc or a proxy of this machine must not get or change the password
        self._http.headers.update({
            "X-ClickHouse-User": unquote(parts.username or "default"), "X-ClickHouse-Key": unquote(parts.password or ""),
            "X-ClickHouse-Database": parts.path.strip("/") or "default",
        })  # fmt: skip
        self._options = SETTINGS | {
            "session_id": uuid.uuid4().hex, "session_timeout": 600,
            "max_memory_usage": settings.LAKE_MEMORY_MB * SERVER_MEMORY,
        }  # fmt: skip

    def _post(self, body: Any, params: dict[str, str], **options: str | int) -> Any:
        """One request; while an earlier one of this session still ends, it is asked again (I-09: a bounded time)."""
        if self._answer is not None:  # a stream that was not used up
            self._answer.close()
            self._answer = None
        for _ in range(LOCKED_TRIES if isinstance(body, bytes) else 0):
            try:
                return self._ask(body, params, **options)
            except EngineError as error:
                if "SESSION_IS_LOCKED" not in str(error):
                    raise
                sleep(LOCKED_SECONDS)
        return self._ask(body, params, **options)

    def _ask(self, body: Any, params: dict[str, str], **options: str | int) -> Any:
        """One request; EngineError with the server's words, without addresses, passwords and values."""
        import requests

        names: dict[str, Any] = {f"param_{name}": value for name, value in params.items()} | options
        try:
            answer = self._http.post(
                self._url, params={**self._options, **names}, data=body, stream=True, allow_redirects=False,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            )  # fmt: skip
        except requests.RequestException as error:
            raise EngineError(
                f"The ClickHouse server cannot be reached ({type(error).__name__}).", "lake_engine_away"
            ) from None
        if answer.status_code != 200:
            with answer:
                text = answer.raw.read(2000, decode_content=True).decode("utf-8", "replace")
            raise EngineError(f"ClickHouse refused the statement: {without_values(text) or answer.status_code}")
        return answer

    def _send(self, statement: str, params: dict[str, str]) -> None:
        with self._post(statement.encode(), params) as answer:
            answer.raw.read(decode_content=True)

    def _receive(self, statement: str, params: dict[str, str]) -> "pa.RecordBatchReader":
        import pyarrow as pa

        answer = self._answer = self._post(f"{statement}\nFORMAT ArrowStream".encode(), params)
        answer.raw.decode_content = True
        return pa.ipc.open_stream(answer.raw)

    def _load(self, name: str, rows: "pa.RecordBatchReader") -> str:
        columns = ", ".join(f"{quote_name(field.name)} {type_of(field.type)}" for field in rows.schema)
        create = f"CREATE TEMPORARY TABLE {quote_name(name)} ({columns})"
        with self._post(create.encode(), {}, data_type_default_nullable=0) as answer:  # lists cannot be null
            answer.raw.read(decode_content=True)
        names = ", ".join(quote_name(each) for each in rows.schema.names)
        insert = f"INSERT INTO {quote_name(name)} ({names}) FORMAT ArrowStream"
        with self._post(stream_of(rows), {}, query=insert) as answer:
            answer.raw.read(decode_content=True)
        return "TABLE"

    def close(self) -> None:
        """See `Engine`. The server forgets the session by itself."""
        self._http.close()


@contextmanager
def explained() -> Iterator[None]:
    """What the engines raise, as ours: their messages name values of rows, which belong into no log."""
    import pyarrow as pa
    import urllib3

    try:
        yield
    except (pa.ArrowException, urllib3.exceptions.HTTPError, OSError) as error:
        raise EngineError(f"ClickHouse's answer broke off ({type(error).__name__}).", "lake_engine_away") from None
    except RuntimeError as error:  # what chdb raises
        raise EngineError(f"The statement failed: {without_values(str(error))}") from None
