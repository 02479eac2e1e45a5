"""Forgetting what old pushes sent: before-images are kept 30 days, after that a run cannot be taken back any more."""

from datetime import datetime, timedelta

from django.utils import timezone

from integrations.lake.tables import drop_table
from integrations.models import LakeTable, OutboxPush

KEPT = timedelta(days=30)
FOLDERS = ("sent", "answers")


def retire_pushes(*, now: datetime) -> int:
    """Drop the lake tables of finished pushes that are past their time, and those whose push is gone; how many tables."""
    old = OutboxPush.objects.filter(finished_at__lt=now - KEPT)
    doomed = set(old.exclude(sent=None).values_list("sent", flat=True)) | set(
        old.exclude(answers=None).values_list("answers", flat=True)
    )
    for folder in FOLDERS:
        pushed = OutboxPush.objects.exclude(**{folder: None}).values(folder)
        orphans = LakeTable.objects.filter(
            name__regex=rf"^outbox/[0-9]+/{folder}/[0-9]+$", created_at__lt=now - timedelta(days=1)
        )
        doomed |= set(orphans.exclude(pk__in=pushed).values_list("pk", flat=True))
    for table in LakeTable.objects.filter(pk__in=doomed):
        drop_table(table)
    OutboxPush.objects.filter(is_dry=True, started_at__lt=now - KEPT).delete()
    return len(doomed)


def run_upkeep() -> int:
    """What the timetable calls, daily."""
    return retire_pushes(now=timezone.now())
