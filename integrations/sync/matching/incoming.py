"""One row of customers or end users as it comes in (API, CSV, demonstration), to typed changes or errors by field. Pure.

Absent means leave as is, null or empty text clears (R-077). Nothing is guessed and nothing is cut: a value that does not fit
fails its row with the field's name and the fix (I-06).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.salesforce.values import read_moment
from integrations.sync.mapping.stored import ProductValue, Stored, read_stored, write_instant, write_stored
from integrations.sync.mapping.types import BOOLEAN, DATE_TIME, IN_WORDS, NUMBER, STRING

TEXT_LENGTHS = {
    "customer": {"name": 255, "website": 255},
    "end_user": {"name": 255, "email": 254, "phone": 60},
}
MOMENTS = ("first_seen_at", "last_seen_at")
KEY, KEY_LENGTH = "external_id", 255
PARENT = "customer"  # of an end user: the customer's external id
ATTRIBUTE_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}\Z", re.ASCII)
LONGEST_TEXT, MOST_ATTRIBUTES = 32_768, 500
WHOLE_PLACES, PLACES = 26, 12  # what the lake's numbers hold
Errors = dict[str, list[str]]


@dataclass
class Incoming:
    """A row that was read. `values` are columns to set, `attributes` keys to set or (None) to clear, `parent` the customer's
    external id ("" takes the end user out of their customer, None leaves them where they are)."""

    external_id: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Stored] = field(default_factory=dict)
    parent: str | None = None
    errors: Errors = field(default_factory=dict)

    def refuse(self, name: str, message: str) -> None:
        """Note what is wrong with a field."""
        self.errors.setdefault(name, []).append(message)


def read_row(entity: str, row: object, *, types: Mapping[str, str]) -> Incoming:
    """The changes that a row asks for. `types` are the known attributes with their types."""
    read = Incoming()
    if not isinstance(row, Mapping):
        read.refuse("row", "Must be an object with external_id and the fields to set.")
        return read
    read.external_id = _key(read, KEY, row.get(KEY), needed=True)
    for name, value in row.items():
        if name in TEXT_LENGTHS[entity]:
            read.values[name] = _text(read, name, value, TEXT_LENGTHS[entity][name])
        elif name in MOMENTS:
            read.values[name] = _moment(read, name, value)
        elif name == "attributes":
            _attributes(read, value, types)
        elif name == PARENT and entity == "end_user":
            read.parent = _key(read, PARENT, value, needed=False)
        elif name != KEY:
            read.refuse(str(name)[:80], f"Unknown field. Known: {', '.join(known_fields(entity))}.")
    first, last = (read.values.get(name) for name in MOMENTS)
    if first and last and first > last:
        read.refuse("first_seen_at", "Must not be later than last_seen_at.")
    return read


def known_fields(entity: str) -> list[str]:
    """The fields that a row may have."""
    parent = [PARENT] if entity == "end_user" else []
    return [KEY, *TEXT_LENGTHS[entity], *parent, *MOMENTS, "attributes"]


def new_attributes(rows: Sequence[object], types: Mapping[str, str]) -> dict[str, str]:
    """Attributes that rows have and nobody has made yet, each with the type that all its values have (text if they differ)."""
    found: dict[str, set[str]] = {}
    for row in rows:
        given = row.get("attributes") if isinstance(row, Mapping) else None
        for key, value in given.items() if isinstance(given, Mapping) else ():
            if key not in types and isinstance(key, str) and ATTRIBUTE_KEY.match(key) and value not in (None, ""):
                found.setdefault(key, set()).add(type_of(value))
    return {key: kinds.pop() if len(kinds) == 1 else STRING for key, kinds in found.items()}


def type_of(value: object) -> str:
    """The attribute type of a JSON value: an instant with a time zone is a date and time, other text is text."""
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int | float | Decimal):
        return NUMBER
    try:
        read_moment(str(value))
    except ValueError:
        return STRING
    return DATE_TIME


def _key(read: Incoming, name: str, value: object, *, needed: bool) -> str:
    if value is None or value == "":
        if needed:
            read.refuse(name, "Is required: the product's own id, as text.")
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text = _text(read, name, value, KEY_LENGTH)
    if needed and not text and name not in read.errors:
        read.refuse(name, "Must not be blank.")
    return text


def _text(read: Incoming, name: str, value: object, longest: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        read.refuse(name, "Must be a text.")
        return ""
    text = value.strip()
    problem = text_problem(text, longest)
    if problem:
        read.refuse(name, problem)
    return text


def text_problem(text: str, longest: int) -> str:
    """Why a text cannot be stored, in words; empty when it can."""
    if len(text) > longest:
        return f"Is too long ({len(text):,} characters; at most {longest:,})."
    if "\0" in text:
        return "Must not contain the character NUL."
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        return "Contains half of a character (a lone surrogate)."
    return ""


def _moment(read: Incoming, name: str, value: object) -> datetime | None:
    if value is None or value == "":
        return None
    if isinstance(value, datetime) and value.utcoffset() is not None:
        return value
    try:
        return read_moment(value if isinstance(value, str) else "")
    except ValueError:
        read.refuse(name, "Must be an instant with a time zone, such as 2027-01-31T08:00:00Z.")
        return None


def _attributes(read: Incoming, given: object, types: Mapping[str, str]) -> None:
    if given is None:
        return
    if not isinstance(given, Mapping) or len(given) > MOST_ATTRIBUTES:
        read.refuse("attributes", f"Must be an object of at most {MOST_ATTRIBUTES} attributes.")
        return
    for key, value in given.items():
        name = f"attributes.{str(key)[:80]}"
        kind = types.get(str(key))
        if kind is None:
            fix = "Make it first, or send create_attributes." if ATTRIBUTE_KEY.match(str(key)) else KEY_SHAPE
            read.refuse(name, f"There is no such attribute. {fix}")
            continue
        try:
            read.attributes[str(key)] = read_attribute(kind, value)
        except ValueError as error:
            read.refuse(name, str(error))


KEY_SHAPE = "Keys are letters, digits and underscores, begin with a letter and have at most 80 characters."


def read_attribute(kind: str, value: object) -> Stored:
    """The stored form of an attribute's value; None clears it. ValueError says what does not fit (R-072, R-074, R-104)."""
    if isinstance(value, str) and kind != STRING:
        value = value.strip()
    if value is None or value == "":
        return None
    if kind == BOOLEAN and isinstance(value, str) and value.lower() in ("true", "false"):
        value = value.lower() == "true"
    if kind == DATE_TIME and isinstance(value, datetime):
        return write_instant(value)
    try:
        read = read_stored(kind, value)
    except (ValueError, TypeError) as error:
        example = {DATE_TIME: ", such as 2027-01-31T08:00:00Z"}.get(kind, "")
        raise ValueError(f"Must be {IN_WORDS[kind]}{example}.") from error
    _check_range(read)
    return write_stored(read)


def _check_range(value: ProductValue) -> None:
    if isinstance(value, str):
        problem = text_problem(value, LONGEST_TEXT)
        if problem:
            raise ValueError(problem)
    if isinstance(value, Decimal) and value:
        lowest = value.normalize().as_tuple().exponent
        if value.adjusted() >= WHOLE_PLACES or (isinstance(lowest, int) and lowest < -PLACES):
            raise ValueError(f"Must have at most {WHOLE_PLACES} digits before and {PLACES} after the point.")
