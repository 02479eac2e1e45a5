"""Salesforce's rows to typed Arrow batches: Bulk CSV streamed block by block, REST records a page at a time.

Bytes stay bytes: Arrow's own reader converts a chunk of whole rows at once (measured 400,000 rows of 32 columns a second and
core). Only a chunk with a cell that does not fit is looked at cell by cell; its bad rows fail alone, with the field and the
reason, and never with the value (I-06, I-10, S-115). Empty is null, as Salesforce stores it; a key that is absent is not null
(R-077).
"""

import csv
import hashlib
import hmac
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings

from integrations.lake.types import DIGITS, PLACES, arrow_type
from integrations.salesforce.errors import UnexpectedAnswer
from integrations.salesforce.ids import to_18
from integrations.salesforce.values import read_day, read_flag, read_moment, read_number, read_time
from integrations.sync.mirror.planning import Column

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 1024 * 1024  # bytes of CSV that are parsed at a time: small, so that memory stays flat whatever the size
LONGEST_ROW = 64 * 1024 * 1024
WHOLE_LIMIT = 2**63
ID_TYPES = frozenset(("id", "reference"))
WORDS = {
    "number": "a number that fits", "whole": "a whole number", "flag": "true or false", "moment": "an instant with a time zone",
    "day": "a day", "clock": "a time of day", "text": "a text",
}  # fmt: skip


class DamagedPage(UnexpectedAnswer):
    """The page is no CSV of the shape that was asked for: cut, or with rows of another length (R-031)."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be kept, and why; `code` is stable."""

    id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Typed:
    """Rows in their types, and those that did not fit."""

    rows: "pa.RecordBatch"
    bad: tuple[BadRow, ...] = ()


# --- Bulk CSV --------------------------------------------------------------------------------------------------------------


def read_header(source: IO[bytes]) -> tuple[str, ...]:
    """The column names of a CSV, without a byte-order mark; the file is at its beginning again. () for an empty file."""
    source.seek(0)
    line = source.readline()
    source.seek(0)
    return tuple(next(csv.reader([line.decode("utf-8-sig")]), ()))


def csv_batches(source: IO[bytes], columns: Sequence[Column], *, object_: str) -> "Iterator[Typed]":
    """The rows of a result page as typed batches, in order. `columns` are those of the header that are wanted (see `present`).

    Raises `DamagedPage` when the page is cut or a row has another number of cells.
    """
    header = read_header(source)
    source.readline()
    for chunk in _whole_rows(source):
        yield _read_chunk(chunk, header, columns, object_=object_)


def _whole_rows(source: IO[bytes]) -> "Iterator[bytes | memoryview]":
    """Pieces of about `CHUNK` bytes that end where a row ends: at a line end that is outside of quotes (R-069)."""
    rest = b""
    while piece := source.read(CHUNK):
        piece = rest + piece if rest else piece
        end = _end_of_rows(piece)
        if end:
            yield memoryview(piece)[:end]
        elif len(piece) > LONGEST_ROW:
            raise DamagedPage("A row of a result page does not end.", code="BAD_CSV")
        rest = piece[end:]
    if rest.count(b'"') % 2:
        raise DamagedPage("A result page ends inside a quoted value.", code="CUT_ANSWER")
    if rest.strip():
        yield rest


def _end_of_rows(piece: bytes) -> int:
    """Where the last whole row of a piece that begins with a row ends; 0 when there is none."""
    end = piece.rfind(b"\n")
    inside = end >= 0 and piece.count(b'"', 0, end) % 2 == 1
    while inside and end >= 0:
        earlier = piece.rfind(b"\n", 0, end)
        inside = (1 + piece.count(b'"', max(earlier, 0), end)) % 2 == 1
        end = earlier
    return end + 1


def _read_chunk(chunk: bytes | memoryview, header: Sequence[str], columns: Sequence[Column], *, object_: str) -> Typed:
    """Whole rows in their types, as a block; cell by cell only when a value does not fit."""
    import pyarrow as pa

    try:
        rows = _with_clocks(_parse(chunk, header, columns), columns)
        return Typed(_with_digests(_with_long_ids(rows, columns), columns))
    except (pa.ArrowInvalid, _Misfit) as error:
        if "CSV parse error" in str(error):
            raise DamagedPage("A result page is cut or has rows of another length.", code="BAD_CSV") from None
    return convert_texts(_parse(chunk, header, columns, as_text=True), columns, object_=object_)


