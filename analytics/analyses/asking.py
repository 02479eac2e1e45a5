"""Asking an analysis: which question it is, its newest result, and having it computed when the facts moved on.

The same question of a connection is one `Analysis`; on the same facts it has one `Result`. Looking stores nothing (S-059):
`find` reads, `ask` stores.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from analytics.analyses import kinds
from analytics.analyses.kinds import AnalysisKind, Asked
from analytics.facts import reading
from analytics.models import Analysis, FactsState, Result
from integrations.access import Person, Refusal, has_role
from integrations.models import Run, SalesforceOrg
from integrations.sync import runs

JOB = "analytics.analyze"
COMPUTING_JOBS = (JOB, "analytics.sync")
"""Jobs that compute what waits."""
LABEL = "Analyses"
AGAIN_AFTER = timedelta(minutes=10)
"""A failed computation on the same facts is tried again by itself after so long; at once when a person presses the button."""
MOST_WAITING = 200
"""Questions of one connection that may wait at once."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an analysis stands: its newest finished result, the one in the making, and the facts of its connection."""

    analysis: Analysis | None
    done: Result | None
    latest: Result | None
    state: FactsState | None
    has_run: bool = False

    @property
    def is_waiting(self) -> bool:
        """Whether a computation is under way: queued, and no run that was to do it has been cancelled or lost."""
        return self.has_run and self.latest is not None and self.latest.state == Result.State.QUEUED

    @property
    def is_current(self) -> bool:
        """Whether the finished result is of the facts as they are now."""
        return self.done is not None and self.state is not None and self.done.facts == self.state.digest

    @property
    def failure(self) -> str:
        """Why the newest computation failed; nothing when it did not."""
        return self.latest.problem if self.latest is not None and self.latest.state == Result.State.FAILED else ""

    @property
    def needs_computing(self) -> bool:
        """Whether today's facts have neither a result nor one in the making nor a failure that a person has to look at."""
        return self.state is not None and not (self.is_current or self.is_waiting or self.failure)


