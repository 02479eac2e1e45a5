"""What is really new among the rows that a read has brought: compared with the mirror, set-based, before any is registered.

A read overlaps the one before it, so most of a quiet day's rows are known already: they are counted `unchanged` and not stored
again. A version that is older than the mirrored one is dropped (I-07). Rows of equal version are compared column by column,
because SystemModstamp has whole seconds and a record can be saved twice in one. Columns that the files do not have keep the
value that the mirror holds (R-077).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from integrations.lake import reading, tables
from integrations.lake.dialect import quote_name
from integrations.lake.engine import Engine, open_engine
from integrations.lake.reading import FileRef, Relation
from integrations.lake.writing import StagedFile
from integrations.models import LakeFile, LakeTable

SINCE = "CAST($since AS {{moment}})"


@dataclass(frozen=True, slots=True)
class Settled:
    """Files to register, and what became of the rows that were read: `written` + `unchanged` + `superseded`."""

    files: tuple[StagedFile, ...]
    written: int
    unchanged: int
    superseded: int = 0


@dataclass(frozen=True, slots=True)
class Landed:
    """What one read of one object has just put into the mirror; files with a smaller number were there before."""

    table: LakeTable
    files: tuple[LakeFile, ...]
    since: datetime | None
    written: int
    unchanged: int

    @property
    def first_number(self) -> int:
        """The smallest number of the new files; the table's next one when there are none."""
        return min((each.number for each in self.files), default=self.table.next_number)


def settle(
    table: LakeTable,
    staged: Sequence[StagedFile],
    *,
    columns: Iterable[str],
    since: datetime | None = None,
    ascending: bool = False,
    compare_values: bool = True,
) -> Settled:
    """The rows of `staged` that the mirror does not have yet, as files to register.

    `columns` are the fields that are mirrored now. Every staged row was changed at or after `since` (None: unknown). With
    `ascending` the caller has seen that no id comes twice. `compare_values=False` trusts equal versions to be equal rows.
    """
    files = [each for each in staged if each.rows]
    read = sum(each.rows for each in files)
    if not files:
        return Settled((), 0, 0)
    if not tables.live_files(table):
        return _settle_first(table, files, read, ascending=ascending)
    kept, distinct = list[StagedFile](), 0
    with open_engine() as engine:
        for group in _by_columns(files):
            question = _Question(engine, table, group, list(columns), since, compare_values=compare_values)
            distinct += question.distinct
            kept += question.news()
    written = sum(each.rows for each in kept)
    return Settled(tuple(kept), written, distinct - written, read - distinct)


def _settle_first(table: LakeTable, files: Sequence[StagedFile], read: int, *, ascending: bool) -> Settled:
    """The first rows of a table: they are its base if no id comes twice, which later readers then need not check."""
    if ascending:
        return Settled(tuple(replace(each, kind="base") for each in files), read, 0)
    relation = replace(_relation_of(table, files), newest=True, include_removed=True)
    with open_engine() as engine:
        engine.bind("staged", _relation_of(table, files))
        distinct = _count_ids(engine, table)
        if distinct == read:
            return Settled(tuple(replace(each, kind="base") for each in files), read, 0)
        engine.bind("fresh", relation)
        names = ", ".join(map(quote_name, relation.names))
        base = engine.copy_to(f"SELECT {names} FROM fresh", table, "base")  # noqa: S608  names of our own table
    return Settled((base,), base.rows, 0, read - base.rows)


def _by_columns(files: Sequence[StagedFile]) -> list[list[StagedFile]]:
    """Files with the same columns together, in the order in which they came."""
    groups: dict[frozenset[str], list[StagedFile]] = {}
    for each in files:
        groups.setdefault(frozenset(each.columns), []).append(each)
    return list(groups.values())


def _relation_of(table: LakeTable, files: Sequence[StagedFile]) -> Relation:
    """Staged files as rows, although they are not registered; the later file has the larger number."""
    have = frozenset().union(*(each.columns for each in files))
    chosen = tuple(column for column in tables.columns_of(table) if column[0] in have)
    references = tuple(FileRef(each.path, number, frozenset(each.columns), each.bytes) for number, each in enumerate(files))
    roles = tuple(column for column in tables.columns_of(table) if column[0] in (table.key, table.version, table.removed))
    return Relation(
        table.name, chosen, table.key, table.version, table.removed, deltas=references, newest=False, roles=roles
    )  # fmt: skip


def _count_ids(engine: Engine, table: LakeTable) -> int:
    return engine.rows(f"SELECT {{{{count_distinct({quote_name(table.key)})}}}} FROM staged")[0][0]  # noqa: S608


