"""Which records of each billing object there are, and which of them belong into a connection."""

from typing import Any

from django.db.models import QuerySet

from billing.models import (
    AccountLink,
    BillableMetric,
    BillingCustomer,
    BillingRecord,
    BillingSettings,
    CreditGrant,
    CustomerPlan,
    IngestAlias,
    Invoice,
    LineItem,
    Plan,
)
from billing.objects import ACCOUNT, BY_KEY, CUSTOMER_ACCOUNT, LOOKUP, OBJECTS, BillingObject
from integrations.models import SalesforceOrg

MODELS: dict[str, type[BillingRecord]] = {
    "plans": Plan, "billable-metrics": BillableMetric, "customers": BillingCustomer, "ingest-aliases": IngestAlias,
    "customer-plans": CustomerPlan, "credit-grants": CreditGrant, "invoices": Invoice, "line-items": LineItem,
}  # fmt: skip
# The field whose value groups rows that would lock one another (reference section 2), and which is the outbox's parent.
PARENT = {
    "customers": "account_id", "ingest-aliases": "customer", "customer-plans": "customer", "credit-grants": "customer",
    "invoices": "customer", "line-items": "invoice", "customer-accounts": "customer",
}  # fmt: skip


def in_scope(org: SalesforceOrg, settings: BillingSettings, key: str) -> QuerySet[Any]:
    """Records of an object that belong into the connection (MT-11, MT-D2), deleted ones left out.

    Plans and metrics always do; of the rest, what belongs to a customer in scope.
    """
    records = MODELS[key]._default_manager.filter(deleted_at=None)
    if not is_narrowed(settings, key):
        return records
    linked = AccountLink.objects.filter(org=org, state=AccountLink.State.ACTIVE).values("customer_id")
    if key == "customers":
        return records.filter(pk__in=linked)
    customers = BillingCustomer.objects.filter(pk__in=linked).values("key")
    if key == "line-items":
        return records.filter(invoice_key__in=Invoice.objects.filter(customer_key__in=customers).values("key"))
    return records.filter(customer_key__in=customers)


def is_narrowed(settings: BillingSettings, key: str) -> bool:
    """Whether only a part of an object's records belongs into the connection."""
    return settings.scope != BillingSettings.Scope.ALL and key not in ("plans", "billable-metrics")


def unlinked(org: SalesforceOrg, settings: BillingSettings) -> QuerySet[Any]:
    """Customers that left the scope because their last link went: what they still have there must not stay linked (MT-D3)."""
    links = AccountLink.objects.filter(org=org)
    if settings.scope == BillingSettings.Scope.ALL:
        return BillingCustomer.objects.none()
    active = links.filter(state=AccountLink.State.ACTIVE).values("customer_id")
    lost = links.exclude(state=AccountLink.State.ACTIVE).values("customer_id")
    return BillingCustomer.objects.filter(deleted_at=None, pk__in=lost).exclude(pk__in=active)


def objects_of(settings: BillingSettings) -> tuple[BillingObject, ...]:
    """What is pushed into the connection, parents first: the eight objects, and the junction where it was chosen."""
    wants_junction = settings.many_accounts == BillingSettings.ManyAccounts.JUNCTION
    return (*OBJECTS, CUSTOMER_ACCOUNT) if wants_junction else OBJECTS


def has_rows(settings: BillingSettings, key: str) -> bool:
    """Whether any row of an object belongs into the connection."""
    if BY_KEY[key].is_ours:
        return AccountLink.objects.filter(org=settings.org, state=AccountLink.State.ACTIVE).exists()
    return in_scope(settings.org, settings, key).exists()


def gone(key: str) -> QuerySet[Any]:
    """Records that were deleted in the source and must go from Salesforce: line items that left their draft (MT-D10)."""
    records = MODELS[key]._default_manager
    return records.exclude(deleted_at=None) if key in ("line-items", "ingest-aliases", "customer-plans") else records.none()


def parent_of(key: str) -> str:
    """Key of the billing object that the outbox's parent keys of this object name; "" for none (an Account is not ours)."""
    lookup = next((each for each in BY_KEY[key].fields if each.type == LOOKUP and each.source == PARENT.get(key)), None)
    return "" if lookup is None or lookup.to == ACCOUNT else lookup.to
