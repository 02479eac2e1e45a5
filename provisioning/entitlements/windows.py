"""In which window usage is counted: periods that start at an anchor (the start of the subscription or its last reset point).

All instants are UTC, so a day has 24 hours. A month that starts on the 31st ends on the last day of shorter months and comes
back to the 31st; a year that starts on 29 February does the same.
"""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIXED = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
MONTHS = {"month": 1, "year": 12}


class Window(NamedTuple):
    """From `start` up to, not including, `end`; no end = never starts anew."""

    start: datetime
    end: datetime | None


def window_at(reset: str, anchors: Sequence[datetime], at: datetime) -> Window:
    """The window that contains `at`. `reset` is hour, day, week, month, year, or empty for one window for ever.

    `anchors` (sorted, at least one when `reset` is not empty) are the start and the reset points; the last one not after `at`
    counts, and the next one cuts the window short. Before the first anchor windows are counted backwards.
    """
    if not reset:
        return Window(EPOCH, None)
    passed = [each for each in anchors if each <= at]
    anchor = passed[-1] if passed else anchors[0]
    start, end = _fixed(FIXED[reset], anchor, at) if reset in FIXED else _monthly(MONTHS[reset], anchor, at)
    following = next((each for each in anchors if each > at), None) if passed else anchor
    return Window(start, end if following is None else min(end, following))


def add_months(anchor: datetime, months: int) -> datetime:
    """The same day and time so many months later, or the last day of a month that is too short."""
    month = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(month, 12)
    return anchor.replace(year=year, month=month + 1, day=min(anchor.day, monthrange(year, month + 1)[1]))


def _fixed(length: timedelta, anchor: datetime, at: datetime) -> tuple[datetime, datetime]:
    start = anchor + (at - anchor) // length * length
    return start, start + length


def _monthly(step: int, anchor: datetime, at: datetime) -> tuple[datetime, datetime]:
    periods = ((at.year - anchor.year) * 12 + at.month - anchor.month) // step
    if add_months(anchor, periods * step) > at:
        periods -= 1
    return add_months(anchor, periods * step), add_months(anchor, (periods + 1) * step)
