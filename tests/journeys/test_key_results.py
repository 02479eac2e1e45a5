"""Jane's story (BW-05): she links a key result to a report row and hands it to Marsha, who holds no license."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from integrations.models import Run
from integrations.sync import runs
from okr import licenses, linking
from okr.models import Department, KeyResult, License, Objective, Period
from tests.journeys.orgside import OrgSide

REPORT = "Open pipeline by stage"
ROW = "Negotiation/Review"


@pytest.fixture
def quarter(db) -> Period:
    today = timezone.now().date()
    return Period.objects.create(name="This quarter", starts_on=today.replace(day=1), ends_on=today + timedelta(days=365))


@pytest.fixture
def org_side(demo_org) -> OrgSide:
    return OrgSide(demo_org)


def refresh(org) -> Run:
    """A pass now, whatever was read this hour already."""
    return runs.request_run("okr.refresh", org=org, trigger=Run.Trigger.MANUAL, now=timezone.now())


def test_bw_05_license_holder_links_a_row_and_assigns_it_to_a_member(
    cast, connected_org, quarter, org_side, sign_in, shot, live_server
):
    Department.objects.create(name="Sales")
    licenses.grant_license(connected_org, user=cast.jane, actor=cast.ada, now=timezone.now())
    before = dict(org_side.rows_of(REPORT))

    page = sign_in("jane")
    page.goto(f"{live_server.url}/okr/")
    page.get_by_role("link", name="New objective").first.click()
    page.get_by_label("Title").fill("Grow the pipeline")
    page.get_by_label("Department").select_option(label="Sales")
    page.get_by_label("Period").select_option(label="This quarter")
    shot("objective-form")
    page.get_by_role("button", name=re.compile("^(Save|Create|Submit)")).click()
    expect(page.get_by_role("heading", name="Grow the pipeline")).to_be_visible()

    page.get_by_role("link", name=re.compile("(New|Add) key result")).first.click()
    page.get_by_label("Title").fill("Deals in negotiation")
    page.get_by_role("button", name=re.compile("Link a Salesforce report")).click()
    page.get_by_label("Search for a report").press_sequentially("pipeline BY st", delay=20)
    shot("report-picker")
    page.get_by_role("button", name=re.compile(REPORT)).click()
    page.get_by_label("Select field").select_option(value="s!AMOUNT")
    page.locator("#id_row").select_option(label=ROW)
    expect(page.locator("#value-now")).to_have_text(re.compile(f"{before[ROW]:,.0f}"))
    expect(page.get_by_text(re.compile("everyone|everybody", re.I)).first).to_be_visible()
    shot("link-editor")
    page.get_by_label("Target", exact=True).fill("2000000")
    page.locator("#id_owner").select_option(value=str(cast.marsha.pk), force=True)
    page.get_by_role("button", name="Submit").last.click()
    expect(page.get_by_role("heading", name="Deals in negotiation")).to_be_visible()
    shot("key-result")

    key_result = KeyResult.objects.get()
    assert key_result.owner == cast.marsha
    assert (key_result.unit, key_result.unit_label) == ("currency", "USD")
    assert key_result.current == Decimal(str(before[ROW]))
    assert not License.objects.filter(user=cast.marsha).exists()
    assert [step["value"] for step in key_result.link.group_path] == [ROW]

    # The first group disappears, so every other group moves up by one.
    for deal in org_side.query("SELECT Id FROM Opportunity WHERE StageName = 'Prospecting'"):
        org_side.update("Opportunity", deal["Id"], StageName="Closed Lost")
    deal = org_side.query(f"SELECT Id, Amount FROM Opportunity WHERE StageName = '{ROW}' LIMIT 1")[0]
    org_side.update("Opportunity", deal["Id"], Amount=deal["Amount"] + 12_345)
    after = org_side.rows_of(REPORT)
    assert [label for label, _ in after].index(ROW) == list(before).index(ROW) - 1, "the row moved"

    assert refresh(connected_org).state == "success"
    key_result.refresh_from_db()
    assert key_result.current == Decimal(str(dict(after)[ROW])) == Decimal(str(before[ROW])) + 12_345

    page = sign_in("marsha") if page.get_by_role("button", name="Sign in").count() else page
    page.goto(f"{live_server.url}/okr/")
    expect(
        page.get_by_role("img", name=re.compile("Salesforce")).or_(page.locator(".salesforce-mark, [title*=Salesforce]")).first
    ).to_be_visible()
    shot("objectives")


def test_deleted_report_keeps_the_last_value_and_says_so(
    cast, connected_org, quarter, org_side, sign_in, shot, live_server, linked
):
    key_result = linked(REPORT, "s!AMOUNT", ROW)
    value = key_result.current
    org_side.delete("Report", key_result.link.report_id)
    refresh(connected_org)
    key_result.refresh_from_db()
    assert key_result.current == value
    assert key_result.link.status == "report_gone"

    page = sign_in("marsha")
    page.goto(f"{live_server.url}/okr/")
    shot("objectives-with-a-stale-one")
    page.goto(f"{live_server.url}/okr/key-results/{key_result.pk}/")
    expect(page.get_by_text(re.compile("deleted", re.I)).first).to_be_visible()
    expect(page.get_by_text(f"{value:,.0f}").first).to_be_visible()
    shot("key-result-stale")


@pytest.fixture
def linked(cast, connected_org, quarter):
    """A key result of Marsha's that is linked to a row of a report and was read once."""

    def make(report: str, field: str, row: str) -> KeyResult:
        now = timezone.now()
        licenses.grant_license(connected_org, user=cast.jane, actor=cast.ada, now=now)
        objective = Objective.objects.create(title="Grow", owner=cast.jane, period=quarter)
        key_result = KeyResult.objects.create(
            objective=objective, title="Negotiations", owner=cast.marsha, target=Decimal(2_000_000)
        )
        found = linking.search(connected_org, report, user=cast.jane).reports[0]
        live = linking.preview(connected_org, found.id, user=cast.jane, now=now, field_name=field)
        path = next(group.path for group in live.groups.down if group.label == row)
        linking.link(
            key_result, org=connected_org, report_id=found.id, field_name=field, user=cast.jane, now=now, group_path=path
        )
        key_result.refresh_from_db()
        assert key_result.current is not None
        return key_result

    return make


