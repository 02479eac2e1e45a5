"""SOQL texts: every value quoted, every name checked, long key lists cut into queries that fit (S-030, S-032).

Salesforce has no bind variables, so nothing may reach a query except through these functions.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from urllib.parse import quote as url_quote

from integrations.salesforce.errors import TooLarge
from integrations.salesforce.values import write_day, write_moment, write_number

OBJECT = re.compile(r"[A-Za-z](?:[A-Za-z0-9_]{0,254})\Z", re.ASCII)
FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}(?:\.[A-Za-z][A-Za-z0-9_]{0,254}){0,5}\Z", re.ASCII)
ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"})
WILDCARDS = str.maketrans({"%": "\\%", "_": "\\_"})
LONGEST_LITERAL = 4_000
LONGEST_QUERY = 100_000
ROOM_IN_ADDRESS = 14_000
"""Bytes of a URL-encoded query that surely fit beside host, path and headers."""
COMPARISONS = frozenset(("=", "!=", "<", "<=", ">", ">="))

Literal = None | bool | int | Decimal | str | date | datetime


def quote(value: Literal) -> str:
    """A value as a SOQL literal. Floats, naive datetimes, NaN and control characters are refused with ValueError."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return write_number(value)
    if isinstance(value, datetime):
        return write_moment(value)
    if isinstance(value, date):
        return write_day(value)
    if isinstance(value, str):
        return f"'{_escape(value)}'"
    raise ValueError(f"{type(value).__name__} has no SOQL form")


def object_name(text: str) -> str:
    """`text` when it is an API name of an object; ValueError otherwise."""
    if not OBJECT.match(text):
        raise ValueError(f"not an object name: {text[:80]!r}")
    return text


def field_name(text: str) -> str:
    """`text` when it is a field or a path over at most 5 parents (`Account.Owner.Name`); ValueError otherwise."""
    if not FIELD.match(text):
        raise ValueError(f"not a field name: {text[:80]!r}")
    return text


# --- conditions ---


def compare(field: str, operator: str, value: Literal) -> str:
    """`field operator value`; operators = != < <= > >=."""
    if operator not in COMPARISONS:
        raise ValueError(f"not a comparison: {operator[:10]!r}")
    return f"{field_name(field)} {operator} {quote(value)}"


def equals(field: str, value: Literal) -> str:
    """`field = value`"""
    return compare(field, "=", value)


def one_of(field: str, values: Iterable[Literal]) -> str:
    """`field IN (…)`; ValueError when there are no values (Salesforce refuses an empty list)."""
    quoted = [quote(value) for value in values]
    if not quoted:
        raise ValueError("IN needs at least one value")
    return f"{field_name(field)} IN ({','.join(quoted)})"


def contains(field: str, text: str) -> str:
    """`field LIKE '%text%'` with `%` and `_` taken literally (S-032)."""
    return f"{field_name(field)} LIKE '%{_escape(text).translate(WILDCARDS)}%'"


def starts_with(field: str, text: str) -> str:
    """`field LIKE 'text%'` with `%` and `_` taken literally (S-032)."""
    return f"{field_name(field)} LIKE '{_escape(text).translate(WILDCARDS)}%'"


def includes(field: str, *choices: Sequence[str]) -> str:
    """A multi-select picklist holds all values of one of the `choices`: `INCLUDES('a;b','c')` = (a and b) or c."""
    groups = [";".join(group) for group in choices]
    if not groups or any(";" in value for group in choices for value in group):
        raise ValueError("INCLUDES needs values, none with a semicolon")
    return f"{field_name(field)} INCLUDES ({','.join(quote(group) for group in groups)})"


def all_of(*conditions: str) -> str:
    """Conditions joined by AND, in parentheses."""
    return f"({' AND '.join(conditions)})"


def any_of(*conditions: str) -> str:
    """Conditions joined by OR, in parentheses."""
    return f"({' OR '.join(conditions)})"


# --- queries ---


def select(
    object_: str,
    fields: Iterable[str],
    *,
    where: Sequence[str] = (),
    order_by: Sequence[str] = (),
    limit: int | None = None,
    offset: int | None = None,
) -> str:
    """A SELECT statement. `where` conditions (from the functions above) are joined by AND; `order_by` takes `Name DESC`."""
    names = list(dict.fromkeys(field_name(field) for field in fields))
    if not names:
        raise ValueError("a query needs at least one field")
    parts = [f"SELECT {','.join(names)} FROM {object_name(object_)}"]  # noqa: S608  names checked, values quoted
    if where:
        parts.append("WHERE " + " AND ".join(where))
    if order_by:
        parts.append("ORDER BY " + ",".join(_order(item) for item in order_by))
    if limit is not None:
        parts.append(f"LIMIT {int(limit)}")
    if offset is not None:
        parts.append(f"OFFSET {int(offset)}")
    return _checked(" ".join(parts))


def count(object_: str, *, where: Sequence[str] = ()) -> str:
    """`SELECT COUNT() FROM …`"""
    condition = " WHERE " + " AND ".join(where) if where else ""
    return _checked(f"SELECT COUNT() FROM {object_name(object_)}{condition}")  # noqa: S608  names checked


def selects(
    object_: str,
    fields: Iterable[str],
    *,
    key: str,
    values: Iterable[Literal],
    where: Sequence[str] = (),
    room: int = ROOM_IN_ADDRESS,
) -> Iterator[str]:
    """Queries that together ask for all rows whose `key` is one of `values`, each short enough for an address.

    Equal values are asked for once. `TooLarge` when the fields alone leave no room.
    """
    names = list(fields)
    bare = encoded_length(select(object_, names, where=[*where, one_of(key, [""])]))
    if bare > room:
        raise TooLarge("The field list alone is too long for one request; use Bulk.", code="URI_TOO_LONG")
    batch: list[Literal] = []
    used = bare
    for value in dict.fromkeys(values):
        size = encoded_length(quote(value)) + 3
        if batch and used + size > room:
            yield select(object_, names, where=[*where, one_of(key, batch)])
            batch, used = [], bare
        batch.append(value)
        used += size
    if batch:
        yield select(object_, names, where=[*where, one_of(key, batch)])


def encoded_length(text: str) -> int:
    """Bytes that `text` takes in an address."""
    return len(url_quote(text, safe=""))


def _order(item: str) -> str:
    match = re.fullmatch(r"(\S+)((?: ASC| DESC)?(?: NULLS (?:FIRST|LAST))?)", item)
    if match is None:
        raise ValueError(f"not an order: {item[:80]!r}")
    return field_name(match[1]) + match[2]


def _escape(text: str) -> str:
    if len(text) > LONGEST_LITERAL:
        raise ValueError(f"a SOQL literal holds at most {LONGEST_LITERAL} characters")
    escaped = text.translate(ESCAPES)
    if re.search(r"[\x00-\x1f\x7f]", escaped):
        raise ValueError("a SOQL literal cannot hold control characters")
    return escaped


def _checked(soql: str) -> str:
    if len(soql) > LONGEST_QUERY:
        raise TooLarge("SOQL statements can not be longer than 100000 characters", code="MALFORMED_QUERY")
    return soql
