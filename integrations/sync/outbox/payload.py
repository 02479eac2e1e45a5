"""Sent rows in the two forms that the wire takes: CSV for Bulk, JSON records for collections. Whole columns where it counts.

In CSV an empty cell leaves a field as it is and `#N/A` clears it (R-142); in JSON a missing key leaves and null clears.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as arrow_csv

from integrations.lake.types import DIGITS, PLACES
from integrations.salesforce.composite import Row
from integrations.salesforce.values import NULL_MARK, write_cell, write_json
from integrations.sync.outbox.columns import Column

pc: Any = compute  # its functions are made when it is imported, so no checker knows them

SLICE_ROWS = 10_000


# --- CSV ----------------------------------------------------------------------------------------------------------------


class LoadFile:
    """A CSV file for one Bulk upload that takes rows until the next ones would make it too large (R-145)."""

    def __init__(self, path: Path, header: Sequence[str], *, largest: int) -> None:
        self.path, self.header, self.largest = path, list(header), largest
        self.rows = self.bytes = 0
        self._file = path.open("wb")
        self._write(pa.table({name: pa.array([name]) for name in self.header}))
        self.rows = 0

    def add(self, cells: pa.Table) -> int:
        """Append rows; returns how many fitted. 0 with an empty file means that a single row is too large."""
        left = cells
        while left.num_rows:
            piece = left.slice(0, SLICE_ROWS)
            text = _csv_bytes(piece)
            while self.bytes + len(text) > self.largest and piece.num_rows > 1:
                piece = piece.slice(0, piece.num_rows // 2)
                text = _csv_bytes(piece)
            if self.bytes + len(text) > self.largest:
                break
            self._file.write(text)
            self.rows += piece.num_rows
            self.bytes += len(text)
            left = left.slice(piece.num_rows)
        return cells.num_rows - left.num_rows

    def _write(self, cells: pa.Table) -> None:
        text = _csv_bytes(cells)
        self._file.write(text)
        self.bytes += len(text)

    def close(self) -> None:
        """The file is complete."""
        self._file.close()


def _csv_bytes(cells: pa.Table) -> bytes:
    """Rows without a header line: texts quoted, nulls as empty cells, lines end with LF."""
    sink = pa.BufferOutputStream()
    options = arrow_csv.WriteOptions(include_header=False, quoting_style="needed", batch_size=SLICE_ROWS)
    arrow_csv.write_csv(cells, sink, options)
    return sink.getvalue().to_pybytes()


def load_cells(
    rows: pa.Table | pa.RecordBatch, columns: Sequence[tuple[Column, int]], key_name: str, *, key: str = "key_"
) -> pa.Table:
    """Cells of a Bulk upload: the key, then each column (with its place in the masks); null where the field is left alone."""
    arrays: list[Any] = [rows.column(rows.schema.get_field_index(key))]
    mask = rows.column(rows.schema.get_field_index("sent_"))
    for column, place in columns:
        text = cell_texts(rows.column(rows.schema.get_field_index(column.name)), column)
        sent = pc.equal(pc.utf8_slice_codeunits(mask, place, place + 1), "1")
        arrays.append(pc.if_else(sent, pc.fill_null(text, NULL_MARK), pa.scalar(None, pa.string())))
    return pa.Table.from_arrays(arrays, names=[key_name, *(column.field for column, _ in columns)])


def cell_texts(values: Any, column: Column) -> Any:
    """A column as Bulk cells; nulls stay null."""
    if column.kind == "text":
        return values
    if column.kind == "number":
        return _number_texts(values, column.scale)
    if column.kind == "moment":
        instants = pc.strftime(values.cast(pa.timestamp("s", tz="UTC")), "%Y-%m-%dT%H:%M:%S")
        return pc.binary_join_element_wise(instants, ".000Z", "")
    if column.kind == "clock":
        return pc.binary_join_element_wise(pc.utf8_slice_codeunits(values.cast(pa.string()), 0, 12), "Z", "")
    return values.cast(pa.string())


def _number_texts(values: Any, scale: int) -> Any:
    """All digits, never an exponent, no zeros at the end."""
    texts = _rescaled(values, scale).cast(pa.string())
    odd = pc.fill_null(pc.match_substring(texts, "E"), False)  # Arrow writes very small numbers so
    if pc.any(odd).as_py():
        plain = [write_cell(value) if value is not None else None for value in values.to_pylist()]
        texts = pc.if_else(odd, pa.array(plain, pa.string()), texts)
    short = pc.utf8_rtrim(pc.utf8_rtrim(texts, characters="0"), characters=".")
    return pc.if_else(pc.match_substring(texts, "."), short, texts)


def _rescaled(values: Any, scale: int) -> Any:
    """With the field's own decimals, where the values have no more: Arrow writes 0.00 plainly, but 0E-12 for twelve of them."""
    try:
        return values.cast(pa.decimal128(DIGITS, min(scale, PLACES)))
    except pa.ArrowInvalid:
        return values


def load_header(rows: Iterable[str], columns: Sequence[Column]) -> list[tuple[Column, int]]:
    """The columns that at least one of the masks `rows` holds, with their places."""
    merged = [False] * len(columns)
    for mask in rows:
        for place, sign in enumerate(mask):
            merged[place] = merged[place] or sign == "1"
    return [(column, place) for place, column in enumerate(columns) if merged[place]]


# --- JSON ---------------------------------------------------------------------------------------------------------------


def record_of(row: Mapping[str, Any], columns: Sequence[Column], key_field: str, *, without: Iterable[str] = ()) -> Row:
    """One record of a collection: the key and the sent fields. A path over a parent is nested; cleared, it is the look-up."""
    left_out = {name.lower() for name in without}
    record: dict[str, Any] = {key_field: row["key_"]}
    for column, sign in zip(columns, row["sent_"], strict=True):
        if sign != "1" or column.field.lower() in left_out:
            continue
        value = write_json(row[column.name])
        relationship, _, key = column.field.partition(".")
        if not key:
            record[column.field] = value
        elif value is None:
            record[column.lookup] = None
        else:
            record[relationship] = {key: value}
    return record


def size_of(record: Row) -> int:
    """About how many bytes a record takes in a request."""
    return 120 + sum(len(name) + 8 + (len(value) * 2 if isinstance(value, str) else 24) for name, value in record.items())
