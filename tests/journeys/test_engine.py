"""The engine's stories in a real browser: map, try, write and take back; repair a refused row; follow a merge."""

import re
from dataclasses import replace

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.models import Attribute, Customer, LinkEvent, Mapping, OutboxRow, RecordLink, Run
from integrations.sync import runs
from integrations.sync.mapping import versions
from integrations.sync.mapping.body import FieldPair
from integrations.sync.matching.saving import save_customers
from tests.journeys.orgside import OrgSide

pytestmark = pytest.mark.xdist_group("browser")
RECENT = "LastModifiedDate = LAST_N_DAYS:100"
RULE = {
    "name": "NPS_In_Range", "object": "Account", "field": "PX_NPS_Score__c", "op": ">", "value": 100,
    "message": "The NPS must lie between -100 and 100.", "error_field": "PX_NPS_Score__c",
}  # fmt: skip


@pytest.fixture
def org_side(demo_org) -> OrgSide:
    cache.clear()
    return OrgSide(demo_org)


@pytest.fixture
def attributes(db) -> None:
    Attribute.objects.create(entity="customer", key="health", label="Health")
    Attribute.objects.create(entity="customer", key="nps", label="NPS", type="NUMBER")


def accounts(org_side: OrgSide, number: int) -> list[dict]:
    """Accounts that a first read takes in, each with a name of its own."""
    found = org_side.query(f"SELECT Id, Name, Industry FROM Account WHERE {RECENT} AND Industry != null ORDER BY Id LIMIT 60")
    names = [each["Name"] for each in org_side.query("SELECT Name FROM Account")]
    return [each for each in found if names.count(each["Name"]) == 1][:number]


def send(records: list[dict], *attributes: dict) -> None:
    """The product sends customers of the same names."""
    now = timezone.now()
    rows = [
        {"external_id": f"c-{place}", "name": record["Name"], "attributes": given, "last_seen_at": now.isoformat()}
        for place, (record, given) in enumerate(zip(records, attributes, strict=True))
    ]
    assert save_customers(rows, now=now).count("created") == len(rows)


def night(org, *jobs: str) -> Run:
    """What the timetable does."""
    run = runs.request_run(jobs[0], org=org, now=timezone.now())
    for job in jobs[1:]:
        run = runs.request_run(job, org=org, now=timezone.now())
    run.refresh_from_db()
    assert run.state in (Run.State.SUCCESS, Run.State.PARTIAL), run.sentence
    return run


def map_customers(org, user, *pairs: FieldPair) -> None:
    """Matching by name and these pairs, as somebody set them up earlier."""
    mapping = versions.open_mapping(org, "customer", now=timezone.now())
    body = versions.body_of(mapping)
    rules = tuple(replace(rule, on=rule.name in ("sfdc_id", "name")) for rule in body.rules)
    versions.save_version(mapping, replace(body, rules=rules, pairs=pairs), user=user, now=timezone.now())


def health(org_side: OrgSide, record: dict) -> str | None:
    return org_side.query(f"SELECT PX_Health__c FROM Account WHERE Id = '{record['Id']}'")[0]["PX_Health__c"]


def run_in(page: Page) -> Run:
    """The run whose page is open."""
    found = re.search(r"/runs/(\d+)/", page.url)
    assert found, page.url
    return Run.objects.get(pk=found[1])


def keep_only(page: Page, target: str) -> None:
    """Take every suggested line away but the one to that field."""
    lines = page.locator("fieldset.map-line").all()
    targets = [each.locator('select[name$="-target"]').input_value() for each in lines]
    assert target in targets
    for line, its_target in zip(lines, targets, strict=True):
        if its_target != target:
            line.get_by_label("Remove").check()


