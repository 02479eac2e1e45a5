"""What was granted and used: running subscriptions with their terms, and usage against what they allow."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.urls import reverse

from project.four_way.positions import UNUSED_DAYS, Holding, Limit, Row, Used, number_words
from project.four_way.selling import limit_of
from provisioning.entitlements.access import load_access
from provisioning.entitlements.deciding import CustomerAccess, decide, metered_keys
from provisioning.entitlements.facts import SubscriptionFacts, TermFacts
from provisioning.models import Product, Subscription, UsageWindow
from provisioning.subscriptions.terms import RUNNING, ended_at, status_of, term_at

PART = 1_000
SEATS = frozenset({"seat", "seats", "user", "users", "people"})
"""Units of features and metrics that count people."""
FIRST = datetime.min.replace(tzinfo=UTC)


class Window(NamedTuple):
    """The latest usage of a feature: how much, in the window of then, and when it was last reported (UTC)."""

    used: Decimal
    at: datetime


@dataclass
class Granted:
    """Subscriptions and usage by customer. `products`: names by key."""

    products: dict[str, str] = field(default_factory=dict)
    holdings: dict[int, list[Holding]] = field(default_factory=lambda: defaultdict(list))
    used: dict[int, list[Used]] = field(default_factory=lambda: defaultdict(list))


def read_granted(roots: Mapping[int, int], *, now: datetime) -> Granted:
    """Everything that runs at `now` (UTC), for all customers, a thousand of them at a time."""
    found = Granted(products=dict(Product.objects.values_list("key", "name")))
    windows = _windows(now)
    ids = set(Subscription.objects.order_by().values_list("customer", flat=True).distinct()) | set(windows)
    numbers = sorted(ids)
    for start in range(0, len(numbers), PART):
        for number, access in load_access(numbers[start : start + PART], now=now).items():
            _add(found, roots.get(number, number), access, windows.get(number, {}), now)
    return found


def _windows(now: datetime) -> dict[int, dict[str, Window]]:
    rows = UsageWindow.objects.filter(updated_at__gt=now - timedelta(days=UNUSED_DAYS)).order_by("updated_at")
    found: defaultdict[int, dict[str, Window]] = defaultdict(dict)
    for customer, feature, used, at in rows.values_list("customer_id", "feature__key", "used", "updated_at").iterator(5_000):
        found[customer][feature] = Window(used, at)
    return found


def _add(found: Granted, customer: int, access: CustomerAccess, windows: Mapping[str, Window], now: datetime) -> None:
    for each in access.subscriptions:
        status = status_of(each.times, now)
        term = term_at(each.terms, now)
        if status in RUNNING and term is not None:
            found.holdings[customer].append(_holding(access, each, term, found.products, is_trial=status == "trial", now=now))
    row = Row("used", "Entitlements and usage", reverse("provisioning:customer", args=[access.customer_id]))
    given = set(metered_keys(access, now))
    for key in sorted(given | set(windows)):
        used = _used(access, key, windows.get(key), row, key in given, now)
        if used is not None:
            found.used[customer].append(used)


def _holding(
    access: CustomerAccess, subscription: SubscriptionFacts, term: TermFacts, products: Mapping[str, str], *, is_trial: bool,
    now: datetime,
) -> Holding:  # fmt: skip
    add_ons = {offer.key: quantity for offer, quantity in term.add_ons if quantity}
    limits = {key: limit_of(each.limit, each.unlimited, each.revoked) for key, each in term.overrides.items()}
    seats = f", {number_words(term.seats)} seats" if term.seats is not None else ""
    words = f"Subscription of {products.get(subscription.product) or subscription.product}: {term.plan.name}{seats}"
    row = Row("granted", words, reverse("provisioning:subscription", args=[subscription.key]))
    since = max(subscription.times.starts_at, subscription.times.converted_at or subscription.times.starts_at)
    return Holding(
        subscription.product, term.plan.key, term.seats, add_ons, limits, since, is_trial, _capacity(access, term, now), (row,)
    )


def _capacity(access: CustomerAccess, term: TermFacts, now: datetime) -> Limit | None:
    """How many people all sources of a feature that counts them let in; None where no feature does."""
    for key in term.plan.gives:
        facts = access.features.get(key)
        if facts is not None and facts.unit.lower() in SEATS and facts.kind != "boolean":
            total = access.span(key, now).combined
            return Limit(None, True) if total.unlimited else Limit(Decimal(total.limit))
    return None


def _used(access: CustomerAccess, key: str, window: Window | None, row: Row, is_given: bool, now: datetime) -> Used | None:
    facts = access.features.get(key)
    if facts is None:
        return None
    last_at = window.at if window else None
    if is_given:
        decision = decide(access, key, now=now)
        limit = Limit(None if decision.limit is None else Decimal(decision.limit), decision.unlimited)
        return Used(key, Decimal(decision.usage or 0), limit, decision.soft, facts.unit, last_at, (row,))
    if window is None or window.at <= _over(access.subscriptions, now):
        return None  # what was used while it still had it
    return Used(key, window.used, Limit(None), False, facts.unit, last_at, (row,))


def _over(subscriptions: Iterable[SubscriptionFacts], now: datetime) -> datetime:
    """When its last subscription ended; the beginning of time for a customer that never had any."""
    ends = [ended_at(each.times, now) for each in subscriptions]
    return max((each for each in ends if each is not None), default=FIRST)
