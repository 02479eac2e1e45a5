"""How fast the lake writes, merges, compacts and erases, against a bare pyarrow write measured in the same run.

A table of 20 columns (ten texts, four exact numbers, four moments, a flag, the id), a base and five deltas of 1% each with
changed and new rows, then a thousand deltas of ten rows. Database and files are thrown away.

Run: `python benchmarks/lake.py [--rows 1000000] [--engine duckdb://]`.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import Board, load, machine, measuring, memory_of, start_django  # noqa: E402

TEXTS, NUMBERS, MOMENTS, DELTAS, SMALL = 10, 4, 3, 5, 1000
NUMBER, MOMENT, BEGIN, SPAN = "DECIMAL(38, 12)", "TIMESTAMPTZ", 1_500_000_000_000, 10_000_000_000
COLUMNS = [
    ("Id", "text"),
    *((f"Text{n}", "text") for n in range(TEXTS)),
    *((f"Number{n}", "number") for n in range(NUMBERS)),
    *((f"Moment{n}", "moment") for n in range(MOMENTS)),
    ("SystemModstamp", "moment"),
    ("IsDeleted", "flag"),
]
MAKE = """
SELECT '001' || lpad(CAST(i AS VARCHAR), 15, '0') AS "Id", {texts}, {numbers}, {moments},
    CAST(epoch_ms(1600000000000 + {version} * 1000 + i % 1000) AS TIMESTAMPTZ) AS "SystemModstamp", i % 100 = 0 AS "IsDeleted"
FROM (SELECT ({first} + range * {step}) % {keys} AS i FROM range({rows})) AS t
"""


def main() -> int:
    """Measure; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--engine", default="duckdb://")
    wanted = parser.parse_args()
    print(machine(), flush=True)
    board = Board()
    with tempfile.TemporaryDirectory() as folder:
        start_django(Path(folder), LAKE_ENGINE_URL=wanted.engine)
        measure(Path(folder), wanted.rows, board)
    print(f"{memory_of(None)}, {load()}")
    print(board.verdict())
    return 1 if board.missed else 0


def measure(folder: Path, rows: int, board: Board) -> None:
    """Every step once, in the order in which a table lives."""
    from integrations.lake.tables import ensure_table

    table = ensure_table("mirror/1/Account", columns=COLUMNS, key="Id", version="SystemModstamp", removed="IsDeleted")
    floor = measure_bare(folder, rows, board)
    with measuring() as used:
        write(table, make(rows, keys=rows), kind="base")
    board.rate("write and register, base", rows, used, target=0.7 * floor)
    read_all(table, rows, board, "read, base only")
    changed = rows // 100
    with measuring() as used:
        for n in range(DELTAS):
            write(table, make(changed, keys=int(rows * 1.01), first=n * changed, step=97, version=n + 1))
    board.rate(f"write and register, {DELTAS} deltas", changed * DELTAS, used)
    live = read_all(table, rows, board, f"merge of base and {DELTAS} deltas")
    measure_upkeep(table, live, board)
    measure_small(board)


def measure_bare(folder: Path, rows: int, board: Board) -> float:
    """Rows a second of pyarrow alone: the same batches, codec and row groups, its own defaults otherwise."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from integrations.lake.types import arrow_schema
    from integrations.lake.writing import CODEC, LEVEL, ROW_GROUP

    schema = arrow_schema(COLUMNS)
    with measuring() as used:
        path = folder / "bare.parquet"
        with pq.ParquetWriter(path, schema, compression=CODEC, compression_level=LEVEL) as writer:
            for batch in grouped(make(rows, keys=rows), ROW_GROUP):
                writer.write_table(batch)
    board.rate("bare pyarrow write", rows, used, extra=f"  {path.stat().st_size / rows:.0f} B a row")
    assert pa.__version__
    path.unlink()
    return rows / used.seconds


def grouped(batches: Iterator[Any], rows: int) -> Iterator[Any]:
    """Batches put together to row groups."""
    import pyarrow as pa

    waiting: list[Any] = []
    for batch in batches:
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= rows:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def make(rows: int, *, keys: int, first: int = 0, step: int = 1, version: int = 0) -> Iterator[Any]:
    """Rows in the table's types, as a reader of Salesforce would hand them over; making them is part of every figure."""
    import duckdb

    from integrations.lake.engine import fit_batch
    from integrations.lake.types import arrow_schema

    texts = (f"'Text ' || (hash(i, {n}) % {10 ** (n % 6 + 1)}) AS \"Text{n}\"" for n in range(TEXTS))
    numbers = (f'CAST(hash(i, {n + 50}) % 1000000 AS {NUMBER}) * 0.01 AS "Number{n}"' for n in range(NUMBERS))
    moments = (
        f'CAST(epoch_ms({BEGIN} + CAST(hash(i, {n + 90}) % {SPAN} AS BIGINT)) AS {MOMENT}) AS "Moment{n}"'
        for n in range(MOMENTS)
    )
    sql = MAKE.format(
        texts=", ".join(texts), numbers=", ".join(numbers), moments=", ".join(moments), version=version, first=first, step=step,
        keys=keys, rows=rows,
    )  # fmt: skip
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    schema = arrow_schema(COLUMNS)
    for batch in connection.sql(sql).to_arrow_reader(50_000):
        yield fit_batch(batch, schema)


