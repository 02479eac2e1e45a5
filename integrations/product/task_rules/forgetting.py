"""Tasks of customers who were erased (I-23, S-112): their texts go out of the database, the lake and the row samples.

Salesforce is not touched: the task there belongs to the people who work with it. The row itself stays without content, so that
its key is never used again.
"""

from datetime import datetime

from integrations.lake import erasing
from integrations.models import OutboxTarget, RowOutcome
from integrations.product.models import CsmTask
from integrations.product.task_rules import kind
from integrations.sync.outbox import rows
from integrations.sync.outbox.targets import family_of

ERASED = "Erased on request."
MOST = 2_000  # tasks of one pass; the rest follows with the next


def forget(*, now: datetime) -> int:
    """Forget the tasks of erased customers; safe to repeat."""
    found = CsmTask.objects.filter(customer__erased_at__isnull=False).exclude(code="erased").select_related("rule__org")
    tasks = list(found.order_by("pk")[:MOST])
    for task in tasks:
        _forget(task, now=now)
    return len(tasks)


def _forget(task: CsmTask, *, now: datetime) -> None:
    org = task.rule.org
    for target in OutboxTarget.objects.filter(org=org, kind=kind.NAME):
        erasing.erase(family_of(target), task.key, org=org, now=now)
    rows.forget(org, [task.key])
    samples = RowOutcome.objects.filter(key=task.key, run_object__run__org=org)
    samples.update(label="", message=ERASED, detail={})
    state = CsmTask.State.DROPPED if task.state == CsmTask.State.WAITING else task.state
    CsmTask.objects.filter(pk=task.pk).update(
        reason="", values={}, message=ERASED, code="erased", state=state, ended_at=task.ended_at or now
    )
