"""The threads that do what waits: one that looks what is due, and a few that run flows and send messages."""

import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING

from integrations.demo_org.automation import waiting
from integrations.demo_org.automation.waiting import Job

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

logger = logging.getLogger(__name__)
THREADS, AHEAD = 8, 16
LONGEST_SLEEP, STOP_SECONDS = 1.0, 5.0


class Worker:
    """Does jobs until it is stopped. Its threads are daemons: the end of the process does not wait for a callout that hangs."""

    def __init__(self, org: "DemoOrg", work: Callable[[Job], None]) -> None:
        self.org, self.work = org, work
        self.stopping, self.woken = threading.Event(), threading.Event()
        self.in_hand: dict[int, int] = {}  # job -> generation of the data file
        self.changed = threading.Condition()
        self.handed_out: SimpleQueue[Job | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._serve, name="automation", daemon=True)
        for number in range(THREADS):
            threading.Thread(target=self._work, name=f"automation-{number}", daemon=True).start()
        self.thread.start()

    def wake(self) -> None:
        """Something new waits."""
        self.woken.set()

    def stop(self) -> None:
        """End after the jobs in hand; what waits is taken up at the next start."""
        self.stopping.set()
        self.woken.set()
        self.thread.join(STOP_SECONDS)
        for _ in range(THREADS):
            self.handed_out.put(None)
        until = time.monotonic() + STOP_SECONDS
        with self.changed:
            while self.in_hand and time.monotonic() < until:
                self.changed.wait(until - time.monotonic())

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until nothing that is due waits or is in hand; False when that takes longer."""
        until = time.monotonic() + seconds
        with self.changed:
            while self._is_busy():
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self.changed.wait(min(left, 0.05))
        return True

    def _is_busy(self) -> bool:
        due = waiting.next_due(self.org.store.read(), without=())
        return bool(self.in_hand) or (due is not None and due <= self.org.clock.now().timestamp())

    def _serve(self) -> None:
        """Hand out what is due; sleep until something is, or somebody wakes us."""
        while not self.stopping.is_set():
            self.woken.clear()
            try:
                sleep = self._hand_out()
            except Exception:
                if self.stopping.is_set():
                    return
                logger.exception("The waiting work of the demo org could not be read")
                sleep = LONGEST_SLEEP
            self.woken.wait(sleep)

    def _hand_out(self) -> float | None:
        """Give the due jobs to the threads; seconds to sleep, None for as long as nobody wakes us."""
        with self.changed:
            taken, free = list(self.in_hand), AHEAD - len(self.in_hand)
        generation, connection = self.org.store.generation, self.org.store.read()
        now = self.org.clock.now().timestamp()
        for job in waiting.due_jobs(connection, now, without=taken, limit=max(free, 0)):
            with self.changed:
                self.in_hand[job.number] = generation
            taken.append(job.number)
            self.handed_out.put(job)
        due = waiting.next_due(connection, without=taken)
        if due is None:
            return None
        return min(max(due - now, 0.005), LONGEST_SLEEP) if free > 0 else LONGEST_SLEEP

    def _work(self) -> None:
        """What each thread does until the end."""
        while (job := self.handed_out.get()) is not None:
            self._do(job)

    def _do(self, job: Job) -> None:
        try:
            if not self.stopping.is_set():
                self.work(job)
        except Exception:
            logger.exception("The job %s of the demo org's automation broke", job.number)
        finally:
            with self.changed:
                self.in_hand.pop(job.number, None)
                self.changed.notify_all()
            self.woken.set()