def write(table: Any, batches: Iterator[Any], kind: str = "delta") -> None:
    """Stage and register, as every writer does."""
    from django.db import transaction
    from django.utils import timezone

    from integrations.lake.writing import open_writer, register

    with open_writer(table, kind=kind) as writer:
        for batch in batches:
            writer.write(batch)
    with transaction.atomic():
        register(table, writer.staged, now=timezone.now())


def read_all(table: Any, rows: int, board: Board, name: str) -> int:
    """All columns streamed, one column summed, one key found."""
    from integrations.lake.engine import open_engine
    from integrations.lake.reading import newest

    with open_engine() as engine:
        engine.bind("t", newest(table))
        with measuring() as used:
            found = sum(batch.num_rows for batch in engine.batches("SELECT * FROM t"))
        board.rate(f"{name}: all columns", rows, used)
        with measuring() as used:
            engine.rows('SELECT sum("Number0") FROM t')
        board.rate(f"{name}: one column", rows, used)
        engine.bind("one", newest(table, keys=["001000000000000007"]))
        with measuring() as used:
            engine.rows("SELECT * FROM one")
        board.answer(f"{name}: one key", [used.seconds], target=2)
    return found


def measure_upkeep(table: Any, live: int, board: Board) -> None:
    """Erasure in base and deltas, then compaction, then the sweep."""
    from django.utils import timezone

    from integrations.lake import upkeep
    from integrations.lake.reading import count_live

    now = timezone.now()
    stored = upkeep.health_of(table).rows
    with measuring() as used:
        erased = upkeep.erase("Account", "001000000000000097", now=now)
    board.rate(f"erasure, {erased.files} of {DELTAS + 1} files", stored, used)
    with measuring() as used:
        done = upkeep.compact(table, now=now)
    board.rate("compaction", done.rows, used)
    assert count_live(table) == live - (1 if erased.rows else 0)
    with measuring() as used:
        swept = upkeep.sweep_files(now=now + timedelta(days=2))
    print(f"sweep of {swept.files} files: {used.seconds:.2f} s")


def measure_small(board: Board) -> None:
    """A thousand deltas of ten rows: what a minute-by-minute writer leaves within a day."""
    from django.utils import timezone

    from integrations.lake import upkeep
    from integrations.lake.engine import open_engine
    from integrations.lake.reading import newest
    from integrations.lake.tables import ensure_table

    table = ensure_table("mirror/1/Contact", columns=COLUMNS, key="Id", version="SystemModstamp", removed="IsDeleted")
    (ten,) = make(10, keys=10)
    with measuring() as used:
        for _ in range(SMALL):
            write(table, iter([ten]))
    board.rate(f"{SMALL:,} small deltas, files a second", SMALL, used)
    with open_engine() as engine, measuring() as used:
        engine.bind("t", newest(table))
        engine.rows("SELECT count(*) FROM t")
    board.answer(f"read of {SMALL:,} small deltas", [used.seconds], target=10)
    with measuring() as used:
        upkeep.compact(table, now=timezone.now())
    board.answer(f"compaction of {SMALL:,} small deltas", [used.seconds], target=20)


if __name__ == "__main__":
    sys.exit(main())
