"""A customer's subscription and entitlements as people see and change them, in Chromium."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.models import SalesforceOrg
from provisioning.entitlements import promotions
from provisioning.metering.using import report
from tests.journeys.conftest import SHOTS
from tests.journeys.test_look import findings, small_targets
from tests.provisioning.shelf import DAY, customer, stock, subscribe


@pytest.fixture
def acme(transactional_db, cast):
    stock()
    who, now = customer(), timezone.now()
    org = SalesforceOrg.objects.create(
        name="Acme",
        login_url="https://acme.my.salesforce.com",
        instance_url="https://acme.my.salesforce.com",
        state="connected",
    )
    subscribe(
        who, now=now, ends_at=now + 300 * DAY, add_ons={"addon-calls": 2}, overrides={"audit": 1, "projects": 12}, org=org,
        account_id="001000000000001AAA", opportunity_id="006000000000001AAA",
    )  # fmt: skip
    subscribe(who, "plan-mail", now=now, trial_ends_at=now + 9 * DAY)
    promotions.grant(who, feature="feature-storage", limit=Decimal(5), ends_at=now + 30 * DAY, reason="Thanks", now=now)
    for feature, amount in (("calls", 21), ("storage", 18)):
        report([{"customer": "acme", "feature": f"feature-{feature}", "amount": amount}], now=now)
    return who


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def test_an_operator_looks_changes_and_cancels(acme, sign_in, live_server):
    page = sign_in("olga")
    page.goto(f"{live_server.url}/provisioning/customers/{acme.pk}/")
    expect(page.get_by_role("heading", name="Acme", exact=True)).to_be_visible()
    expect(page.get_by_text("21 of 23")).to_be_visible()
    shot(page, "customer")
    page.locator("#try-feature").fill("feature-calls")
    page.get_by_label("Requested").fill("9")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("Denied: The limit is reached.")).to_be_visible()
    page.goto(f"{live_server.url}/provisioning/subscriptions/")
    shot(page, "subscriptions")
    page.get_by_role("row").filter(has_text="Crm").get_by_role("link", name="Acme").click()
    expect(page.get_by_role("link", name="001000000000001AAA")).to_have_attribute(
        "href", "https://acme.my.salesforce.com/001000000000001AAA"
    )
    shot(page, "subscription")
    page.get_by_role("link", name="Change", exact=True).click()
    page.get_by_label("Plan", exact=True).select_option("plan-pro")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("What the customer will see change")).to_be_visible()
    shot(page, "change")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("plan Team → Pro")).to_be_visible()
    page.get_by_label("Why").fill("Out of budget")
    page.get_by_role("button", name="Cancel the subscription").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the subscription").click()
    expect(page.get_by_text("Cancelled", exact=True).first).to_be_visible()


def test_pages_fit_a_phone(acme, sign_in, live_server):
    page = sign_in("olga")
    page.set_viewport_size({"width": 390, "height": 844})
    key = acme.subscriptions.order_by("pk").first().key
    paths = (f"customers/{acme.pk}/", "subscriptions/", f"subscriptions/{key}/", f"subscriptions/{key}/change/amend/")
    for number, path in enumerate(paths):
        page.goto(f"{live_server.url}/provisioning/{path}")
        assert not [*findings(page), *small_targets(page)], path
        shot(page, f"phone-{number}")


def test_a_grant_ends_as_shown(acme, sign_in, live_server):
    page = sign_in("olga")
    page.goto(f"{live_server.url}/provisioning/customers/{acme.pk}/")
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("taken back", exact=False).first).to_be_visible()
    assert not promotions.PromotionalGrant.objects.filter(revoked_at=None, ends_at__gt=timezone.now() + timedelta(0)).exists()