def _parse(
    chunk: bytes | memoryview, header: Sequence[str], columns: Sequence[Column], *, as_text: bool = False
) -> "pa.RecordBatch":
    """Clocks come as text (their Z is no zone) and are converted by us."""
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    plain = {column.name for column in columns if as_text or column.kind == "clock"}
    types = {column.name: pa.string() if column.name in plain else arrow_type(column.kind) for column in columns}
    table = arrow_csv.read_csv(
        pa.BufferReader(chunk),
        read_options=arrow_csv.ReadOptions(column_names=list(header), use_threads=False, block_size=len(chunk) + 1),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types, include_columns=[column.name for column in columns], null_values=[""],
            strings_can_be_null=True, quoted_strings_can_be_null=True, true_values=["true"], false_values=["false"],
        ),
    )  # fmt: skip
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def present(columns: Sequence[Column], header: Sequence[str]) -> tuple[Column, ...]:
    """Those of `columns` that a page really has; the others are absent and stay as they are (R-077)."""
    have = set(header)
    return tuple(column for column in columns if column.name in have)


class _Misfit(Exception):
    """A cell does not fit its column's type."""


# --- REST records ----------------------------------------------------------------------------------------------------------


def record_batches(
    records: Iterable[Mapping[str, Any]], columns: Sequence[Column], *, object_: str
) -> Iterator[tuple[tuple[Column, ...], Typed]]:
    """REST records as typed batches, with the columns that they have: records that lack a key come apart (R-077).

    They go the way of a Bulk page, so that a value means the same however it came.
    """
    groups: dict[tuple[Column, ...], list[Mapping[str, Any]]] = {}
    for record in records:
        found = tuple(column for column in columns if column.name in record)
        groups.setdefault(found, []).append(record)
    for found, rows in groups.items():
        names = [column.name for column in found]
        text = io.StringIO(newline="")
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows([as_cell(row[name]) for name in names] for row in rows)
        yield found, _read_chunk(text.getvalue().encode(), names, found, object_=object_)


