"""From the transactions of one subject to spans of service: term, MRR, renewals, amendments. Pure.

Kinds: what the contract type says after its value table (recurring, one_time, trial); where it says none of these, words in
it tell (one-time, trial), everything else recurs. A transaction whose type says that it renews begins at the end of what it
renews, when it was signed before; one that says that it replaces or amends ends what the subject had of that product.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import NamedTuple

PLACES = Decimal("0.000000000001")
EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
MOST_MONTHS = 1200
ONE_TIME = re.compile(r"one[\s_-]*(time|off)|non[\s_-]*recurring|perpetual|hardware", re.IGNORECASE)
TRIAL = re.compile(r"\btrial", re.IGNORECASE)
RENEWS = re.compile(r"renew", re.IGNORECASE)
REPLACES = re.compile(r"replac|amend|downgrad", re.IGNORECASE)
KINDS = ("recurring", "one_time", "trial")


class Transaction(NamedTuple):
    """One record of the transaction source. `ends_on` as the source gives it; `contract` as it stands there, `contract_type`
    after the value table. `amount` is in the report's currency."""

    record: str
    subject: str
    starts_on: date | None
    amount: Decimal | None
    ends_on: date | None = None
    months: Decimal | None = None
    quantity: Decimal | None = None
    product: str | None = None
    contract_type: str | None = None
    contract: str | None = None
    currency: str | None = None


class Span(NamedTuple):
    """Service of one subject from `starts_on` up to and without `ends_on`; columns as in `tables.SPANS`."""

    record: str
    subject: str
    product: str | None
    kind: str
    starts_on: date
    ends_on: date | None
    months: Decimal | None
    quantity: Decimal | None
    amount: Decimal | None
    mrr: Decimal
    currency: str | None
    contract_type: str | None


@dataclass(frozen=True)
class Rules:
    """Settings of the map (`attributes.body.DEFAULTS`)."""

    amount_is: str = "total"
    end_is: str = "last_day_with"
    default_months: int = 12


@dataclass
class Notes:
    """What was odd, counted for the health page."""

    counts: Counter[str] = field(default_factory=Counter)


def spans_of(transactions: Iterable[Transaction], rules: Rules, notes: Notes) -> list[Span]:
    """The spans of one subject, by begin. Transactions without a begin, or that end before it, are left out and counted."""
    made: list[Span] = []
    for each in sorted(transactions, key=lambda one: (one.starts_on or date.min, one.record)):
        span = _span_of(each, rules, notes)
        if span is None:
            continue
        if span.kind == "recurring" and RENEWS.search(each.contract or ""):
            span = _after_the_last(span, made, each, rules)
        elif span.kind == "recurring" and REPLACES.search(each.contract or ""):
            made = _ended(made, span)
        made.append(span)
    return sorted(made, key=lambda span: (span.starts_on, span.record))


@lru_cache(maxsize=1000)
def kind_of(contract_type: str | None, contract: str | None = None) -> str:
    """recurring, one_time or trial."""
    said = (contract_type or "").strip().lower()
    if said in KINDS:
        return said
    words = f"{contract_type or ''} {contract or ''}"
    if ONE_TIME.search(words):
        return "one_time"
    return "trial" if TRIAL.search(words) else "recurring"


def add_months(day: date, months: Decimal | int) -> date:
    """The same day so many months later, at most the last day of that month; a part of a month is as many days of 30."""
    whole = int(months)
    year, month = divmod(day.year * 12 + day.month - 1 + whole, 12)
    month += 1
    last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
    rest = (Decimal(months) - whole) * 30
    return date(year, month, min(day.day, last)) + timedelta(days=int(rest.to_integral_value(ROUND_HALF_UP)))


def months_between(start: date, end: date) -> Decimal:
    """Months from `start` up to and without `end`: whole ones, and the days of the last one as its share. To 12 places."""
    whole = max((end.year - start.year) * 12 + end.month - start.month - 1, 0)
    while add_months(start, whole + 1) <= end:
        whole += 1
    begin, after = add_months(start, whole), add_months(start, whole + 1)
    return divide(Decimal((end - begin).days), Decimal((after - begin).days)) + whole


