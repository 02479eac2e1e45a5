"""Scales: from numbers and days to percent of a width or height, and where their ticks stand. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from analytics.analyses import writing
from analytics.analyses.documents import Kind

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
FEW, MOST = 6, 8
DUST = 1e-9


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis: where it stands in percent, what it says, how it is anchored there, whether a phone leaves it out."""

    at: float
    label: str
    anchor: str = "middle"
    is_minor: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """From `low`..`high` to 0..100 percent."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Where a value stands, in percent, kept within the scale."""
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return round(max(0.0, min(1.0, share)) * 100, 2)

    def up(self, value: float) -> float:
        """Where a value stands from the top, for heights."""
        return round(100 - self.at(value), 2)


def number_of(value: Any) -> float | None:
    """A value of a document as a float for drawing; None for nothing."""
    found = writing.exact(value)
    return None if found is None else float(found)


def known(values: Iterable[Any]) -> list[float]:
    """Those values that are numbers."""
    return [found for found in map(number_of, values) if found is not None]


def nice_step(span: float, most: int = FEW) -> float:
    """The smallest step of 1, 2, 2.5, 5 times a power of ten that needs at most `most` steps."""
    if span <= 0 or not math.isfinite(span):
        return 1.0
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next((power * step for step in STEPS if power * step >= rough * (1 - 1e-9)), power * 10)


def nice_scale(
    values: Sequence[float], *, zero: bool = True, most: int = 5, ceiling: float | None = None, whole: bool = False
) -> tuple[Scale, list[float]]:
    """A scale over `values` that begins and ends at ticks, and the ticks. `zero`: it includes 0; `ceiling`: it never passes it
    when no value does; `whole`: ticks are whole numbers."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    largest = max(abs(low), abs(high))
    if high - low <= DUST * max(1.0, largest):  # nothing between them that could be seen
        high = low + max(1.0, largest / 10)
    step = nice_step(high - low, most)
    step = max(1.0, math.ceil(step)) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if ceiling is not None and high <= ceiling < last * step:
        last = math.floor(ceiling / step + 1e-9)
        return Scale(first * step, ceiling), [place * step for place in range(first, last + 1)]
    return Scale(first * step, last * step), [place * step for place in range(first, last + 1)]


def value_ticks(scale: Scale, ticks: Iterable[float], kind: Kind, *, up: bool = True) -> list[Tick]:
    """Ticks of values: from the bottom upwards for heights, else from the left."""
    place = scale.up if up else scale.at
    return [Tick(place(each), writing.short(_clean(each), kind), anchor_of(place(each))) for each in ticks]


def number_ticks(scale: Scale, ticks: Sequence[float]) -> list[Tick]:
    """Ticks of a horizontal axis of numbers; a phone shows every second one when there are many."""
    many = len(ticks) > FEW
    return [
        Tick(scale.at(each), writing.short(_clean(each), "number"), anchor_of(scale.at(each)), many and place % 2 == 1)
        for place, each in enumerate(ticks)
    ]


def day_ticks(first: date, last: date, most: int = MOST) -> list[date]:
    """Days where ticks stand: of the month's first when the span is long, else evenly."""
    days = (last - first).days
    if days <= 62:
        step = max(1, math.ceil(days / most))
        return [first + timedelta(days=place) for place in range(0, days + 1, step)]
    months = (last.year - first.year) * 12 + last.month - first.month
    step = next((each for each in (1, 2, 3, 6, 12, 24, 60) if months / each <= most), 120)
    found, at = [], date(first.year, first.month, 1)
    while at <= last:
        if at >= first and (at.month - 1 + 12 * at.year) % step == 0:
            found.append(at)
        at = date(at.year + at.month // 12, at.month % 12 + 1, 1)
    return found


def label_of_day(at: date, span_days: int) -> str:
    """ "Nov 3" within two months, else "Nov 26": month and year."""
    return f"{at:%b} {at.day}" if span_days <= 62 else f"{at:%b} \u2019{at:%y}"


def anchor_of(at: float) -> str:
    """How text is anchored at a place, so that it stays within the chart."""
    return "start" if at < 4 else "end" if at > 96 else "middle"


def _clean(value: float) -> float:
    """Without the dust of adding steps, so that 0.30000000000000004 reads 0.3."""
    return round(value, 10)
