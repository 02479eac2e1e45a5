"""Automations and open deals in a real browser: from a template to an own automation; every page by axe with nasty names."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from provisioning.automations import authoring, finding
from provisioning.models import Automation
from tests.journeys.test_look import findings, small_targets, watch
from tests.pages.conftest import NASTY

pytestmark = pytest.mark.xdist_group("browser")


def open_deal(org: SalesforceOrg) -> dict:
    """New business that is still open."""
    soql = "SELECT Id, Name FROM Opportunity WHERE IsClosed = false AND HasOpportunityLineItem = true AND Type = 'New Customer'"
    with client_for(org, domain="provisioning") as client:
        return client.query_all(f"{soql} ORDER BY CloseDate, Id LIMIT 1")[0]


def test_st_34_to_st_38_a_template_becomes_an_own_automation(page: Page, live_server, sign_in, cast, connected_org, shot):
    finding.ensure_templates(connected_org, now=timezone.now())
    deal = open_deal(connected_org)
    sign_in("olga")
    page.goto(f"{live_server.url}/provisioning/automations/")
    shot("provisioning-automations")
    page.get_by_role("link", name="Closed won: subscription").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("h1")).to_contain_text("(copy)")
    page.get_by_label("Name", exact=True).fill("Large deals")
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_role("combobox", name="Field").select_option("Amount")
    page.get_by_role("combobox", name="How").select_option("at_least")
    page.get_by_label("Value", exact=True).fill("much")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("enter a number").first).to_be_visible()
    page.get_by_label("Value", exact=True).fill("1")
    page.get_by_role("textbox", name="Address").fill("https://api.acme.example.com/workspaces")
    page.get_by_role("button", name="Add a header").click()
    page.get_by_label("Header", exact=True).fill("Authorization")
    page.get_by_label("Value", exact=True).nth(1).fill("Bearer s3cret")
    page.get_by_label("Secret, never shown again").check()
    page.get_by_role("textbox", name="Opportunity").fill(deal["Id"])
    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_text("would fail").first).to_be_visible()
    shot("provisioning-automation-edit")
    page.get_by_label("Value", exact=True).nth(1).fill("Bearer s3cret")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Amount is at least 1")).to_be_visible()
    assert "s3cret" not in page.content()
    page.get_by_role("button", name="Activate instead").first.click()
    shot("provisioning-automation")
    page.get_by_role("dialog").get_by_role("button", name="Activate instead").click()
    expect(page.get_by_role("button", name="Deactivate")).to_be_visible()
    active = Automation.objects.filter(org=connected_org, trigger="won", is_active=True)
    assert [each.name for each in active] == ["Large deals"]

    page.goto(f"{live_server.url}/provisioning/preflight/")
    shot("provisioning-preflight")
    page.get_by_role("link", name=deal["Name"]).first.click()
    expect(page.get_by_text("is unmapped").first).to_be_visible()
    shot("provisioning-dry-run")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390), ("light", 390), ("dark", 1280)])
def test_s_035_automation_pages_with_nasty_names_are_accessible_and_run_nothing(
    page: Page, live_server, sign_in, cast, connected_org, scheme, width
):
    now = timezone.now()
    request = {"url": "https://api.acme.example.com/{{ opportunity.Id }}", "method": "POST", "body": '{"x": "{{ account.Name }}"}',
               "headers": [{"name": "X-Key", "value": "s3cret", "secret": True}, {"name": "X-Plain", "value": "a b"}]}  # fmt: skip
    row = authoring.save_automation(
        None, authoring.Draft(NASTY[:120], "won", callout=request), org=connected_org, choices=None, actor=cast.olga, now=now
    )
    Automation.objects.filter(pk=row.pk).update(stages=[NASTY], conditions=[
        {"field": "Name", "operator": "is_not", "value": NASTY, "kind": "text", "label": NASTY}
    ])  # fmt: skip
    deal = open_deal(connected_org)
    with client_for(connected_org, domain="provisioning") as client:
        client.request("PATCH", f"sobjects/Opportunity/{deal['Id']}", json={"Name": NASTY[:120]})
    SalesforceOrg.objects.filter(pk=connected_org.pk).update(name=NASTY[:80], environment="production")
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    heard = watch(page)
    sign_in("olga")
    problems = {}
    places = ("automations/", f"automations/{row.pk}/?opportunity={deal['Id']}", f"automations/{row.pk}/edit/", "automations/new/",
              "preflight/", f"dry-run/?opportunity={deal['Id']}", "dry-run/?opportunity=e")  # fmt: skip
    for name in places:
        page.goto(f"{live_server.url}/provisioning/{name}")
        expect(page.locator("h1")).to_be_visible()
        found = findings(page) + (small_targets(page) if width == 390 else []) + heard
        if found:
            problems[name] = list(found)
            heard.clear()
    assert problems == {}
