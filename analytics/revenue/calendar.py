"""Months of a report: which are complete, which one is going on. Pure; a month is named by its first day."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

MONTH = re.compile(r"(\d{4})-(\d{2})\Z", re.ASCII)
MOST_MONTHS = 60


def month_of(day: date) -> date:
    """The month of a day."""
    return day.replace(day=1)


def add(month: date, count: int) -> date:
    """So many months later (earlier, below 0)."""
    years, place = divmod(month.year * 12 + month.month - 1 + count, 12)
    return date(years, place + 1, 1)


def apart(first: date, last: date) -> int:
    """How many months `last` is after `first`."""
    return (last.year - first.year) * 12 + last.month - first.month


def is_complete(month: date, as_of: datetime) -> bool:
    """Whether all of its days are before the midnight."""
    return add(month, 1) <= as_of.astimezone(UTC).date()


def last_complete(as_of: datetime) -> date:
    """The last month of which no day is missing."""
    return add(month_of(as_of.astimezone(UTC).date()), -1)


def going_on(as_of: datetime) -> date | None:
    """The month that has begun and is not over; None when the midnight begins a month."""
    today = as_of.astimezone(UTC).date()
    return month_of(today) if today.day > 1 else None


def label(month: date) -> str:
    """As people read it: Jan 2026."""
    return month.strftime("%b %Y")


def read_month(text: str) -> date | None:
    """2026-01 as its first day; None for anything else."""
    found = MONTH.match(text)
    if not found or not 1 <= int(found[2]) <= 12 or not 1900 <= int(found[1]) <= 9000:
        return None
    return date(int(found[1]), int(found[2]), 1)


@dataclass(frozen=True, slots=True)
class Period:
    """Months from `first` to `last`, both included."""

    first: date
    last: date

    def words(self) -> str:
        """Jan 2026, or Jan 2026 to Mar 2026."""
        return label(self.first) if self.first == self.last else f"{label(self.first)} to {label(self.last)}"


def months_in(period: Period) -> Sequence[date]:
    """Each of them."""
    return [add(period.first, count) for count in range(apart(period.first, period.last) + 1)]
