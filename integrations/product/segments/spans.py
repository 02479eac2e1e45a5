"""Relative and absolute dates as half-open intervals of instants. Pure; days are UTC days.

"Within the next 90 days" is today and the 90 days after it; "within the last 7 days" is today and the 7 days before it; "more
than 7 days ago" is everything earlier, "more than 90 days ahead" everything later. So the four never overlap and leave no gap
on their side of today, and an answer holds for a whole UTC day. Months are calendar months; the 31st of a short month is its
last day.
"""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

UNITS = ("days", "weeks", "months")
MOST = {"days": 3660, "weeks": 520, "months": 120}
TICK = timedelta(microseconds=1)
DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
Bound = datetime | None


@dataclass(frozen=True, slots=True)
class Interval:
    """From `first` (included) to `until` (excluded); None is open."""

    first: Bound = None
    until: Bound = None

    def holds(self, moment: datetime) -> bool:
        """Whether the instant lies in it."""
        return (self.first is None or moment >= self.first) and (self.until is None or moment < self.until)


def start_of(day: date) -> Bound:
    """Midnight UTC of a day."""
    return datetime.combine(day, time(), UTC)


def next_day(day: date) -> Bound:
    """The midnight that ends a day; None behind the last day of the calendar."""
    return None if day == date.max else start_of(day + timedelta(days=1))


def shift(day: date, n: int, unit: str) -> date:
    """The day `n` units later (earlier if negative), kept within the calendar."""
    if unit == "months":
        month = day.year * 12 + day.month - 1 + n
        year, month = divmod(month, 12)
        if not date.min.year <= year <= date.max.year:
            return date.max if n > 0 else date.min
        return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
    try:
        return day + timedelta(days=n * (7 if unit == "weeks" else 1))
    except OverflowError:
        return date.max if n > 0 else date.min


def span_interval(op: str, value: Mapping[str, object], *, now: datetime) -> Interval:
    """The interval of a relative operator; `not_in_last` gives that of `in_last`."""
    today, n, unit = now.astimezone(UTC).date(), int(str(value["n"])), str(value["unit"])
    if op == "in_next":
        return Interval(start_of(today), next_day(shift(today, n, unit)))
    if op in ("in_last", "not_in_last"):
        return Interval(start_of(shift(today, -n, unit)), next_day(today))
    if op == "more_than_ago":
        return Interval(None, start_of(shift(today, -n, unit)))
    return Interval(next_day(shift(today, n, unit)), None)


def fixed_interval(op: str, value: object) -> Interval:
    """The interval of `on`, `before`, `after` and `between`, whose values are days or instants in their written form."""
    if op == "between":
        assert isinstance(value, list)
        return Interval(_begin(value[0]), _end(value[1]))
    if op == "before":
        return Interval(None, _begin(value))
    if op == "after":
        return Interval(_end(value), None)
    return Interval(_begin(value), _end(value))


def _begin(text: object) -> Bound:
    written = str(text)
    return start_of(date.fromisoformat(written)) if DAY.match(written) else datetime.fromisoformat(written)


def _end(text: object) -> Bound:
    """The first instant behind a day or an instant."""
    written = str(text)
    if DAY.match(written):
        return next_day(date.fromisoformat(written))
    moment = datetime.fromisoformat(written)
    return None if moment >= datetime.max.replace(tzinfo=UTC) else moment + TICK
