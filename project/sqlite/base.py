"""Turns at SQLite's write lock.

SQLite's own wait sleeps 1, 2, 5, 10 … up to 100 ms between its looks: who has waited longest looks least often, and a lock that
is taken again and again is found taken each time. Here waiting is ours, looks a few milliseconds apart, until the `timeout`
(seconds) of the database's OPTIONS. All waiters must look in the same way, else the slow lookers starve.
"""

import itertools
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.db.backends.sqlite3 import base

T = TypeVar("T")
LOOKS = (0.001, 0.001, *[0.003] * 20, 0.001)  # seconds between looks; the last one goes on: who waited long looks more often
DEFAULT_TIMEOUT = 5.0  # seconds; as of sqlite3.connect
STALE = sqlite3.SQLITE_BUSY_SNAPSHOT  # a reader that wants to write on what changed since: waiting never helps


class DatabaseWrapper(base.DatabaseWrapper):
    """Connections whose statements wait in short steps for their turn."""

    @property
    def patience(self) -> float:
        """Seconds that a statement waits at most."""
        return float(self.settings_dict["OPTIONS"].get("timeout", DEFAULT_TIMEOUT))

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Set up with SQLite's own waiting (the first connection makes the WAL), then switched to ours."""
        connection = super().get_new_connection(conn_params)
        wait_inside(connection, 0)
        return connection

    def create_cursor(self, name: str | None = None) -> "Cursor":
        """Django's cursor, which waits as described above."""
        cursor = self.connection.cursor(factory=Cursor)
        cursor.patience = self.patience
        return cursor


class Cursor(base.SQLiteCursorWrapper):
    """A statement that SQLite refuses as busy had no effect, so it may be sent again."""

    patience: float

    def execute(self, query: str, params: Any = None) -> Any:
        """One statement."""
        return patiently(lambda: super(Cursor, self).execute(query, params), self.patience)

    def executemany(self, query: str, param_list: Any) -> Any:
        """Outside of a transaction each row is a statement of its own, and those before the busy one stand: SQLite waits."""
        if self.connection.in_transaction:
            return super().executemany(query, param_list)
        wait_inside(self.connection, self.patience)
        try:
            return super().executemany(query, param_list)
        finally:
            wait_inside(self.connection, 0)


def patiently(work: Callable[[], T], patience: float) -> T:
    """`work()`, again and again while the database is busy, for so many seconds."""
    deadline: float | None = None
    for pause in _pauses():
        try:
            return work()
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            now = time.monotonic()
            deadline = now + patience if deadline is None else deadline
            if now >= deadline:
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
    raise AssertionError("unreachable")


def wait_inside(connection: Any, seconds: float) -> None:
    """How long SQLite itself waits."""
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _is_busy(error: sqlite3.OperationalError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY and code != STALE


def _pauses() -> Iterator[float]:
    return itertools.chain(LOOKS, itertools.repeat(LOOKS[-1]))
