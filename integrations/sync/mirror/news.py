"""What happened to records since the domains were last told: deleted, restored, merged, converted.

Found by comparing the mirror with lists of what was told already (lake tables removed/<org>/<Object> and
converted/<org>/<Object>), so that nothing is forgotten after a crash, a compaction or a listener's failure, and hardly anything
is told twice. Only files that came since `MirrorObject.told_number` are searched.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from integrations.lake import tables as lake_tables
from integrations.lake.dialect import quote_name
from integrations.lake.engine import Engine, open_engine
from integrations.lake.reading import newest, raw
from integrations.lake.writing import StagedFile, open_writer, register
from integrations.models import LakeTable, MirrorField, MirrorObject, SalesforceOrg
from integrations.salesforce.client import Client
from integrations.sync.mirror import fetching, hooks, merges
from integrations.sync.mirror.describing import describe_object
from integrations.sync.mirror.tables import KEY, REMOVED
from integrations.sync.runs import Recorder

AT, LIVE, MASTER = "At", "Live", "MasterRecordId"
CONVERTED = ("IsConverted", "ConvertedAccountId", "ConvertedContactId", "ConvertedOpportunityId")


@dataclass
class News:
    """Ids of one object. `merged` are (loser, record that it became); losers are not among `deleted`."""

    deleted: list[str]
    merged: list[tuple[str, str]]
    revived: list[str]
    converted: list[hooks.Conversion]

    def __bool__(self) -> bool:
        return bool(self.deleted or self.merged or self.revived or self.converted)


def tell_news(recorder: Recorder, client: Client, mirror: MirrorObject, *, now: datetime) -> News:
    """Journal merges, bring their children along, tell the domains; what all of them took is not told again.

    Called at the end of each object's read, and by reconciliation after its repairs. Without new files there is no news.
    """
    table = fetching.table_of(mirror)
    until = max((each.number for each in lake_tables.live_files(table)), default=0)
    if until <= mirror.told_number:
        return News([], [], [], [])
    told = ensure_told_table(mirror)
    with open_engine() as engine:
        news = find_news(engine, mirror, table, told)
    if news:
        recorder.save(also=lambda: _journal(recorder, mirror, news, now))
        _bring_children(recorder, client, mirror.org, [loser for loser, _ in news.merged], now=now)
        if not _tell(recorder, mirror, news, now=now):
            return news
    staged = [(told, _stage_told(told, news, now))] if news else []
    if news.converted:
        leads = ensure_told_leads(mirror)
        staged.append((leads, _stage_leads(leads, news, now)))

    def write() -> None:
        for each, file in staged:
            register(each, file, run=recorder.run, now=now)
        MirrorObject.objects.filter(pk=mirror.pk, told_number__lt=until).update(told_number=until)

    recorder.save(also=write)
    mirror.told_number = until
    return news


def _journal(recorder: Recorder, mirror: MirrorObject, news: News, now: datetime) -> None:
    """Merges before anybody asks where a loser has gone; restored losers stand for themselves again."""
    merges.note(mirror.org, mirror.name, news.merged, run=recorder.run, now=now)
    merges.forget(mirror.org, news.revived)


def ensure_told_table(mirror: MirrorObject) -> LakeTable:
    """The list of the object's records whose removal was told; erasures reach it under the object's name."""
    return lake_tables.ensure_table(
        f"removed/{mirror.org_id}/{mirror.name}", columns=[(KEY, "text"), (AT, "moment"), (LIVE, "flag")],
        key=KEY, version=AT, removed=LIVE, org=mirror.org,
    )  # fmt: skip


def ensure_told_leads(mirror: MirrorObject) -> LakeTable:
    """The list of the object's records whose conversion was told."""
    name = f"converted/{mirror.org_id}/{mirror.name}"
    return lake_tables.ensure_table(name, columns=[(KEY, "text"), (AT, "moment")], key=KEY, version=AT, org=mirror.org)


def find_news(engine: Engine, mirror: MirrorObject, table: LakeTable, told: LakeTable) -> News:
    """What the domains have not heard of yet."""
    have = {name for name, _ in lake_tables.columns_of(table)}
    extra = [name for name in (MASTER, *CONVERTED) if name in have]
    changed = raw(table, columns=[KEY, REMOVED, *extra])
    changed = replace(changed, deltas=tuple(each for each in changed.deltas if each.number > mirror.told_number))
    engine.bind("changed", changed)
    engine.bind("told", newest(told, columns=[KEY]))
    key, removed = quote_name(KEY), f"coalesce({quote_name(REMOVED)}, false)"
    converts = set(CONVERTED) <= have
    condition = f"{removed} OR coalesce({quote_name(CONVERTED[0])}, false)" if converts else removed
    if not engine.rows(f"SELECT (SELECT count(*) FROM changed WHERE {condition}) + (SELECT count(*) FROM told)")[0][0]:  # noqa: S608
        return News([], [], [], [])
    engine.bind("present", newest(table, columns=[KEY, REMOVED, *extra], include_removed=True))
    master = quote_name(MASTER) if MASTER in have else "CAST(NULL AS {{text}})"
    candidates = f"{key} IN (SELECT {key} FROM changed WHERE {condition})"  # noqa: S608
    gone = engine.rows(
        f"SELECT {key}, {master} FROM present WHERE {removed} AND {candidates} AND {key} NOT IN (SELECT {key} FROM told)"  # noqa: S608
        f" ORDER BY {key}"
    )
    back = engine.rows(
        f"SELECT {key} FROM present WHERE NOT {removed} AND {key} IN (SELECT {key} FROM told) ORDER BY {key}"  # noqa: S608
    )
    leads = _find_converted(engine, mirror, candidates) if converts else []
    return News(
        deleted=[each for each, winner in gone if not winner or winner == each],
        merged=[(each, winner) for each, winner in gone if winner and winner != each],
        revived=[each for (each,) in back],
        converted=leads,
    )


