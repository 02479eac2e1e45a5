"""Reading what customers may do from the database: a handful of queries for any number of customers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from integrations.models import Customer, CustomerAlias
from provisioning.entitlements.deciding import CustomerAccess, metered_keys
from provisioning.entitlements.facts import (
    FeatureFacts,
    Gives,
    OfferFacts,
    Override,
    PromotionFacts,
    SubscriptionFacts,
    TermFacts,
)
from provisioning.entitlements.used import Asked, used_at, used_now
from provisioning.models import (
    Feature,
    OfferEntitlement,
    OfferVersion,
    PromotionalGrant,
    Subscription,
    Term,
    TermAddOn,
    TermOverride,
)
from provisioning.subscriptions.terms import PlainTimes

CHUNK = 500
"""Customers a round of queries; SQLite takes at most 32,766 parameters a statement."""


@dataclass
class Shelf:
    """The part of the catalogue that was read already: nearly everybody has the same few plans. Whoever keeps one throws it
    away when the catalogue changes."""

    features: dict[str, FeatureFacts] = field(default_factory=dict)
    offers: dict[int, OfferFacts] = field(default_factory=dict)


def find_customer(name: str) -> Customer | None:
    """The customer with this external id or alias; None when unknown or erased.

    A merged customer keeps what it has (ST-D8); one that never had anything is answered as the one it was merged into.
    """
    customer = Customer.objects.filter(external_id=name, erased_at=None).first()
    if customer is None:
        alias = CustomerAlias.objects.filter(kind="external_id", value=name, customer__erased_at=None)
        found = alias.select_related("customer").first()
        customer = found.customer if found else None
    return follow_merges(customer)


def follow_merges(customer: Customer | None) -> Customer | None:
    """The customer that is asked when this one is named: itself, or the one that it was merged into; None when erased."""
    for _ in range(20):  # a chain of merges; a circle ends too
        if customer is None or customer.merged_into is None or _has_own(customer):
            break
        customer = customer.merged_into
    return None if customer is None or customer.erased_at else customer


def find_customers(names: Iterable[str]) -> dict[str, int]:
    """Ids of customers by external id or alias; unknown and erased ones are missing. Few queries, as long as few are merged."""
    wanted = list(dict.fromkeys(names))
    found: dict[str, int] = {}
    for start in range(0, len(wanted), CHUNK):
        plain = Customer.objects.filter(external_id__in=wanted[start : start + CHUNK], erased_at=None, merged_into=None)
        found |= dict(plain.values_list("external_id", "pk"))
    for name in wanted:
        if name not in found and (customer := find_customer(name)) is not None:
            found[name] = customer.pk
    return found


def load_access(
    customer_ids: Iterable[int], *, as_of: datetime | None = None, now: datetime | None = None, with_usage: bool = True,
    shelf: Shelf | None = None,
) -> dict[int, CustomerAccess]:  # fmt: skip
    """What these customers may do, by their id; unknown and erased ones are missing. Usage is that of the windows at `now`.

    With `as_of` (UTC) usage is what had happened by then; decide with the same instant. `with_usage` False leaves usage out.
    What `shelf` holds is not read again.
    """
    ids = list(dict.fromkeys(customer_ids))
    at = as_of or now or timezone.now()
    shelf = shelf or Shelf()
    shelf.features = shelf.features or load_features()
    found: dict[int, CustomerAccess] = {}
    for start in range(0, len(ids), CHUNK):
        some = _load(ids[start : start + CHUNK], shelf)
        found |= with_usage_at(some, at, past=as_of is not None) if with_usage else some
    return found


def with_usage_at(found: Mapping[int, CustomerAccess], at: datetime, *, past: bool) -> dict[int, CustomerAccess]:
    """The same with usage of the windows that contain `at`: up to `at` when it is past, else all that was reported."""
    asked = [
        Asked(customer, key, access.window(key, at).start)
        for customer, access in found.items()
        for key in metered_keys(access, at)
    ]
    usage = used_at(asked, at) if past else used_now(asked)
    by_customer: defaultdict[int, dict[tuple[str, datetime], int | Decimal]] = defaultdict(dict)
    for question, used in usage.items():
        by_customer[question.customer_id][question.feature, question.window_start] = used
    return {
        customer: replace(access, usage=by_customer[customer]) if customer in by_customer else access
        for customer, access in found.items()
    }


def load_features() -> dict[str, FeatureFacts]:
    """The features of the catalogue by key."""
    rows = Feature.objects.values_list("key", "name", "kind", "unit", "description", "pk", "event_name")
    return {row[0]: FeatureFacts(*row[:6], counted=bool(row[6])) for row in rows}


def _has_own(customer: Customer) -> bool:
    return customer.subscriptions.exists() or customer.promotional_grants.exists()  # pyright: ignore[reportAttributeAccessIssue]


def _load(ids: list[int], shelf: Shelf) -> dict[int, CustomerAccess]:
    customers = Customer.objects.filter(pk__in=ids, erased_at=None).only("external_id", "name")
    subscriptions = _subscriptions(ids, shelf)
    promotions = _promotions(ids)
    return {
        each.pk: CustomerAccess(
            each.pk, each.external_id, tuple(subscriptions[each.pk]), tuple(promotions[each.pk]), shelf.features, name=each.name
        )
        for each in customers
    }


def _subscriptions(ids: list[int], shelf: Shelf) -> Mapping[int, list[SubscriptionFacts]]:
    rows = list(Subscription.objects.filter(customer__in=ids).select_related("product").order_by("id"))
    terms = _terms([row.pk for row in rows], shelf)
    found: defaultdict[int, list[SubscriptionFacts]] = defaultdict(list)
    for row in rows:
        times = PlainTimes(row.starts_at, row.ends_at, row.trial_ends_at, row.converted_at, row.cancelled_at)
        found[row.customer_id].append(SubscriptionFacts(row.key, row.product.key, times, tuple(terms[row.pk])))
    return found


def _terms(subscription_ids: list[int], shelf: Shelf) -> Mapping[int, list[TermFacts]]:
    rows: list[Term] = []
    add_ons: list[TermAddOn] = []
    overrides: list[TermOverride] = []
    for some in _chunks(subscription_ids):
        rows += Term.objects.filter(subscription__in=some).order_by("subscription", "effective_at", "id")
        add_ons += TermAddOn.objects.filter(term__subscription__in=some).order_by("id")
        overrides += TermOverride.objects.filter(term__subscription__in=some).select_related("feature").order_by("id")
    needed = {row.plan_id for row in rows} | {row.version_id for row in add_ons}
    shelf.offers |= load_offers(needed - shelf.offers.keys())
    offers = shelf.offers
    bought: defaultdict[int, list[tuple[OfferFacts, Decimal]]] = defaultdict(list)
    for each in add_ons:
        bought[each.term_id].append((offers[each.version_id], each.quantity))  # pyright: ignore[reportAttributeAccessIssue]
    own: defaultdict[int, dict[str, Override]] = defaultdict(dict)
    for each in overrides:
        limits = Override(each.limit, each.unlimited, each.revoked, each.soft)
        own[each.term_id][each.feature.key] = limits  # pyright: ignore[reportAttributeAccessIssue]
    found: defaultdict[int, list[TermFacts]] = defaultdict(list)
    for row in rows:
        facts = TermFacts(
            row.effective_at, offers[row.plan_id], row.seats, tuple(bought[row.pk]), own[row.pk], row.resets_usage
        )
        found[row.subscription_id].append(facts)
    return found


def load_offers(version_ids: Iterable[int]) -> dict[int, OfferFacts]:
    """Versions of plans and add-ons with what they give, by id."""
    gives: defaultdict[int, dict[str, Gives]] = defaultdict(dict)
    found: dict[int, OfferFacts] = {}
    for some in _chunks(sorted(set(version_ids))):
        rows = OfferEntitlement.objects.filter(version__in=some).select_related("feature")
        for row in rows:
            limits = Gives(row.limit, row.per_seat, row.unlimited, row.soft, row.reset)
            gives[row.version_id][row.feature.key] = limits
        for version in OfferVersion.objects.filter(pk__in=some).select_related("offer"):
            offer = version.offer
            found[version.pk] = OfferFacts(offer.key, offer.name, version.number, gives[version.pk])
    return found


def _promotions(ids: list[int]) -> Mapping[int, list[PromotionFacts]]:
    found: defaultdict[int, list[PromotionFacts]] = defaultdict(list)
    for row in PromotionalGrant.objects.filter(customer__in=ids).select_related("feature").order_by("id"):
        facts = PromotionFacts(
            row.pk, row.feature.key, row.starts_at, row.ends_at, row.revoked_at, row.limit, row.unlimited, row.soft
        )
        found[row.customer_id].append(facts)
    return found


def _chunks(ids: list[int]) -> Iterable[list[int]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


__all__ = [
    "Shelf", "find_customer", "find_customers", "follow_merges", "load_access", "load_features", "load_offers", "with_usage_at",
]  # fmt: skip
