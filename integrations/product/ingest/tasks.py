"""What the queue calls for product events."""

from django.utils import timezone

from integrations.product.ingest import flush as flushing
from integrations.product.ingest import upkeep, watching


def flush() -> int:
    """Each minute: ask for a flush when something waits, and notice when that no longer helps; gives the run's number."""
    now = timezone.now()
    run = flushing.flush_due(now=now)
    watching.watch_buffer(now=now)
    upkeep.forget_runs(now=now)
    return run.pk if run else 0


def purge() -> dict[str, int]:
    """Each day: delete what is past its retention."""
    return upkeep.purge(now=timezone.now())
