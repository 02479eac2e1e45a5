"""Job mirror.formulas: values that change in Salesforce without the record's date of change moving.

A formula, a roll-up, a date of last activity follow other records or the calendar; a read of changes never sees that. So these
fields alone are read of all records now and then (each week unless set otherwise) and compared, set-based. Only records that we
have in the same version are put right: a record that was saved since comes whole with the next read.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from integrations.lake import tables as lake_tables
from integrations.lake.dialect import quote_name
from integrations.lake.engine import Engine, open_engine
from integrations.lake.reading import newest
from integrations.lake.writing import StagedFile
from integrations.models import LakeTable, MirrorField, MirrorObject
from integrations.salesforce.describe import FieldInfo, ObjectInfo
from integrations.sync.mirror import comparing, fetching
from integrations.sync.mirror.comparing import ALIVE
from integrations.sync.mirror.objects import settings_of
from integrations.sync.mirror.reconcile import mirrored_objects
from integrations.sync.mirror.rounds import go_round
from integrations.sync.mirror.sweeping import Round, listed, open_round
from integrations.sync.mirror.tables import KEY, REMOVED
from integrations.sync.runs import Recorder

JOB = "mirror.formulas"
STAMPS = frozenset(
    (
        "Id",
        "IsDeleted",
        "MasterRecordId",
        "CreatedDate",
        "CreatedById",
        "LastModifiedDate",
        "LastModifiedById",
        "SystemModstamp",
    )
)


# --- deciding (pure) -----------------------------------------------------------------------------------------------------


def moves_unseen(field: FieldInfo, info: ObjectInfo) -> bool:
    """Whether its value may change while SystemModstamp stays: calculated, or kept up by Salesforce itself.

    A standard field that nobody can set although the object can be saved is kept up by Salesforce (last activity, counts of
    members). Of a user who may not save at all that cannot be told, so that only the calculated ones count.
    """
    if field.name in STAMPS:
        return False
    kept_up = info.updateable and not field.custom and not field.auto_number and not (field.createable or field.updateable)
    return field.calculated or kept_up


def is_due(mirror: MirrorObject, *, days: int, now: datetime) -> bool:
    """Whether the last compare is so long ago (or never was). An hour early is in time, so that a slot is not missed."""
    return mirror.formulas_at is None or now - mirror.formulas_at >= timedelta(days=days) - timedelta(hours=1)


# --- the job -------------------------------------------------------------------------------------------------------------


def perform(recorder: Recorder) -> None:
    """Compare the calculated fields of every object that is due; of those named in the arguments (`objects`) in any case."""
    now = timezone.now()
    with open_round(recorder) as going:
        org = going.client.org
        chosen = recorder.run.arguments.get("objects", ())
        days = settings_of(org).formula_days
        mirrors = [each for each in mirrored_objects(org, chosen) if chosen or is_due(each, days=days, now=now)]
        go_round(going, mirrors, compare_object, now=now)


def compare_object(going: Round, mirror: MirrorObject, info: ObjectInfo) -> None:
    """Put the calculated fields of one object right."""
    table, now = fetching.table_of(mirror), timezone.now()
    names = _names_of(mirror, info)
    if names:
        scope = comparing.scope_of(mirror, table, info)
        wanted = {KEY, table.version, REMOVED, *names}
        columns = [column for column in fetching.columns_to_read(mirror, info) if column.name in wanted]
        sweep = listed(going, table, columns, by=scope.field, since=scope.since, expected=mirror.rows)
        with sweep as files:
            _put_right(going, mirror, table, files, names, now)
    MirrorObject.objects.filter(pk=mirror.pk).update(formulas_at=now)


def _put_right(
    going: Round, mirror: MirrorObject, table: LakeTable, files: Sequence[StagedFile], names: Sequence[str], now: datetime
) -> None:
    counted = 0, 0

    def rewrite() -> StagedFile:
        nonlocal counted
        with open_engine() as engine:
            theirs, equal, staged = _compare(engine, table, files, names)
        counted = theirs, equal
        return staged

    written = fetching.put_rewritten(going.recorder, table, rewrite, now=now)
    theirs, equal = counted
    tally = going.recorder.object(mirror.name)
    tally.counted("written", written)
    tally.unchanged(equal - written)
    tally.counted("skipped", theirs - equal)  # saved since, or not read yet: they come whole with the next read


def _names_of(mirror: MirrorObject, info: ObjectInfo) -> list[str]:
    """The mirrored fields that may have changed unseen."""
    readable = mirror.fields.exclude(state__in=[MirrorField.State.GONE, MirrorField.State.LEFT_OUT])
    kinds = dict(lake_tables.columns_of(fetching.table_of(mirror)))
    found = [info.field(name) for name in readable.values_list("name", flat=True)]
    return [field.name for field in found if field is not None and field.name in kinds and moves_unseen(field, info)]


def _compare(
    engine: Engine, table: LakeTable, files: Sequence[StagedFile], names: Sequence[str]
) -> tuple[int, int, StagedFile]:
    """How many live records were listed, how many of them we have in that version, and a file of those that differ."""
    relation = comparing.staged_relation(table, files)
    engine.bind("listed", relation)
    engine.bind("before", newest(table, include_removed=True))
    key = quote_name(KEY)
    alive = ALIVE if REMOVED in relation.names else "true"
    same = f"s.{key} = b.{key}"
    if table.version and table.version in relation.names:
        version = quote_name(table.version)
        same += f" AND coalesce(s.{version} = b.{version}, s.{version} IS NULL AND b.{version} IS NULL)"
    listed_alive = f"(SELECT * FROM listed WHERE {alive}) AS s"  # noqa: S608
    joined = f"{listed_alive}, (SELECT * FROM before WHERE {ALIVE}) AS b WHERE {same}"  # noqa: S608
    calculated = [name for name in names if name in relation.names]
    columns = ", ".join(
        f"{'s' if name in calculated else 'b'}.{quote_name(name)} AS {quote_name(name)}" for name, _ in table.columns
    )
    pairs = [(f"s.{quote_name(name)}", f"b.{quote_name(name)}") for name in calculated]
    differs = " OR ".join(f"coalesce({theirs} <> {ours}, ({theirs} IS NULL) <> ({ours} IS NULL))" for theirs, ours in pairs)
    return (
        engine.rows(f"SELECT count(*) FROM {listed_alive}")[0][0],  # noqa: S608
        engine.rows(f"SELECT count(*) FROM {joined}")[0][0],  # noqa: S608
        engine.copy_to(f"SELECT {columns} FROM {joined} AND ({differs or 'false'})", table),  # noqa: S608
    )
