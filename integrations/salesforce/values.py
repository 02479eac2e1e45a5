"""Salesforce's texts and JSON values to exact Python values and back (I-06, I-22).

Null, absent and empty are three things: JSON leaves absent keys untouched and clears on null; a Bulk CSV cell that is empty
leaves the field as it is and `#N/A` clears it; Salesforce stores empty text as null. `ABSENT` stands for "not in the answer".
Numbers become Decimal (never float), instants aware UTC datetimes, days plain dates that no time zone moves (R-075).
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Final

from integrations.salesforce.ids import to_18


class Absent(Enum):
    """Type of `ABSENT`: a key that an answer does not have, or a field that a payload leaves alone."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
NULL_MARK = "#N/A"
"""What clears a field in a Bulk CSV cell (R-142)."""

NUMBERS = frozenset(("int", "long", "double", "currency", "percent"))
IDS = frozenset(("id", "reference"))
MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:(Z)|([+-])(\d\d):?(\d\d))\Z", re.IGNORECASE | re.ASCII
)
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?\Z", re.ASCII)
FIRST_DAY, LAST_DAY = date(1700, 1, 1), date(4000, 12, 31)

Value = None | bool | str | Decimal | int | date | datetime | time


def read_moment(text: str) -> datetime:
    """An aware UTC datetime from `…Z`, `…+0000`, `…+05:30`, with or without fractions (R-074); naive text is refused."""
    match = MOMENT.match(text.strip())
    if match is None:
        raise ValueError(f"not an instant with a time zone: {text[:40]!r}")
    offset = "+00:00" if match[8] else f"{match[9]}{match[10]}:{match[11]}"
    fraction = (match[7] or "").ljust(6, "0")[:6]
    day = f"{match[1]}-{match[2]}-{match[3]}T{match[4]}:{match[5]}:{match[6]}"
    try:
        return datetime.fromisoformat(f"{day}.{fraction}{offset}").astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"instant out of range: {text[:40]!r}") from error


def write_moment(moment: datetime) -> str:
    """`2021-12-03T17:59:20.000Z`; a naive datetime is refused (R-074). Salesforce keeps whole seconds only."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError("a datetime without a time zone cannot be sent")
    utc = moment.astimezone(UTC)
    return f"{utc.year:04d}{utc:-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def read_day(text: str) -> date:
    """A day without zone from `YYYY-MM-DD`."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text.strip(), re.ASCII):
        raise ValueError(f"not a day: {text[:40]!r}")
    return date.fromisoformat(text.strip())


def write_day(day: date) -> str:
    """`YYYY-MM-DD`; days that Salesforce cannot hold are refused (R-110). A datetime is no day."""
    if isinstance(day, datetime):
        raise TypeError("a datetime is not a day: decide the time zone first")
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"Salesforce holds days from 1700 to 4000, not {day.isoformat()}")
    return day.isoformat()


def read_time(text: str) -> time:
    """A time of day without zone from `12:30:00.000Z` (the Z of Salesforce's time fields means nothing)."""
    return time.fromisoformat(text.strip().removesuffix("Z"))


def read_number(value: str | int | float | Decimal) -> Decimal:
    """A finite Decimal; NaN, Infinity, blanks and texts such as `12abc` are refused (R-072, R-104). No rounding."""
    if isinstance(value, bool):
        raise TypeError("a checkbox is not a number")
    text = str(value).strip()
    if not NUMBER.match(text):
        raise ValueError(f"not a number: {text[:40]!r}")
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"not a number: {text[:40]!r}") from error
    return number.copy_abs() if number.is_zero() else number


def write_number(number: Decimal | int) -> str:
    """All digits, never an exponent; NaN and Infinity are refused (R-072)."""
    if isinstance(number, bool) or not Decimal(number).is_finite():
        raise ValueError(f"{number} is not a number")
    return format(Decimal(number), "f")


def read_flag(value: str | bool) -> bool:
    """A checkbox from JSON or CSV; anything but true and false is refused."""
    if isinstance(value, bool):
        return value
    flags = {"true": True, "false": False}
    if value.strip().lower() not in flags:
        raise ValueError(f"not true or false: {value[:40]!r}")
    return flags[value.strip().lower()]


def read_choices(text: str | None) -> tuple[str, ...]:
    """The values of a multi-select picklist (`a;b`), in the order given, each once."""
    return tuple(dict.fromkeys(part for part in (text or "").split(";") if part))


def same_choices(left: str | None, right: str | None) -> bool:
    """Whether two multi-select values are the same set: `A;B` equals `B;A` (R-078)."""
    return set(read_choices(left)) == set(read_choices(right))


def read_value(kind: str, value: object) -> Value:
    """A JSON value of a field of describe type `kind`; null stays None. ValueError says what does not fit."""
    if value is None:
        return None
    if kind == "boolean":
        return read_flag(value if isinstance(value, bool) else str(value))
    if kind in NUMBERS:
        return read_number(value if isinstance(value, int | float | Decimal) else str(value))
    if not isinstance(value, str):
        raise ValueError(f"a {kind} field cannot hold {type(value).__name__}")
    if kind in IDS:
        return to_18(value)
    if kind in ("date", "datetime", "time"):
        return {"date": read_day, "datetime": read_moment, "time": read_time}[kind](value)
    return value


def read_cell(kind: str, text: str) -> Value:
    """A cell of a Bulk query result; an empty cell is null."""
    if text == "":
        return None
    return read_value(kind, text)


def read_key(record: Mapping[str, object], name: str, kind: str) -> Value | Absent:
    """One field of a record: `ABSENT` when the answer has no such key, None when it is null (R-077)."""
    return read_value(kind, record[name]) if name in record else ABSENT


def write_json(value: Value | Absent) -> object:
    """A value for a JSON body. Empty text becomes null, as Salesforce stores it; `ABSENT` must be left out by the caller."""
    if value is ABSENT:
        raise ValueError("an absent value has no JSON form: leave its key out")
    if isinstance(value, datetime):
        return write_moment(value)
    if isinstance(value, date):
        return write_day(value)
    if isinstance(value, time):
        return f"{value:%H:%M:%S}.{value.microsecond // 1000:03d}Z"
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError(f"{value} is not a number")
    return None if value == "" else value


def write_cell(value: Value | Absent) -> str:
    """A cell for a Bulk upload: `ABSENT` leaves the field as it is, None and empty text clear it (R-142)."""
    if value is ABSENT:
        return ""
    plain = write_json(value)
    if plain is None:
        return NULL_MARK
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, int | Decimal):
        return write_number(plain)
    if plain == NULL_MARK:
        raise ValueError(f"the text {NULL_MARK} would clear the field in a Bulk upload")
    return str(plain)
