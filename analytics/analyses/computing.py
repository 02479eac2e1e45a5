"""The job that computes what was asked: all questions of a connection that wait, oldest first, each a row of the ledger."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from analytics.analyses import asking
from analytics.analyses.documents import Document
from analytics.facts import reading
from analytics.models import Analysis, FactsState, Result
from integrations.access import Refusal
from integrations.lake.engine import EngineError, open_engine
from integrations.models import SalesforceOrg
from integrations.sync.endings import RunStopped
from integrations.sync.mapping.problems import ProblemsFound
from integrations.sync.runs import Recorder

log = structlog.get_logger(__name__)
ROWS = "Analyses"
MOST_IN_A_RUN = 500
CANCELLED = "cancelled"
UNEXPECTED = (
    "It failed for a reason that the program did not expect; the log of the worker has it. Try again, or tell an operator."
)


def perform(recorder: Recorder) -> None:
    """Compute the questions of the connection that wait; `job` of the registry."""
    org = recorder.org
    assert org is not None
    recorder.expect(min(_waiting(org).count(), MOST_IN_A_RUN))
    compute_waiting(recorder, org)


def compute_waiting(recorder: Recorder, org: SalesforceOrg) -> int:
    """Compute until nothing waits (at most 500 in one run); how many were."""
    done = 0
    while done < MOST_IN_A_RUN:
        result = _waiting(org).first()
        if result is None:
            return done
        recorder.breathe()
        compute_result(result, recorder)
        done += 1
    return done


def _waiting(org: SalesforceOrg) -> Any:
    queued = Result.objects.filter(analysis__org=org, state=Result.State.QUEUED)
    return queued.select_related("analysis__org").order_by("queued_at", "id")


def compute_result(result: Result, recorder: Recorder) -> Result:
    """Compute one question on the facts as they are now, store what was found or why it failed, count it in the ledger."""
    analysis = result.analysis
    tally, label = recorder.object(ROWS), str(analysis)
    result = _on_current_facts(result)
    compute_stored(result, breathe=lambda: recorder.save(), run=recorder.run)
    if result.state == Result.State.DONE:
        tally.written(str(analysis.pk), label)
    else:
        tally.failed(str(analysis.pk), "analysis_failed", result.problem, label=label)
    recorder.save()
    return result


def _on_current_facts(result: Result) -> Result:
    """The facts may have moved on while it waited: then the result is that of the new ones."""
    state = FactsState.objects.filter(org=result.analysis.org_id).first()
    if state is None or state.digest == result.facts:
        return result
    newer = Result.objects.filter(analysis=result.analysis_id, facts=state.digest).exclude(pk=result.pk).first()
    if newer is not None:
        result.delete()
        newer.analysis = result.analysis
        return newer
    result.facts, result.as_of = state.digest, state.as_of
    result.save(update_fields=["facts", "as_of"])
    return result


def compute_stored(result: Result, *, breathe: Callable[[], None] = lambda: None, run: Any = None) -> Result:
    """Compute a stored result; nothing is raised but what must end the run. Other failures are kept in words."""
    if result.state == Result.State.DONE:
        return result
    started = time.monotonic()
    try:
        document = compute(result.analysis, result, breathe=breathe)
    except RunStopped as stop:
        if stop.code == CANCELLED:  # or the next look at its page would start it again
            Result.objects.filter(pk=result.pk).update(state=Result.State.FAILED, problem="Cancelled by a person.", run=run)
        raise
    except Exception as error:  # one analysis must not stop the others; a person reads why
        log.warning("analysis.failed", analysis=result.analysis_id, kind=result.analysis.kind, error=type(error).__name__,
                    exc_info=not isinstance(error, (Refusal, ProblemsFound)))  # fmt: skip
        result.state, result.problem = Result.State.FAILED, problem_of(error)
    else:
        result.state, result.problem = Result.State.DONE, ""
        result.document = plain(document)
    result.seconds = round(time.monotonic() - started, 3)
    result.computed_at, result.run = timezone.now(), run
    result.save(update_fields=["state", "problem", "document", "seconds", "computed_at", "run", "facts", "as_of"])
    return result


def compute(analysis: Analysis, result: Result, *, breathe: Callable[[], None] = lambda: None) -> Document:
    """What the kind finds; raises what it raises."""
    kind = asking.kind_of(analysis)
    if kind is None:
        raise Refusal("unknown_kind", f"No analysis is called {analysis.kind} any more.")
    if missing := kind.lacks(analysis.org):
        raise Refusal("lacking", missing)
    asked = replace(asking.asked_of(analysis, result), breathe=breathe)
    with open_engine() as engine:
        return kind.compute(engine, asked)


def compute_now(analysis: Analysis, *, now: datetime) -> Result:
    """Compute in this process and store; for jobs and the demonstration. `Refusal` without facts."""
    state = reading.state_of(analysis.org)
    result, _ = Result.objects.get_or_create(
        analysis=analysis, facts=state.digest, defaults={"as_of": state.as_of, "queued_at": now}
    )
    result.analysis = analysis
    return compute_stored(result)


def plain(document: Document) -> dict[str, Any]:
    """The document as the database keeps it: plain JSON; money as text, days and instants ISO text, NaN and infinity null."""
    text = json.dumps(_finite(document.as_dict()), cls=DjangoJSONEncoder)
    return json.loads(text)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    as_python = getattr(value, "item", None)  # of numpy's numbers
    return as_python() if as_python is not None else value


def problem_of(error: Exception) -> str:
    """Why it failed, for a person; nothing of a record or a statement."""
    if isinstance(error, EngineError):
        return "The data could not be read in the time or memory that there is; try again, or ask for less."
    if isinstance(error, Refusal):
        return error.message[:500]
    if isinstance(error, ProblemsFound):
        return " ".join(each.message for each in error.problems)[:500]
    return UNEXPECTED
