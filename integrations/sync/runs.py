"""The ledger around a job: asking for a run, performing it once, recording how it ended, taking over after a crash.

A run always ends with a word (success, partial, failed, deferred, cancelled, interrupted) and a sentence a person can act on.
"""

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, IntegrityError, InterfaceError, connection, transaction
from django.db.models import F, Q, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django_q.tasks import async_task

from integrations.access import Person
from integrations.lake.engine import one_engine
from integrations.models import RowOutcome, Run, RunObject, SalesforceOrg
from integrations.orgs import connect
from integrations.sync import jobs, leases, retrying
from integrations.sync.endings import COUNTED, Defer, Later, RunStopped, ending_of, verdict_on
from integrations.sync.tally import Breaker, Tally

__all__ = ["Defer", "Later", "Recorder", "RunStopped", "perform_run", "recording", "request_run", "sweep"]

log = structlog.get_logger(__name__)
ATTEMPTS = 5  # how often a run is taken over before it counts as failed
LOST_AFTER = timedelta(minutes=4)  # a running run without a heartbeat for so long has lost its worker (I-12)
REQUEUE_AFTER = timedelta(minutes=5)  # a queued run without a worker for so long gets a new queue task
CALLER = "called_by"  # argument with the number of the run that waits for this one
SLICE_SECONDS = 200  # one queue task works so long at most (the queue's limit is 300); then the run waits its turn again


class Recorder:
    """The open ledger of a running job."""

    def __init__(self, run: Run, *, lease: str, fence: int) -> None:
        self.run, self.org, self.fence = run, run.org, fence
        self._lease, self._tallies = lease, dict[str, Tally]()
        self._breaker = Breaker()
        self._lost = threading.Event()
        self._slice_ends = time.monotonic() + SLICE_SECONDS

    def object(self, name: str) -> Tally:
        """Where the rows of one kind of thing are counted."""
        if name not in self._tallies:
            self._tallies[name] = Tally(self.run, name, self._breaker)
        return self._tallies[name]

    def expect(self, total: int) -> None:
        """How many rows there are to do, for the progress bar."""
        self.run.total = total
        Run.objects.filter(pk=self.run.pk).update(total=total)

    def spent(self, calls: int) -> None:
        """Salesforce calls made for this run."""
        Run.objects.filter(pk=self.run.pk).update(calls=F("calls") + calls)

    @property
    def checkpoint(self) -> dict[str, Any]:
        """What was saved last, by this run or by the one it resumes."""
        return self.run.checkpoint

    def save(
        self, checkpoint: dict[str, Any] | None = None, *, also: Callable[[], None] | None = None, now: datetime | None = None
    ) -> None:
        """Flush counts, store the checkpoint, prove life; raises `RunStopped` when the run must end here.

        `also` writes in the same transaction (rows, files, a watermark: I-03); it may be called again after a lost race.
        """
        now = now or timezone.now()
        changes: dict[str, Any] = {"heartbeat_at": now}
        if checkpoint is not None:
            changes["checkpoint"] = checkpoint

        def write() -> None:
            self._check(now)
            if also is not None:
                also()
            for tally in self._tallies.values():
                tally.write()
            Run.objects.filter(pk=self.run.pk).update(**changes)

        retrying.in_transaction(write)
        for tally in self._tallies.values():
            tally.forget()
        self.run.checkpoint = changes.get("checkpoint", self.run.checkpoint)

    def wait(self, *, until: datetime, sentence: str) -> None:
        """Give the worker back and go on with this run from its last saved checkpoint at `until` (R-036). Always raises."""
        raise Later(until, sentence)

    def breathe(self) -> None:
        """Call at a point that the checkpoint describes: ends this turn (raises `Later`) when it has taken long enough."""
        if time.monotonic() > self._slice_ends:
            raise Later(None, "Goes on in its next turn.")

    def flush(self) -> None:
        """Write what is counted, whatever else happens to the run."""
        for tally in self._tallies.values():
            tally.flush()

    def _check(self, now: datetime) -> None:
        if self._lost.is_set() or not leases.extend(self._lease, fence=self.fence, now=now):
            raise RunStopped("lease_lost", "Another worker took this run over.")
        run = Run.objects.select_related("org").get(pk=self.run.pk)
        if run.state != Run.State.RUNNING:
            raise RunStopped("ended_elsewhere", f"The run was already marked {run.state}.")
        if run.cancel_requested:
            raise RunStopped("cancelled", "Cancelled by a person.")
        if worker_is_stopping():
            raise RunStopped("worker_stopping", "The worker was stopped; a new run goes on here.", Run.State.INTERRUPTED)
        if run.org and run.org.generation != run.org_generation:
            raise RunStopped("disconnected", "The connection was disconnected.")

    def pulse(self) -> None:
        """Keep lease and heartbeat alive during one long call (called from a thread each `RUN_PULSE_SECONDS`)."""
        now = timezone.now()
        if leases.extend(self._lease, fence=self.fence, now=now):
            Run.objects.filter(pk=self.run.pk, state=Run.State.RUNNING).update(heartbeat_at=now)
        else:
            self._lost.set()


