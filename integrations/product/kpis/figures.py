"""From counts to KPIs: whole columns, exactly, without floating point. The counts come from `counting`.

A percent is kept with 12 places, cut toward zero: cut and not rounded, so that rounding it once at output, half away from
zero, to any smaller number of places gives what the exact fraction would give.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as compute

from integrations.lake.types import PLACES, arrow_type
from integrations.product.kpis.counting import ACTIVE, events_column, users_column
from integrations.product.kpis.registry import Column, Kpi
from integrations.product.kpis.windows import ANSWERS, USAGE

pc: Any = compute
MILLION = 1_000_000
NUMBER = arrow_type("number")
NARROWER = pa.decimal128(37, PLACES)  # a sum of two has one digit more
Counts = Mapping[str, Any]


def column_of_counts(column: Column, counts: Counts) -> Any:
    """The values of one KPI for the customers whose counts these are (null counts are 0)."""
    kpi, window = column.kpi, column.kpi.window
    position = column.feature.position if column.feature else ACTIVE
    if kpi.kind in ("active_users", "feature_users"):
        return _users(counts, position, window)
    if kpi.kind in ("active_users_pct", "feature_users_pct"):
        return percent(_users(counts, position, window), _users(counts, position, f"{window}_prev"))
    if kpi.kind == "feature_events":
        assert column.feature is not None
        return _whole(counts[events_column(column.feature.id, window)])
    if kpi.kind.startswith("nps_"):
        return _nps(kpi, counts)
    return _whole(counts[kpi.kind])


def _nps(kpi: Kpi, counts: Counts) -> Any:
    window, before = kpi.window, f"{kpi.window}_prev"
    if kpi.kind == "nps_responses":
        return _answers(counts, "n", window)
    if kpi.kind == "nps_responses_pct":
        return percent(_answers(counts, "n", window), _answers(counts, "n", before))
    if kpi.kind == "nps_score":
        return _score_of(counts, window)
    now, then = _score_of(counts, window), _score_of(counts, before)
    if kpi.kind == "nps_score_delta":
        return pc.subtract(now, then)
    return percent(now, pc.if_else(pc.equal(then, 0), None, then))


def score(answers: Any, promoters: Any, detractors: Any) -> Any:
    """NPS as a whole number, rounded half away from zero; null without an answer."""
    answers = pc.if_else(pc.equal(answers, 0), None, answers)
    points = pc.multiply(pc.subtract(promoters, detractors), 200)
    size = pc.divide(pc.add(pc.abs(points), answers), pc.multiply(answers, 2))
    return pc.if_else(pc.less(points, 0), pc.negate(size), size)


def percent(current: Any, before: Any) -> Any:
    """(current - before) / |before| x 100; 0 when both are 0, null when only `before` is, or when either is null."""
    difference = pc.subtract(current, before)
    base = pc.abs(pc.if_else(pc.equal(before, 0), None, before))
    size = pc.multiply(pc.abs(difference), 100)
    whole = pc.divide(size, base)
    rest = pc.subtract(size, pc.multiply(whole, base))
    digits = []
    for _ in range(PLACES // 6):
        scaled = pc.multiply(rest, MILLION)
        digits.append(pc.divide(scaled, base))
        rest = pc.subtract(scaled, pc.multiply(digits[-1], base))
    fraction = pc.add(pc.multiply(digits[0], MILLION), digits[1])
    found = pc.add(whole.cast(NARROWER), _shifted(fraction))
    found = pc.if_else(pc.less(difference, 0), pc.negate(found), found)
    both_none = pc.and_(pc.equal(before, 0), pc.equal(current, 0))
    return pc.if_else(pc.fill_null(both_none, False), pa.scalar(Decimal(0), NUMBER), found)


def _shifted(digits: Any) -> Any:
    """Whole numbers below 10^12 as the places behind the point."""
    whole = digits.cast(pa.decimal128(38, 0))
    whole = whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
    return whole.view(NARROWER)


def _users(counts: Counts, position: int, window: str) -> Any:
    return _whole(counts[users_column(position, USAGE.index(window))])


def _answers(counts: Counts, letter: str, window: str) -> Any:
    return _whole(counts[f"{letter}{ANSWERS.index(window)}"])


def _score_of(counts: Counts, window: str) -> Any:
    return score(*(_answers(counts, letter, window) for letter in "npd"))


def _whole(column: Any) -> Any:
    return pc.fill_null(column.cast(pa.int64()), 0)
