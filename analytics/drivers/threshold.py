"""How often is enough: the number of uses from which on accounts differ most, searched on one random half of the accounts and
estimated on the other (methods, 8.5). Pure; the seed is stored with the analysis.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analytics.drivers import design as limits
from analytics.drivers.linear import Entered, entered_effects, products
from analytics.drivers.study import Study
from analytics.drivers.verdicts import Z_TEST
from analytics.outcomes import statistics

Floats = np.ndarray


@dataclass(frozen=True, slots=True)
class Step:
    """Accounts with at least `k` uses beside those with fewer, all else held constant."""

    k: int
    accounts: int
    size: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Dose:
    """Accounts with `low` to `high` uses (None: and more), and their rate or mean with its 95 % interval."""

    low: int
    high: int | None
    accounts: int
    value: float
    value_low: float | None
    value_high: float | None


@dataclass(frozen=True)
class Threshold:
    """`k` is what the first half chose, `found` what the other half says about it; `curve` is all of the other half."""

    k: int
    found: Step
    curve: tuple[Step, ...]
    is_clear: bool
    searched: int
    estimated: int


def halves(count: int, seed: int) -> tuple[Floats, Floats]:
    """Two random halves of row numbers, the same for the same seed, each in rising order."""
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[: count // 2]), np.sort(order[count // 2 :])


def candidates(counts: Floats) -> list[int]:
    """Numbers of uses with at least 25 accounts and 2 % on both sides."""
    least = max(limits.FEWEST_SIDE, limits.DOSE_SHARE * len(counts))
    above = [(k, int((counts >= k).sum())) for k in limits.DOSES]
    return [k for k, many in above if many >= least and len(counts) - many >= least]


def best_steps(matrix: Floats, study: Study, columns: Mapping[int, int | None], rows: Floats) -> dict[int, Step]:
    """For each behavior (place: its column) the number of uses with the largest adjusted |t| in these rows."""
    return {
        place: max(steps, key=lambda each: (abs(each.size) / max(each.high - each.low, 1e-300), -each.k))
        for place, steps in _steps(matrix, study, columns, rows).items()
        if steps
    }


def search(matrix: Floats, study: Study, columns: Mapping[int, int | None], rows: Floats, seed: int) -> dict[int, Threshold]:
    """The threshold of each behavior; one without a candidate is missing."""
    first, second = (rows[half] for half in halves(len(rows), seed))
    chosen = best_steps(matrix, study, columns, first)
    curves = _steps(matrix, study, {place: columns[place] for place in chosen}, second)
    found = {}
    for place, best in chosen.items():
        step = next((each for each in curves[place] if each.k == best.k), None)
        if step is not None:
            is_clear = _is_clear(study.counts[second, place], study.outcome[second], best.k, study.design)
            found[place] = Threshold(best.k, step, tuple(curves[place]), is_clear, len(first), len(second))
    return found


def doses(counts: Floats, outcome: Floats, design: limits.Design) -> list[Dose]:
    """The whole dose-response curve: accounts by number of uses, none left out."""
    edges = [0, *limits.DOSES]
    found = []
    for place, low in enumerate(edges):
        high = edges[place + 1] - 1 if place + 1 < len(edges) else None
        mine = outcome[(counts >= low) & (counts <= high if high is not None else True)]
        if len(mine):
            found.append(_dose(low, high, mine, design))
    return found


def _steps(matrix: Floats, study: Study, columns: Mapping[int, int | None], rows: Floats) -> dict[int, list[Step]]:
    asked = [(place, k) for place in columns for k in candidates(study.counts[rows, place])]
    found: dict[int, list[Step]] = {place: [] for place in columns}
    if not asked:
        return found
    gram = products(matrix, rows)
    for start in range(0, len(asked), 64):
        part = asked[start : start + 64]
        entered = [Entered(columns[place], _at_least(study.counts, place, k)) for place, k in part]
        effects = entered_effects(matrix, study.outcome, entered, rows=rows, gram=gram)
        for (place, k), size, error in zip(part, effects.estimates, effects.errors, strict=True):
            if math.isfinite(size) and math.isfinite(error):
                many = int((study.counts[rows, place] >= k).sum())
                found[place].append(Step(k, many, float(size), float(size - Z_TEST * error), float(size + Z_TEST * error)))
    return found


def _at_least(counts: Floats, place: int, k: int):  # noqa: ANN202 - a function of rows
    return lambda rows: counts[rows, place] >= k


def _is_clear(counts: Floats, outcome: Floats, k: int, design: limits.Design) -> bool:
    """Whether accounts just below and just from k on differ beyond their intervals."""
    ladder: Sequence[int] = [0, *limits.DOSES]
    before = ladder[ladder.index(k) - 1]
    after = next((each for each in ladder if each > k), None)
    below = _dose(before, k - 1, outcome[(counts >= before) & (counts < k)], design)
    above = _dose(k, after, outcome[(counts >= k) & (counts < after if after is not None else True)], design)
    if below.value_low is None or below.value_high is None or above.value_low is None or above.value_high is None:
        return False
    return above.value_low > below.value_high or above.value_high < below.value_low


def _dose(low: int, high: int | None, mine: Floats, design: limits.Design) -> Dose:
    count = len(mine)
    if not count:
        return Dose(low, high, 0, 0.0, None, None)
    mean = float(mine.mean())
    if design.outcome.measure == "rate":
        interval = statistics.wilson(int(mine.sum()), count) or (None, None)
        return Dose(low, high, count, mean, *interval)
    error = float(mine.std(ddof=1)) / math.sqrt(count) if count > 1 else None
    if error is None:
        return Dose(low, high, count, mean, None, None)
    return Dose(low, high, count, mean, mean - Z_TEST * error, mean + Z_TEST * error)
