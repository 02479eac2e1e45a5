"""What pages and API read of task rules and of the tasks that they made."""

from typing import Any

from django.db.models import Count, Q, QuerySet

from integrations.models import SalesforceOrg
from integrations.product import signals
from integrations.product.models import CsmTask, TaskRule
from integrations.product.task_rules.conditions import in_words, read_conditions

RULE_COLUMNS = {"name": "name", "made": "made", "checked": "checked_at"}
TASK_COLUMNS = {"opened": "opened_at", "customer": "customer__name"}
RULE_STATES = dict(TaskRule.State.choices)
TASK_STATES = dict(CsmTask.State.choices)


def find_rules(*, org: SalesforceOrg | None = None, text: str = "", state: str = "", every: bool = False) -> QuerySet[TaskRule]:
    """Rules with how many tasks they made and how many wait; archived ones only when asked for by `state` or `every`."""
    rules = TaskRule.objects.select_related("org", "segment").annotate(
        made=Count("tasks", filter=Q(tasks__state=CsmTask.State.CREATED)),
        waits=Count("tasks", filter=Q(tasks__state=CsmTask.State.WAITING)),
    )
    if org is not None:
        rules = rules.filter(org=org)
    if text.strip():
        rules = rules.filter(name__icontains=text.strip().replace("\0", ""))
    if state in RULE_STATES:
        return rules.filter(state=state)
    return rules if every else rules.exclude(state=TaskRule.State.ARCHIVED)


def find_tasks(*, rule: TaskRule | None = None, text: str = "", state: str = "") -> QuerySet[CsmTask]:
    """Tasks, newest first."""
    tasks = CsmTask.objects.select_related("rule__org", "customer").order_by("-opened_at", "-pk")
    if rule is not None:
        tasks = tasks.filter(rule=rule)
    if text.strip():
        wanted = text.strip().replace("\0", "")
        tasks = tasks.filter(Q(customer__name__icontains=wanted) | Q(customer__external_id__icontains=wanted))
    return tasks.filter(state=state) if state in TASK_STATES else tasks


def words_of(rule: TaskRule) -> list[str]:
    """The rule's conditions as pages say them."""
    labels = {each.key: each.label for each in signals.signals_of(rule.org)}
    return [in_words(each, labels) for each in read_conditions(rule.conditions)]


def lacks_key(org: SalesforceOrg) -> str:
    """Why the tasks of a connection wait for their key field; "" when they do not."""
    waiting = CsmTask.objects.filter(rule__org=org, state=CsmTask.State.WAITING, code="key_field_missing")
    return waiting.values_list("message", flat=True).first() or ""


def task_lines(tasks: QuerySet[CsmTask]) -> Any:
    """Tasks as lines of a CSV."""
    for task in tasks.iterator(1000):
        yield [
            task.rule.name, task.customer.external_id, task.customer.name, task.state, task.code, task.message, task.reason,
            task.values.get("Subject", ""), task.values.get("ActivityDate", ""), task.salesforce_id, task.opened_at.isoformat(),
            task.ended_at.isoformat() if task.ended_at else "", task.made_at.isoformat() if task.made_at else "",
        ]  # fmt: skip


TASK_HEADER = ("rule", "customer", "name", "state", "code", "message", "reason", "subject", "due", "salesforce_id", "opened_at",
               "ended_at", "made_at")  # fmt: skip