def divide(amount: Decimal, by: Decimal) -> Decimal:
    """To 12 places, half away from zero."""
    return EXACT.divide(amount, by).quantize(PLACES, context=EXACT)


def _span_of(each: Transaction, rules: Rules, notes: Notes) -> Span | None:
    kind = kind_of(each.contract_type, each.contract)
    if each.starts_on is None:
        notes.counts["spans_without_start"] += 1
        return None
    try:
        ends_on, months = _term_of(each, kind, rules, notes)
    except (ValueError, OverflowError):
        notes.counts["spans_out_of_range"] += 1
        return None
    if ends_on is not None and ends_on <= each.starts_on:
        notes.counts["spans_reversed"] += 1
        return None
    if each.amount is None and kind != "trial":
        notes.counts["spans_without_amount"] += 1
    mrr = _mrr_of(each.amount or Decimal(0), months, kind, rules)
    return Span(
        each.record, each.subject, each.product, kind, each.starts_on, ends_on, months, each.quantity,
        _whole_amount(each.amount, months, kind, rules), mrr, each.currency, each.contract_type,
    )  # fmt: skip


def _whole_amount(amount: Decimal | None, months: Decimal | None, kind: str, rules: Rules) -> Decimal | None:
    """The amount of the whole span; None where it is so much a month without an end."""
    if amount is None or kind != "recurring" or rules.amount_is == "total":
        return amount
    if months is None:
        return None
    return divide(amount * months, Decimal(1 if rules.amount_is == "monthly" else 12))


def _term_of(each: Transaction, kind: str, rules: Rules, notes: Notes) -> tuple[date | None, Decimal | None]:
    """First day without service, and the term in months."""
    assert each.starts_on is not None
    if each.ends_on is not None:
        end = each.ends_on + timedelta(days=1) if rules.end_is == "last_day_with" else each.ends_on
        return end, months_between(each.starts_on, end) if end > each.starts_on else None
    if each.months is not None and 0 < each.months <= MOST_MONTHS:
        return add_months(each.starts_on, each.months), each.months
    if kind != "recurring":
        return None, None
    if rules.amount_is != "total":  # so much a month or year until somebody ends it
        notes.counts["spans_without_end"] += 1
        return None, None
    notes.counts["spans_with_default_term"] += 1
    return add_months(each.starts_on, rules.default_months), Decimal(rules.default_months)


def _mrr_of(amount: Decimal, months: Decimal | None, kind: str, rules: Rules) -> Decimal:
    if kind != "recurring":
        return Decimal(0)
    if rules.amount_is == "monthly":
        return amount
    if rules.amount_is == "yearly":
        return divide(amount, Decimal(12))
    return divide(amount, months) if months else Decimal(0)


def _after_the_last(span: Span, made: Sequence[Span], each: Transaction, rules: Rules) -> Span:
    """A renewal that was signed early begins where the running term ends; its end moves along unless the source gives it."""
    running = [one.ends_on for one in _same(made, span) if one.ends_on is not None and one.ends_on > span.starts_on]
    if not running or each.ends_on is not None:
        return span
    start = max(running)
    end = add_months(start, span.months) if span.months is not None else None
    return span._replace(starts_on=start, ends_on=end)


def _ended(made: Sequence[Span], span: Span) -> list[Span]:
    """What the subject had of that product ends where its replacement begins."""
    same = {one.record for one in _same(made, span)}
    return [
        one._replace(ends_on=span.starts_on)
        if one.record in same and one.starts_on < span.starts_on and (one.ends_on is None or one.ends_on > span.starts_on)
        else one
        for one in made
    ]


def _same(made: Sequence[Span], span: Span) -> list[Span]:
    """Recurring spans of the same product; all of them where the transaction names none."""
    return [
        one
        for one in made
        if one.kind == "recurring" and (span.product is None or one.product is None or one.product == span.product)
    ]
