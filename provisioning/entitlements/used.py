"""How much of metered features was used: now, from the windows; at a past instant, from the reports."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from provisioning.entitlements.facts import Amount, amount
from provisioning.models import UsageReport, UsageWindow

CHUNK = 500


class Asked(NamedTuple):
    """One window of one feature of one customer."""

    customer_id: int
    feature: str
    window_start: datetime


class Happened(NamedTuple):
    """One report, as far as it moves the count."""

    action: str
    amount: Decimal


def count(reports: Iterable[Happened], start: Decimal = Decimal(0)) -> Decimal:
    """What reports in their order come to: `set` replaces the count, everything else adds to it."""
    used = start
    for each in reports:
        used = each.amount if each.action == "set" else used + each.amount
    return used


def used_now(asked: Sequence[Asked]) -> dict[Asked, Amount]:
    """What stands in the windows; windows without usage are missing."""
    wanted = set(asked)
    found: dict[Asked, Amount] = {}
    for some in _by_customer(asked):
        rows = UsageWindow.objects.filter(
            customer__in={each.customer_id for each in some}, window_start__in={each.window_start for each in some}
        )
        for customer, feature, start, used in rows.values_list("customer_id", "feature__key", "window_start", "used"):
            if (question := Asked(customer, feature, start)) in wanted:
                found[question] = amount(used) or 0
    return found


def used_at(asked: Sequence[Asked], at: datetime) -> dict[Asked, Amount]:
    """What had been used in these windows by `at` (inclusive, UTC), counted anew from the reports."""
    wanted = set(asked)
    reports: defaultdict[Asked, list[Happened]] = defaultdict(list)
    for some in _by_customer(asked):
        rows = UsageReport.objects.filter(
            customer__in={each.customer_id for each in some}, window_start__in={each.window_start for each in some}, at__lte=at
        ).order_by("at", "id")
        for customer, feature, start, action, number in rows.values_list(
            "customer_id", "feature__key", "window_start", "action", "amount"
        ):
            if (question := Asked(customer, feature, start)) in wanted:
                reports[question].append(Happened(action, number))
    return {question: amount(count(found)) or 0 for question, found in reports.items()}


def _by_customer(asked: Sequence[Asked]) -> Iterator[Sequence[Asked]]:
    return (asked[start : start + CHUNK] for start in range(0, len(asked), CHUNK))