def test_an_operator_maps_tries_writes_and_takes_back(cast, connected_org, org_side, sign_in, shot, live_server) -> None:
    records = accounts(org_side, 3)
    Attribute.objects.create(entity="customer", key="health", label="Health")
    send(records, {"health": "Good"}, {"health": "Fair"}, {"health": "Poor"})
    org_side.update("Account", records[0]["Id"], PX_Health__c="From before")

    page = sign_in("olga")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Mappings").click()
    page.get_by_role("link", name="Customers", exact=True).last.click()
    page.get_by_role("checkbox", name=re.compile(r"^4\. Name")).check()
    page.get_by_role("button", name="Suggest by name").click()
    expect(page.get_by_text("suggested; nothing is saved yet")).to_be_visible()
    keep_only(page, "PX_Health__c")

    page.get_by_role("button", name="From Salesforce").click()
    line = page.locator("fieldset.map-line").last
    with page.expect_response(re.compile("/targets/")):  # the choices follow the product field
        line.get_by_label("Product field").select_option(value="new")
    line.get_by_label("Its key").fill("industry")
    line.get_by_label("Salesforce field").select_option(value="Industry")
    page.get_by_role("button", name="Check with real records").click()
    expect(page.get_by_text("Everything fits together")).to_be_visible()
    expect(page.locator(".map-samples").first).to_contain_text(records[0]["Name"])
    shot("mapping")
    assert not Mapping.objects.exclude(version=0).exists(), "checking saves nothing"
    page.get_by_label("What changed").fill("First set-up")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved as version 1")).to_be_visible()

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Mirror").click()
    page.get_by_role("button", name="Read now").click()
    expect(page.locator("#progress")).to_contain_text("Succeeded")
    night(connected_org, "mapping.pull")
    assert Customer.objects.get(external_id="c-0").attributes["industry"] == records[0]["Industry"]

    page.goto(f"{live_server.url}/mappings/{connected_org.pk}/customer/")
    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_role("heading", name="What a push would do now")).to_be_visible()
    expect(page.get_by_text("Account: 3 would change")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile(f"{re.escape(records[0]['Name'])}.*PX_Health__c.*Good"))).to_be_visible()
    shot("dry-run")
    assert health(org_side, records[0]) == "From before", "a dry run writes nothing"

    page.get_by_role("button", name="Run for real").click()
    expect(page.locator("#progress")).to_contain_text("Succeeded")
    expect(page.get_by_role("heading", name="Written to Salesforce")).to_be_visible()
    shot("push")
    assert [health(org_side, each) for each in records] == ["Good", "Fair", "Poor"]

    page.get_by_role("button", name="Undo this run").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator("#progress")).to_contain_text("Succeeded")
    assert run_in(page).job == "outbox.undo"
    shot("undo")
    assert [health(org_side, each) for each in records] == ["From before", None, None]


def test_a_refused_row_is_opened_corrected_and_accepted(
    cast, connected_org, demo_org, org_side, attributes, sign_in, shot
) -> None:
    records = accounts(org_side, 2)
    send(records, {"nps": 40}, {"nps": 400})
    demo_org.control("rules", RULE)
    map_customers(connected_org, cast.olga, FieldPair("push", "attributes.nps", "PX_NPS_Score__c", accept_lossy=True))
    night(connected_org, "mirror.read", "mapping.pull", "mapping.push")
    assert OutboxRow.objects.get().label == records[1]["Name"]

    page = sign_in("olga")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Outbox").click()
    expect(page.get_by_role("cell", name=re.compile("The NPS must lie between -100 and 100"))).to_be_visible()
    shot("outbox")
    page.get_by_role("link", name="The NPS must lie between -100 and 100.").click()
    page.get_by_role("link", name=records[1]["Name"]).click()
    field = page.get_by_label(re.compile("PX_NPS_Score__c"))
    expect(field).to_have_value("400")
    field.fill("100")
    shot("waiting-row")
    page.get_by_role("button", name="Save and retry now").click()
    expect(page.locator("#progress")).to_contain_text("Succeeded")
    found = org_side.query(f"SELECT PX_NPS_Score__c FROM Account WHERE Id = '{records[1]['Id']}'")[0]
    assert found["PX_NPS_Score__c"] == 100
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Outbox").click()
    expect(page.get_by_text("Nothing waits: Salesforce took everything.")).to_be_visible()


def test_after_a_merge_the_link_points_to_the_survivor_and_says_why(
    cast, connected_org, demo_org, org_side, attributes, sign_in, shot, live_server
) -> None:
    loser, survivor = accounts(org_side, 2)
    send([loser], {"health": "Good"})
    map_customers(connected_org, cast.olga, FieldPair("push", "attributes.health", "PX_Health__c"))
    night(connected_org, "mirror.read", "mapping.pull", "mapping.push")
    assert RecordLink.objects.get().salesforce_id == loser["Id"]
    demo_org.control("merge", {"object": "Account", "master": survivor["Id"], "losers": [loser["Id"]]})
    night(connected_org, "mirror.read")

    page = sign_in("olga")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Customers", exact=True).click()
    page.get_by_role("link", name=loser["Name"]).click()
    expect(page.get_by_role("region", name="In Demo").get_by_role("link", name=survivor["Id"])).to_be_visible()
    journal = page.get_by_role("region", name="What happened to its links")
    moved = journal.get_by_role("row", name=re.compile("Moved to another record"))
    expect(moved).to_contain_text(loser["Id"])
    expect(moved).to_contain_text(survivor["Id"])
    expect(moved).to_contain_text(re.compile("merged", re.I))
    shot("customer-after-merge")
    assert LinkEvent.objects.filter(action="moved", run__job="mirror.read").count() == 1

    night(connected_org, "mapping.push")
    assert health(org_side, survivor) == "Good", "the survivor gets the customer's values from now on"
    page.get_by_role("link", name="Why this record?").click()
    expect(page.get_by_text(f"Linked to {survivor['Id']}")).to_be_visible()
    shot("why")
