"""Seeing a run through to its end from a terminal: performed here unless a worker was faster."""

import time
from collections.abc import Callable

from django.utils import timezone

from integrations.models import Run
from integrations.sync import runs

PAUSE = 1.0  # seconds between two looks at a run that waits or that another worker has


class StillGoing(Exception):
    """The run has not ended in the time that was given; it goes on without us."""


def see_through(run: Run, *, tell: Callable[[str], None], seconds: float, sleep: Callable[[float], None] = time.sleep) -> Run:
    """The last run of the chain once it has ended: one that is interrupted or deferred with a follow-up is followed.

    Turns that wait for Salesforce are waited for. Raises `StillGoing` after about `seconds`.
    """
    deadline, said = time.monotonic() + seconds, ""
    while True:
        run.refresh_from_db()
        follower = Run.objects.filter(resumed_from=run).order_by("-id").first()
        if not run.is_active and follower is None:
            return run
        if not run.is_active and follower is not None:
            tell(f"{run}: {run.get_state_display()}. {run.sentence} Goes on as {follower}.")
            run = follower
            continue
        if run.sentence and run.sentence != said:
            tell(f"{run}: {run.sentence}")
            said = run.sentence
        if time.monotonic() > deadline:
            raise StillGoing(f"{run} is still {run.get_state_display().lower()} after {seconds:.0f} s; see its page.")
        waits = run.not_before is not None and run.not_before > timezone.now()
        if waits or runs.perform_run(run.pk) in ("already running", "nothing to do", "not yet"):
            sleep(PAUSE)
