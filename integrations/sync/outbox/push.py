"""The one verb that writes to Salesforce: `push_rows`. What differs from the accepted state is sent, answered and remembered.

Light to import; the engine and Arrow are loaded by the first push of a process.
"""

from typing import Any

from integrations.models import OutboxTarget
from integrations.sync.outbox.report import PushReport
from integrations.sync.runs import Recorder

__all__ = ["PushReport", "push_rows"]


def push_rows(
    recorder: Recorder,
    target: OutboxTarget,
    desired: Any,
    *,
    dry_run: bool = False,
    complete: bool = True,
    name: str = "",
    interactive: bool = False,
) -> PushReport:
    """Bring `target` to the desired rows (see `intake.Desired`): compare, guard, send, collect, remember.

    Safe to call again after a crash with the same or newer rows. `complete` says that these are all rows of the target, so
    that waiting rows which are not among them are settled. `name` tells several pushes of one run to one target apart.
    `interactive` may use the part of the API share that is kept for people.

    Raises `Later` while Salesforce works on a job (the run goes on later, call it again), `RunStopped` when too many rows fail
    or the run must end, `Defer` when our share of the API is used up, and `SalesforceError` for what stops a whole run: a
    refused login, an allowance used up, an org that is away or read-only (R-153). Anything about this target alone is in the
    report's `error`, its rows counted as failed (R-148).
    """
    from integrations.sync.outbox import pushing  # loads Arrow and the engine

    wish = pushing.Wish(dry_run=dry_run, complete=complete, name=name, interactive=interactive)
    return pushing.push(recorder, target, desired, wish)
