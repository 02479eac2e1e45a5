"""What Salesforce should hold: linked records with the mapped values, converted column by column, as a stream of Arrow batches.

Only records with an active link are there (PX-35), only prefixed fields (PX-36), and none of several that claim one Salesforce
record (PX-07, PX-D9). A row with a value that does not fit is handed over with the problem: the outbox sends nothing of it, so
that a record never holds half of a change, and shows it until it fits.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as compute

from integrations.lake import storage
from integrations.lake.dialect import quote_name
from integrations.lake.engine import Engine, open_engine
from integrations.lake.types import arrow_type
from integrations.models import Entity, RecordLink, SalesforceOrg
from integrations.salesforce.describe import FieldInfo
from integrations.sync.mapping import catalogue
from integrations.sync.mapping.body import PUSH, FieldPair, MappingBody
from integrations.sync.mapping.check import Known
from integrations.sync.mapping.columns import Column, convert_column_out, kind_of
from integrations.sync.mapping.convert import NOTICES
from integrations.sync.mapping.counting import TALLIES, Name
from integrations.sync.mapping.linked import is_stored, read_linked
from integrations.sync.mapping.problems import Problem
from integrations.sync.matching import duplicates
from integrations.sync.outbox.problems import problem_text
from integrations.sync.runs import Recorder

pc: Any = compute
MOST_NAMED = 400  # rows of a class that are kept by name until the push is planned


@dataclass(frozen=True)
class Sending:
    """One pair that is sent."""

    pair: FieldPair
    info: FieldInfo
    kind: str


@dataclass
class Left:
    """Rows that are left out of the stream on purpose: how many, the first by name with code and sentence."""

    count: int = 0
    named: list[tuple[Name, str, str]] = field(default_factory=list)
    notices: Counter[str] = field(default_factory=Counter)

    def add(self, name: Name, code: str, message: str) -> None:
        """One more row."""
        self.count += 1
        if self.count <= MOST_NAMED:
            self.named.append((name, code, message))

    def tell(self, entity: str, recorder: Recorder) -> None:
        """Count the rows that are not handed over, and how many values a named rule changed (I-06)."""
        tally = recorder.object(TALLIES[Entity(entity)])
        for (key, label, salesforce_id), code, message in self.named:
            tally.skipped(key, code, message, label=label, salesforce_id=salesforce_id)
        tally.counted("skipped", self.count - len(self.named))
        for notice, count in sorted(self.notices.items()):
            text = f"{count:,} values: {NOTICES.get(notice, notice)}."
            recorder.object("Changed values").skipped(f"{TALLIES[Entity(entity)]}: {notice}", notice, text)


def sendings_of(body: MappingBody, known: Known) -> list[Sending]:
    """The pairs of a usable body that are sent, with what they mean."""
    assert known.info is not None
    found = []
    for pair in body.pairs_of(PUSH):
        info, source = known.info.field(pair.target), known.sources.get(pair.source)
        if info is not None and source is not None:
            found.append(Sending(pair, info, source.type))
    return found


def losers_of(org: SalesforceOrg, body: MappingBody) -> dict[int, str]:
    """Records that must not be pushed because another claims the same Salesforce record, with the reason (PX-D9)."""
    return duplicates.losers_of(org, body.entity, most_active_wins=body.most_active_wins)


def schema_of(sendings: Sequence[Sending]) -> pa.Schema:
    """Key, parent, label and problem, then a column for each field."""
    own = [pa.field(name, pa.string()) for name in ("key", "parent_key", "label", "problem")]
    return pa.schema([*own, *(pa.field(each.info.name, arrow_type(kind_of(each.info))) for each in sendings)])


def stream(
    org: SalesforceOrg,
    body: MappingBody,
    sendings: Sequence[Sending],
    *,
    losers: Map[int, str],
    left: Left,
    now: datetime,
) -> Iterator[pa.RecordBatch]:
    """The desired rows, a piece at a time. `losers` are ids of records that must not be pushed, with the reason (PX-D9);
    `left` is complete when the stream is used up."""
    schema = schema_of(sendings)
    keys = list(dict.fromkeys(each.pair.source for each in sendings))
    stored = [key for key in keys if is_stored(body.entity, key)]
    with open_engine() as engine:
        computed = _bind_computed(engine, org, body.entity, [key for key in keys if key not in stored], now)
        for piece in read_linked(org, body.entity, body.object, stored):
            chosen = _choose(piece, losers, left)
            if chosen.num_rows:
                columns = {key: chosen.column(f"k{place}") for place, key in enumerate(stored)}
                columns |= _beside(engine, chosen, computed)
                yield _convert(chosen, columns, sendings, schema, left)


def spool(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatchReader:
    """All batches through a scratch file, so that nothing is read from the database while an engine takes the rows in (it does
    so from threads of its own) and memory stays flat. The file has no name any more when this returns."""
    folder = storage.open_store().scratch()
    try:
        place = Path(folder) / "desired.arrow"
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.OSFile(str(place), "wb") as sink, pa.ipc.new_stream(sink, schema, options=options) as writer:
            for batch in batches:
                writer.write_batch(batch)
        return pa.ipc.open_stream(pa.OSFile(str(place), "rb"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _choose(piece: pa.Table, losers: Map[int, str], left: Left) -> pa.Table:
    """The rows that may be pushed; the others are told why not."""
    active = pc.equal(piece.column("state"), RecordLink.State.ACTIVE)
    suspended = piece.filter(pc.invert(active))
    for name, reason in zip(names_of(suspended), suspended.column("reason").to_pylist(), strict=True):
        left.add(name, "suspended", f"The link is suspended: {reason or 'its record is gone'}.")
    piece = piece.filter(active)
    if not losers:
        return piece
    lost = pc.is_in(piece.column("id"), pa.array(sorted(losers), pa.int64()))
    out = piece.filter(lost)
    for name, record in zip(names_of(out), out.column("id").to_pylist(), strict=True):
        left.add(name, "duplicate_link", losers[record])
    return piece.filter(pc.invert(lost))


def _convert(
    piece: pa.Table, columns: Map[str, Any], sendings: Sequence[Sending], schema: pa.Schema, left: Left
) -> pa.RecordBatch:
    converted = [convert_column_out(columns[each.pair.source], each.kind, each.info, each.pair) for each in sendings]
    for column in converted:
        left.notices += column.notices
    arrays = [_whole(piece.column(name)) for name in ("salesforce_id", "parent", "label")]
    said = _problems(converted, sendings, piece.num_rows)
    return pa.RecordBatch.from_arrays([*arrays, said, *(each.values for each in converted)], schema=schema)


def _problems(converted: Sequence[Column], sendings: Sequence[Sending], rows: int) -> pa.Array:
    """The column `problem`: the first thing that does not fit in each row, and all fields that do not."""
    found: dict[int, list[tuple[str, Problem]]] = {}
    for column, sending in zip(converted, sendings, strict=True):
        for row, problem in column.problems.items():
            found.setdefault(row, []).append((sending.info.name, problem))
    if not found:
        return pa.nulls(rows, pa.string())
    texts: list[str | None] = [None] * rows
    for row, problems in found.items():
        name, first = problems[0]
        sentence = first.message if name in first.message else f"{name}: {first.message}"
        texts[row] = problem_text(first.code, [each for each, _ in problems], sentence)
    return pa.array(texts, pa.string())


def _bind_computed(
    engine: Engine, org: SalesforceOrg, entity: str, keys: Sequence[str], now: datetime
) -> list[tuple[str, list[str]]]:
    """Registered fields (KPIs) as tables of the engine, computed once for the whole push."""
    bound = []
    for place, (mine, table) in enumerate(catalogue.values_of(org, entity, keys, now=now) if keys else []):
        engine.bind(f"computed{place}", table)
        bound.append((f"computed{place}", mine))
    return bound


def _beside(engine: Engine, piece: pa.Table, computed: Sequence[tuple[str, list[str]]]) -> dict[str, Any]:
    """The computed fields of a piece, in its order."""
    found: dict[str, Any] = {}
    if not computed:
        return found
    places = pa.array(range(piece.num_rows), pa.int64())
    engine.bind("piece", pa.table({"id": piece.column("id"), "place_": places}))
    for name, keys in computed:
        wanted = ", ".join(["p.place_", *(f"c.{quote_name(catalogue.column_of(key))}" for key in keys)])
        text = engine.sql("sync/mapping/sql/computed.sql").replace("<<wanted>>", wanted).replace("<<name>>", name)
        table = engine.table(text)
        found |= {key: table.column(catalogue.column_of(key)) for key in keys}
    return found


def names_of(piece: Any) -> list[Name]:
    """External id, name and Salesforce id of rows, for the ledger."""
    columns = [piece.column(name).to_pylist() for name in ("external_id", "label", "salesforce_id")]
    return list(zip(*columns, strict=True))


def _whole(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