def _find_converted(engine: Engine, mirror: MirrorObject, candidates: str) -> list[hooks.Conversion]:
    engine.bind("told_leads", newest(ensure_told_leads(mirror), columns=[KEY]))
    flag, *ids = map(quote_name, CONVERTED)
    chosen = ", ".join(f"coalesce({each}, '')" for each in ids)
    key, alive = quote_name(KEY), f"NOT coalesce({quote_name(REMOVED)}, false)"
    news = f"coalesce({flag}, false) AND {alive} AND {candidates} AND {key} NOT IN (SELECT {key} FROM told_leads)"  # noqa: S608
    sql = f"SELECT {key}, {chosen} FROM present WHERE {news} ORDER BY {key}"  # noqa: S608
    return [hooks.Conversion(*row) for row in engine.rows(sql)]


def _tell(recorder: Recorder, mirror: MirrorObject, news: News, *, now: datetime) -> bool:
    """Merges first, so that nobody takes a loser for deleted. Pairs name the last record of their chain."""
    ends = merges.follow(mirror.org, [loser for loser, _ in news.merged])
    pairs = [(loser, ends[loser]) for loser, _ in news.merged if loser in ends]
    circles = [loser for loser, _ in news.merged if loser not in ends]
    told = [
        hooks.tell(recorder, "on_merged", mirror.name, pairs, now=now),
        hooks.tell(recorder, "on_deleted", mirror.name, [*news.deleted, *circles], now=now),
        hooks.tell(recorder, "on_revived", mirror.name, news.revived, now=now),
        hooks.tell(recorder, "on_converted", mirror.name, news.converted, now=now),
    ]
    return all(told)


def _stage_told(told: LakeTable, news: News, now: datetime) -> StagedFile:
    import pyarrow as pa

    gone = [*news.deleted, *(loser for loser, _ in news.merged)]
    rows = {
        KEY: pa.array([*gone, *news.revived], pa.string()),
        AT: pa.array([now] * (len(gone) + len(news.revived)), pa.timestamp("ms", tz="UTC")),
        LIVE: pa.array([False] * len(gone) + [True] * len(news.revived), pa.bool_()),
    }
    with open_writer(told) as writer:
        writer.write(pa.table(rows))
    return writer.staged


def _stage_leads(leads: LakeTable, news: News, now: datetime) -> StagedFile:
    import pyarrow as pa

    ids = [each.lead for each in news.converted]
    with open_writer(leads) as writer:
        writer.write(pa.table({KEY: pa.array(ids, pa.string()), AT: pa.array([now] * len(ids), pa.timestamp("ms", tz="UTC"))}))
    return writer.staged


# --- children of merged records -------------------------------------------------------------------------------------------


def _bring_children(recorder: Recorder, client: Client, org: SalesforceOrg, losers: Sequence[str], *, now: datetime) -> int:
    """Read the records again that the mirror still hangs on losers: Salesforce has moved them, perhaps without a new stamp.

    So totals are the same before and after, whichever object of a run is read first (R-049).
    """
    if not losers:
        return 0
    moved = 0
    for child in MirrorObject.objects.filter(org=org, state=MirrorObject.State.ACTIVE).exclude(table=None):
        ids = children_of(child, losers)
        if not ids:
            continue
        info = describe_object(org, client, child.name)
        for start in range(0, len(ids), fetching.MOST):
            part = ids[start : start + fetching.MOST]
            moved += fetching.fetch_records(recorder, client, child, info, part, now=now).landed
    return moved


def children_of(child: MirrorObject, parents: Sequence[str]) -> list[str]:
    """Ids of the child's live records that point to one of `parents` by any reference."""
    import pyarrow as pa

    table = fetching.table_of(child)
    references = MirrorField.objects.filter(object=child, type="reference", state=MirrorField.State.ACTIVE)
    have = {name for name, _ in lake_tables.columns_of(table)}
    names = [name for name in references.values_list("name", flat=True) if name in have and name != MASTER]
    if not names:
        return []
    with open_engine() as engine:
        engine.bind("children", newest(table, columns=[KEY, *names]))
        engine.bind("parents", pa.table({KEY: pa.array(parents, pa.string())}))
        points = " OR ".join(f"{quote_name(name)} IN (SELECT {quote_name(KEY)} FROM parents)" for name in names)  # noqa: S608
        sql = f"SELECT {quote_name(KEY)} FROM children WHERE {points} ORDER BY {quote_name(KEY)}"  # noqa: S608
        return [row[0] for row in engine.rows(sql)]
