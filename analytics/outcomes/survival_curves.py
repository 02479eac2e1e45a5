"""Survival: Kaplan-Meier curves, log-rank tests and Cox models over arrays. No ORM, no clock.

lifelines and scipy are imported inside the functions, which only jobs call. Times are numbers in one unit (days here); an
`entry` is when a subject came under observation (delayed entry): it is at risk from there on, `entry < t <= duration`.
Kaplan-Meier has Greenwood variance and log-log 95 % limits, which stay in [0, 1] (methods 7); the log transform of other
programs gives slightly different limits of the median.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analytics.outcomes.statistics import Tested

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any] | Sequence[float]
FEWEST_AT_RISK = 10
"""A curve is not drawn where fewer are at risk."""


@dataclass(frozen=True)
class Curve:
    """Survival at each time where anything happens; medians are None when they are not reached."""

    n: int
    events: int
    times: Sequence[float]
    survival: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    median: float | None
    median_low: float | None
    median_high: float | None
    durations: Any = field(repr=False)
    entries: Any = field(repr=False)

    def at(self, time: float) -> tuple[float, float, float]:
        """Survival at a time with its limits."""
        place = bisect_right(list(self.times), time) - 1
        return (self.survival[place], self.low[place], self.high[place]) if place >= 0 else (1.0, 1.0, 1.0)

    def at_risk(self, time: float) -> int:
        """How many are at risk just before a time; at 0 all who are observed from the start."""
        import numpy as np

        came = self.entries < time if time > 0 else self.entries <= 0
        return int(np.count_nonzero(came & (self.durations >= time)))

    @property
    def drawn_until(self) -> float:
        """The last time at which ten or more are at risk, 0 when there never were."""
        return next((time for time in reversed(self.times) if self.at_risk(time) >= FEWEST_AT_RISK), 0.0)


def kaplan_meier(durations: "Numbers", events: "Numbers", entries: "Numbers | None" = None) -> Curve:
    """The curve of one group; `events` are 1 where the event happened and 0 where observation ended before it."""
    import numpy as np
    from lifelines import KaplanMeierFitter

    lasted, happened = np.asarray(durations, dtype=float), np.asarray(events, dtype=bool)
    came = np.zeros(len(lasted)) if entries is None else np.asarray(entries, dtype=float)
    if not len(lasted):
        raise ValueError("A curve needs at least one subject.")
    fitter = KaplanMeierFitter()
    fitter.fit(lasted, happened, entry=came if came.any() else None)
    limits = fitter.confidence_interval_survival_function_
    times = fitter.survival_function_.index.to_numpy(dtype=float)
    survival = fitter.survival_function_.iloc[:, 0].to_numpy(dtype=float)
    low, high = (limits.iloc[:, place].fillna(1.0).to_numpy(dtype=float) for place in (0, 1))
    return Curve(
        n=len(lasted), events=int(happened.sum()), times=times.tolist(), survival=survival.tolist(), low=low.tolist(),
        high=high.tolist(), median=_first_below(times, survival), median_low=_first_below(times, low),
        median_high=_first_below(times, high), durations=lasted, entries=came,
    )  # fmt: skip


def _first_below(times: Any, values: Any) -> float | None:
    """The smallest time at which a falling curve is at or below one half; None when it never is."""
    below = [float(time) for time, value in zip(times, values, strict=True) if value <= 0.5 + 1e-12]
    return below[0] if below else None


def log_rank(durations: "Numbers", events: "Numbers", groups: Sequence[Any], entries: "Numbers | None" = None) -> Tested | None:
    """Test that all groups survive alike, with one degree of freedom less than groups. None with one group or no event.

    lifelines has no delayed entry here; with it the same statistic is computed over the risk sets of those who have come.
    """
    import numpy as np
    from scipy.stats import chi2

    names = sorted(set(groups))
    lasted, happened = np.asarray(durations, dtype=float), np.asarray(events, dtype=bool)
    if len(names) < 2 or not happened.any():
        return None
    came = np.zeros(len(lasted)) if entries is None else np.asarray(entries, dtype=float)
    if not came.any():
        from lifelines.statistics import multivariate_logrank_test

        found = multivariate_logrank_test(lasted, np.asarray(groups), happened)
        return Tested("log-rank test", float(found.test_statistic), float(found.p_value))
    statistic, freedom = log_rank_statistic(lasted, happened, np.asarray(groups), came)
    return Tested("log-rank test", statistic, float(chi2.sf(statistic, freedom))) if freedom else None


def log_rank_statistic(lasted: Any, happened: Any, groups: Any, came: Any) -> tuple[float, int]:
    """The statistic over k groups and its degrees of freedom, from risk sets `came < t <= lasted`."""
    import numpy as np

    times = np.unique(lasted[happened])
    names = np.unique(groups)

    def at_risk(chosen: Any) -> Any:
        ends, begins = np.sort(lasted[chosen]), np.sort(came[chosen])
        still = len(ends) - np.searchsorted(ends, times, side="left")
        return still - (len(begins) - np.searchsorted(begins, times, side="left"))

    def deaths(chosen: Any) -> Any:
        ends = np.sort(lasted[chosen & happened])
        return np.searchsorted(ends, times, side="right") - np.searchsorted(ends, times, side="left")

    risk = np.array([at_risk(groups == name) for name in names], dtype=float)
    died = np.array([deaths(groups == name) for name in names], dtype=float)
    total, all_died = risk.sum(axis=0), died.sum(axis=0)
    share = risk / total
    excess = (died - share * all_died).sum(axis=1)
    factor = np.where(total > 1, all_died * (total - all_died) / np.maximum(total - 1, 1), 0.0)
    covariance = np.diag((factor * share).sum(axis=1)) - (factor * share) @ share.T
    kept = covariance[:-1, :-1]
    freedom = int(np.linalg.matrix_rank(kept)) if kept.size else 0
    return float(excess[:-1] @ np.linalg.pinv(kept) @ excess[:-1]), freedom


@dataclass(frozen=True, slots=True)
class Hazard:
    """One column of a Cox model: its coefficient, its hazard ratio with limits, and the Schoenfeld test of proportionality."""

    name: str
    coefficient: float
    error: float
    ratio: float
    low: float
    high: float
    p: float
    proportional_p: float | None


@dataclass(frozen=True, slots=True)
class CoxModel:
    """A proportional-hazards model with Efron's treatment of ties."""

    hazards: tuple[Hazard, ...]
    log_likelihood: float
    likelihood_ratio: float
    concordance: float
    n: int
    events: int


