"""Killed at any moment, and taken over: the end is the one of an uninterrupted run (I-02, I-19, R-186, R-188, R-250)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import Customer, Lease, Run
from provisioning.entitlements.checking import check
from provisioning.models import Provision, Subscription
from provisioning.provision import applying, customers, judging, steps, write_back
from provisioning.subscriptions import changes
from provisioning.subscriptions.terms import status_of
from tests.provisioning.conftest import WON

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """What no code of ours catches, as nothing catches a kill."""


def die(*args: object, **options: object) -> None:
    raise Killed


def after(work):
    """Do it, then die: what was done stands, what should have followed does not."""

    def both(*args: object, **options: object) -> None:
        work(*args, **options)
        raise Killed

    return both


def outcome(office, deal: str) -> dict[str, object]:
    """What a deal led to, without numbers that differ from deal to deal."""
    provision, made = office.provision(deal), office.subscription(deal)
    account = office.query(f"SELECT AccountId FROM Opportunity WHERE Id = '{deal}'")[0]["AccountId"]
    written = office.query(f"SELECT Stigg_Customer_ID__c, Stigg_Customer_URL__c FROM Account WHERE Id = '{account}'")[0]
    back = office.query(f"SELECT Stigg_Subscription_ID__c FROM Opportunity WHERE Id = '{deal}'")[0]
    term = made.terms.get()
    return {
        "state": provision.state, "steps": office.steps(provision), "status": status_of(made, timezone.now()),
        "customer": made.customer.external_id == f"sf-{account}" == written["Stigg_Customer_ID__c"],
        "url": bool(written["Stigg_Customer_URL__c"]), "subscription": back["Stigg_Subscription_ID__c"] == made.key,
        "plan": (term.plan.offer.key, term.seats, sorted(each.version.offer.key for each in term.add_ons.all())),
        "events": [each.action for each in made.events.order_by("id")],
    }  # fmt: skip


def let_time_pass(office) -> None:
    """Until leases of dead workers have ended and everything that waits is due."""
    now = timezone.now()
    Provision.objects.exclude(claimed_until=None).update(claimed_until=now - timedelta(seconds=1))
    Lease.objects.update(expires_at=now - timedelta(seconds=1))
    Run.objects.filter(state=Run.State.RUNNING).update(state=Run.State.INTERRUPTED, finished_at=now)
    office.all_due()


MOMENTS = {
    "deciding": (judging, "compile_deal", die),
    "having made the customer": (customers, "ensure_customer", after),
    "making the subscription": (changes, "start", die),
    "noting the subscription": (applying, "apply_intent", after),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_i_02_i_19_a_worker_killed_at_any_step_is_taken_over_with_the_same_end(office, monkeypatch, moment):
    whole = office.deal(("plan-pro", 3), ("addon-support", 2), account=office.account("Whole"), stage=WON)
    office.call(whole)
    office.work()
    place, name, how = MOMENTS[moment]
    cut = office.deal(("plan-pro", 3), ("addon-support", 2), account=office.account("Cut"), stage=WON)
    Provision.objects.create(
        org=office.org, opportunity_id=cut, slot="contract", kind="won", source="poll", not_before=timezone.now()
    )
    with monkeypatch.context() as dying:
        dying.setattr(place, name, die if how is die else how(getattr(place, name)))
        with pytest.raises(Killed):
            steps.advance(office.provision(cut), now=timezone.now())
    assert not Subscription.objects.filter(opportunity_id=cut).exists(), "what was not finished was not kept by half"
    office.work()
    assert office.provision(cut).state == "running", "its lease has not ended"
    let_time_pass(office)
    office.work()
    office.work()
    assert outcome(office, cut) == outcome(office, whole)
    assert (Subscription.objects.count(), Customer.objects.filter(external_id__startswith="sf-").count()) == (2, 2)


@pytest.mark.parametrize("moment", ["before Salesforce was told", "after Salesforce was told"])
def test_i_02_i_19_a_write_back_that_is_killed_is_done_once_and_takes_nothing_back(office, monkeypatch, moment):
    whole = office.deal(("plan-pro", 3), account=office.account("Whole"), stage=WON)
    office.call(whole)
    office.work()
    cut = office.deal(("plan-pro", 3), account=office.account("Cut"), stage=WON)
    before = moment.startswith("before")
    with monkeypatch.context() as dying:
        if before:
            dying.setattr(write_back, "push_rows", die)
        else:
            dying.setattr(write_back, "_note", die)
        with pytest.raises(Killed):
            office.call(cut)  # in tests the worker's run follows at once
    made = office.subscription(cut)
    assert (office.provision(cut).state, status_of(made, timezone.now())) == ("incomplete", "active")
    assert check(made.customer.external_id, "feature-sso", now=timezone.now()).granted
    let_time_pass(office)
    office.demo.forget_calls()
    office.work()
    assert outcome(office, cut) == outcome(office, whole)
    writes = [each for each in office.demo.calls() if each["method"] == "PATCH"]
    assert len(writes) == (2 if before else 0), "what Salesforce accepted before the kill is not sent again"


REFUSALS = {
    "lock": {"status": 200, "body": "UNABLE_TO_LOCK_ROW"},
    "limit": {"status": 403, "body": [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]},
    "away": {"status": 503, "body": None},
}


@pytest.mark.parametrize("cause", REFUSALS)
def test_r_188_whatever_refuses_the_write_back_customers_keep_what_they_bought(office, client, cast, cause):
    deal = office.deal(("plan-pro", 3), stage=WON)
    fault = dict(REFUSALS[cause])
    if isinstance(fault["body"], str):
        error = {"statusCode": fault["body"], "message": "Ids are closed", "fields": []}
        fault["body"] = [{"id": None, "success": False, "errors": [error]}]
    office.demo.fault(path="/composite/sobjects", method="PATCH", times=50, **fault)
    told = office.call(deal).json()
    office.work()
    provision, made = office.provision(deal), office.subscription(deal)
    assert told["subscription_ids"] == [made.key]
    assert (provision.state, status_of(made, timezone.now())) == ("incomplete", "active"), provision.sentence
    assert office.steps(provision)["subscription"] == "done"
    assert check(told["customer_id"], "feature-sso", now=timezone.now()).granted
    client.force_login(cast.olga)
    assert "Write-back pending" in client.get(f"/provisioning/provisions/{provision.pk}/").content.decode()
    waits = []
    for _ in range(3):
        office.all_due()
        office.run(write_back.JOB)
        provision.refresh_from_db()
        waits.append(provision.not_before - timezone.now())
    assert waits == sorted(waits), "it is tried again with growing waits"
    assert waits[0] < waits[-1]
    office.demo.no_faults()
    office.all_due()
    last = office.run(write_back.JOB)
    assert office.provision(deal).state == "done", (
        last.state,
        last.reason_code,
        last.sentence,
        last.not_before,
        office.provision(deal).sentence,
        [str(w) for w in waits],
        list(Run.objects.values_list("job", "state", "reason_code", "not_before")),
    )
    assert Subscription.objects.count() == 1
