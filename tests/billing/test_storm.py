"""Billing records change while Salesforce fails at random; afterwards it holds what we hold, and nothing more is sent (I-02, I-06)."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from billing.models import Invoice, LineItem, Plan
from integrations.models import Lease, Run, RunObject, SalesforceOrg
from integrations.sync import runs

pytestmark = pytest.mark.django_db
TROUBLES = [
    {"status": 503}, {"status": 500}, {"cut": 0}, {"cut": 40}, {"status": 429},
    {"status": 200, "body": "<html>maintenance</html>", "headers": {"Content-Type": "text/html"}},
    {"status": 403, "body": [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]},
]  # fmt: skip
PLACES = [("composite/sobjects", "PATCH"), ("Metronome_Invoice__c", "PATCH"), ("Line_Item", "PATCH"), ("/query", "GET")]


def weather_clears(acme) -> None:
    """No more faults; every hold and wait is over."""
    acme.demo.no_faults()
    acme.demo.settings(lock_percent=0)
    now = timezone.now()
    SalesforceOrg.objects.update(no_login_before=None)
    Lease.objects.update(expires_at=now - timedelta(seconds=1))
    Run.objects.exclude(not_before=None).update(not_before=now - timedelta(seconds=1))
    runs.sweep(now=now + timedelta(minutes=6))


@pytest.mark.parametrize("seed", [1])
def test_i_02_r_118_after_any_weather_salesforce_holds_what_we_hold_and_nothing_more_is_sent(acme, seed):
    dice = random.Random(seed)
    acme.save("line-items", *({"id": f"m-{n}", "invoice_id": "inv-1", "name": f"Line {n}", "total": 1} for n in range(12)))
    for turn in range(3):
        for place, method in dice.sample(PLACES, dice.randint(0, 3)):
            acme.demo.fault(
                path=place, method=method, times=dice.randint(1, 6), after=dice.randint(0, 2), **dice.choice(TROUBLES)
            )
        acme.demo.settings(lock_percent=dice.choice([0, 0, 30]))
        acme.save("plans", {"id": "plan-pro", "name": f"Pro {dice.randint(0, 3)}"})
        acme.save("invoices", {"id": "inv-1", "total": f"{dice.randint(0, 4)}.25"})
        for n in dice.sample(range(12), 6):
            acme.save("line-items", {"id": f"m-{n}", "name": f"Line {n} {dice.randint(0, 2)}", "total": dice.randint(0, 3)})
        acme.push()
        if turn == 1:
            weather_clears(acme)
    weather_clears(acme)
    for _ in range(3):
        acme.push()
        weather_clears(acme)
    found = acme.rows(
        "Metronome_Invoice_Line_Item_ID__c, Name__c, Total__c",
        "Metronome_Invoice_Line_Item__c",
        "Metronome_Invoice_Line_Item_ID__c",
    )
    wanted = {each.key: (each.name, each.total) for each in LineItem.objects.all()}
    wanted["l-2"] = (wanted["l-2"][0], Decimal("5.51"))
    assert {
        row["Metronome_Invoice_Line_Item_ID__c"]: (row["Name__c"], Decimal(str(row["Total__c"]))) for row in found
    } == wanted
    assert (
        acme.rows("Total__c", "Metronome_Invoice__c", "Metronome_Invoice_ID__c")[0]["Total__c"] == Invoice.objects.get().total
    )
    assert acme.rows("Name__c", "Metronome_Plan__c", "Metronome_Plan_ID__c")[0]["Name__c"] == Plan.objects.get().name
    acme.writes()
    last = acme.push()
    assert (last.state, acme.writes()) == ("success", 0), last.sentence
    for each in RunObject.objects.all():
        told = each.written + each.unchanged + each.skipped + each.failed + each.not_attempted
        assert each.read == told, (each.name, each.run.job, each.run.state)
