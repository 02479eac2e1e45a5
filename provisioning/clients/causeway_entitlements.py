"""Causeway entitlements for Python programs: ask locally, refresh in the background, never stand still.

One file, standard library only, Python 3.9 and newer; copy it into your program.

    from causeway_entitlements import Entitlements

    entitlements = Entitlements("https://causeway.example.com", api_key="...", fallbacks={"feature-sso": True})
    if entitlements.check("acme", "feature-sso"):
        ...
    entitlements.report("acme", "feature-calls", 3)         # buffered, sent in the background, counted once
    if entitlements.consume("acme", "feature-exports"):     # asks the server: never more than was sold
        ...
    entitlements.close()

`check` answers from memory. The first question about a customer asks the server, at most `timeout` seconds; after that a thread
asks again every `refresh` seconds whether anything changed (ETag). When the server cannot be reached, the last known answer
stays for `max_stale` seconds; then, and for what was never known, the configured fallback answers and says so (`is_fallback`).
"""

from __future__ import annotations

import atexit
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import OrderedDict, deque
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Callable, Iterable, Mapping, NamedTuple

__all__ = ["Check", "Entitlements", "EntitlementsError"]
VERSION = "1"
BATCH = 500  # usage reports a call
MOST_BYTES = 5_000_000  # of an answer
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds between tries of the sender