def as_cell(value: object) -> str:
    """A JSON value as the cell that a Bulk result would hold; null and empty text are empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


# --- texts to types --------------------------------------------------------------------------------------------------------


def convert_texts(batch: "pa.RecordBatch", columns: Sequence[Column], *, object_: str) -> Typed:
    """Text columns in their types. Rows with a value that does not fit are left out and named."""
    import pyarrow as pa

    arrays: list[Any] = []
    reasons: dict[int, str] = {}
    for column in columns:
        texts = batch.column(column.name)
        converted = _cast(texts, column.kind)
        if converted is None:
            values, failed = _cell_by_cell(texts.to_pylist(), column)
            reasons |= {row: reason for row, reason in failed.items() if row not in reasons}
            converted = pa.array(values, arrow_type(column.kind))
        arrays.append(converted)
    rows = _with_digests(pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns]), columns)
    ids = batch.column("Id").to_pylist() if "Id" in batch.schema.names else [None] * batch.num_rows
    rows, reasons = _check_ids(rows, columns, ids, reasons)
    bad = tuple(BadRow(_shown_id(ids[row]), "not_mirrored", f"{object_}.{reasons[row]}") for row in sorted(reasons))
    if not reasons:
        return Typed(rows)
    keep = pa.array([row not in reasons for row in range(rows.num_rows)], pa.bool_())
    return Typed(rows.filter(keep), bad)


def _cast(texts: "pa.Array", kind: str) -> "pa.Array | None":
    """The whole column at once, None when some value does not fit."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind == "text":
        return texts
    try:
        if kind == "clock":
            return _clocks(texts)
        return pc.cast(texts, arrow_type(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _cell_by_cell(cells: Sequence[str | None], column: Column) -> tuple[list[Any], dict[int, str]]:
    read, values, failed = READERS[column.kind], list[Any](), dict[int, str]()
    for row, cell in enumerate(cells):
        try:
            values.append(None if cell is None else read(cell))
        except (ValueError, TypeError, ArithmeticError):
            values.append(None)
            failed[row] = f"{column.name} holds a value that is not {WORDS[column.kind]}; the record was not taken over."
    return values, failed


def _read_number(cell: str) -> Decimal:
    number = read_number(cell)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or number.adjusted() >= DIGITS - PLACES:
        raise ValueError("out of range")
    if exponent < -PLACES and number != round(number, PLACES):
        raise ValueError("too many places")
    return number


def _read_whole(cell: str) -> int:
    number = read_number(cell)
    if number != number.to_integral_value() or abs(number) >= WHOLE_LIMIT:
        raise ValueError("not whole")
    return int(number)


READERS: dict[str, Callable[[str], str | bool | int | Decimal | date | datetime | time]] = {
    "text": str, "flag": read_flag, "whole": _read_whole, "number": _read_number, "day": read_day, "moment": read_moment,
    "clock": read_time,
}  # fmt: skip


def _with_clocks(batch: "pa.RecordBatch", columns: Sequence[Column]) -> "pa.RecordBatch":
    for column in columns:
        if column.kind == "clock":
            place = batch.schema.get_field_index(column.name)
            clocks = _cast(batch.column(place), "clock")
            if clocks is None:
                raise _Misfit
            batch = batch.set_column(place, column.name, clocks)
    return batch


def _clocks(texts: "pa.Array") -> "pa.Array":
    """`12:30:00.000Z` as a time of day; Arrow has no cast from text, so it goes by way of a day."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bare = [each and f"1970-01-01T{each.removesuffix('Z')}" for each in texts.to_pylist()]
    return pc.cast(pc.cast(pa.array(bare, pa.string()), pa.timestamp("us")), arrow_type("clock"))


# --- ids -------------------------------------------------------------------------------------------------------------------


def _with_digests(batch: "pa.RecordBatch", columns: Sequence[Column]) -> "pa.RecordBatch":
    """Fields that are kept as digests (FZ-D13): equal values, in any case and with blanks around, give equal digests."""
    import pyarrow as pa

    for place, column in enumerate(columns):
        if column.hashed and column.kind == "text":
            texts = batch.column(column.name).to_pylist()
            known = {text: digest_of_value(text) for text in set(texts) if text is not None}
            digests = pa.array([None if text is None else known[text] for text in texts], pa.string())
            batch = batch.set_column(place, column.name, digests)
    return batch


def digest_of_value(text: str) -> str:
    """HMAC-SHA256 under the installation's key, 64 hexadecimal digits: nobody without the key can try values."""
    key = hashlib.sha256(b"mirrored value " + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, text.strip().casefold().encode(), hashlib.sha256).hexdigest()


def _with_long_ids(batch: "pa.RecordBatch", columns: Sequence[Column]) -> "pa.RecordBatch":
    """Ids of 15 characters in their 18-character form (R-051). Looks at lengths only, so that the usual case costs nothing."""
    for column in columns:
        if column.type not in ID_TYPES:
            continue
        place = batch.schema.get_field_index(column.name)
        ids = batch.column(place)
        if _all_long(ids, needed=column.type == "id"):
            continue
        if column.type == "id":
            raise _Misfit
        batch = batch.set_column(place, column.name, _lengthened(ids))
    return batch


def _all_long(ids: "pa.Array", *, needed: bool) -> bool:
    import pyarrow.compute as pc

    bounds = pc.call_function("min_max", [pc.call_function("binary_length", [ids])]).as_py()
    return bounds["min"] in (18, None) and bounds["max"] in (18, None) and not (needed and ids.null_count)


def _lengthened(ids: "pa.Array") -> "pa.Array":
    import pyarrow as pa

    return pa.array([_long_or_as_is(each) for each in ids.to_pylist()], pa.string())


def _long_or_as_is(text: str | None) -> str | None:
    try:
        return text and to_18(text)
    except ValueError:
        return text


def _check_ids(
    rows: "pa.RecordBatch", columns: Sequence[Column], ids: Sequence[str | None], reasons: dict[int, str]
) -> tuple["pa.RecordBatch", dict[int, str]]:
    """Long ids in every id column; a row whose own id is none cannot be kept."""
    import pyarrow as pa

    for column in columns:
        place = rows.schema.get_field_index(column.name)
        if column.type == "reference" and not _all_long(rows.column(place), needed=False):
            rows = rows.set_column(place, column.name, _lengthened(rows.column(place)))
        if column.type == "id" and not _all_long(rows.column(place), needed=True):
            whole = [_long_or_as_is(each) for each in ids]
            wrong = {row: "Id is not a record id." for row, each in enumerate(whole) if each is None or len(each) != 18}
            reasons = wrong | reasons
            rows = rows.set_column(place, column.name, pa.array(whole, pa.string()))
    return rows, reasons


def _shown_id(text: str | None) -> str:
    return _long_or_as_is(text) or "without id"
