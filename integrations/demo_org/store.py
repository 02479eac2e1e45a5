"""Where records live: one SQLite file, one table per object, many readers and one writer at a time.

The file survives a restart. A pristine copy of the freshly seeded file makes a reset a file copy.
"""

import os
import shutil
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from integrations.demo_org import ids
from integrations.demo_org.coercion import convert_column
from integrations.demo_org.schema.stored import field_from_json
from integrations.demo_org.schema.types import Field, ObjectType, Schema

CHECKPOINT_TRIES = 200
MANY = 1_000
PAGE_BYTES = 8_192  # counts for new files only
COMPOUND = frozenset({"address", "location"})
WHOLE = frozenset({"boolean", "int", "long"})
REAL = frozenset({"double", "currency", "percent"})
SIDE_TABLES = (
    "CREATE TABLE IF NOT EXISTS _sequence (object TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS _meta (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS _deleted (id TEXT PRIMARY KEY, object TEXT NOT NULL, at TEXT NOT NULL, root TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS _deleted_object ON _deleted (object, at)",
    "CREATE INDEX IF NOT EXISTS _deleted_root ON _deleted (root)",
    "CREATE TABLE IF NOT EXISTS _cleared (parent TEXT NOT NULL, object TEXT NOT NULL, field TEXT NOT NULL, id TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS _cleared_parent ON _cleared (parent)",
    "CREATE TABLE IF NOT EXISTS _late (number INTEGER PRIMARY KEY, due REAL NOT NULL, body TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS _automation (number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL, problem TEXT NOT NULL DEFAULT '')""",
    "CREATE TABLE IF NOT EXISTS _report_definition (report_id TEXT PRIMARY KEY, body TEXT NOT NULL)",
)


def has_column(field: Field) -> bool:
    """Whether a field is stored; calculated fields and the compound ones (address, location) are not."""
    return not field.calculated and field.type not in COMPOUND


