"""From the one button of analytics to a value on the accounts of the org, in a real browser: a newcomer connects, an analyst finds
a driver and keeps its customers, an operator sends them to Salesforce, a member reads.
"""

import re
from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from analytics.analyses import asking, kinds
from analytics.attributes.authoring import current_map
from analytics.models import AnalyticsSettings, FactsState, Group, GroupPush, Result
from integrations.models import Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.sync import runs
from tests.analytics.story_world import tell
from tests.journeys.leaving import leave_quietly
from tests.journeys.orgside import OrgSide
from tests.journeys.test_look import watch

pytestmark = pytest.mark.xdist_group("browser")
MOST_TURNS = 40


@pytest.fixture(autouse=True)
def quiet_ending(page: Page, db) -> Iterator[None]:
    yield
    leave_quietly(page)


def let_the_worker_work(org: SalesforceOrg, *, until: Callable[[], bool] = lambda: False) -> None:
    """What the worker does until nothing waits any more, or until something is there."""
    for _ in range(MOST_TURNS):
        if until():
            return
        Run.objects.filter(org=org, state=Run.State.QUEUED).update(not_before=None)
        waiting = Run.objects.filter(org=org, state=Run.State.QUEUED).order_by("queued_at", "pk").first()
        if waiting is None:
            return
        runs.perform_run(waiting.pk)
    raise AssertionError("Something goes on for ever.")


def become(page: Page, sign_in, name: str) -> Page:
    """Somebody else sits down at the browser."""
    page.context.clear_cookies()
    return sign_in(name)


