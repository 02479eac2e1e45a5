"""Reading rows of billing objects as they arrive by API or CSV: types, limits, and every problem of a row at once. Pure.

`id` is the object's own id, `updated_at` orders its versions (an instant with a zone), `deleted` takes it away. Instants
without a zone are refused; a date alone is midnight UTC. Amounts are in major units, as numbers or text with a point.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.models.exact import problem_of

DIGITS, PLACES = 38, 12
MOST_TEXT = 255
TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no", "")
Reader = Callable[[Any], Any]


class Wrong(ValueError):
    """A value that cannot be taken; its text says what is expected."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a row: its name outside and inside, how it is read, and whether a new record needs it."""

    name: str
    attribute: str
    read: Reader
    required: bool = False
    help: str = ""


@dataclass(slots=True)
class Row:
    """A row that was read. `values` holds only the fields that were given."""

    key: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    version_at: datetime | None = None
    deleted: bool = False
    errors: dict[str, str] = field(default_factory=dict)


def text(longest: int = MOST_TEXT, *, blank: bool = True) -> Reader:
    """Text, trimmed; numbers are taken as their digits."""

    def read(value: Any) -> str:
        if value is None:
            value = ""
        if isinstance(value, bool | list | dict):
            raise Wrong("must be text")
        found = str(value).strip()
        if "\x00" in found:
            raise Wrong("must not contain a zero byte")
        if not blank and not found:
            raise Wrong("must not be blank")
        if len(found) > longest:
            raise Wrong(f"has {len(found):,} characters; at most {longest:,} are taken")
        return found

    return read


def moment(value: Any) -> datetime | None:
    """An instant with a zone, or a date (midnight UTC)."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        found = value
    else:
        try:
            given = str(value).strip()
            is_day = len(given) == 10
            found = datetime.combine(date.fromisoformat(given), time(), UTC) if is_day else datetime.fromisoformat(given)
        except ValueError:
            raise Wrong("must be an instant such as 2026-11-01T00:00:00Z") from None
    if found.tzinfo is None:
        raise Wrong("needs a time zone, such as Z")
    if not 1700 <= found.year <= 4000:  # what Salesforce stores
        raise Wrong("must lie between the years 1700 and 4000")
    return found.astimezone(UTC)


def amount(value: Any) -> Decimal | None:
    """An exact decimal; floats of JSON are read by their digits."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise Wrong("must be a number")
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        raise Wrong("must be a number with a decimal point, such as 12.34") from None
    if message := problem_of(found, digits=DIGITS, places=PLACES):
        raise Wrong(message)
    return found


def whole(smallest: int, largest: int) -> Reader:
    """A whole number in a range."""

    def read(value: Any) -> int:
        try:
            found = int(str(value).strip())
        except ValueError:
            raise Wrong("must be a whole number") from None
        if isinstance(value, bool) or not smallest <= found <= largest:
            raise Wrong(f"must be from {smallest:,} to {largest:,}")
        return found

    return read


def choice(*known: str) -> Reader:
    """One of some words."""

    def read(value: Any) -> str:
        found = str(value or "").strip()
        if found not in known:
            raise Wrong(f"must be one of {', '.join(known)}")
        return found

    return read


def flag(value: Any) -> bool:
    """Yes or no, as JSON or as text."""
    found = str(value if value is not None else "").strip().lower()
    if found not in TRUE + FALSE:
        raise Wrong("must be true or false")
    return found in TRUE


def properties(value: Any) -> dict[str, Any]:
    """Names with plain values."""
    if value in (None, ""):
        return {}
    if not isinstance(value, Mapping) or any(isinstance(each, list | dict) for each in value.values()):
        raise Wrong("must be an object of names and plain values")
    return dict(value)


KEY = text(MOST_TEXT)
READ_KEY = text(MOST_TEXT, blank=False)
CURRENCY = text(MOST_TEXT, blank=False)
AGGREGATIONS = ("count", "sum", "max", "unique", "latest")

