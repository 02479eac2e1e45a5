"""Keeping the lake quick and small: compaction, retention, sweeping. Each is safe to kill and to call again.

Readers are never disturbed: what is replaced is retired first and leaves the disk an hour later.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Max, Sum

from integrations.lake import reading, storage
from integrations.lake.engine import open_engine
from integrations.lake.erasing import erase
from integrations.lake.erasures import erased_digests, is_erased, known_marks
from integrations.lake.tables import live_files
from integrations.lake.writing import register
from integrations.models import Erasure, LakeFile, LakeTable, Run

__all__ = ["compact", "compact_due", "erase", "erased_digests", "is_erased", "retire_old", "sweep_files"]

log = structlog.get_logger(__name__)
GRACE = timedelta(hours=1)  # a reader holds the files of its relation no longer than a turn of a run
STRAY = timedelta(days=1)  # unregistered files older than this belong to nobody
FEW, MANY, SHARE, WEEK = 2, 8, 10, timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did: files before, files and rows after. `lost`: others changed the table meanwhile."""

    before: int = 0
    files: int = 0
    rows: int = 0
    lost: bool = False


def compact(table: LakeTable, *, now: datetime, run: Run | None = None) -> Compacted:
    """Put base and deltas of a table (each day of a partitioned one) into one base, with each key once.

    Streams, so memory stays flat. The new base appears and the old files retire in one transaction; when somebody retired
    one of them meanwhile, nothing happens. Removed rows stay, marked as such.
    """
    total = Compacted()
    for files in _groups(table):
        if len(files) < FEW and (not table.key or files[0].kind == LakeFile.Kind.BASE):
            continue
        done = _compact_files(table, files, now=now, run=run)
        total = Compacted(total.before + done.before, total.files + done.files, total.rows + done.rows, total.lost or done.lost)
    if not total.lost:
        LakeTable.objects.filter(pk=table.pk).update(compacted_at=now)
    return total


def compact_due(*, now: datetime) -> list[LakeTable]:
    """Compact every table that is due; gives those tables."""
    due = list(due_tables(now=now))
    for table in due:
        compact(table, now=now)
    return due


def due_tables(*, now: datetime) -> Iterator[LakeTable]:
    """Tables whose readers would gain: many deltas, much in them, or some for a week."""
    for table in LakeTable.objects.order_by("pk"):
        if is_table_due(table, now=now):
            yield table


def is_table_due(table: LakeTable, *, now: datetime) -> bool:
    """Whether any part of the table is due."""
    return any(is_due(table, files, now=now) for files in _groups(table))


def is_due(table: LakeTable, files: Sequence[LakeFile], *, now: datetime) -> bool:
    """Whether compacting these live files is worth reading and writing them all again."""
    if not table.key:  # nothing to merge: only small files to put together
        return len(files) >= MANY
    deltas = [each for each in files if each.kind == LakeFile.Kind.DELTA]
    if not deltas:
        return len(files) >= FEW
    base_rows = sum(each.rows for each in files if each.kind == LakeFile.Kind.BASE)
    return (
        len(deltas) >= MANY
        or sum(each.rows for each in deltas) * SHARE >= base_rows
        or now - min(each.registered_at for each in deltas) >= WEEK
    )


def retire_old(table: LakeTable, *, now: datetime) -> int:
    """Retire the files of days that are past `keep_days` (S-114); gives how many. The UTC day of `now` counts as kept."""
    if table.keep_days is None:
        return 0
    oldest = now.astimezone(UTC).date() - timedelta(days=table.keep_days)
    return LakeFile.objects.filter(table=table, retired_at=None, day__lt=oldest).update(retired_at=now)


@dataclass
class Swept:
    """Files that left the disk, with their bytes, and how many could not be deleted."""

    files: int = 0
    bytes: int = 0
    stuck: int = 0

    def take(self, store: storage.Store, path: str, size: int) -> bool:
        """Delete one file; a file that resists does not keep the others from going."""
        try:
            store.delete(path)
        except OSError as error:
            log.warning("lake.not_deleted", path=path, reason=type(error).__name__)
            self.stuck += 1
            return False
        self.files, self.bytes = self.files + 1, self.bytes + size
        return True


def sweep_files(*, now: datetime) -> Swept:
    """Remove retired files after their hour, and files older than a day that were never registered."""
    store, swept = storage.open_store(), Swept()
    retired = LakeFile.objects.filter(retired_at__lt=now - GRACE)
    for pk, path, size in retired.values_list("pk", "path", "bytes").iterator(chunk_size=1000):
        # The file first: one without a row would only be found by its age.
        if swept.take(store, path, size):
            LakeFile.objects.filter(pk=pk).delete()
    known = set(LakeFile.objects.values_list("path", flat=True))
    for found in store.files():
        if found.path not in known and found.changed_at < now - STRAY and not _is_registered(found.path):
            swept.take(store, found.path, found.bytes)
    store.prune(before=now - STRAY)
    return swept


def missing_files() -> list[LakeFile]:
    """Live files that are not on the disk: a backup was restored without them, or somebody deleted them by hand."""
    there = {found.path for found in storage.open_store().files()}
    gone = [file for file in LakeFile.objects.filter(retired_at=None) if file.path not in there]
    return [file for file in gone if LakeFile.objects.filter(pk=file.pk, retired_at=None).exists()]


def forgotten_keys() -> int:
    """Erasures that nobody can recognize any more, because the SECRET_KEY that made their digests is gone."""
    return Erasure.objects.exclude(key_mark__in=known_marks()).count()


@dataclass(frozen=True, slots=True)
class Health:
    """A table in figures, for people."""

    files: int
    deltas: int
    rows: int
    bytes: int
    newest: datetime | None


def health_of(table: LakeTable) -> Health:
    """Live files, rows stored in them (older versions too), bytes, and when the last one came."""
    live = LakeFile.objects.filter(table=table, retired_at=None)
    sums = live.aggregate(rows=Sum("rows"), bytes=Sum("bytes"), newest=Max("registered_at"))
    deltas = live.filter(kind=LakeFile.Kind.DELTA).count()
    return Health(live.count(), deltas, sums["rows"] or 0, sums["bytes"] or 0, sums["newest"])


def _groups(table: LakeTable) -> list[list[LakeFile]]:
    """Live files that compact together: all, or those of one day."""
    groups: dict[object, list[LakeFile]] = {}
    for file in live_files(table):
        groups.setdefault(file.day, []).append(file)
    return list(groups.values())


def _compact_files(table: LakeTable, files: Sequence[LakeFile], *, now: datetime, run: Run | None) -> Compacted:
    relation = reading.relation_of(table, files, include_removed=True)
    with open_engine() as engine:
        engine.bind("everything", relation)
        staged = engine.copy_all_to("SELECT * FROM everything", table, kind=LakeFile.Kind.BASE)
    try:
        with transaction.atomic():
            made = register(table, staged, run=run, now=now)
            retired = LakeFile.objects.filter(pk__in=[each.pk for each in files], retired_at=None).update(retired_at=now)
            if retired != len(files):
                raise _Overtaken
    except _Overtaken:
        for each in staged:
            storage.open_store().delete(each.path)
        return Compacted(before=len(files), lost=True)
    return Compacted(len(files), len(made), sum(each.rows for each in made))


class _Overtaken(Exception):
    """Somebody replaced one of the files while we read them."""


def _is_registered(path: str) -> bool:
    return LakeFile.objects.filter(path=path).exists()