def cox(
    durations: "Numbers", events: "Numbers", columns: Mapping[str, "Numbers"], *, entries: "Numbers | None" = None,
    strata: Sequence[str] | None = None,
) -> CoxModel:  # fmt: skip
    """Fit a Cox model. `strata` gives each subject's stratum: baselines may differ between them. `ValueError` when it does not
    converge (a column separates the outcome perfectly, or columns repeat each other)."""
    import numpy as np
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError

    frame = pd.DataFrame({name: np.asarray(values, dtype=float) for name, values in columns.items()})
    frame["_lasted"], frame["_happened"] = np.asarray(durations, dtype=float), np.asarray(events, dtype=int)
    given: dict[str, Any] = {"duration_col": "_lasted", "event_col": "_happened"}
    if entries is not None and np.asarray(entries).any():
        frame["_came"], given["entry_col"] = np.asarray(entries, dtype=float), "_came"
    if strata is not None:
        frame["_stratum"], given["strata"] = list(strata), ["_stratum"]
    fitter = CoxPHFitter()
    try:
        fitter.fit(frame, **given)
        summary, proportional = fitter.summary, _proportional(fitter, frame)
    except (ConvergenceError, np.linalg.LinAlgError, ZeroDivisionError) as error:
        raise ValueError(f"The model does not converge ({type(error).__name__}).") from None
    hazards = tuple(_hazard(name, summary.loc[name], proportional) for name in columns)
    return CoxModel(
        hazards, float(fitter.log_likelihood_), float(fitter.log_likelihood_ratio_test().test_statistic),
        float(fitter.concordance_index_), len(frame), int(frame["_happened"].sum()),
    )  # fmt: skip


def _hazard(name: str, row: Any, proportional: Mapping[str, float]) -> Hazard:
    return Hazard(
        name, float(row["coef"]), float(row["se(coef)"]), float(row["exp(coef)"]), float(row["exp(coef) lower 95%"]),
        float(row["exp(coef) upper 95%"]), float(row["p"]), proportional.get(name),
    )  # fmt: skip


def _proportional(fitter: Any, frame: Any) -> dict[str, float]:
    """p-values of the scaled Schoenfeld residuals against ranked time: a diagnostic only (programs differ here)."""
    from lifelines.statistics import proportional_hazard_test

    if "_came" in frame:  # lifelines has no residuals with delayed entry
        return {}
    found = proportional_hazard_test(fitter, frame, time_transform="rank").summary["p"]
    return {str(name): float(p) for name, p in found.items() if math.isfinite(float(p))}
