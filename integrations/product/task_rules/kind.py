"""The outbox kind of tasks: upserted by their own key, with these fields only, and never written over what people change.

The key is an external id on tasks, so that sending a task n times makes one (I-04). A task's values are fixed before it is sent
first; what a person changes in Salesforce afterwards stays (`human_edits` theirs).
"""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.urls import reverse

from integrations.models import OutboxTarget, SalesforceOrg
from integrations.orgs.posture import Need
from integrations.product.models import CsmTask, TaskRule
from integrations.salesforce.describe import ObjectInfo
from integrations.sync.outbox.kinds import OutboxKind
from integrations.sync.outbox.targets import ensure_target

if TYPE_CHECKING:
    import pyarrow as pa

NAME, OBJECT, KEY_FIELD = "product.task", "Task", "PX_Task_Key__c"
TEXTS = ("Subject", "WhatId", "OwnerId", "Priority", "Status", "Description")
FIELDS = (*TEXTS, "ActivityDate")
DOMAIN, LABEL = "product", "Tasks for customer success"
MOST = 10_000  # tasks handed over at once; the rest follows with the next run


def may_write(target: OutboxTarget, info: ObjectInfo, field: str) -> str:
    """Only what a task of ours consists of."""
    return "" if field in FIELDS else "is no field of these tasks"


def has_rules(org: SalesforceOrg) -> bool:
    """Whether tasks are made in this connection."""
    return org.product_enabled and TaskRule.objects.filter(org=org, state=TaskRule.State.ACTIVE).exists()


def targets_of(org: SalesforceOrg) -> list[OutboxTarget]:
    """Where the tasks of a connection go, once it has rules."""
    return [task_target(org)] if has_rules(org) else []


def task_target(org: SalesforceOrg) -> OutboxTarget:
    """The target of the connection's tasks."""
    return ensure_target(org, kind=NAME, object=OBJECT, key_field=KEY_FIELD)


def ready_tasks(org: SalesforceOrg) -> QuerySet[CsmTask]:
    """Tasks whose values are fixed and which are not known to be in Salesforce, oldest first."""
    waiting = CsmTask.objects.filter(rule__org=org, state=CsmTask.State.WAITING).exclude(values={})
    return waiting.filter(rule__state=TaskRule.State.ACTIVE).order_by("pk")


def desired_rows(target: OutboxTarget) -> "pa.Table":
    """The tasks that should be there and are not yet."""
    return rows_of(ready_tasks(target.org).select_related("customer")[:MOST])


def rows_of(tasks: Iterable[CsmTask]) -> "pa.Table":
    """Tasks as desired rows."""
    import pyarrow as pa

    listed = list(tasks)
    columns: dict[str, Any] = {
        "key": pa.array([task.key for task in listed], pa.string()),
        "label": pa.array([str(task.customer) for task in listed], pa.string()),
    }
    for name in TEXTS:
        columns[name] = pa.array([task.values.get(name) for task in listed], pa.string())
    days = [task.values.get("ActivityDate") for task in listed]
    columns["ActivityDate"] = pa.array([date.fromisoformat(day) if day else None for day in days], pa.date32())
    return pa.table(columns)


def page_of(target: OutboxTarget) -> str:
    """Where people find the rules behind the rows."""
    return reverse("product:task_rules")


def outbox_kind() -> OutboxKind:
    """The kind, to be registered."""
    return OutboxKind(
        name=NAME, label=LABEL, domain=DOMAIN, may_write=may_write, operations=("upsert",), blank="leave",
        human_edits="theirs", desired=desired_rows, targets=targets_of, page=page_of,
        needs=(Need(OBJECT, ("Subject", "WhatId", "OwnerId", "ActivityDate"), LABEL, enabled=has_rules),),
    )  # fmt: skip
