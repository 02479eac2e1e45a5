"""The job `provisioning.advance`: the worker takes over stored calls and deals that wait, from their recorded step.

A run counts every deal once (I-01): written when it is provisioned, skipped when it asks for nothing, failed when a person must
act, not attempted when it waits for Salesforce.
"""

from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone

from integrations.models import SalesforceOrg
from integrations.sync import runs
from integrations.sync.runs import Recorder
from provisioning.connection import is_working, settings_of
from provisioning.models import Delivery, Provision
from provisioning.provision import claims, intake, steps, taking, write_back
from provisioning.provision.taking import Outcome

JOB, LABEL = intake.JOB, "Provisioning of waiting deals"
TALLY = "Deals"
BATCH = 20  # deals between two saves of the run
MOST = 5_000


def has_work(org: SalesforceOrg, *, now: datetime) -> bool:
    """Whether a run would find anything to do."""
    return Delivery.objects.filter(org=org, waiting=True).exists() or claims.due(org, now=now).exists()


def perform(recorder: Recorder) -> None:
    """One run of a connection, in turns."""
    org = recorder.org
    assert org is not None
    settings = settings_of(org)
    if not is_working(org, settings):
        return
    granted = False
    for delivery in Delivery.objects.filter(org=org, waiting=True).order_by("pk")[:MOST]:
        outcomes = intake.take_waiting(settings, delivery, now=timezone.now())
        granted |= _count(recorder, outcomes)
        _pause(recorder)
    seen: set[int] = set()
    while batch := _next(org, seen, now=timezone.now()):
        for provision in batch:
            seen.add(provision.pk)
            if steps.advance(provision, now=timezone.now(), settings=settings):
                granted |= _count(recorder, [taking.outcome_of(provision, fresh=True)])
        _pause(recorder)
    if granted:
        runs.request_run(write_back.JOB, org=org, trigger="system", now=timezone.now())


def _next(org: SalesforceOrg, seen: set[int], *, now: datetime) -> list[Provision]:
    """The next deals; each once a run, so that nothing turns in circles."""
    if len(seen) >= MOST:
        return []
    return list(claims.due(org, now=now).exclude(pk__in=seen).select_related("org", "automation", "customer")[:BATCH])


def _pause(recorder: Recorder) -> None:
    recorder.save()
    recorder.breathe()


def _count(recorder: Recorder, outcomes: Iterable[Outcome]) -> bool:
    """Put deals into the ledger; whether any was granted."""
    tally, granted = recorder.object(TALLY), False
    for each in outcomes:
        if each.status == taking.DONE:
            tally.written(each.opportunity_id, salesforce_id=each.opportunity_id)
            granted = True
        elif each.status == taking.ALREADY_DONE:
            tally.unchanged()
        elif each.status in (taking.NOTHING, taking.NOT_FOUND):
            tally.skipped(each.opportunity_id, each.status, each.message)
        elif each.status == taking.TAKEN:
            tally.not_attempted(each.opportunity_id, "waiting", each.message or "It waits for its next try.")
        else:
            tally.failed(each.opportunity_id, each.status, each.message)
    return granted


def start_due(org: SalesforceOrg, *, now: datetime) -> list[str]:
    """Ask for the runs that a connection needs now; called each minute. The names of the jobs."""
    wanted = []
    if has_work(org, now=now):
        runs.request_run(JOB, org=org, trigger="schedule", now=now)
        wanted.append(JOB)
    if write_back.due(org, now=now).exists():
        runs.request_run(write_back.JOB, org=org, trigger="schedule", now=now)
        wanted.append(write_back.JOB)
    return wanted
