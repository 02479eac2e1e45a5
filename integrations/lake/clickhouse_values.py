"""How values travel to a ClickHouse server: parameters as escaped text, rows as an Arrow stream."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from integrations.lake import dialect
from integrations.lake.engine import EngineError, Parameter

if TYPE_CHECKING:
    import pyarrow as pa


def stream_of(rows: "pa.RecordBatchReader") -> Iterator[bytes]:
    """The rows in Arrow's stream format, a batch at a time."""
    import pyarrow as pa

    pipe = _Pipe()
    with pa.ipc.new_stream(pipe, rows.schema) as writer:
        for batch in rows:
            writer.write_batch(batch)
            yield pipe.take()
    yield pipe.take()  # with the mark of the end


class _Pipe:
    """A file that is only written to, and emptied again and again."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._parts = b"".join(self._parts), []
        return taken

    def flush(self) -> None: ...

    def close(self) -> None: ...


def write_parameters(statement: str, params: dict[str, Parameter]) -> tuple[str, dict[str, str]]:
    """ClickHouse's way to write parameters: `{name:Type}` in the statement, escaped text beside it."""
    types = {name: _parameter_type(value) for name, value in params.items()}
    written = {name: _write(value) for name, value in params.items()}
    return dialect.replace_parameters(statement, lambda name: f"{{{name}:{types[name]}}}"), written


def _write(value: Parameter) -> str:
    """A list is read as a literal with quotes, a single value as an escaped cell."""
    text = _literal(value, inside=False)
    return text if isinstance(value, list | tuple | set | frozenset) else _escape(text)


def _parameter_type(value: Parameter) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        inner = next((_parameter_type(each) for each in value), "String")
        return f"Array({inner})"
    kinds: list[tuple[type, str]] = [
        (bool, "Bool"), (int, "Int64"), (str, "String"), (Decimal, "Decimal(38, 12)"), (datetime, "DateTime64(3, 'UTC')"),
        (date, "Date32"), (time, "Time64(6)"),
    ]  # fmt: skip
    return next((name for kind, name in kinds if isinstance(value, kind)), "Nullable(String)")


def _literal(value: Any, *, inside: bool) -> str:
    """The value as text; `inside` a list texts are quoted."""
    if value is None:
        return "\0null"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ",".join(_literal(each, inside=True) for each in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        text = value.astimezone(UTC).strftime("%H:%M:%S.") + f"{value.microsecond // 1000:03d}"
        text = f"{value.astimezone(UTC).date().isoformat()} {text}"
    elif isinstance(value, date | time):
        text = value.isoformat()
    else:
        text = str(value)
    if not inside or isinstance(value, int):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


MICROS = "DateTime64(6, 'UTC')"
ESCAPES: list[tuple[str, str]] = [("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")]


def _escape(text: str) -> str:
    if text == "\0null":
        return "\\N"
    for found, written in ESCAPES:
        text = text.replace(found, written)
    return text


def type_of(kind: "pa.DataType") -> str:
    """The ClickHouse type of a column of an Arrow table that is bound; EngineError when there is none."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"Array({type_of(kind.value_type)})"
    tests: list[tuple[Callable[[Any], bool], str]] = [
        (pa.types.is_boolean, "Bool"), (pa.types.is_integer, "Int64"), (pa.types.is_floating, "Float64"),
        (pa.types.is_date, "Date32"), (pa.types.is_timestamp, MICROS), (pa.types.is_time, "Time64(6)"),
        (pa.types.is_string, "String"), (pa.types.is_large_string, "String"), (pa.types.is_null, "String"),
    ]  # fmt: skip
    if pa.types.is_decimal(kind):
        return f"Nullable(Decimal({kind.precision}, {kind.scale}))"
    name = next((name for test, name in tests if test(kind)), None)
    if name is None:
        raise EngineError(f"ClickHouse cannot be given a column of type {kind}.")
    return f"Nullable({name})"
