"""Draft invoices as rating wants them, before they are stored (see `sheet`). Pure."""

import hashlib
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from billing.models import Invoice
from billing.pricing import ZERO, Burned, Line, Period

SOURCE = "rating"
LONGEST_KEY, LONGEST_NAME = 200, 255
CREDIT_NAME = "Credit: {name}"
FINEST = Decimal(1).scaleb(-12)  # what the database keeps of a quantity or a unit price


@dataclass(frozen=True, slots=True)
class Item:
    """A line with the key under which it is kept."""

    key: str
    line: Line
    metric_key: str = ""


@dataclass
class Draft:
    """One draft as it shall be. `items` leave credit out; `record` is None while it is not stored."""

    key: str
    period: Period
    currency: str
    items: list[Item]
    record: Invoice | None = None
    burned: Burned = field(default_factory=Burned)

    @property
    def gross(self) -> Decimal:
        """What is due before credit."""
        return sum((item.line.total for item in self.items), ZERO)


def key_of(*parts: object) -> str:
    """A key made of parts, short enough for Salesforce."""
    text = ":".join(str(part) for part in parts)
    if len(text) <= LONGEST_KEY:
        return text
    return f"{text[: LONGEST_KEY - 17]}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def credit_key(invoice_key: str, grant_key: str) -> str:
    """The key of the line that shows what a grant paid."""
    return key_of(invoice_key, f"credit:{grant_key}")


def credit_item(invoice_key: str, grant_key: str, name: str, amount: Decimal) -> Item:
    """That line."""
    line = Line(CREDIT_NAME.format(name=name)[:LONGEST_NAME], Decimal(1), -amount, -amount)
    return Item(credit_key(invoice_key, grant_key), line)


def as_kept(number: Decimal | None) -> Decimal | None:
    """A quantity or unit price as the database keeps it; otherwise a third would differ from itself at the next rating."""
    if number is None or -int(number.as_tuple().exponent) <= -int(FINEST.as_tuple().exponent):
        return number
    return number.quantize(FINEST, rounding=ROUND_HALF_UP)
