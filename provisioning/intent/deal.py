"""A deal as it was read: plain frozen values, the same for a compile, a preflight, a dry run and a stored provision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from integrations.salesforce.values import read_day, read_moment, write_moment

CLOSED_WON, OPEN, LOST = "won", "open", "lost"


class Place(StrEnum):
    """Where a mapping stands; the first is the most specific (ST-D3)."""

    LINE = "line item"
    QUOTE_LINE = "quote line"
    ENTRY = "price book entry"
    PRODUCT = "product"


@dataclass(frozen=True, slots=True)
class MappedTo:
    """The two mapping fields of one record (ST-20, ST-21), as they are: maybe empty, maybe wrong."""

    place: Place
    type: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class DealLine:
    """One product of the deal, counted from 1 as people see it. `mappings` from the most specific place to the least."""

    id: str
    number: int
    name: str
    product_id: str = ""
    product_code: str = ""
    quantity: Decimal | None = None
    unlimited: bool = False
    start: date | None = None
    end: date | None = None  # the last day
    term: Decimal | None = None  # months
    mappings: tuple[MappedTo, ...] = ()

    @property
    def label(self) -> str:
        """`Line 3 (Gold support)`"""
        return f"Line {self.number} ({self.name[:120]})" if self.name else f"Line {self.number}"


@dataclass(frozen=True, slots=True)
class Quote:
    """What the primary CPQ quote says of the whole deal."""

    id: str
    name: str = ""
    type: str = ""  # Quote, Amendment or Renewal
    start: date | None = None
    end: date | None = None  # the last day
    term: Decimal | None = None  # months


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract that the opportunity names."""

    id: str
    start: date | None = None
    end: date | None = None  # the last day
    term: Decimal | None = None  # months


@dataclass(frozen=True, slots=True)
class Deal:
    """An opportunity with its account and lines. `time_zone` is the connection's: days begin there (ST-D7).

    `values` and `account` hold what was read of the two records by field name, as JSON has it, for conditions and templates.
    """

    id: str
    name: str = ""
    stage: str = ""
    is_closed: bool = False
    is_won: bool = False
    type: str = ""
    close_date: date | None = None
    account_id: str = ""
    account_name: str = ""
    customer_id: str = ""  # that the account's own field holds
    linked_customer_id: str = ""  # of the customer that is linked with this account
    start: date | None = None
    term: Decimal | None = None  # months
    quote: Quote | None = None
    contract: Contract | None = None
    amends: str = ""  # id of the contract that CPQ says is amended
    renews: str = ""
    lines: tuple[DealLine, ...] = ()
    time_zone: str = "UTC"
    created_at: datetime | None = None
    modified_at: datetime | None = None
    stage_changed_at: datetime | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    account: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_quote_lines(self) -> bool:
        """Whether the lines are those of a CPQ quote."""
        return self.quote is not None and any(
            each.mappings and each.mappings[0].place is Place.QUOTE_LINE for each in self.lines
        )

    @property
    def outcome(self) -> str:
        """`won`, `lost` or `open`, by Salesforce's flags and never by a stage's name (ST-D1)."""
        return CLOSED_WON if self.is_won else LOST if self.is_closed else OPEN

    def as_dict(self) -> dict[str, Any]:
        """JSON values; numbers as texts, days and instants in ISO form."""
        own = {name: _write(getattr(self, name)) for name in PLAIN}
        return own | {
            "quote": _written(self.quote, QUOTE_PARTS),
            "contract": _written(self.contract, CONTRACT_PARTS),
            "lines": [_written(each, LINE_PARTS) | {"mappings": _mappings(each)} for each in self.lines],
            "values": {name: _write(value) for name, value in self.values.items()},
            "account": {name: _write(value) for name, value in self.account.items()},
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Deal":
        """The deal that `as_dict` wrote."""
        return cls(
            **{name: _read(name, given[name]) for name in PLAIN if name in given},
            quote=Quote(**_parts(given["quote"], QUOTE_PARTS)) if given.get("quote") else None,
            contract=Contract(**_parts(given["contract"], CONTRACT_PARTS)) if given.get("contract") else None,
            lines=tuple(_line(each) for each in given.get("lines") or ()),
            values=dict(given.get("values") or {}),
            account=dict(given.get("account") or {}),
        )


PLAIN = (
    "id", "name", "stage", "is_closed", "is_won", "type", "close_date", "account_id", "account_name", "customer_id",
    "linked_customer_id", "start", "term", "amends", "renews", "time_zone", "created_at", "modified_at", "stage_changed_at",
)  # fmt: skip
LINE_PARTS = ("id", "number", "name", "product_id", "product_code", "quantity", "unlimited", "start", "end", "term")
QUOTE_PARTS = ("id", "name", "type", "start", "end", "term")
CONTRACT_PARTS = ("id", "start", "end", "term")
DAYS, MOMENTS, NUMBERS = {"close_date", "start", "end"}, {"created_at", "modified_at", "stage_changed_at"}, {"quantity", "term"}


def _write(value: Any) -> Any:
    if isinstance(value, datetime):
        return write_moment(value)
    if isinstance(value, date):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else value


def _read(name: str, value: Any) -> Any:
    if value is None or value == "":
        return value
    if name in DAYS:
        return read_day(value)
    if name in MOMENTS:
        return read_moment(value)
    return Decimal(value) if name in NUMBERS else value


def _written(part: Any, names: tuple[str, ...]) -> Any:
    return None if part is None else {name: _write(getattr(part, name)) for name in names}


def _parts(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _read(name, given[name]) for name in names if name in given}


def _mappings(line: DealLine) -> list[dict[str, str]]:
    return [{"place": str(each.place), "type": each.type, "key": each.key} for each in line.mappings]


def _line(given: Mapping[str, Any]) -> DealLine:
    mappings = tuple(MappedTo(Place(each["place"]), each["type"], each["key"]) for each in given.get("mappings") or ())
    return DealLine(**_parts(given, LINE_PARTS), mappings=mappings)
