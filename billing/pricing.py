"""What usage costs: fixed, per unit, tiered, volume and package prices, with included amounts; and credits burning down. Pure.

All amounts are exact decimals in major units of one currency; only a finished line is rounded, half up, to the currency's
decimals (ISO 4217), so that an invoice is the sum of what it shows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

FIXED, PER_UNIT, TIERED, VOLUME, PACKAGE = "fixed", "per_unit", "tiered", "volume", "package"
MODELS = (FIXED, PER_UNIT, TIERED, VOLUME, PACKAGE)
NO_DECIMALS = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"]
)
THREE_DECIMALS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Tier:
    """Units up to and including `up_to` (None: without end) cost `unit` each; `flat` is added once the tier is reached."""

    up_to: Decimal | None
    unit: Decimal = ZERO
    flat: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Terms:
    """One price. `amount` is the fee (fixed), the price of a unit or of a package of `size` units.

    `included` units cost nothing; tiers count only the units above them.
    """

    model: str
    amount: Decimal = ZERO
    included: Decimal = ZERO
    size: Decimal = Decimal(1)
    tiers: tuple[Tier, ...] = ()
    minimum: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an invoice: what is shown, and what it costs."""

    name: str
    quantity: Decimal
    unit_price: Decimal | None
    total: Decimal


def problems_of(terms: Terms) -> list[str]:
    """What is wrong with a price, in sentences; [] when it can be used."""
    found = []
    if terms.model not in MODELS:
        found.append(f"model: must be one of {', '.join(MODELS)}")
    amounts = {"amount": terms.amount, "included": terms.included, "minimum": terms.minimum}
    found += [f"{name}: must not be negative" for name, value in amounts.items() if value < 0]
    if terms.model == PACKAGE and terms.size <= 0:
        found.append("size: a package holds more than 0 units")
    if terms.model in (TIERED, VOLUME):
        ends = [tier.up_to for tier in terms.tiers]
        if not ends or ends[-1] is not None:
            found.append("tiers: the last tier must have no end")
        inner = list(ends[:-1])
        if any(each is None or each <= 0 for each in inner) or inner != sorted(set(inner), key=lambda each: each or ZERO):
            found.append("tiers: each must end higher than the one before, the last one excepted")
        if any(tier.unit < 0 or tier.flat < 0 for tier in terms.tiers):
            found.append("tiers: prices must not be negative")
    return found


def decimals_of(currency: str) -> int:
    """Decimals of a currency; two for credit types of one's own."""
    code = currency.upper()
    return 0 if code in NO_DECIMALS else 3 if code in THREE_DECIMALS else 2


def rounded(amount: Decimal, currency: str) -> Decimal:
    """A finished amount, half up (away from zero on a tie)."""
    return amount.quantize(Decimal(1).scaleb(-decimals_of(currency)), rounding=ROUND_HALF_UP)


def price_lines(name: str, terms: Terms, quantity: Decimal, currency: str, *, share: Decimal = Decimal(1)) -> list[Line]:
    """The lines for a quantity; tiers become one line each. `share` (0 to 1) is the part of the period that a fee covers."""
    if terms.model == FIXED:
        return [Line(name, Decimal(1) if share == 1 else share, terms.amount, rounded(terms.amount * share, currency))]
    charged = max(ZERO, quantity - terms.included)
    if terms.model == PER_UNIT:
        lines = [Line(name, charged, terms.amount, rounded(charged * terms.amount, currency))]
    elif terms.model == PACKAGE:
        packages = (charged / terms.size).to_integral_value(ROUND_CEILING)
        lines = [
            Line(f"{name} (packages of {terms.size:,f})", packages, terms.amount, rounded(packages * terms.amount, currency))
        ]
    elif terms.model == VOLUME:
        tier = next(each for each in terms.tiers if each.up_to is None or charged <= each.up_to)
        total = charged * tier.unit + (tier.flat if charged else ZERO)
        lines = [Line(name, charged, tier.unit, rounded(total, currency))]
    else:
        lines = _tier_lines(name, terms.tiers, charged, currency)
    return _at_least(name, terms.minimum * share, lines, currency)


