"""What `stage.sql`, `accept_whole.sql` and `samples.sql` do, for rows that are few enough to be held: whole columns in Arrow.

Sorting and joining 100,000 rows in place takes a fifth of what it takes to hand them to the engine and back. Both ways give
the same rows; a test compares them. Larger pushes go the engine's way, which may spill.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as compute

from integrations.lake.engine import fit_batch
from integrations.lake.writing import StagedFile, open_writer
from integrations.models import LakeTable
from integrations.sync.outbox.columns import Column

pc: Any = compute  # its functions are made when it is imported, so no checker knows them

OWN = ("key_", "id_", "parent_", "label_", "new_", "remove_", "sent_", "known_")
FATES = ("send", "remove")


def arrange(work: pa.Table, columns: Sequence[Column], *, creates_last: bool) -> pa.Table:
    """The rows to send in their order with their places from 1 on: like `stage.sql`. `work` are the compared rows."""
    sends = pc.is_in(work.column("fate_"), value_set=pa.array(FATES, pa.string()))
    order = ["level_", "remove_", *(["new_"] if creates_last else []), "heavy_", "parent_", "key_"]
    arrays, names = [work.column(name) for name in OWN], [*OWN]
    for n, column in enumerate(columns):
        wanted = work.column(f"v{n}")
        arrays += [pc.if_else(work.column(f"c{n}"), wanted, pa.scalar(None, wanted.type)), work.column(f"b{n}")]
        names += [column.name, column.before]
    every = bool(pc.all(sends).as_py())
    rows, by = pa.Table.from_arrays(arrays, names=names), work.select(order)
    rows, by = (rows, by) if every else (rows.filter(sends), by.filter(sends))
    rows = rows.combine_chunks().take(pc.sort_indices(by, sort_keys=[(name, "ascending") for name in order]))
    return rows.append_column("place_", pa.array(range(1, rows.num_rows + 1), pa.int64()))


def between(rows: pa.Table, first: int, last: int) -> pa.Table:
    """The rows at these places, in their order: like `places.sql`. Rows stand in order, each place once."""
    places = rows.column("place_").to_numpy()
    begin, end = places.searchsorted(first), places.searchsorted(last, side="right")
    return rows.slice(int(begin), int(end - begin))


def find_answers(rows: pa.Table, answers: pa.Table) -> Any:
    """For each row, at which place its answer stands; null where it has none."""
    return pc.index_in(rows.column("key_"), value_set=answers.column("key_"))


def accept(rows: pa.Table, written: pa.Table, found: Any, placed: Sequence[tuple[int, Column]]) -> pa.Table:
    """The accepted state of the written among the sent `rows`: like `accept_whole.sql`. `found` is from `find_answers`."""
    if found.null_count:
        rows, found = rows.filter(pc.is_valid(found)), found.drop_null()
    ids = pc.coalesce(written.column("id_").take(found), rows.column("id_"))
    arrays = [rows.column("key_"), ids, pa.nulls(rows.num_rows, pa.string()), rows.column("remove_")]
    names = ["key_", "id_", "unsure_", "gone_"]
    masks = rows.column("sent_")
    uniform = masks.unique().to_pylist()
    for n, column in placed:
        sent = pa.scalar(uniform[0][n] == "1") if len(uniform) == 1 else is_sent(masks, n)
        names.append(column.name)
        arrays.append(pc.if_else(sent, rows.column(column.name), rows.column(column.before)))
    return pa.Table.from_arrays(arrays, names=names)


def is_sent(masks: Any, n: int) -> Any:
    """Whether each mask holds the field at place `n`."""
    return pc.equal(pc.utf8_slice_codeunits(masks, n, n + 1), "1")


def first_written(rows: pa.Table, written: pa.Table, found: Any, room: int) -> pa.Table:
    """The first of the written rows, with their ids in `answer_id_`: like `samples.sql`."""
    places = pc.indices_nonzero(pc.is_valid(found)).slice(0, room)
    return rows.take(places).append_column("answer_id_", written.column("id_").take(found.take(places)))


def write_table(table: LakeTable, rows: pa.Table, *, kind: str = "delta") -> tuple[StagedFile, pa.Table]:
    """Rows as a staged file, and as they stand in it; columns of the table that they lack read as null."""
    with open_writer(table, kind=kind, columns=rows.column_names) as writer:
        parts = [fit_batch(batch, writer.schema) for batch in rows.to_batches()]
        whole = pa.concat_tables(parts) if parts else writer.schema.empty_table()
        writer.write(whole)
    return writer.staged, whole
