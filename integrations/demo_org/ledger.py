"""What was asked of the org: one line per request."""

import threading
from collections import deque
from typing import Any

KEPT = 50_000


class Ledger:
    """The last requests, oldest first. Safe to use from every thread."""

    def __init__(self) -> None:
        self._rows: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def add(self, *, at: str, method: str, path: str, query: str, status: int, user: str, seconds: float) -> None:
        """Note one answered request. `at` is ISO text in UTC, `status` 0 means the connection was cut without an answer."""
        row = {
            "at": at,
            "method": method,
            "path": path,
            "query": query,
            "status": status,
            "user": user,
            "seconds": round(seconds, 4),
        }
        with self._lock:
            self._rows.append(row)

    def rows(self) -> list[dict[str, Any]]:
        """A copy of all lines."""
        with self._lock:
            return list(self._rows)

    def clear(self) -> None:
        """Forget all lines."""
        with self._lock:
            self._rows.clear()
