"""How values of documents read, for pages and CSV: rounded once, half away from zero (section 1 of the methods). Pure."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from analytics.analyses.documents import Kind

NOTHING = "–"
MINUS = "\u2212"
UNITS: Mapping[str, str] = {"rate": "%", "points": "pp"}
"""What the columns of a CSV hold besides numbers, said in their heads."""
TENTH, CENT, THOUSANDTH = Decimal("0.1"), Decimal("0.01"), Decimal("0.001")
SMALLEST_P = Decimal("0.001")


def exact(value: Any) -> Decimal | None:
    """A number of a document as a Decimal; None for what is no finite number."""
    if value is None or isinstance(value, bool) or value == "":
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def rounded(value: Decimal, step: Decimal) -> Decimal:
    """`value` to the digits of `step`, half away from zero; never a negative zero."""
    found = value.quantize(step, rounding=ROUND_HALF_UP)
    return abs(found) if found == 0 else found


def plain(value: Any, kind: Kind) -> str:
    """A value as text without unit, signs and separators for a CSV: exactly the digits that the page shows."""
    number = exact(value)
    if kind in ("text", "day"):
        return "" if value is None else str(value)
    if number is None:
        return "" if value is None or isinstance(value, float) else str(value)
    if kind == "p" and number < SMALLEST_P:
        return "<0.001"
    return f"{_fitted(number, kind):f}"


def write(value: Any, kind: Kind, unit: str = "") -> str:
    """A value for a person: "62.5 %", "+4.2 pp", "1,234.50 EUR", "Nov 1, 2026", "<0.001"; a dash for nothing."""
    if value is None or value == "":
        return NOTHING
    if kind == "text":
        return str(value)
    if kind == "day":
        return write_day(value)
    number = exact(value)
    if number is None:
        return NOTHING if isinstance(value, float) else str(value)
    if kind == "p" and number < SMALLEST_P:
        return "<0.001"
    fitted = _fitted(number, kind)
    text = f"{abs(fitted):,f}"
    sign = MINUS if fitted < 0 else "+" if kind == "points" and fitted > 0 else ""
    return f"{sign}{text}{_suffix(kind, unit)}"


def write_day(value: Any) -> str:
    """An ISO day or instant as "Nov 1, 2026"; text that is neither stays as it is."""
    try:
        at = value if isinstance(value, date) else date.fromisoformat(str(value)[:10])
    except ValueError:
        return str(value)
    return f"{at:%b} {at.day}, {at.year}"


def write_interval(value: Any, kind: Kind, unit: str = "") -> str:
    """[low, high] as "9.0 to 27.0 %", its unit said once; an end that is open reads as a dash."""
    low, high = ends(value)
    if low is None and high is None:
        return NOTHING
    suffix = _suffix(kind, unit)
    return f"{write(low, kind, unit).removesuffix(suffix)} to {write(high, kind, unit).removesuffix(suffix)}{suffix}"


def ends(value: Any) -> tuple[Any, Any]:
    """The two ends of an interval; nothing for what is none."""
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        return value[0], value[1]
    return None, None


def short(value: Any, kind: Kind, unit: str = "") -> str:
    """For axes: 12.5k, 3M, 40 %; money without its currency, which the axis names once."""
    number = exact(value)
    if number is None:
        return write(value, kind, unit)
    if kind in ("rate", "points"):
        return f"{_trimmed(number * 100)}{' %' if kind == 'rate' else ' pp'}"
    for size, letter in ((Decimal(10) ** 9, "bn"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k")):
        if abs(number) >= size:
            return f"{_trimmed(number / size)}{letter}"
    return _trimmed(number)


def _trimmed(number: Decimal) -> str:
    text = f"{rounded(number, CENT):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", MINUS)


def _fitted(number: Decimal, kind: Kind) -> Decimal:
    """The number in the unit and with the digits of its kind."""
    if kind in ("rate", "points"):
        return rounded(number * 100, TENTH)
    if kind == "money":
        return rounded(number, CENT)
    if kind == "p":
        return rounded(number, THOUSANDTH)
    if kind == "count":
        return rounded(number, Decimal(1))
    return rounded(number, Decimal(1)) if number == number.to_integral_value() else rounded(number, CENT)


def _suffix(kind: Kind, unit: str) -> str:
    if kind in UNITS:
        return f"\u00a0{UNITS[kind]}"
    return f"\u00a0{unit}" if unit and kind in ("money", "number") else ""
