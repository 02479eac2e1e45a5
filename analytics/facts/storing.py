"""Putting computed tables in the place of the old ones, together or not at all (I-03); what did not change stays untouched."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from analytics.facts import tables
from integrations.lake import storage
from integrations.lake.engine import Engine
from integrations.lake.writing import StagedFile, register
from integrations.models import LakeFile, LakeTable, Run, SalesforceOrg

CHUNK = 1 << 20
WHOLE = ""


@dataclass
class Staged:
    """New files of one table, and the digests of all its parts: "" for a table of one file, else by month."""

    table: LakeTable
    files: list[StagedFile] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    rows: int = 0
    changed_rows: int = 0


def stage(
    engine: Engine,
    org: SalesforceOrg,
    name: str,
    statement: str,
    known: Mapping[str, str],
    *,
    kept_before: date | None = None,
    **params: Any,
) -> Staged:
    """Stage the result of a query as the new content of a table of facts. Parts whose bytes are those of before are dropped.

    `kept_before`: months before it were not computed and stay as they are.
    """
    table = tables.facts_table(org, name)
    made = Staged(table)
    stored = list(LakeFile.objects.filter(table=table, retired_at=None))
    live = {each.day for each in stored}
    if kept_before is not None:
        early = {each.day.isoformat() for each in stored if each.day is not None and each.day < kept_before}
        made.parts |= {part: digest for part, digest in known.items() if part in early}
        made.rows = sum(each.rows for each in stored if each.day is not None and each.day < kept_before)
    found = engine.copy_all_to(statement, table, "base", **params)
    by_part: dict[str, list[StagedFile]] = defaultdict(list)
    for file in found:
        by_part[file.day.isoformat() if file.day else WHOLE].append(file)
    for part, files in sorted(by_part.items()):
        digest = "+".join(digest_of(each) for each in files)
        made.parts[part] = digest
        rows = sum(each.rows for each in files)
        made.rows += rows
        if known.get(part) == digest and files[0].day in live:
            for each in files:
                storage.open_store().delete(each.path)
            continue
        made.files += files
        made.replaced.append(part)
        made.changed_rows += rows
    here = {day.isoformat() if day else WHOLE for day in live} | set(known)
    made.replaced += sorted(here - set(made.parts))
    return made


def digest_of(file: StagedFile) -> str:
    """Of the bytes of a staged file."""
    found = hashlib.sha256()
    with storage.open_store().read(file.path) as source:
        while chunk := source.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def publish(staged: Sequence[Staged], *, run: Run | None, now: datetime) -> None:
    """Make staged content visible in the place of the old; inside the caller's transaction."""
    for each in staged:
        if not each.replaced:
            continue
        made = register(each.table, each.files, run=run, now=now)
        old = LakeFile.objects.filter(table=each.table, retired_at=None).exclude(pk__in=[one.pk for one in made])
        if each.table.day:
            old = old.filter(day__in=[date.fromisoformat(part) for part in each.replaced if part])
        old.update(retired_at=now)