def _tier_lines(name: str, tiers: Sequence[Tier], charged: Decimal, currency: str) -> list[Line]:
    lines, below = [], ZERO
    for tier in tiers:
        if charged <= below and lines:
            break
        here = (charged if tier.up_to is None else min(charged, tier.up_to)) - below
        here = max(ZERO, here)
        total = here * tier.unit + (tier.flat if here else ZERO)
        label = name if len(tiers) == 1 else f"{name} ({_span(below, tier.up_to)})"
        lines.append(Line(label, here, tier.unit, rounded(total, currency)))
        below = tier.up_to if tier.up_to is not None else charged
    return lines


def _span(below: Decimal, up_to: Decimal | None) -> str:
    return f"above {below:,f}" if up_to is None else f"to {up_to:,f}"


def _at_least(name: str, minimum: Decimal, lines: list[Line], currency: str) -> list[Line]:
    lack = rounded(minimum, currency) - sum((line.total for line in lines), ZERO)
    return [*lines, Line(f"{name} (minimum)", Decimal(1), lack, lack)] if lack > 0 else lines


# --- periods ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Period:
    """One billing period [start, end), UTC."""

    start: datetime
    end: datetime


def add_months(moment: datetime, months: int, *, day: int | None = None) -> datetime:
    """The same day some months on, or the month's last day; `day` is the day that was meant first (31 stays 31)."""
    wanted = day or moment.day
    number = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(number, 12)
    for back in range(4):
        try:
            return moment.replace(year=year, month=month + 1, day=wanted - back)
        except ValueError:
            continue
    raise ValueError(f"There is no day {wanted} to bill on.")


def periods(starts: datetime, ends: datetime | None, months: int, *, until: datetime, most: int = 600) -> list[Period]:
    """The billing periods of a plan that have begun by `until`; the last one is cut where the plan ends."""
    found: list[Period] = []
    first = starts.astimezone(UTC)
    for number in range(most):
        start = add_months(first, number * months, day=first.day)
        if start >= until or (ends is not None and start >= ends):
            break
        end = add_months(first, (number + 1) * months, day=first.day)
        found.append(Period(start, min(end, ends) if ends is not None else end))
    return found


def share_of(period: Period, months: int) -> Decimal:
    """The part of a whole period that a cut one covers, by time."""
    whole = add_months(period.start, months) - period.start
    if period.end - period.start >= whole:
        return Decimal(1)
    return Decimal(round((period.end - period.start).total_seconds())) / Decimal(round(whole.total_seconds()))


# --- credits ----------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Credit:
    """A grant with what is left of it, usable in [effective_at, expires_at)."""

    key: str
    name: str
    credit_type: str
    left: Decimal
    effective_at: datetime
    expires_at: datetime | None = None
    priority: int = 100


@dataclass(slots=True)
class Burned:
    """What one invoice takes from each grant."""

    amounts: dict[str, Decimal] = field(default_factory=dict)

    @property
    def total(self) -> Decimal:
        return sum(self.amounts.values(), ZERO)


def burn(grants: Iterable[Credit], due: Decimal, *, currency: str, period: Period) -> Burned:
    """Take what is due from the grants of that credit type that were usable in the period; `left` goes down.

    First by priority, then what expires first, then the older one: nothing expires while another grant is used.
    """
    burned = Burned()
    usable = [
        each for each in grants
        if each.credit_type == currency and each.left > 0 and each.effective_at < period.end
        and (each.expires_at is None or each.expires_at > period.start)
    ]  # fmt: skip
    far = datetime.max.replace(tzinfo=UTC)
    for credit in sorted(usable, key=lambda each: (each.priority, each.expires_at or far, each.effective_at, each.key)):
        taken = min(credit.left, due)
        if taken > 0:
            burned.amounts[credit.key] = taken
            credit.left -= taken
            due -= taken
    return burned
