"""Putting rows into the lake: a file is staged first, and exists for others only once it is registered (I-03).

Staging needs no transaction and no lock; a worker that dies leaves a file that nobody sees and the sweeper removes.
`register` belongs into the transaction that moves the caller's watermark.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Self

from django.db import connection, transaction
from django.db.models import F

from integrations.lake import erasures, storage
from integrations.lake.tables import columns_of
from integrations.lake.types import Column, SchemaError, arrow_schema
from integrations.models import LakeFile, LakeTable, Run

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 65_536  # small enough that two threads share a table of 100,000 rows (a join took 33 instead of 46 ms)
READ_ROWS = 65_536
BUFFER_BYTES = 32 * 1024 * 1024  # of all open files of one writer together: memory stays flat whatever the size
OPEN_DAYS = 32  # files that one writer keeps open; one more closes the longest
CODEC, LEVEL = "zstd", 1


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A complete file that is not registered yet; without rows there is no file and `path` is empty."""

    path: str
    rows: int
    bytes: int
    kind: str = "delta"
    columns: tuple[str, ...] = ()
    day: date | None = None
    erasures: int = 0

    def to_json(self) -> dict[str, Any]:
        """For a checkpoint that registers it in a later turn (within a day; then it is swept)."""
        return asdict(self) | {"columns": list(self.columns), "day": self.day and self.day.isoformat()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` made."""
        day = data["day"] and date.fromisoformat(data["day"])
        return cls(**{**data, "columns": tuple(data["columns"]), "day": day})


def nothing_staged(kind: str = "delta") -> StagedFile:
    """What is staged when there was no row."""
    return StagedFile("", 0, 0, kind)


class TableWriter:
    """Streams rows of one table into Parquet files, one, or one a day where the table is partitioned."""

    def __init__(self, table: LakeTable, kind: str, columns: Sequence[Column]) -> None:
        self.table, self.kind, self.columns = table, kind, tuple(columns)
        self.schema = arrow_schema(columns)
        self.rows = 0
        self.erased_rows = 0
        self.files: list[StagedFile] = []
        self._store = storage.open_store()
        self._parts: dict[date | None, _Part] = {}
        # A dictionary halves the speed of columns whose values hardly repeat, and gains nothing there (measured).
        self._repeating = [name for name, kind in columns if kind in ("text", "day") and name != table.key]
        self._erased = erasures.list_of(table)

    @property
    def staged(self) -> StagedFile:
        """The one file that came of it (clean exit only). A partitioned table has one a day: use `files` there."""
        if self.table.day:
            raise TypeError(f"Table {self.table.name} has a file a day: use writer.files.")
        return self.files[0] if self.files else nothing_staged(self.kind)

    def write(self, rows: "pa.RecordBatch | pa.Table") -> None:
        """Add rows. SchemaError when columns or types are not exactly the file's, or a key or day is null.

        Rows of those whom the lake must forget are left out and counted in `erased_rows` (I-23).
        """
        import pyarrow as pa

        whole = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
        whole = self._checked(whole)
        kept = self._erased.without(whole)
        self.erased_rows += whole.num_rows - kept.num_rows
        for day, part in self._split(kept):
            self._part(day).add(part)
        self.rows += kept.num_rows
        self._shrink()

    def _checked(self, rows: "pa.Table") -> "pa.Table":
        name = self.table.name
        if set(rows.column_names) != set(self.schema.names) or rows.num_columns != len(self.schema):
            missing, extra = set(self.schema.names) - set(rows.column_names), set(rows.column_names) - set(self.schema.names)
            raise SchemaError(f"Table {name}: rows lack {sorted(missing)} and have {sorted(extra)} besides.")
        rows = rows.select(self.schema.names)
        for wanted, found in zip(self.schema, rows.schema, strict=True):
            if wanted.type != found.type:
                raise SchemaError(f"Table {name}: column {wanted.name} must be {wanted.type}, not {found.type}.")
        for column in (self.table.key, self.table.day):
            if column and rows.column(column).null_count:
                raise SchemaError(f"Table {name}: {rows.column(column).null_count} rows have no {column}.")
        return rows.cast(self.schema) if rows.schema != self.schema else rows

    def _split(self, rows: "pa.Table") -> "Iterator[tuple[date | None, pa.Table]]":
        """The rows by UTC day, in their order; as they are for a table without days."""
        if not self.table.day:
            yield None, rows
            return
        import pyarrow as pa
        import pyarrow.compute as pc

        days = rows.column(self.table.day).cast(pa.date32(), safe=False)  # a moment is cut to its UTC day
        chosen = days.unique().to_pylist()
        for day in chosen:
            here = pc.call_function("equal", [days, pa.scalar(day, pa.date32())])
            yield day, rows if len(chosen) == 1 else rows.filter(here)

    def _part(self, day: date | None) -> "_Part":
        if day not in self._parts:
            if len(self._parts) >= OPEN_DAYS:
                self._close(max(self._parts, key=lambda each: self._parts[each].total))
            self._parts[day] = self._new_part(day)
        return self._parts[day]

    def _new_part(self, day: date | None) -> "_Part":
        path = _new_path(self.table, day)
        return _Part(self._store.begin(path), path, self.schema, self._repeating)

    def _shrink(self) -> None:
        for part in self._parts.values():
            part.flush(at_least=ROW_GROUP)
        while self._parts and sum(part.bytes for part in self._parts.values()) > BUFFER_BYTES:
            max(self._parts.values(), key=lambda each: each.bytes).flush()

    def _close(self, day: date | None) -> None:
        part = self._parts[day]
        size = part.finish()
        del self._parts[day]
        names = tuple(self.schema.names)
        self.files.append(StagedFile(part.path, part.total, size, self.kind, names, day, self._erased.seen))

    def finish(self) -> None:
        """Make every file whole and visible on the disk (still unregistered)."""
        try:
            for day in list(self._parts):
                if self._parts[day].total or self._parts[day].rows:
                    self._close(day)
        except OSError as error:
            self.abandon()
            raise storage.explain_failure(error) from error
        self.abandon(keep=True)

    def abandon(self, *, keep: bool = False) -> None:
        """Remove what is unfinished, and what is finished too unless it shall be kept."""
        for part in self._parts.values():
            part.upload.abandon()
        self._parts.clear()
        if not keep:
            for staged in self.files:
                self._store.delete(staged.path)
            self.files.clear()


@dataclass
class _Part:
    """One file that is being written: full row groups go out, the rest waits in memory."""

    upload: storage.Upload
    path: str
    schema: "pa.Schema"
    repeating: list[str]
    waiting: "list[pa.Table]" = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    total: int = 0
    writer: Any = None

    def add(self, rows: "pa.Table") -> None:
        if rows.num_rows:
            self.waiting.append(rows)
            self.rows += rows.num_rows
            self.bytes += rows.nbytes

    def flush(self, at_least: int = 1) -> None:
        """Write what waits, when it is enough for a row group."""
        if self.rows < at_least or not self.rows:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self.writer is None:
            self.writer = pq.ParquetWriter(
                self.upload.sink, self.schema, compression=CODEC, compression_level=LEVEL,
                use_dictionary=self.repeating or False,  # pyright: ignore[reportArgumentType]
            )  # fmt: skip
        self.writer.write_table(pa.concat_tables(self.waiting), row_group_size=ROW_GROUP)
        self.total += self.rows
        self.waiting, self.rows, self.bytes = [], 0, 0

    def finish(self) -> int:
        self.flush()
        self.writer.close()
        return self.upload.finish()


class open_writer:  # noqa: N801 - reads as a verb: `with open_writer(table) as writer`
    """Open a writer; on a clean exit its files are complete (`writer.staged`), on any other nothing of them is left.

    `columns` names those that the file has (default: all of the table); the others read as null. Raises `storage.LakeFull`
    when the disk is full (R-261).
    """

    def __init__(self, table: LakeTable, *, kind: str = "delta", columns: Iterable[str] | None = None) -> None:
        chosen = None if columns is None else set(columns)
        known = columns_of(table)
        if chosen is not None and (unknown := chosen - {name for name, _ in known}):
            raise SchemaError(f"Table {table.name} has no columns {sorted(unknown)}.")
        needed = {table.key, table.version, table.day} - {""}
        if chosen is not None and (missing := needed - chosen):
            raise SchemaError(f"Table {table.name}: a file needs {sorted(missing)} too.")
        wanted = [column for column in known if chosen is None or column[0] in chosen]
        self.writer = TableWriter(table, LakeFile.Kind(kind).value, wanted)

    def __enter__(self) -> TableWriter:
        return self.writer

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            self.writer.finish()
            return
        self.writer.abandon()
        if isinstance(error, OSError) and (clear := storage.explain_failure(error)) is not error:
            raise clear from error


def register(
    table: LakeTable, staged: Sequence[StagedFile] | StagedFile, *, run: Run | None = None, now: datetime
) -> list[LakeFile]:
    """Make staged files part of the table, in the caller's transaction, with the next numbers (the larger is the newer).

    Files without rows are left out. Numbers rise in the order of commits: the table's row is locked until the end.
    """
    files = [staged] if isinstance(staged, StagedFile) else list(staged)
    files = [each for each in files if each.rows]
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Register files inside the transaction that moves the watermark.")
    if not files:
        return []
    # The update takes the row's lock on PostgreSQL and SQLite alike, so what is read next is ours until the commit.
    if not LakeTable.objects.filter(pk=table.pk).update(next_number=F("next_number") + len(files)):
        raise LakeTable.DoesNotExist(f"The lake has no table {table.name} any more.")
    after = LakeTable.objects.values_list("next_number", flat=True).get(pk=table.pk)
    newest_erasure = erasures.newest_number(table)  # under the row's lock, so no erasure can slip in between
    files = [each if each.erasures >= newest_erasure else rewrite_file(table, each) for each in files]
    files = [each for each in files if each.rows]
    rows = [
        LakeFile(
            table=table, number=after - len(files) + index, kind=each.kind, path=each.path, rows=each.rows, bytes=each.bytes,
            columns=list(each.columns), day=each.day, run=run, registered_at=now,
        )
        for index, each in enumerate(files)
    ]  # fmt: skip
    return LakeFile.objects.bulk_create(rows)


def rewrite_file(table: LakeTable, staged: StagedFile, *, keep: "Callable[[pa.Table], pa.Table] | None" = None) -> StagedFile:
    """A copy of a file without the rows of those whom the lake must forget by now, and without what `keep` leaves out.

    The old file stays on the disk until it is swept.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    store = storage.open_store()
    with store.read(staged.path) as source, open_writer(table, kind=staged.kind, columns=staged.columns) as writer:
        for batch in pq.ParquetFile(source).iter_batches(batch_size=READ_ROWS):
            rows = pa.Table.from_batches([batch])
            writer.write(rows if keep is None else keep(rows))
    return writer.files[0] if writer.files else nothing_staged(staged.kind)


def _new_path(table: LakeTable, day: date | None) -> str:
    """A name that no other worker can choose."""
    folder = f"{table.name}/{day.isoformat()}" if day else table.name
    return f"{folder}/{uuid.uuid4().hex}.parquet"
