"""The periods and cohorts of a retention table: where they begin and end, and when a cell is complete. Pure.

Cohorts and calendar periods are UTC months, ISO weeks and days, half-open. `as_of` is a UTC midnight: nothing later counts.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

UNITS = {"day": 1, "week": 7, "month": 30}
"""Days of a period that is counted from an entity's own start."""
MEASURES = ("n_day", "unbounded", "bracket")
TIME_COHORTS = ("month", "week")
MOST_PERIODS, MOST_COHORTS, MOST_DAYS = 60, 60, 1100
DAY_MILLIS = 86_400_000
FEWEST = 20
"""Members below which a cohort shows counts only."""


class BracketProblem(ValueError):
    """Brackets that cannot be."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is counted. `brackets` are days [from, to) since the own start; `aligned` counts calendar periods, not own ones.

    `cohorts` is month, week, or the name of an attribute.
    """

    measure: str
    unit: str
    periods: int
    aligned: bool
    cohorts: str
    cohort_count: int
    as_of: datetime
    brackets: tuple[tuple[int, int], ...] = ()

    @property
    def columns(self) -> int:
        """How many periods, or brackets, the table has."""
        return len(self.brackets) if self.measure == "bracket" else self.periods

    @property
    def by_time(self) -> bool:
        """Whether cohorts are months or weeks."""
        return self.cohorts in TIME_COHORTS

    @property
    def last_day(self) -> date:
        """The last complete day."""
        return (self.as_of - timedelta(days=1)).date()

    @property
    def begins(self) -> date:
        """The first day of the first cohort; for attributes, of the months from which members are taken."""
        unit = self.cohorts if self.by_time else "month"
        return shift(floor_to(self.last_day, unit), unit, 1 - self.cohort_count)

    def cohort_starts(self) -> list[date]:
        """The first day of each cohort by time, oldest first."""
        return [shift(self.begins, self.cohorts, place) for place in range(self.cohort_count)]

    def label(self, column: int) -> str:
        """The heading of a period."""
        if self.measure == "bracket":
            first, after = self.brackets[column]
            return f"Day {first}" if after - first == 1 else f"Days {first} to {after - 1}"
        return f"{self.unit.capitalize()} {column}"

    def span(self, column: int) -> tuple[int, int]:
        """Days [from, to) since the own start of a period; unbounded ones last on, this is when they can first be judged."""
        if self.measure == "bracket":
            return self.brackets[column]
        days = UNITS[self.unit]
        return column * days, (column + 1) * days

    def completes_on(self, cohort: date, column: int) -> date:
        """The midnight at which the window of the last possible member of a cohort by time closes."""
        after = shift(cohort, self.cohorts, 1)
        if self.aligned:
            return shift(floor_to(after - timedelta(days=1), self.unit), self.unit, column + 1)
        return after + timedelta(days=self.span(column)[1])

    def is_complete(self, cohort: date, column: int) -> bool:
        """Whether nothing can be missing in the cell any more: its window had closed for everybody by `as_of`."""
        return self.completes_on(cohort, column) <= self.as_of.astimezone(UTC).date()

    def has_not_begun(self, cohort: date, column: int) -> bool:
        """Whether the period lies in the future even for the first possible member of a cohort by time."""
        if self.aligned:
            begins = shift(floor_to(cohort, self.unit), self.unit, column)
        else:
            begins = cohort + timedelta(days=self.span(column)[0])
        return begins >= self.as_of.astimezone(UTC).date()


def floor_to(day: date, unit: str) -> date:
    """The first day of the UTC day, ISO week or calendar month in which a day lies."""
    if unit == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if unit == "week" else day


def shift(day: date, unit: str, count: int) -> date:
    """The first day of a period, so many periods later; `day` is the first of one."""
    if unit == "month":
        months = day.year * 12 + day.month - 1 + count
        return date(months // 12, months % 12 + 1, 1)
    return day + timedelta(days=count * (7 if unit == "week" else 1))


def read_brackets(text: str) -> tuple[tuple[int, int], ...]:
    """Brackets from text such as `0-7, 7-14, 30-60`: days [from, to) since the start, in order, none over another.

    `BracketProblem` says what is wrong and how to mend it.
    """
    found = []
    for piece in filter(None, (each.strip() for each in text.split(","))):
        first, dash, after = piece.partition("-")
        if not dash or not first.strip().isdecimal() or not after.strip().isdecimal() or len(piece) > 12:
            raise BracketProblem(f"{piece[:20]!r} is no bracket; write days from and to, such as 0-7.")
        found.append((int(first), int(after)))
    if not found:
        raise BracketProblem("Give brackets of days since the start, such as 0-7, 7-14, 14-30.")
    if len(found) > MOST_PERIODS:
        raise BracketProblem(f"At most {MOST_PERIODS} brackets.")
    for first, after in found:
        if not first < after <= MOST_DAYS:
            raise BracketProblem(
                f"{first}-{after} is no bracket: it must end after it begins, on day {MOST_DAYS} at the latest."
            )
    if any(before[1] > later[0] for before, later in pairwise(found)):
        raise BracketProblem("Brackets must stand in order and must not overlap.")
    return tuple(found)
