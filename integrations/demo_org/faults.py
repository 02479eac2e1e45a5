"""Faults on order: the next n matching requests answer as the control plane said."""

import re
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

ACTIONS = frozenset({"", "expire_token", "close", "lock_row", "daily_limit", "concurrent_limit", "maintenance"})


@dataclass
class Fault:
    """One order. `path` and `body` are regular expressions that must be found; `method` is exact.

    `status`, `headers` and `body` answer instead of the org (status 0 = the real answer, only late, cut or with these headers
    instead of its own); `delay` in seconds; `cut` = bytes of the body that are sent before the connection closes; `after` =
    matching requests let through first. Actions: expire_token (ends the caller's session: 401), close (no answer at all),
    lock_row (the next rows saved fail), daily_limit, concurrent_limit, maintenance (503 with an HTML page).
    """

    path: str = ""
    method: str = ""
    match_body: str = ""
    times: int = 1
    after: int = 0
    status: int = 0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    cut: int | None = None
    action: str = ""

    def fits(self, method: str, path: str, body: bytes) -> bool:
        """Whether a request is meant. `path` includes the query string."""
        if self.method and self.method.upper() != method:
            return False
        if self.path and not re.search(self.path, path):
            return False
        return not self.match_body or re.search(self.match_body, body.decode("utf-8", "replace")) is not None


class Faults:
    """All open orders, oldest first."""

    def __init__(self) -> None:
        self._open: list[Fault] = []
        self._lock = threading.Lock()

    def order(self, wanted: dict[str, Any]) -> Fault:
        """Accept an order as the control plane's body states it. ValueError if it makes no sense."""
        match = wanted.get("match") or {}
        action = wanted.get("action") or ""
        if action not in ACTIONS:
            raise ValueError(f"There is no action {action}. Known: {', '.join(sorted(ACTIONS - {''}))}")
        fault = Fault(
            path=match.get("path", ""),
            method=match.get("method", ""),
            match_body=match.get("body", ""),
            times=int(wanted.get("times", 1)),
            after=int(wanted.get("after", 0)),
            status=int(wanted.get("status", 0)),
            body=wanted.get("body"),
            headers=dict(wanted.get("headers") or {}),
            delay=float(wanted.get("delay", 0)),
            cut=wanted.get("cut"),
            action=action,
        )
        for pattern in (fault.path, fault.match_body):
            try:
                re.compile(pattern)
            except re.error as problem:
                raise ValueError(f"Not a regular expression: {pattern}") from problem
        with self._lock:
            self._open.append(fault)
        return fault

    def take(self, method: str, path: str, body: bytes) -> Fault | None:
        """The order for this request, used up by one; None when the request is to be answered normally."""
        if not self._open:
            return None
        with self._lock:
            for fault in self._open:
                if fault.action == "lock_row" or not fault.fits(method, path, body):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    return None
                return self._use(fault)
        return None

    def take_locks(self, object_name: str, rows: int) -> int:
        """How many of the next `rows` rows of an object must fail with a row lock (orders match by object name as path)."""
        if not self._open:
            return 0
        with self._lock:
            for fault in self._open:
                if fault.action == "lock_row" and (not fault.path or re.search(fault.path, object_name)):
                    taken = min(fault.times, rows)
                    fault.times -= taken
                    self._open = [each for each in self._open if each.times > 0]
                    return taken
        return 0

    def _use(self, fault: Fault) -> Fault:
        """Count one use; an order that is used up goes."""
        fault.times -= 1
        if fault.times <= 0:
            self._open.remove(fault)
        return fault

    def rows(self) -> list[dict[str, Any]]:
        """The open orders, for the control plane."""
        with self._lock:
            return [asdict(each) for each in self._open]

    def clear(self) -> None:
        """Forget all orders."""
        with self._lock:
            self._open.clear()
