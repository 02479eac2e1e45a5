"""Cohorts of those who began to pay: what they pay at the end of each month since, in exact sums. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from analytics.revenue import calendar
from analytics.revenue.calendar import add, apart, is_complete

ALL = "*"
FEWEST = 20
"""Members under which a cohort shows counts and amounts, no rates (R-241)."""
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Paid:
    """What those who began in one month (with one value) pay at the end of another: how many, and how much."""

    begun: date
    value: str
    month: date
    paying: int
    mrr: Decimal


@dataclass(frozen=True, slots=True)
class Cell:
    """One number. `members` began; of their `base` (MRR at the end of their first month), `mrr` is left after `period` months.
    `complete_on`: incomplete until that day."""

    cohort: str
    period: int
    members: int
    paying: int
    base: Decimal
    mrr: Decimal
    complete_on: str | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """Which cohorts (`month`, `quarter` or anything else: by value), how many periods, as of which midnight."""

    cohorts: str
    count: int
    periods: int
    as_of: datetime

    @property
    def by_time(self) -> bool:
        """Whether cohorts are months or quarters of the first payment."""
        return self.cohorts in ("month", "quarter")

    @property
    def length(self) -> int:
        """Months in a cohort."""
        return 3 if self.cohorts == "quarter" else 1

    @property
    def last(self) -> date:
        """The last month in which anybody can have begun."""
        return calendar.going_on(self.as_of) or calendar.last_complete(self.as_of)

    @property
    def first(self) -> date:
        """The first month that is in a cohort."""
        return add(self.start_of(self.last), -self.length * (self.count - 1))

    def start_of(self, month: date) -> date:
        """The first month of the cohort that a month belongs to."""
        return add(month, -((month.month - 1) % self.length))

    def starts(self) -> list[date]:
        """The first month of every cohort by time."""
        return [add(self.first, self.length * place) for place in range(self.count)]


def cells_of(
    shape: Shape, sizes: Mapping[tuple[date, str], int], paid: Iterable[Paid], groups: Sequence[str]
) -> dict[str, list[Cell | None]]:
    """The cells of each cohort, `ALL` first: the sums of its complete cells. `groups` are the values to show, in their order;
    cohorts by time that nobody belongs to are left out."""
    sums = _Sums(paid)
    if shape.by_time:
        rows = {
            start.isoformat(): [_by_time(shape, sums, sizes, start, period) for period in range(shape.periods)]
            for start in shape.starts()
            if any(shape.start_of(begun) == start for begun, _ in sizes)
        }
    else:
        rows = {name: [_by_value(shape, sums, sizes, name, period) for period in range(shape.periods)] for name in groups}
    return {ALL: [_summary(rows.values(), period) for period in range(shape.periods)], **rows}


class _Sums:
    """Payments by month of begin and value, and by how many months later."""

    def __init__(self, paid: Iterable[Paid]) -> None:
        self._found: dict[tuple[date, str, int], tuple[int, Decimal]] = defaultdict(lambda: (0, ZERO))
        for each in paid:
            key = (each.begun, each.value, apart(each.begun, each.month))
            paying, mrr = self._found[key]
            self._found[key] = (paying + each.paying, mrr + each.mrr)

    def of(self, keys: Iterable[tuple[date, str]], period: int) -> tuple[int, Decimal]:
        """How many of them pay after so many months, and how much."""
        found = [self._found[begun, value, period] for begun, value in keys if (begun, value, period) in self._found]
        return sum(each[0] for each in found), sum((each[1] for each in found), ZERO)


def _by_time(shape: Shape, sums: _Sums, sizes: Mapping[tuple[date, str], int], start: date, period: int) -> Cell | None:
    """Null where not even the first member can have reached the month."""
    if add(start, period) > shape.last:
        return None
    keys = [key for key in sizes if shape.start_of(key[0]) == start]
    closes = add(start, shape.length - 1 + period)
    complete_on = None if is_complete(closes, shape.as_of) else add(closes, 1).isoformat()
    return _cell(start.isoformat(), period, sums, sizes, keys, complete_on)


def _by_value(shape: Shape, sums: _Sums, sizes: Mapping[tuple[date, str], int], name: str, period: int) -> Cell | None:
    """Of those whose own month is over."""
    keys = [key for key in sizes if key[1] == name and is_complete(add(key[0], period), shape.as_of)]
    return _cell(name, period, sums, sizes, keys, None) if keys else None


def _cell(
    name: str, period: int, sums: _Sums, sizes: Mapping[tuple[date, str], int], keys: Sequence[tuple[date, str]],
    complete_on: str | None,
) -> Cell:  # fmt: skip
    paying, mrr = sums.of(keys, period)
    return Cell(name, period, sum(sizes[key] for key in keys), paying, sums.of(keys, 0)[1], mrr, complete_on)


def _summary(rows: Iterable[Sequence[Cell | None]], period: int) -> Cell | None:
    listed = [row[period] for row in rows]
    done = [cell for cell in listed if cell is not None and cell.complete_on is None]
    if not done:
        return None
    return Cell(
        ALL, period, sum(each.members for each in done), sum(each.paying for each in done),
        sum((each.base for each in done), ZERO), sum((each.mrr for each in done), ZERO),
    )  # fmt: skip
