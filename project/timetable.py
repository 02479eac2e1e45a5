"""Every schedule in one table, cron in UTC. Starting the worker rewrites the queue's schedules from it."""

from dataclasses import dataclass
from datetime import datetime

from croniter import croniter
from django.conf import settings
from django.utils import timezone
from django_q.models import Schedule

from integrations.product.health.compute import CRON as HEALTH_CRON
from integrations.product.task_rules.making import CRON as TASKS_CRON
from integrations.sync.mapping.schedule import MAP_CRON, PUSH_CRON

PREFIX = "causeway: "


@dataclass(frozen=True, slots=True)
class Slot:
    """One line of the timetable. `job` names a job of the registry, `call` a plain task; one of them is set."""

    name: str
    cron: str
    what: str
    job: str = ""
    call: str = ""


def timetable() -> list[Slot]:
    """The lines, from the most frequent to the rarest."""
    return [
        Slot("heartbeat", "* * * * *", "Proof that the worker lives", call="integrations.tasks.beat"),
        Slot("sweep", "* * * * *", "Take over runs whose worker died", call="integrations.tasks.sweep"),
        Slot("alerts", "* * * * *", "Send alerts that are due", call="integrations.tasks.send_alerts"),
        Slot("revocations", "*/5 * * * *", "Revoke what a disconnect could not", call="integrations.tasks.retry_revocations"),
        Slot("blocked addresses", "*/15 * * * *", "Try orgs that refused our address", call="integrations.tasks.retry_blocked"),
        Slot("product flush", "* * * * *", "Put waiting events into the lake", call="integrations.product.ingest.tasks.flush"),
        Slot("provisioning", "* * * * *", "Look for won deals, go on with waiting ones", call="provisioning.tasks.keep_going"),
        Slot("usage from events", "* * * * *", "Count usage", call="provisioning.tasks.count_events"),
        Slot("subscriptions", "*/5 * * * *", "Note what ended", call="provisioning.tasks.keep_subscriptions"),
        Slot("usage watch", "*/10 * * * *", "Notice API use that is not ours", call="integrations.tasks.watch_usage"),
        Slot("run watch", "*/10 * * * *", "Notice runs that fail or are late", call="integrations.tasks.watch_runs"),
        Slot("product copy", "*/10 * * * *", "Copy changed customers", call="integrations.product.segments.tasks.keep_copy"),
        Slot("what needs a person", "*/10 * * * *", "Count it", call="project.needs_person.listing.run_count"),
        Slot("mirror read", "0 0 * * *", "Read what changed in Salesforce", job="mirror.read"),
        Slot("okr refresh", f"{settings.REFRESH_MINUTE} * * * *", "Read the reports behind key results", job="okr.refresh"),
        Slot("product kpis", "30 2 * * *", "Roll up events, compute KPIs before the push", job="product.kpis"),
        Slot("product segments", "40 4 * * *", "Count the members of segments", job="product.segments"),
        Slot("late events", "*/10 * * * *", "Compute KPIs anew", call="integrations.product.kpis.tasks.catch_up"),
        Slot("mapping push", PUSH_CRON, "Push mapped fields to Salesforce", job="mapping.push"),
        Slot("mapping pull", MAP_CRON, "Match and map what was fetched", job="mapping.pull"),
        Slot("product health", HEALTH_CRON, "Health scores before each push", job="product.health"),
        Slot("erased tasks", "35 * * * *", "Forget tasks of erased customers", call="integrations.product.tasks.forget_erased"),
        Slot("product tasks", TASKS_CRON, "Tasks for customers that need attention", job="product.tasks"),
        Slot("mirror reconcile", "0 5 * * *", "Compare the mirror with Salesforce", job="mirror.reconcile"),
        Slot("mirror formulas", "30 5 * * *", "Compare calculated fields where it is due", job="mirror.formulas"),
        Slot("posture", "20 5 * * *", "Check permissions of the integration users", call="integrations.tasks.check_posture"),
        Slot("audit check", "10 4 * * *", "Prove the audit", call="integrations.audit_keeping.run_nightly"),
        Slot("security", "25 5 * * *", "Compare rights with needs", call="project.security.review.run_daily"),
        Slot("provisioning check", "40 5 * * *", "Look what provisioning needs in the orgs", job="provisioning.check"),
        Slot("analytics sync", "0 * * * *", "Sync analytics whose hour it is", call="analytics.tasks.start_due"),
        Slot("okr watch", "*/10 * * * *", "Key results of connections that are down say so", call="okr.tasks.watch"),
        Slot("lake upkeep", "20 1,7,13,19 * * *", "Compact the lake, delete what must go", job="lake.upkeep"),
        Slot("outbox verify", "0 6 * * 0", "Compare what we wrote with live values", job="outbox.verify"),
        Slot("outbox upkeep", "50 1 * * *", "Forget what old pushes sent", call="integrations.sync.outbox.upkeep.run_upkeep"),
        Slot("product purge", "45 1 * * *", "Forget old event counts", call="integrations.product.ingest.tasks.purge"),
        Slot("billing rate", "10 6 * * *", "Work out invoices from usage and prices", job="billing.rate"),
        Slot("billing push", "0 7 * * *", "Push billing objects to Salesforce", job="billing.push"),
        Slot("four-way audit", "30 3 * * *", "Compare sold, granted, used, billed", call="project.four_way.audit.run_nightly"),
        Slot("provisioning purge", "55 1 * * *", "Forget old calls and usage", call="provisioning.tasks.purge"),
        Slot(
            "analytics purge", "35 1 * * *", "Forget questions that nobody saved", call="analytics.analyses.purging.run_purge"
        ),
        Slot("purge", "40 1 * * *", "Delete row outcomes and runs past their retention", call="integrations.tasks.purge"),
    ]


def next_time(cron: str, *, after: datetime) -> datetime:
    """When `cron` (UTC) fires next after `after`."""
    return croniter(cron, after).get_next(datetime)


def write_schedules() -> int:
    """Make the queue's schedules equal to the table; schedules of ours that left the table go. Returns how many stand."""
    now = timezone.now()
    slots = timetable()
    for slot in slots:
        wanted = {
            "func": "integrations.tasks.start_slot" if slot.job else slot.call,
            "args": repr((slot.job,)) if slot.job else None,
            "schedule_type": Schedule.CRON,
            "cron": slot.cron,
            "repeats": -1,
        }
        schedule, created = Schedule.objects.get_or_create(
            name=PREFIX + slot.name, defaults={**wanted, "next_run": next_time(slot.cron, after=now)}
        )
        if not created and (schedule.cron, schedule.func, schedule.args) != (slot.cron, wanted["func"], wanted["args"]):
            # Only a changed line moves its next time: a restart must not skip a slot that is due.
            Schedule.objects.filter(pk=schedule.pk).update(**wanted, next_run=next_time(slot.cron, after=now))
    Schedule.objects.filter(name__startswith=PREFIX).exclude(name__in=[PREFIX + slot.name for slot in slots]).delete()
    return len(slots)
