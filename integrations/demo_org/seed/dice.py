"""Repeatable chance and the calendar around the org's clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from integrations.demo_org.clock import to_text

T = TypeVar("T")
FIRST_DAY, LAST_DAY = -2600, 900
MOMENTS = 509
RECENT_SECONDS = 14 * 3600


class Dice:
    """Chance from a seed: the same seed gives the same throws on every machine."""

    def __init__(self, seed: int) -> None:
        self.roll = Random(seed).random  # noqa: S311 - demo data, not secrets

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, all equally likely."""
        return items[int(self.roll() * len(items))]

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.roll() * (high - low + 1))

    def chance(self, share: float) -> bool:
        """True in `share` of the throws."""
        return self.roll() < share


class Days:
    """Dates and instants as text, by their distance in days from the org's present day (UTC)."""

    def __init__(self, now: datetime) -> None:
        """`now` is the org's clock: aware, UTC."""
        self.now = now
        today = now.date()
        span = [today + timedelta(days=each) for each in range(FIRST_DAY, LAST_DAY)]
        self._dates = [each.isoformat() for each in span]
        self._fiscal = [(each.year, (each.month + 2) // 3, f"{each.year} {(each.month + 2) // 3}") for each in span]
        self._months = [f"{each.year}-{each.month:02d}-01" for each in span]
        order = Random(MOMENTS)  # noqa: S311
        self._clock = [f"T{order.randrange(6, 20):02d}:{order.randrange(60):02d}:{order.randrange(60):02d}.000Z"
                       for _ in range(MOMENTS)]  # fmt: skip
        self._recent = [to_text(now - timedelta(seconds=60 + order.randrange(RECENT_SECONDS))) for _ in range(MOMENTS)]

    def date(self, offset: int) -> str:
        """The day `offset` days from today (negative = past), as YYYY-MM-DD."""
        return self._dates[offset - FIRST_DAY]

    def month(self, offset: int) -> str:
        """The first day of the month in which that day lies."""
        return self._months[offset - FIRST_DAY]

    def fiscal(self, offset: int) -> tuple[int, int, str]:
        """Fiscal year, quarter and period (`2026 4`) of that day; the fiscal year is the calendar year."""
        return self._fiscal[offset - FIRST_DAY]

    def moment(self, offset: int, dice: Dice) -> str:
        """An instant in working hours of that past day; for today one within the last hours, never in the future."""
        if offset >= 0:
            return self._recent[int(dice.roll() * MOMENTS)]
        return self._dates[offset - FIRST_DAY] + self._clock[int(dice.roll() * MOMENTS)]

    def future(self, offset: int, dice: Dice) -> str:
        """An instant in working hours of any day, also a coming one."""
        return self._dates[offset - FIRST_DAY] + self._clock[int(dice.roll() * MOMENTS)]
