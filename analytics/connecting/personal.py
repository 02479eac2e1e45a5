"""Personal data of contacts: what was mapped goes when the contact is deleted in Salesforce, within the same sync (FZ-D13)."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from analytics.attributes.authoring import current_map
from analytics.attributes.catalogue import PERSONAL
from integrations.lake.dialect import quote_name
from integrations.lake.engine import open_engine
from integrations.lake.erasing import replace_file
from integrations.lake.failures import LakeBusy
from integrations.lake.reading import NUMBER, raw
from integrations.lake.tables import columns_of
from integrations.lake.writing import StagedFile, rewrite_file
from integrations.models import LakeFile, LakeTable, Run, SalesforceOrg
from integrations.sync.mirror import tables

if TYPE_CHECKING:
    import pyarrow as pa

TRIES = 10  # a compaction may retire a file while we rewrite it


def on_deleted(org: SalesforceOrg, object_: str, ids: Sequence[str], /, *, run: Run, now: datetime) -> None:
    """Blank the mapped personal fields of these records in every file of the mirror; harmless to hear again."""
    fields = personal_fields(org, object_)
    mirror = tables.mirror_of(org, object_) if fields else None
    if mirror is not None and mirror.table is not None and ids:
        blank(mirror.table, list(ids), fields, now=now)


def personal_fields(org: SalesforceOrg, object_: str) -> list[str]:
    """Fields of that object which the attribute map reads as personal data."""
    found = current_map(org)
    sources = [source for key in PERSONAL if found is not None and (source := found[0].get(key)) is not None]
    chains = [each for source in sources for each in source.chain()]
    return list(dict.fromkeys(name for each in chains if each.holder.lower() == object_.lower() for name in each.fields))


def blank(table: LakeTable, ids: Sequence[str], fields: Sequence[str], *, now: datetime) -> int:
    """Rewrite the files that hold values of these records, without the values; gives how many files. The old files leave the
    disk with the next sweep after their hour of grace. `LakeBusy` when the table changes faster than that."""
    known = {name for name, _ in columns_of(table)}
    wanted = [name for name in fields if name in known]
    files = 0
    for _ in range(TRIES):
        found = _files_with(table, ids, wanted) if wanted else []
        if not found:
            return files
        for file in found:
            old = StagedFile(file.path, file.rows, file.bytes, file.kind, tuple(file.columns), file.day)
            staged = rewrite_file(table, old, keep=lambda rows: _without(rows, ids, wanted))
            files += replace_file(table, file, staged, now=now)
    raise LakeBusy(f"Table {table.name} changes faster than personal data can be erased from it; the next sync tries again.")


def _files_with(table: LakeTable, ids: Sequence[str], fields: Sequence[str]) -> list[LakeFile]:
    relation = raw(table, columns=[tables.KEY, *fields])
    if not relation.files:
        return []
    filled = " OR ".join(f"{quote_name(name)} IS NOT NULL" for name in fields)
    key = quote_name(tables.KEY)
    with open_engine() as engine:
        engine.bind("stored", relation)
        sql = f"SELECT DISTINCT {NUMBER} FROM stored WHERE {{{{has($ids, {key})}}}} AND ({filled})"  # noqa: S608  checked names
        numbers = [row[0] for row in engine.rows(sql, ids=list(ids))]
    return list(LakeFile.objects.filter(table=table, number__in=numbers, retired_at=None))


def _without(rows: "pa.Table", ids: Sequence[str], fields: Sequence[str]) -> "pa.Table":
    """The rows with null in these fields of these records."""
    import pyarrow as pa

    gone = set(ids)
    named = [each in gone for each in rows.column(tables.KEY).to_pylist()]
    if not any(named):
        return rows
    for name in fields:
        if name in rows.column_names:
            place, column = rows.schema.get_field_index(name), rows.column(name)
            values = [None if hit else value for hit, value in zip(named, column.to_pylist(), strict=True)]
            rows = rows.set_column(place, rows.schema.field(place), pa.array(values, column.type))
    return rows
