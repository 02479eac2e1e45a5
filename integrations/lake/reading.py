"""What a reader sees: the files that are live now, as one relation.

A relation is a snapshot: it keeps working on its files while others write or compact, because retired files stay on the
disk for an hour. Make a new one in each turn of a run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from integrations.lake.tables import columns_of, live_files
from integrations.lake.types import Column, SchemaError
from integrations.models import LakeFile, LakeTable

NUMBER, ROW = "_number", "_row"


@dataclass(frozen=True, slots=True)
class FileRef:
    """A live file as a reader knows it."""

    path: str
    number: int
    columns: frozenset[str]
    bytes: int = 0


@dataclass(frozen=True)
class Relation:
    """Rows of one table as they are now: `engine.bind("accounts", relation)` gives them a name in SQL.

    The newest row of a key is the one with the larger version; of equal versions that of the later file, then the later
    row (I-07). A row without version is older than one with. In a table partitioned by day the same key on another day is
    another row. `newest=False`: every stored row, with its file's `_number` and its place `_row` in it.
    """

    table: str
    columns: tuple[Column, ...]
    key: str = ""
    version: str = ""
    removed: str = ""
    day: str = ""
    bases: tuple[FileRef, ...] = ()
    deltas: tuple[FileRef, ...] = ()
    newest: bool = True
    include_removed: bool = False
    roles: tuple[Column, ...] = ()
    keys: tuple[str | int, ...] | None = None

    @property
    def files(self) -> tuple[FileRef, ...]:
        """All its files, oldest first."""
        return tuple(sorted(self.bases + self.deltas, key=lambda each: each.number))

    @property
    def names(self) -> list[str]:
        """Its columns by name."""
        return [name for name, _ in self.columns]


def newest(
    table: LakeTable,
    *,
    columns: Iterable[str] | None = None,
    include_removed: bool = False,
    keys: Iterable[str | int] | None = None,
    since: date | None = None,
    until: date | None = None,
) -> Relation:
    """Each key once, in its newest version; removed rows only if asked for. Tables without a key: every row.

    `keys` chooses some (a few thousand at most; join for more). `since` and `until` (both included) choose days of a
    partitioned table, so that other files are not opened.
    """
    if keys is not None and not table.key:
        raise SchemaError(f"Table {table.name} has no key to choose by.")
    files = [each for each in live_files(table) if _within(each, since, until)]
    return relation_of(table, files, columns=columns, include_removed=include_removed, keys=keys)


def relation_of(
    table: LakeTable,
    files: Iterable[LakeFile],
    *,
    columns: Iterable[str] | None = None,
    include_removed: bool = False,
    keys: Iterable[str | int] | None = None,
) -> Relation:
    """The newest rows of some files of a table."""
    files = list(files)
    names = {table.key, table.version, table.removed, table.day} - {""}
    return Relation(
        table=table.name, columns=choose_columns(table, columns), key=table.key, version=table.version, removed=table.removed,
        day=table.day, bases=_references(files, LakeFile.Kind.BASE), deltas=_references(files, LakeFile.Kind.DELTA),
        include_removed=include_removed, roles=tuple(column for column in columns_of(table) if column[0] in names),
        keys=None if keys is None else tuple(dict.fromkeys(keys)),
    )  # fmt: skip


def raw(table: LakeTable, *, columns: Iterable[str] | None = None) -> Relation:
    """Every row of every live file, with the number of its file in `_number` and its place there in `_row`."""
    files = live_files(table)
    return Relation(table.name, choose_columns(table, columns), deltas=_references(files), newest=False)


def count_live(table: LakeTable) -> int:
    """How many keys are live now (rows, for a table without a key)."""
    files = live_files(table)
    if not table.key or (not table.removed and all(each.kind == LakeFile.Kind.BASE for each in files)):
        return sum(each.rows for each in files)
    from integrations.lake.engine import open_engine

    with open_engine() as engine:
        engine.bind("live", newest(table, columns=[table.key]))
        return engine.rows("SELECT count(*) FROM live")[0][0]


def choose_columns(table: LakeTable, names: Iterable[str] | None) -> tuple[Column, ...]:
    """The named columns of a table in the order asked for; all of them without names. SchemaError names unknown ones."""
    known = dict(columns_of(table))
    if names is None:
        return tuple(known.items())
    chosen = list(dict.fromkeys(names))
    if unknown := [name for name in chosen if name not in known]:
        raise SchemaError(f"Table {table.name} has no columns {', '.join(unknown)}; it has {', '.join(known)}.")
    return tuple((name, known[name]) for name in chosen)


def _within(file: LakeFile, since: date | None, until: date | None) -> bool:
    return file.day is None or ((since is None or file.day >= since) and (until is None or file.day <= until))


def _references(files: Iterable[LakeFile], kind: LakeFile.Kind | None = None) -> tuple[FileRef, ...]:
    return tuple(
        FileRef(each.path, each.number, frozenset(each.columns), each.bytes) for each in files if kind in (None, each.kind)
    )
