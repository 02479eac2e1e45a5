"""The demonstration's four sides agree, and each kind of disagreement is planted once where the audit finds it."""

from datetime import timedelta

import pytest
from django.test import override_settings

from billing.models import CustomerPlan
from billing.saving import save_rows
from integrations.models import Customer, SalesforceOrg
from project import demo_agreement
from project.four_way import audit
from project.four_way.positions import Kind

PLANS = ("plan-start", "plan-pro", "plan-scale")


@pytest.fixture
def billed(db, now):
    """Ten customers who are billed, as the demonstration's billing leaves them."""
    save_rows("plans", [{"id": key, "name": key, "currency": "USD"} for key in PLANS], source="api", now=now)
    for n in range(10):
        Customer.objects.create(external_id=f"c{n}", name=f"Customer {n}", last_seen_at=now)
        save_rows("customers", [{"id": f"c{n}", "name": f"Customer {n}"}], source="api", now=now)
        row = {
            "id": f"cp-c{n}",
            "customer_id": f"c{n}",
            "plan_id": PLANS[n % 2],
            "starting_on": (now - timedelta(days=60)).isoformat(),
        }
        assert not save_rows("customer-plans", [row], source="api", now=now).failed
    return SalesforceOrg.objects.create(name="Demo", state="connected")


@override_settings(DEMO_MODE=True)
def test_the_demonstration_tells_one_story_of_each_kind(billed, cast, now):
    before = audit.compute_audit(now=now).findings
    assert {each.kind for each in before} == {Kind.BILLED_NOT_SOLD}
    assert len(before) == 10
    assert demo_agreement.fill(billed, user=cast.ada, now=now)
    found = audit.compute_audit(now=now).findings
    told = {(each.kind, each.customer_name) for each in found}
    assert told == {
        (Kind.GRANTED_NOT_SOLD, "Customer 0"), (Kind.USED_NOT_BILLED, "Customer 0"), (Kind.BILLED_NOT_SOLD, "Customer 1"),
        (Kind.BILLED_NOT_SOLD, "Customer 2"), (Kind.USED_ABOVE_GRANTED, "Customer 3"), (Kind.SOLD_NOT_GRANTED, "Customer 4"),
        (Kind.USED_NOT_BILLED, "Customer 5"),
    }  # fmt: skip
    assert not demo_agreement.fill(billed, user=cast.ada, now=now)
    assert CustomerPlan.objects.count() == 10
