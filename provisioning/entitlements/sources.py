"""What all sources of a feature add up to at one instant: plans, own limits, add-ons, promotions, subscriptions (ST-D17).

Boolean: any grant grants. Numbers: the plan's value (or the subscription's own limit in its place), plus add-ons times their
quantity, plus promotions; unlimited beats numbers; one soft limit makes the sum soft. Only what says unlimited is unlimited.
Usage starts anew as the first source says that knows a reset: the oldest subscription's plan before its add-ons.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from provisioning.entitlements.facts import (
    Amount,
    FeatureFacts,
    Gives,
    OfferFacts,
    PromotionFacts,
    SubscriptionFacts,
    TermFacts,
    amount,
)
from provisioning.subscriptions.terms import RUNNING, ended_at, status_of, term_at, trial_expired

REVOKED, EXPIRED, TRIAL_EXPIRED = "revoked", "subscription_expired", "trial_expired"
NOT_IN_SUBSCRIPTION, NO_SUBSCRIPTION = "feature_not_in_subscription", "no_active_subscription"


@dataclass(frozen=True, slots=True)
class Combined:
    """The sum. `reason` says why nothing gives the feature, empty when something does; `anchors` are where windows start."""

    reason: str
    unlimited: bool = False
    limit: Amount = 0
    soft: bool = False
    reset: str = ""
    anchors: tuple[datetime, ...] = ()
    sources: tuple[dict[str, Any], ...] = ()


@dataclass(slots=True)
class Part:
    """One source: how much it adds."""

    shown: dict[str, Any]
    limit: Decimal | None = None
    unlimited: bool = False
    soft: bool = False
    revoked: bool = False
    reset: str = ""
    anchors: tuple[datetime, ...] = ()


def combine(
    subscriptions: Sequence[SubscriptionFacts], promotions: Sequence[PromotionFacts], feature: FeatureFacts, now: datetime
) -> Combined:
    """What `feature` adds up to at `now`."""
    parts: list[Part] = []
    running = False
    for each in sorted(subscriptions, key=lambda each: (each.times.starts_at, each.key)):
        if status_of(each.times, now) in RUNNING:
            running = True
            parts += parts_of(each, feature, now)
    parts += [_promotion_part(each, now) for each in promotions if each.feature == feature.key and _in_time(each, now)]
    giving = [each for each in parts if not each.revoked]
    sources = tuple(_shown(each, feature) for each in parts)
    if not giving:
        return Combined(_why_not(subscriptions, parts, feature, now, running=running), sources=sources)
    leading = next((each for each in giving if each.reset), None)
    unlimited = any(each.unlimited for each in giving)
    return Combined(
        "",
        unlimited=unlimited,
        limit=amount(sum((each.limit or Decimal(0) for each in giving), Decimal(0))) or 0,
        soft=not unlimited and any(each.soft for each in giving),
        reset=leading.reset if leading else "",
        anchors=leading.anchors if leading else (),
        sources=sources,
    )


def parts_of(subscription: SubscriptionFacts, feature: FeatureFacts, at: datetime) -> list[Part]:
    """What one subscription gives of the feature by its term in force at `at`: plan or own limit first, then add-ons."""
    term = term_at(subscription.terms, at)
    if term is None:
        return []
    anchors = _anchors(subscription)
    first = _plan_part(subscription, term, feature, anchors)
    found = [first] if first else []
    for offer, quantity in term.add_ons:
        gives = offer.gives.get(feature.key)
        if gives is not None and quantity > 0:
            shown = _offer("add_on", subscription, offer, quantity)
            found.append(_offer_part(gives, shown, term, quantity, anchors))
    return found


def _plan_part(
    subscription: SubscriptionFacts, term: TermFacts, feature: FeatureFacts, anchors: tuple[datetime, ...]
) -> Part | None:
    own, gives = term.overrides.get(feature.key), term.plan.gives.get(feature.key)
    plan = None if gives is None else _offer_part(gives, _offer("plan", subscription, term.plan), term, Decimal(1), anchors)
    if own is None:
        return plan
    part = plan or Part({}, anchors=anchors, reset=_reset_of_add_ons(term, feature.key))
    part.shown = _offer("override", subscription, term.plan)
    part.revoked = own.revoked
    part.soft = part.soft if own.soft is None else own.soft
    if own.unlimited or own.limit is not None or own.revoked:
        part.unlimited, part.limit = own.unlimited, own.limit
    return part


def _offer_part(gives: Gives, shown: dict[str, Any], term: TermFacts, quantity: Decimal, anchors: tuple[datetime, ...]) -> Part:
    limit = gives.limit
    if limit is not None:
        limit *= quantity
        if gives.per_seat and term.seats is not None:
            limit *= term.seats
    return Part(shown, None if gives.unlimited else limit, gives.unlimited, gives.soft, False, gives.reset, anchors)


def _promotion_part(grant: PromotionFacts, now: datetime) -> Part:
    ends = grant.ends_at.isoformat().replace("+00:00", "Z") if grant.ends_at else None
    shown = {"type": "promotion", "id": grant.id, "ends_at": ends}
    revoked = grant.revoked_at is not None and grant.revoked_at <= now
    return Part(shown, grant.limit, grant.unlimited, grant.soft, revoked)


def _in_time(grant: PromotionFacts, now: datetime) -> bool:
    return grant.starts_at <= now and (grant.ends_at is None or now < grant.ends_at)


def _anchors(subscription: SubscriptionFacts) -> tuple[datetime, ...]:
    """The start and the reset points, sorted."""
    points = {term.effective_at for term in subscription.terms if term.resets_usage}
    return tuple(sorted({subscription.times.starts_at, *points}))


def _reset_of_add_ons(term: TermFacts, feature: str) -> str:
    found = (offer.gives[feature].reset for offer, _ in term.add_ons if feature in offer.gives)
    return next((each for each in found if each), "")


def _why_not(
    subscriptions: Iterable[SubscriptionFacts], parts: Sequence[Part], feature: FeatureFacts, now: datetime, *, running: bool
) -> str:
    if parts:
        return REVOKED
    ended = [(end, each) for each in subscriptions if (end := _gave_until(each, feature, now)) is not None]
    if ended:
        last = max(ended, key=lambda pair: (pair[0], pair[1].key))[1]
        return TRIAL_EXPIRED if trial_expired(last.times, now) else EXPIRED
    return NOT_IN_SUBSCRIPTION if running else NO_SUBSCRIPTION


def _gave_until(subscription: SubscriptionFacts, feature: FeatureFacts, now: datetime) -> datetime | None:
    """When an expired subscription stopped giving the feature; None when it did not give it, or did not expire."""
    if status_of(subscription.times, now) != "expired":
        return None
    end = ended_at(subscription.times, now)
    if end is None or not any(not part.revoked for part in parts_of(subscription, feature, end)):
        return None
    return end


def _offer(kind: str, subscription: SubscriptionFacts, offer: OfferFacts, quantity: Decimal | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": kind, "subscription": subscription.key, "product": subscription.product,
        "key": offer.key, "name": offer.name, "version": offer.number,
    }  # fmt: skip
    if quantity is not None:
        shown["quantity"] = _json(quantity)
    return shown


def _shown(part: Part, feature: FeatureFacts) -> dict[str, Any]:
    """The source as the answer lists it."""
    if part.revoked:
        return {**part.shown, "revoked": True}
    if feature.kind == "boolean":
        return part.shown
    limit = None if part.unlimited else _json(part.limit or Decimal(0))
    return {**part.shown, "limit": limit, "unlimited": part.unlimited, "soft": part.soft}


def _json(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)
