"""The org's clock: real time, or a time that the control plane set; and the stamps that writes carry."""

import threading
from datetime import UTC, datetime, timedelta


def to_text(moment: datetime) -> str:
    """The stored form of an instant: 2021-12-03T17:59:20.000Z, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def from_text(text: str) -> datetime:
    """The aware UTC instant of a stored datetime."""
    return datetime.fromisoformat(text[:19] + "+00:00")


class Clock:
    """Time as this org sees it. Moved time keeps running unless it was frozen."""

    def __init__(self) -> None:
        self._offset = timedelta(0)
        self._frozen: datetime | None = None
        self._last = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        return self._frozen or datetime.now(UTC) + self._offset

    def stamp(self) -> str:
        """A SystemModstamp: whole seconds, never earlier than the one before (unless the clock was moved back)."""
        with self._lock:
            self._last = max(self._last, self.now().replace(microsecond=0))
            return to_text(self._last)

    def set(self, moment: datetime, *, frozen: bool = False) -> None:
        """Let it be `moment` now; time runs on from there, or stands still when `frozen`."""
        with self._lock:
            self._offset = moment - datetime.now(UTC)
            self._frozen = moment if frozen else None
            self._last = datetime.min.replace(tzinfo=UTC)

    def advance(self, seconds: float) -> None:
        """Move forward (or back) by `seconds` of real or frozen time."""
        self.set(self.now() + timedelta(seconds=seconds), frozen=self._frozen is not None)

    def use_real(self) -> None:
        """Back to the machine's own time."""
        with self._lock:
            self._offset, self._frozen = timedelta(0), None
            self._last = datetime.min.replace(tzinfo=UTC)
