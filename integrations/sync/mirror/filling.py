"""Older values of fields that were added later: put onto the mirrored records, whose other columns stay as they are (I-07).

A file of the lake holds whole rows, so each page of (Id, stamp, new fields) is joined with the mirror. Where the mirror has a
newer version, that one was read with the new fields already, and stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from integrations.lake import reading, tables
from integrations.lake.dialect import quote_name
from integrations.lake.engine import open_engine
from integrations.lake.reading import FileRef, Relation
from integrations.lake.writing import StagedFile
from integrations.models import LakeTable


@dataclass(frozen=True, slots=True)
class Filled:
    """The file to register, and what became of the page: `written` + `unchanged` + `unknown` (not mirrored) rows.

    `number` is the table's next file number as it was seen: when another file came since, fill again.
    """

    file: StagedFile
    unchanged: int
    unknown: int
    number: int


def fill(table: LakeTable, page: StagedFile, fields: Sequence[str]) -> Filled:
    """The mirrored records of the page with the page's values in `fields`; records that have them already are left out."""
    number = LakeTable.objects.values_list("next_number", flat=True).get(pk=table.pk)
    key, version = quote_name(table.key), quote_name(table.version)
    have = [name for name in fields if name in set(page.columns)]
    kept = [name for name, _ in tables.columns_of(table) if name not in have]
    columns = [f"m.{quote_name(name)} AS {quote_name(name)}" for name in kept]
    columns += [f"s.{quote_name(name)} AS {quote_name(name)}" for name in have]
    pairs = [(f"s.{quote_name(name)}", f"m.{quote_name(name)}") for name in have]
    differs = " OR ".join(f"coalesce({new} <> {old}, ({new} IS NULL) <> ({old} IS NULL))" for new, old in pairs) or "false"
    newer = f"coalesce(m.{version} > s.{version}, false)" if table.version else "false"
    with open_engine() as engine:
        engine.bind("mirror", reading.newest(table, include_removed=True))
        engine.bind("staged", _page(table, page))
        joined = f"FROM staged AS s JOIN mirror AS m ON s.{key} = m.{key}"
        known = engine.rows(f"SELECT count(*) {joined}")[0][0]
        sql = f"SELECT {', '.join(columns)} {joined} WHERE NOT {newer} AND ({differs})"
        file = engine.copy_to(sql, table)
    return Filled(file, known - file.rows, page.rows - known, number)


def is_overtaken(table: LakeTable, filled: Filled) -> bool:
    """Whether another file came since; asked inside the transaction that registers, which locks the table's row."""
    locked = LakeTable.objects.select_for_update().filter(pk=table.pk)
    return locked.values_list("next_number", flat=True).get() != filled.number


def _page(table: LakeTable, page: StagedFile) -> Relation:
    chosen = tuple(column for column in tables.columns_of(table) if column[0] in set(page.columns))
    reference = FileRef(page.path, 0, frozenset(page.columns), page.bytes)
    return Relation(table.name, chosen, deltas=(reference,), newest=False)