class _Question:
    """One comparison: files that have the same columns, with the mirror."""

    def __init__(
        self,
        engine: Engine,
        table: LakeTable,
        files: Sequence[StagedFile],
        wanted: Iterable[str],
        since: datetime | None,
        *,
        compare_values: bool,
    ) -> None:
        self.engine, self.table, self.files, self.since = engine, table, list(files), since
        have, mirrored = set(files[0].columns), set(wanted)
        self.columns = [name for name, _ in tables.columns_of(table) if name in have]
        self.absent = [name for name, _ in tables.columns_of(table) if name in mirrored - have]
        self.key, self.version = quote_name(table.key), quote_name(table.version) if table.version else ""
        roles = (table.key, table.version)
        self.compared = [each for each in self.columns if each not in roles] if compare_values or not table.version else []
        engine.bind("staged", _relation_of(table, files))
        engine.bind("stored", _stored(table, [name for name in (*roles, *self.compared) if name]))
        self.rows = sum(each.rows for each in files)
        self.distinct = _count_ids(engine, table)

    def news(self) -> list[StagedFile]:
        """The files to register: those that were staged when nothing in them can be known, else one with what is new."""
        if self.distinct == self.rows and not self.absent and not self._has_recent():
            return self.files
        kept = self.engine.copy_to(self._sql(), self.table, "delta", **self._params())
        return [kept] if kept.rows else []

    def _has_recent(self) -> bool:
        """Whether the mirror holds anything from the time that was read; answered by the files' statistics, mostly."""
        return bool(self.engine.rows(f"SELECT 1 FROM stored WHERE {self._recent()} LIMIT 1", **self._params()))  # noqa: S608

    def _recent(self) -> str:
        return f"{self.version} >= {SINCE}" if self._params() else "true"

    def _params(self) -> dict[str, Any]:
        return {"since": self.since} if self.version and self.since is not None else {}

    def _sql(self) -> str:
        columns = [f"s.{quote_name(name)} AS {quote_name(name)}" for name in self.columns]
        joins = f"LEFT JOIN ({self._known()}) AS m ON s.{self.key} = m.{self.key}"
        if self.absent:
            before = reading.newest(self.table, columns=[self.table.key, *self.absent], include_removed=True)
            self.engine.bind("before", before)
            columns += [f"b.{quote_name(name)} AS {quote_name(name)}" for name in self.absent]
            mine = f"SELECT * FROM before WHERE {self.key} IN (SELECT {self.key} FROM staged)"  # noqa: S608
            joins += f" LEFT JOIN ({mine}) AS b ON s.{self.key} = b.{self.key}"
        condition = _is_news(self.key, self.version, self.compared)
        return f"SELECT {', '.join(columns)} FROM ({self._fresh()}) AS s {joins} WHERE {condition}"  # noqa: S608  our own names

    def _known(self) -> str:
        """The newest stored row of each staged id, among those from the time that was read: an older one is beaten anyway."""
        mine = f"{self.key} IN (SELECT {self.key} FROM staged)"  # noqa: S608
        rows = f"SELECT *, {self._place()} AS _place FROM stored WHERE {self._recent()} AND {mine}"  # noqa: S608
        return f"SELECT * FROM ({rows}) AS k WHERE _place = 1"  # noqa: S608

    def _fresh(self) -> str:
        """The staged rows, each id once: of two readings of a record the newer (R-045)."""
        if self.distinct == self.rows:
            return "SELECT * FROM staged"
        return f"SELECT * FROM (SELECT *, {self._place()} AS _place FROM staged) AS f WHERE _place = 1"  # noqa: S608

    def _place(self) -> str:
        newer = f"{self.version} DESC NULLS LAST, " if self.version else ""
        return f"row_number() OVER (PARTITION BY {self.key} ORDER BY {newer}_number DESC, _row DESC)"


def _stored(table: LakeTable, columns: Sequence[str]) -> Relation:
    """Every stored row with its place. Read as plain files, so that a condition on the version skips what is older unread; a
    base counts as the oldest of its versions, as it does for every reader."""
    bases = {each.path for each in tables.live_files(table) if each.kind == LakeFile.Kind.BASE}
    relation = reading.raw(table, columns=columns)
    return replace(relation, deltas=tuple(replace(each, number=0) if each.path in bases else each for each in relation.deltas))


def _is_news(key: str, version: str, compared: Sequence[str]) -> str:
    """Unknown, newer, or of equal version and different. Null-safe in both engines without a word of their own."""
    pairs = [(f"s.{quote_name(name)}", f"m.{quote_name(name)}") for name in compared]
    differs = " OR ".join(f"coalesce({ours} <> {theirs}, ({ours} IS NULL) <> ({theirs} IS NULL))" for ours, theirs in pairs)
    if not version:
        return f"m.{key} IS NULL OR {differs or 'false'}"
    newer = f"s.{version} > m.{version} OR (s.{version} IS NOT NULL AND m.{version} IS NULL)"
    same = f"coalesce(s.{version} = m.{version}, s.{version} IS NULL AND m.{version} IS NULL)"
    return f"m.{key} IS NULL OR {newer}" + (f" OR ({same} AND ({differs}))" if differs else "")
