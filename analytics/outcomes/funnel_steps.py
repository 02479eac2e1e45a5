"""What became of each trial: activated, paid in time, lost, or still open. Pure (methods 5).

The window of a trial is from its start to W days after its end, half-open. A step counts only after the one before; equal
instants count. A trial is mature once its window has closed by `as_of`; open trials never enter the denominator of a rate.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, log, sqrt


@dataclass(frozen=True, slots=True)
class Rules:
    """`window` days after the end; a trial without an end lasts `length` days; `needs_activation`: paying comes after it."""

    as_of: datetime
    window: int = 30
    length: int = 14
    needs_activation: bool = True


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial as the facts have it."""

    subject: str
    began: datetime
    ended: datetime | None
    paid_at: datetime | None
    activated_at: datetime | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A trial and what became of it. `days` since the start: until it was paid, lost (window closed) or `as_of`."""

    trial: Trial
    closes: datetime
    is_mature: bool
    is_activated: bool
    is_paid: bool
    paid_unactivated: bool
    days: float
    is_assumed: bool

    @property
    def state(self) -> str:
        """paid, lost or open: how it stands for the time to conversion."""
        return "paid" if self.is_paid else "lost" if self.is_mature else "open"


def judge(trial: Trial, rules: Rules) -> Judged | None:
    """What became of a trial by `as_of`; None for a customer that had paid before its trial began."""
    if trial.paid_at is not None and trial.paid_at < trial.began:
        return None
    ended = trial.ended if trial.ended is not None and trial.ended >= trial.began else None
    closes = (ended or trial.began + timedelta(days=rules.length)) + timedelta(days=rules.window)
    until = min(closes, rules.as_of)
    activated = trial.activated_at is not None and trial.began <= trial.activated_at < until
    paid = trial.paid_at is not None and trial.paid_at < until
    in_order = paid and (not rules.needs_activation or (activated and trial.activated_at <= trial.paid_at))  # type: ignore[operator]
    end = trial.paid_at if in_order else until
    assert end is not None
    return Judged(
        trial=trial, closes=closes, is_mature=closes <= rules.as_of, is_activated=activated, is_paid=in_order,
        paid_unactivated=paid and not in_order, days=(end - trial.began) / timedelta(days=1), is_assumed=ended is None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rate:
    """Mature trials: how many began, were activated, and paid."""

    began: int
    activated: int
    paid: int


def count(trials: Iterable[Judged]) -> Rate:
    """The mature ones among them, counted."""
    mature = [each for each in trials if each.is_mature]
    return Rate(len(mature), sum(each.is_activated for each in mature), sum(each.is_paid for each in mature))


@dataclass(frozen=True, slots=True)
class Incidence:
    """Cumulative incidence of conversion at a time, with limits and the number at risk just before it."""

    time: float
    value: float
    low: float
    high: float
    at_risk: int


def incidence(times: Iterable[float], states: Iterable[str]) -> list[Incidence]:
    """Aalen-Johansen estimate of the share that has paid by each time, where being lost ends the chance (methods 5).

    Without lost trials it is 1 - Kaplan-Meier. Limits by the log-log transform of the delta-method variance (Marubini and
    Valsecchi 1995). Of equal times, events come before the end of observation.
    """
    ordered = sorted(zip(times, states, strict=True))
    found: list[Incidence] = []
    survival, value = 1.0, 0.0
    # Sums over the jumps so far that make the variance at any later value: see the cited formula, multiplied out.
    by_all = by_all_value = by_all_square = by_own = by_own_value = 0.0
    own_square, place, n = 0.0, 0, len(ordered)
    while place < n:
        time, after = ordered[place][0], place
        while after < n and ordered[after][0] == time:
            after += 1
        at_risk = n - place
        tied = [state for _, state in ordered[place:after]]
        paid, gone = tied.count("paid"), tied.count("paid") + tied.count("lost")
        place = after
        if not gone:
            continue
        value = min(value + survival * paid / at_risk, 1.0)
        if at_risk > gone:
            weight = gone / (at_risk * (at_risk - gone))
            by_all += weight
            by_all_value += weight * value
            by_all_square += weight * value * value
        own = survival * paid / at_risk**2
        by_own += own
        by_own_value += own * value
        own_square += survival**2 * (at_risk - paid) * paid / at_risk**3
        variance = (
            value * value * by_all - 2 * value * by_all_value + by_all_square + own_square - 2 * (value * by_own - by_own_value)
        )
        survival *= 1 - gone / at_risk
        low = high = value
        if 0 < value < 1 - 1e-12 and variance > 0:
            spread = 1.959963984540054 * sqrt(variance) / (value * abs(log(value)))
            low, high = value ** exp(min(spread, 500.0)), value ** exp(-spread)
        if paid:
            found.append(Incidence(time, value, low, high, at_risk))
    return found
