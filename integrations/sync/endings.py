"""How a run can end: the exceptions that end it early, and the state, code and sentence for each (I-12)."""

from datetime import datetime

import structlog
from django.db import DatabaseError, InterfaceError

from integrations.access import Refusal
from integrations.models import Run
from integrations.salesforce import errors
from integrations.sync import retrying

log = structlog.get_logger(__name__)
COUNTED = ("read", "written", "unchanged", "skipped", "failed", "not_attempted")


class RunStopped(Exception):
    """Raised inside a job when it must not go on: cancelled, disconnected, its lease went to another, too many rows failed."""

    def __init__(self, code: str, sentence: str, state: str = Run.State.CANCELLED) -> None:
        super().__init__(sentence)
        self.code, self.sentence, self.state = code, sentence, state


class Defer(Exception):
    """Raised by a job when nothing is wrong on our side; `until` makes a follow-up run, else the next slot does the work."""

    def __init__(self, code: str, sentence: str, until: datetime | None = None) -> None:
        super().__init__(sentence)
        self.code, self.sentence, self.until = code, sentence, until


class Later(BaseException):
    """Ends a turn, not the run: it goes on from its checkpoint at `until` (UTC), or as soon as a worker is free.

    Not an `Exception`, so that code which catches those around one object or one row does not swallow it.
    """

    def __init__(self, until: datetime | None, sentence: str) -> None:
        super().__init__(sentence)
        self.until, self.sentence = until, sentence


def ending_of(error: Exception) -> tuple[str, str, str]:
    """State, code and sentence for an exception that left a job; only the unexpected ones are logged with a traceback."""
    code = getattr(error, "code", "") or type(error).__name__
    if isinstance(error, RunStopped):
        return error.state, error.code, error.sentence
    if isinstance(error, Defer):
        return Run.State.DEFERRED, error.code, error.sentence
    if isinstance(error, errors.DailyLimitReached):
        return Run.State.DEFERRED, "api_limit", "Salesforce's daily API allowance is used up; the next slot goes on."
    if isinstance(error, errors.LimitReached):
        return Run.State.DEFERRED, "limit", f"Salesforce asks to wait: {error}"
    if isinstance(error, errors.UpstreamUnavailable):
        return Run.State.DEFERRED, "upstream", f"Salesforce could not be reached: {error}"
    if isinstance(error, errors.ReauthorizationRequired):
        return Run.State.FAILED, "reauth_required", "The connection must be authorized again."
    if isinstance(error, errors.SalesforceError):
        return Run.State.FAILED, code, str(error)
    if isinstance(error, Refusal):
        return Run.State.FAILED, error.code, error.message
    if isinstance(error, DatabaseError | InterfaceError) and (retrying.is_away(error) or retrying.is_conflict(error)):
        log.warning("run.database_away", code=code)
        return Run.State.INTERRUPTED, "database", "The database went away; a new run goes on from the last checkpoint."
    log.exception("run.crashed", code=code)
    return Run.State.FAILED, "unexpected", "Something unexpected happened; the log has the details under this run's number."


def verdict_on(sums: dict[str, int], *, dry: bool = False) -> tuple[str, str, str]:
    """State, code and sentence of a run that came through: a success only if no row failed and the classes add up (I-01).

    A `dry` run wrote nothing, whatever it counted, and its sentence says so.
    """
    if sums["read"] != sum(sums[name] for name in COUNTED[1:]):
        return Run.State.FAILED, "counts_differ", "The row classes do not add up to the rows read; please report this."
    written, failed = ("would be written", "would fail") if dry else ("written", "failed")
    parts = [f"{sums['written']:,} {written}", f"{sums['unchanged']:,} unchanged"]
    state, code = Run.State.SUCCESS, ""
    if sums["failed"] or sums["not_attempted"]:
        parts.append(f"{sums['failed']:,} {failed}")
        parts += [f"{sums['not_attempted']:,} not attempted"] if sums["not_attempted"] else []
        everything_failed = sums["failed"] == sums["read"]
        state, code = (Run.State.FAILED if everything_failed else Run.State.PARTIAL), "rows_failed"
    said = ", ".join(parts) + "." if sums["read"] else "Nothing to do."
    return state, code, f"{said} Nothing was written." if dry else said
