"""What goes wrong between a deal and its subscription, and how it is cured (R-183 to R-191, ST-D4, ST-D10, ST-D13, I-04, I-19)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import Alert, Customer
from provisioning.catalogue.waking import wake_blocked
from provisioning.models import Provision, Subscription
from provisioning.provision import flags, steps
from provisioning.subscriptions import changes
from provisioning.subscriptions.terms import status_of
from tests.provisioning.conftest import LOST, OPEN, POC, WON

pytestmark = pytest.mark.django_db


def derived() -> int:
    return Customer.objects.filter(external_id__startswith="sf-").count()


def test_r_185_an_unmapped_line_blocks_the_deal_and_grants_nothing_until_it_is_mapped(office):
    deal = office.deal(("plan-pro", 3), ("", 1), stage=WON)
    told = office.call(deal).json()
    provision = office.provision(deal)
    assert (told["status"], provision.state) == ("blocked", "blocked")
    assert [each["line"] for each in provision.problems] == [2]
    assert (derived(), Subscription.objects.count()) == (0, 0)
    assert Alert.objects.filter(key=f"provisioning:deal:{provision.pk}", recovered_at=None).count() == 1
    product = office.query(
        f"SELECT Product2Id FROM OpportunityLineItem WHERE OpportunityId = '{deal}' AND Product2.Name = 'Unmapped'"
    )
    office.update("Product2", product[0]["Product2Id"], Stigg_Type__c="Add-on", Stigg_ID__c="addon-support")
    office.work()  # not due yet
    assert not Subscription.objects.exists()
    wake_blocked(now=timezone.now())
    office.work()
    assert office.provision(deal).state == "done"
    assert office.subscription(deal).terms.get().add_ons.count() == 1
    assert not Alert.objects.filter(key=f"provisioning:deal:{provision.pk}", recovered_at=None).exists()


def test_r_185_a_blocked_deal_is_tried_again_by_itself_after_ten_minutes(office):
    deal = office.deal(("plan-later", 1), stage=WON)
    office.call(deal)
    provision = office.provision(deal)
    assert timedelta(minutes=9) < provision.not_before - timezone.now() <= timedelta(minutes=10)
    office.all_due()
    office.work()
    assert office.provision(deal).state == "blocked"
    assert office.steps(provision)["compile"] == "failed"
    assert provision.steps.get(name="compile").attempts == 2


@pytest.mark.parametrize(
    ("lines", "code"),
    [([], "no_lines"), ([("plan-pro", -1)], ""), ([("plan-pro", "0.5")], ""), ([("plan-pro", 10**9)], "")],
)
def test_r_191_deals_that_cannot_be_meant_are_blocked_with_a_reason(office, lines, code):
    deal = office.deal(*lines, stage=WON)
    told = office.call(deal).json()
    provision = office.provision(deal)
    assert told["status"] == "blocked", told
    assert provision.sentence
    assert not code or provision.reason_code == code
    assert (derived(), Subscription.objects.count()) == (0, 0)


def test_r_191_a_deal_without_an_account_is_blocked(office):
    deal = office.deal(("plan-basic", 1), account=None, stage=WON)
    office.call(deal)
    assert "no_account" in {each["code"] for each in office.provision(deal).problems}
    assert (derived(), Subscription.objects.count()) == (0, 0)


def test_r_186_a_failed_subscription_goes_on_there_without_a_second_customer(office, monkeypatch):
    deal = office.deal(("plan-pro", 3), stage=WON)
    real = changes.start

    def break_down(*args, **options):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(changes, "start", break_down)
    office.call(deal)
    provision = office.provision(deal)
    assert provision.state == "waiting"
    assert office.steps(provision) == {
        "compile": "done", "callout": "skipped", "customer": "done", "subscription": "failed", "write_back": "waiting",
    }  # fmt: skip
    assert (derived(), Subscription.objects.count()) == (1, 0)
    monkeypatch.setattr(changes, "start", real)
    office.all_due()
    office.work()
    provision = office.provision(deal)
    assert (provision.state, office.steps(provision)["subscription"]) == ("done", "done")
    assert (derived(), Subscription.objects.count()) == (1, 1)
    assert provision.steps.get(name="customer").attempts == 1


def test_st_d10_what_fails_five_times_stops_with_an_alert_and_can_be_resumed(office, monkeypatch, cast):
    deal = office.deal(("plan-pro", 3), stage=WON)

    def break_down(*args, **options):
        raise RuntimeError("the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(changes, "start", break_down)
        office.call(deal)
        for _ in range(6):
            office.all_due()
            office.work()
    provision = office.provision(deal)
    assert (provision.state, provision.not_before) == ("stopped", None)
    assert provision.steps.get(name="subscription").attempts == 5
    assert Alert.objects.filter(key=f"provisioning:deal:{provision.pk}", recovered_at=None).exists()
    with pytest.raises(Refusal):
        steps.resume(provision, step="write_back", actor=cast.olga, now=timezone.now())
    steps.resume(provision, actor=cast.olga, now=timezone.now())
    office.work()
    assert office.provision(deal).state == "done"
    with pytest.raises(Refusal):
        steps.resume(provision, actor=cast.olga, now=timezone.now())


def test_r_188_a_refused_write_back_leaves_the_subscription_and_is_tried_again_apart(office):
    account = office.account()
    deal = office.deal(("plan-pro", 3), account=account, stage=WON)
    refusal = [{"message": "Ids are closed", "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": []}]
    rows = [
        {"id": None, "success": False, "errors": [{"statusCode": each["errorCode"], "message": each["message"], "fields": []}]}
        for each in refusal
    ]
    office.demo.fault(path="/composite/sobjects", method="PATCH", times=50, status=200, body=rows)
    told = office.call(deal).json()
    provision = office.provision(deal)
    assert told["status"] == "done"
    assert provision.state == "incomplete", provision.sentence
    assert "Ids are closed" in provision.sentence
    assert status_of(office.subscription(deal), timezone.now()) == "active"
    assert timedelta(0) < provision.not_before - timezone.now() <= timedelta(minutes=1)
    office.work()  # not due: no second try
    assert provision.steps.get(name="write_back").attempts == 1
    office.demo.no_faults()
    office.all_due()
    office.work()
    assert office.provision(deal).state == "done"
    assert office.query(f"SELECT Stigg_Customer_ID__c FROM Account WHERE Id = '{account}'")[0]["Stigg_Customer_ID__c"]
    assert Subscription.objects.count() == 1


def test_r_188_a_missing_field_is_named(office):
    office.change(account_id_field="Nowhere__c")
    deal = office.deal(("plan-pro", 3), stage=WON)
    office.call(deal)
    provision = office.provision(deal)
    assert (provision.state, provision.reason_code) == ("incomplete", "no_field")
    assert "Nowhere__c" in provision.sentence
    assert Subscription.objects.count() == 1


def test_i_19_a_salesforce_that_is_away_loses_nothing(office):
    deal = office.deal(("plan-pro", 3), stage=WON)
    office.demo.fault(path="/query", times=20, status=503)
    answer = office.call(deal)
    assert (answer.status_code, answer.json()["status"]) == (202, "taken")
    assert not Subscription.objects.exists()
    office.demo.no_faults()
    office.work()
    assert Subscription.objects.count() == 1
    assert Provision.objects.get().state == "done"


# --- undone in Salesforce ---------------------------------------------------------------------------------------------------


def sold(office) -> str:
    deal = office.deal(("plan-pro", 3), stage=WON)
    office.poll()
    office.call(deal)
    return deal


@pytest.mark.parametrize(("stage", "flag"), [(OPEN, "reopened"), (LOST, "lost")])
def test_r_183_a_won_deal_that_is_undone_is_flagged_and_keeps_what_it_gave(office, stage, flag):
    deal = sold(office)
    office.move(deal, stage)
    office.poll()
    office.poll()
    provision = office.provision(deal)
    assert (provision.flag, provision.state) == (flag, "done")
    assert status_of(office.subscription(deal), timezone.now()) == "active"
    assert Alert.objects.filter(key=f"provisioning:deal:{provision.pk}").count() == 1
    office.move(deal, WON)
    office.call(deal)
    provision = office.provision(deal)
    assert (provision.flag, Subscription.objects.count(), Provision.objects.count()) == ("", 1, 1)
    assert not Alert.objects.filter(key=f"provisioning:deal:{provision.pk}", recovered_at=None).exists()


def test_r_183_the_poll_alone_lowers_the_flag_of_a_deal_that_is_won_again(office):
    deal = sold(office)
    office.move(deal, OPEN)
    office.poll()
    office.move(deal, WON)
    office.poll()
    office.work()
    assert (office.provision(deal).flag, Subscription.objects.count()) == ("", 1)


def test_st_d13_a_deleted_deal_is_flagged_and_a_person_decides(office, cast):
    deal = sold(office)
    office.salesforce.request("DELETE", f"sobjects/Opportunity/{deal}")
    office.poll()
    provision = office.provision(deal)
    assert provision.flag == "deleted"
    with pytest.raises(Refusal):
        flags.answer(provision, "burn", actor=cast.olga, now=timezone.now())
    flags.answer(provision, "cancel_now", actor=cast.olga, now=timezone.now())
    assert status_of(office.subscription(deal), timezone.now() + timedelta(seconds=1)) == "cancelled"
    assert not Alert.objects.filter(key=f"provisioning:deal:{provision.pk}", recovered_at=None).exists()
    with pytest.raises(Refusal):
        flags.answer(provision, "keep", actor=cast.olga, now=timezone.now())


def test_st_d13_keep_and_cancel_at_the_end(office, cast):
    office.change(term_field="Term_Months__c")
    deal = office.deal(("plan-pro", 3), stage=WON, Term_Months__c=12)
    office.call(deal)
    office.move(deal, LOST)
    office.poll()
    flags.answer(office.provision(deal), "cancel_at_end", actor=cast.olga, now=timezone.now())
    made = office.subscription(deal)
    assert (made.cancelled_at, status_of(made, timezone.now())) == (made.ends_at, "active")
    office.poll()
    assert office.provision(deal).flag_answer == "cancel_at_end"  # decided: not asked again for the same


@pytest.mark.parametrize(("rule", "ends"), [("at_end", False), ("at_once", True)])
def test_st_d13_a_lost_trial_ends_as_the_settings_say(office, rule, ends):
    office.change(lost_trials=rule)
    deal = office.deal(("plan-pro", 3), stage=POC)
    office.call(deal)
    office.move(deal, LOST)
    office.poll()
    made = office.subscription(deal)
    assert (status_of(made, timezone.now() + timedelta(seconds=1)) == "expired") is ends


def test_a_deal_can_be_provisioned_anew_once_all_that_it_gave_has_ended(office, cast):
    deal = sold(office)
    provision = office.provision(deal)
    with pytest.raises(Refusal):
        flags.provide_again(provision, actor=cast.olga, now=timezone.now())
    office.move(deal, OPEN)
    office.poll()
    flags.answer(office.provision(deal), "cancel_now", actor=cast.olga, now=timezone.now())
    office.move(deal, WON)
    office.call(deal)
    assert Subscription.objects.count() == 1
    again = flags.provide_again(office.provision(deal), actor=cast.olga, now=timezone.now())
    office.work()
    again.refresh_from_db()
    assert (again.version, again.state, Subscription.objects.count()) == (2, "done", 2)


def test_i_10_a_deal_that_cannot_be_judged_stays_alone_with_it(office):
    office.automate("won", conditions=[{"field": "Name", "operator": "no such", "value": "x"}])
    bad, worse = (office.deal(("plan-pro", 3), account=office.account(n), stage=WON) for n in ("A", "B"))
    answer = office.call(bad)
    assert (answer.status_code, answer.json()["status"]) == (202, "taken")
    office.work()
    assert {office.provision(deal).state for deal in (bad, worse)} == {"waiting"}
    office.automate("won", conditions=[])
    office.all_due()
    office.work()
    assert {office.provision(deal).state for deal in (bad, worse)} == {"done"}