# --- Asking for a run ----------------------------------------------------------------------------------------------


def request_run(
    job_name: str,
    *,
    org: SalesforceOrg | None = None,
    trigger: str = Run.Trigger.MANUAL,
    user: Person | None = None,
    arguments: dict[str, Any] | None = None,
    now: datetime,
    slot: datetime | None = None,
    not_before: datetime | None = None,
    resumed_from: Run | None = None,
) -> Run:
    """Queue a run, or give back the one that is queued already (R-084: one running and at most one queued)."""
    job = jobs.get(job_name)
    waiting = Run.objects.filter(job=job_name, org=org, state=Run.State.QUEUED)
    existing = waiting.first()
    if existing:
        return existing
    try:
        with transaction.atomic():
            run = Run.objects.create(
                job=job_name, org=org, domain=job.domain, trigger=trigger, requested_by=user, arguments=arguments or {},
                queued_at=now, slot=slot, not_before=not_before, resumed_from=resumed_from,
                org_generation=org.generation if org else 0,
                attempts=resumed_from.attempts if resumed_from else 0,
                checkpoint=resumed_from.checkpoint if resumed_from else {},
            )  # fmt: skip
            if not settings.Q_CLUSTER["sync"]:  # the queue row commits with the run or not at all
                _enqueue(run, now)
    except IntegrityError:
        winner = waiting.first()
        if winner is None:  # it started in between: ask once more
            return request_run(job_name, org=org, trigger=trigger, user=user, arguments=arguments, now=now, slot=slot)
        return winner
    if settings.Q_CLUSTER["sync"]:
        _enqueue(run, now)
        run.refresh_from_db()
    return run


def _enqueue(run: Run, now: datetime) -> None:
    """One queue task that carries nothing but the run's id; a run that waits gets it from the sweeper when due."""
    if run.not_before and run.not_before > now:
        return
    Run.objects.filter(pk=run.pk).update(enqueued_at=now)
    async_task("integrations.tasks.perform_run", run.pk, task_name=f"run-{run.pk}")


def start_slot(job_name: str, *, now: datetime, slot: datetime | None = None) -> list[Run]:
    """Queue the job for every connection that has it switched on and is connected (or once, for jobs without one)."""
    job = jobs.get(job_name)
    if not job.per_org:
        return [request_run(job_name, trigger=Run.Trigger.SCHEDULE, now=now, slot=slot)]
    connected = SalesforceOrg.objects.filter(state=SalesforceOrg.State.CONNECTED)
    return [
        request_run(job_name, org=org, trigger=Run.Trigger.SCHEDULE, now=now, slot=slot)
        for org in connected
        if job.enabled(org)
    ]


def cancel_run(run: Run, *, user: Person | None, now: datetime) -> bool:
    """Ask a running run to stop at its next save, or take a queued one out. False when it had ended already."""
    if Run.objects.filter(pk=run.pk, state=Run.State.QUEUED).update(
        state=Run.State.CANCELLED, reason_code="cancelled", sentence="Cancelled before it started.", finished_at=now
    ):
        return True
    return Run.objects.filter(pk=run.pk, state=Run.State.RUNNING).update(cancel_requested=True) == 1


def cancel_runs_of(org: SalesforceOrg, *, reason: str, now: datetime) -> int:
    """Stop everything of one connection: queued runs end now, running ones at their next page (R-017)."""
    queued = Run.objects.filter(org=org, state=Run.State.QUEUED).update(
        state=Run.State.CANCELLED, reason_code="disconnected", sentence=reason, finished_at=now
    )
    return queued + Run.objects.filter(org=org, state=Run.State.RUNNING).update(cancel_requested=True)


def retry_run(run: Run, *, user: Person | None, now: datetime) -> Run:
    """A new run of the same job with the same arguments."""
    return request_run(run.job, org=run.org, trigger=Run.Trigger.RETRY, user=user, arguments=run.arguments, now=now)


# --- Performing ----------------------------------------------------------------------------------------------------


