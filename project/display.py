"""How times, durations and amounts read on a page. Pure: no ORM, no clock, no request."""

from datetime import datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation

SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹"}
_STEPS = ((60, 60, "min"), (24, 3600, "h"), (14, 86400, "days"), (9, 604800, "weeks"))


def relative(moment: datetime, now: datetime) -> str:
    """ "just now", "12 min ago", "in 2 h", "yesterday", "3 weeks ago"; a date after nine weeks."""
    seconds = (now - moment).total_seconds()
    distance = abs(seconds)
    if distance < 45:
        return "just now" if seconds >= 0 else "in a moment"
    for limit, size, word in _STEPS:
        count = max(1, round(distance / size))
        if count < limit:
            if word == "days" and count == 1:
                return "yesterday" if seconds > 0 else "tomorrow"
            shown = f"{count} {word[:-1] if count == 1 and word.endswith('s') else word}"
            return f"{shown} ago" if seconds > 0 else f"in {shown}"
    return f"{moment:%b} {moment.day}, {moment.year}"


def absolute(moment: datetime, zone: tzinfo) -> str:
    """ "2026-11-22 14:05:09 CET": the instant in `zone`, always with the zone's name."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def clock(moment: datetime, zone: tzinfo) -> str:
    """ "Nov 22, 2026, 14:05 CET": the instant in `zone` as people write it; the seconds are in `absolute`."""
    at = moment.astimezone(zone)
    return f"{at:%b} {at.day}, {at.year}, {at:%H:%M %Z}"


def duration(span: timedelta | float | None) -> str:
    """ "0.4 s", "6 s", "2 min 5 s", "3 h 20 min"; empty for None."""
    if span is None:
        return ""
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def amount(value: Decimal | float | None, places: int | None = None) -> str:
    """Thousands separated, without trailing zeros; `places` cuts decimals (6 are stored, 2 are plenty for most)."""
    if value is None:
        return "–"
    try:
        exact = Decimal(str(value))
    except InvalidOperation:  # a source says number and sent a word: the word is shown
        return str(value)
    if places is not None:
        exact = round(exact, places)
    text = f"{exact:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def measure(value: Decimal | None, unit: str, unit_label: str = "") -> str:
    """An amount with its unit: "$510,000", "CHF 12.50", "45%", "12 deals". Percent is stored as 45 for 45 % (BW-D10)."""
    if value is None:
        return "–"
    if unit == "currency":
        shown = amount(abs(value), 2)
        shown = f"{shown}0" if "." in shown and len(shown.rpartition(".")[2]) == 1 else shown
        sign = "−" if value < 0 else ""
        return f"{sign}{SIGNS[unit_label]}{shown}" if unit_label in SIGNS else f"{sign}{unit_label} {shown}".strip()
    shown = amount(value, 2 if abs(value) >= 1 else 4).replace("-", "−")
    if unit == "percent":
        return f"{shown}%"
    return f"{shown} {unit_label}" if unit == "custom" and unit_label else shown
