"""What waits to be done after a save: runs of flows and outbound messages, kept in the data file by the save's own transaction.

So nothing is lost when the process dies, and nothing is done for a save that was rolled back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    import sqlite3

RUN, MESSAGE = "run", "message"


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to do. `due` is epoch seconds of the org's clock."""

    number: int
    kind: str
    due: float
    attempts: int
    body: dict[str, Any]
    problem: str


def add_jobs(connection: "sqlite3.Connection", jobs: Iterable[tuple[str, float, dict[str, Any]]]) -> int:
    """Write down (kind, due, body) of each; how many. Belongs to the transaction of the connection."""
    rows = [(kind, due, orjson.dumps(body).decode()) for kind, due, body in jobs]
    connection.executemany("INSERT INTO _automation (kind, due, body) VALUES (?, ?, ?)", rows)
    return len(rows)


def due_jobs(connection: "sqlite3.Connection", now: float, *, without: Iterable[int], limit: int) -> list[Job]:
    """The jobs that are due and not in hand, oldest first."""
    taken = orjson.dumps(list(without)).decode()
    sql = """SELECT number, kind, due, attempts, body, problem FROM _automation
        WHERE due <= ? AND number NOT IN (SELECT value FROM json_each(?)) ORDER BY number LIMIT ?"""
    return [_job(row) for row in connection.execute(sql, (now, taken, limit))]


def all_jobs(connection: "sqlite3.Connection", *, limit: int = 1_000) -> list[Job]:
    """What waits, oldest first."""
    sql = "SELECT number, kind, due, attempts, body, problem FROM _automation ORDER BY number LIMIT ?"
    return [_job(row) for row in connection.execute(sql, (limit,))]


def _job(row: tuple[Any, ...]) -> Job:
    return Job(row[0], row[1], row[2], row[3], orjson.loads(row[4]), row[5])


def next_due(connection: "sqlite3.Connection", *, without: Iterable[int]) -> float | None:
    """When the next job is due, or None."""
    sql = "SELECT MIN(due) FROM _automation WHERE number NOT IN (SELECT value FROM json_each(?))"
    return connection.execute(sql, (orjson.dumps(list(without)).decode(),)).fetchone()[0]


def finish(connection: "sqlite3.Connection", number: int) -> None:
    """A job that is done, or given up."""
    connection.execute("DELETE FROM _automation WHERE number = ?", (number,))


def postpone(connection: "sqlite3.Connection", number: int, *, due: float, problem: str) -> None:
    """A message that was not acknowledged: again later."""
    sql = "UPDATE _automation SET due = ?, attempts = attempts + 1, problem = ? WHERE number = ?"
    connection.execute(sql, (due, problem[:300], number))
