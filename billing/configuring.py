"""What people set up of billing, as verbs: how it goes to a connection, and prices. Every change leaves an audit entry."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError

from billing import pricing, rating
from billing.models import BillableMetric, BillingSettings, Plan, Price
from integrations import audit
from integrations.access import Person
from integrations.models import SalesforceOrg

CHOICES = ("scope", "many_accounts", "current_wording", "pending_wording", "last_included_day")
TERMS = ("name", "model", "metric_key", "amount", "included", "size", "minimum", "tiers", "position")


def peek_settings(org: SalesforceOrg) -> BillingSettings:
    """The settings of a connection for looking only: defaults, not stored, while nobody made any."""
    return BillingSettings.objects.filter(org=org).first() or BillingSettings(org=org)


def change_settings(org: SalesforceOrg, changes: Mapping[str, Any], *, actor: Person | None) -> BillingSettings:
    """Change some of `CHOICES`; the next push follows. ValidationError names each field that does not fit."""
    found = peek_settings(org)
    before = {name: getattr(found, name) for name in changes}
    if before == dict(changes):
        return found
    for name, value in changes.items():
        setattr(found, name, value)
    others = [each.name for each in found._meta.fields if each.name not in changes]
    found.full_clean(exclude=others, validate_unique=False, validate_constraints=False)
    found.save(update_fields=None if found.pk is None else list(changes))
    audit.record("billing.settings", actor=actor, target=org, before=before, after=dict(changes))
    return found


def save_price(key: str, plan_key: str, terms: Mapping[str, Any], *, actor: Person | None, now: datetime) -> Price:
    """Make a price, or change one; drafts follow at the next rating, final invoices never. `terms` has all of `TERMS`.

    ValidationError names each field that does not fit, with the fix.
    """
    found = Price.objects.filter(key=key).first()
    price = found or Price(key=key, plan_key=plan_key, created_at=now)
    before = {name: getattr(price, name) for name in TERMS} if found is not None else {}
    for name in TERMS:
        setattr(price, name, terms[name])
    errors = _errors(price, plan_key)
    if errors:
        raise ValidationError(errors)
    price.full_clean(validate_unique=found is None, validate_constraints=False)
    after = {name: getattr(price, name) for name in TERMS}
    if before == after:
        return price
    price.updated_at = now
    price.save()
    audit.record("billing.price", actor=actor, target=price, before=before, after=after)
    return price


def delete_price(price: Price, *, actor: Person | None) -> None:
    """Take a price out of its plan; drafts follow at the next rating."""
    audit.record("billing.price_deleted", actor=actor, target=price, before={name: getattr(price, name) for name in TERMS})
    price.delete()


def _errors(price: Price, plan_key: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if price.plan_key != plan_key:
        found["plan_id"] = [f"is {price.plan_key} and stays so; make another price for another plan."]
    elif not Plan.objects.filter(key=plan_key, deleted_at=None).exists():
        found["plan_id"] = [f"There is no plan {plan_key[:80]}."]
    if price.metric_key and not BillableMetric.objects.filter(key=price.metric_key, deleted_at=None).exists():
        found["metric_id"] = [f"There is no billable metric {price.metric_key[:80]}."]
    elif price.model != pricing.FIXED and not price.metric_key:
        found["metric_id"] = ["Choose what is counted; only a fee needs no metric."]
    try:
        problems = pricing.problems_of(rating.terms_of(price))
    except (ArithmeticError, TypeError, AttributeError):
        problems = ["tiers: each is {up_to, unit, flat} with decimal numbers"]
    for problem in problems:
        name, _, words = problem.partition(": ")
        found.setdefault(name, []).append(words)
    return found
