"""Statistics that several analyses share: intervals and tests of rates, of two groups, and of strata. No ORM, no clock.

statsmodels and scipy are imported inside the functions, which only jobs call. A rate is between 0 and 1, an interval is
`(low, high)` with 95 % unless said otherwise. Where a denominator is zero the answer is None: never infinity, never an
invented number (R-241).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

Interval = tuple[float, float]
Table = tuple[tuple[int, int], tuple[int, int]]
"""Two rows (group: exposed, others) and two columns (with the outcome, without it)."""
Z95 = 1.959963984540054
FEWEST_EXPECTED = 5
"""Below so many expected in any cell of four, Fisher's exact test instead of chi-square (FZ-D8)."""


@dataclass(frozen=True, slots=True)
class Tested:
    """A two-sided test: its name for people, its statistic (None where it has none) and its p-value."""

    name: str
    statistic: float | None
    p: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pooled:
    """Odds ratio over strata (Mantel and Haenszel 1959) with its interval and test, and how many strata told something."""

    odds_ratio: float
    low: float
    high: float
    p: float
    strata: int


def rate(k: int, n: int) -> float | None:
    """k of n; None of nobody."""
    return k / n if n else None


def wilson(k: int, n: int, *, alpha: float = 0.05) -> Interval | None:
    """Interval of a rate by Wilson 1927, which stays in [0, 1]. None when n is 0.

    Own arithmetic: a table of rates would otherwise wait longer for the library to load than for its 10,000,000 events.
    """
    _check(k, n)
    if not n:
        return None
    z = NormalDist().inv_cdf(1 - alpha / 2)
    share, square = k / n, z * z / n
    middle = (share + square / 2) / (1 + square)
    reach = math.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    return (max(middle - reach, 0.0) if k else 0.0), (min(middle + reach, 1.0) if k < n else 1.0)


def newcombe(k1: int, n1: int, k2: int, n2: int, *, alpha: float = 0.05) -> Interval | None:
    """Interval of k1/n1 - k2/n2 of two independent groups (Newcombe 1998, method 10). None when a group is empty."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    _check(k1, n1)
    _check(k2, n2)
    if not n1 or not n2:
        return None
    low, high = confint_proportions_2indep(k1, n1, k2, n2, method="newcomb", compare="diff", alpha=alpha)
    return float(low), float(high)


def risk_ratio(k1: int, n1: int, k2: int, n2: int) -> Estimate | None:
    """Ratio of two rates with its log interval (Katz 1978). None when a group is empty or nobody in a group has the outcome."""
    _check(k1, n1)
    _check(k2, n2)
    if not n1 or not n2 or not k1 or not k2:
        return None
    ratio = (k1 / n1) / (k2 / n2)
    error = math.sqrt(max(1 / k1 - 1 / n1 + 1 / k2 - 1 / n2, 0.0))
    return Estimate(ratio, ratio * math.exp(-Z95 * error), ratio * math.exp(Z95 * error))


def phi(k1: int, n1: int, k2: int, n2: int) -> float | None:
    """Correlation of two yes-or-no values; None when one of them never differs."""
    without1, without2, total = n1 - k1, n2 - k2, k1 + k2
    scale = n1 * n2 * total * (without1 + without2)
    return (k1 * without2 - k2 * without1) / math.sqrt(scale) if scale else None


def fisher_or_chi2(k1: int, n1: int, k2: int, n2: int) -> Tested | None:
    """Two-sided test of equal rates: chi-square without correction, Fisher's exact test when a cell expects fewer than 5.

    None when a group is empty, or everybody or nobody has the outcome: then there is nothing to test.
    """
    from scipy.stats import chi2, fisher_exact

    _check(k1, n1)
    _check(k2, n2)
    total, have = n1 + n2, k1 + k2
    if not n1 or not n2 or have in (0, total):
        return None
    smallest = min(n1, n2) * min(have, total - have) / total
    if smallest < FEWEST_EXPECTED:
        exact: Any = fisher_exact([[k1, n1 - k1], [k2, n2 - k2]])
        return Tested("Fisher's exact test", None, float(exact[1]))
    association = phi(k1, n1, k2, n2) or 0.0
    statistic = total * association**2
    return Tested("chi-square test", statistic, float(chi2.sf(statistic, 1)))


def chi2_of(table: Sequence[Sequence[int]]) -> Tested | None:
    """Two-sided chi-square test, without correction, of a table of any size (a row a group). Empty rows and columns do not
    count; None when fewer than two of either are left."""
    from scipy.stats import chi2_contingency

    rows = [row for row in table if sum(row)]
    columns = [column for column in zip(*rows, strict=True) if sum(column)]
    if len(rows) < 2 or len(columns) < 2:
        return None
    found: Any = chi2_contingency(list(zip(*columns, strict=True)), correction=False)
    return Tested("chi-square test", float(found[0]), float(found[1]))


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> Tested | None:
    """Two-sided test that neither group tends to larger values (for revenue, FZ-D8). None when a group is empty, or all values
    are equal."""
    from scipy.stats import mannwhitneyu

    if not len(first) or not len(second) or len({*first, *second}) < 2:
        return None
    found = mannwhitneyu(first, second, alternative="two-sided")
    return Tested("Mann-Whitney test", float(found.statistic), float(found.pvalue))


def mantel_haenszel(tables: Sequence[Table]) -> Pooled | None:
    """Common odds ratio of strata (interval by Robins, Breslow and Greenland 1986; test of no association without correction).

    Strata in which a row or a column is empty say nothing and are left out. None when none is left or the ratio is not finite.
    """
    import numpy as np
    from statsmodels.stats.contingency_tables import StratifiedTable

    told = [np.asarray(table, dtype=float) for table in tables]
    told = [table for table in told if table.sum(axis=0).all() and table.sum(axis=1).all()]
    concordant = sum(table[0, 0] * table[1, 1] / table.sum() for table in told)
    discordant = sum(table[0, 1] * table[1, 0] / table.sum() for table in told)
    if not told or not concordant or not discordant:
        return None
    found: Any = StratifiedTable(told)
    low, high = found.oddsratio_pooled_confint()
    p = found.test_null_odds(correction=False).pvalue
    return Pooled(float(found.oddsratio_pooled), float(low), float(high), float(p), len(told))


def odds_ratio(table: Table) -> float | None:
    """Of one table; None when it is not finite or zero by an empty cell."""
    (a, b), (c, d) = table
    return a * d / (b * c) if a and b and c and d else None


def _check(k: int, n: int) -> None:
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no rate.")
