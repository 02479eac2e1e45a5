"""The daily sync of each connection at its own hour (FZ-08, FZ-D7). Asked each hour, so that a missed hour is made up for."""

from datetime import UTC, datetime, timedelta

from analytics.connecting.first_read import JOB, SYNC
from analytics.models import AnalyticsSettings
from integrations.models import Run, SalesforceOrg
from integrations.sync import jobs, runs

DAY = timedelta(days=1)


def slot_of(sync_hour: int, *, now: datetime) -> datetime:
    """The last time, in UTC, at which the sync of that hour was due."""
    slot = now.astimezone(UTC).replace(hour=sync_hour, minute=0, second=0, microsecond=0)
    return slot if slot <= now else slot - DAY


def next_slot(sync_hour: int, *, now: datetime) -> datetime:
    """When the sync of that hour is due next."""
    return slot_of(sync_hour, now=now) + DAY


def start_due(*, now: datetime) -> list[Run]:
    """Queue the sync of connections that are started, connected, switched on and not paused, and had none since it was due.

    A connection whose first read is still going on is left to that.
    """
    if all(each.name != SYNC for each in jobs.every()):
        return []
    chosen = AnalyticsSettings.objects.filter(
        started_at__isnull=False, paused_at=None, org__state=SalesforceOrg.State.CONNECTED, org__analytics_enabled=True
    )
    return [
        runs.request_run(SYNC, org=each.org, trigger=Run.Trigger.SCHEDULE, slot=slot, now=now)
        for each in chosen.select_related("org")
        if is_due(each, slot := slot_of(each.sync_hour, now=now))
    ]


def is_due(settings: AnalyticsSettings, slot: datetime) -> bool:
    """Whether the sync that belongs to `slot` is still to be asked for."""
    if settings.started_at is None or settings.started_at >= slot:
        return False
    if Run.objects.filter(job=SYNC, org=settings.org, slot__gte=slot).exists():
        return False
    return not Run.objects.filter(job=JOB, org=settings.org, state__in=Run.ACTIVE).exists()
