"""Runs reports for a pass: at most eight at once; what does not fit the hourly synchronous runs goes the asynchronous way.

Nothing here writes links; each outcome is handed to the caller as soon as it is there.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from django.db import connection, connections

from integrations.orgs.connect import OrgClient
from integrations.salesforce import errors
from integrations.salesforce import reports as wire
from okr.rounds import DueSource

AT_ONCE = 8  # of the 20 that Salesforce allows for the whole org
POLL_SECONDS = (0.2, 0.5, 1.0, 2.0, 3.0, 5.0)
RUN, START, RESULT = "report_run", "report_instance", "report_result"  # kinds of request, as the transport names them


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished run: its answer, and how long we waited for it."""

    report: dict[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Started:
    """An asynchronous run was started (or still goes on); its result is to be collected later."""

    instance_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The call failed; the class of the error says what that means. `request` is its kind, as in the ledger of calls."""

    error: errors.SalesforceError
    request: str = RUN


Outcome = Ran | Started | Refused
Work = Callable[[DueSource], Outcome]


class Clock:
    """How long this pass may still start things; a worker's task must end well before the queue's time-out."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return self._end - time.monotonic()


def run_now(client: OrgClient, source: DueSource) -> Outcome:
    """One synchronous run."""
    begin = time.monotonic()
    try:
        return Ran(wire.run_report(client, source.report_id, metadata=source.body), time.monotonic() - begin)
    except errors.SalesforceError as error:
        return Refused(error)


def start(client: OrgClient, source: DueSource) -> Outcome:
    """Start an asynchronous run."""
    try:
        return Started(wire.start_report(client, source.report_id, metadata=source.body))
    except errors.SalesforceError as error:
        return Refused(error, START)


def collect(client: OrgClient, source: DueSource) -> Outcome:
    """The result of an asynchronous run, or `Started` while it goes on."""
    begin = time.monotonic()
    try:
        answer = wire.read_instance(client, source.report_id, source.instance_id)
    except errors.SalesforceError as error:
        return Refused(error, RESULT)
    if wire.instance_state(answer) == "Error":
        message = "The report run in the background ended with an error."
        return Refused(errors.SalesforceError(message, code="REPORT_RUN_FAILED", status=400), RESULT)
    if "factMap" not in answer:
        return Started(source.instance_id)
    return Ran(answer, time.monotonic() - begin)


def said_by(error: Exception | None, request: str = "") -> dict[str, Any]:
    """What a row's ledger entry keeps of a refusal for the expert: kind of request, Salesforce's own code, HTTP status."""
    about: dict[str, Any] = {"request": request} if request else {}
    if isinstance(error, errors.SalesforceError):
        about |= {"salesforce_code": error.code} if error.code else {}
        about |= {"http_status": error.status} if error.status else {}
    return about


def do_all(work: Work, sources: Sequence[DueSource], *, clock: Clock) -> Iterator[tuple[DueSource, Outcome]]:
    """`work` on every source, some at once; outcomes as they come. Starts nothing new when the clock has run out.

    The caller may stop iterating at any time (an error that concerns all): what runs then is waited for, nothing more begins.
    """
    at_once = min(workers(), len(sources))
    if at_once <= 1:
        for source in sources:
            if clock.left <= 0:
                return
            yield source, work(source)
        return
    yield from _do_parallel(work, deque(sources), at_once=at_once, clock=clock)


def _do_parallel(work: Work, waiting: deque[DueSource], *, at_once: int, clock: Clock) -> Iterator[tuple[DueSource, Outcome]]:
    running: dict[Future[Outcome], DueSource] = {}
    pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="report")
    try:
        while waiting or running:
            while waiting and len(running) < at_once and clock.left > 0:
                source = waiting.popleft()
                running[pool.submit(_in_thread, work, source)] = source
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_thread(work: Work, source: DueSource) -> Outcome:
    """A thread has database connections of its own (tokens, call counts); they must not outlive its task."""
    try:
        return work(source)
    finally:
        connections.close_all()


def workers() -> int:
    """Reports at once: one where threads could not see the database (inside a transaction, or in memory), else eight."""
    in_memory = connection.vendor == "sqlite" and connection.is_in_memory_db()  # pyright: ignore[reportAttributeAccessIssue]
    return 1 if in_memory or connection.in_atomic_block else AT_ONCE


def collect_all(
    client: OrgClient, sources: Iterable[DueSource], *, patience: float, clock: Clock
) -> Iterator[tuple[DueSource, Outcome]]:
    """Collect asynchronous runs, asking again with growing pauses for at most `patience` seconds; the rest stay `Started`."""
    left = list(sources)
    end = time.monotonic() + min(patience, max(clock.left, 0))
    for pause in (*POLL_SECONDS, *(POLL_SECONDS[-1] for _ in range(60))):
        still: list[DueSource] = []
        for source, outcome in do_all(lambda each: collect(client, each), left, clock=clock):
            if isinstance(outcome, Started):
                still.append(source)
            else:
                yield source, outcome
        left = still
        if not left or time.monotonic() + pause > end:
            break
        time.sleep(pause)
    for source in left:
        yield source, Started(source.instance_id)
