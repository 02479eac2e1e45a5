"""Rows on their way into the store: buffered per table, written by `executemany`, indexes made last when there are many."""

import sqlite3
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from integrations.demo_org.schema.types import ObjectType
from integrations.demo_org.store import index_sql, is_indexed, quote

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

ID_BLOCK = 250
BUFFER = 4000
AUDIT = ("CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp")


class Table:
    """One object's rows: a fixed list of columns, rows as tuples in that order, the Id first."""

    def __init__(self, loader: "Loader", name: str, columns: Sequence[str]) -> None:
        self.loader, self.name, self.columns = loader, name, tuple(columns)
        names = ", ".join(quote(each) for each in columns)
        marks = ", ".join("?" * len(columns))
        self.sql = f"INSERT INTO {quote(name)} ({names}) VALUES ({marks})"  # noqa: S608
        self.rows: list[tuple] = []
        self.count = 0
        self._ids: deque[str] = deque()

    def next_id(self) -> str:
        """A fresh id of this object."""
        if not self._ids:
            self._ids.extend(self.loader.org.store.next_ids(self.name, ID_BLOCK))
        return self._ids.popleft()

    def add(self, row: tuple) -> None:
        """One row, written when enough have come together."""
        self.rows.append(row)
        if len(self.rows) >= BUFFER:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered."""
        self.loader.connection.executemany(self.sql, self.rows)
        self.count += len(self.rows)
        self.rows = []


class Loader:
    """Writes rows inside one transaction. Create it within `with org.store.write() as connection`."""

    def __init__(self, org: "DemoOrg", connection: sqlite3.Connection) -> None:
        self.org, self.connection = org, connection
        self.tables: dict[str, Table] = {}
        self.gone: list[tuple[str, str, str, str]] = []

    def table(self, name: str, columns: str) -> Table:
        """The table of an object, with the blank-separated columns that will be given for each row.

        `Id` comes first by itself; `*` stands for the five audit columns.
        """
        if name not in self.tables:
            names = [part for each in columns.split() for part in (AUDIT if each == "*" else (each,))]
            self.tables[name] = Table(self, name, ["Id", *names])
        return self.tables[name]

    def flush(self) -> None:
        """Write all buffers."""
        for each in self.tables.values():
            each.flush()
        self.connection.executemany("INSERT OR REPLACE INTO _deleted (id, object, at, root) VALUES (?, ?, ?, ?)", self.gone)
        self.gone = []

    def deleted(self, record_id: str, object_name: str, at: str, root: str | None = None) -> None:
        """Note that a row lies in the recycle bin since `at`; `root` is the record whose deletion took it along."""
        self.gone.append((record_id, object_name, at, root or record_id))

    def count(self) -> int:
        """How many rows were added."""
        return sum(each.count + len(each.rows) for each in self.tables.values())

    def drop_indexes(self) -> None:
        """Take the indexes of all objects away; loading into a table without them is several times as quick."""
        for kind, field in self._indexed():
            self.connection.execute(f"DROP INDEX IF EXISTS {quote(f'{kind.name}__{field}')}")

    def make_indexes(self) -> None:
        """Create what `drop_indexes` took away."""
        for kind, field in self._indexed():
            found = kind.find(field)
            if found:
                self.connection.execute(index_sql(kind.name, found))

    def _indexed(self) -> list[tuple[ObjectType, str]]:
        kinds = self.org.schema.objects.values()
        return [(kind, field.name) for kind in kinds for field in kind.fields if is_indexed(field)]