def perform_run(run_id: int) -> str:
    """Perform a queued run once, however often the queue delivers it. Says what happened, in a word."""
    run = Run.objects.select_related("org").filter(pk=run_id).first()
    now = timezone.now()
    if run is None or run.state != Run.State.QUEUED:
        return "already running" if run and run.state == Run.State.RUNNING else "nothing to do"
    if run.not_before and run.not_before > now:
        return "not yet"
    try:
        job = jobs.get(run.job)
    except KeyError as error:  # asked for by another version of the program; nobody here can ever do it
        Run.objects.filter(pk=run.pk, state=Run.State.QUEUED).update(
            state=Run.State.FAILED, reason_code="unknown_job", sentence=str(error.args[0]), finished_at=now
        )
        return Run.State.FAILED
    with recording(run, now=now) as recorder:
        if recorder is None:
            return "already running"
        with one_engine():
            job.perform(recorder)
    run.refresh_from_db(fields=["state"])
    _start_waiting(run, timezone.now())  # itself, when it only paused
    if not run.is_active:
        _wake_caller(run, timezone.now())
    return run.state


@contextlib.contextmanager
def recording(run: Run, *, now: datetime | None = None) -> Iterator[Recorder | None]:
    """Open the ledger for `run`; every outcome of the block becomes a state and a sentence. None: another worker has it."""
    now = now or timezone.now()
    lease = f"{run.job}:{run.org_id or 0}"
    fence = leases.acquire(lease, holder=_holder(), now=now)
    if fence is None:
        yield None
        return
    try:
        if not _claim(run, now):
            yield None
            return
        recorder = Recorder(run, lease=lease, fence=fence)
        with structlog.contextvars.bound_contextvars(run=run.pk, job=run.job, org=run.org_id), _beating(recorder):
            state, code, sentence, until = Run.State.SUCCESS, "", "", None
            try:
                yield recorder
            except Later as pause:
                _flush(recorder)
                _queue_again(run, pause)
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the ledger must say so
                state, code, sentence = ending_of(error)
                until = error.until if isinstance(error, Defer) else None
            _flush(recorder)
            state = _finish(run, state=state, code=code, sentence=sentence)
            if until or state == Run.State.INTERRUPTED:
                _resume(run, not_before=until, now=now)
    finally:
        with contextlib.suppress(DatabaseError, InterfaceError):  # a lease that cannot be given back runs out by itself
            leases.release(lease, fence=fence)


def _flush(recorder: Recorder) -> None:
    """The last counts; while the database is away they are lost, and the run's end is left to `_finish` or the sweeper."""
    try:
        recorder.flush()
        connect.flush_usage()
    except (DatabaseError, InterfaceError) as error:
        if connection.in_atomic_block or not retrying.is_away(error):
            raise
        log.warning("run.counts_lost")


def _queue_again(run: Run, pause: Later) -> None:
    """The same run waits for its next turn. A run of this job that was queued meanwhile is joined with it (R-084)."""

    def write() -> bool:
        joined = {"state": Run.State.CANCELLED, "reason_code": "joined", "finished_at": timezone.now()}
        twins = Run.objects.filter(job=run.job, org=run.org, state=Run.State.QUEUED)
        twins.update(sentence=f"Joined with run #{run.pk}, which was still going.", **joined)
        running = Run.objects.filter(pk=run.pk, state=Run.State.RUNNING)
        cancelled = {**joined, "reason_code": "cancelled", "sentence": "Cancelled by a person."}
        if running.filter(cancel_requested=True).update(**cancelled):
            return True
        turn: dict[str, Any] = {"state": Run.State.QUEUED, "not_before": pause.until, "sentence": pause.sentence}
        turn |= {"attempts": F("attempts") - 1, "enqueued_at": None}
        return bool(running.update(**turn))

    if retrying.in_transaction(write):
        run.refresh_from_db()
        log.info("run.paused", sentence=pause.sentence)


def _resume(run: Run, *, not_before: datetime | None = None, now: datetime) -> None:
    """A new run that goes on from the last checkpoint."""
    lost = Run.objects.select_related("org").get(pk=run.pk)
    if lost.cancel_requested or (lost.org and lost.org.generation != lost.org_generation):
        return
    request_run(lost.job, org=lost.org, trigger=Run.Trigger.RETRY, arguments=lost.arguments, now=now,
                not_before=not_before, resumed_from=lost)  # fmt: skip


def _claim(run: Run, now: datetime) -> bool:
    """One conditional update decides who performs the run; the partial unique index refuses a second running one."""
    queued = Run.objects.filter(pk=run.pk, state=Run.State.QUEUED)
    start: dict[str, Any] = {
        "state": Run.State.RUNNING, "started_at": Coalesce("started_at", Value(now)), "heartbeat_at": now, "sentence": "",
        "attempts": F("attempts") + 1,
    }  # fmt: skip
    try:
        claimed = retrying.in_transaction(lambda: queued.update(**start))
    except IntegrityError:
        return False
    if claimed:
        run.refresh_from_db()
    return bool(claimed)


