"""Where what was sold, granted, used and billed disagree, for one customer at a time. Pure: no ORM, no HTTP, no clock.

Sold is what won deals ask for, granted what subscriptions give, used what the product reports, billed what runs as a price
plan. Money is a month's worth, in the currency of the price it comes from; amounts of different currencies are never added.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from project.four_way.positions import (
    UNKNOWN,
    UNUSED_DAYS,
    ZERO,
    Book,
    Finding,
    Holding,
    Kind,
    Limit,
    Money,
    Position,
    Row,
    Severity,
    number_words,
    rounded,
    sort_findings,
)


def compare(position: Position, book: Book) -> list[Finding]:
    """All disagreements of one customer, the most urgent and most expensive first."""
    return sort_findings(Comparison(position, book).findings())


class Comparison:
    """The comparison of one customer, one method a pair of sides."""

    def __init__(self, position: Position, book: Book) -> None:
        self.position, self.book = position, book
        self.sold = {each.product: each for each in position.sold}
        self.granted = {each.product: each for each in position.granted}
        self.paid = [each for each in position.granted if not each.is_trial]

    def findings(self) -> Iterator[Finding]:
        """Everything that disagrees."""
        yield from self._waiting()
        for product in sorted({*self.sold, *self.granted}):
            yield from self._product(self.sold.get(product), self.granted.get(product))
        yield from self._above()
        yield from self._billing()
        yield from self._unused()
        yield from self._seats()

    # --- sold against granted -------------------------------------------------------------------------------------------

    def _waiting(self) -> Iterator[Finding]:
        for deal in self.position.waiting:
            words = f"“{deal.name}” is won, and nothing was granted yet. {deal.why}".strip()
            yield self._make(Kind.SOLD_NOT_GRANTED, Severity.HIGH, deal.name, words, UNKNOWN, deal.rows)

    def _product(self, sold: Holding | None, granted: Holding | None) -> Iterator[Finding]:
        if sold is not None and (granted is None or granted.is_trial):
            trial = " It still has a trial only." if granted is not None else ""
            words = f"{self._plan(sold)} was sold, and no subscription gives it.{trial}"
            rows = sold.rows + (granted.rows if granted else ())
            yield self._make(Kind.SOLD_NOT_GRANTED, Severity.HIGH, sold.plan, words, self.worth(sold), rows)
        elif granted is not None and sold is None:
            yield from self._unsold(granted)
        elif granted is not None and sold is not None:
            yield from self._differences(sold, granted)

    def _unsold(self, granted: Holding) -> Iterator[Finding]:
        """A paid subscription without a deal is self-service as long as it is billed."""
        if granted.is_trial or self.position.billed:
            return
        is_given = self.book.uses_billing and not self.position.won_elsewhere
        besides = " and nothing bills it" if self.book.uses_billing else ""
        words = f"{self._plan(granted)} is granted; no won deal asks for it{besides}.{self._elsewhere()}"
        severity = Severity.HIGH if is_given else Severity.MEDIUM
        yield self._make(Kind.GRANTED_NOT_SOLD, severity, granted.plan, words, self.worth(granted), granted.rows)

    def _elsewhere(self) -> str:
        count = self.position.won_elsewhere
        if not count:
            return ""
        return f" {count:,} won {'opportunity was' if count == 1 else 'opportunities were'} never provisioned and may have."

    def _differences(self, sold: Holding, granted: Holding) -> Iterator[Finding]:
        rows = granted.rows + sold.rows
        if sold.plan != granted.plan:
            words = f"{self.book.name(sold.plan)} was sold, {self.book.name(granted.plan)} is granted."
            gap = self._gap(self.worth(sold), self.worth(granted))
            kind = Kind.GRANTED_NOT_SOLD if gap.amount is not None and gap.amount < 0 else Kind.SOLD_NOT_GRANTED
            money = Money(None if gap.amount is None else abs(gap.amount), gap.currency)
            yield self._make(kind, Severity.HIGH, sold.plan, words, money, rows)
            return
        for key in sorted({*sold.add_ons, *granted.add_ons}):
            yield from self._add_on(key, sold.add_ons.get(key, ZERO), granted.add_ons.get(key, ZERO), rows)
        for key in sorted({*sold.limits, *granted.limits}):
            if key in sold.limits and key in granted.limits:
                yield from self._limit(key, sold.limits[key], granted.limits[key], rows)
            else:
                yield from self._own_limit(key, key in sold.limits, {**sold.limits, **granted.limits}[key], rows)

    def _add_on(self, key: str, sold: Decimal, granted: Decimal, rows: tuple[Row, ...]) -> Iterator[Finding]:
        if sold == granted:
            return
        words = f"{self.book.name(key)}: {number_words(sold)} sold, {number_words(granted)} granted."
        price = self.book.prices.get(key)
        money = Money(rounded(abs(sold - granted) * price.per_month), price.currency) if price else UNKNOWN
        kind = Kind.SOLD_NOT_GRANTED if sold > granted else Kind.GRANTED_NOT_SOLD
        yield self._make(kind, Severity.HIGH if sold > granted else Severity.MEDIUM, key, words, money, rows)

    def _limit(self, key: str, sold: Limit, granted: Limit, rows: tuple[Row, ...]) -> Iterator[Finding]:
        words = f"{self.book.name(key)}: {sold.words} sold, {granted.words} granted."
        if sold.exceeds(granted):
            yield self._make(Kind.SOLD_NOT_GRANTED, Severity.HIGH, key, words, UNKNOWN, rows)
        elif granted.exceeds(sold):
            yield self._make(Kind.GRANTED_NOT_SOLD, Severity.MEDIUM, key, words, UNKNOWN, rows)

    def _own_limit(self, key: str, was_sold: bool, limit: Limit, rows: tuple[Row, ...]) -> Iterator[Finding]:
        """A limit of its own on one side only; what the plan gives stands on the other."""
        kind = Kind.SOLD_NOT_GRANTED if was_sold else Kind.GRANTED_NOT_SOLD
        words = f"{self.book.name(key)}: {limit.words} {'sold' if was_sold else 'granted'}, " + (
            "the subscription has the plan's own limit." if was_sold else "the deal says nothing of it."
        )
        yield self._make(kind, Severity.HIGH if was_sold else Severity.MEDIUM, key, words, UNKNOWN, rows)

    # --- used against granted, and the rest against billed --------------------------------------------------------------

    def _above(self) -> Iterator[Finding]:
        for each in self.position.used:
            if each.allowed.unlimited or each.amount <= (each.allowed.amount or ZERO):
                continue
            over = each.amount - (each.allowed.amount or ZERO)
            name, unit = self.book.name(each.feature), f" {each.unit}" if each.unit else ""
            if each.allowed.amount is None:
                words = f"{number_words(each.amount)}{unit} of {name} used; nothing gives it."
            else:
                words = f"{number_words(each.amount)} of {each.allowed.words}{unit} of {name} used, {number_words(over)} above."
            severity = Severity.MEDIUM if each.soft or each.allowed.amount is None else Severity.HIGH
            yield self._make(Kind.USED_ABOVE_GRANTED, severity, each.feature, words, self._units(each.feature, over), each.rows)

    def _units(self, feature: str, amount: Decimal) -> Money:
        for billed in self.position.billed:
            price = self.book.units.get((billed.plan, feature))
            if price is not None:
                return Money(rounded(amount * price.per_month), price.currency)
        return UNKNOWN

    def _billing(self) -> Iterator[Finding]:
        if not self.book.uses_billing:
            return
        held = self.position.sold or self.paid
        if held and not self.position.billed:
            yield from self._unbilled(held)
        elif not self.position.sold and not self.position.granted and not self.position.waiting:
            for each in self.position.billed:
                words = f"{each.name} is billed; nothing was sold and nothing is granted.{self._elsewhere()}"
                money = Money(each.per_month, each.currency) if each.per_month is not None else UNKNOWN
                is_sure = bool(each.offer) and not self.position.won_elsewhere  # else a plan that the catalogue does not know
                severity = Severity.MEDIUM if is_sure else Severity.LOW
                yield self._make(Kind.BILLED_NOT_SOLD, severity, each.plan, words, money, each.rows)
        else:
            yield from self._other_plan()

    def _unbilled(self, held: Sequence[Holding]) -> Iterator[Finding]:
        """Sold or granted for money, and no price plan runs. Self-service that is not used stands as granted and not sold."""
        is_used = self._is_active()
        if not is_used and not self.position.sold:
            return
        rows = tuple(row for each in held for row in each.rows) + self.position.rows
        names = " and ".join(dict.fromkeys(self._plan(each) for each in held))
        money = self._sum(self.worth(each) for each in held)
        kind = Kind.USED_NOT_BILLED if is_used else Kind.SOLD_NOT_BILLED
        words = f"{names} is {'in use' if is_used else 'sold'}, and no price plan runs for the customer."
        yield self._make(kind, Severity.HIGH, held[0].plan, words, money, rows)

    def _other_plan(self) -> Iterator[Finding]:
        """Each price plan that is also in the catalogue must be one that was sold or granted."""
        held = {each.plan for each in (*self.position.sold, *self.position.granted)}
        for each in self.position.billed:
            if each.offer and each.offer not in held and held:
                names = ", ".join(self.book.name(key) for key in sorted(held))
                words = f"{each.name} is billed; sold or granted is {names}."
                money = Money(each.per_month, each.currency) if each.per_month is not None else UNKNOWN
                yield self._make(Kind.BILLED_NOT_SOLD, Severity.HIGH, each.plan, words, money, each.rows)

    # --- granted against used -------------------------------------------------------------------------------------------

    def _is_active(self) -> bool:
        """Whether it used anything lately."""
        return self.position.active_users not in (None, 0) or self._is_recent(self.position.last_seen_at) or any(
            self._is_recent(each.last_at) for each in self.position.used
        )  # fmt: skip

    def _is_recent(self, at: datetime | None) -> bool:
        return at is not None and at > self.book.now - timedelta(days=UNUSED_DAYS)

    def _is_old(self, holding: Holding) -> bool:
        return holding.since is not None and not self._is_recent(holding.since)

    def _unused(self) -> Iterator[Finding]:
        is_active = self._is_active()
        for each in self.paid:
            if not self._is_old(each):
                continue
            if not is_active:
                words = f"{self._plan(each)}: nobody used the product for {UNUSED_DAYS} days or longer."
                yield self._make(
                    Kind.GRANTED_NOT_USED, Severity.MEDIUM, each.plan, words, self.worth(each), each.rows + self.position.rows
                )
            else:
                yield from self._unused_add_ons(each)

    def _unused_add_ons(self, holding: Holding) -> Iterator[Finding]:
        used = {each.feature for each in self.position.used if self._is_recent(each.last_at)}
        for key, quantity in sorted(holding.add_ons.items()):
            counted = self.book.counted.get(key, frozenset())
            if counted and not counted & used:
                price = self.book.prices.get(key)
                money = Money(rounded(quantity * price.per_month), price.currency) if price else UNKNOWN
                words = f"{number_words(quantity)} × {self.book.name(key)}: not used for {UNUSED_DAYS} days or longer."
                yield self._make(Kind.GRANTED_NOT_USED, Severity.LOW, key, words, money, holding.rows)

    # --- seats ----------------------------------------------------------------------------------------------------------

    def _seats(self) -> Iterator[Finding]:
        """Seats sold, granted and billed must be the same, and not fewer people may hold them than use the product."""
        for holding in self.paid:
            sold = self.sold.get(holding.product)
            if holding.seats is None or (sold is not None and sold.plan != holding.plan):
                continue
            numbers = {"sold": sold.seats if sold else None, "granted": holding.seats, "billed": self._billed_seats(holding)}
            active = self._active_of(holding)
            known = {side: number for side, number in numbers.items() if number is not None}
            if len(set(known.values())) <= 1 and active is None:
                continue
            yield self._seat_finding(holding, sold, known, active)

    def _billed_seats(self, holding: Holding) -> Decimal | None:
        """Only where the same plan is billed: price plans of another kind often count people who came, not seats."""
        known = [each.seats for each in self.position.billed if each.offer == holding.plan and each.seats is not None]
        return sum(known, ZERO) if known else None

    def _active_of(self, holding: Holding) -> int | None:
        """Active people when they are more than all that is granted lets in; None while they fit."""
        active = self.position.active_users
        rooms = [each.capacity or Limit(each.seats) for each in self.granted.values() if each.seats is not None]
        if active is None or any(each.unlimited for each in rooms):
            return None
        is_first = next(each for each in self.paid if each.seats is not None) is holding
        return active if is_first and active > sum((each.amount or ZERO for each in rooms), ZERO) else None

    def _seat_finding(
        self, holding: Holding, sold: Holding | None, known: Mapping[str, Decimal], active: int | None
    ) -> Finding:
        told = [f"{number_words(number)} {side}" for side, number in known.items()]
        if active is not None:
            told.append(f"{active:,} people active in 30 days")
        numbers = [*known.values(), *([Decimal(active)] if active is not None else [])]
        gap, price = max(numbers) - min(known.values()), self.book.prices.get(holding.plan)
        money = Money(rounded(gap * price.per_month), price.currency) if price and price.per_seat else UNKNOWN
        severity = Severity.HIGH if "sold" in known and known["granted"] < known["sold"] else Severity.MEDIUM
        rows = holding.rows + (sold.rows if sold else ()) + tuple(row for each in self.position.billed for row in each.rows)
        words = f"Seats of {self.book.name(holding.plan)}: {', '.join(told)}."
        return self._make(Kind.SEATS, severity, holding.plan, words, money, rows + self.position.rows)

    # --- words and money ------------------------------------------------------------------------------------------------

    def _plan(self, holding: Holding) -> str:
        seats = f" ({number_words(holding.seats)} seats)" if holding.seats is not None else ""
        return f"{self.book.name(holding.plan)}{seats}"

    def worth(self, holding: Holding) -> Money:
        """What a holding costs a month; unknown when its plan has no price."""
        price = self.book.prices.get(holding.plan)
        if price is None:
            return UNKNOWN
        count = (holding.seats if holding.seats is not None else Decimal(1)) if price.per_seat else Decimal(1)
        parts = [Money(rounded(price.per_month * count), price.currency)]
        for key, quantity in holding.add_ons.items():
            more = self.book.prices.get(key)
            if more is not None:
                parts.append(Money(rounded(more.per_month * quantity), more.currency))
        return self._sum(parts)

    def _sum(self, parts: Iterable[Money]) -> Money:
        """Their sum; unknown when a part is, or when currencies differ."""
        given = list(parts)
        if not given or any(each.amount is None for each in given) or len({each.currency for each in given}) > 1:
            return UNKNOWN
        return Money(sum((each.amount or ZERO for each in given), ZERO), given[0].currency)

    def _gap(self, one: Money, other: Money) -> Money:
        if one.amount is None or other.amount is None or one.currency != other.currency:
            return UNKNOWN
        return Money(one.amount - other.amount, one.currency)

    def _make(self, kind: Kind, severity: Severity, subject: str, words: str, money: Money, rows: Sequence[Row]) -> Finding:
        distinct = tuple(dict.fromkeys(rows))
        return Finding(
            kind, severity, self.position.customer, self.position.name, self.book.name(subject), words, money.amount,
            money.currency if money.amount is not None else "", distinct,
        )  # fmt: skip
