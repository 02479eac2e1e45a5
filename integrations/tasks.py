"""What the queue calls. Each is a hint with an id; the ledger decides what is done."""

from datetime import UTC, datetime

from django.utils import timezone

from integrations import alerts, hooks
from integrations.models import WorkerHeartbeat
from integrations.orgs import budget, lifecycle, posture
from integrations.sync import run_watch, runs


def perform_run(run_id: int) -> str:
    """Perform one queued run; safe to deliver many times."""
    return runs.perform_run(run_id)


def start_slot(job_name: str) -> int:
    """The timetable's instant for `job_name` has come: queue it for each connection."""
    now = timezone.now()
    slot = datetime.fromtimestamp(now.timestamp() // 60 * 60, tz=UTC)
    return len(runs.start_slot(job_name, now=now, slot=slot))


def sweep() -> dict[str, int]:
    """Find runs whose worker died and queue tasks that got lost."""
    return runs.sweep(now=timezone.now())


def beat() -> None:
    """Proof that schedules fire and workers work."""
    WorkerHeartbeat.objects.update_or_create(name="worker", defaults={"beat_at": timezone.now()})


def purge() -> dict[str, int]:
    """Delete what is past its retention."""
    now = timezone.now()
    return runs.purge(now=now) | {"deliveries": hooks.purge(now=now)}


def send_alerts() -> int:
    """Mail what is due and bring waiting messages to their channels."""
    now = timezone.now()
    return alerts.send_due_alerts(now=now) + hooks.deliver_due(now=now)


def watch_runs() -> int:
    """Alert on runs that fail again and again, or do not succeed for hours."""
    return run_watch.watch_runs(now=timezone.now())


def retry_revocations() -> int:
    """Tell Salesforce of disconnects that it could not be told at the time (R-018)."""
    return lifecycle.retry_revocations(now=timezone.now())


def retry_blocked() -> int:
    """Try connections again whose org refused our address (R-010)."""
    return lifecycle.retry_blocked(now=timezone.now())


def watch_usage() -> int:
    """Alert on API use that is not ours (S-011)."""
    return budget.watch_usage(now=timezone.now())


def check_posture() -> int:
    """Daily permission check of every connection."""
    return posture.check_all(now=timezone.now())
