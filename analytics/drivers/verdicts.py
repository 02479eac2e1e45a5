"""Verdicts on behaviors, and the figures that go with them. Pure (methods, sections 8.3 to 8.5)."""

import math
from typing import Literal

from analytics.drivers.design import FALSE_DISCOVERIES

Verdict = Literal["robust", "explained", "weak", "none", "few", "leak"]
LABELS: dict[str, str] = {
    "robust": "Robust association",
    "explained": "Explained by account type or overall activity",
    "weak": "Weak",
    "none": "No evidence",
    "few": "Not enough data",
    "leak": "Possible leak",
}
TONES = {"robust": "ok", "explained": "warn", "weak": "info", "none": "", "few": "", "leak": "bad"}
Z_POWER = 0.8416212335729143
"""Quantile of the standard normal distribution for 80 % power."""
Z_TEST = 1.959963984540054
LARGEST = 1e6


def passes(size: float | None, error: float | None, direction: float, floor: float) -> bool:
    """Whether a size has the direction of the test, and the end of its 95 % interval nearer to 0 reaches the floor."""
    if size is None or error is None or size * direction <= 0:
        return False
    return near_end(size, error) >= floor


def near_end(size: float, error: float) -> float:
    """How far from 0 the nearer end of the 95 % interval is; negative when the interval holds 0."""
    return abs(size) - Z_TEST * error


def decide(q: float, raw_q: float, has_passed: bool) -> Verdict:
    """The verdict of a behavior that was tested."""
    if q <= FALSE_DISCOVERIES:
        return "robust" if has_passed else "weak"
    return "explained" if raw_q <= FALSE_DISCOVERIES else "none"


def detectable(error: float | None) -> float | None:
    """The smallest difference that would have been found with 80 % power."""
    return None if error is None else (Z_TEST + Z_POWER) * error


def e_value(ratio: float) -> float:
    """E-value of a risk ratio (VanderWeele & Ding 2017); 1 for a ratio of 1."""
    if ratio <= 0:
        return LARGEST
    ratio = max(ratio, 1 / ratio)
    return min(ratio + math.sqrt(ratio * (ratio - 1)), LARGEST)


def e_values(size: float, error: float, base: float) -> tuple[float, float] | None:
    """E-values of a difference of rates, and of the end of its interval nearer to 0. `base`: the rate without; None when 0."""
    if base <= 0:
        return None
    low, high = (base + size - Z_TEST * error) / base, (base + size + Z_TEST * error) / base
    return _both((base + size) / base, low, high)


def e_values_of_money(size: float, error: float, deviation: float) -> tuple[float, float] | None:
    """The same of a difference of means, by the ratio that goes with the standardized one (VanderWeele & Ding 2017)."""
    if deviation <= 0:
        return None
    middle, width = 0.91 * size / deviation, 1.78 * error / deviation
    return _both(*(math.exp(max(min(each, 30.0), -30.0)) for each in (middle, middle - width, middle + width)))


def accounts_for_rates(first: float, second: float) -> int | None:
    """Accounts in each of two groups of an experiment that finds the difference of two rates with 80 % power at 5 %."""
    first, second = min(max(first, 0.0), 1.0), min(max(second, 0.0), 1.0)
    if first == second:
        return None
    mean = (first + second) / 2
    under = Z_TEST * math.sqrt(2 * mean * (1 - mean))
    over = Z_POWER * math.sqrt(first * (1 - first) + second * (1 - second))
    return max(math.ceil(((under + over) / (first - second)) ** 2), 2)


def accounts_for_money(size: float, deviation: float) -> int | None:
    """The same for the difference of two means."""
    if not size or deviation <= 0:
        return None
    return max(math.ceil(2 * ((Z_TEST + Z_POWER) * deviation / size) ** 2), 2)


def _both(middle: float, low: float, high: float) -> tuple[float, float]:
    if low <= 1 <= high:
        return e_value(middle), 1.0
    return e_value(middle), e_value(low if low > 1 else high)
