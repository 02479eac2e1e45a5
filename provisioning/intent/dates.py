"""Days and terms of a deal as instants (ST-D7): a day begins at midnight in the connection's time zone. Pure."""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

from provisioning.intent.deal import Deal, DealLine

LONGEST_TERM = 600  # months
FARTHEST_EAST = timezone(timedelta(hours=14))  # where a day begins first: Kiribati
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2200, 12, 31)


@dataclass(frozen=True, slots=True)
class Span:
    """From the first day to the day after the last one; `end` None = open."""

    start: date
    end: date | None


def zone_of(name: str) -> ZoneInfo:
    """The zone of that name, UTC when there is none."""
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def begin_of(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a day begins there, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def day_of(at: datetime, zone: ZoneInfo) -> date:
    """The day that it is there at an instant."""
    return at.astimezone(zone).date()


def day_words(day: date) -> str:
    """Jan 31, 2027"""
    return f"{day:%b} {day.day}, {day.year}"


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or the month's last day where there is none."""
    total = day.year * 12 + day.month - 1 + months
    year, month = divmod(total, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def problem_of_term(term: Decimal | None) -> str:
    """Why a term in months cannot be used, "" when it can."""
    if term is None:
        return ""
    if term <= 0 or term != term.to_integral_value():
        return f"the term is {term.normalize():f} months; it must be a whole number above 0"
    return f"the term of {term.normalize():f} months is longer than {LONGEST_TERM}" if term > LONGEST_TERM else ""


def problem_of_day(day: date | None) -> str:
    """Why a day cannot be used, "" when it can."""
    if day is None or FIRST_DAY <= day <= LAST_DAY:
        return ""
    return f"{day_words(day)} lies outside of {FIRST_DAY.year} to {LAST_DAY.year}"


def day_of_closing(day: date, *, now: datetime, zone: ZoneInfo) -> date:
    """The day on which a deal with that close date begins: today, when it is that day for somebody already.

    Salesforce fills a close date with the day of the person who closes the deal, who may sit hours ahead of the org's time
    zone. Their customer does not wait for the org's midnight. A later day is one that was chosen, and is kept.
    """
    today = day_of(now, zone)
    return today if today < day <= now.astimezone(FARTHEST_EAST).date() else day


def start_of_deal(deal: Deal, *, with_contract: bool, now: datetime, zone: ZoneInfo) -> date | None:
    """What counts for lines without a date of their own: deal, quote, contract, else the close date."""
    quote = deal.quote.start if deal.quote else None
    contract = deal.contract.start if deal.contract and with_contract else None
    closing = day_of_closing(deal.close_date, now=now, zone=zone) if deal.close_date else None
    return deal.start or quote or contract or closing


def end_of_deal(deal: Deal, start: date, *, with_contract: bool) -> date | None:
    """The day after the last one, for lines that name neither end nor term; None = open.

    A term of the opportunity counts from `start`; quote and contract have an end or a term from their own start.
    """
    if deal.term is not None:
        return add_months(start, int(deal.term))
    for source in (deal.quote, deal.contract if with_contract else None):
        if source is None:
            continue
        if source.end is not None:
            return source.end + timedelta(days=1)
        if source.term is not None:
            return add_months(source.start or start, int(source.term))
    return None


def own_end(line: DealLine, first: date) -> date | None:
    """The day after a line's last one by what the line itself says, None when it says nothing."""
    if line.end is not None:
        return line.end + timedelta(days=1)
    return add_months(first, int(line.term)) if line.term is not None else None


def span_of(line: DealLine, deal: Deal, *, start: date, with_contract: bool) -> Span:
    """From when to when a line holds; `start` counts when the line has no date, the deal's end when it has none."""
    first = line.start or start
    return Span(first, own_end(line, first) or end_of_deal(deal, first, with_contract=with_contract))