def digest_of(kind: str, parameters: Mapping[str, Any]) -> str:
    """What makes two questions the same: kind and parameters."""
    text = json.dumps([kind, parameters], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def seed_of(digest: str) -> int:
    """The seed of every random number of an analysis: of its question, so that the same question gives the same numbers."""
    return int(digest[:8], 16) & 0x7FFFFFFF


def read_parameters(kind: AnalysisKind, org: SalesforceOrg, data: Mapping[str, Any]) -> dict[str, Any]:
    """Complete parameters from a form or the API; `ProblemsFound` with everything that is wrong, by key."""
    return json.loads(json.dumps(kind.read(org, data), sort_keys=True, default=str))


def find(kind: AnalysisKind, org: SalesforceOrg, parameters: Mapping[str, Any]) -> Analysis | None:
    """The stored analysis with these complete parameters, if anybody asked it before."""
    return Analysis.objects.filter(org=org, kind=kind.name, digest=digest_of(kind.name, parameters)).first()


def ask(
    kind: AnalysisKind,
    org: SalesforceOrg,
    data: Mapping[str, Any],
    *,
    user: Person | None,
    now: datetime,
    nightly: bool = False,
) -> Analysis:
    """The analysis that asks this, stored. `Refusal` when what it needs is missing, `ProblemsFound` for bad values."""
    if missing := kind.lacks(org):
        raise Refusal("lacking", missing)
    parameters = read_parameters(kind, org, data)
    digest = digest_of(kind.name, parameters)
    owner = user if user is not None and user.is_authenticated else None
    analysis, made = Analysis.objects.get_or_create(
        org=org, kind=kind.name, digest=digest,
        defaults={"parameters": parameters, "seed": seed_of(digest), "owner": owner, "is_nightly": nightly, "created_at": now,
                  "asked_at": now},
    )  # fmt: skip
    changed: dict[str, Any] = {} if made or nightly else {"asked_at": now}
    if nightly and not analysis.is_nightly:
        changed["is_nightly"] = True
    for name, value in changed.items():
        setattr(analysis, name, value)
    if changed:
        Analysis.objects.filter(pk=analysis.pk).update(**changed)
    return analysis


def request_result(analysis: Analysis, *, user: Person | None, now: datetime, again: bool = False) -> Result:
    """The result on the facts as they are now; where there is none it is queued. `again`: also after a failure just now.

    `Refusal` without facts, and when too many questions wait already.
    """
    state = reading.state_of(analysis.org)
    known = analysis.results.filter(facts=state.digest).first()
    if known is not None and not _is_due(known, now, again):
        return known
    waiting = Result.objects.filter(analysis__org=analysis.org, state=Result.State.QUEUED).count()
    if waiting >= MOST_WAITING:
        raise Refusal("too_many", f"{waiting} analyses of this connection wait already; try again when some are done.")
    fresh = {"state": Result.State.QUEUED, "queued_at": now, "problem": "", "run": None}
    result, _ = Result.objects.update_or_create(
        analysis=analysis, facts=state.digest, defaults=fresh, create_defaults=fresh | {"as_of": state.as_of}
    )
    runs.request_run(JOB, org=analysis.org, user=user, now=now)
    result.refresh_from_db()
    return result


def _is_due(result: Result, now: datetime, again: bool) -> bool:
    """Whether a result that exists must be queued anew: it failed, or its run died before it."""
    if result.state == Result.State.FAILED:
        return again or result.queued_at < now - AGAIN_AFTER
    if result.state != Result.State.QUEUED:
        return False
    return not _has_run(result.analysis.org_id)


def _has_run(org_id: int) -> bool:
    """Whether a run waits or works for a connection that computes what is asked."""
    active = (Run.State.QUEUED, Run.State.RUNNING)
    return Run.objects.filter(job__in=COMPUTING_JOBS, org=org_id, state__in=active).exists()


def result_of(analysis: Analysis) -> Result | None:
    """The newest finished result."""
    return analysis.results.filter(state=Result.State.DONE).order_by("-as_of", "-id").first()


def result_before(result: Result, *, other_day: bool = False) -> Result | None:
    """The finished result of the same analysis on the facts before those of this one. `other_day`: of an earlier midnight, not
    of facts that were only computed again."""
    earlier = result.analysis.results.filter(state=Result.State.DONE).exclude(pk=result.pk)
    if result.as_of is not None:
        same_day = Q(as_of=result.as_of, id__lt=result.pk) if not other_day else Q(pk__in=())
        earlier = earlier.filter(Q(as_of__lt=result.as_of) | same_day)
    return earlier.order_by("-as_of", "-id").first()


def standing_of(analysis: Analysis | None, org: SalesforceOrg) -> Standing:
    """How the analysis stands now; `analysis` None: nobody asked it yet."""
    state = FactsState.objects.filter(org=org).first()
    if analysis is None:
        return Standing(None, None, None, state)
    latest = analysis.results.filter(facts=state.digest).first() if state is not None else None
    done = latest if latest is not None and latest.state == Result.State.DONE else result_of(analysis)
    waits = latest is not None and latest.state == Result.State.QUEUED
    return Standing(analysis, done, latest, state, has_run=waits and _has_run(org.pk))


def shown_to(user: Person) -> QuerySet[Analysis]:
    """The analyses that somebody may read: analysts all, members those that are saved or computed every night."""
    known = Analysis.objects.select_related("org", "owner")
    return known if has_role(user, "analyst", "analytics") else known.filter(Q(is_nightly=True) | ~Q(name=""))


def name_analysis(analysis: Analysis, name: str, *, user: Person | None, now: datetime) -> Analysis:
    """Save an analysis under a name, so that it stays and others see it; an empty name takes it off the saved ones."""
    cleaned = " ".join(name.split())
    if len(cleaned) > 120:
        raise Refusal("name_too_long", "A name has at most 120 characters.")
    taken = Analysis.objects.filter(org=analysis.org_id, name__iexact=cleaned).exclude(pk=analysis.pk)
    if cleaned and taken.exists():
        raise Refusal("name_taken", f"{cleaned} is the name of another analysis of this connection; choose another one.")
    analysis.name, analysis.asked_at = cleaned, now
    if cleaned and user is not None and user.is_authenticated:
        analysis.owner = user  # pyright: ignore[reportAttributeAccessIssue]
    analysis.save(update_fields=["name", "asked_at", "owner"])
    return analysis


def asked_of(analysis: Analysis, result: Result) -> Asked:
    """What `compute` and `behind` of the kind get for a result."""
    assert result.as_of is not None
    return Asked(
        org=analysis.org, parameters=analysis.parameters, as_of=result.as_of, seed=analysis.seed,
        currency=currency_of(analysis.org),
    )  # fmt: skip


def currency_of(org: SalesforceOrg) -> str:
    """The currency of all amounts of a connection: the one that its facts were computed in, else the one of the settings."""
    state = FactsState.objects.filter(org=org).first()
    health = state.health if state is not None and isinstance(state.health, dict) else {}
    return str(health.get("currency") or reading.settings_of(org).currency)


def kind_of(analysis: Analysis) -> AnalysisKind | None:
    """Its kind; None for one that no longer exists."""
    try:
        return kinds.get(analysis.kind)
    except KeyError:
        return None
