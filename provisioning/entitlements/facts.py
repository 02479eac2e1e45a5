"""What is known about one customer when a question about its access is decided: plain, frozen values without database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from provisioning.subscriptions.terms import PlainTimes

Amount = int | Decimal


@dataclass(frozen=True, slots=True)
class FeatureFacts:
    """A feature of the catalogue. `kind` is boolean, numeric or metered; `counted`: from product events, not by reports."""

    key: str
    name: str
    kind: str
    unit: str = ""
    description: str = ""
    id: int = 0
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Gives:
    """What an offer gives of one feature. No limit and not unlimited gives nothing of a number (never everything)."""

    limit: Decimal | None = None
    per_seat: bool = False
    unlimited: bool = False
    soft: bool = False
    reset: str = ""


@dataclass(frozen=True, slots=True)
class OfferFacts:
    """One version of a plan or add-on."""

    key: str
    name: str
    number: int
    gives: Mapping[str, Gives]


@dataclass(frozen=True, slots=True)
class Override:
    """A limit of its own for a feature; it takes the plan's place (ST-D17)."""

    limit: Decimal | None = None
    unlimited: bool = False
    revoked: bool = False
    soft: bool | None = None


@dataclass(frozen=True, slots=True)
class TermFacts:
    """What a subscription gives from an instant on."""

    effective_at: datetime
    plan: OfferFacts
    seats: Decimal | None
    add_ons: tuple[tuple[OfferFacts, Decimal], ...]
    overrides: Mapping[str, Override]
    resets_usage: bool = False


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """A subscription with its terms in the order of (effective_at, recorded)."""

    key: str
    product: str
    times: PlainTimes
    terms: tuple[TermFacts, ...]


@dataclass(frozen=True, slots=True)
class PromotionFacts:
    """A feature granted outside of any plan."""

    id: int
    feature: str
    starts_at: datetime
    ends_at: datetime | None = None
    revoked_at: datetime | None = None
    limit: Decimal | None = None
    unlimited: bool = False
    soft: bool = False


def amount(number: Decimal | None) -> Amount | None:
    """The same number as an int when it is whole: cheaper to compare, and whole in JSON."""
    return None if number is None else int(number) if number == number.to_integral_value() else number
