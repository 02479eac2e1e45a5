"""Retention around events (S-114). The events themselves are retired by day in the upkeep of the lake."""

from datetime import UTC, datetime, timedelta

from django.db.models import Exists, OuterRef, Q

from integrations.models import RowOutcome, Run
from integrations.product.ingest import lake_tables, quarantine, traits
from integrations.product.ingest.flush import JOB
from integrations.product.models import IngestDay, UnjoinedUser

DAYS_KEPT = timedelta(days=400)
RUNS_KEPT = timedelta(hours=2)  # one a minute would drown all others


def purge(*, now: datetime) -> dict[str, int]:
    """Delete old quarantined events and counts, what is left of the erased, and notes on events that are retired."""
    today = now.astimezone(UTC).date()
    retired = Q(last_day__lt=today - timedelta(days=lake_tables.keep_days()))
    return {
        "quarantined": quarantine.purge(now=now),
        "erased": quarantine.forget_erased() + traits.forget_erased(),
        "days": IngestDay.objects.filter(day__lt=today - DAYS_KEPT).delete()[0],
        "unjoined": UnjoinedUser.objects.filter(retired | Q(end_user__erased_at__isnull=False)).delete()[0],
    }


def forget_runs(*, now: datetime) -> int:
    """Delete runs of the flush that ended well two hours ago and have nothing to tell; others stay as long as any run."""
    dull = Run.objects.filter(job=JOB, state=Run.State.SUCCESS, finished_at__lt=now - RUNS_KEPT)
    told = RowOutcome.objects.filter(run_object__run=OuterRef("pk"))
    return dull.filter(~Exists(told)).delete()[1].get(Run._meta.label, 0)
