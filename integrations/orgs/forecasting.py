"""When calls free again, and when they run out: from our own count by hour. Pure.

Salesforce counts a rolling 24 hours: a call that was made at 14:20 is free again at 14:20 of the next day. Our count knows the
hour only, so an hour's calls are free in it when that hour begins on the next day; Salesforce's own number, which comes with
each answer, puts the rest of the hour right. What comes is expected from the past: for each hour the middle one (median) of the
last seven days at the same hour. What others use is taken as unchanged.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Point:
    """The end of an hour (UTC): calls that have become free by then, calls expected by then, and what would be used."""

    at: datetime
    freed: int
    expected: int
    used: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """The next 24 hours. `runs_out` is when the share would be used up at the usual pace; None = not within a day. `known_days`
    says on how many days the expectation rests."""

    points: Sequence[Point]
    runs_out: datetime | None
    known_days: int


def forecast(hours: Mapping[datetime, int], *, share: int, this_hour: datetime) -> Forecast:
    """`hours` are our calls by full UTC hour, of eight days if known; `this_hour` is the running one."""
    used = sum(calls for at, calls in hours.items() if this_hour - DAY < at <= this_hour)
    known = min(7, (this_hour - min(hours, default=this_hour)) // DAY)
    points: list[Point] = []
    freed, expected, runs_out = 0, 0, None
    for step in range(24):
        hour = this_hour + HOUR * step
        freed += hours.get(hour + HOUR - DAY, 0)
        done = hours.get(hour, 0) if step == 0 else 0
        expected += max(0, usual_calls(hours, hour, known) - done)
        would = max(0, used - freed + expected)
        points.append(Point(hour + HOUR, freed, expected, would))
        if runs_out is None and share and would >= share:
            runs_out = hour + HOUR
    return Forecast(points, runs_out, known)


def usual_calls(hours: Mapping[datetime, int], hour: datetime, days: int) -> int:
    """What we usually call in an hour of the day: the median of the same hour of the last `days` days; 0 without any."""
    return round(statistics.median(hours.get(hour - DAY * back, 0) for back in range(1, days + 1))) if days else 0


def free_again(hours: Mapping[datetime, int], *, over: int, this_hour: datetime) -> datetime | None:
    """When `over` calls of ours have become free if nothing more is used; None when we have not used that many."""
    if over <= 0:
        return this_hour
    freed = 0
    for at in sorted(at for at in hours if this_hour - DAY < at <= this_hour):
        freed += hours[at]
        if freed >= over:
            return at + DAY
    return None
