"""One behavior by segment: each stratum by itself, and the strata together beside the raw value (FZ-D9). Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analytics.drivers.study import Levels, Study
from analytics.outcomes import statistics
from analytics.outcomes.statistics import Pooled

Floats = np.ndarray
STRATA = ("industry", "region", "seats", "plan", "source")
MOST_SEGMENTS = 12
FEWEST = 20
"""Accounts on each side, below which a segment shows counts alone."""
BANDS = ((1, 9), (10, 49), (50, 199), (200, None))


@dataclass(frozen=True, slots=True)
class Segment:
    """Adopters and others of one segment; the difference is None below `FEWEST`."""

    attribute: str
    label: str
    adopters: int
    value: float | None
    others: int
    others_value: float | None
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Together:
    """All strata of an attribute together: the difference weighted by Mantel and Haenszel, and their common odds ratio."""

    attribute: str
    strata: int
    difference: float | None
    low: float | None
    high: float | None
    pooled: Pooled | None


def strata_of(study: Study) -> dict[str, Levels]:
    """Attributes by which segments are made; seats in four bands."""
    labels = ["", *(f"{low} to {high} seats" if high else f"{low} or more seats" for low, high in BANDS)]
    codes = np.zeros(study.size, dtype=np.int64)
    for number, (low, high) in enumerate(BANDS, start=1):
        codes[(study.seats >= low) & (study.seats < (high + 1 if high else math.inf))] = number
    found = {**study.attributes, "seats": Levels(codes, tuple(labels))}
    return {name: found[name] for name in STRATA if name in found and len(set(found[name].codes.tolist())) > 1}


def segments_of(
    study: Study, strata: Mapping[str, Levels], adopted: Floats, rows: Floats
) -> tuple[list[Segment], list[Together]]:
    """A behavior in each segment, and over all segments of each attribute."""
    outcome, mine = study.outcome[rows], adopted[rows]
    is_money = study.design.outcome.measure == "money"
    segments, together = [], []
    for name, levels in strata.items():
        codes = levels.codes[rows]
        sums = _sums(codes, mine, outcome, len(levels.labels))
        order = sorted(range(len(levels.labels)), key=lambda each: -int(sums[0][each].sum()))
        made = [_segment(name, levels.labels[each] or "(not known)", sums[:, each], is_money=is_money) for each in order
                if sums[0][each].sum()]  # fmt: skip
        segments += made[:MOST_SEGMENTS]
        together.append(_together(name, sums, is_money=is_money))
    return segments, together


def _sums(codes: Floats, mine: Floats, outcome: Floats, size: int) -> Floats:
    """Counts, sums and sums of squares by segment and side (others, adopters)."""
    place = codes * 2 + mine
    found = [np.bincount(place, weights=weights, minlength=size * 2).reshape(size, 2)
             for weights in (np.ones(len(codes)), outcome, outcome * outcome)]  # fmt: skip
    return np.stack(found)


def _segment(attribute: str, label: str, sums: Floats, *, is_money: bool) -> Segment:
    (others, many), (others_sum, mine_sum), _ = sums
    value, others_value = (float(mine_sum / many) if many else None), (float(others_sum / others) if others else None)
    difference = low = high = None
    if min(many, others) >= FEWEST and value is not None and others_value is not None:
        difference = value - others_value
        if is_money:
            error = math.sqrt(_variance(sums, 1) + _variance(sums, 0))
            low, high = difference - statistics.Z95 * error, difference + statistics.Z95 * error
        else:
            low, high = statistics.newcombe(int(mine_sum), int(many), int(others_sum), int(others)) or (None, None)
    return Segment(attribute, label, int(many), value, int(others), others_value, difference, low, high)


def _variance(sums: Floats, side: int) -> float:
    """Of the mean of one side of a stratum."""
    count, total, squares = (float(each[side]) for each in sums)
    return max(squares - total * total / count, 0.0) / max(count - 1, 1) / count if count else 0.0


def _together(attribute: str, sums: Floats, *, is_money: bool) -> Together:
    """Weights n1 n0 / n (Mantel & Haenszel 1959; variance of Greenland & Robins 1985 with independent groups)."""
    told = [sums[:, each] for each in range(sums.shape[1]) if sums[0][each].min() > 0]
    weights = [float(each[0][1] * each[0][0] / each[0].sum()) for each in told]
    difference = low = high = None
    if told:
        total = sum(weights)
        difference = sum(
            w * float(each[1][1] / each[0][1] - each[1][0] / each[0][0]) for w, each in zip(weights, told, strict=True)
        )
        spread = sum(w * w * (_variance(each, 1) + _variance(each, 0)) for w, each in zip(weights, told, strict=True))
        difference, error = difference / total, math.sqrt(spread) / total
        low, high = difference - statistics.Z95 * error, difference + statistics.Z95 * error
    pooled = None if is_money else statistics.mantel_haenszel([_table(each) for each in told])
    return Together(attribute, len(told), difference, low, high, pooled)


def _table(sums: Floats) -> statistics.Table:
    (others, many), (others_had, had), _ = sums
    return (int(had), int(many - had)), (int(others_had), int(others - others_had))
