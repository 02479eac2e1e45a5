"""A connected demo org with the billing package, and hands on both sides."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from billing import push
from billing.models import BillingCustomer
from billing.preflight import settings_of
from billing.saving import save_rows
from integrations.models import Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.sync import runs
from tests.demo import DemoOrgHandle

PACKAGE = "NOME__"


@dataclass
class Office:
    """Save billing records here, push them, look at what the org holds."""

    org: SalesforceOrg
    demo: DemoOrgHandle
    salesforce: Any

    def save(self, object_key: str, *rows: dict[str, Any]) -> list[str]:
        """The status of each row, all of which must be taken."""
        report = save_rows(object_key, rows, source="api", now=timezone.now())
        assert not report.failed, report.failed
        return [each.status for each in report.rows]

    def push(self) -> Run:
        """One push, at once."""
        run = runs.request_run(push.JOB, org=self.org, now=timezone.now())
        run.refresh_from_db()
        return run

    def customer(self, key: str) -> BillingCustomer:
        return BillingCustomer.objects.get(key=key)

    def change(self, **wanted: Any) -> None:
        """Settings of the connection."""
        settings = settings_of(self.org)
        for name, value in wanted.items():
            setattr(settings, name, value)
        settings.save()

    def accounts(self, n: int) -> list[str]:
        return [row["Id"] for row in self.salesforce.query_all(f"SELECT Id FROM Account ORDER BY Id LIMIT {n}")]

    def rows(self, fields: str, name: str, order: str, prefix: str = PACKAGE) -> list[dict[str, Any]]:
        """Records of an object in the org; names without the prefix (Name stays)."""
        plain = [each.strip() for each in fields.split(",")]
        asked = ", ".join(each if each == "Name" else f"{prefix}{each}" for each in plain)
        found = self.salesforce.query_all(f"SELECT {asked} FROM {prefix}{name} ORDER BY {prefix}{order}")
        return [{each: row[each if each == "Name" else f"{prefix}{each}"] for each in plain} for row in found]

    def writes(self) -> int:
        """Rows that the demo org counted as written since the last look."""
        found = self.demo.control("writes")["rows"]
        self.demo.control("writes", method="DELETE")
        return found


@pytest.fixture
def office(connected_org: SalesforceOrg, demo_org: DemoOrgHandle) -> Office:
    demo_org.control("packages", {"package": "billing"})
    made = Office(connected_org, demo_org, client_for(connected_org, domain="billing"))
    made.writes()
    return made


@pytest.fixture
def acme(office: Office) -> Office:
    """One customer with everything."""
    office.change(scope="all")
    office.save("plans", {"id": "plan-pro", "name": "Pro", "description": "All of it"})
    office.save("billable-metrics", {"id": "m-api", "name": "API calls"})
    office.save("customers", {"id": "acme", "name": "Acme"})
    office.save("ingest-aliases", {"id": "a-1", "customer_id": "acme", "alias": "acme.example"})
    office.save("customer-plans", {"id": "cp-1", "customer_id": "acme", "plan_id": "plan-pro", "starting_on": "2026-01-01"})
    office.save("credit-grants", {
        "id": "g-1", "customer_id": "acme", "name": "Welcome", "credit_type": "USD", "effective_at": "2026-01-01T00:00:00Z",
        "initial_balance": "100", "balance": "12.345", "paid_amount": 50, "paid_currency": "USD",
    })  # fmt: skip
    office.save("invoices", {
        "id": "inv-1", "customer_id": "acme", "plan_id": "plan-pro", "starts_at": "2026-10-01", "ends_at": "2026-11-01",
        "status": "FINALIZED", "issued_at": "2026-11-02T08:00:00Z", "total": "10.005",
    })  # fmt: skip
    office.save("line-items",
                {"id": "l-1", "invoice_id": "inv-1", "name": "API calls", "quantity": "0.004", "total": "4.5"},
                {"id": "l-2", "invoice_id": "inv-1", "name": "Seats", "quantity": 3, "total": "5.505"})  # fmt: skip
    return office
