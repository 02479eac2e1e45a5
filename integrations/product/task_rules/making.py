"""The job `product.tasks`: check the rules, fix the values of new tasks, hand them to the outbox, note which are there (PX-41).

Exactly once: an episode has one row here (unique key), the row's key is an external id in Salesforce, tasks that stand there
already are found by it, and the outbox sends the others under that key, however often (I-02, I-04).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from integrations.lake import reading
from integrations.lake.engine import open_engine
from integrations.models import Entity, OutboxRow, OutboxTarget, RecordLink, SalesforceOrg
from integrations.orgs.connect import OrgClient, client_for
from integrations.product.models import CsmTask, TaskRule
from integrations.product.task_rules import key_field, kind
from integrations.product.task_rules.checking import check_rules
from integrations.product.task_rules.episodes import cut, fill_in, spread
from integrations.salesforce.errors import Refused
from integrations.salesforce.soql import one_of, select
from integrations.sync.matching import duplicates
from integrations.sync.outbox.push import push_rows
from integrations.sync.outbox.targets import is_planned
from integrations.sync.runs import Recorder

JOB, LABEL, DOMAIN = "product.tasks", "Tasks for customer success", kind.DOMAIN
CRON = "25 * * * *"
IDS, KEYS = 200, 100  # record ids, and keys of tasks, of one query
LONGEST_SUBJECT, LONGEST_DESCRIPTION = 255, 32_000
USERS = "005"  # ids of users begin so; groups and queues cannot be counted on to take tasks


def perform(recorder: Recorder) -> None:
    """One run of a connection; called again in each turn until the outbox is done."""
    org = recorder.org
    assert org is not None
    check_rules(recorder, org)
    target = kind.task_target(org)
    planned = is_planned(recorder.run, target)
    if not planned:
        note_made(org, target, now=timezone.now())
        if not _prepare(recorder, org):
            return
    tasks = list(kind.ready_tasks(org).select_related("customer")[: kind.MOST])
    if tasks or planned:
        push_rows(recorder, target, kind.rows_of(tasks))
        target.refresh_from_db()
        note_made(org, target, now=timezone.now())
        note_refused(org, target)


def _prepare(recorder: Recorder, org: SalesforceOrg) -> bool:
    """Fix the values of tasks that are new; whether anything can be sent."""
    waiting = CsmTask.objects.filter(rule__org=org, rule__state=TaskRule.State.ACTIVE, state=CsmTask.State.WAITING)
    if not waiting.exists():
        return False
    client = client_for(org, domain=DOMAIN)
    with client:
        trouble = key_field.look(org, client) and key_field.look(org, client, fresh=True)
        if trouble:
            _hold(recorder, waiting, "key_field_missing", trouble)
            return False
        fix_values(recorder, org, client, now=timezone.now())
        note_found(org, client, now=timezone.now())
        recorder.spent(client.calls)
    return True


def _hold(recorder: Recorder, waiting: Any, code: str, message: str) -> None:
    """All waiting tasks wait for the same thing."""
    tally, count = recorder.object("Task"), waiting.count()
    tally.not_attempted(kind.KEY_FIELD, code, message)
    tally.counted("not_attempted", count - 1)
    recorder.save(also=lambda: waiting.update(code=code, message=message))


# --- values ---------------------------------------------------------------------------------------------------------------


def fix_values(recorder: Recorder, org: SalesforceOrg, client: OrgClient, *, now: datetime) -> None:
    """Decide what each new task will say and whose it is; from then on it never changes. Customers without a link wait."""
    rows = CsmTask.objects.filter(rule__org=org, rule__state=TaskRule.State.ACTIVE, state=CsmTask.State.WAITING, values={})
    tasks = list(rows.select_related("rule", "customer").order_by("pk")[: kind.MOST])
    links = {
        link.customer_id: link
        for link in RecordLink.objects.filter(org=org, entity=Entity.CUSTOMER, state=RecordLink.State.ACTIVE)
        .filter(customer__in=[task.customer_id for task in tasks])
    }  # fmt: skip
    losers = duplicates.losers_of(org, Entity.CUSTOMER) if tasks else {}
    free, tally = [], recorder.object("Task")
    for task in tasks:
        code, message = _why_not(task, links, losers)
        if code:
            task.code, task.message = code, message
            tally.skipped(task.key, code, message, label=str(task.customer))
        else:
            free.append(task)
    owners = read_owners(client, [links[task.customer_id] for task in free if task.rule.owner == TaskRule.Owner.ACCOUNT])
    for task in free:
        link = links[task.customer_id]
        task.values = values_of(task, what=link.salesforce_id, owner=owners.get(link.salesforce_id, ""), now=now)
        task.code = task.message = ""

    def keep() -> None:
        CsmTask.objects.bulk_update(tasks, ["values", "code", "message"], batch_size=500)

    recorder.save(also=keep)


def _why_not(task: CsmTask, links: Mapping[int | None, RecordLink], losers: Mapping[int, str]) -> tuple[str, str]:
    if task.customer.erased_at is not None or task.customer.merged_into_id is not None:
        return "customer_gone", "The customer was erased or merged into another one."
    if task.customer_id not in links:
        return "not_linked", "The customer is linked with no Salesforce record; the task is made once it is."
    if task.customer_id in losers:
        return "duplicate_link", losers[task.customer_id]
    return "", ""


def values_of(task: CsmTask, *, what: str, owner: str, now: datetime) -> dict[str, Any]:
    """The fields of a task. Without an owner Salesforce gives it to the integration user."""
    rule = task.rule
    words = {"customer": str(task.customer), "rule": rule.name, "reason": task.reason}
    page = f"{settings.BASE_URL}/customers/{task.customer_id}/"
    text = "\n\n".join(part for part in (fill_in(rule.description, words), _reason(rule, task), page) if part)
    owner = rule.owner_id if rule.owner == TaskRule.Owner.USER else owner
    values = {
        "Subject": cut(fill_in(rule.subject, words), LONGEST_SUBJECT), "WhatId": what, "Priority": rule.priority,
        "Status": rule.status, "Description": cut(text, LONGEST_DESCRIPTION),
        "ActivityDate": (now + timedelta(days=rule.due_in_days)).date().isoformat(),
    }  # fmt: skip
    return {**values, "OwnerId": owner} if owner else values


def _reason(rule: TaskRule, task: CsmTask) -> str:
    return "" if "{{reason}}" in rule.description else task.reason


def read_owners(client: OrgClient, links: Sequence[RecordLink]) -> dict[str, str]:
    """The owner of each linked record who can take a task: an active user. Read live, because the mirror may be a day old."""
    owners: dict[str, str] = {}
    for name in sorted({link.object for link in links}):
        ids = sorted({link.salesforce_id for link in links if link.object == name})
        for some in spread(ids, IDS):
            try:
                rows = client.query_all(select(name, ("Id", "OwnerId"), where=[one_of("Id", some)]))
            except Refused:  # this object stays without owners, the others go on (I-10)
                continue
            owners |= {row["Id"]: row["OwnerId"] for row in rows if (row.get("OwnerId") or "").startswith(USERS)}
    active: set[str] = set()
    for some in spread(sorted(set(owners.values())), IDS):
        rows = client.query_all(select("User", ("Id", "IsActive"), where=[one_of("Id", some)]))
        active |= {row["Id"] for row in rows if row["IsActive"]}
    return {record: owner for record, owner in owners.items() if owner in active}


# --- what became of them ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Made:
    """A task that is known to be in Salesforce."""

    key: str
    salesforce_id: str


def note_made(org: SalesforceOrg, target: OutboxTarget, *, now: datetime) -> int:
    """Mark the tasks that Salesforce is known to have, by the outbox's accepted state; how many were new. Safe to repeat."""
    waiting = dict(
        CsmTask.objects.filter(rule__org=org, state=CsmTask.State.WAITING).exclude(values={}).values_list("key", "pk")
    )
    made = [each for each in accepted_of(target) if each.key in waiting] if waiting else []
    return _mark(made, waiting, now=now)


