"""From a mapped product to a refused call, in a real browser: what a rep does in the org and what follows here."""

import re
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.api_keys import create_key
from integrations.models import Run
from integrations.sync import runs
from provisioning.models import Provision, ProvisioningSettings, Subscription
from provisioning.salesforce import demo as salesforce_demo
from tests.journeys.orgside import OrgSide
from tests.provisioning import conftest as offices

pytestmark = pytest.mark.xdist_group("browser")
catalogue = offices.catalogue


def check(live_server, key: str, customer: str, feature: str, **more: Any) -> dict[str, Any]:
    """What a program asks."""
    answer = requests.get(
        f"{live_server.url}/api/v1/entitlements/check/", params={"customer": customer, "feature": feature, **more},
        headers={"Authorization": f"Api-Key {key}"}, timeout=30,
    )  # fmt: skip
    return answer.json()


def move(page: Page, demo_org, deal: str, stage: str) -> None:
    """What a rep does: press the stage's button on the deal's page of the org."""
    page.goto(f"{demo_org.url}/__demo__/opportunities/{deal}")
    page.get_by_role("button", name=stage, exact=True).click()
    expect(page.get_by_role("heading", name=f"Stage: {stage}")).to_be_visible()
    assert demo_org.control("flows?wait=30")["idle"]


def finish(job: str, org) -> None:
    """A run that the worker does."""
    run = runs.request_run(job, org=org, now=timezone.now())
    run.refresh_from_db()
    assert run.state in (Run.State.SUCCESS, Run.State.PARTIAL), run.sentence


def test_a_deal_is_won_used_up_amended_renewed_and_the_integration_removed(
    page: Page, live_server, sign_in, cast, connected_org, demo_org, catalogue, admin_user, shot
):
    org, org_side = connected_org, OrgSide(demo_org)
    office = offices.Office(org, demo_org, offices.client_for(org, domain="provisioning"), None)
    page = sign_in("ada")
    page.goto(f"{live_server.url}/provisioning/connections/{org.pk}/set-up/")
    page.get_by_role("button", name="Deploy").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Deploy").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    expect(page.get_by_text("Succeeded").first).to_be_visible()
    salesforce_demo.switch_on(org, user=admin_user, now=timezone.now())
    ProvisioningSettings.objects.filter(org=org).update(term_field="Term_Months__c")

    # a product of the org is mapped to a plan
    entry = office.sold(name="Pro, a seat")
    account = office.account("Journey Ltd")
    deal = office.deal(account=account, name="Journey - first", Type="New Customer", Term_Months__c=12)
    office.create("OpportunityLineItem", OpportunityId=deal, PricebookEntryId=entry, Quantity=3, UnitPrice=100)
    finish("mirror.read", org)
    page.goto(f"{live_server.url}/provisioning/mapping/?text=Pro,+a+seat")
    page.get_by_label("Id that Pro, a seat leads to").fill("plan-pro")
    page.get_by_role("button", name="Look at the changes").click()
    expect(page.get_by_text("Nothing has been written yet")).to_be_visible()
    shot("provisioning-story-mapping")
    page.get_by_role("button", name="Write to Salesforce").click()
    expect(page.locator("main")).to_contain_text(re.compile("Succeeded|being written|Mapped", re.IGNORECASE))
    product = org_side.query("SELECT Stigg_Type__c, Stigg_ID__c FROM Product2 WHERE Name = 'Pro, a seat'")[0]
    assert (product["Stigg_Type__c"], product["Stigg_ID__c"]) == ("Plan", "plan-pro")

    # the rep wins the deal; the org's flow calls; the ids are in the org
    move(page, demo_org, deal, "Closed Won")
    shot("provisioning-story-org")
    finish("provisioning.write_back", org)
    provision = Provision.objects.get(opportunity_id=deal)
    assert (provision.source, provision.state) == ("callout", "done"), provision.sentence
    page.goto(f"{live_server.url}/provisioning/")
    page.get_by_role("link", name="Journey - first").click()
    expect(page.get_by_role("heading", name="What it gave")).to_be_visible()
    shot("provisioning-story-steps")
    held = org_side.query(f"SELECT Stigg_Customer_ID__c, Stigg_Customer_URL__c FROM Account WHERE Id = '{account}'")[0]
    customer = held["Stigg_Customer_ID__c"]
    assert customer == f"sf-{account}"
    page.goto(held["Stigg_Customer_URL__c"])
    expect(page.get_by_role("heading", name="Journey Ltd")).to_be_visible()
    shot("provisioning-story-customer")

    # a program asks, and uses it up
    key = create_key(owner=admin_user, name="k", scopes=["entitlements:read", "entitlements:write"], expires=None)[1]
    assert check(live_server, key, customer, "feature-sso")["granted"]
    assert check(live_server, key, customer, "feature-calls", requested=100)["granted"]
    headers, url = {"Authorization": f"Api-Key {key}"}, f"{live_server.url}/api/v1/entitlements/consume/"
    for amount, granted in ((100, True), (1, False)):
        body = {"customer": customer, "feature": "feature-calls", "amount": amount, "idempotency_key": f"use-{amount}"}
        assert requests.post(url, json=body, headers=headers, timeout=30).json()["granted"] is granted
    refused = check(live_server, key, customer, "feature-calls")
    assert (refused["granted"], refused["reason"], refused["usage"]) == (False, "limit_exceeded", 100)
    page.reload()
    shot("provisioning-story-used-up")

    # an amendment adds an add-on, a renewal goes on from the old end: one subscription all the time
    more = office.deal(("addon-support", 2), account=account, name="Journey - more", Type="Existing Customer - Upgrade")
    move(page, demo_org, more, "Closed Won")
    assert Provision.objects.get(opportunity_id=more).state in ("done", "incomplete")
    answer = check(live_server, key, customer, "feature-calls")
    assert (answer["granted"], answer["limit"]) == (True, 120)
    before = Subscription.objects.get(account_id=account)
    again = office.deal(
        ("plan-pro", 5), account=account, name="Journey - next year", Type="Existing Customer - Renewal", Term_Months__c=12
    )
    move(page, demo_org, again, "Closed Won")
    after = Subscription.objects.get(account_id=account)
    assert after.key == before.key
    assert before.ends_at is not None
    assert after.ends_at is not None
    assert after.ends_at - before.ends_at >= timedelta(days=365)
    page.goto(f"{live_server.url}/provisioning/subscriptions/{after.key}/")
    expect(page.locator("main")).to_contain_text("Journey - next year")
    shot("provisioning-story-subscription")

    # the integration is removed by its name; what was sold stays
    page.goto(f"{live_server.url}/provisioning/connections/{org.pk}/remove/")
    page.get_by_label(re.compile("to confirm")).fill("something else")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label(re.compile("to confirm")).fill(org.name)
    if page.get_by_label(re.compile("Revoke the authorization")).is_checked():
        page.get_by_label(re.compile("Revoke the authorization")).uncheck()
    shot("provisioning-story-remove")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text(re.compile("removed", re.IGNORECASE)).first).to_be_visible()
    late = office.deal(("plan-basic", 1), account=office.account("Late Ltd"), name="Journey - late")
    move(page, demo_org, late, "Closed Won")
    assert not Provision.objects.filter(opportunity_id=late).exists()
    assert check(live_server, key, customer, "feature-sso")["granted"]
