"""What stands in Salesforce now, for few records by their keys or for a whole object by one Bulk query, typed as we hold it.

Used where the accepted state cannot tell: values that a first push replaces, what a person changed, what an undo may restore.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as arrow_csv

from integrations.lake.types import arrow_type
from integrations.salesforce import bulk, soql
from integrations.salesforce.client import Client
from integrations.salesforce.errors import UpstreamUnavailable
from integrations.salesforce.values import read_moment, read_time
from integrations.sync.outbox.columns import Column
from integrations.sync.outbox.intake import KeyRule, key_texts, plain_column

pc: Any = compute  # its functions are made when it is imported, so no checker knows them

BY_KEYS = 2_000  # up to so many keys records are asked for by key (about 500 a call), above by one Bulk query
JOB_SECONDS = 240.0
READ_BLOCK = 4 * 1024 * 1024


@dataclass(frozen=True)
class Wish:
    """Which records and fields: `key` is the key's field in Salesforce's spelling; `rule` how keys are compared."""

    object: str
    key: str
    columns: tuple[Column, ...]
    rule: KeyRule

    @property
    def schema(self) -> pa.Schema:
        """key_, id_ and the columns."""
        own = [pa.field("key_", pa.string()), pa.field("id_", pa.string())]
        return pa.schema(own + [pa.field(column.name, arrow_type(column.kind)) for column in self.columns])

    @property
    def fields(self) -> list[str]:
        """What to select; a path over a parent is read as such."""
        return list(dict.fromkeys(["Id", self.key, *(column.field for column in self.columns)]))


@contextmanager
def read_live(client: Client, wish: Wish, keys: pa.Array | pa.ChunkedArray) -> Iterator[pa.RecordBatchReader]:
    """The records with these keys (Bulk: of the whole object), as a stream to bind while the context is open."""
    if len(keys) <= BY_KEYS:
        table = _read_by_keys(client, wish, keys.to_pylist())
        yield pa.RecordBatchReader.from_batches(wish.schema, _each_key_once(wish, table.to_batches()))
        return
    with tempfile.TemporaryDirectory(prefix="causeway-live-") as folder:
        path = Path(folder) / "live.csv"
        yield _read_all(client, wish, path)


def calls_for(keys: int) -> int:
    """API requests that reading so many keys takes, about."""
    return -(-keys // 500) if keys <= BY_KEYS else 4


def _read_by_keys(client: Client, wish: Wish, keys: Iterable[str]) -> pa.Table:
    records = []
    values: list[soql.Literal] = [Decimal(key) if wish.rule.number else key for key in keys if key]
    for query in soql.selects(wish.object, wish.fields, key=wish.key, values=values):
        records += client.query(query)
    return _as_table(wish, {name: [_cell(record, name) for record in records] for name in wish.fields})


def _each_key_once(wish: Wish, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """One record a key: an external id that is not unique may be that of several, and a row of ours must not stand beside
    each of them. Which one is all the same: Salesforce refuses to upsert such a key."""
    if wish.rule.by_id or wish.key == "Id":
        yield from batches
        return
    seen: set[str | None] = set()
    for batch in batches:
        keys = batch.column("key_").to_pylist()
        fresh = [key not in seen and not seen.add(key) for key in keys]
        yield batch if all(fresh) else batch.filter(pa.array(fresh))


def _cell(record: dict[str, Any], name: str) -> Any:
    """A field of a record; of a parent for a path."""
    for part in name.split("."):
        record = record.get(part) if isinstance(record, dict) else None  # type: ignore[assignment]
    return record


def _as_table(wish: Wish, cells: dict[str, list[Any]]) -> pa.Table:
    texts = {name: pa.array([_text(value) for value in values], pa.string()) for name, values in cells.items()}
    return pa.Table.from_batches([_typed(wish, texts)])


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _typed(wish: Wish, texts: dict[str, pa.Array]) -> pa.RecordBatch:
    """Text cells as columns of the lake, by the same rules as desired rows."""
    arrays = [key_texts(texts[wish.key], wish.rule), key_texts(texts["Id"], KeyRule(by_id=True))]
    arrays += [typed_column(texts[column.field], column) for column in wish.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=wish.schema)


def typed_column(texts: pa.Array, column: Column) -> pa.Array:
    """Cells of Salesforce as a column of ours; empty is null."""
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    if column.kind == "moment":
        return plain_column(_on_uniques(texts, read_moment, pa.timestamp("ms", tz="UTC")), column)
    if column.kind == "clock":
        return plain_column(_on_uniques(texts, read_time, pa.time64("us")), column)
    if column.kind == "flag":
        return pc.equal(texts, "true")
    return plain_column(_cast(texts, column), column)


def _cast(texts: pa.Array, column: Column) -> pa.Array:
    """The column at once where Arrow can read it; else each value is looked at."""
    try:
        return texts.cast(arrow_type(column.kind))
    except pa.ArrowInvalid:  # an exponent, a fraction, more digits than we hold
        return texts


def _on_uniques(texts: pa.Array, read: Any, wanted: pa.DataType) -> pa.Array:
    encoded = texts.dictionary_encode()
    made = pa.array([None if text is None else read(text) for text in encoded.dictionary.to_pylist()], wanted)
    return pc.take(made, encoded.indices)


def _read_all(client: Client, wish: Wish, path: Path) -> pa.RecordBatchReader:
    """The whole object by one Bulk query, through a file, block by block."""
    where = [] if wish.key == "Id" else [f"{soql.field_name(wish.key)} != null"]
    job = bulk.start_query(client, soql.select(wish.object, wish.fields, where=where))
    job = bulk.wait_for(client, job, seconds=JOB_SECONDS)
    if job.state != "JobComplete":
        raise UpstreamUnavailable(f"The live values of {wish.object} could not be read in time.", code="LIVE_READ")
    bulk.download(client, job, path)
    return pa.RecordBatchReader.from_batches(wish.schema, _each_key_once(wish, _blocks(wish, path)))


def _blocks(wish: Wish, path: Path) -> Iterator[pa.RecordBatch]:
    convert = arrow_csv.ConvertOptions(
        include_columns=wish.fields, column_types=dict.fromkeys(wish.fields, pa.string()), strings_can_be_null=False
    )
    read, parse = arrow_csv.ReadOptions(block_size=READ_BLOCK), arrow_csv.ParseOptions(newlines_in_values=True)
    with arrow_csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert) as reader:
        for batch in reader:
            yield _typed(wish, {name: batch.column(batch.schema.get_field_index(name)) for name in wish.fields})
