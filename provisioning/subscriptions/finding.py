"""Finding subscriptions by customer, product, state and words, for pages and API; the state follows the clock, so it is SQL."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import F, Q, QuerySet

from integrations.salesforce.ids import to_18
from provisioning.entitlements.access import find_customer
from provisioning.models import Subscription

STATES = ("scheduled", "trial", "active", "cancelled", "expired", "trial_expired")
SORTS = {"customer": "customer__name", "product": "product__name", "starts": "starts_at", "ends": "ends_at", "key": "key"}
LONGEST_WORD = 255
"""SQLite refuses to look for much longer ones."""


def subscriptions_like(given: Mapping[str, str], *, now: datetime) -> "QuerySet[Subscription]":
    """What a query asks for, newest first: customer, product, status, opportunity_id, search, sort."""
    found = Subscription.objects.order_by("-id")
    clean = {name: str(value).replace("\0", "") for name, value in given.items() if value}
    if name := clean.get("customer"):
        customer = find_customer(name)
        found = found.filter(customer=customer) if customer else found.none()
    if product := clean.get("product"):
        found = found.filter(product__key=product)
    if opportunity := clean.get("opportunity_id"):
        found = found.filter(opportunity_id__in={opportunity, *_long_id(opportunity)})
    if word := clean.get("search", "").strip()[:LONGEST_WORD]:
        named = Q(customer__name__icontains=word) | Q(customer__external_id__icontains=word)
        found = found.filter(named | Q(key__icontains=word))
    if (state := clean.get("status")) in STATES:
        found = found.filter(in_state(state, now))
    column = SORTS.get(clean.get("sort", "").lstrip("-"))
    return found.order_by(f"{'-' if clean['sort'].startswith('-') else ''}{column}", "-id") if column else found


def in_state(state: str, now: datetime) -> Q:
    """Which subscriptions are in that state at `now`; the same rules as `terms.status_of`."""
    lapsed = Q(trial_ends_at__lte=now) & (Q(converted_at=None) | Q(converted_at__gt=now))
    over, cancelled = Q(ends_at__lte=now), Q(cancelled_at__lte=now)
    first = (Q(ends_at=None) | Q(ends_at__gt=now) | Q(cancelled_at__lte=F("ends_at"))) & (
        ~lapsed | Q(cancelled_at__lte=F("trial_ends_at"))
    )
    by_trial = lapsed & (Q(ends_at=None) | Q(ends_at__gte=F("trial_ends_at")))
    ended = over | cancelled | lapsed
    trial = Q(trial_ends_at__gt=now) & (Q(converted_at=None) | Q(converted_at__gt=now))
    found = {
        "cancelled": cancelled & first,
        "expired": (over | lapsed) & ~(cancelled & first),
        "trial_expired": by_trial & ~(cancelled & first),
        "scheduled": Q(starts_at__gt=now) & ~ended,
        "trial": Q(starts_at__lte=now) & trial & ~ended,
        "active": Q(starts_at__lte=now) & ~trial & ~ended,
    }
    return found[state]


def _long_id(given: str) -> set[str]:
    return {to_18(given)} if len(given) == 15 and given.isalnum() else set()
