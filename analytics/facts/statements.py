"""Running the statements of this package: results that later statements read are kept, so that nothing is computed twice."""

from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from integrations.lake.engine import Engine
from integrations.sync.mapping.desired import spool

SMALL = 50_000
FOLDER = Path(__file__).resolve().parent / "sql"


def sql_of(engine: Engine, name: str, **parts: str) -> str:
    """The text of `sql/<name>.sql` in the engine's words, its <<parts>> filled in."""
    text = engine.sql(FOLDER / f"{name}.sql")
    for part, value in parts.items():
        text = text.replace(f"<<{part}>>", value)
    return text


def let_go(engine: Engine, *names: str) -> None:
    """Free the memory of kept results that no later statement reads."""
    for name in names:
        engine.bind(name, pa.table({"nothing": pa.array([], pa.int64())}))


def keep(engine: Engine, name: str, text: str, **params: Any) -> None:
    """The result of a query under a name: inside the engine where it can, else in memory while it is small and through a
    scratch file when it is not (memory stays flat)."""
    if engine.keep(name, text, **params):
        return
    batches = engine.batches(text, **params)
    first: list[pa.RecordBatch] = []
    for batch in batches:
        first.append(batch)
        if sum(each.num_rows for each in first) >= SMALL:
            engine.bind(name, spool(chain(first, batches), batch.schema))
            return
    engine.bind(name, pa.Table.from_batches(first) if first else engine.table(text, **params))
