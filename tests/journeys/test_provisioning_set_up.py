"""The set-up of provisioning in a real browser: from an empty org to a flow that calls; every page by axe with nasty names."""

import re

import pytest
from playwright.sync_api import Page, expect

from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce import rest
from provisioning.connection import settings_of
from provisioning.models import Delivery
from tests.journeys.test_look import findings, small_targets, watch
from tests.pages.conftest import NASTY

pytestmark = pytest.mark.xdist_group("browser")


def test_st_13_to_st_29_an_admin_sets_an_org_up_and_its_flow_calls_us(
    page: Page, live_server, sign_in, cast, connected_org, demo_org, shot
):
    sign_in("ada")
    start = f"{live_server.url}/provisioning/connections/{connected_org.pk}/set-up/"
    page.goto(start)
    shot("provisioning-set-up-before")
    page.get_by_role("button", name="Deploy").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Deploy").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    expect(page.get_by_text("Succeeded").first).to_be_visible()

    page.goto(start)
    page.get_by_role("link", name="Give it to people").click()
    page.get_by_label("Salesforce user names").fill(connected_org.user_name)
    page.get_by_role("button", name="Assign").click()
    expect(page.get_by_role("status").get_by_text("Assigned")).to_be_visible()

    page.goto(start)
    page.get_by_role("link", name="Store the key").click()
    shot("provisioning-set-up-key")
    page.get_by_role("button", name="Make and store a key").click()
    page.wait_for_url(f"{start}flows/")
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("button", name="Switch off")).to_be_visible()
    shot("provisioning-set-up-flows")

    page.goto(start)
    page.get_by_role("button", name="Check now").click()
    expect(page.locator(".badge", has_text="Done")).to_have_count(5)
    shot("provisioning-set-up-after")

    with client_for(connected_org, domain="provisioning") as client:
        account = client.query_all("SELECT Id FROM Account ORDER BY Id LIMIT 1")[0]["Id"]
        row = {"Name": "Won at once", "StageName": "Closed Won", "CloseDate": "2026-11-22", "AccountId": account}
        found = rest.create_record(client, "Opportunity", row).or_raise().id
        assert demo_org.control("flows?wait=30")["idle"]
        assert client.query_all(f"SELECT Subject FROM Task WHERE WhatId = '{found}'") == []
    delivery = Delivery.objects.get()
    assert (delivery.org_id, delivery.source, delivery.opportunity_ids) == (connected_org.pk, "callout", [found])
    assert delivery.status < 300, delivery.sentence


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_s_035_set_up_pages_with_nasty_names_are_accessible_and_run_nothing(
    page: Page, live_server, sign_in, cast, connected_org, scheme, width
):
    SalesforceOrg.objects.filter(pk=connected_org.pk).update(name=NASTY[:80], environment="production")
    settings = settings_of(connected_org)
    lack = {"object": "Account", "field": NASTY, "message": NASTY, "fix": NASTY, "is_advice": False, "code": "no_field"}
    settings.lacks = [lack, {**lack, "object": "Flow", "code": "two_flows", "is_advice": True}]
    settings.checked_at = connected_org.created_at
    settings.save()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    heard = watch(page)
    sign_in("ada")
    problems = {}
    for name in ("", "people/", "key/", "flows/"):
        page.goto(f"{live_server.url}/provisioning/connections/{connected_org.pk}/set-up/{name}")
        expect(page.locator("h1")).to_be_visible()
        found = findings(page) + (small_targets(page) if width == 390 else []) + heard
        if found:
            problems[name] = list(found)
            heard.clear()
    assert problems == {}