PARTS: dict[str, tuple[Part, ...]] = {
    "plans": (
        Part("name", "name", text(blank=False), required=True),
        Part("description", "description", text(30_000)),
        Part("currency", "currency", text(3)),
        Part("period_months", "period_months", whole(1, 120)),
    ),
    "billable-metrics": (
        Part("name", "name", text(blank=False), required=True),
        Part("event_name", "event_name", text(200)),
        Part("aggregation", "aggregation", choice(*AGGREGATIONS)),
        Part("event_property", "event_property", text(100)),
        Part("filters", "filters", properties),
        Part("unit", "unit", text(40)),
    ),
    "customers": (Part("name", "name", text()),),
    "ingest-aliases": (
        Part("customer_id", "customer_key", READ_KEY, required=True),
        Part("alias", "alias", text(blank=False), required=True),
    ),
    "customer-plans": (
        Part("customer_id", "customer_key", READ_KEY, required=True),
        Part("plan_id", "plan_key", READ_KEY, required=True),
        Part("starting_on", "starting_on", moment, required=True),
        Part("ending_on", "ending_on", moment),
    ),
    "credit-grants": (
        Part("customer_id", "customer_key", READ_KEY, required=True),
        Part("name", "name", text(blank=False), required=True),
        Part("credit_type", "credit_type", CURRENCY),
        Part("effective_at", "effective_at", moment, required=True),
        Part("expires_at", "expires_at", moment),
        Part("initial_balance", "initial_balance", amount, required=True),
        Part("balance", "balance", amount),
        Part("paid_amount", "paid_amount", amount),
        Part("paid_currency", "paid_currency", text()),
        Part("reason", "reason", text()),
        Part("priority", "priority", whole(0, 1_000_000)),
    ),
    "invoices": (
        Part("customer_id", "customer_key", READ_KEY, required=True),
        Part("plan_id", "plan_key", KEY),
        Part("number", "number", text(80)),
        Part("currency", "currency", CURRENCY),
        Part("starts_at", "starts_at", moment),
        Part("ends_at", "ends_at", moment),
        Part("status", "status", text(20)),
        Part("issued_at", "issued_at", moment),
        Part("total", "total", amount),
    ),
    "line-items": (
        Part("invoice_id", "invoice_key", READ_KEY, required=True),
        Part("name", "name", text(blank=False), required=True),
        Part("quantity", "quantity", amount),
        Part("unit_price", "unit_price", amount),
        Part("total", "total", amount),
        Part("credit_type", "credit_type", text()),
        Part("metric_id", "metric_key", KEY),
        Part("position", "position", whole(0, 2_000_000_000)),
    ),
}
NEVER_EMPTY = frozenset(("starting_on", "effective_at", "initial_balance"))
PERIODS = {
    "customer-plans": ("starting_on", "ending_on"),
    "credit-grants": ("effective_at", "expires_at"),
    "invoices": ("starts_at", "ends_at"),
}
OWN = ("id", "updated_at", "deleted")


def read_row(object_key: str, given: object) -> Row:
    """One row with all its problems; unknown names are problems too, so that a typing error is never lost in silence."""
    row = Row()
    if not isinstance(given, Mapping):
        row.errors["row"] = "must be an object with the fields of the record"
        return row
    parts = {part.name: part for part in PARTS[object_key]}
    _take(row, "id", READ_KEY, given.get("id"), lambda value: setattr(row, "key", value))
    _take(row, "updated_at", moment, given.get("updated_at"), lambda value: setattr(row, "version_at", value))
    _take(row, "deleted", flag, given.get("deleted"), lambda value: setattr(row, "deleted", value))
    for name, value in given.items():
        part = parts.get(name)
        if part is not None:
            _take(row, name, part.read, value, lambda found, part=part: row.values.update({part.attribute: found}))
        elif name not in OWN:
            row.errors[str(name)[:80]] = f"is not known; known are {', '.join((*OWN, *parts))}"
    for attribute in NEVER_EMPTY & row.values.keys():
        if row.values[attribute] is None:
            row.errors[attribute] = "must not be blank"
    return row


def lacking(object_key: str, values: Mapping[str, Any]) -> dict[str, str]:
    """What a new record with these values lacks."""
    return {each.name: "is needed" for each in PARTS[object_key] if each.required and values.get(each.attribute) in (None, "")}


def period_errors(object_key: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Periods that end before they begin."""
    start, end = PERIODS.get(object_key, ("", ""))
    first, last = values.get(start), values.get(end)
    return {end: f"must not lie before {start}"} if first is not None and last is not None and last < first else {}


def _take(row: Row, name: str, read: Reader, value: Any, keep: Callable[[Any], None]) -> None:
    try:
        keep(read(value))
    except Wrong as wrong:
        row.errors[name] = str(wrong)


def columns_of(object_key: str) -> Sequence[str]:
    """The names of a CSV file, in their order."""
    return ("id", *(part.name for part in PARTS[object_key]), "updated_at", "deleted")
