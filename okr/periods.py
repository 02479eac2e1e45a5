"""When a period ends, when its last reading is due, how much of it has passed. Days are those of its own time zone (I-22)."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from integrations.access import Refusal
from okr.models import Period

MOST_SETTLE_DAYS = 30


def ends_at(*, ends_on: date, time_zone: str) -> datetime:
    """The first instant (UTC) after the last day."""
    return datetime.combine(ends_on + timedelta(days=1), time.min, ZoneInfo(time_zone)).astimezone(UTC)


def starts_at(*, starts_on: date, time_zone: str) -> datetime:
    """The first instant (UTC) of the first day."""
    return datetime.combine(starts_on, time.min, ZoneInfo(time_zone)).astimezone(UTC)


def final_reading_at(*, ends_on: date, time_zone: str, settle_days: int) -> datetime:
    """When a key result of a closed period is read once more: its end plus the settle offset in days (BW-D16)."""
    return ends_at(ends_on=ends_on + timedelta(days=settle_days), time_zone=time_zone)


def elapsed(period: Period, *, now: datetime) -> Decimal:
    """How much of the period has passed, 0 to 1."""
    begin = starts_at(starts_on=period.starts_on, time_zone=period.time_zone)
    end = ends_at(ends_on=period.ends_on, time_zone=period.time_zone)
    share = Decimal((now - begin) // timedelta(seconds=1)) / Decimal((end - begin) // timedelta(seconds=1))
    return min(max(share, Decimal(0)), Decimal(1))


def is_over(period: Period, *, now: datetime) -> bool:
    """Whether the last day has passed in the period's own time zone."""
    return now >= ends_at(ends_on=period.ends_on, time_zone=period.time_zone)


def current_of(periods: Sequence[Period], *, now: datetime) -> Period | None:
    """The shortest period that holds `now` (a quarter rather than its year), or None."""
    open_now = [
        each for each in periods
        if starts_at(starts_on=each.starts_on, time_zone=each.time_zone) <= now and not is_over(each, now=now)
    ]  # fmt: skip
    return min(open_now, key=lambda each: (each.ends_on - each.starts_on, each.name), default=None)


def check_settle_days(days: int) -> int:
    """`days` when it is a sensible offset (0 to 30); a Refusal otherwise."""
    if not 0 <= days <= MOST_SETTLE_DAYS:
        raise Refusal("settle_days", f"The settle offset is 0 to {MOST_SETTLE_DAYS} days after the period's end.")
    return days


def quarter(day: date) -> tuple[str, date, date]:
    """Name, first and last day of the calendar quarter that holds `day`, such as ("2026 Q4", ...)."""
    number = (day.month - 1) // 3
    first = date(day.year, number * 3 + 1, 1)
    after = date(day.year + 1, 1, 1) if number == 3 else date(day.year, number * 3 + 4, 1)
    return f"{day.year} Q{number + 1}", first, after - timedelta(days=1)
