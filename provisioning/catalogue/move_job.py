"""The job `catalogue.move`: customers get another version of a plan or add-on, batch by batch, with progress on the run's page.

A batch is one transaction with its counts and the place where it ended, so that a run that was killed goes on there and counts
everybody once (I-01, I-03).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Run
from integrations.sync import runs
from integrations.sync.runs import Recorder, RunStopped
from provisioning.catalogue import moving
from provisioning.models import OfferVersion

JOB, LABEL = "catalogue.move", "Move to another version"
TALLY = "Subscriptions"


def ask_move(
    version: OfferVersion, *, versions: Sequence[int] | None = None, keys: Sequence[str] | None = None,
    effective_at: datetime | None = None, actor: Person | None, trigger: str = Run.Trigger.MANUAL, now: datetime,
) -> Run:  # fmt: skip
    """Start the run that gives subscriptions `version`: those with one of `versions` of its offer, or with these keys.

    Refused (`moving`) while another move is under way: it would have to wait, and who asks would not see it.
    """
    if version.published_at is None:
        raise Refusal("draft", "Customers can only have published versions. Publish the draft first.")
    arguments = {
        "version": version.pk, "versions": None if versions is None else sorted(versions), "keys": keys and sorted(keys),
        "effective_at": effective_at and effective_at.isoformat(), "actor": actor.pk if actor is not None else None,
        "asked_at": now.isoformat(),
    }  # fmt: skip
    other = Run.objects.filter(job=JOB, state__in=Run.ACTIVE).first()
    run = other or runs.request_run(JOB, trigger=trigger, user=actor, arguments=arguments, now=now)
    if run.arguments != arguments:
        raise Refusal("moving", f"Another move is under way, run #{run.pk}. Ask again once it has ended.")
    audit.record(
        "catalogue.move_asked", actor=actor, target=version.offer.key, after={"version": version.number, "run": run.pk}
    )
    return run


def perform(recorder: Recorder) -> None:
    """One run, in turns."""
    asked = recorder.run.arguments
    version = OfferVersion.objects.select_related("offer").filter(pk=asked["version"]).first()
    if version is None:
        raise RunStopped("gone", "The version does not exist any more.", Run.State.FAILED)
    actor = get_user_model().objects.filter(pk=asked["actor"]).first() if asked.get("actor") else None
    effective_at = parse_datetime(asked["effective_at"]) if asked.get("effective_at") else None
    if not recorder.checkpoint:
        recorder.expect(_waiting(version, asked, timezone.now()).count())
    state = {"after": 0, "moved": 0, "refused": 0, **recorder.checkpoint}
    left = True
    while left:
        state, left = _move_some(recorder, version, state, effective_at=effective_at, actor=actor)
        if left:
            recorder.breathe()
    told = {"version": version.number, "moved": state["moved"], "refused": state["refused"], "run": recorder.run.pk}
    audit.record("catalogue.moved", actor=actor, target=version.offer.key, after=told)


def _waiting(version: OfferVersion, asked: dict[str, Any], now: datetime) -> Any:
    return moving.waiting_for(version, versions=asked.get("versions"), keys=asked.get("keys"), now=now)


def _move_some(
    recorder: Recorder, version: OfferVersion, state: dict[str, Any], *, effective_at: datetime | None, actor: Any
) -> tuple[dict[str, Any], bool]:
    """A batch in one transaction with its counts and the new checkpoint; the checkpoint, and whether there is more."""
    now = timezone.now()
    waiting, tally = _waiting(version, recorder.run.arguments, now), recorder.object(TALLY)
    last = _last_of(waiting, after=state["after"])

    def work() -> None:
        moved = moving.move_subscriptions(
            version, waiting.filter(pk__lte=last), after=state["after"], effective_at=effective_at, actor=actor, now=now
        )
        for row, why in moved.rows:
            if why:
                tally.failed(row.key, "not_moved", why, label=str(row.customer))
            else:
                tally.written(row.key, str(row.customer))
        checkpoint.update(moved=state["moved"] + moved.moved, refused=state["refused"] + len(moved.refused))

    checkpoint = {**state, "after": last}
    recorder.save(checkpoint, also=work)
    return checkpoint, waiting.filter(pk__gt=last).exists()


def _last_of(waiting: Any, *, after: int) -> int:
    """The number of the last subscription of the next batch; `after` when there is none."""
    return max(waiting.filter(pk__gt=after).values_list("pk", flat=True)[: moving.BATCH], default=after)
