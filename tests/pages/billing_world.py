"""Billing records with a nasty name, and the address of every billing page that shows them."""

from django.utils import timezone

from billing import linking
from billing.models import BillableMetric, BillingCustomer, CreditGrant, Invoice, Plan, Price
from billing.preflight import settings_of
from billing.saving import save_rows
from billing.usage import take_usage
from integrations.models import SalesforceOrg

ACCOUNTS = ("001000000000001", "001000000000002")


def fill_billing(org: SalesforceOrg, name: str) -> dict[str, str]:
    """Addresses by what they show."""
    now = timezone.now()
    rows = {
        "plans": [{"id": "pro", "name": name, "description": name}],
        "billable-metrics": [{"id": "api", "name": name, "unit": name[:40]}],
        "customers": [{"id": "acme", "name": name}, {"id": "orphan", "name": name}],
        "ingest-aliases": [{"id": "a", "customer_id": "acme", "alias": name}],
        "customer-plans": [{"id": "cp", "customer_id": "acme", "plan_id": "pro", "starting_on": "2026-10-01"}],
        "credit-grants": [{"id": "g", "customer_id": "acme", "name": name, "reason": name, "effective_at": "2026-01-01",
                           "initial_balance": 5, "balance": 2}],
        "invoices": [{"id": "i", "customer_id": "acme", "plan_id": "pro", "number": name[:80], "starts_at": "2026-10-01",
                      "ends_at": "2026-11-01", "status": "FINALIZED", "total": "10"}],
        "line-items": [{"id": "l", "invoice_id": "i", "name": name, "quantity": 2, "total": "9.5"}],
    }  # fmt: skip
    for key, records in rows.items():
        report = save_rows(key, records, source="api", now=now)
        assert not report.failed, report.failed
    Invoice.objects.update(source="rating")  # such a one can be replaced as well
    Price.objects.create(key="p", plan_key="pro", metric_key="api", name=name, model="per_unit", amount=1)
    take_usage([{"id": "u", "customer_id": "acme", "metric_id": "api", "at": now.isoformat()}], now=now)
    customer, plan = BillingCustomer.objects.get(key="acme"), Plan.objects.get()
    for account in ACCOUNTS:
        linking.link_account(customer, org=org, account_id=account, actor=None, now=now)
    settings = settings_of(org)
    settings.missing = [{"object": name, "field": "", "code": "no_object", "message": name, "fix": name}]
    settings.save()
    return {
        "overview": "/billing/", "settings": f"/billing/connections/{org.pk}/settings/",
        "people": f"/billing/connections/{org.pk}/people/", "leftovers": f"/billing/connections/{org.pk}/leftovers/",
        "links": "/billing/links/", "customers": "/billing/customers/", "customer": f"/billing/customers/{customer.pk}/",
        "invoices": "/billing/invoices/", "invoice": f"/billing/invoices/{Invoice.objects.get().pk}/",
        "credits": "/billing/credits/", "credit": f"/billing/credits/{CreditGrant.objects.get().pk}/",
        "plans": "/billing/plans/", "plan": f"/billing/plans/{plan.pk}/", "new price": f"/billing/plans/{plan.pk}/prices/new/",
        "price": f"/billing/plans/{plan.pk}/prices/{Price.objects.get().pk}/", "metrics": "/billing/metrics/",
        "metric": f"/billing/metrics/{BillableMetric.objects.get().pk}/", "import": "/billing/import/",
    }  # fmt: skip