def test_bw_d1_the_31st_seat_is_refused(cast, connected_org, sign_in, shot, live_server):
    now = timezone.now()
    people = User.objects.bulk_create(
        User(username=f"seller{n:02}", first_name="Seller", last_name=f"{n:02}") for n in range(30)
    )
    for person in people[:29]:
        licenses.grant_license(connected_org, user=person, actor=cast.ada, now=now)
    page = sign_in("ada")
    page.goto(f"{live_server.url}/okr/licenses/")
    expect(page.get_by_text("29 of 30")).to_be_visible()
    page.locator("#id_person").select_option(value=str(people[29].pk), force=True)
    page.get_by_role("button", name="Assign").click()
    expect(page.get_by_text("30 of 30").first).to_be_visible()
    expect(page.get_by_text("All licenses are in use").first).to_be_visible()
    expect(page.get_by_role("button", name="Assign")).to_be_disabled()
    shot("licenses-full")
    # Somebody whose page is older still has the button: the refusal comes from the server.
    page.evaluate("document.querySelector('#id_person').closest('form').querySelector('button').disabled = false")
    page.locator("#id_person").select_option(value=str(cast.marsha.pk), force=True)
    page.get_by_role("button", name="Assign").click()
    expect(page.get_by_text(re.compile("30 (of 30 )?licenses", re.I)).first).to_be_visible()
    assert License.objects.filter(org=connected_org).count() == 30
