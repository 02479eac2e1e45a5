"""Job analytics.connect: the first read after the one button was pressed (FZ-07, FZ-D6).

What results need most (accounts and transactions) is read first, then everything of the newest year, then what is older, year
after year. After each step the facts are computed, so that pages fill while the rest is still coming. A killed run goes
on where it was; a person can pause, resume and stop it.
"""

from datetime import timedelta

from django.utils import timezone

from analytics.attributes.authoring import current_map
from analytics.attributes.body import ACCOUNT, MapBody, objects_of
from analytics.attributes.catalogue import group_keys
from analytics.attributes.needs import is_started
from analytics.connecting import older
from analytics.models import AnalyticsSettings
from integrations.models import Backfill, Run, SalesforceOrg
from integrations.sync import jobs, runs
from integrations.sync.endings import RunStopped
from integrations.sync.mirror import backfill
from integrations.sync.mirror.reading import read_mirror
from integrations.sync.runs import Recorder

JOB, LABEL, DOMAIN = "analytics.connect", "First read for analytics", "analytics"
SYNC = "analytics.sync"
FIRST = "objects"  # argument of the first of its runs: what is read before everything else
KEY = "connect"  # of the checkpoint
LOOK_AGAIN = timedelta(seconds=30)
PATIENCE = timedelta(hours=24)
GONE_ON = ("cancelled", "disconnected", "lease_lost", "ended_elsewhere", "worker_stopping")
"""Endings that concern the whole run; whatever else ended a read concerns some objects only."""


def perform(recorder: Recorder) -> None:
    """Read, ask for the older years, wait until they are here; facts are computed in between."""
    org = recorder.org
    assert org is not None
    if not is_started(org) or is_paused(org):
        return
    problem = _read(recorder, org)
    if FIRST in recorder.run.arguments:
        ask_for_facts(org)
        runs.request_run(JOB, org=org, trigger=Run.Trigger.SYSTEM, user=None, now=timezone.now())
    else:
        _go_back(recorder, org)
    if problem is not None:
        raise problem


def first_objects(body: MapBody) -> list[str]:
    """Accounts and all that transactions lead through: enough for revenue, retention and survival."""
    found = objects_of(body, group_keys("transactions"))
    return list(dict.fromkeys([ACCOUNT, *found]))


def ask_for_facts(org: SalesforceOrg) -> Run | None:
    """Queue the computation of facts from what is here; None while this program has no such job."""
    if all(each.name != SYNC for each in jobs.every()):
        return None
    return runs.request_run(SYNC, org=org, trigger=Run.Trigger.SYSTEM, arguments={"read": False}, now=timezone.now())


def is_paused(org: SalesforceOrg) -> bool:
    """Whether a person paused analytics here."""
    return AnalyticsSettings.objects.filter(org=org, paused_at__isnull=False).exists()


def arguments_of(org: SalesforceOrg) -> dict[str, list[str]]:
    """Of the first run: the objects that come first; none where nothing is mapped yet."""
    found = current_map(org)
    return {FIRST: first_objects(found[0])} if found is not None else {}


def _read(recorder: Recorder, org: SalesforceOrg) -> RunStopped | None:
    """The mirror's read, once a run; gives what went wrong with single objects, so that the others still go on (I-10)."""
    if (recorder.checkpoint.get(KEY) or {}).get("read"):
        return None
    problem = None
    try:
        read_mirror(recorder)
    except RunStopped as stop:
        if stop.code in GONE_ON:
            raise
        problem = stop
    recorder.save({KEY: {"read": True, "began": timezone.now().isoformat()}})
    return problem


def _go_back(recorder: Recorder, org: SalesforceOrg) -> None:
    """The older years: queued once, waited for without a worker; at the end facts are computed from everything."""
    kept = dict(recorder.checkpoint.get(KEY) or {})
    if not kept.get("asked"):
        ask_for_facts(org)
        older.ask_for_older(org, now=timezone.now())
        kept["asked"] = True
        recorder.save({KEY: kept})
    waiting = [each for each in older.open_backfills(org) if each.state != Backfill.State.PAUSED]
    if waiting:
        arguments = {runs.CALLER: recorder.run.pk}
        runs.request_run(backfill.JOB, org=org, trigger=Run.Trigger.SYSTEM, arguments=arguments, now=timezone.now())
        names = ", ".join(dict.fromkeys(each.object.name for each in waiting))
        began = timezone.datetime.fromisoformat(kept["began"])
        if older.open_backfills(org) and timezone.now() - began < PATIENCE:
            recorder.wait(until=timezone.now() + LOOK_AGAIN, sentence=f"Older records are being read: {names}.")
    ask_for_facts(org)
