"""Which records each user used last; kept in memory."""

import threading
from collections import OrderedDict

KEPT = 200


class Recent:
    """The last used records by user."""

    def __init__(self) -> None:
        self._used: dict[str, OrderedDict[str, str]] = {}
        self._lock = threading.Lock()

    def add(self, user_id: str, object_name: str, record_id: str) -> None:
        """The user saw or saved a record."""
        with self._lock:
            used = self._used.setdefault(user_id, OrderedDict())
            used[record_id] = object_name
            used.move_to_end(record_id)
            while len(used) > KEPT:
                used.popitem(last=False)

    def items(self, user_id: str) -> list[tuple[str, str]]:
        """(object, id), newest first."""
        with self._lock:
            return [(object_name, record_id) for record_id, object_name in reversed(self._used.get(user_id, {}).items())]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._used.clear()
