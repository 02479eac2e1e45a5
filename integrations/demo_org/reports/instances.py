"""Asynchronous runs: New, Running, then Success or Error; results are kept for a day of the org's clock."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations.demo_org import ids
from integrations.demo_org.errors import ApiError

KEPT = timedelta(hours=24)
MOST_LISTED = 2000
NEW_SHARE = 0.3
NUMBERS = 62**7


@dataclass
class Instance:
    """One asynchronous run. `compute` makes the result when it is due; its ApiError makes the run an Error."""

    id: str
    report_id: str
    owner_id: str
    requested: datetime
    seconds: float
    details: bool
    compute: Callable[[], dict[str, Any]]
    result: dict[str, Any] | None = None
    error: str | None = None
    done: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def status(self, now: datetime) -> str:
        """New, Running, Success or Error at that moment. A due run is computed by the first who asks."""
        elapsed = (now - self.requested).total_seconds()
        if not self.done and elapsed < self.seconds:
            return "New" if elapsed < self.seconds * NEW_SHARE else "Running"
        self._finish()
        return "Error" if self.error is not None else "Success"

    def _finish(self) -> None:
        with self.lock:
            if self.done:
                return
            try:
                self.result = self.compute()
            except ApiError as problem:
                self.error = problem.message
            self.done = True

    @property
    def completed(self) -> datetime:
        """When it ended."""
        return self.requested + timedelta(seconds=self.seconds)


class Instances:
    """All asynchronous runs of an org. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: dict[str, Instance] = {}

    def add(
        self, report_id: str, owner_id: str, *, now: datetime, seconds: float, details: bool, instance: str,
        compute: Callable[[], dict[str, Any]],
    ) -> Instance:  # fmt: skip
        """Start a run."""
        name = ids.make_ids("0LG", instance, secrets.randbelow(NUMBERS), 1)[0]
        made = Instance(name, report_id, owner_id, now, seconds, details, compute)
        with self._lock:
            self._all = {key: each for key, each in self._all.items() if now - each.requested <= KEPT}
            self._all[name] = made
        return made

    def find(self, report_id: str, name: str, now: datetime) -> Instance | None:
        """A run that is still kept."""
        with self._lock:
            found = self._all.get(name)
        return found if found and found.report_id == report_id and now - found.requested <= KEPT else None

    def of_report(self, report_id: str, now: datetime) -> list[Instance]:
        """The runs of a report, newest first, at most 2,000."""
        with self._lock:
            mine = [each for each in self._all.values() if each.report_id == report_id and now - each.requested <= KEPT]
        return sorted(mine, key=lambda each: each.requested, reverse=True)[:MOST_LISTED]

    def remove(self, name: str) -> None:
        """Forget a run."""
        with self._lock:
            self._all.pop(name, None)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._all.clear()
