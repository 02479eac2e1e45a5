"""Jobs at work in the background: a few threads per org, taken up again after a restart."""

import logging
import threading
import time
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING

from integrations.demo_org.bulk import jobs
from integrations.demo_org.errors import ApiError

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

logger = logging.getLogger(__name__)
THREADS = 3
STOP_SECONDS = 10
TICK = 0.05
INTERNAL = "UNKNOWN_EXCEPTION : An unexpected error occurred. Please include this ErrorId if you contact support"

Work = Callable[["DemoOrg", jobs.Job, "Pulse"], None]


class Pulse:
    """Tells a working job whether to go on: not after an abort, a reset of the org or the end of the process."""

    def __init__(self, org: "DemoOrg", job_id: str, stopping: threading.Event) -> None:
        self.org, self.job_id, self.stopping = org, job_id, stopping
        self.generation = org.store.generation
        self._checked = 0.0

    def go_on(self, _done: int = 0) -> bool:
        """Whether the job is still wanted. The store is asked at most 20 times a second."""
        if self.stopping.is_set() or self.org.store.generation != self.generation:
            return False
        if time.monotonic() - self._checked < TICK:
            return True
        self._checked = time.monotonic()
        job = jobs.find_job(self.org, self.job_id)
        return job is not None and job.state == jobs.RUNNING

    def rest(self, job: jobs.Job) -> bool:
        """Wait as long as the settings want jobs to take (by real time or the org's clock). False = stop, not finish."""
        begun = time.monotonic()
        while True:
            wanted = float(jobs.switch(self.org, "bulk_job_seconds", 0))
            passed = max(time.monotonic() - begun, self.org.clock.now().timestamp() - job.started)
            if passed >= wanted and not jobs.switch(self.org, "bulk_hold", False):
                return self.go_on()
            if self.stopping.wait(TICK) or not self.go_on():
                return False


class Runner:
    """The threads of one org. They are daemons: the end of the process does not wait for a job that is held."""

    def __init__(self, org: "DemoOrg", work: dict[str, Work]) -> None:
        self.org, self.work = org, work
        self.stopping = threading.Event()
        self.waiting: SimpleQueue[str | None] = SimpleQueue()
        self.threads = [threading.Thread(target=self._serve, name=f"bulk-{n}", daemon=True) for n in range(THREADS)]
        for each in self.threads:
            each.start()

    def start(self, job: jobs.Job) -> None:
        """Let the job be done soon."""
        self.waiting.put(job.id)

    def resume(self) -> None:
        """Take up the jobs that an earlier process left unfinished."""
        for job in jobs.unfinished_jobs(self.org):
            self.start(job)

    def stop(self) -> None:
        """Let working jobs stop at their next pause; they are taken up at the next start."""
        self.stopping.set()
        for _ in self.threads:
            self.waiting.put(None)
        for each in self.threads:
            each.join(STOP_SECONDS)

    def _serve(self) -> None:
        """What each thread does until the runner stops."""
        while (job_id := self.waiting.get()) is not None:
            if self.stopping.is_set():
                continue
            try:
                self._run(job_id)
            except Exception:
                logger.exception("bulk job %s could not be started or ended", job_id)

    def _run(self, job_id: str) -> None:
        job, pulse = jobs.find_job(self.org, job_id), Pulse(self.org, job_id, self.stopping)
        if job is None or job.state not in {jobs.UPLOADED, jobs.RUNNING}:
            return
        started = job.started or self.org.clock.now().timestamp()
        job = jobs.change_job(
            self.org, job, only_from=frozenset({jobs.UPLOADED, jobs.RUNNING}), state=jobs.RUNNING, started=started
        )
        if job is None:
            return
        try:
            self.work[job.kind](self.org, job, pulse)
        except ApiError as problem:
            fail_job(self.org, job, f"{problem.code} : {problem.message}")
        except Exception:
            if pulse.generation != self.org.store.generation:
                return
            logger.exception("bulk job %s broke", job_id)
            fail_job(self.org, job, INTERNAL)


def fail_job(org: "DemoOrg", job: jobs.Job, text: str) -> None:
    """End the job as Failed with the text, unless somebody aborted it meanwhile."""
    total = milliseconds_since(org, job)
    jobs.change_job(org, job, only_from=frozenset({jobs.RUNNING}), state=jobs.FAILED, error=text, total_ms=total)


def milliseconds_since(org: "DemoOrg", job: jobs.Job) -> int:
    """Milliseconds from the start of the work to now, by the org's clock; never negative."""
    return max(int((org.clock.now().timestamp() - job.started) * 1000), 0)


def _forget(org: "DemoOrg | None") -> None:
    """What is left to do for this part after a reset."""
    if org is not None:
        jobs.remove_files(org)


class Runners:
    """One runner for each living org of the process."""

    def __init__(self) -> None:
        self._of: weakref.WeakKeyDictionary[DemoOrg, Runner] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()
        self.work: dict[str, Work] = {}

    def register(self, kind: str, work: Work) -> None:
        """Name the function that does jobs of a kind."""
        self.work[kind] = work

    def of(self, org: "DemoOrg") -> Runner:
        """The org's runner; made at first use, when it also resumes what was interrupted."""
        with self._lock:
            runner = self._of.get(org)
            if runner is not None:
                return runner
            runner = self._of[org] = Runner(org, self.work)
            known = weakref.ref(org)
            org.on_reset(lambda: _forget(known()))
        runner.resume()
        return runner

    def stop(self, org: "DemoOrg") -> None:
        """Stop the org's jobs, as a closing server does."""
        with self._lock:
            runner = self._of.pop(org, None)
        if runner is not None:
            runner.stop()


RUNNERS = Runners()
