"""Result pages of a finished Bulk job: several on the way at once, the next ones coming in while one is landed.

The threads here do HTTP and nothing else. Whatever touches the database (the token, its refresh, the counting of calls, the
heartbeat of the run) is done by the run's own thread between two pages, so that one run has one database connection and a
disconnect stops all of it within seconds (I-17).
"""

import queue
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import urlsplit

from integrations.orgs.connect import OrgClient
from integrations.salesforce.bulk import Job, RawPage, fetch_page
from integrations.salesforce.client import Call, Client, Deadlines, Grant, Retry
from integrations.salesforce.errors import AuthError, UnexpectedAnswer, UpstreamUnavailable

THREADS = 5  # Salesforce offers five links an answer
WAITING = 2  # downloaded pages that may wait for their turn on disk
IDLE_SECONDS = 1.0
REFRESH_SECONDS = 120.0
DEADLINES = Deadlines(read=60.0, overall=200.0)  # a turn of the worker ends after 300 s, whatever we do
RETRY = Retry(total=150.0)
LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
NEAR_SECONDS = 0.06


@dataclass(frozen=True)
class Page:
    """A downloaded page, at its beginning. Close the file when it is landed."""

    locator: str
    file: IO[bytes]
    raw: RawPage


@dataclass
class HeldTokens:
    """The wire's `Tokens` for the threads: a grant that the run's thread keeps fresh, and a way to ask it for a newer one."""

    grant: Grant
    questions: "queue.SimpleQueue[tuple[Grant, Future[Grant]]]" = field(default_factory=queue.SimpleQueue)

    def current(self) -> Grant:
        """The grant that the run's thread looked up last, at most about a second ago."""
        return self.grant

    def refresh(self, rejected: Grant) -> Grant:
        """Let the run's thread renew the token; the threads' client asks for one renewal at a time (R-003)."""
        answer: Future[Grant] = Future()
        self.questions.put((rejected, answer))
        try:
            return answer.result(REFRESH_SECONDS)
        except TimeoutError:
            raise UpstreamUnavailable("The connection's token was not renewed in time.", code="REFRESH_BUSY") from None


class Downloads:
    """Pages of one job, by locator, in the order in which they arrive. Use it as a context manager.

    With `follow` each page names the next one (for results that come as one page, mostly); else `locators` are all.
    """

    def __init__(
        self,
        client: OrgClient,
        job: Job,
        locators: Sequence[str],
        *,
        compressed: bool,
        follow: bool = False,
        threads: int = THREADS,
    ) -> None:
        self._client, self._job, self._compressed, self.follow = client, job, compressed, follow
        self._seen = set(locators)
        self._tokens = HeldTokens(client.tokens.current())
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._wire = Client(
            self._tokens, api_version=client.api_version, on_call=self._calls.put, deadlines=DEADLINES, retry=RETRY,
            demo_origin=client.demo_origin,
        )  # fmt: skip
        self._todo = deque(locators)
        self._left = len(self._todo)
        self._on_the_way = 0
        self._failure: Exception | None = None
        self._done: queue.SimpleQueue[Page | tuple[str, Exception]] = queue.SimpleQueue()
        self._room = threading.Semaphore(threads + WAITING)
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        count = min(threads, self._left)
        self._threads = [threading.Thread(target=self._work, name=f"page-{n}", daemon=True) for n in range(count)]

    def __enter__(self) -> "Downloads":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop asking. A thread that is inside a download ends with it and throws it away."""
        self._stopped.set()
        self._room.release(len(self._threads) or 1)
        self._answer(failed=True)
        self._note_calls()
        while True:
            try:
                found = self._done.get_nowait()
            except queue.Empty:
                break
            if isinstance(found, Page):
                found.file.close()
        self._wire.close()

    def pages(self, *, while_waiting: Callable[[], None]) -> Iterator[Page]:
        """Each page once. `while_waiting` is called about once a second when there is nothing to land; it may raise.

        When a page fails, those that are on the way are given out before its error is raised: they need not come again.
        """
        while self._left and (self._failure is None or self._on_the_way):
            self._tokens.grant = self._client.tokens.current()
            self._answer()
            self._note_calls()
            try:
                found = self._done.get(timeout=IDLE_SECONDS if self._tokens.questions.empty() else 0.01)
            except queue.Empty:
                while_waiting()
                continue
            self._left -= 1
            with self._lock:
                self._on_the_way -= 1
            self._room.release()
            if isinstance(found, Page):
                self._left += self.follow and bool(found.raw.locator)
                yield found
            else:
                self._failure = self._failure or found[1]
        self._note_calls()
        if self._failure is not None:
            self._raise(self._failure)

    def _raise(self, error: Exception) -> None:
        """A refusal of the login is asked for once more by the connection's own client, which writes it down."""
        if isinstance(error, AuthError):
            self._client.get(self._job.path)
        raise error

    def _answer(self, *, failed: bool = False) -> None:
        while True:
            try:
                rejected, answer = self._tokens.questions.get_nowait()
            except queue.Empty:
                return
            try:
                if failed:
                    raise UpstreamUnavailable("The read was stopped.", code="STOPPED")
                self._tokens.grant = self._client.tokens.refresh(rejected)
                answer.set_result(self._tokens.grant)
            except Exception as error:  # noqa: BLE001 - the thread that waits raises it
                answer.set_exception(error)

    def _note_calls(self) -> None:
        """Count the threads' calls where all others are counted."""
        while True:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                return
            if self._client.transport.on_call is not None:
                self._client.transport.on_call(call)
            self._client.transport.usage = call.usage or self._client.transport.usage

    def _note_following(self, raw: RawPage) -> None:
        if not (self.follow and raw.locator):
            return
        if raw.locator in self._seen:
            raise UnexpectedAnswer("Salesforce repeated a result locator; the download was stopped.", code="REPEATED_CURSOR")
        self._seen.add(raw.locator)
        self._todo.append(raw.locator)

    def _work(self) -> None:
        while not self._stopped.is_set():
            self._room.acquire()
            with self._lock:
                if not self._todo or self._failure is not None or self._stopped.is_set():
                    return
                locator = self._todo.popleft()
                self._on_the_way += 1
            file = tempfile.TemporaryFile()  # noqa: SIM115  closed by whoever lands it
            try:
                raw = fetch_page(self._wire, self._job, file, locator=locator, compressed=self._compressed)
                file.seek(0)
                self._note_following(raw)
                self._done.put(Page(locator, file, raw))
            except Exception as error:  # noqa: BLE001 - handed over to the run's thread
                file.close()
                self._done.put((locator, error))
                return
            if self._stopped.is_set():
                with suppress(OSError):
                    file.close()


class Nearness:
    """Whether the org is on this machine: then packing its answers would take longer than sending them."""

    def __init__(self, client: OrgClient) -> None:
        self._quickest = float("inf")
        self._address = client.tokens.current().instance_url
        self._count = client.transport.on_call
        client.transport.on_call = self._note

    def _note(self, call: Call) -> None:
        self._quickest = min(self._quickest, call.seconds if call.status else self._quickest)
        if self._count is not None:
            self._count(call)

    @property
    def is_near(self) -> bool:
        """A loopback address that answers at once; what stands behind a slow tunnel on one is far."""
        host = urlsplit(self._address).hostname or ""
        return host in LOOPBACK and self._quickest < NEAR_SECONDS
