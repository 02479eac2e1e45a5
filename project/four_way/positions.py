"""What is known of one customer on all four sides, and what a disagreement says. Pure values; all instants are UTC."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import NamedTuple

ZERO, CENT = Decimal(0), Decimal("0.01")
UNUSED_DAYS = 60


class Kind(StrEnum):
    """What disagrees with what."""

    SOLD_NOT_GRANTED = "sold_not_granted"
    GRANTED_NOT_SOLD = "granted_not_sold"
    USED_ABOVE_GRANTED = "used_above_granted"
    USED_NOT_BILLED = "used_not_billed"
    SOLD_NOT_BILLED = "sold_not_billed"
    BILLED_NOT_SOLD = "billed_not_sold"
    GRANTED_NOT_USED = "granted_not_used"
    SEATS = "seats"


LABELS = {
    Kind.SOLD_NOT_GRANTED: "Sold, not granted",
    Kind.GRANTED_NOT_SOLD: "Granted, not sold",
    Kind.USED_ABOVE_GRANTED: "Used above what was granted",
    Kind.USED_NOT_BILLED: "Used, not billed",
    Kind.SOLD_NOT_BILLED: "Sold, not billed",
    Kind.BILLED_NOT_SOLD: "Billed, not sold",
    Kind.GRANTED_NOT_USED: f"Granted, unused for {UNUSED_DAYS} days",
    Kind.SEATS: "Seats disagree",
}


class Severity(StrEnum):
    """How urgent: high loses money or breaks a promise now, low is worth knowing."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


RANK = {Severity.HIGH: 0, Severity.MEDIUM: 1, Severity.LOW: 2}


class Row(NamedTuple):
    """A row behind a finding: on which side it stands, what it says, and its page (a path, or empty)."""

    side: str
    words: str
    url: str = ""


class Limit(NamedTuple):
    """How much of a feature; `amount` None without `unlimited` means none at all."""

    amount: Decimal | None
    unlimited: bool = False

    def exceeds(self, other: "Limit") -> bool:
        """Whether it is more than the other."""
        if self.unlimited or other.unlimited:
            return self.unlimited and not other.unlimited
        return (self.amount or ZERO) > (other.amount or ZERO)

    @property
    def words(self) -> str:
        """`unlimited`, `none` or the number."""
        return "unlimited" if self.unlimited else "none" if self.amount is None else number_words(self.amount)


@dataclass(frozen=True)
class Holding:
    """What was sold or granted of one product: a plan, its seats, add-ons and own limits (by key). `since` is UTC."""

    product: str
    plan: str
    seats: Decimal | None = None
    add_ons: Mapping[str, Decimal] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    since: datetime | None = None
    is_trial: bool = False
    capacity: Limit | None = None  # people who may use it, add-ons counted; None = the seats
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Waiting:
    """A won deal that gave nothing yet, and why."""

    name: str
    why: str
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Used:
    """What the customer used of a feature in the running window, against what it may. `last_at`: the latest report, UTC."""

    feature: str
    amount: Decimal
    allowed: Limit
    soft: bool = False
    unit: str = ""
    last_at: datetime | None = None
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Billed:
    """A price plan that runs for the customer; `offer` is the key of the same plan in the catalogue, empty when unknown."""

    plan: str
    name: str
    offer: str = ""
    per_month: Decimal | None = None
    currency: str = ""
    seats: Decimal | None = None
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Position:
    """One customer on all four sides."""

    customer: int | None
    name: str
    sold: Sequence[Holding] = ()
    waiting: Sequence[Waiting] = ()
    granted: Sequence[Holding] = ()
    used: Sequence[Used] = ()
    billed: Sequence[Billed] = ()
    active_users: int | None = None  # in 30 days
    last_seen_at: datetime | None = None
    rows: tuple[Row, ...] = ()  # of the customer as a whole: how it uses the product
    won_elsewhere: int = 0  # won opportunities of its accounts that were never provisioned: what they sold is not known


class Price(NamedTuple):
    """What an offer costs a month, of a per-seat plan for each seat."""

    per_month: Decimal
    currency: str
    per_seat: bool = False


@dataclass(frozen=True)
class Book:
    """What every comparison must know: the instant, prices of offers, unit prices of features by plan, names by key."""

    now: datetime
    uses_billing: bool = True
    prices: Mapping[str, Price] = field(default_factory=dict)
    units: Mapping[tuple[str, str], Price] = field(default_factory=dict)  # (billing plan, feature): price of one unit
    names: Mapping[str, str] = field(default_factory=dict)
    counted: Mapping[str, frozenset[str]] = field(default_factory=dict)  # metered features of an add-on

    def name(self, key: str) -> str:
        """The name of a plan, add-on, product or feature."""
        return self.names.get(key) or key


class Money(NamedTuple):
    """An amount a month; `amount` None = no price is known."""

    amount: Decimal | None = None
    currency: str = ""


UNKNOWN = Money()


@dataclass(frozen=True)
class Finding:
    """One disagreement. `rows` are what it was found in; the first with a page is where it is put right."""

    kind: Kind
    severity: Severity
    customer: int | None
    customer_name: str
    subject: str
    sentence: str
    amount: Decimal | None = None
    currency: str = ""
    rows: tuple[Row, ...] = ()

    @property
    def label(self) -> str:
        """The kind in words."""
        return LABELS[self.kind]

    @property
    def fix_url(self) -> str:
        """Where it is put right; empty when nothing has a page."""
        return next((each.url for each in self.rows if each.url), "")


class Total(NamedTuple):
    """Findings of one kind, and their worth a month in each currency."""

    kind: Kind
    label: str
    count: int
    amounts: tuple[tuple[str, Decimal], ...]


def number_words(value: Decimal) -> str:
    """1200.50 -> `1,200.5`"""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded(amount: Decimal) -> Decimal:
    """To cents."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """High before low; within that the larger amount, then the name."""
    return sorted(
        findings, key=lambda each: (RANK[each.severity], -(each.amount or ZERO), each.customer_name.casefold(), each.kind)
    )


def total_by_kind(findings: Iterable[Finding]) -> list[Total]:
    """Count and worth of each kind that occurs, in the order of the kinds."""
    counts: dict[Kind, int] = {}
    sums: dict[Kind, dict[str, Decimal]] = {}
    for each in findings:
        counts[each.kind] = counts.get(each.kind, 0) + 1
        if each.amount:
            known = sums.setdefault(each.kind, {})
            known[each.currency] = known.get(each.currency, ZERO) + each.amount
    return [
        Total(kind, LABELS[kind], counts[kind], tuple(sorted(sums.get(kind, {}).items()))) for kind in Kind if kind in counts
    ]
