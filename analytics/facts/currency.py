"""Exchange rates: amounts of several currencies in the one of the report (FZ-D11). Pure.

Salesforce gives for each currency how much of it one unit of the corporate currency is. A report uses one fixed rate, that of
its midnight, so that a change of rates is no movement (analytics reference, section 6). Without rates nothing is converted:
amounts in other currencies are refused and counted by currency, never mixed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext

PLACES = Decimal("0.000000000001")


@dataclass(frozen=True, slots=True)
class Rate:
    """One currency from `since` on (None: undated): `rate` of it is one unit of the corporate currency."""

    currency: str
    rate: Decimal
    since: date | None = None
    until: date | None = None
    is_corporate: bool = False


@dataclass(frozen=True)
class Exchange:
    """Into one currency. `factors` has each currency that can be converted; without a currency of its own an amount is taken as
    it is. `is_single`: the org has one currency, whatever a record says."""

    currency: str
    factors: Mapping[str, Decimal] = field(default_factory=dict)

    def convert(self, amount: Decimal, currency: str | None) -> Decimal | None:
        """The amount in the report's currency, to 12 places; None when there is no rate."""
        if not currency or currency == self.currency:
            return amount
        factor = self.factors.get(currency)
        if factor is None:
            return None
        with localcontext(prec=60):
            return (amount * factor).quantize(PLACES, ROUND_HALF_UP)


def exchange_of(
    rates: Iterable[Rate], *, on: date, wanted: str = "", own: str = "", seen: Mapping[str, int] | None = None
) -> Exchange:
    """How amounts become one currency: the wanted one, else the corporate one, the org's own, or that of most amounts."""
    listed = list(rates)
    in_force = _in_force(listed, on)
    corporate = next((each.currency for each in listed if each.is_corporate), "")
    corporate = corporate or next((name for name, rate in sorted(in_force.items()) if rate == 1), "")
    usual = max(sorted(Counter(seen or {}).items()), key=lambda each: each[1], default=("", 0))[0]
    currency = wanted or corporate or own or usual
    target = in_force.get(currency, Decimal(1) if currency == corporate else None)
    if target is None:
        return Exchange(currency)
    with localcontext(prec=60):
        return Exchange(currency, {name: target / rate for name, rate in in_force.items()})


def _in_force(rates: Iterable[Rate], on: date) -> dict[str, Decimal]:
    """The rate of each currency on a day: the newest dated one that has begun and not ended, else the undated one."""
    best: dict[str, Rate] = {}
    for each in rates:
        if each.rate <= 0 or (each.since and each.since > on) or (each.until and each.until <= on):
            continue
        known = best.get(each.currency)
        if known is None or (each.since or date.min) > (known.since or date.min):
            best[each.currency] = each
    return {name: each.rate for name, each in best.items()}
