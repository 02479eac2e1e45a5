"""A customer's life by its deals: trial, contract, amendment, renewal, another product; through the real steps."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from provisioning.automations import authoring
from provisioning.automations.stages import read_choices
from provisioning.intent.loading import load_running
from provisioning.models import Automation, Provision, Subscription
from tests.provisioning.conftest import POC, WON, Office

pytestmark = pytest.mark.django_db
UPGRADE, RENEWAL = "Existing Customer - Upgrade", "Existing Customer - Renewal"


def midnight(office: Office, days: int = 0) -> datetime:
    """When the day begins in the org's time zone, so many days from today there."""
    zone = ZoneInfo(office.query("SELECT TimeZoneSidKey FROM Organization")[0]["TimeZoneSidKey"])
    day = datetime.now(zone).date() + timedelta(days=days)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def today(office: Office, days: int = 0) -> str:
    zone = ZoneInfo(office.query("SELECT TimeZoneSidKey FROM Organization")[0]["TimeZoneSidKey"])
    return str(datetime.now(zone).date() + timedelta(days=days))


def win(office: Office, deal: str) -> dict:
    office.move(deal, WON)
    answer = office.call(deal)
    assert answer.status_code == 200, answer.content
    return answer.json()


def only(office: Office, account: str) -> Subscription:
    return Subscription.objects.get(account_id=account, product__key="crm")


def test_st_05_st_06_st_07_trial_contract_amendment_renewal_are_one_subscription(office: Office) -> None:
    office.change(term_field="Term_Months__c")
    account = office.account()
    deal = office.deal(("plan-pro", 5), account=account, CloseDate=today(office), Term_Months__c=12)
    office.move(deal, POC)
    office.call(deal)
    row = only(office, account)
    assert row.trial_ends_at is not None
    assert row.trial_ends_at - row.starts_at == timedelta(days=14)

    win(office, deal)
    row.refresh_from_db()
    assert row.converted_at is not None
    assert row.ends_at is not None
    first_end = row.ends_at

    change = office.deal(("plan-pro", 8), ("addon-support", 2), account=account, Type=UPGRADE, CloseDate=today(office))
    win(office, change)
    (held,) = load_running(row.customer, now=timezone.now())
    assert (held.terms[-1][1].seats, held.terms[-1][1].add_ons[0].quantity) == (Decimal(8), Decimal(2))
    assert held.ends_at == first_end

    renewed = office.deal(("plan-pro", 20), account=account, Type=RENEWAL, CloseDate=today(office), Term_Months__c=24)
    win(office, renewed)
    (held,) = load_running(row.customer, now=timezone.now())
    assert held.terms[-1][0] == first_end
    assert (held.terms[-1][1].seats, held.terms[-1][1].add_ons) == (Decimal(20), ())
    assert held.terms_at(timezone.now()).seats == 8
    assert held.ends_at is not None
    assert held.ends_at.year == first_end.year + 2
    assert Subscription.objects.filter(account_id=account).count() == 1
    kinds = Provision.objects.filter(account_id=account).order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["trial", "won", "amendment", "renewal"]


def test_st_d12_never_a_second_subscription_of_a_product(office: Office) -> None:
    account = office.account()
    win(office, office.deal(("plan-pro", 5), account=account, CloseDate=today(office)))
    second = win(office, office.deal(("plan-basic", 1), account=account, CloseDate=today(office)))
    assert second["results"][0]["status"] == "blocked" if "results" in second else second["status"] == "blocked"
    assert Subscription.objects.filter(account_id=account).count() == 1
    win(office, office.deal(("plan-mail", 1), account=account, CloseDate=today(office)))
    assert Subscription.objects.filter(account_id=account).count() == 2


def test_r_195_a_future_start_is_scheduled_for_midnight_in_the_orgs_zone(office: Office) -> None:
    deal = office.deal(("plan-pro", 5), CloseDate=today(office))
    item = office.query(f"SELECT Id FROM OpportunityLineItem WHERE OpportunityId = '{deal}'")[0]["Id"]
    office.update("OpportunityLineItem", item, ServiceDate=today(office, 40))
    win(office, deal)
    row = office.subscription(deal)
    assert row.starts_at == midnight(office, 40)


def test_st_09_an_amendment_with_0_ends_the_subscription(office: Office) -> None:
    account = office.account()
    win(office, office.deal(("plan-pro", 5), ("addon-support", 1), account=account, CloseDate=today(office)))
    office.demo.control("packages", {"package": "cpq"})
    change = office.deal(("plan-pro", 1), account=account, name="Change", CloseDate=today(office))
    quote = office.create("SBQQ__Quote__c", SBQQ__Opportunity2__c=change, SBQQ__Primary__c=True, SBQQ__Type__c="Amendment",
                          SBQQ__StartDate__c=today(office, 10))  # fmt: skip
    for mapping in ("plan-pro", "addon-support"):
        product = office.query(f"SELECT Product2Id FROM PricebookEntry WHERE Id = '{office.sold(mapping)}'")[0]["Product2Id"]
        office.create("SBQQ__QuoteLine__c", SBQQ__Quote__c=quote, SBQQ__Product__c=product, SBQQ__Quantity__c=0)
    win(office, change)
    assert only(office, account).cancelled_at == midnight(office, 10)


def test_st_d1_created_directly_as_won_and_narrowed_by_condition(office: Office) -> None:
    mine = authoring.save_automation(
        None, authoring.Draft("Large only", "won", conditions=[{"field": "Amount", "operator": "at_least", "value": "1000"}]),
        org=office.org, choices=read_choices(office.org), actor=None,
        now=timezone.now(),
    )  # fmt: skip
    authoring.activate(mine, replacing=True, actor=None, now=timezone.now())
    small = office.deal(("plan-pro", 1), stage=WON, CloseDate=today(office))
    large = office.deal(("plan-pro", 50), stage=WON, CloseDate=today(office))
    office.call(small)
    office.call(large)
    assert not Subscription.objects.filter(opportunity_id=small).exists()
    assert office.provision(large).automation == Automation.objects.get(pk=mine.pk)
