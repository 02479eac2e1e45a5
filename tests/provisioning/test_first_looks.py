"""What a person sees first: what is still to do, what each step did, a removal that ends the calls, a demonstration that answers."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from provisioning import demo
from provisioning.catalogue import demo as catalogue_demo
from provisioning.connection import make_key
from provisioning.first_steps import steps_of
from provisioning.models import Automation, Offer, Product, Subscription
from provisioning.provision import queries
from provisioning.provision.saying import said_of
from provisioning.salesforce import calling, checking, deploying, flow

pytestmark = pytest.mark.django_db
START = "2026-11-24T05:00:00.000Z"
NAMES = {"crm": "CRM", "plan-pro": "Pro"}
LINES = [
    {"number": 1, "name": "Pro", "type": "Plan", "key": "plan-pro"},
    {"number": 2, "name": "Calls", "type": "Add-on", "key": "addon-calls"},
    {"number": 3, "name": "Storage", "type": "Add-on", "key": "addon-storage"},
    {"number": 4, "name": "Workshop", "ignored": True},
]


def intent(action: str = "start", **more: Any) -> dict[str, Any]:
    terms = {"plan": "plan-pro", "seats": "5", "add_ons": [], "overrides": []}
    step = {"product": "crm", "action": action, "terms": terms, "starts_at": START, "subscription": "sub-1", **more}
    return {"kind": "won", "customer_source": "account_id", "customer_id": "a", "subscriptions": [step], "lines": LINES}


def said(name: str, *, given: dict[str, Any] | None = None, skipped: bool = False, **more: Any) -> str:
    result = {"subscription_ids": ["sub-1"]}
    values = {"result": result, "detail": {}, "zone": "America/New_York", "names": NAMES, **more}
    return said_of(name, skipped=skipped, intent=intent() if given is None else given, **values)


def test_each_step_says_what_it_did():
    assert said("compile") == "3 lines lead to 1 plan and 2 add-ons. 1 left out."
    assert said("customer", detail={"created": True}) == "Customer created and linked with the account."
    assert "known" in said("customer", detail={"created": False})
    assert said("subscription") == "Subscription of CRM: Pro starts Nov 24, 2026."
    assert said("write_back", written=["account", "opportunity"]) == "Account and opportunity updated."
    assert said("callout", detail={"status": 201, "tries": 2}) == "Your application answered 201 at try 2."
    assert said("callout", skipped=True) == "This automation sends no request."


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (intent(ends_at="2027-11-24T05:00:00.000Z"), "Subscription of CRM: Pro starts Nov 24, 2026 and ends Nov 24, 2027."),
        (intent(trial_ends_at="2026-12-08T05:00:00.000Z"), "Trial of CRM: Pro until Dec 8, 2026."),
        (intent("amend"), "Subscription of CRM: Pro changes Nov 24, 2026."),
        (intent("renew"), "Subscription of CRM: Pro is renewed from Nov 24, 2026."),
        (intent("convert"), "Trial of CRM: Pro becomes paid Nov 24, 2026."),
        (intent("cancel"), "Subscription of CRM: Pro ends Nov 24, 2026."),
    ],
)
def test_the_fourth_step_says_what_became_of_the_subscription(given, told):
    assert said("subscription", given=given) == told


def test_days_are_those_of_the_org():
    late = intent() | {"subscriptions": [{**intent()["subscriptions"][0], "starts_at": "2026-11-24T23:30:00.000Z"}]}
    assert said("subscription", given=late, zone="Asia/Tokyo") == "Subscription of CRM: Pro starts Nov 25, 2026."
    assert said("subscription", given=late, zone="UTC") == "Subscription of CRM: Pro starts Nov 24, 2026."


def test_the_steps_of_a_real_deal_are_told_on_its_page(office, client, cast):
    deal = office.deal(("plan-pro", 3), stage="Closed Won")
    office.call(deal)
    client.force_login(cast.marsha)
    text = client.get(f"/provisioning/provisions/{office.provision(deal).pk}/").content.decode()
    assert "1 line leads to 1 plan." in text
    assert "Customer created and linked with the account." in text
    key = Subscription.objects.get().key
    product, plan = Product.objects.get(subscriptions__key=key).name, Offer.objects.get(key="plan-pro").name
    assert f"Subscription of {product}: {plan} starts" in text
    assert f'/provisioning/subscriptions/{key}/">{product}: {plan}</a>' in text
    assert f"Subscription {key}" not in text


def test_what_left_the_catalogue_is_told_by_its_key():
    assert said("subscription", names={}) == "Subscription of crm: plan-pro starts Nov 24, 2026."


def test_a_line_of_a_blocked_deal_shows_where_it_leads(office, client, cast):
    deal = office.deal(("plan-pro", 3), ("", 1), stage="Closed Won")
    office.call(deal)
    client.force_login(cast.ada)
    page = client.get(f"/provisioning/provisions/{office.provision(deal).pk}/")
    assert page.context["lines"][0]["trace"]["key"] == "plan-pro"
    assert page.context["lines"][1]["problems"]


# --- what is still to do ------------------------------------------------------------------------------------------------------


def test_a_fresh_connection_names_what_is_to_do(connected_org, client, cast):
    client.force_login(cast.ada)
    text = client.get("/provisioning/").content.decode()
    for title in ("Fill the catalogue", "Set up Salesforce", "Map products", "Win a deal"):
        assert title in text
    client.force_login(cast.marsha)
    assert f"/provisioning/connections/{connected_org.pk}/set-up/" not in client.get("/provisioning/").content.decode()


def test_what_was_done_is_ticked_and_gone_after_the_first_deal(office):
    place = queries.places(office.org, now=timezone.now())[0]
    done = {each.title: each.is_done for each in steps_of(office.org, place.settings, place.automations)}
    assert done["Fill the catalogue"]
    assert not done["Win a deal"]
    office.call(office.deal(("plan-pro", 3), stage="Closed Won"))
    assert steps_of(office.org, place.settings, place.automations) == []


def test_templates_that_nobody_looked_at_yet_count_as_active(connected_org):
    assert not Automation.objects.exists()
    assert len(queries.places(connected_org, now=timezone.now())[0].automations) == 4


def test_the_page_of_a_connection_shows_how_provisioning_stands(office, client, cast):
    client.force_login(cast.ada)
    office.call(office.deal(("plan-pro", 3), stage="Closed Won"))
    panel = client.get(f"/connections/{office.org.pk}/").context["panels"][0]
    assert panel.title == "Provisioning"
    assert dict(panel.numbers)["Deals provisioned"] == 1
    assert dict(panel.moments)["Last call from Salesforce"] is not None
    SalesforceOrg.objects.filter(pk=office.org.pk).update(provisioning_enabled=False)
    assert client.get(f"/connections/{office.org.pk}/").context["panels"] == []


# --- removal ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def calling_org(connected_org):
    """An org whose flow calls us."""
    now = timezone.now()
    deploying.request_deploy(connected_org, user=None, now=now)
    calling.store_key(connected_org, make_key(connected_org, actor=None, now=now), actor=None, now=now)
    calling.activate(connected_org, flow.NAME, actor=None, now=now)
    return connected_org


def active(org: SalesforceOrg) -> list[str]:
    with client_for(org, domain="provisioning") as salesforce:
        return sorted(checking.active_callers(salesforce))


def remove(client, org: SalesforceOrg, **more: str) -> Any:
    return client.post(f"/provisioning/connections/{org.pk}/remove/", {"confirm": org.name, **more}, follow=True)


def test_st_40_a_removal_switches_the_flows_off_as_asked(calling_org, client, cast):
    client.force_login(cast.ada)
    remove(client, calling_org, confirm="another name", flows="on")
    assert active(calling_org) == [flow.NAME]
    answer = remove(client, calling_org, flows="on")
    assert active(calling_org) == []
    assert [each.level_tag for each in answer.context["messages"]] == ["success"]


def test_st_40_flows_may_stay_on(calling_org, client, cast):
    client.force_login(cast.ada)
    remove(client, calling_org)
    assert active(calling_org) == [flow.NAME]


def test_st_40_a_removal_goes_on_when_salesforce_does_not_answer(calling_org, client, cast, demo_org):
    client.force_login(cast.ada)
    demo_org.control("faults", {"match": {"path": "/services/data"}, "times": 50, "status": 503, "body": "down"})
    answer = remove(client, calling_org, flows="on")
    assert not SalesforceOrg.objects.get(pk=calling_org.pk).provisioning_enabled
    assert "could not be switched off" in " ".join(str(each) for each in answer.context["messages"])


# --- the demonstration --------------------------------------------------------------------------------------------------------


def test_the_demonstrations_upgrade_and_renewal_meet_a_contract(connected_org):
    now = datetime.now(UTC)
    catalogue_demo.fill(now=now)
    assert demo.start_contracts(connected_org, user=None, now=now) == 2
    assert demo.start_contracts(connected_org, user=None, now=now) == 0
    assert Subscription.objects.exclude(running_key=None).filter(org=connected_org).count() == 2