def test_from_one_button_to_a_driver_and_its_customers_in_salesforce(
    page: Page, live_server, sign_in, cast, connected_org, demo_org, shot
):
    org = connected_org
    SalesforceOrg.objects.filter(pk=org.pk).update(analytics_enabled=True)
    heard = watch(page)

    # a newcomer: what it takes, one button, progress
    sign_in("olga")
    page.goto(f"{live_server.url}/analytics/")
    expect(page.get_by_text("Analytics is not set up for this connection")).to_be_visible()
    page.get_by_role("link", name="Set up analytics").click()
    card = page.locator("#estimate")
    expect(card.get_by_text("Records to read")).to_be_visible()
    expect(card.get_by_role("rowheader", name="Account", exact=True)).to_be_visible()
    assert not AnalyticsSettings.objects.filter(org=org, started_at__isnull=False).exists()
    shot("analytics-story-estimate")
    card.get_by_role("button", name="Connect and go").click(timeout=240_000)  # the first read is done in this very request
    expect(page.locator("#progress")).to_be_visible()
    let_the_worker_work(org, until=FactsState.objects.filter(org=org).exists)
    page.reload()
    expect(page.locator("#progress").get_by_text("Facts as of")).to_be_visible()
    shot("analytics-story-progress")
    assert FactsState.objects.get(org=org).health["accounts"] == 200

    # an attribute that nobody guessed is mapped by hand
    page.get_by_role("link", name="Look at the attributes").click()
    row = page.locator("#a-winback_date")
    expect(row).to_contain_text("Not mapped")
    expect(page.locator("#a-industry")).to_contain_text("200 of 200")  # how well each is filled arrives by itself
    row.get_by_role("link", name="Map").click()
    page.locator("#field-0").select_option("Customer_Since__c", force=True)
    expect(page.get_by_text("records have a value")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#a-winback_date")).to_contain_text("Account › Customer_Since__c")
    found = current_map(org)
    assert found is not None
    assert found[0].is_mapped("winback_date")

    # enough customers with a history, as a company has after a year
    with client_for(org, domain="test") as client:
        accounts = [row["Id"] for row in client.query_all("SELECT Id FROM Account ORDER BY Id")]
    Run.objects.filter(org=org, state=Run.State.QUEUED).update(state=Run.State.CANCELLED)  # older years are not needed here
    tell(org, accounts=accounts)
    drivers = asking.ask(kinds.get("drivers"), org, {"outcome": "trial_to_paid"}, user=None, now=timezone.now(), nightly=True)
    assert asking.request_result(drivers, user=None, now=timezone.now()).state == Result.State.DONE

    # an analyst reads the drivers, opens one, opens the customers behind a cell, keeps them, makes a segment
    become(page, sign_in, "ana")
    page.goto(f"{live_server.url}/analytics/drivers/")
    expect(page.get_by_role("heading", name="Drivers", exact=True, level=2)).to_be_visible()
    shot("analytics-story-drivers")
    driver = page.locator(".forest-rows a").filter(has_text="Data Imported")
    driver.click()
    expect(page.get_by_role("heading", name="What was found")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text(re.compile(r"\b(causes|drives|will increase|impact)\b"))
    shot("analytics-story-driver")
    cell = (
        page.get_by_role("region", name="Accounts by behavior and outcome")
        .get_by_role("row", name=re.compile("^Did it"))
        .get_by_role("link")
        .nth(1)
    )
    count = int(cell.inner_text())
    cell.click()
    page.wait_for_url("**/behind/**")
    expect(page.get_by_role("status").filter(has_text=f"{count} customers")).to_be_visible()
    page.get_by_role("button", name="Keep as a group").click()
    page.get_by_label("Name").fill("Imported and still left")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.wait_for_url(re.compile(r"/analytics/groups/\d+/$"))
    group = Group.objects.get()
    assert group.members.count() == count
    page.get_by_role("button", name="Make a segment").click()
    expect(page.get_by_text("Segment", exact=False).first).to_be_visible()
    group.refresh_from_db()
    assert group.segment is not None
    expect(page.get_by_role("link", name="Write a field of the accounts")).to_have_count(0)  # operators send
    shot("analytics-story-group")

    # an operator writes a field of their accounts: fields, preview, send
    become(page, sign_in, "olga")
    address = f"{live_server.url}/analytics/groups/{group.pk}/"
    page.goto(f"{address}?send=field")
    page.get_by_role("button", name="Create the fields in Salesforce").click()
    let_the_worker_work(org)
    page.goto(address)
    page.get_by_role("link", name="Write a field of the accounts").click()
    page.get_by_label("Field", exact=True).select_option("CW_Group__c")
    page.get_by_role("button", name="Preview", exact=True).click()
    let_the_worker_work(org)
    page.goto(address)
    org_side = OrgSide(demo_org)
    assert org_side.query("SELECT Id FROM Account WHERE CW_Group__c != null") == []
    shot("analytics-story-preview")
    page.get_by_role("button", name="Send", exact=True).click()
    let_the_worker_work(org)
    page.goto(address)
    expect(page.get_by_text("Sent", exact=True)).to_be_visible()
    assert GroupPush.objects.get().state == GroupPush.State.ACTIVE
    written = {row["Id"] for row in org_side.query("SELECT Id FROM Account WHERE CW_Group__c = 'Imported and still left'")}
    assert written == set(group.members.filter(account_id__in=accounts).values_list("account_id", flat=True))
    assert written

    # a member reads what is computed every night, and neither asks nor opens nor sends
    become(page, sign_in, "marsha")
    page.goto(f"{live_server.url}/analytics/drivers/")
    expect(page.get_by_role("heading", name="Drivers", exact=True, level=2)).to_be_visible()
    expect(page.get_by_role("button", name="Compute")).to_have_count(0)
    expect(page.locator("a[href*='/behind/']")).to_have_count(0)
    page.goto(address)
    expect(page.get_by_role("button", name="Send again")).to_have_count(0)
    assert heard == []
    answer = page.goto(f"{live_server.url}/analytics/results/{Result.objects.latest('pk').pk}/behind/?cell=%7B%7D")
    assert answer is not None
    assert answer.status == 403
