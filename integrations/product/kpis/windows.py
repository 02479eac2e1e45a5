"""Windows of time as half-open instants in UTC: rolling ones that end at the as-of instant, and complete calendar periods.
Pure.

Rolling windows are N times 24 hours: complete UTC days when the as-of instant is a midnight. Calendar periods are those of a
time zone (UTC unless a connection chose another): ISO weeks from Monday, months, quarters. A period that ends exactly at the
as-of instant is complete. The one before it may have another length; nothing is scaled (analytics reference, section 1).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

ROLLING = {"7d": 7, "30d": 30, "90d": 90}
CALENDAR = ("last_week", "last_month", "last_quarter")
USAGE = ("7d", "7d_prev", "30d", "30d_prev", "90d", "90d_prev", "last_month")
"""Windows in which users are counted, in the order of their bits."""
ROLLING_PAIRS = 6
"""How many of them are rolling: features are counted in those alone."""
ANSWERS = (
    "7d", "7d_prev", "30d", "30d_prev", "90d", "90d_prev", "last_week", "last_week_prev", "last_month", "last_month_prev",
    "last_quarter", "last_quarter_prev",
)  # fmt: skip
"""Windows in which NPS answers are counted."""


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` up to and without `end`, both aware and in UTC."""

    start: datetime
    end: datetime

    def has(self, instant: datetime) -> bool:
        """Whether the instant lies in it."""
        return self.start <= instant < self.end


def start_of_day(instant: datetime) -> datetime:
    """The midnight that begins the UTC day of an instant."""
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def windows_of(as_of: datetime, *, zone: tzinfo = UTC) -> dict[str, Window]:
    """Every window by name: 7d, 30d, 90d, last_week, last_month, last_quarter, and each with `_prev` for the one before."""
    end = as_of.astimezone(UTC)
    found = {}
    for name, days in ROLLING.items():
        length = timedelta(days=days)
        found[name] = Window(end - length, end)
        found[f"{name}_prev"] = Window(end - 2 * length, end - length)
    today = as_of.astimezone(zone).date()
    for name, start in (("last_week", start_of_week), ("last_month", start_of_month), ("last_quarter", start_of_quarter)):
        current = start(today)
        last = start(current - timedelta(days=1))
        before = start(last - timedelta(days=1))
        found[name] = Window(_midnight(last, zone), _midnight(current, zone))
        found[f"{name}_prev"] = Window(_midnight(before, zone), _midnight(last, zone))
    return found


def start_of_week(day: date) -> date:
    """The Monday of its ISO week."""
    return day - timedelta(days=day.weekday())


def start_of_month(day: date) -> date:
    """The first of its month."""
    return day.replace(day=1)


def start_of_quarter(day: date) -> date:
    """The first day of its calendar quarter."""
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)


def span_of(windows: Iterable[Window]) -> Window:
    """The stretch that covers all of them."""
    listed = list(windows)
    return Window(min(each.start for each in listed), max(each.end for each in listed))


def are_whole_days(windows: Iterable[Window]) -> bool:
    """Whether each begins and ends at a UTC midnight, so that a roll-up by day answers for it."""
    return all(edge == start_of_day(edge) for each in windows for edge in (each.start, each.end))


def bits_by_edge(windows: Mapping[str, Window], names: Iterable[str]) -> list[tuple[datetime, int]]:
    """Edges, newest first, with the bits of the windows that hold from there up to the edge before; bit n is the nth name.

    What is older than the last edge lies in none of them.
    """
    chosen = [windows[name] for name in names]
    edges = sorted({edge for each in chosen for edge in (each.start, each.end)}, reverse=True)
    return [(edge, sum(1 << place for place, each in enumerate(chosen) if each.has(edge))) for edge in edges]


def _midnight(day: date, zone: tzinfo) -> datetime:
    """When a day begins in a zone; where the clock skips midnight, the first instant of the day."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
