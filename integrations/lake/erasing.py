"""Forgetting somebody: every file with their id is rewritten without it, and the id is never stored again (I-23, S-112).

The order makes it safe beside writers: the digest is stored while the tables are locked, so a file that is registered
before is found here, and one that is registered after is cleaned on its way in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from integrations.lake import erasures
from integrations.lake.dialect import quote_name
from integrations.lake.engine import open_engine
from integrations.lake.erasures import Org
from integrations.lake.failures import LakeBusy
from integrations.lake.reading import NUMBER, raw
from integrations.lake.tables import columns_of
from integrations.lake.writing import StagedFile, rewrite_file
from integrations.models import Erasure, LakeFile, LakeTable, SalesforceOrg

TRIES = 10  # a compaction or another erasure may retire a file while we rewrite it


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did."""

    tables: int
    files: int
    rows: int


def erase(
    kind: str,
    id: str,  # noqa: A002
    *,
    tables: Iterable[LakeTable] | Mapping[LakeTable, str] | None = None,
    org: Org = None,
    now: datetime,
) -> Erased:
    """Remove every row that names `id` and store its digest, so that it never comes back; safe to call again.

    Without `tables`, all tables (of `org`, if given) with a subject of that kind. With a mapping, the column to look in for
    each table. The old files leave the disk with the next sweep after their hour of grace.
    """
    columns = _places(kind, tables, org)
    erasure = _remember(kind, id, org=org, tables=[table for table, _ in columns], now=now)
    files = rows = 0
    for table, column in columns:
        found = _erase_from(table, column, id, now=now)
        files, rows = files + found[0], rows + found[1]
    Erasure.objects.filter(pk=erasure.pk).update(done_at=now)
    return Erased(len({table.pk for table, _ in columns}), files, rows)


def replace_file(table: LakeTable, file: LakeFile, staged: StagedFile, *, now: datetime) -> bool:
    """Put a rewritten file in the place of `file`, with its number, so that it stays as old as it was.

    False when the file was retired meanwhile; then nothing changed.
    """
    with transaction.atomic():
        LakeTable.objects.select_for_update().get(pk=table.pk)
        if not LakeFile.objects.filter(pk=file.pk, retired_at=None).update(retired_at=now):
            return False
        if staged.rows:
            LakeFile.objects.create(
                table=table, number=file.number, kind=file.kind, path=staged.path, rows=staged.rows, bytes=staged.bytes,
                columns=file.columns, day=file.day, run=file.run, registered_at=now,
            )  # fmt: skip
    return True


def _places(kind: str, tables: Iterable[LakeTable] | Mapping[LakeTable, str] | None, org: Org) -> list[tuple[LakeTable, str]]:
    if isinstance(tables, Mapping):
        return list(tables.items())
    if tables is None:
        chosen = LakeTable.objects.all()
        number = org.pk if isinstance(org, SalesforceOrg) else org
        tables = chosen if number is None else chosen.filter(org=number)
    found = [(table, column) for table in tables for column, each in table.subjects.items() if each == kind]
    return sorted(found, key=lambda place: (place[0].pk, place[1]))


def _remember(kind: str, id: str, *, org: Org, tables: list[LakeTable], now: datetime) -> Erasure:  # noqa: A002
    digest = erasures.digest_of(id, kind=kind, org=org)
    number = org.pk if isinstance(org, SalesforceOrg) else org
    with transaction.atomic():
        # In the order of their keys, so that two erasures never wait for each other in a circle.
        list(LakeTable.objects.select_for_update().filter(pk__in=[table.pk for table in tables]).order_by("pk"))
        erasure, _ = Erasure.objects.get_or_create(
            kind=kind, digest=digest,
            defaults={"org_id": number, "key_mark": erasures.mark_of(settings.SECRET_KEY), "asked_at": now},
        )  # fmt: skip
    return erasure


def _erase_from(table: LakeTable, column: str, id: str, *, now: datetime) -> tuple[int, int]:  # noqa: A002
    """Files rewritten and rows removed."""
    files = rows = 0
    for _ in range(TRIES):
        found = _files_with(table, column, id)
        for file, count in found:
            if _rewrite(table, file, column, id, now=now):
                files, rows = files + 1, rows + count
        if not found:
            return files, rows
    raise LakeBusy(f"Table {table.name} changes faster than somebody can be erased from it; try again when its jobs are done.")


def _files_with(table: LakeTable, column: str, id: str) -> list[tuple[LakeFile, int]]:  # noqa: A002
    relation = raw(table, columns=[column])
    if not any(column in each.columns for each in relation.files):
        return []
    with open_engine() as engine:
        engine.bind("stored", relation)
        counted = f"SELECT {NUMBER}, count(*) FROM stored WHERE {quote_name(column)} = $id GROUP BY {NUMBER}"  # noqa: S608
        counts = dict(engine.rows(counted, id=_value_of(table, column, id)))
    live = LakeFile.objects.filter(table=table, number__in=list(counts), retired_at=None)
    return [(file, counts[file.number]) for file in live]


def _rewrite(table: LakeTable, file: LakeFile, column: str, id: str, *, now: datetime) -> bool:  # noqa: A002
    import pyarrow.compute as pc

    old = StagedFile(file.path, file.rows, file.bytes, file.kind, tuple(file.columns), file.day)
    named = pc.field(column)
    others = (named != _value_of(table, column, id)) | named.is_null()
    return replace_file(table, file, rewrite_file(table, old, keep=lambda rows: rows.filter(others)), now=now)


def _value_of(table: LakeTable, column: str, id: str) -> str | int:  # noqa: A002
    return int(id) if dict(columns_of(table))[column] == "whole" else id
