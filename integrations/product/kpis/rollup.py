"""The daily roll-up of events: which days are due, and how a day is replaced as a whole.

A day is due when events came for it since (R-114), when it was never rolled up, or when feature rules changed since and it
still lies in a window. Doing a day again gives the same bytes, so a run that is killed between two saves only repeats work.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import QuerySet, Sum

from integrations.lake import reading
from integrations.lake.engine import Engine
from integrations.lake.writing import StagedFile, register
from integrations.models import LakeFile, LakeTable, Run
from integrations.product.ingest import lake_tables
from integrations.product.kpis import counting, tables
from integrations.product.kpis.catalog import Counted
from integrations.product.kpis.counting import SQL
from integrations.product.models import DailyState, DirtyDay

LOOK_BACK = 181
"""Days that windows of users reach back: twice 90, and the day that is going on."""
PIECE_DAYS, PIECE_EVENTS = 31, 3_000_000
"""What is rolled up between two saves, at most (one day at least)."""


@dataclass(frozen=True)
class Due:
    """Days to roll up, oldest first, and the marks that are settled by it."""

    days: tuple[date, ...]
    marks: tuple[tuple[int, date], ...]

    def marks_of(self, days: Iterable[date]) -> list[int]:
        """The marks of some of the days."""
        wanted = set(days)
        return [pk for pk, day in self.marks if day in wanted]


@dataclass(frozen=True)
class RolledUp:
    """Some days whose new files are staged; `publish` makes them visible."""

    days: tuple[date, ...]
    staged: tuple[tuple[LakeTable, tuple[StagedFile, ...]], ...]
    events: dict[date, int]
    rows: dict[date, int]


def find_due(counted: Counted, *, now: datetime, until: date | None = None) -> Due:
    """What is to do at `now`; marks are read before any file, so what comes meanwhile stays marked. `until` leaves out younger
    days."""
    today = now.astimezone(UTC).date()
    last = min(today, until) if until else today
    marks = [(pk, day) for pk, day in DirtyDay.objects.order_by("day", "id").values_list("id", "day") if day <= last]
    known = dict(DailyState.objects.values_list("day", "rules"))
    stored = set(_event_files().values_list("day", flat=True).distinct())
    oldest = today - timedelta(days=LOOK_BACK)
    due = {day for _, day in marks}
    due |= {day for day in stored if day is not None and day not in known and day <= last}
    due |= {day for day, rules in known.items() if oldest <= day <= last and rules != counted.digest}
    return Due(tuple(sorted(due)), tuple(marks))


def pieces_of(days: Sequence[date]) -> list[tuple[date, ...]]:
    """Days that are rolled up together, few enough for one turn of a run."""
    sizes = _sizes(days)
    pieces: list[list[date]] = []
    events = 0
    for day in days:
        events += sizes.get(day, 0)
        if not pieces or len(pieces[-1]) >= PIECE_DAYS or events > PIECE_EVENTS:
            pieces.append([])
            events = sizes.get(day, 0)
        pieces[-1].append(day)
    return [tuple(each) for each in pieces]


def roll_up(engine: Engine, days: Sequence[date], counted: Counted) -> RolledUp:
    """Compute some days anew from their events; staged only."""
    said = counting.what_rows_say(engine, counted.features, counted.rules)
    columns = [lake_tables.DAY, lake_tables.CUSTOMER_ID, lake_tables.END_USER_ID, lake_tables.NAME, lake_tables.AUTOMATIC]
    columns += [lake_tables.PROPERTIES] if said.uses_properties else []
    files = _event_files().filter(day__in=list(days)).order_by("number")
    engine.bind("events", reading.relation_of(lake_tables.events_table(), files, columns=columns))
    extra = [f", {{{{bit_or({text})}}}} AS {name}" for name, text in said.masks.items()]
    extra += [f", {{{{count_if({text})}}}} AS {tables.count_column(key)}" for key, text in said.conditions.items()]
    daily = tables.daily_table([(each.id, each.position) for each in counted.features])
    text = engine.sql(f"{SQL}/rollup.sql").replace("<<columns>>", "".join(extra))
    by_name = tables.daily_events_table()
    staged = (
        (daily, tuple(engine.copy_all_to(text, daily, "base", **said.params))),
        (by_name, tuple(engine.copy_all_to(engine.sql(f"{SQL}/rollup_events.sql"), by_name, "base"))),
    )
    sums = dict(engine.rows("SELECT day, count(*) FROM events GROUP BY day"))
    rows: dict[date, int] = {}
    for each in staged[0][1]:
        if each.day is not None:
            rows[each.day] = rows.get(each.day, 0) + each.rows
    return RolledUp(tuple(days), staged, sums, rows)


def publish(done: RolledUp, counted: Counted, marks: Iterable[int], *, run: Run | None, now: datetime) -> None:
    """Put the new files in the place of the days' old ones and settle their marks; inside the caller's transaction."""
    for table, staged in done.staged:
        made = register(table, list(staged), run=run, now=now)
        old = LakeFile.objects.filter(table=table, day__in=done.days, retired_at=None)
        old.exclude(pk__in=[each.pk for each in made]).update(retired_at=now)
    DailyState.objects.bulk_create(
        [
            DailyState(
                day=day, rules=counted.digest, events=done.events.get(day, 0), rows=done.rows.get(day, 0), computed_at=now
            )
            for day in done.days
        ],
        update_conflicts=True, unique_fields=["day"], update_fields=["rules", "events", "rows", "computed_at"],
    )  # fmt: skip
    DirtyDay.objects.filter(pk__in=list(marks)).delete()


def events_on(days: Sequence[date]) -> int:
    """About how many stored events these days have."""
    return sum(_sizes(days).values())


def _event_files() -> QuerySet[LakeFile]:
    return LakeFile.objects.filter(table=lake_tables.events_table(), retired_at=None)


def _sizes(days: Sequence[date]) -> dict[date, int]:
    found = _event_files().filter(day__in=list(days)).values_list("day").annotate(events=Sum("rows")).order_by()
    return dict(found)
