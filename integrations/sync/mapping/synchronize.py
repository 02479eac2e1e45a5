"""The button "Synchronize" (PX-17, PX-D1): fetch, map and push in a row, at any time, without moving the schedule.

Each step is a run of its own job, with its own lease and ledger; this run waits for it without holding a worker.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Run, SalesforceOrg
from integrations.sync import runs
from integrations.sync.runs import Recorder, RunStopped

JOB, LABEL = "product.synchronize", "Synchronize now"
STEPS = (("mirror.read", "Fetch"), ("mapping.pull", "Map"), ("mapping.push", "Push"))
LOOK_AGAIN = timedelta(seconds=10)
LONGEST = timedelta(hours=6)
WELL = (Run.State.SUCCESS, Run.State.PARTIAL)


def synchronize(
    org: SalesforceOrg, *, user: Person | None, now: datetime, trigger: str = Run.Trigger.MANUAL, address: str | None = None
) -> Run:
    """Start it. `Refusal` while one is going on, or when the connection is not connected or its product sync is off."""
    if not org.is_connected:
        raise Refusal("not_connected", f"{org.name} is {org.get_state_display().lower()}; connect it first.")
    if not org.product_enabled:
        raise Refusal("switched_off", f"The product-experience sync of {org.name} is switched off.")
    going = Run.objects.filter(org=org, job=JOB, state__in=Run.ACTIVE).first()
    if going is not None:
        raise Refusal("running", f"Run #{going.pk} is synchronizing this connection already.")
    run = runs.request_run(JOB, org=org, trigger=trigger, user=user, now=now)
    audit.record("run.started", actor=user, target=f"run {run.pk} ({JOB}, {org.name})", address=address)
    return run


def perform(recorder: Recorder) -> None:
    """Start each step, wait until it ended, go on when it did so well; the first failure ends the row."""
    done: dict[str, Any] = dict(recorder.checkpoint.get("steps", {}))
    steps = recorder.object("Steps")
    for place, (job, label) in enumerate(STEPS):
        if done.get(job, {}).get("ended"):
            continue
        run = _step(recorder, job, done)
        now = timezone.now()
        if run.is_active:
            if now - run.queued_at > LONGEST:
                raise RunStopped("step_too_long", f"{label}: run #{run.pk} did not end within 6 hours.", Run.State.FAILED)
            recorder.wait(until=now + LOOK_AGAIN, sentence=f"{label}: waits for run #{run.pk}.")
        done = {**done, job: {"run": run.pk, "ended": True}}
        if run.state not in WELL:
            steps.failed(job, run.reason_code or run.state, f"{label}: run #{run.pk} {_words(run)}")
            _leave(recorder, STEPS[place + 1 :], label)
            recorder.save({"steps": done})
            return
        steps.written(job, f"{label}: run #{run.pk} {_words(run)}")
        recorder.save({"steps": done})


def _step(recorder: Recorder, job: str, done: dict[str, Any]) -> Run:
    """The run of a step: the one that this run started, or a new one (joined with one that waits already)."""
    known = done.get(job, {}).get("run")
    found = Run.objects.filter(pk=known).first() if known else None
    if found is not None and not _was_joined(found):
        return _latest(found)
    run = runs.request_run(
        job, org=recorder.org, trigger=Run.Trigger.SYSTEM, user=recorder.run.requested_by, now=timezone.now(),
        arguments={runs.CALLER: recorder.run.pk},
    )  # fmt: skip
    done[job] = {"run": run.pk}
    recorder.save({"steps": done})
    return run


def _was_joined(run: Run) -> bool:
    """Whether the run went up in another one that was still going: its work is not known to be ours."""
    return run.state == Run.State.CANCELLED and run.reason_code == "joined"


def _latest(run: Run) -> Run:
    """A run that lost its worker is followed to the one that goes on with it."""
    seen = {run.pk}
    while run.state == Run.State.INTERRUPTED:
        after = Run.objects.filter(resumed_from=run).order_by("-id").first()
        if after is None or after.pk in seen:
            return run
        seen.add(after.pk)
        run = after
    return run


def _leave(recorder: Recorder, left: Sequence[tuple[str, str]], failed: str) -> None:
    for job, label in left:
        recorder.object("Steps").not_attempted(job, "step_failed", f"{label} was not started because {failed.lower()} failed.")


def _words(run: Run) -> str:
    return f"{run.get_state_display().lower()}. {run.sentence}".strip()
