"""What each customer's users did, by month: a lake table of its own, of which only months with new or late events are computed.

The roll-up by day answers for days that were rolled up; the events themselves for days that are due (the roll-up may run after
this). Customers that were merged count under the one that stands for them, people under the customer that they have by now.
"""

import hashlib
import json
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

from analytics.facts.statements import keep, sql_of
from analytics.facts.tables import month_of
from integrations.lake import reading
from integrations.lake.engine import Engine
from integrations.lake.writing import StagedFile
from integrations.models import LakeFile, LakeTable
from integrations.product.ingest import lake_tables
from integrations.product.kpis import moved
from integrations.product.kpis import tables as kpi_tables
from integrations.product.models import DailyState, DirtyDay


def stage_activity(
    engine: Engine, table: LakeTable, known: dict[str, str], *, as_of: datetime
) -> tuple[list[StagedFile], dict[str, str], list[date]]:
    """Files of the months whose events changed, the digests of all months, and the months that are replaced."""
    rolled, direct = _files(as_of.date())
    engine.bind("rolled", _rolled(rolled))
    engine.bind("due_events", _direct(direct))
    is_moved = moved.bind_moved(engine, ("rolled", "due_events"))
    people = _people_digest(engine) if is_moved else ""
    months: dict[str, list[str]] = defaultdict(list)
    for file in (*rolled, *direct):
        if file.day is not None:
            months[month_of(file.day).isoformat()].append(file.path)
    digests = {month: _digest([sorted(paths), people]) for month, paths in sorted(months.items())}
    kept = (as_of.date() - timedelta(days=lake_tables.keep_days())).isoformat()
    digests |= {month: digest for month, digest in known.items() if month < kept}  # their events are gone by now, or soon
    changed = sorted(date.fromisoformat(each) for each in {*digests, *known} if digests.get(each) != known.get(each))
    if not changed:
        return [], digests, []
    engine.bind("rolled", _rolled([each for each in rolled if each.day and month_of(each.day) in changed]))
    engine.bind("due_events", _direct([each for each in direct if each.day and month_of(each.day) in changed]))
    keep(engine, "due_days", sql_of(engine, "due_days"))
    files = engine.copy_all_to(sql_of(engine, "activity"), table, "base")
    return files, digests, changed


def _files(today: date) -> tuple[list[LakeFile], list[LakeFile]]:
    """Files of the roll-up for days that are rolled up, and files of events for days that are due; complete days only."""
    due = set(DirtyDay.objects.filter(day__lt=today).values_list("day", flat=True))
    done = set(DailyState.objects.filter(day__lt=today).values_list("day", flat=True)) - due
    daily = LakeFile.objects.filter(table=kpi_tables.daily_table(make=False).pk, retired_at=None, day__lt=today)
    rolled = [each for each in daily if each.day in done]
    events = lake_tables.find_table(lake_tables.EVENTS)
    stored = LakeFile.objects.filter(table=events, retired_at=None, day__lt=today) if events is not None else []
    return rolled, [each for each in stored if each.day not in done]


def _rolled(files: list[LakeFile]) -> reading.Relation:
    names = [kpi_tables.DAY, kpi_tables.CUSTOMER_ID, kpi_tables.END_USER_ID, kpi_tables.EVENTS, kpi_tables.ACTIVE_EVENTS]
    return reading.relation_of(kpi_tables.daily_table(make=False), files, columns=names)


def _direct(files: list[LakeFile]) -> reading.Relation:
    names = [lake_tables.DAY, lake_tables.CUSTOMER_ID, lake_tables.END_USER_ID, lake_tables.AUTOMATIC, lake_tables.EVENT_ID]
    table = lake_tables.find_table(lake_tables.EVENTS)
    if table is None:
        return lake_tables.events(columns=names)
    return reading.relation_of(table, files, columns=names)


def _people_digest(engine: Engine) -> str:
    merged = engine.rows("SELECT merged_id, survivor_id FROM merged ORDER BY 1")
    late = engine.rows("SELECT user_id, customer_id FROM late ORDER BY 1")
    return _digest([merged, late])


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, default=str).encode()).hexdigest()[:20]


def next_month(month: date) -> date:
    """The first day of the month after."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def with_staged(table: LakeTable, files: list[StagedFile], changed: list[date]) -> reading.Relation:
    """The months as they will be: those that stay, and those that are staged in the place of the changed ones."""
    live = LakeFile.objects.filter(table=table, retired_at=None)
    kept = [each for each in live if each.day not in changed]
    ahead = [
        LakeFile(table=table, number=number, kind=each.kind, path=each.path, rows=each.rows, bytes=each.bytes,
                 columns=list(each.columns), day=each.day)
        for number, each in enumerate(files, (max((one.number for one in live), default=0)) + 1)
    ]  # fmt: skip
    return reading.relation_of(table, [*kept, *ahead])
