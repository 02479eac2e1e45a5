"""What the timetable calls."""

from django.utils import timezone

from integrations.lake import upkeep
from integrations.lake.tables import live_files
from integrations.models import Entity, LakeFile
from integrations.sync.matching import spine


def keep_copy() -> dict[str, int]:
    """Bring the lake's copy of customers and end users up to the database, and put its small files together when pages and
    flushes have left many; how many records were copied, by entity. Safe to repeat."""
    now = timezone.now()
    copied = spine.refresh_spine(now=now)
    for entity in Entity.values:
        table = spine.spine_table(entity)
        deltas = sum(each.kind == LakeFile.Kind.DELTA for each in live_files(table))
        if deltas >= upkeep.MANY:
            upkeep.compact(table, now=now)
    return {str(entity): done.changed + done.deleted for entity, done in copied.items()}
