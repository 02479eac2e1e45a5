"""After each sync: the analyses of every kind that are computed nightly, the saved ones, and what people wait for."""

from datetime import datetime

import structlog
from django.db.models import Q
from django.utils import timezone

from analytics.analyses import asking, computing, kinds
from analytics.models import Analysis, FactsState, Result
from integrations.access import Refusal
from integrations.models import SalesforceOrg
from integrations.sync.mapping.problems import ProblemsFound
from integrations.sync.runs import Recorder

log = structlog.get_logger(__name__)


def compute_all(recorder: Recorder, org: SalesforceOrg) -> int:
    """Queue what every night computes, then compute all that waits in this run; how many were computed. A run that takes turns
    may call it again: what is done on these facts stays."""
    queue_nightly(org, now=timezone.now())
    return computing.compute_waiting(recorder, org)


def queue_nightly(org: SalesforceOrg, *, now: datetime) -> int:
    """Queue the nightly and the saved analyses of a connection on the facts as they are now; how many."""
    state = FactsState.objects.filter(org=org).first()
    if state is None:
        return 0
    wanted = [*_of_the_kinds(org, now), *_saved(org)]
    queued = 0
    for analysis in {each.pk: each for each in wanted}.values():
        fresh = {"as_of": state.as_of, "queued_at": now}
        result, made = Result.objects.get_or_create(analysis=analysis, facts=state.digest, defaults=fresh)
        if not made and result.state == Result.State.FAILED:
            Result.objects.filter(pk=result.pk).update(state=Result.State.QUEUED, **fresh)
            made = True
        queued += made
    return queued


def _of_the_kinds(org: SalesforceOrg, now: datetime) -> list[Analysis]:
    found: list[Analysis] = []
    for kind in kinds.every():
        for data in kind.nightly:
            try:
                found.append(asking.ask(kind, org, data, user=None, now=now, nightly=True))
            except (Refusal, ProblemsFound) as error:  # what is missing is said on the page of the kind
                log.info("analysis.not_asked", kind=kind.name, org=org.pk, reason=type(error).__name__)
    return found


def _saved(org: SalesforceOrg) -> list[Analysis]:
    """Saved ones of kinds that still exist and have what they need; names that stand for nothing any more fail at asking."""
    listed = Analysis.objects.filter(~Q(name="") | Q(is_nightly=True), org=org).select_related("org")
    found = []
    for analysis in listed:
        kind = asking.kind_of(analysis)
        if kind is not None and not kind.lacks(org):
            found.append(analysis)
    return found