class EntitlementsError(Exception):
    """The server refused: `code` is stable, `status` is the HTTP status, 0 when it was not reached."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class Check(NamedTuple):
    """An answer; true in a condition when access is granted."""

    granted: bool
    reason: str = ""
    unlimited: bool = False
    limit: Decimal | None = None
    usage: Decimal | None = None
    soft: bool = False
    window_end: str | None = None
    is_fallback: bool = False
    is_stale: bool = False
    data: Mapping[str, Any] = {}

    def __bool__(self) -> bool:
        return self.granted

    @property
    def remaining(self) -> Decimal | None:
        """What is left; None when nothing limits it."""
        if self.unlimited or self.limit is None:
            return None
        return max(self.limit - (self.usage or 0), Decimal(0))


class _Known:
    """What is known of one customer."""

    __slots__ = ("answers", "asked", "etag", "fetched", "found", "pending")

    def __init__(self, answers: dict[str, Check], etag: str, fetched: float, found: bool) -> None:
        self.answers, self.etag, self.fetched, self.asked, self.found = answers, etag, fetched, fetched, found
        self.pending: dict[str, Decimal] = {}  # reported here, not yet in the server's answers


class Entitlements:
    """A client for one installation; make one for each process and share it between threads."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        fallbacks: Mapping[str, bool] | None = None,
        refresh: float = 30.0,
        timeout: float = 2.0,
        max_stale: float = 24 * 3600.0,
        max_customers: int = 10_000,
        max_buffered: int = 100_000,
        on_error: Callable[[Exception], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fallbacks`: granted or not by feature, when nothing is known; without one: not granted. Times are seconds."""
        if not base_url.startswith(("https://", "http://")):
            raise ValueError("base_url starts with https:// (or http:// on your own machine).")
        self._api = base_url.rstrip("/") + "/api/v1/"
        self._headers = {
            "Authorization": "Api-Key " + api_key,
            "Accept": "application/json",
            "User-Agent": "causeway-python/" + VERSION,
        }
        self.fallbacks = dict(fallbacks or {})
        self.refresh, self.timeout, self.max_stale = refresh, timeout, max_stale
        self.max_customers, self.max_buffered = max_customers, max_buffered
        self.dropped = 0  # reports that did not fit into the buffer
        self._on_error = on_error
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()
        self._buffer: deque[dict[str, Any]] = deque()
        self._sending = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        atexit.register(self.close)

    # --- asking ---------------------------------------------------------------------------------------------------------------

    def check(self, customer: str, feature: str, requested: Any = None) -> Check:
        """Whether `customer` may use `feature`, and so much of it when `requested` is given. Never raises for the network."""
        known = self._known.get(customer)
        if known is None:
            known = self._first(customer)
            if known is None:
                return self._fallback(feature, "unreachable")
        now = self._clock()
        known.asked = now
        if now - known.fetched > self.max_stale:
            return self._fallback(feature, "stale")
        answer = known.answers.get(feature)
        if answer is None:
            return self._fallback(feature, "feature_not_found" if known.found else "customer_not_found")
        if requested is None and not known.pending:
            return answer if now - known.fetched <= 3 * self.refresh else answer._replace(is_stale=True)
        return self._weigh(known, feature, answer, requested, now)

    def _weigh(self, known: _Known, feature: str, answer: Check, requested: Any, now: float) -> Check:
        """The answer with what was reported here since, and for an amount."""
        stale = now - known.fetched > 3 * self.refresh
        amount = _number(requested) if requested is not None else None
        if answer.limit is None or answer.unlimited or answer.usage is None:
            if amount is not None and answer.limit is not None and not answer.unlimited and not answer.soft and answer.granted:
                fits = amount <= answer.limit
                return answer._replace(granted=fits, reason="" if fits else "limit_exceeded", is_stale=stale)
            return answer._replace(is_stale=stale)
        usage = answer.usage + known.pending.get(feature, 0)
        if not answer.granted and answer.reason != "limit_exceeded":
            return answer._replace(usage=usage, is_stale=stale)
        fits = answer.soft or (usage < answer.limit if amount is None else usage + amount <= answer.limit)
        return answer._replace(granted=fits, reason="" if fits else "limit_exceeded", usage=usage, is_stale=stale)

    def list(self, customer: str) -> dict[str, Check]:
        """All that is known of a customer, by feature; {} when nothing is."""
        known = self._known.get(customer) or self._first(customer)
        return dict(known.answers) if known else {}

    def warm(self, customers: Iterable[str]) -> int:
        """Ask for these customers now, so that their first check is local; how many answered."""
        return sum(self._first(each) is not None for each in customers)

    def _fallback(self, feature: str, reason: str) -> Check:
        granted = self.fallbacks.get(feature)
        return Check(
            bool(granted), "" if granted else reason, is_fallback=granted is not None or reason in ("unreachable", "stale")
        )

    # --- using ----------------------------------------------------------------------------------------------------------------

    def consume(self, customer: str, feature: str, amount: Any = 1, *, key: str | None = None) -> Check:
        """Check and count in one step on the server, so that two callers never take the last unit both.

        EntitlementsError when the server is not reached or refuses: nothing is guessed. Safe to repeat with the same `key`.
        """
        body = {
            "customer": customer,
            "feature": feature,
            "amount": str(_number(amount)),
            "idempotency_key": key or str(uuid.uuid4()),
        }
        answer = self._call("POST", "entitlements/consume/", body)[1]
        return _check(answer)

    def report(
        self,
        customer: str,
        feature: str,
        amount: Any,
        *,
        action: str = "delta",
        at: datetime | None = None,
        key: str | None = None,
    ) -> bool:
        """Put a report of usage into the buffer; False when it is full (counted in `dropped`). Sent in the background."""
        if action not in ("delta", "set"):
            raise ValueError("action is delta or set.")
        number = _number(amount)
        report = {
            "customer": customer,
            "feature": feature,
            "amount": str(number),
            "action": action,
            "at": (at or datetime.now(timezone.utc)).isoformat(),
            "idempotency_key": key or str(uuid.uuid4()),
        }
        with self._lock:
            if len(self._buffer) >= self.max_buffered:
                self.dropped += 1
                return False
            self._buffer.append(report)
            known = self._known.get(customer)
            if known is not None and action == "delta":
                known.pending[feature] = known.pending.get(feature, Decimal(0)) + number
        self._start()
        if len(self._buffer) >= BATCH:
            self._wake.set()
        return True

    def flush(self, deadline: float = 10.0) -> bool:
        """Send what is buffered; whether all of it arrived within `deadline` seconds."""
        ends, wait = self._clock() + deadline, FIRST_WAIT
        while self._buffer:
            try:
                self._send_some()
                wait = FIRST_WAIT
            except EntitlementsError as error:
                self._tell(error)
                if self._clock() + wait >= ends:
                    break
                time.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
            if self._clock() >= ends:
                break
        return not self._buffer

    def close(self, deadline: float = 5.0) -> None:
        """Send the rest and stop the thread."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        self.flush(deadline)
        atexit.unregister(self.close)

    def _send_some(self) -> None:
        """One batch; it leaves the buffer only when the server took it. Refused reports are dropped and told."""
        with self._sending:
            with self._lock:
                batch = [self._buffer[index] for index in range(min(BATCH, len(self._buffer)))]
            if not batch:
                return
            try:
                answer = self._call("POST", "usage/", {"reports": batch})[1]
            except EntitlementsError as error:
                if error.status not in (400, 404, 409, 413, 422):
                    raise
                answer = {"results": []}
                self._tell(error)
            for row in answer.get("results") or []:
                if row.get("status") == "failed":
                    self._tell(
                        EntitlementsError(
                            str(row.get("code", "refused")), str(row.get("message", "A report was refused.")), 422
                        )
                    )
            with self._lock:
                for each in batch:
                    self._buffer.popleft()
                    known = self._known.get(each["customer"])
                    if known is not None:
                        known.etag = ""  # the next refresh brings the counted usage

    # --- the thread -----------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._work, name="causeway-entitlements", daemon=True)
                    self._thread.start()

    def _work(self) -> None:
        wait = min(1.0, self.refresh)
        while not self._closed:
            self._wake.wait(wait)
            self._wake.clear()
            try:
                while self._buffer and not self._closed:
                    self._send_some()
                self._refresh_due()
                wait = min(1.0, self.refresh)
            except EntitlementsError as error:
                self._tell(error)
                wait = min(max(wait, FIRST_WAIT) * 2, LONGEST_WAIT)
            except Exception as error:  # the thread must live
                self._tell(error)

    def _refresh_due(self) -> None:
        now = self._clock()
        with self._lock:
            due = [
                (name, known) for name, known in self._known.items() if now - known.fetched >= self.refresh or not known.etag
            ]
            for name, known in due:
                if now - known.asked > 20 * self.refresh:  # nobody asks for it any more
                    self._known.pop(name, None)
        for name, known in due:
            if self._closed or name not in self._known:
                continue
            self._fetch(name, known)

    def _first(self, customer: str) -> _Known | None:
        try:
            known = self._fetch(customer, None)
        except EntitlementsError as error:
            self._tell(error)
            return None
        self._start()
        return known

    def _fetch(self, customer: str, known: _Known | None) -> _Known | None:
        """Ask the server for a customer; keeps what is known when nothing changed."""
        headers = {"If-None-Match": known.etag} if known is not None and known.etag else {}
        path = "entitlements/?" + urllib.parse.urlencode({"customer": customer})
        buffered = self._reports_of(customer)
        try:
            etag, answer = self._call("GET", path, headers=headers)
        except EntitlementsError as error:
            if error.status != 404:
                raise
            etag, answer = "missing", {"entitlements": None}
        now = self._clock()
        if answer is None and known is not None:
            known.fetched = now
            return known
        rows = (answer or {}).get("entitlements")
        fresh = _Known({row["feature"]: _check(row) for row in rows or []}, etag, now, rows is not None)
        fresh.pending = buffered
        if known is not None:
            fresh.asked = known.asked
        with self._lock:
            self._known[customer] = fresh
            self._known.move_to_end(customer)
            while len(self._known) > self.max_customers:
                self._known.popitem(last=False)
        return fresh

    def _reports_of(self, customer: str) -> dict[str, Decimal]:
        """What is still buffered of a customer: the server's next answer does not contain it."""
        found: dict[str, Decimal] = {}
        with self._lock:
            for each in self._buffer:
                if each["customer"] == customer and each["action"] == "delta":
                    found[each["feature"]] = found.get(each["feature"], Decimal(0)) + Decimal(each["amount"])
        return found

    # --- the wire -------------------------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> tuple[str, Any]:
        """(ETag, answer) of a call; the answer is None when nothing changed (304)."""
        data = json.dumps(body).encode() if body is not None else None
        sent = {**self._headers, **(headers or {}), **({"Content-Type": "application/json"} if data else {})}
        request = urllib.request.Request(self._api + path, data=data, headers=sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                return answer.headers.get("ETag", ""), json.loads(answer.read(MOST_BYTES) or b"null")
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 304:
                    return error.headers.get("ETag", ""), None
                raise _refusal(error.code, error.read(MOST_BYTES)) from None
        except (OSError, ValueError) as error:
            raise EntitlementsError("unreachable", "The server was not reached: " + type(error).__name__) from error

    def _tell(self, error: Exception) -> None:
        if self._on_error is not None:
            try:
                self._on_error(error)
            except Exception:  # the caller's own mistake must not stop the thread
                return


def _refusal(status: int, body: bytes) -> EntitlementsError:
    try:
        told = json.loads(body)["error"]
        return EntitlementsError(str(told["code"]), str(told["message"]), status)
    except (ValueError, KeyError, TypeError):
        return EntitlementsError("http_" + str(status), "The server answered " + str(status) + ".", status)


def _check(row: Mapping[str, Any]) -> Check:
    return Check(
        bool(row.get("granted")),
        row.get("reason") or "",
        bool(row.get("unlimited")),
        _optional(row.get("limit")),
        _optional(row.get("usage")),
        bool(row.get("soft")),
        row.get("window_end"),
        bool(row.get("fallback")),
        False,
        row,
    )


def _optional(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _number(value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("amount is a number, not " + repr(value)) from None
    if not number.is_finite():
        raise ValueError("amount is a finite number.")
    return number
