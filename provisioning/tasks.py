"""What the queue calls for provisioning: each minute, each five minutes, and once a day."""

import os
import socket

from django.utils import timezone
from django_q.tasks import async_task

from integrations.models import SalesforceOrg
from integrations.sync import leases
from provisioning.connection import settings_of
from provisioning.entitlements import changed
from provisioning.metering import events, purging
from provisioning.provision import advancing, intake, poll, warm
from provisioning.subscriptions import upkeep

COUNTING = "provisioning.count_events"


def keep_going() -> int:
    """Each minute: look at every connection; several of them each in a task of its own, so that a slow org delays no other."""
    orgs = SalesforceOrg.objects.filter(state=SalesforceOrg.State.CONNECTED, provisioning_enabled=True)
    ids = list(orgs.order_by("pk").values_list("pk", flat=True))
    for pk in ids[1:]:
        async_task("provisioning.tasks.look_at", pk, task_name=f"provisioning-{pk}")
    for pk in ids[:1]:
        look_at(pk)
    return len(ids)


def look_at(org_id: int) -> int:
    """Poll one connection, and start what is due there; the number of deals that were found."""
    org, now = SalesforceOrg.objects.filter(pk=org_id).first(), timezone.now()
    if org is None or not org.is_connected or not org.provisioning_enabled:
        return 0
    found = poll.poll(org, now=now)
    advancing.start_due(org, now=timezone.now())
    if found.calls and not found.trouble:
        warm.keep_described(settings_of(org), now=timezone.now())
    return found.opened


def keep_subscriptions() -> dict[str, int]:
    """Each five minutes: note what expired, which boundaries passed, and forget erased customers."""
    now = timezone.now()
    boundaries = upkeep.note_boundaries(now=now)
    return {"expired": upkeep.expire(now=now), "boundaries": boundaries, "erased": upkeep.forget_erased(now=now)}


def count_events() -> int:
    """Each minute: usage of features that are counted from product events; how many counts changed. One worker at a time."""
    if not events.is_due():
        return 0
    now = timezone.now()
    fence = leases.acquire(COUNTING, holder=f"{socket.gethostname()}:{os.getpid()}", now=now)
    if fence is None:
        return 0
    try:
        return events.count_events(now=now)
    finally:
        leases.release(COUNTING, fence=fence)


def purge() -> dict[str, int]:
    """Once a day: forget old deliveries, notes of changed access, and usage past its time."""
    now = timezone.now()
    return {"deliveries": intake.purge(now=now), "changes": changed.purge(now=now), "usage": purging.purge(now=now)}