def _finish(run: Run, *, state: str, code: str, sentence: str) -> str:
    """Write the end and return its state. A run that its own troubles interrupt again and again is given up (R-252)."""
    if state == Run.State.INTERRUPTED and code != "worker_stopping" and run.attempts >= ATTEMPTS:
        state, sentence = Run.State.FAILED, f"Interrupted {run.attempts} times; not tried again."

    def write() -> tuple[str, dict[str, int]]:
        sums = RunObject.objects.filter(run=run).aggregate(**{name: Sum(name, default=0) for name in COUNTED})
        end = verdict_on(sums, dry=jobs.is_dry(run.job)) if state == Run.State.SUCCESS else (state, code, sentence)
        Run.objects.filter(pk=run.pk, state=Run.State.RUNNING).update(
            state=end[0], reason_code=end[1][:60], sentence=end[2], finished_at=timezone.now()
        )
        return end[0], sums

    ended, sums = retrying.in_transaction(write, repeatable=True)
    log.info("run.finished", state=ended, code=code, **sums)
    return ended


def _start_waiting(run: Run, now: datetime) -> None:
    """The run that waited for this one to end gets its queue task now."""
    waiting = Run.objects.filter(job=run.job, org=run.org, state=Run.State.QUEUED).first()
    if waiting:
        _enqueue(waiting, now)


def _wake_caller(run: Run, now: datetime) -> None:
    """The run that started this one and waits for its end goes on at once instead of at its next look."""
    caller = Run.objects.filter(pk=run.arguments.get(CALLER, 0), state=Run.State.QUEUED).first()
    if caller is not None and Run.objects.filter(pk=caller.pk, state=Run.State.QUEUED).update(not_before=None):
        caller.refresh_from_db()
        _enqueue(caller, now)


@contextlib.contextmanager
def _beating(recorder: Recorder) -> Iterator[None]:
    """Prove life from a thread while the job is inside one long call."""
    if not settings.RUN_PULSE_SECONDS:
        yield
        return
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(settings.RUN_PULSE_SECONDS):
            try:
                recorder.pulse()
            except Exception:  # noqa: BLE001 - a database hiccup must not end the pulse; the lease outlives several beats
                log.warning("run.pulse_failed")
        connection.close()

    thread = threading.Thread(target=beat, name="pulse", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(5)


def worker_is_stopping() -> bool:
    """Whether the worker that performs this was told to stop (`qcluster` makes the file; R-079, R-263)."""
    stop_file = os.environ.get("CAUSEWAY_STOP_FILE", "")
    return bool(stop_file) and os.path.exists(stop_file)


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


# --- After a crash ---------------------------------------------------------------------------------------------------


def sweep(*, now: datetime) -> dict[str, int]:
    """Each minute: mark runs without a living worker interrupted and resume them; queue again what the queue lost (I-12)."""
    interrupted = 0
    for run in Run.objects.filter(state=Run.State.RUNNING, heartbeat_at__lte=now - LOST_AFTER):
        give_up = run.attempts >= ATTEMPTS
        changed = Run.objects.filter(pk=run.pk, state=Run.State.RUNNING, heartbeat_at=run.heartbeat_at).update(
            state=Run.State.FAILED if give_up else Run.State.INTERRUPTED, reason_code="worker_lost", finished_at=now,
            sentence=f"Its worker stopped {run.attempts} times; not tried again." if give_up
            else "Its worker stopped; a new run goes on from the last checkpoint.",
        )  # fmt: skip
        interrupted += changed
        if changed and not give_up:
            with contextlib.suppress(KeyError):  # a job that no longer exists must not stop the others (I-10)
                _resume(run, now=now)
    requeued = 0
    due = Q(not_before=None) | Q(not_before__lte=now)
    unheard = Q(enqueued_at=None) | Q(enqueued_at__lte=now - REQUEUE_AFTER)
    for run in Run.objects.filter(due, unheard, state=Run.State.QUEUED):
        _enqueue(run, now)
        requeued += 1
    return {"interrupted": interrupted, "requeued": requeued}


def purge(*, now: datetime, rows_days: int = 30, runs_days: int = 180) -> dict[str, int]:
    """Retention (S-114): row outcomes are kept 30 days, runs 180."""
    rows, _ = RowOutcome.objects.filter(at__lt=now - timedelta(days=rows_days)).delete()
    runs, _ = Run.objects.filter(finished_at__lt=now - timedelta(days=runs_days)).delete()
    return {"rows": rows, "runs": runs}