def note_found(org: SalesforceOrg, client: OrgClient, *, now: datetime) -> int:
    """Mark the tasks that stand in Salesforce already; how many.

    Whatever was on its way when a worker died, or was made before our database was put back from a backup, is found by its key
    and not sent again, so that nothing is written over what people changed meanwhile.
    """
    waiting = dict(kind.ready_tasks(org).values_list("key", "pk")[: kind.MOST])
    found: list[Made] = []
    for some in spread(sorted(waiting), KEYS):
        rows = client.query_all(select(kind.OBJECT, ("Id", kind.KEY_FIELD), where=[one_of(kind.KEY_FIELD, some)]))
        found += [Made(row[kind.KEY_FIELD], row["Id"]) for row in rows if row.get(kind.KEY_FIELD) in waiting]
    return _mark(found, waiting, now=now)


def _mark(made: Iterable[Made], waiting: Mapping[str, int], *, now: datetime) -> int:
    """Note these tasks as made, each once."""
    count = 0
    for each in made:
        rows = CsmTask.objects.filter(pk=waiting[each.key], state=CsmTask.State.WAITING)
        facts = {"state": CsmTask.State.CREATED, "salesforce_id": each.salesforce_id, "made_at": now, "code": "", "message": ""}
        count += rows.update(**facts)
    return count


def accepted_of(target: OutboxTarget) -> Iterable[Made]:
    """The tasks that Salesforce accepted without doubt."""
    if target.accepted is None:
        return []
    columns = ["key_", "id_", "unsure_"]
    with open_engine() as engine:
        engine.bind("accepted", reading.newest(target.accepted, columns=columns))
        rows = engine.rows("SELECT key_, id_ FROM accepted WHERE id_ IS NOT NULL AND coalesce(unsure_, '') = ''")
    return [Made(key, salesforce_id) for key, salesforce_id in rows]


def note_refused(org: SalesforceOrg, target: OutboxTarget) -> None:
    """Say with each task that Salesforce refused why; the outbox tries it again by its own rules."""
    rows = OutboxRow.objects.filter(target=target).values_list("key", "code", "message")
    for key, code, message in rows:
        CsmTask.objects.filter(key=key, rule__org=org, state=CsmTask.State.WAITING).update(code=code, message=message)
