"""What happens to the recurring revenue of one subject over time. Pure: the reference that the SQL is compared with.

Rules (analytics reference, section 6): the MRR of a subject is the sum over its terms in force, in cents; changes of one UTC
day are netted. A gap between two terms of up to `gap` days (of the same product, or of everything that the subject has) is
bridged: the level of before holds until service goes on. Churn is dated at the end of service; a start after it is
reactivation.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

BRIDGE_DAYS = 7
"""Days without service between two terms that are no churn."""
CENT, ZERO = Decimal("0.01"), Decimal(0)


@dataclass(frozen=True, slots=True)
class Term:
    """Service from `starts_on` up to and without `ends_on` (None: open), at `mrr` a month. `quantity`: what was bought."""

    product: str | None
    starts_on: date
    ends_on: date | None
    mrr: Decimal
    quantity: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Level:
    """What holds from `day` on."""

    day: date
    mrr: Decimal
    quantity: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Movement:
    """One netted change: new, expansion, contraction, churn or reactivation. `delta` is `after - before`."""

    day: date
    kind: str
    before: Decimal
    after: Decimal

    @property
    def delta(self) -> Decimal:
        """Signed change of MRR."""
        return self.after - self.before


def levels_of(terms: Sequence[Term], *, gap: int = BRIDGE_DAYS) -> list[Level]:
    """The subject's MRR and quantity from each day on which a term begins or ends, gaps bridged."""
    good = [each for each in terms if each.ends_on is None or each.ends_on > each.starts_on]
    days = sorted({day for each in good for day in (each.starts_on, each.ends_on) if day is not None})
    products = {each.product: [one for one in good if one.product == each.product] for each in good}
    found = []
    for day in days:
        held = [_held(own, day, gap) for own in products.values()]
        mrr = max(sum((each[0] for each in held), ZERO), ZERO).quantize(CENT, ROUND_HALF_UP)
        found.append(Level(day, mrr, sum((each[1] for each in held), ZERO)))
    return _bridged(found, gap)


def movements_of(terms: Sequence[Term], *, until: date, gap: int = BRIDGE_DAYS) -> list[Movement]:
    """Every movement before the day `until`, oldest first."""
    moved, before, had_paid = list[Movement](), ZERO, False
    for level in levels_of(terms, gap=gap):
        if level.mrr != before:
            moved.append(Movement(level.day, _kind(before, level.mrr, had_paid), before, level.mrr))
        before, had_paid = level.mrr, had_paid or level.mrr > 0
    return [each for each in moved if each.day < until]


def _held(terms: Sequence[Term], day: date, gap: int) -> tuple[Decimal, Decimal]:
    """MRR and quantity of one product on a day; in a short gap those of the last day with service."""
    active = _active(terms, day)
    if not active:
        ends = [each.ends_on for each in terms if each.ends_on is not None and each.ends_on <= day]
        starts = [each.starts_on for each in terms if each.starts_on > day]
        if not ends or not starts or (min(starts) - max(ends)).days > gap:
            return ZERO, ZERO
        active = _active(terms, max(ends) - timedelta(days=1))
    return sum((each.mrr for each in active), ZERO), sum((each.quantity for each in active), ZERO)


def _active(terms: Iterable[Term], day: date) -> list[Term]:
    return [each for each in terms if each.starts_on <= day and (each.ends_on is None or day < each.ends_on)]


def _bridged(levels: Sequence[Level], gap: int) -> list[Level]:
    """Without the levels of 0 that end within `gap` days."""
    kept: list[Level] = []
    for place, level in enumerate(levels):
        follows = next((each.day for each in levels[place:] if each.mrr > 0), None)
        since = next((each.day for each in reversed(levels[: place + 1]) if each.mrr > 0), None)
        if level.mrr == 0 and since is not None and follows is not None:
            began = next(each.day for each in levels if each.day > since)
            if (follows - began).days <= gap:
                continue
        kept.append(level)
    return kept


def _kind(before: Decimal, after: Decimal, had_paid: bool) -> str:
    if before == 0:
        return "reactivation" if had_paid else "new"
    if after == 0:
        return "churn"
    return "expansion" if after > before else "contraction"
