"""From facts and product events to the arrays of a study: set-based statements over the lake, streamed into numpy.

Behaviors are counted by UTC day in `[start, landmark)`; customers that were merged count under the one that stands for them,
and people without a customer under the one they have by now (R-237). User behavior is rolled up to accounts (FZ-D12).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from django.db.models import Min

from analytics.drivers import design as limits
from analytics.drivers.design import Design
from analytics.drivers.population import EPOCH, NO_DAY, SQL, Population, as_day, find_population, scattered
from analytics.drivers.study import NEVER, Behavior, Exclusion, Levels, Study
from analytics.facts import reading
from integrations.models import LakeFile
from integrations.product.kpis import moved
from integrations.product.kpis import tables as kpi_tables
from integrations.product.models import Feature

if TYPE_CHECKING:
    from integrations.lake.engine import Engine
    from integrations.models import SalesforceOrg

DAWN = datetime(1900, 1, 1, tzinfo=UTC)
MOST_NAMES = 5_000
NOT_BEHAVIORS = frozenset({"identify", "group", "alias"})
"""Events that say who somebody is, and nothing that anybody did."""
MOVED = (
    "LEFT JOIN merged AS mg ON mg.merged_id = e.customer_id "
    "LEFT JOIN late AS lt ON e.customer_id IS NULL AND lt.user_id = e.end_user_id"
)
MOVED_CUSTOMER = "coalesce(mg.survivor_id, e.customer_id, lt.customer_id)"


@dataclass
class _Counted:
    """Columns as they come: one behavior each."""

    size: int
    behaviors: list[Behavior] = field(default_factory=list)
    counts: list[np.ndarray] = field(default_factory=list)
    first_use: list[np.ndarray] = field(default_factory=list)

    def add(self, behavior: Behavior) -> tuple[np.ndarray, np.ndarray]:
        """Empty columns of a behavior, to be filled."""
        self.behaviors.append(behavior)
        self.counts.append(np.zeros(self.size, dtype=np.float32))
        self.first_use.append(np.full(self.size, NEVER, dtype=np.int16))
        return self.counts[-1], self.first_use[-1]


def build_study(
    engine: "Engine", org: "SalesforceOrg", design: Design, *, as_of: datetime, only: str = "",
    breathe: Callable[[], None] = lambda: None,
) -> Study:  # fmt: skip
    """The study of a design as of a midnight. With `only`, the key of one behavior, no other is counted (the accounts are the
    same): for the customers behind a number."""
    first_day = _first_day()
    people = find_population(engine, org, design, as_of=as_of, first_day=first_day)
    breathe()
    size = len(people.begins)
    seats, attributes = _attributes(engine, org, people)
    if design.roll_up == "share" and first_day is not None:
        known = seats > 0
        people.keep(known, "no_seats", lambda n: f"{n:,} have no number of seats, so that a share of them cannot be told.")
        attributes = {name: replace(each, codes=each.codes[known]) for name, each in attributes.items()}
        seats, size = seats[known], int(known.sum())
        people.bind(engine)
    counted, activity, left_out, notes = _Counted(size), np.zeros((3, size)), [], []
    activity[2] = -1
    is_moved = _bind_events(engine, people, only) if size and first_day is not None else False
    if size and first_day is not None:
        left_out, notes = _count_events(engine, counted, design, seats, is_moved=is_moved, only=only)
        breathe()
        activity = _count_days(engine, counted, design, seats, is_moved=is_moved, only=only)
        breathe()
    if size:
        _count_service(engine, org, counted, design, only)
    return _study(people, counted, activity, seats, attributes, as_of, left_out, notes)


def _first_day() -> date | None:
    """From which day on events are known."""
    files = LakeFile.objects.filter(table__name=kpi_tables.DAILY, retired_at=None, rows__gt=0)
    return files.aggregate(first=Min("day"))["first"]


def _bind_events(engine: "Engine", people: Population, only: str) -> bool:
    """The roll-ups of the days that matter, and who stands for whom; whether anybody does."""
    begins = EPOCH + timedelta(days=int(people.begins.min()) - 30)
    until = EPOCH + timedelta(days=int(people.landmark.max()))
    who = [name for name, _ in kpi_tables.WHO]
    engine.bind("daily_events", kpi_tables.daily_events(since=begins, until=until))
    columns = [*who, kpi_tables.ACTIVE_EVENTS, *(column for _, _, column in _features(only))]
    engine.bind("daily", kpi_tables.daily(columns=columns, since=begins, until=until))
    return moved.bind_moved(engine, ["daily_events", "daily"])


def _moved(text: str, is_moved: bool) -> str:
    customer = MOVED_CUSTOMER if is_moved else "e.customer_id"
    return text.replace("<<moved>>", MOVED if is_moved else "").replace("<<customer>>", customer)


def _count_events(
    engine: "Engine", counted: _Counted, design: Design, seats: np.ndarray, *, is_moved: bool, only: str
) -> tuple[list[tuple[Behavior, str]], list[str]]:
    """Behaviors of the family `event`; those that are left out with the reason."""
    if "event" not in design.families or (only and not only.startswith("event:")):
        return [], []
    names = [name for name, _ in engine.rows(engine.sql(SQL / "event_names.sql"), most=MOST_NAMES)]
    wanted = [Behavior(f"event:{name}", name, "event", design.at_least) for name in names if name and name not in NOT_BEHAVIORS]
    wanted = [each for each in wanted if not only or each.key == only]
    kept, left_out = _without_outcome(wanted, design)
    notes = []
    if len(kept) > limits.MOST_BEHAVIORS:
        rest = ", ".join(each.label for each in kept[limits.MOST_BEHAVIORS : limits.MOST_BEHAVIORS + 50])
        notes.append(f"Only the {limits.MOST_BEHAVIORS} most frequent events are studied, not {rest}, and what is rarer.")
        kept = kept[: limits.MOST_BEHAVIORS]
    if kept:
        engine.bind("names", pa.table({"name": [each.label for each in kept], "place": pa.array(range(len(kept)), pa.int64())}))
        text = _moved((SQL / "events.sql").read_text(encoding="utf-8"), is_moved)
        users = "0" if design.roll_up == "any" else "{{count_distinct(e.end_user_id)}}"
        columns = [counted.add(each) for each in kept]
        for batch in engine.batches(text.replace("<<users>>", users)):
            _scatter(batch, columns, design, seats)
    return left_out, notes


def _scatter(
    batch: pa.RecordBatch, columns: Sequence[tuple[np.ndarray, np.ndarray]], design: Design, seats: np.ndarray
) -> None:
    rows, places = batch.column("i").to_numpy(), batch.column("place").to_numpy()
    done = batch.column("events" if design.roll_up == "any" else "users").to_numpy()
    first = batch.column("first_use").to_numpy()
    order = np.argsort(places, kind="stable")
    edges = np.flatnonzero(np.diff(places[order], prepend=-1, append=-1))
    for start, end in pairwise(edges):
        mine = order[start:end]
        counts, first_use = columns[places[mine[0]]]
        counts[rows[mine]] = _rolled_up(done[mine], rows[mine], design, seats)
        first_use[rows[mine]] = first[mine]


def _rolled_up(done: np.ndarray, rows: np.ndarray, design: Design, seats: np.ndarray) -> np.ndarray:
    """Events, people, or the percentage of seats whose people did it."""
    return np.minimum(100.0 * done / seats[rows], 100.0) if design.roll_up == "share" else done


def _features(only: str = "") -> list[tuple[str, str, str]]:
    """Key, name and column of features that were counted."""
    from integrations.product.segments.binding import feature_columns

    columns = feature_columns()
    found = Feature.objects.filter(active=True, key__in=list(columns)).order_by("key").values_list("key", "name")
    return [(key, name, columns[key]) for key, name in found if not only or only == f"feature:{key}"]


def _count_days(
    engine: "Engine", counted: _Counted, design: Design, seats: np.ndarray, *, is_moved: bool, only: str
) -> np.ndarray:
    """Active days in the window, before it, and the first one; behaviors of the family `feature`."""
    wanted = [(Behavior(f"feature:{key}", name, "feature", design.at_least), column) for key, name, column in _features(only)]
    kept = wanted if "feature" in design.families else []
    if only and not kept:
        return np.zeros((3, counted.size))
    text = "".join(_feature_columns(number, column, design) for number, (_, column) in enumerate(kept))
    text = _moved((SQL / "days.sql").read_text(encoding="utf-8"), is_moved).replace("<<features>>", text)
    table = engine.table(text)
    rows = table.column("i").to_numpy()
    for number, (behavior, _) in enumerate(kept):
        counts, first_use = counted.add(behavior)
        done = table.column(f"done_{number}").cast(pa.float64()).fill_null(0).to_numpy()
        counts[rows] = _rolled_up(done, rows, design, seats)
        first_use[rows] = table.column(f"first_{number}").cast(pa.float64()).fill_null(NEVER).to_numpy()
    return np.stack([scattered(table, name, counted.size, empty) for name, empty in
                     (("active_days", 0.0), ("active_before", 0.0), ("first_active", -1.0))])  # fmt: skip


def _feature_columns(number: int, column: str, design: Design) -> str:
    used = f"e.day >= p.begins AND e.{column} > 0"
    counted = f"CAST(sum(CASE WHEN {used} THEN e.{column} END) AS {{{{whole}}}})"
    if design.roll_up != "any":
        counted = f"count(DISTINCT CASE WHEN {used} THEN e.end_user_id END)"
    first = f"min(CASE WHEN {used} THEN {{{{days_between(p.begins, e.day)}}}} END)"
    return f", {counted} AS done_{number}, {first} AS first_{number}"


def _count_service(engine: "Engine", org: "SalesforceOrg", counted: _Counted, design: Design, only: str) -> None:
    """Campaigns and support tickets by type."""
    reading.bind(engine, org, "touches", "tickets")
    if "campaign" in design.families and (not only or only.startswith("campaign")):
        table = engine.table(engine.sql(SQL / "touches.sql"))
        _add_by_type(counted, table, only, "campaign:", "Campaign touched", "campaign", "events", "first_use")
        _add_by_type(counted, table, only, "campaign_answered:", "Campaign clicked or answered", "campaign", "answers",
                     "first_answer")  # fmt: skip
    if "ticket" in design.families and (not only or only.startswith("ticket:")):
        table = engine.table(engine.sql(SQL / "tickets.sql"))
        _add_by_type(counted, table, only, "ticket:", "Ticket", "ticket", "events", "first_use")


def _add_by_type(
    counted: _Counted, table: pa.Table, only: str, prefix: str, label: str, family: str, column: str, first: str
) -> None:
    types = np.array(table.column("type").to_pylist(), dtype=object)
    for name in sorted(set(types)):
        behavior = Behavior(f"{prefix}{name}", f"{label}: {name or '(no type)'}", family)
        if only and only != behavior.key:
            continue
        mine = table.filter(pa.array(types == name))
        counts, first_use = counted.add(behavior)
        counts[:] = scattered(mine, column, counted.size, 0.0)
        first_use[:] = scattered(mine, first, counted.size, float(NEVER))


def _without_outcome(wanted: Iterable[Behavior], design: Design) -> tuple[list[Behavior], list[tuple[Behavior, str]]]:
    reason = f"It is part of what is meant by “{design.outcome.label}”, or named like it."
    kept, left_out = [], []
    for each in wanted:
        if limits.is_of_outcome(each.label, each.key, design):
            left_out.append((each, reason))
        else:
            kept.append(each)
    return kept, left_out


def _attributes(engine: "Engine", org: "SalesforceOrg", people: Population) -> tuple[np.ndarray, dict[str, Levels]]:
    """Seats (nan: not known) and attributes as of the landmark (8.1 rule 3); today's where there is no history of it."""
    size = len(people.begins)
    reading.bind(engine, org, "attribute_history")
    table = engine.table(engine.sql(SQL / "history.sql"), dawn=DAWN)
    names, rows = np.array(table.column("attribute").to_pylist(), dtype=object), table.column("i").to_numpy()
    values = np.array(table.column("value").to_pylist(), dtype=object)
    found: dict[str, Levels] = {}
    seats = people.rows.column("seats").cast(pa.float64()).to_numpy(zero_copy_only=False).copy()
    for attribute in (*limits.ATTRIBUTES, "seats"):
        mine = names == attribute
        then = np.array([each or "" for each in values[mine]], dtype=object)
        if attribute == "seats":
            seats[rows[mine]] = [_number(each) for each in then]
            continue
        today = people.rows.column(attribute).fill_null("").to_pylist()
        texts = np.array(today, dtype=object) if size else np.empty(0, dtype=object)
        texts[rows[mine]] = then
        has_history = np.zeros(size, dtype=bool)
        has_history[rows[mine]] = True
        labels, codes = np.unique(texts.astype(str), return_inverse=True)
        from_today = int((~has_history & (texts != "")).sum())
        found[attribute] = Levels(codes.astype(np.int64), tuple(str(each) for each in labels), from_today)
    return seats, found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _study(
    people: Population, counted: _Counted, activity: np.ndarray, seats: np.ndarray, attributes: dict[str, Levels],
    as_of: datetime, left_out: list[tuple[Behavior, str]], notes: list[str],
) -> Study:  # fmt: skip
    design, size = people.design, len(people.begins)
    kept, named = _without_outcome(counted.behaviors, design)
    chosen = [place for place, each in enumerate(counted.behaviors) if each in kept]
    counts = np.empty((size, len(chosen)), dtype=np.float32, order="F")
    first_use = np.empty((size, len(chosen)), dtype=np.int16, order="F")
    for number, place in enumerate(chosen):
        counts[:, number], first_use[:, number] = counted.counts[place], counted.first_use[place]
    outcome, happened, followed = _outcomes(people, as_day(as_of))
    ended = (people.event != NO_DAY) & (people.event < people.ends)
    today = {name: each.from_today for name, each in attributes.items() if each.from_today}
    if today:
        listed = ", ".join(f"{name.replace('_', ' ')} of {n:,}" for name, n in today.items())
        notes = [*notes, f"Without history of a field, today's value stands in for that at the landmark: {listed} accounts."]
    return Study(
        design, people.rows.column("subject").to_pylist(), outcome,
        np.where(ended, people.event - people.begins, -1).astype(np.int32), tuple(counted.behaviors[each] for each in chosen),
        counts, first_use, activity[2].astype(np.int32), activity[0], activity[1], seats, attributes,
        followed=followed, happened=happened, base_money=float(people.at_landmark.mean()) if size else 0.0,
        excluded=tuple(Exclusion(each.reason, each.n, each.words) for each in people.excluded),
        left_out=(*left_out, *((each, reason) for each, reason in named)), notes=tuple(notes),
        months=float(np.ptp(people.begins)) / 30.44 if size else 0.0,
    )  # fmt: skip


def _outcomes(people: Population, today: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """The outcome; in a timed study also whether it happened while followed, and for how many days from the landmark."""
    outcome = people.design.outcome
    if outcome.measure == "money":
        return people.at_end - people.at_landmark, None, None
    came = (people.event != NO_DAY) & (people.event < people.ends)
    had = (~came if outcome.is_kept else came).astype(float)
    if not people.design.is_timed:
        return had, None, None
    until = np.minimum(people.ends, today)
    happened = came & (people.event < until)
    followed = np.where(happened, people.event - people.landmark + 1, until - people.landmark).astype(float)
    return np.where(people.ends <= today, had, np.nan), happened, followed
