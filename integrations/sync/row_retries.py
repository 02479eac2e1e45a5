"""Doing again only what a run could not do: the rows that failed or were not attempted, and no others.

The ledger is the list: a run whose arguments say `rows_of` does the rows that the run of that number left undone. Jobs that
understand this say so with `retry_rows`; the others can only be run again as a whole.
"""

from datetime import datetime

from django.db.models import Sum

from integrations.access import Person, Refusal
from integrations.models import RowOutcome, Run, RunObject
from integrations.sync import jobs, runs

ROWS_OF = "rows_of"
UNDONE = (RowOutcome.Outcome.FAILED, RowOutcome.Outcome.NOT_ATTEMPTED)


def undone_rows(run: Run) -> int:
    """How many rows a retry of rows would do; 0 when it is not possible or senseless.

    The ledger lists at most 1,000 rows of a class and keeps them 30 days (R-269, S-114). When rows are missing from the list,
    only the whole job can be run again: a retry that silently left some out would be worse than none.
    """
    if run.is_active or not _can_retry_rows(run):
        return 0
    sums = RunObject.objects.filter(run=run).aggregate(failed=Sum("failed", default=0), left=Sum("not_attempted", default=0))
    counted = sums["failed"] + sums["left"]
    listed = RowOutcome.objects.filter(run_object__run=run, outcome__in=UNDONE).count()
    return listed if listed == counted else 0


def keys_of(run_id: int, *, kind: str) -> list[str]:
    """Keys of the rows of `kind` that the run left undone, for the job that does them again."""
    rows = RowOutcome.objects.filter(run_object__run=run_id, run_object__name=kind, outcome__in=UNDONE)
    return list(rows.values_list("key", flat=True))


def retry_rows(run: Run, *, user: Person | None, now: datetime) -> Run:
    """A new run of the same job for the undone rows of `run` alone.

    Refusals: `no_row_retry` (the job cannot, or the list of rows is incomplete), `queued_already` (a run of the job waits
    already and would do other rows than these).
    """
    if not undone_rows(run):
        raise Refusal("no_row_retry", f"Run #{run.pk} has no rows that can be done again by themselves; retry the whole run.")
    if run.org is not None and not run.org.is_connected:
        raise Refusal("not_connected", f"{run.org.name} is {run.org.get_state_display().lower()}; connect it first.")
    arguments = {ROWS_OF: run.pk}
    again = runs.request_run(run.job, org=run.org, trigger=Run.Trigger.RETRY, user=user, arguments=arguments, now=now)
    if again.arguments.get(ROWS_OF) != run.pk:
        raise Refusal("queued_already", f"Run #{again.pk} of this job waits already. Try again when it has ended.")
    return again


def _can_retry_rows(run: Run) -> bool:
    try:
        return jobs.get(run.job).retry_rows
    except KeyError:
        return False
