"""Comparisons of two groups without any adjustment, for many behaviors at once, and false-discovery control. Pure.

Always shown, never a claim. Rates of two groups are compared by `outcomes.statistics` (Newcombe, chi-square or Fisher); what
stands here is what that lacks or would do slowly for dozens of behaviors: ranks made once, and groups of money.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analytics.outcomes import statistics
from analytics.outcomes.statistics import Z95

Floats = np.ndarray


@dataclass(frozen=True, slots=True)
class Compared:
    """Adopters beside the others. `kept` and `others_kept`: how many had the outcome (for money: whose revenue grew).

    `value` and `others` are rates, or means of money; `low` and `high` the 95 % interval of their difference.
    """

    adopters: int
    kept: int
    others_n: int
    others_kept: int
    value: float
    others: float
    difference: float
    low: float | None
    high: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    phi: float | None
    test: str
    p: float | None


def compare_rates(adopted: Floats, outcome: Floats) -> Compared:
    """Two rates (FZ-D8): Newcombe's interval, the ratio with its own, phi, and Fisher's exact or the chi-square test."""
    many, total = int(adopted.sum()), len(outcome)
    kept, had = int(outcome[adopted].sum()), int(outcome.sum())
    others, others_kept = total - many, had - kept
    interval = statistics.newcombe(kept, many, others_kept, others) or (None, None)
    ratio = statistics.risk_ratio(kept, many, others_kept, others)
    tested = statistics.fisher_or_chi2(kept, many, others_kept, others)
    first, second = kept / many if many else 0.0, others_kept / others if others else 0.0
    return Compared(
        many, kept, others, others_kept, first, second, first - second, interval[0], interval[1],
        ratio.value if ratio else None, ratio.low if ratio else None, ratio.high if ratio else None,
        statistics.phi(kept, many, others_kept, others), tested.name if tested else "", tested.p if tested else None,
    )  # fmt: skip


@dataclass(frozen=True)
class Ranks:
    """Ranks of money, made once: equal amounts share the mean of their ranks."""

    values: Floats
    ties: float

    @classmethod
    def of(cls, amounts: Floats) -> "Ranks":
        """Ranks from 1, and the sum of t^3 - t over groups of t equal amounts."""
        _, inverse, counts = np.unique(amounts, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        return cls((ends - (counts - 1) / 2)[inverse], float((counts.astype(float) ** 3 - counts).sum()))

    def test(self, adopted: Floats) -> float | None:
        """Two-sided p of the Mann-Whitney test by its normal approximation with continuity correction; None without two
        groups or where all amounts are equal."""
        first = int(adopted.sum())
        second, total = len(self.values) - first, len(self.values)
        spread = first * second / 12 * ((total + 1) - self.ties / (total * (total - 1))) if total > 1 else 0.0
        if not first or not second or spread <= 0:
            return None
        larger = self.values[adopted].sum() - first * (first + 1) / 2
        larger = max(larger, first * second - larger)
        return min(2 * normal_tail((larger - first * second / 2 - 0.5) / math.sqrt(spread)), 1.0)


def compare_money(adopted: Floats, amounts: Floats, ranks: Ranks) -> Compared:
    """Two means of money: Welch's standard error for the interval, the Mann-Whitney test (FZ-D8)."""
    first, second = amounts[adopted], amounts[~adopted]
    grew, others_grew = int((first > 0).sum()), int((second > 0).sum())
    mean, other = (float(each.mean()) if len(each) else 0.0 for each in (first, second))
    low = high = None
    if len(first) > 1 and len(second) > 1:
        error = math.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second))
        low, high = mean - other - Z95 * error, mean - other + Z95 * error
    return Compared(
        len(first), grew, len(second), others_grew, mean, other, mean - other, low, high, None, None, None, None,
        "Mann-Whitney test", ranks.test(adopted),
    )  # fmt: skip


def normal_tail(z: float) -> float:
    """The share of a standard normal distribution above z."""
    return math.erfc(z / math.sqrt(2)) / 2


def wald_p(estimate: float, error: float) -> float:
    """Two-sided p of a coefficient; 1 where it has no finite error."""
    if not (math.isfinite(estimate) and math.isfinite(error)) or error <= 0:
        return 1.0
    return 2 * normal_tail(abs(estimate) / error)


def q_values(p: Sequence[float]) -> list[float]:
    """Adjusted p-values of Benjamini & Hochberg 1995: those up to a rate r have at most a share r of false discoveries."""
    count = len(p)
    found, smallest = [1.0] * count, 1.0
    for rank, place in sorted(enumerate(sorted(range(count), key=lambda each: p[each]), start=1), reverse=True):
        smallest = min(smallest, p[place] * count / rank)
        found[place] = smallest
    return found
