"""Many at once on real connections: on PostgreSQL as it is, on SQLite on a copy of the test's database in a file."""

import threading
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

from django.db import connection, connections

MOST_CONNECTIONS = 40


def _result(work: Callable[[int], object], number: int) -> object:
    try:
        return work(number)
    except Exception as error:  # noqa: BLE001 - shown by the test
        return error


class Crowd:
    """Threads with connections of their own to one database that holds what the test wrote so far."""

    def __init__(self, folder: Path) -> None:
        self.file = None
        if connection.vendor == "sqlite":
            self.file = folder / "crowd.sqlite3"
            with connection.cursor() as cursor:
                cursor.execute("VACUUM INTO %s", [str(self.file)])

    def together(self, work: Callable[[int], object], n: int) -> list[object]:
        """Results of n calls in their order, from threads that begin in the same moment; an exception is a result too.

        A PostgreSQL server takes 100 connections, some of them are others': there at most `MOST_CONNECTIONS` threads share the calls.
        """
        threads_wanted = n if self.file is not None else min(n, MOST_CONNECTIONS)
        barrier = threading.Barrier(threads_wanted)
        results: list[object] = [None] * n

        def one(first: int) -> None:
            if self.file is not None:
                own = connections.create_connection("default")
                own.settings_dict = {**deepcopy(own.settings_dict), "NAME": str(self.file)}
                connections["default"] = own
            try:
                barrier.wait(60)
                for number in range(first, n, threads_wanted):
                    results[number] = _result(work, number)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=one, args=(number,)) for number in range(threads_wanted)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        return results

    def ask(self, question: Callable[[], object]) -> object:
        """The answer of the database that the threads wrote to."""
        return self.together(lambda number: question(), 1)[0]