def quote(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def column_sql(field: Field) -> str:
    """The column definition of a field, in the encoding that `schema.types.Field` fixes."""
    if field.name == "Id":
        return '"Id" TEXT NOT NULL PRIMARY KEY'
    if field.type in WHOLE:
        zero = " NOT NULL DEFAULT 0" if field.type == "boolean" else ""
        return f"{quote(field.name)} INTEGER{zero}"
    if field.type in REAL:
        return f"{quote(field.name)} REAL"
    nocase = " COLLATE NOCASE" if field.is_text and not field.case_sensitive else ""
    return f"{quote(field.name)} TEXT{nocase}"


def literal(value: object) -> str | None:
    """A value as SQL text; None if it has to stay a parameter."""
    if value is None:
        return "NULL"
    if type(value) is int:
        return str(value)
    if type(value) is str and "\x00" not in value:
        return "'" + value.replace("'", "''") + "'"
    return None


def split_constants(columns: Mapping[str, Sequence[object]]) -> tuple[dict[str, str], dict[str, Sequence[object]]]:
    """The columns of many rows that have one value throughout, as SQL texts, and the others.

    A value that stands in the statement need not be bound for every row. Few rows are left as they are, so that their
    statements are the same each time and SQLite need not compile them anew.
    """
    fixed: dict[str, str] = {}
    for name, column in columns.items():
        if len(column) < MANY or type(column[0]) is not type(column[-1]) or column[0] != column[-1]:
            continue
        text = literal(column[0])
        if text is not None and list(column).count(column[0]) == len(column):
            fixed[name] = text
    return fixed, {name: column for name, column in columns.items() if name not in fixed}


def insert_columns(connection: sqlite3.Connection, object_name: str, columns: Mapping[str, Sequence[object]]) -> None:
    """Store new rows that are given column by column."""
    sql, rows = insert_sql(object_name, columns)
    connection.executemany(sql, rows)


def insert_sql(object_name: str, columns: Mapping[str, Sequence[object]]) -> tuple[str, Iterable[tuple[object, ...]]]:
    """The statement that stores new rows, and its parameters row by row."""
    fixed, free = split_constants(columns)
    if not free:  # one column has to tell how many rows there are
        name = next(iter(columns))
        fixed.pop(name)
        free = {name: columns[name]}
    names = ", ".join(map(quote, [*free, *fixed]))
    values = ", ".join([*("?" * len(free)), *fixed.values()])
    sql = f"INSERT INTO {quote(object_name)} ({names}) VALUES ({values})"  # noqa: S608
    return sql, zip(*free.values(), strict=True)


def is_indexed(field: Field) -> bool:
    """Whether a field gets its own index: references, external ids, unique fields, the name and SystemModstamp.

    Who created and changed a record is not worth one: nobody looks records up by it, and every write would pay.
    """
    if field.name in {"CreatedById", "LastModifiedById"}:
        return False
    wanted = field.type == "reference" or field.external_id or field.unique or field.name_field or field.id_lookup
    return has_column(field) and field.name != "Id" and (wanted or field.name == "SystemModstamp")


def as_text(field: Field, value: object) -> str:
    """A stored value as a client would write it."""
    if field.type == "boolean":
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return f"{value}T00:00:00.000Z" if field.type == "date" else str(value)


def table_sql(kind: ObjectType) -> list[str]:
    """The statements that create an object's table and its indexes."""
    columns = ", ".join(column_sql(each) for each in kind.fields if has_column(each))
    statements = [f"CREATE TABLE IF NOT EXISTS {quote(kind.name)} ({columns})"]
    return statements + [index_sql(kind.name, each) for each in kind.fields if is_indexed(each)]


def index_sql(object_name: str, field: Field) -> str:
    """The statement that creates a field's index. Look-ups and keys are mostly empty or compared by value: no nulls there.

    Field history rows have no SystemModstamp of their own: their index stays empty and costs nothing.
    """
    title, column = quote(f"{object_name}__{field.name}"), quote(field.name)
    full = field.name_field or (field.name == "SystemModstamp" and not object_name.endswith("History"))
    return (
        f"CREATE INDEX IF NOT EXISTS {title} ON {quote(object_name)} ({column}){'' if full else f' WHERE {column} IS NOT NULL'}"
    )


class Held:
    """A reader's connection; it lives (and its connection stays open) as long as its thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection


class Store:
    """The data file of one org. Use `read()` anywhere, `write()` for changes."""

    def __init__(self, directory: Path, schema: Schema, *, instance: str) -> None:
        """Open (or create) the file in `directory`. `instance` is the two id characters that name the org."""
        directory.mkdir(parents=True, exist_ok=True)
        self.path, self.pristine = directory / "org.sqlite3", directory / "pristine.sqlite3"
        self.instance = instance
        self.schema = schema
        self.is_new = not self.path.exists()
        self.generation = 0
        self._local = threading.local()
        self._lock = threading.RLock()
        self._depth = 0
        self.committed: list[Callable[[], None]] = []  # told after each write from outside has been committed
        self.transaction = 0  # number of the present (or last) write from outside
        self._sequences: dict[str, int] = {}
        self._readers: weakref.WeakSet[Held] = weakref.WeakSet()
        self._readers_lock = threading.Lock()
        self._writer = self._open_writer()
        self.create_tables(schema.objects.values())

    def _open_writer(self) -> sqlite3.Connection:
        """The one connection that may change the file.

        Nothing waits for the disk (synchronous=OFF): a killed process loses nothing, only a power cut may, and an org of
        demo records is made anew then. It is several times as quick for bulk loads. Larger pages and leaving freed bytes
        as they are (some builds of SQLite wipe them) save a tenth of a bulk load each.
        """
        writer = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=512)
        for pragma in (
            f"page_size={PAGE_BYTES}",
            "secure_delete=OFF",
            "journal_mode=WAL",
            "synchronous=OFF",
            "cache_size=-131072",
            "temp_store=MEMORY",
            "wal_autocheckpoint=16000",
        ):
            writer.execute(f"PRAGMA {pragma}")
        return writer

    def create_tables(self, objects: Iterable[ObjectType]) -> None:
        """Create what is missing: side tables, object tables, columns that a newer catalogue has, indexes."""
        with self.write() as connection:
            for statement in SIDE_TABLES:
                connection.execute(statement)
            for kind in objects:
                present = {row[1] for row in connection.execute(f"PRAGMA table_info({quote(kind.name)})")}
                if present:
                    self._add_columns(connection, kind, present)
                for statement in table_sql(kind):
                    connection.execute(statement)

    def _add_columns(self, connection: sqlite3.Connection, kind: ObjectType, present: set[str]) -> None:
        """Columns that the table of an existing file does not have yet."""
        for each in kind.fields:
            if has_column(each) and each.name not in present:
                connection.execute(f"ALTER TABLE {quote(kind.name)} ADD COLUMN {column_sql(each)}")

    def follow_change(self, row: Mapping[str, object]) -> None:
        """Drop or rename the column or table that a change of the schema concerns; what is new comes with the next schema."""
        name, connection = str(row.get("object", "")), self._writer
        if row["kind"] == "drop_object":
            connection.execute(f"DROP TABLE IF EXISTS {quote(name)}")
            for table in ("_deleted", "_cleared"):
                connection.execute(f"DELETE FROM {table} WHERE object = ?", (name,))  # noqa: S608 - our own names
        elif row["kind"] == "rename_object":
            connection.execute(f"ALTER TABLE {quote(name)} RENAME TO {quote(str(row['to']))}")
            connection.execute("UPDATE _sequence SET object = ? WHERE object = ?", (row["to"], name))
            self._sequences.clear()
        elif row["kind"] == "field":
            self._convert_column(name, field_from_json(row["body"]))  # type: ignore[arg-type]
        elif row["kind"] == "drop_field":
            field = str(row["field"])
            columns = {each[1] for each in connection.execute(f"PRAGMA table_info({quote(name)})")}
            if field in columns:
                connection.execute(f"DROP INDEX IF EXISTS {quote(f'{name}__{field}')}")
                connection.execute(f"ALTER TABLE {quote(name)} DROP COLUMN {quote(field)}")

    def _convert_column(self, object_name: str, made: Field) -> None:
        """Give the values of a field that gets another type their new form; those that do not fit become blank."""
        kind = self.schema.find(object_name)
        old = kind.find(made.name) if kind else None
        if kind is None or old is None or old.type == made.type or not (has_column(old) and has_column(made)):
            return
        table, column, fresh = quote(kind.name), quote(old.name), quote(f"{old.name} new")
        rows = self._writer.execute(f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()  # noqa: S608
        values, errors = convert_column(made, [as_text(old, value) for _, value in rows], source="rest")
        changed = [(None if n in errors else values[n], place) for n, (place, _) in enumerate(rows)]
        blank = 0 if made.type == "boolean" else None
        self._writer.execute(f"DROP INDEX IF EXISTS {quote(f'{kind.name}__{old.name}')}")
        self._writer.execute(f"ALTER TABLE {table} ADD COLUMN {column_sql(replace(made, name=f'{old.name} new'))}")
        self._writer.executemany(
            f"UPDATE {table} SET {fresh} = ? WHERE rowid = ?",  # noqa: S608
            [(blank if value is None else value, place) for value, place in changed],
        )
        self._writer.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        self._writer.execute(f"ALTER TABLE {table} RENAME COLUMN {fresh} TO {column}")

    def read(self) -> sqlite3.Connection:
        """This thread's read-only connection; inside `write()` of the same thread, the writing one (it sees its changes)."""
        if getattr(self._local, "writing", False):
            return self._writer
        if getattr(self._local, "generation", None) != self.generation:
            self._open_reader()
        return self._local.reader

    def _open_reader(self) -> None:
        """A fresh reader for this thread: its first one, or after a reset replaced the file."""
        with self._readers_lock:  # not while a reset swaps the file
            reader = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
            reader.execute("PRAGMA cache_size=-32768")
            reader.execute("PRAGMA temp_store=MEMORY")
            # the write-ahead log is opened by name at the first read, and must be the one of this generation
            reader.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            self._local.generation, self._local.reader = self.generation, reader
            self._local.held = Held(reader)
            self._readers.add(self._local.held)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction on the one writing connection; rolled back when the block raises. Nested blocks are savepoints."""
        with self._lock:
            name = f"level_{self._depth}"
            self._writer.execute(f"SAVEPOINT {name}" if self._depth else "BEGIN IMMEDIATE")
            self.transaction += self._depth == 0
            self._depth += 1
            self._local.writing = True
            try:
                yield self._writer
            except BaseException:
                self._sequences.clear()
                self._end(f"ROLLBACK TO {name}", f"RELEASE {name}") if self._depth > 1 else self._end("ROLLBACK")
                raise
            else:
                self._end(f"RELEASE {name}" if self._depth > 1 else "COMMIT")
                if self._depth == 0:
                    for each in self.committed:
                        each()

    def _end(self, *statements: str) -> None:
        """Leave one level of writing."""
        self._depth -= 1
        self._local.writing = self._depth > 0
        for statement in statements:
            self._writer.execute(statement)

    def next_ids(self, object_name: str, count: int) -> list[str]:
        """`count` fresh 18-character ids of an object. Call inside `write()`; numbers are never used twice."""
        kind = self.schema.objects[object_name.lower()]
        start = self.next_numbers(kind.name, count)
        return ids.make_ids(kind.key_prefix, self.instance, start, count)

    def next_numbers(self, name: str, count: int) -> int:
        """Take `count` numbers of a named sequence (object name, or Object.Field for auto-numbers); the first one."""
        if name not in self._sequences:
            row = self._writer.execute("SELECT next FROM _sequence WHERE object = ?", (name,)).fetchone()
            self._sequences[name] = row[0] if row else 1
        start = self._sequences[name]
        self._sequences[name] = start + count
        self._writer.execute("INSERT OR REPLACE INTO _sequence VALUES (?, ?)", (name, start + count))
        return start

    def insert(self, object_name: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Store ready rows (encoded values, the same keys in each) without any rule; for seeding."""
        if not rows:
            return
        names = list(rows[0])
        columns, marks = ", ".join(map(quote, names)), ", ".join(f":{each}" for each in names)
        with self.write() as connection:
            connection.executemany(f"INSERT INTO {quote(object_name)} ({columns}) VALUES ({marks})", rows)  # noqa: S608

    def get_meta(self, name: str) -> str | None:
        """A named text of the org's own (settings, info, deployed metadata), or None."""
        row = self.read().execute("SELECT body FROM _meta WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_meta(self, name: str, body: str) -> None:
        """Keep a named text."""
        with self.write() as connection:
            connection.execute("INSERT OR REPLACE INTO _meta VALUES (?, ?)", (name, body))

    def keep_pristine(self) -> None:
        """Remember the present content as what `reset()` returns to."""
        with self._lock:
            self._writer.execute("ANALYZE")
            for _ in range(CHECKPOINT_TRIES):
                if self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0:
                    break
                time.sleep(0.05)  # a reader is still busy with the log
            else:
                raise RuntimeError("The demo org's file is busy: its readers did not finish")
            shutil.copyfile(self.path, self.pristine.with_suffix(".fresh"))
            os.replace(self.pristine.with_suffix(".fresh"), self.pristine)

    def reset(self) -> None:
        """Return to the pristine content. Readers that are busy finish on the old file; everyone else sees the new one."""
        with self._lock:
            fresh = self.path.with_suffix(".fresh")
            shutil.copyfile(self.pristine, fresh)
            with self._readers_lock:
                self._writer.close()
                for suffix in ("-wal", "-shm"):
                    Path(f"{self.path}{suffix}").unlink(missing_ok=True)
                os.replace(fresh, self.path)
                self._sequences.clear()
                self._writer = self._open_writer()
                self.generation += 1

    def close(self) -> None:
        """Fold the write-ahead log into the file and close everything."""
        with self._lock, self._readers_lock:
            for each in list(self._readers):
                each.connection.close()
            self._readers.clear()
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._writer.close()
