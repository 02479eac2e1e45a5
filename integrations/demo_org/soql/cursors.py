"""Query locators: the remembered order of records of a query that did not fit one page.

A cursor keeps record ids, not rows: pages show the values of the moment they are read, in an order that does not change.
"""

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations.demo_org import ids
from integrations.demo_org.errors import ApiError
from integrations.demo_org.soql.compiled import CompiledQuery

LIFE = timedelta(days=2)
MOST_BYTES = 512 * 1024 * 1024
MOST_PER_USER = 50
ID_LENGTH = 18
NUMBERS = 62**7


@dataclass(frozen=True)
class Cursor:
    """The ids of a result, 18 characters each without separator. `generation` is the store's: a reset ends all cursors."""

    compiled: CompiledQuery
    listed: str
    user_id: str
    opened: datetime
    generation: int
    page_size: int

    @property
    def total(self) -> int:
        """How many records."""
        return len(self.listed) // ID_LENGTH

    def part(self, offset: int, size: int) -> list[str]:
        """The ids from record `offset` on."""
        end = min(self.total, offset + size)
        return [self.listed[k * ID_LENGTH : (k + 1) * ID_LENGTH] for k in range(offset, end)]


class Cursors:
    """All open cursors of an org, oldest thrown out first. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Cursor] = OrderedDict()
        self._bytes = 0

    def add(self, cursor: Cursor, *, instance: str) -> str:
        """Keep a cursor; its name (01g...) without offset."""
        name = ids.make_ids("01g", instance, secrets.randbelow(NUMBERS), 1)[0]
        with self._lock:
            self._open[name] = cursor
            self._bytes += len(cursor.listed)
            mine = [key for key, each in self._open.items() if each.user_id == cursor.user_id]
            for key in mine[:-MOST_PER_USER]:
                self._drop(key)
            while self._bytes > MOST_BYTES and len(self._open) > 1:
                self._drop(next(iter(self._open)))
        return name

    def clear(self) -> int:
        """Forget all cursors; how many there were."""
        with self._lock:
            count, self._bytes = len(self._open), 0
            self._open.clear()
        return count

    def _drop(self, name: str) -> None:
        self._bytes -= len(self._open.pop(name).listed)

    def find(self, locator: str, *, user_id: str, now: datetime, generation: int) -> tuple[Cursor, str, int]:
        """The cursor, its name and the offset of `01g...-2000`. ApiError INVALID_QUERY_LOCATOR when it is not open."""
        name, _, offset = locator.partition("-")
        with self._lock:
            cursor = self._open.get(name)
            if cursor and (now - cursor.opened > LIFE or cursor.generation != generation):
                self._drop(name)
                cursor = None
        if cursor is None or cursor.user_id != user_id or not offset.isdigit() or int(offset) > cursor.total:
            raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return cursor, name, int(offset)
