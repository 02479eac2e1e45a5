"""What was fetched, and whether mapping may begin (PX-D1): it waits up to two hours for the day's fetch, then goes on.

The mirror's watermark of an object moves only when every page of a read has landed (I-03), so it alone says how complete the
stage is, whatever became of the run.
"""

from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations import alerts
from integrations.models import MirrorObject, Run
from integrations.orgs.states import page_of
from integrations.sync.mapping.schedule import FETCH_HOURS, WAIT, last_slot
from integrations.sync.runs import Recorder

FETCH_JOB = "mirror.read"
LOOK_AGAIN = timedelta(minutes=5)
CLOCKS = timedelta(minutes=10)  # watermarks are by Salesforce's clock, slots by ours
PATIENT = (Run.Trigger.SCHEDULE, Run.Trigger.RETRY)
"""Runs that wait. A person who starts one wants what there is."""


@dataclass(frozen=True)
class Stage:
    """How far the objects of a run were fetched: those that miss the day's fetch, with the instant (UTC) of their last one."""

    day: datetime
    late: Map[str, datetime | None]

    @property
    def is_complete(self) -> bool:
        """Whether everything was fetched since the day's slot."""
        return not self.late


def stage_of(org_id: int, objects: Sequence[str], *, now: datetime) -> Stage:
    """The stage of these objects at `now`."""
    day = last_slot(FETCH_HOURS, now=now)
    known = {each.name.lower(): each.watermark for each in MirrorObject.objects.filter(org_id=org_id)}
    late = {}
    for name in dict.fromkeys(objects):
        fetched = known.get(name.lower())
        if fetched is None or fetched < day - CLOCKS:
            late[name] = fetched
    return Stage(day, late)


def wait_until(stage: Stage, *, asked_at: datetime, trigger: str, now: datetime) -> datetime | None:
    """When to look again; None when mapping may begin now. Pure."""
    deadline = asked_at + WAIT
    if stage.is_complete or trigger not in PATIENT or now >= deadline:
        return None
    return min(now + LOOK_AGAIN, deadline)


def await_stage(recorder: Recorder, objects: Sequence[str], *, now: datetime) -> Stage:
    """The stage to map, once it is complete or the wait is over; gives the worker back in between (raises `Later`)."""
    run = recorder.run
    assert run.org is not None
    stage = stage_of(run.org.pk, objects, now=now)
    again = wait_until(stage, asked_at=run.slot or run.queued_at, trigger=run.trigger, now=now)
    if again is not None:
        recorder.wait(until=again, sentence=f"Waits for the fetch of {stage.day:%H:%M} UTC ({describe_fetch(run)}).")
    return stage


def describe_fetch(run: Run) -> str:
    """How the connection's latest fetch stands, in words."""
    latest = Run.objects.filter(org=run.org, job=FETCH_JOB).order_by("-id").first()
    return f"run #{latest.pk} is {latest.get_state_display().lower()}" if latest else "none was started"


def warn(recorder: Recorder, stage: Stage, *, now: datetime) -> None:
    """Say on the run, and by one alert, that older data was mapped; take the alert back when the stage is complete."""
    org = recorder.run.org
    assert org is not None
    key = f"mapping-stage:{org.pk}"
    if stage.is_complete:
        alerts.recover_alert(key, now=now, note="Mapping works on the day's fetch again.")
        return
    tally = recorder.object("Fetch of the day")
    lines = []
    for name, fetched in stage.late.items():
        what = f"mapped as fetched on {fetched:%Y-%m-%d at %H:%M} UTC" if fetched else "never fetched, so nothing is mapped"
        text = f"{name}: the fetch since {stage.day:%Y-%m-%d %H:%M} UTC is missing ({describe_fetch(recorder.run)}); {what}."
        tally.skipped(name, "older_stage", text)
        lines.append(text)
    alerts.raise_alert(
        key, code=f"{stage.day:%Y-%m-%d}", title=f"{org}: mapping worked on older data", body="\n".join(lines),
        url=page_of(org), org=org, severity="warning", now=now,
    )  # fmt: skip
