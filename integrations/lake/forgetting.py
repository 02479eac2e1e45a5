"""Erasures that were asked for but not finished, because the worker died: finished from their digests alone (I-23)."""

from datetime import datetime
from itertools import chain

from integrations.lake import storage
from integrations.lake.erasing import replace_file
from integrations.lake.erasures import ErasureList, known_marks, list_of
from integrations.lake.failures import LakeBusy
from integrations.lake.tables import live_files
from integrations.lake.writing import READ_ROWS, StagedFile, rewrite_file
from integrations.models import Erasure, LakeFile, LakeTable

TRIES = 10


def finish_erasures(*, now: datetime) -> list[Erasure]:
    """Rewrite every live file with a row of somebody whose erasure is open; gives the erasures that are done now."""
    open_ones = list(Erasure.objects.filter(done_at=None, key_mark__in=known_marks()))
    kinds = {each.kind for each in open_ones}
    for table in LakeTable.objects.all() if kinds else ():
        if kinds & set(table.subjects.values()):
            _clean_table(table, now=now)
    for each in open_ones:
        Erasure.objects.filter(pk=each.pk).update(done_at=now)
    return open_ones


def _clean_table(table: LakeTable, *, now: datetime) -> None:
    erased = list_of(table)
    for _ in range(TRIES):
        named = [file for file in live_files(table) if _names_somebody(file, erased)]
        if not named:
            return
        for file in named:
            old = StagedFile(file.path, file.rows, file.bytes, file.kind, tuple(file.columns), file.day)
            replace_file(table, file, rewrite_file(table, old), now=now)
    raise LakeBusy(f"Table {table.name} changes faster than an erasure can be finished in it.")


def _names_somebody(file: LakeFile, erased: ErasureList) -> bool:
    """Only the columns with ids are read."""
    import pyarrow.parquet as pq

    columns = [column for column in erased.scopes if column in file.columns]
    if not columns:
        return False
    with storage.open_store().read(file.path) as source:
        for batch in pq.ParquetFile(source).iter_batches(batch_size=READ_ROWS, columns=columns):
            cells = chain.from_iterable(((name, each) for each in batch.column(name).to_pylist()) for name in columns)
            if any(each is not None and erased.covers(name, str(each)) for name, each in cells):
                return True
    return False
