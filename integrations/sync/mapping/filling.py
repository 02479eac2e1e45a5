"""Pulled values onto attributes: linked rows beside their mirrored records, compared whole columns at a time (PX-06, PX-D13).

Only rows with a difference are written; values that mean the same are the same ("12.50" and "12.5", `A;B` and `B;A`).
"""

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as compute

from integrations.lake.dialect import quote_name
from integrations.lake.engine import Engine, fit_batch
from integrations.lake.types import arrow_type
from integrations.models import RecordLink
from integrations.salesforce.describe import FieldInfo
from integrations.salesforce.values import same_choices
from integrations.sync.mapping.body import FieldPair
from integrations.sync.mapping.columns import convert_column_in, kind_of
from integrations.sync.mapping.counting import Listing
from integrations.sync.mapping.problems import Problem
from integrations.sync.mapping.stored import Stored, same_stored
from integrations.sync.mapping.types import DATE_TIME, NUMBER, PRODUCT_TYPE_OF

pc: Any = compute


@dataclass(frozen=True)
class Filling:
    """One pair that is filled: the described field, whether older records were not read with it yet (null is unknown), and how
    the mirror keeps it when that is not what its type says now (R-055)."""

    pair: FieldPair
    info: FieldInfo
    partly_read: bool = False
    kept_as: str = ""

    @property
    def kind(self) -> str:
        """The attribute's type."""
        return PRODUCT_TYPE_OF[self.info.type]


@dataclass
class Filled:
    """What one piece of linked rows comes to."""

    patches: list[tuple[int, dict[str, Stored]]] = field(default_factory=list)
    names: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    failed: list[tuple[tuple[str, str, str], Problem]] = field(default_factory=list)
    missing: list[tuple[str, str, str]] = field(default_factory=list)
    unchanged: int = 0


def fill(engine: Engine, piece: pa.Table, fillings: Sequence[Filling]) -> Filled:
    """Compare one piece of active links (see `linked.read_linked`, a key a filling) with the records bound as `records`."""
    found = Filled()
    for batch in _beside(engine, piece, fillings):
        _compare(batch, fillings, found)
    return found


def fill_piece(engine: Engine, piece: pa.Table, fillings: Sequence[Filling], listing: Listing) -> Filled:
    """One piece of links, counted: suspended ones and those without a mirrored record are skipped with the reason."""
    active = pc.equal(piece.column("state"), RecordLink.State.ACTIVE)
    suspended = piece.filter(pc.invert(active))
    for name, reason in zip(_names(suspended), suspended.column("reason").to_pylist(), strict=True):
        listing.skipped([name], "suspended", f"The link is suspended: {reason or 'its record is gone'}.")
    filled = fill(engine, piece.filter(active), fillings)
    listing.skipped(filled.missing, "not_mirrored", "The record is older than what is fetched; change it or start a backfill.")
    for name, problem in filled.failed:
        listing.failed(name, problem.code, problem.message)
    listing.written(list(filled.names.values()))
    listing.tally.unchanged(filled.unchanged)
    return filled


def _beside(engine: Engine, piece: pa.Table, fillings: Sequence[Filling]) -> Iterator[pa.Table]:
    """Each linked row with its record's fields (v0, v1, ...), `there` says whether the mirror has the record."""
    engine.bind("linked", piece)
    fields = ", ".join(f"r.{quote_name(each.info.name)} AS v{place}" for place, each in enumerate(fillings))
    text = engine.sql("sync/mapping/sql/beside.sql").replace("<<fields>>", f", {fields}" if fields else "")
    read = [pa.field(f"v{place}", arrow_type(each.kept_as or kind_of(each.info))) for place, each in enumerate(fillings)]
    schema = pa.schema([*piece.schema, pa.field("there", pa.bool_()), *read])
    for batch in engine.batches(text):
        yield fit_batch(batch, schema).combine_chunks()


def _compare(batch: pa.Table, fillings: Sequence[Filling], found: Filled) -> None:
    there = pc.fill_null(batch.column("there"), False)
    if pc.any(pc.invert(there)).as_py():
        found.missing += _names(batch.filter(pc.invert(there)))
        batch = batch.filter(there)
    if not batch.num_rows:
        return
    patches: dict[int, dict[str, Stored]] = {}
    failed: dict[int, Problem] = {}
    for place, filling in enumerate(fillings):
        column = convert_column_in(batch.column(f"v{place}"), filling.info, filling.pair)
        failed |= {row: problem for row, problem in column.problems.items() if row not in failed}
        for row, value in _differing(batch.column(f"k{place}"), column.values, column.problems, filling):
            patches.setdefault(row, {})[filling.pair.attribute] = value
    ids = batch.column("id").take(pa.array(list(patches), pa.int64())).to_pylist() if patches else []
    found.patches += list(zip(ids, patches.values(), strict=True))
    touched = sorted({*patches, *failed})
    names = dict(zip(touched, _names(batch.take(pa.array(touched, pa.int64()))), strict=True)) if touched else {}
    found.failed += [(names[row], problem) for row, problem in failed.items()]
    found.names |= {record: names[row] for record, row in zip(ids, patches, strict=True) if row not in failed}
    found.unchanged += batch.num_rows - len(touched)


def _differing(old: Any, new: Any, problems: Map[int, Problem], filling: Filling) -> Iterator[tuple[int, Stored]]:
    """Rows whose attribute is to change, with the stored form of the new value (None clears)."""
    shown = new
    if old.type != new.type:  # all null, or an attribute that had another type once
        old, shown = old.cast(pa.string()), new.cast(pa.string())
    rows = pc.or_(pc.fill_null(pc.not_equal(old, shown), False), pc.xor(pc.is_null(old), pc.is_null(new)))
    if filling.partly_read:
        rows = pc.and_(rows, pc.is_valid(new))
    chosen = pc.indices_nonzero(rows)
    was, values = old.take(chosen).to_pylist(), new.take(chosen).to_pylist()
    for row, before, value in zip(chosen.to_pylist(), was, values, strict=True):
        if row not in problems and not _same(before, value, filling):
            yield row, value


def _same(before: Stored, value: Stored, filling: Filling) -> bool:
    """Whether two stored forms that are not equal mean the same."""
    if before in (None, "") or value is None:
        return before in (None, "") and value is None
    if filling.info.type == "multipicklist":
        return same_choices(str(before), str(value))
    return filling.kind in (NUMBER, DATE_TIME) and same_stored(filling.kind, before, value)


def _names(batch: Any) -> list[tuple[str, str, str]]:
    """External id, name and Salesforce id of rows, for the ledger."""
    columns = [batch.column(name).to_pylist() for name in ("external_id", "label", "salesforce_id")]
    return list(zip(*columns, strict=True))
