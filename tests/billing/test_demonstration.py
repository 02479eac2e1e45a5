"""The demonstration: filled once, rated, pushed, and the sample query of the package finds customers."""

import pytest
from django.utils import timezone

from billing import demo, push, rating
from billing.models import AccountLink, Invoice, UsageRecord
from integrations.models import Customer, OutboxRow
from integrations.orgs.connect import client_for
from integrations.sync import runs

pytestmark = pytest.mark.django_db


def test_the_demonstration_is_filled_once_rated_and_pushed(connected_org, demo_org):
    for number in range(4):
        Customer.objects.create(external_id=f"cust-{number}", name=f"Customer {number}")
    now = timezone.now()
    assert demo.fill(connected_org, now=now)
    assert not demo.fill(connected_org, now=now)
    assert UsageRecord.objects.count() > 300
    assert AccountLink.objects.count() == 0  # nothing is matched here
    for job, org in ((rating.JOB, None), (push.JOB, connected_org)):
        run = runs.request_run(job, org=org, now=now)
        run.refresh_from_db()
        assert run.state == "success", run.sentence
    assert Invoice.objects.filter(status="FINALIZED").count() >= 6
    assert OutboxRow.objects.count() == 0
    with client_for(connected_org, domain="billing") as client:
        assert client.count("SELECT count() FROM NOME__Metronome_Invoice__c") == Invoice.objects.count()
