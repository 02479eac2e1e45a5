"""Deals in a storm: calls twice, lost, late; Salesforce fails at random in every way. Afterwards all is as without it (I-02, I-04, I-19)."""

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import Customer, Run, RunObject, SalesforceOrg
from integrations.sync import runs
from provisioning.models import Provision, Subscription
from provisioning.provision import write_back
from tests.provisioning.conftest import OPEN, POC, WON
from tests.provisioning.test_killed import let_time_pass

pytestmark = pytest.mark.django_db
TROUBLES = [
    {"status": 503}, {"status": 500}, {"cut": 0}, {"status": 429, "headers": {"Retry-After": "1"}},
    {"status": 401, "body": [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}]},
    {"status": 200, "body": "<html>maintenance</html>", "headers": {"Content-Type": "text/html"}},
]  # fmt: skip
PLACES = [("/query", "GET"), ("composite/sobjects", "PATCH"), ("/describe", "GET"), ("/services/data", None)]
STAGES = (POC, WON, OPEN, WON)


def trouble(office, dice: random.Random) -> None:
    """One of the next calls goes wrong in some way."""
    place, method = dice.choice(PLACES)
    fault = dict(dice.choice(TROUBLES))
    is_session = fault.get("status") == 401
    if is_session:  # one at a time: a token that is refused twice in a row needs a person
        office.demo.no_faults()
    if method:
        fault["method"] = method
    office.demo.fault(path=place, times=1 if is_session else dice.randint(1, 4), **fault)


def weather_clears(office) -> None:
    """No more faults, and the time that holds and waits take has passed."""
    office.demo.no_faults()
    SalesforceOrg.objects.filter(pk=office.org.pk).update(no_login_before=None)
    let_time_pass(office)
    Run.objects.exclude(not_before=None).update(not_before=timezone.now() - timedelta(seconds=1))
    runs.sweep(now=timezone.now() + timedelta(minutes=6))


@pytest.mark.parametrize("seed", [1])
def test_i_02_i_19_i_04_whatever_fails_and_repeats_each_deal_ends_as_in_good_weather(office, seed):
    dice = random.Random(seed)
    deals = [office.deal(("plan-pro", n + 1), account=office.account(f"A {n}"), name=f"D {n}") for n in range(2)]
    office.poll()
    for stage in STAGES:
        for deal in deals:
            office.move(deal, stage)
        for _ in range(2):
            for deal in dice.sample(deals, 2):
                trouble(office, dice)
                (office.call if dice.random() < 0.7 else office.message)(deal)
            trouble(office, dice)
            office.all_due()
            office.work()
            weather_clears(office)
    for _ in range(4):
        office.work()
        weather_clears(office)
    for n, deal in enumerate(deals):
        provision, made = office.provision(deal), office.subscription(deal)
        assert (provision.state, provision.flag) == ("done", ""), provision.sentence
        assert made.terms.order_by("-id").first().seats == n + 1
        assert (made.trial_ends_at is None) or made.converted_at is not None
        found = office.query(
            f"SELECT Stigg_Subscription_ID__c, Account.Stigg_Customer_ID__c FROM Opportunity WHERE Id = '{deal}'"
        )[0]
        assert found["Stigg_Subscription_ID__c"] == made.key
        assert found["Account"]["Stigg_Customer_ID__c"] == made.customer.external_id
    assert Subscription.objects.count() == Customer.objects.filter(external_id__startswith="sf-").count() == len(deals)
    assert not Run.objects.filter(state__in=("running", "queued")).exists()
    for each in RunObject.objects.all():
        told = each.written + each.unchanged + each.skipped + each.failed + each.not_attempted
        assert each.read == told, (each.name, each.run.job)
    office.demo.forget_calls()
    office.all_due()
    office.run(write_back.JOB)
    assert [each for each in office.demo.calls() if each["method"] in ("PATCH", "POST")] == []
    assert not Provision.objects.filter(state="incomplete").exists()
