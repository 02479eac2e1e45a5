"""The job that keeps the lake small and quick: old days go, stray files go, deltas become bases.

What frees room comes first, so that a full disk does not stop its own cure. A table that fails does not stop the others.
"""

from datetime import datetime

import structlog
from django.utils import timezone

from integrations.access import Refusal
from integrations.lake import forgetting, upkeep
from integrations.models import LakeTable
from integrations.sync.runs import Recorder
from integrations.sync.tally import Tally

log = structlog.get_logger(__name__)
JOB, DOMAIN = "lake.upkeep", "lake"


def perform(recorder: Recorder) -> None:
    """One pass over all tables; goes on after the table that the checkpoint names."""
    after = recorder.checkpoint.get("after", 0)
    if not after:
        _free_room(recorder, now=timezone.now())
        recorder.save({"after": 0, "freed": True})
    for table in LakeTable.objects.filter(pk__gt=after).order_by("pk"):
        _compact(table, recorder.object("Tables"), recorder, now=timezone.now())
        recorder.save({"after": table.pk})
        recorder.breathe()
    _look_for_trouble(recorder)


def _free_room(recorder: Recorder, *, now: datetime) -> None:
    """Retention, unfinished erasures, files that nobody needs."""
    retention, files = recorder.object("Retention"), recorder.object("Files")
    for table in LakeTable.objects.exclude(keep_days=None).order_by("pk"):
        retired = upkeep.retire_old(table, now=now)
        if retired:
            retention.written(table.name, detail={"files": retired, "keep_days": table.keep_days})
        else:
            retention.unchanged()
    for erasure in forgetting.finish_erasures(now=now):
        recorder.object("Erasures").written(str(erasure.pk), label=erasure.kind)
    swept = upkeep.sweep_files(now=now)
    files.counted("written", swept.files)
    if swept.stuck:
        sentence = f"{swept.stuck} files cannot be deleted: check who owns the lake's folder, or the bucket's permissions."
        files.failed("sweep", "not_deleted", sentence)


def _compact(table: LakeTable, tally: Tally, recorder: Recorder, *, now: datetime) -> None:
    try:
        done = upkeep.compact(table, now=now, run=recorder.run) if upkeep.is_table_due(table, now=now) else None
    except Refusal as error:
        tally.failed(table.name, error.code, error.message)
    except Exception as error:  # one table must not stop the others (I-10)
        log.exception("lake.compaction_failed", table=table.name)
        tally.failed(
            table.name, type(error).__name__, "The compaction failed; the log has the details under this run's number."
        )
    else:
        if done is None:
            tally.unchanged()
        elif done.lost:
            tally.skipped(table.name, "overtaken", "Somebody else changed its files meanwhile; the next pass does it.")
        else:
            tally.written(table.name, detail={"files_before": done.before, "files": done.files, "rows": done.rows})


def _look_for_trouble(recorder: Recorder) -> None:
    """What only a person can put right."""
    for file in upkeep.missing_files():
        recorder.object("Files").failed(
            file.path, "file_missing",
            f"The file is registered in table {file.table.name} but not in the lake. Restore it from a backup.",
        )  # fmt: skip
    forgotten = upkeep.forgotten_keys()
    if forgotten:
        recorder.object("Erasures").failed(
            "secret_key", "key_gone",
            f"{forgotten} erasures were made under a SECRET_KEY that is gone: those people are no longer kept out. "
            "Put the old key back into SECRET_KEY_FALLBACKS.",
        )  # fmt: skip
