"""Answers and reasons in words for people (pure)."""

from decimal import Decimal

from provisioning.catalogue.contents import unit_of_one
from provisioning.entitlements.deciding import Decision
from provisioning.subscriptions.wording import number_words

REASONS = {
    "customer_not_found": "Nobody knows this customer.",
    "feature_not_found": "There is no such feature.",
    "no_active_subscription": "No subscription runs.",
    "feature_not_in_subscription": "No running subscription has this feature.",
    "limit_exceeded": "The limit is reached.",
    "subscription_expired": "The subscription that had it expired.",
    "trial_expired": "The trial that had it ended.",
    "revoked": "It was taken away from this customer.",
}
PERIODS = {"hour": "an hour", "day": "a day", "week": "a week", "month": "a month", "year": "a year"}


def has_words(decision: Decision) -> str:
    """What the customer has of the feature: "yes", "1,000 calls a month", "unlimited calls"; "no" and why otherwise."""
    if decision.reason and decision.reason != "limit_exceeded":
        return "no"
    feature = decision.feature
    if feature.kind == "boolean":
        return "yes"
    words = "unlimited" if decision.unlimited else number_words(Decimal(decision.limit or 0))
    is_one = not decision.unlimited and decision.limit == 1
    words += f" {unit_of_one(feature.unit) if is_one else feature.unit}" if feature.unit else ""
    words += f" {PERIODS[decision.reset]}" if decision.reset else ""
    return words + (", soft" if decision.soft else "")


def reason_words(reason: str) -> str:
    """Why it is not granted."""
    return REASONS.get(reason, reason)


def source_words(source: dict) -> str:
    """One source of an answer: "Plan Team v2: 10", "2 × Extra calls: 10", "Promotion: 5"."""
    kind = source["type"]
    if kind == "promotion":
        name = "Promotion"
    elif kind == "add_on":
        name = f"{number_words(Decimal(str(source['quantity'])))} × {source['name']}"
    else:
        name = f"{'Own limit beside plan' if kind == 'override' else 'Plan'} {source['name']} v{source['version']}"
    if source.get("revoked"):
        return f"{name}: taken away"
    if "limit" not in source:
        return name
    given = "unlimited" if source["unlimited"] else number_words(Decimal(str(source["limit"] or 0)))
    return f"{name}: {given}{' (soft)' if source['soft'] and not source['unlimited'] else ''}"
