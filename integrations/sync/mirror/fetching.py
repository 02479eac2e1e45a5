"""Records by their ids, as Salesforce has them now, deleted ones included: what reconciliation repairs the mirror with.

A few thousand ids at most; what is larger is a window of time, which is read in the usual way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from integrations.lake import storage
from integrations.lake import tables as lake_tables
from integrations.lake.dialect import quote_name
from integrations.lake.engine import Engine, open_engine
from integrations.lake.reading import newest
from integrations.lake.writing import StagedFile, open_writer, register
from integrations.models import LakeTable, MirrorField, MirrorObject
from integrations.salesforce import soql
from integrations.salesforce.client import Client
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.ids import to_18
from integrations.sync.mirror import landing, settling
from integrations.sync.mirror.needs import ALWAYS
from integrations.sync.mirror.planning import Column, choose_fields
from integrations.sync.mirror.tables import KEY, REMOVED
from integrations.sync.runs import Recorder

REWRITES = 5
MOST = 20_000  # ids of one call: about 40 requests
PAGE = 2_000  # ids between two signs of life


@dataclass
class Fetched:
    """What became of the ids that were asked for: `found` are in Salesforce (perhaps in its recycle bin), `bad` do not fit."""

    found: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)
    landed: int = 0


def columns_to_read(mirror: MirrorObject, info: ObjectInfo) -> list[Column]:
    """The mirrored fields that are described now, typed as the lake's columns are."""
    table = table_of(mirror)
    kinds = dict(lake_tables.columns_of(table))
    readable = mirror.fields.exclude(state__in=[MirrorField.State.GONE, MirrorField.State.LEFT_OUT])
    plan = choose_fields(info, [*ALWAYS, *readable.values_list("name", flat=True)])
    secret = set(mirror.fields.filter(hashed=True).values_list("name", flat=True))
    return [
        replace(column, kind=kinds[column.name], hashed=column.name in secret)
        for column in plan.columns if column.name in kinds
    ]  # fmt: skip


def fetch_records(
    recorder: Recorder, client: Client, mirror: MirrorObject, info: ObjectInfo, ids: Iterable[str], *, now: datetime
) -> Fetched:
    """Read these records and put into the mirror what it does not have yet; one committed step for every 2,000 ids.

    Records that do not fit are failed rows of the object. ValueError for more than `MOST` ids.
    """
    wanted = list(dict.fromkeys(to_18(each) for each in ids))
    if len(wanted) > MOST:
        raise ValueError(f"At most {MOST:,} records are fetched by id, not {len(wanted):,}.")
    columns, result, table = columns_to_read(mirror, info), Fetched(), table_of(mirror)
    for start in range(0, len(wanted), PAGE):
        records = list(_ask(client, mirror.name, columns, wanted[start : start + PAGE]))
        _note(result, records)
        staged = stage_records(table, records, columns, object_=mirror.name)
        result.bad |= {row.id for row in staged.bad}
        settled = settling.settle(table, staged.files, columns=[column.name for column in columns])
        result.landed += settled.written
        tally = recorder.object(mirror.name)
        for row in staged.bad:
            tally.failed(row.id, row.code, row.message, salesforce_id=row.id)
        recorder.save(also=lambda settled=settled: _register(table, settled.files, recorder, now))
    return result


@dataclass
class Staged:
    """Records on disk, those that do not fit, and how many were left out because they must stay forgotten (I-23)."""

    files: list[StagedFile] = field(default_factory=list)
    bad: list[landing.BadRow] = field(default_factory=list)
    erased: int = 0


def stage_records(table: LakeTable, records: Sequence[Mapping[str, Any]], columns: Sequence[Column], *, object_: str) -> Staged:
    """REST records as staged files, one for each set of fields that they have."""
    staged = Staged()
    for found, typed in landing.record_batches(records, columns, object_=object_):
        staged.bad += typed.bad
        if not typed.rows.num_rows:
            continue
        with open_writer(table, columns=[column.name for column in found]) as writer:
            writer.write(typed.rows)
        staged.files.append(writer.staged)
        staged.erased += writer.erased_rows
    return staged


def bury(engine: Engine, table: LakeTable, ids: Sequence[str]) -> StagedFile:
    """A staged file that marks these records as deleted and keeps their last values and version.

    An equal version in a later file wins, so that a record that comes back as it was is live again.
    """
    import pyarrow as pa

    engine.bind("buried_ids", pa.table({KEY: pa.array(ids, pa.string())}))
    engine.bind("before", newest(table, include_removed=True))
    key = quote_name(KEY)
    names = [quote_name(name) for name, _ in lake_tables.columns_of(table) if name != REMOVED]
    columns = ", ".join(f"b.{name} AS {name}" for name in names)
    alive = f"NOT coalesce(b.{quote_name(REMOVED)}, false)"
    sql = (
        f"SELECT {columns}, CAST(true AS {{{{flag}}}}) AS {quote_name(REMOVED)} FROM before AS b "  # noqa: S608
        f"WHERE {alive} AND b.{key} IN (SELECT {key} FROM buried_ids)"
    )
    return engine.copy_to(sql, table)


def bury_records(recorder: Recorder, mirror: MirrorObject, ids: Sequence[str], *, now: datetime) -> int:
    """Mark records as deleted that Salesforce does not have any more; how many were live until now."""
    if not ids:
        return 0
    table = table_of(mirror)

    def rewrite() -> StagedFile:
        with open_engine() as engine:
            return bury(engine, table, ids)

    return put_rewritten(recorder, table, rewrite, now=now)


def put_rewritten(recorder: Recorder, table: LakeTable, rewrite: Callable[[], StagedFile], *, now: datetime) -> int:
    """Register what `rewrite` makes of mirrored rows, unless another file came meanwhile: then it is made anew (I-07).

    Rewritten rows keep their version, so that the later file would win and undo what the other one brought. Gives the rows.
    """
    for _ in range(REWRITES):
        number = LakeTable.objects.values_list("next_number", flat=True).get(pk=table.pk)
        staged = rewrite()
        if not staged.rows:
            return 0
        with suppress(Overtaken):
            recorder.save(also=lambda number=number, staged=staged: _register_at(table, staged, number, recorder, now))
            return staged.rows
        storage.open_store().delete(staged.path)
    raise Overtaken(f"{table.name} is being written to all the time; the next run tries again.")


class Overtaken(Exception):
    """Another file of the table was registered since the rows were read."""


def _register_at(table: LakeTable, staged: StagedFile, number: int, recorder: Recorder, now: datetime) -> None:
    locked = LakeTable.objects.select_for_update().filter(pk=table.pk)
    if locked.values_list("next_number", flat=True).get() != number:
        raise Overtaken
    register(table, staged, run=recorder.run, now=now)


def table_of(mirror: MirrorObject) -> LakeTable:
    """The object's table; it was read before."""
    if mirror.table is None:
        raise ValueError(f"{mirror} has not been read yet.")
    return mirror.table


def _ask(client: Client, object_: str, columns: Sequence[Column], ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    names = [column.name for column in columns]
    for query in soql.selects(object_, names, key=KEY, values=ids):
        yield from client.query(query, all_rows=True)


def _note(result: Fetched, records: Iterable[Mapping[str, Any]]) -> None:
    for record in records:
        found = to_18(record[KEY])
        result.found.add(found)
        if record.get(REMOVED):
            result.deleted.add(found)


def _register(table: LakeTable, files: Sequence[StagedFile], recorder: Recorder, now: datetime) -> None:
    register(table, files, run=recorder.run, now=now)
