"""Makes the demonstration's sides agree: whoever is billed has the subscription of that plan. Then, as a story for the four-way
audit, one disagreement of each kind is planted, each with customers who have nothing else wrong.

Everything follows from the customers' ids, so that filling again gives the same.
"""

from datetime import datetime, timedelta
from typing import Any

from billing.models import CustomerPlan
from billing.saving import save_rows
from integrations.access import Person
from integrations.models import Customer, Entity, RecordLink, SalesforceOrg
from integrations.salesforce.ids import to_18
from project.four_way import audit, trend
from provisioning.catalogue import yaml_text
from provisioning.catalogue.files import load
from provisioning.intent.result import SubscriptionIntent
from provisioning.metering.using import report
from provisioning.models import Product, Provision, Subscription
from provisioning.subscriptions import changes
from provisioning.subscriptions.spec import TermsSpec

SUITE = "suite"
FEES = (("plan-start", "Start", 49), ("plan-pro", "Pro", 199), ("plan-scale", "Scale", 990))
CALLS = "feature-suite-calls"
DAYS = 30
STORY = ("nobody sold it", "billed alone", "another plan", "above the limit", "sold more", "sold, not billed")


def fill(org: SalesforceOrg, *, user: Person | None, now: datetime) -> bool:
    """Everything once; False when it is there. Billing and subscriptions were filled before."""
    if Product.objects.filter(key=SUITE).exists() or not CustomerPlan.objects.exists():
        return False
    found = load(yaml_text.write(_catalogue()), actor=None, now=now - timedelta(days=200))
    if found.problems:
        raise ValueError(f"{found.problems[0].path}: {found.problems[0].message}")
    billed = dict(CustomerPlan.objects.filter(deleted_at=None).values_list("customer_key", "plan_key"))
    customers = list(Customer.objects.filter(external_id__in=billed, merged_into=None, erased_at=None).order_by("external_id"))
    told: dict[str, Customer] = dict(zip(STORY, _tellers(customers), strict=False))
    for customer in customers:
        if customer != told.get("billed alone"):
            _subscribe(customer, billed[customer.external_id], user, now)
    _plant(told, billed, org, user, now)
    made = audit.compute_audit(now=now)
    trend.keep_night(made.findings, now=now)
    return True


def _tellers(customers: list[Customer]) -> list[Customer]:
    """Customers of whom only billing has known until now: what is planted is all that disagrees about them."""
    busy = set(Subscription.objects.values_list("customer_id", flat=True))
    return [each for each in customers if each.pk not in busy][: len(STORY)]


def _catalogue() -> dict[str, Any]:
    """The plans that are billed, as plans of the catalogue."""
    line = {"feature": CALLS, "limit": 100_000, "reset": "month"}
    return {
        "products": [{"key": SUITE, "name": "Suite", "description": "What is billed by the month."}],
        "features": [{"key": CALLS, "name": "Suite calls", "kind": "metered", "unit": "calls"}],
        "plans": [
            {"key": key, "name": name, "product": SUITE, "price": {"amount": fee, "currency": "USD", "months": 1},
             "entitlements": [line]}
            for key, name, fee in FEES
        ],
    }  # fmt: skip


def _subscribe(customer: Customer, plan: str, user: Person | None, now: datetime) -> Subscription:
    return changes.start(customer, product=SUITE, plan=plan, starts_at=now - timedelta(days=DAYS), actor=user, now=now)


def _plant(
    told: dict[str, Customer], billed: dict[str, str], org: SalesforceOrg, user: Person | None, now: datetime
) -> None:  # fmt: skip
    """One disagreement of each kind; those without a customer of their own are left out."""
    if (customer := told.get("nobody sold it")) is not None:
        _stop_billing(customer, billed, now)
    if (customer := told.get("another plan")) is not None:
        other = next(key for key, _, _ in reversed(FEES) if key != billed[customer.external_id])
        _bill(customer, other, now)
    if (customer := told.get("above the limit")) is not None:
        row = {"customer": customer.external_id, "feature": CALLS, "amount": 140_000, "action": "delta",
               "at": now.isoformat(), "idempotency_key": f"story-{customer.external_id}"}  # fmt: skip
        report([row], now=now)
    if (customer := told.get("sold more")) is not None:
        _deal(customer, "plan-scale", "Upgrade to Scale", org, now)
    if (customer := told.get("sold, not billed")) is not None:
        _deal(customer, billed[customer.external_id], "First year", org, now)
        _stop_billing(customer, billed, now)


def _deal(customer: Customer, plan: str, title: str, org: SalesforceOrg, now: datetime) -> None:
    """A deal that was provisioned and whose subscription somebody changed afterwards."""
    link = RecordLink.objects.filter(org=org, customer=customer, entity=Entity.CUSTOMER, state=RecordLink.State.ACTIVE).first()
    intent = SubscriptionIntent(SUITE, "start", TermsSpec(plan, None, ()), now - timedelta(days=DAYS))
    Provision.objects.create(
        org=org, opportunity_id=to_18(f"006STORY{customer.pk:07}"), customer=customer, slot=Provision.Slot.CONTRACT, kind="won",
        source=Provision.Source.MANUAL, state=Provision.State.DONE, name=f"{customer.name}: {title}",
        account_id=link.salesforce_id if link else "", account_name=customer.name, opened_at=now - timedelta(days=DAYS),
        intent={"subscriptions": [intent.as_dict()]}, sentence="Provisioned.",
    )  # fmt: skip


def _bill(customer: Customer, plan: str, now: datetime, **more: str) -> None:
    key = customer.external_id
    row = {"id": f"cp-{key}", "customer_id": key, "plan_id": plan, "starting_on": (now - timedelta(days=90)).isoformat()}
    made = save_rows("customer-plans", [row | more], source="api", now=now)
    if made.failed:
        raise ValueError(f"customer-plans: {made.failed[0]}")


def _stop_billing(customer: Customer, billed: dict[str, str], now: datetime) -> None:
    _bill(customer, billed[customer.external_id], now, ending_on=(now - timedelta(days=1)).isoformat())
