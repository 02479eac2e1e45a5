"""Billing in a real browser: objects into an empty org, a CSV file, links, a push, a void and a push again."""

import re

import pytest
from django.core.cache import cache
from playwright.sync_api import Page, expect

from billing.models import BillingCustomer
from integrations.models import Run
from tests.journeys.orgside import OrgSide

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def org_side(demo_org) -> OrgSide:
    cache.clear()
    return OrgSide(demo_org)


def send_file(page: Page, live_server, label: str, text: str) -> None:
    """Try a CSV file, then save it."""
    for button in ("Try", "Save the rows"):
        page.goto(f"{live_server.url}/billing/import/")
        page.get_by_label("Object").select_option(label=label)
        page.get_by_label("CSV file").set_input_files({"name": "rows.csv", "mimeType": "text/csv", "buffer": text.encode()})
        page.get_by_role("button", name=button).click()
        expect(page.locator("section.card[role=status]")).to_contain_text("Created")


def push(page: Page, live_server) -> Run:
    """Press the button and look at the run that it opens."""
    page.goto(f"{live_server.url}/billing/")
    page.get_by_role("button", name="Push now").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    found = re.search(r"/runs/(\d+)/", page.url)
    assert found
    return Run.objects.get(pk=found[1])


def test_an_admin_brings_billing_into_an_empty_org(cast, connected_org, org_side, sign_in, shot, live_server) -> None:
    account = org_side.query("SELECT Id, Name FROM Account ORDER BY Id LIMIT 1")[0]
    page = sign_in("ada")
    send_file(page, live_server, "Customers", f"id,name\ncus-1,{account['Name'].replace(',', ' ')}\ncus-2,Nobody yet\n")
    send_file(page, live_server, "Plans", "id,name\nplan-pro,Pro\n")
    send_file(page, live_server, "Invoices", "id,customer_id,plan_id,starts_at,ends_at,status,total\n"
              "inv-1,cus-1,plan-pro,2026-10-01,2026-11-01,FINALIZED,120.5\n")  # fmt: skip
    send_file(page, live_server, "Invoice Line Items", "id,invoice_id,name,quantity,total\nl-1,inv-1,Seats,5,120.5\n")
    shot("billing-import")

    page.goto(f"{live_server.url}/billing/")
    page.get_by_role("button", name="Check objects").click()
    expect(page.get_by_text("Nothing is written: 8 things missing in the org")).to_be_visible()
    shot("billing-missing")
    page.get_by_role("button", name="Create the objects").click()
    page.get_by_role("dialog").get_by_role("button", name="Create them").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    expect(page.get_by_text("Succeeded").first).to_be_visible()

    page.goto(f"{live_server.url}/billing/links/")
    row = page.get_by_role("row").filter(has_text="cus-1")
    row.get_by_label(re.compile("Account id or address")).fill(account["Id"])
    row.get_by_role("button", name="Link", exact=True).last.click()
    expect(page.get_by_text("is linked in")).to_be_visible()
    shot("billing-links")

    run = push(page, live_server)
    assert run.state == Run.State.SUCCESS, run.sentence
    found = org_side.query("SELECT Metronome_Customer_ID__c, Account__c, Account__r.Name FROM Metronome_Customer__c")
    assert [(each["Metronome_Customer_ID__c"], each["Account__c"]) for each in found] == [("cus-1", account["Id"])]
    invoice = org_side.query("SELECT Status__c, Total__c, Customer__r.Name__c FROM Metronome_Invoice__c")[0]
    assert (invoice["Status__c"], float(invoice["Total__c"])) == ("FINALIZED", 120.5)

    customer = BillingCustomer.objects.get(key="cus-1")
    page.goto(f"{live_server.url}/billing/customers/{customer.pk}/")
    expect(page.get_by_text("In Salesforce as")).to_be_visible()
    shot("billing-customer")
    page.get_by_role("link", name="Oct 1, 2026 – Nov 1, 2026").click()
    shot("billing-invoice")
    page.get_by_role("button", name="Void", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Void", exact=True).click()
    expect(page.get_by_text("The next push tells Salesforce")).to_be_visible()
    push(page, live_server)
    assert org_side.query("SELECT Status__c FROM Metronome_Invoice__c")[0]["Status__c"] == "VOID"

    page.goto(f"{live_server.url}/billing/connections/{connected_org.pk}/settings/")
    page.get_by_label("Scope").select_option(label="All customers")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("What another scope changes")).to_be_visible()
    page.get_by_role("button", name="Save this scope").click()
    push(page, live_server)
    assert len(org_side.query("SELECT Id FROM Metronome_Customer__c")) == 2
    page.goto(f"{live_server.url}/billing/")
    shot("billing-overview")
