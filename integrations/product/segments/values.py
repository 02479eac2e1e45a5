"""The value of a condition: whatever a form or a JSON body gives, to one canonical form, and in words. Pure.

ValueError says what is wrong with a value and shows one that fits.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from integrations.product.segments.fieldtypes import ACTIVITY, OPS, Op
from integrations.product.segments.spans import DAY, MOST, UNITS
from integrations.salesforce.ids import to_18
from integrations.salesforce.values import NUMBER, read_moment
from integrations.sync.mapping.stored import write_instant, write_plain
from integrations.sync.matching.incoming import text_problem

LONGEST, MOST_VALUES = 1000, 1000
WHOLE_PLACES, PLACES = 26, 12
MOST_TIMES, MOST_DAYS = 1_000_000, 1095


def read_value(shape: str, raw: object) -> Any:
    """The canonical JSON value of an operator's shape."""
    if shape == "none":
        return None
    return {
        "text": _text, "texts": _texts, "number": _number, "numbers": _numbers, "date": _date, "dates": _dates, "span": _span,
        "segment": _segment, "activity": _activity, "id": _id, "ids": _ids,
    }[shape](raw)  # fmt: skip


def _text(raw: object) -> str:
    text = raw.strip() if isinstance(raw, str) else str(raw) if isinstance(raw, int | Decimal) else ""
    if isinstance(raw, bool) or not text:
        raise ValueError("Type a text to compare with; for no text at all choose “is blank”.")
    if problem := text_problem(text, LONGEST):
        raise ValueError(problem)
    return text


def _texts(raw: object) -> list[str]:
    given = raw.splitlines() if isinstance(raw, str) else raw
    if not isinstance(given, Sequence):
        raise ValueError("Give a list of values, one a line.")
    texts = list(
        dict.fromkeys(_text(each) for each in given if each != "" and not (isinstance(each, str) and not each.strip()))
    )
    if not texts:
        raise ValueError("Give at least one value, one a line.")
    if len(texts) > MOST_VALUES:
        raise ValueError(f"Give at most {MOST_VALUES:,} values, not {len(texts):,}.")
    return texts


def _number(raw: object) -> str:
    text = str(raw).strip() if isinstance(raw, str | int | Decimal | float) and not isinstance(raw, bool) else ""
    if not text or not text.isascii() or len(text) > 60 or not NUMBER.match(text):
        raise ValueError("Type a number, such as 12 or 12.5.")
    number = Decimal(text)
    lowest = number.normalize().as_tuple().exponent
    if number and (number.adjusted() >= WHOLE_PLACES or (isinstance(lowest, int) and lowest < -PLACES)):
        raise ValueError(f"Type a number with at most {WHOLE_PLACES} digits before and {PLACES} after the point.")
    return write_plain(number)


def _pair(raw: object) -> tuple[object, object]:
    if isinstance(raw, Mapping):
        raw = [raw.get("from"), raw.get("to")]
    if not isinstance(raw, list | tuple) or len(raw) != 2:
        raise ValueError("Give two values: from and to.")
    return raw[0], raw[1]


def _numbers(raw: object) -> list[str]:
    low, high = (_number(each) for each in _pair(raw))
    if Decimal(low) > Decimal(high):
        raise ValueError(f"From ({low}) must not be more than to ({high}).")
    return [low, high]


def _date(raw: object) -> str:
    """A day as `2027-01-31`, an instant as `2027-01-31T08:00:00Z`."""
    text = raw.strip() if isinstance(raw, str) else ""
    try:
        if DAY.match(text):
            return date.fromisoformat(text).isoformat()
        return write_instant(read_moment(text))
    except ValueError as error:
        raise ValueError("Give a day such as 2027-01-31, or an instant such as 2027-01-31T08:00:00Z.") from error


def _dates(raw: object) -> list[str]:
    first, last = (_date(each) for each in _pair(raw))
    both = "T" in first and "T" in last
    if first[:10] > last[:10] or (both and read_moment(first) > read_moment(last)):
        raise ValueError(f"From ({first}) must not be later than to ({last}).")
    return [first, last]


def _span(raw: object) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raw = {"n": raw}
    unit = str(raw.get("unit") or "days")
    if unit not in UNITS:
        raise ValueError(f"The unit is one of {', '.join(UNITS)}.")
    return {"n": _whole(raw.get("n"), 0, MOST[unit], f"a whole number of {unit}"), "unit": unit}


def _whole(raw: object, least: int, most: int, what: str) -> int:
    text = str(raw).strip() if isinstance(raw, str | int) and not isinstance(raw, bool) else ""
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        raise ValueError(f"Type {what} from {least} to {most:,}.")
    return int(text)


def _segment(raw: object) -> int:
    return _whole(raw, 1, 2**31, "the number of a segment")


def _activity(raw: object) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise ValueError("Name what happened, how often, and in how many days.")
    name = raw.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ValueError("Name the event or feature.")
    return {
        "name": _text(name),
        "times": _whole(raw.get("times", 1), 1, MOST_TIMES, "how many times"),
        "days": _whole(raw.get("days", 30), 0, MOST_DAYS, "a whole number of days"),
    }


def _id(raw: object) -> str:
    try:
        return to_18(str(raw).strip())
    except ValueError as error:
        raise ValueError("Type a Salesforce id of 15 or 18 characters.") from error


def _ids(raw: object) -> list[str]:
    return list(dict.fromkeys(_id(each) for each in _texts(raw)))


def value_in_words(label: str, op: Op, value: Any) -> str:
    """A condition as a sentence: "Seats is between 5 and 10"."""
    if op.shape == "none":
        return f"{label} {op.label}"
    if op.shape in ("texts", "ids"):
        shown = ", ".join(value[:3]) + (f" and {len(value) - 3} more" if len(value) > 3 else "")
        return f"{label} {op.label} {shown}"
    if op.shape in ("numbers", "dates"):
        return f"{label} {op.label} {value[0]} and {value[1]}"
    if op.shape == "span":
        words = f"{value['n']} {value['unit'] if value['n'] != 1 else value['unit'][:-1]}"
        return f"{label} {op.label.replace('…', words)}" if "…" in op.label else f"{label} {op.label} {words}"
    if op in OPS[ACTIVITY]:
        times, days = value["times"], value["days"]
        often = f"{op.label} {times} time{'s' if times != 1 else ''}"
        return f"{label} “{value['name']}” {often} in the last {days} days"
    return f"{label} {op.label} {value}"
