"""From a deal in the org to what the customer may do, over HTTP on both sides (ST-01 to ST-07, ST-29 to ST-33)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from integrations.models import AuditEntry, Customer
from provisioning.entitlements.access import load_access
from provisioning.entitlements.deciding import decide
from provisioning.models import Provision, Subscription
from tests.provisioning.conftest import LOST, OPEN, POC, WON

pytestmark = pytest.mark.django_db


def may(customer: Customer, feature: str, *, at=None):
    now = at or timezone.now()
    return decide(load_access([customer.pk])[customer.pk], feature, now=now)


def test_st_01_st_02_st_03_a_closed_deal_gives_access_at_once_and_as_it_was_sold(office):
    deal = office.deal(("plan-pro", 10), ("addon-support", 2), ("feature-projects", 75), stage=WON)
    before = timezone.now()
    told = office.call(deal).json()
    assert told["status"] == "done", told
    customer = Customer.objects.get(external_id=told["customer_id"])
    assert may(customer, "feature-sso").granted
    assert may(customer, "feature-projects").limit == Decimal(75)
    assert may(customer, "feature-calls").limit == Decimal(120)  # 100 of the plan, 2 times 10 of the add-on
    assert timezone.now() - before < timedelta(seconds=60)


def test_st_06_st_29_to_st_33_a_won_deal_is_provisioned_step_by_step(office):
    account = office.account("Acme Rockets")
    deal = office.deal(("plan-pro", 10), account=account, stage=WON)
    told = office.call(deal).json()
    made, provision = office.subscription(deal), office.provision(deal)
    assert (provision.state, provision.kind, provision.slot) == ("done", "won", "contract"), provision.sentence
    assert office.steps(provision) == {
        "compile": "done", "callout": "skipped", "customer": "done", "subscription": "done", "write_back": "done",
    }  # fmt: skip
    assert told["customer_id"] == f"sf-{account}"
    assert (made.account_id, made.terms.get().seats) == (account, Decimal(10))
    assert provision.customer.name == "Acme Rockets"
    written = office.query(f"SELECT Stigg_Customer_ID__c, Stigg_Customer_URL__c FROM Account WHERE Id = '{account}'")[0]
    assert written["Stigg_Customer_ID__c"] == f"sf-{account}"
    assert written["Stigg_Customer_URL__c"].endswith(f"/provisioning/customers/{provision.customer_id}/")


def test_st_39_st_d15_both_sides_lead_to_each_other(office):
    deal = office.deal(("plan-basic", 1), stage=WON)
    office.call(deal)
    made = office.subscription(deal)
    written = office.query(f"SELECT Stigg_Subscription_ID__c, Stigg_Subscription_URL__c FROM Opportunity WHERE Id = '{deal}'")[
        0
    ]
    assert written["Stigg_Subscription_ID__c"] == made.key
    assert written["Stigg_Subscription_URL__c"].endswith(f"/provisioning/subscriptions/{made.key}/")
    assert (made.opportunity_id, made.org_id) == (deal, office.org.pk)


def test_st_05_a_deal_in_a_trial_stage_gives_a_trial(office):
    deal = office.deal(("plan-pro", 5), stage=POC)
    told = office.call(deal).json()
    made = office.subscription(deal)
    assert (told["status"], office.provision(deal, "trial").kind) == ("done", "trial")
    assert timedelta(days=13) < made.trial_ends_at - timezone.now() <= timedelta(days=14)
    assert may(made.customer, "feature-sso").granted
    assert not may(made.customer, "feature-sso", at=timezone.now() + timedelta(days=15)).granted


def test_r_192_a_trial_becomes_the_subscription_and_its_history_stays(office):
    deal = office.deal(("plan-pro", 5), stage=POC)
    office.call(deal)
    trial = office.subscription(deal)
    office.move(deal, WON)
    told = office.call(deal).json()
    assert told["subscription_ids"] == [trial.key]
    made = Subscription.objects.get()
    assert made.converted_at is not None
    assert [each.action for each in made.events.order_by("id")] == ["trial_started", "converted"]
    assert {each.slot for each in Provision.objects.all()} == {"trial", "contract"}
    office.move(deal, POC)  # in the trial stage again: no second trial
    office.call(deal)
    assert Subscription.objects.count() == 1


def test_st_07_an_amendment_and_a_renewal_change_the_one_subscription(office):
    account = office.account()
    first = office.deal(("plan-pro", 10), account=account, stage=WON)
    office.call(first)
    more = office.deal(("plan-pro", 15), account=account, Type="Existing Customer - Upgrade", name="More", stage=WON)
    told = office.call(more).json()
    made = Subscription.objects.get()
    assert (told["status"], told["subscription_ids"]) == ("done", [made.key])
    assert may(made.customer, "feature-projects").granted
    assert [each.seats for each in made.terms.order_by("id")] == [Decimal(10), Decimal(15)]
    again = office.deal(("plan-pro", 20), account=account, Type="Existing Customer - Renewal", name="Again", stage=WON)
    told = office.call(again).json()
    assert told["subscription_ids"] == [made.key], told
    assert {each.kind for each in Provision.objects.all()} == {"won", "amendment", "renewal"}


def test_s_110_each_provision_leaves_one_audit_entry(office):
    deal = office.deal(("plan-pro", 10), stage=WON)
    for _ in range(2):
        told = office.call(deal).json()
    entry = AuditEntry.objects.get(action="provision.granted")
    assert (entry.after["opportunity"], entry.after["subscription_ids"]) == (deal, told["subscription_ids"])
    office.automate("won", write_back=False)
    office.call(office.deal(("plan-mail", 1), stage=WON))
    assert AuditEntry.objects.filter(action="provision.granted").count() == 2


def test_i_19_one_deal_gives_one_customer_one_subscription_and_one_write_back(office):
    deal = office.deal(("plan-pro", 10), stage=WON)
    office.demo.forget_calls()
    for _ in range(3):
        office.call(deal)
        office.message(deal)
        office.work()
    writes = [each for each in office.demo.calls() if each["method"] in ("PATCH", "POST") and "/sobjects" in each["path"]]
    assert len(writes) == 2  # the account and the opportunity, once each
    assert (Subscription.objects.count(), Customer.objects.filter(external_id__startswith="sf-").count()) == (1, 1)


def test_an_open_or_lost_deal_asks_for_nothing(office):
    for stage in (OPEN, LOST):
        deal = office.deal(("plan-basic", 1), stage=stage)
        told = office.call(deal)
        assert (told.status_code, told.json()["status"]) == (200, "nothing_to_do")
    assert not Provision.objects.exists()
    assert not Customer.objects.filter(external_id__startswith="sf-").exists()


def test_r_195_a_start_in_the_future_in_another_time_zone_grants_at_its_instant(office):
    office.change(start_field="CloseDate")
    day = (timezone.now() + timedelta(days=40)).date()
    deal = office.deal(("plan-basic", 1), stage=WON, CloseDate=day)
    office.call(deal)
    made = office.subscription(deal)
    zone = office.query("SELECT TimeZoneSidKey FROM Organization")[0]["TimeZoneSidKey"]
    from zoneinfo import ZoneInfo

    assert made.starts_at.astimezone(ZoneInfo(zone)).date() == day
    assert made.starts_at.astimezone(ZoneInfo(zone)).hour == 0
    assert not may(made.customer, "feature-projects").granted
    assert may(made.customer, "feature-projects", at=made.starts_at).granted
    assert not may(made.customer, "feature-projects", at=made.starts_at - timedelta(seconds=1)).granted


def test_st_32_a_won_deal_provisions_its_subscription_with_seats_and_add_ons(office):
    made = office.deal(("plan-pro", 7), ("addon-support", 2), stage=WON)
    assert office.call(made).status_code == 200
    subscription = office.subscription(made)
    term = subscription.terms.get()
    assert (term.plan.offer.key, term.seats) == ("plan-pro", 7)
    assert [(each.version.offer.key, each.quantity) for each in term.add_ons.all()] == [("addon-support", 2)]
    assert office.steps(office.provision(made))["subscription"] == "done"
