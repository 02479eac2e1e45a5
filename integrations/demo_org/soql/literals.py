"""Fits literals to fields: the stored form of each, or Salesforce's sentence about the wrong type."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import product

from integrations.demo_org import ids
from integrations.demo_org.soql import faults
from integrations.demo_org.soql.dates import Calendar, instant
from integrations.demo_org.soql.scope import Build, Term
from integrations.demo_org.soql.tree import Value

IDS = frozenset({"id", "reference"})
WHOLE = frozenset({"int", "long"})
REAL = frozenset({"double", "currency", "percent"})
DATETIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)")
MAX_VARIANTS = 64


@dataclass(frozen=True)
class Range:
    """A period of days or instants: `first` included, `after` excluded."""

    first: str
    after: str


Stored = str | int | float | Range | None


def stored(build: Build, term: Term, value: Value) -> Stored:
    """What to compare the term's column with. None for null and the empty string."""
    if value.kind == "null":
        return None
    if term.type in IDS:
        return _identifier(build, term, value)
    if term.type in {"date", "datetime"}:
        return _moment(build, term, value)
    if term.type in WHOLE | REAL:
        return _number(build, term, value)
    if term.type == "boolean":
        if value.kind != "boolean":
            raise faults.wrong_type(build.text, term.at, term.name, "boolean")
        return int(value.value == "TRUE")
    if term.type == "time":
        if value.kind != "time":
            raise faults.wrong_type(build.text, term.at, term.name, "time")
        return _time(value.value)
    if value.kind != "string":
        raise faults.wrong_type(build.text, term.at, term.name, "string")
    return value.value or None


def _identifier(build: Build, term: Term, value: Value) -> str | None:
    if value.kind != "string":
        raise faults.wrong_type(build.text, term.at, term.name, "string")
    if not value.value:
        return None
    try:
        return ids.to_18(value.value)
    except ValueError:
        sentence = f"invalid ID field: {value.value}"
        raise faults.wrong_operator(build.text, term.at, sentence) from None


def _number(build: Build, term: Term, value: Value) -> int | float:
    kind = "int" if term.type in WHOLE else "double"
    if value.kind not in {"number", "currency"}:
        raise faults.wrong_type(build.text, term.at, term.name, kind)
    text = value.value[3:] if value.kind == "currency" else value.value
    whole = re.fullmatch(r"[-+]?\d+", text)
    if kind == "int" and not whole:
        raise faults.wrong_type(build.text, term.at, term.name, kind)
    if whole and -(2**63) <= int(text) < 2**63:
        return int(text)
    return float(text)


def _moment(build: Build, term: Term, value: Value) -> str | Range:
    calendar: Calendar = build.calendar
    if value.kind == "name":
        if term.type == "datetime":
            return Range(*calendar.instants(value.value, value.count))
        first, after = calendar.period(value.value, value.count)
        return Range(first.isoformat(), after.isoformat())
    if value.kind != term.type:
        kind = "date" if term.type == "date" else "dateTime"
        raise faults.wrong_type(build.text, term.at, term.name, kind)
    read = _read_date if term.type == "date" else _read_datetime
    try:
        return read(value.value)
    except (ValueError, OverflowError):
        raise faults.fault(build.text, value.at, f"Invalid {term.type}: {value.value}") from None


def _read_date(text: str) -> str:
    return date.fromisoformat(text).isoformat()


def _read_datetime(text: str) -> str:
    found = DATETIME.fullmatch(text.upper())
    if not found:
        raise ValueError(text)
    day, minute, second, fraction, zone = found.groups()
    moment = datetime.fromisoformat(f"{day}T{minute}{second or ':00'}{'+00:00' if zone == 'Z' else zone}")
    if abs((moment.utcoffset() or moment.astimezone(UTC) - moment).total_seconds()) > 14 * 3600:
        raise ValueError(text)
    milliseconds = (fraction or ".0")[1:4].ljust(3, "0")
    return instant(moment).replace(".000Z", f".{milliseconds}Z")


def _time(text: str) -> str:
    return f"{text[:8]}.000Z"


def variants(text: str) -> list[str] | None:
    """All spellings that equal `text` without case, as far as SQLite's NOCASE (which knows only A-Z) does not see it itself.

    None when there are too many; then fold both sides.
    """
    choices = []
    for letter in text:
        forms = {letter, letter.lower(), letter.upper()} if letter > "\x7f" else {letter}
        choices.append(sorted(each for each in forms if len(each) == 1))
    total = 1
    for each in choices:
        total *= len(each)
        if total > MAX_VARIANTS:
            return None
    return ["".join(each) for each in product(*choices)]
