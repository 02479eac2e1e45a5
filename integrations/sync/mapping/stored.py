"""How attribute values stand in JSON: text, number as text, true or false, ISO instant in UTC. A blank has no key at all.

One spelling a value: `12.50` is stored as "12.5" and midnight as "...T00:00:00Z", so that equal values are equal texts.
"""

from datetime import UTC, datetime
from decimal import Decimal

from integrations.salesforce.values import read_moment, read_number
from integrations.sync.mapping.types import BOOLEAN, DATE_TIME, NUMBER, STRING

Stored = None | bool | str
ProductValue = None | bool | str | Decimal | datetime


def write_stored(value: ProductValue) -> Stored:
    """The JSON form; empty text is a blank. ValueError for NaN, Infinity and datetimes without a zone."""
    if value is None or value == "":
        return None
    if isinstance(value, bool | str):
        return value
    if isinstance(value, datetime):
        return write_instant(value)
    return write_plain(value)


def write_plain(number: Decimal) -> str:
    """All digits that count, no exponent, no zeros at the end: `1E+2` is "100"."""
    if not number.is_finite():
        raise ValueError(f"{number} is not a number")
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def write_instant(moment: datetime) -> str:
    """`2027-01-31T00:00:00Z`, with a fraction only where there is one; a naive datetime is refused (R-074)."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError("a datetime without a time zone cannot be stored")
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    fraction = f".{utc.microsecond:06d}".rstrip("0") if utc.microsecond else ""
    return f"{utc.year:04d}-{utc.month:02d}-{utc.day:02d}T{utc.hour:02d}:{utc.minute:02d}:{utc.second:02d}{fraction}Z"


def read_stored(kind: str, stored: object) -> ProductValue:
    """The value of a product type from JSON. ValueError says what does not fit; nothing is guessed (R-104)."""
    if stored is None or stored == "":
        return None
    if kind == BOOLEAN:
        if isinstance(stored, bool):
            return stored
        raise ValueError("not true or false")
    if kind == NUMBER:
        if isinstance(stored, bool) or not isinstance(stored, str | int | float | Decimal):
            raise ValueError("not a number")
        return read_number(stored)
    if not isinstance(stored, str):
        raise ValueError("not a text" if kind == STRING else "not a date and time")
    if kind == DATE_TIME:
        return read_moment(stored)
    return stored


def same_stored(kind: str, left: object, right: object) -> bool:
    """Whether two JSON forms mean the same value: "12.50" and "12.5" do, and so do two spellings of one instant."""
    if left == right and type(left) is type(right):
        return True
    try:
        return read_stored(kind, left) == read_stored(kind, right)
    except ValueError:
        return False
