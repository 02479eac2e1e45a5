"""Job analytics.sync: what is new in Salesforce, then the facts, then the analyses of the night (FZ-08).

With the argument `read` false nothing is asked of Salesforce. The read is left out, too, when every object was read within the
last hour (by the read of 00:00, for example). Objects that could not be read keep what is known of them: the facts are computed
from that, and the run says what was wrong.
"""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from analytics.analyses import nightly
from analytics.attributes import needs
from analytics.attributes.authoring import current_map
from analytics.models import AnalyticsSettings
from integrations.models import MirrorObject, Run, SalesforceOrg
from integrations.sync.endings import Defer, RunStopped
from integrations.sync.mirror.reading import read_mirror
from integrations.sync.runs import Recorder

JOB, LABEL, DOMAIN = "analytics.sync", "Sync of analytics", "analytics"
KEY = "sync"  # of the checkpoint
READ = "read"  # argument: False reads nothing
YOUNG = timedelta(hours=1)
GONE_ON = ("cancelled", "disconnected", "lease_lost", "ended_elsewhere", "worker_stopping")
"""Endings that concern the whole run; whatever else ends a read concerns some objects only."""


def perform(recorder: Recorder) -> None:
    """Read, compute, analyze; each once a run, however many turns it takes."""
    from analytics.facts.computing import compute  # brings pyarrow, which no web process needs

    org = recorder.org
    assert org is not None
    if not is_enabled(org):
        return
    done: dict[str, Any] = dict(recorder.checkpoint.get(KEY) or {})
    problem = None
    if not done.get("facts"):
        problem = _read(recorder, org, done)
        _pin(recorder, org)
        compute(recorder, org, timezone.now())
        done |= {"facts": True, "problem": _as_json(problem)}
        recorder.save({KEY: done})
    nightly.compute_all(recorder, org)
    problem = problem or _from_json(done.get("problem"))
    if problem is not None:
        raise problem


def is_enabled(org: SalesforceOrg) -> bool:
    """Whether somebody pressed the one button and nobody paused it."""
    going = AnalyticsSettings.objects.filter(org=org, started_at__isnull=False, paused_at=None)
    return org.analytics_enabled and going.exists()


def _read(recorder: Recorder, org: SalesforceOrg, done: dict[str, Any]) -> RunStopped | Defer | None:
    """What is new, of the objects of analytics; gives what went wrong."""
    if done.get("read") or recorder.run.arguments.get(READ) is False:
        return None
    names = [each.object for each in needs.needs_of(org)]
    if not names or _is_young(org, names):
        return None
    if "objects" not in recorder.run.arguments:
        recorder.run.arguments = {**recorder.run.arguments, "objects": names}
        Run.objects.filter(pk=recorder.run.pk).update(arguments=recorder.run.arguments)
    try:
        read_mirror(recorder)
    except RunStopped as stop:
        if stop.code in GONE_ON:
            raise
        return stop
    except Defer as later:
        return later
    done["read"] = True
    recorder.save({KEY: done})
    return None


def _is_young(org: SalesforceOrg, names: list[str]) -> bool:
    known = MirrorObject.objects.filter(org=org, name__in=names, read_at__gte=timezone.now() - YOUNG).count()
    return known == len(set(names))


def _pin(recorder: Recorder, org: SalesforceOrg) -> None:
    """The run shows the version of the map that it works on (I-13)."""
    found = current_map(org)
    version = f"map {found[1]}" if found is not None else ""
    Run.objects.filter(pk=recorder.run.pk).update(configuration=version)


def _as_json(problem: RunStopped | Defer | None) -> dict[str, str] | None:
    if problem is None:
        return None
    if isinstance(problem, Defer):
        return {"code": problem.code, "sentence": problem.sentence, "until": problem.until.isoformat() if problem.until else ""}
    return {"code": problem.code, "sentence": problem.sentence, "state": problem.state}


def _from_json(data: dict[str, str] | None) -> RunStopped | Defer | None:
    if not data:
        return None
    if "state" in data:
        return RunStopped(data["code"], data["sentence"], data["state"])
    until = timezone.datetime.fromisoformat(data["until"]) if data["until"] else None
    return Defer(data["code"], data["sentence"], until)
