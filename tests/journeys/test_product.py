"""Stories of product experience in a real browser: a message for a segment, help, a survey that reaches Salesforce, synchronizing."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from django_q.conf import Conf
from playwright.sync_api import Page, expect

from integrations.models import Attribute, EndUser, Run
from integrations.product.engagements import authoring, demo_product
from integrations.product.models import Engagement, EngagementView, KpiSettings
from integrations.product.segments import saving
from integrations.sync import runs
from integrations.sync.mapping import synchronize
from integrations.sync.mapping.body import FieldPair
from integrations.sync.matching.saving import save_end_users
from tests.journeys.leaving import leave_quietly
from tests.journeys.orgside import OrgSide
from tests.journeys.test_engine import accounts, map_customers, night, send

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(autouse=True)
def quiet_ending(page: Page, db) -> Iterator[None]:
    yield
    leave_quietly(page)


@pytest.fixture
def org_side(demo_org) -> OrgSide:
    cache.clear()
    return OrgSide(demo_org)


@pytest.fixture
def demo_product_open(db, settings, cast) -> None:
    settings.DEMO_MODE = True
    demo_product.open_demo_product(user=cast.olga, now=timezone.now())


def people_of(records: list[dict[str, Any]]) -> list[EndUser]:
    """One end user for each customer that `send` made."""
    rows = [
        {"external_id": f"u-{place}", "name": f"Person {place}", "customer": f"c-{place}", "email": f"u{place}@x.example"}
        for place in range(len(records))
    ]
    save_end_users(rows, now=timezone.now())
    return list(EndUser.objects.order_by("external_id"))


def flush() -> None:
    """What the timetable does each minute."""
    run = runs.request_run("product.flush", now=timezone.now())
    run.refresh_from_db()
    assert run.state == "success", run.sentence


def told(page: Page, text: str):
    """A box that the snippet shows."""
    return page.get_by_role("dialog", name=text)


def two_industries(org_side: OrgSide) -> list[dict[str, Any]]:
    """Two accounts whose industries differ."""
    first, *others = accounts(org_side, 40)
    return [first, next(each for each in others if each["Industry"] != first["Industry"])]


def test_px_03_a_message_reaches_the_segment_of_a_salesforce_attribute_and_is_counted(
    cast, connected_org, org_side, demo_product_open, sign_in, shot, live_server
) -> None:
    records = two_industries(org_side)
    Attribute.objects.create(entity="customer", key="industry", label="Industry", pulled=True)
    send(records, {}, {})
    people_of(records)
    map_customers(connected_org, cast.olga, FieldPair("pull", "attributes.industry", "Industry"))
    night(connected_org, "mirror.read", "mapping.pull")
    condition = {"field": "attributes.industry", "op": "is", "value": records[0]["Industry"]}
    saving.save_segment(
        None, name="Of one industry", entity="customer", conditions={"all": [condition]}, user=cast.olga, now=timezone.now()
    )

    page = sign_in("olga")
    page.goto(f"{live_server.url}/product/engagements/")
    page.get_by_role("link", name="New engagement").first.click()
    page.get_by_label("Name", exact=True).fill("For one industry")
    page.get_by_label("Title").fill("News for {{account.name}}")
    page.get_by_label("Text").fill("Made for **{{account.attributes.industry}}**, [read on](/product/demo/reports/).")
    expect(page.get_by_role("group", name="Preview")).to_contain_text("News for Acme Ltd")
    page.get_by_label("Button (optional)", exact=True).fill("Show me")
    page.get_by_label("Button leads to").fill("/product/demo/reports/?as=u-0")
    page.locator("#id_segment + .ts-wrapper .ts-control").click()
    page.get_by_role("option", name="Of one industry").click()
    shot("engagement-form")
    page.get_by_role("button", name="Save draft").click()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("For one industry: live.")).to_be_visible()
    made = Engagement.objects.get()

    with page.expect_response(re.compile("/api/v1/in-app/")) as answer:
        page.goto(f"{live_server.url}/product/demo/?as=u-1")
    assert answer.value.json() == {"messages": []}, "another industry"
    page.goto(f"{live_server.url}/product/demo/?as=u-0")
    box = told(page, f"News for {records[0]['Name']}")
    expect(box).to_contain_text(f"Made for {records[0]['Industry']}")
    shot("in-app-message")
    box.get_by_role("link", name="Show me").click()
    page.wait_for_url(re.compile("/reports/"))
    expect(page.get_by_role("heading", name="Reports")).to_be_visible()

    page.goto(f"{live_server.url}/product/engagements/{made.pk}/")
    stats = page.locator("dl.stats")
    expect(stats).to_contain_text(re.compile(r"Shown to\s*1\s*Clicked\s*1"))
    expect(page.get_by_role("row", name=re.compile("Person 0"))).to_be_visible()
    shot("engagement")
    assert EngagementView.objects.count() == 1


def test_px_62_an_answer_given_in_the_product_reaches_a_field_of_salesforce_with_the_next_push(
    cast, connected_org, org_side, demo_product_open, sign_in, shot, live_server
) -> None:
    records = accounts(org_side, 1)
    send(records, {})
    people_of(records)
    map_customers(connected_org, cast.olga, FieldPair("push", "nps_score_30d", "PX_NPS_Score__c", accept_lossy=True))
    KpiSettings.objects.create(org=connected_org, as_of=KpiSettings.AsOf.NOW)
    values = {"kind": "nps", "name": "Survey", "title": "How likely are you to recommend Lantern?"}
    survey = authoring.create_engagement(values, user=cast.olga, now=timezone.now())
    authoring.set_state(survey, "live", user=cast.olga, now=timezone.now())
    night(connected_org, "mirror.read", "mapping.pull")

    page = sign_in("marsha")
    page.goto(f"{live_server.url}/product/demo/?as=u-0")
    box = told(page, "How likely are you to recommend Lantern?")
    box.get_by_role("radio", name="9", exact=True).check()
    box.get_by_label("Comment").fill("Quick & clear <b>")
    shot("in-app-survey")
    with page.expect_response(re.compile("/api/v1/events/")) as answer:
        box.get_by_role("button", name="Send").click()
    assert answer.value.status == 202
    expect(box).to_contain_text("Thank you!")

    leave_quietly(page)
    flush()
    night(connected_org, "mapping.push")
    found = org_side.query(f"SELECT PX_NPS_Score__c FROM Account WHERE Id = '{records[0]['Id']}'")[0]
    assert found["PX_NPS_Score__c"] == 100
    view = EngagementView.objects.get()
    assert view.answered_at is not None


def test_px_66_an_article_of_salesforce_is_found_and_read_in_the_help_panel(
    cast, connected_org, org_side, demo_product_open, sign_in, shot, live_server
) -> None:
    send(accounts(org_side, 1), {})
    people_of([{}])
    page = sign_in("marsha")
    page.goto(f"{live_server.url}/product/demo/?as=u-0")
    opener = page.get_by_role("button", name="Help", exact=True)
    opener.click()
    panel = told(page, "Help")
    field = panel.get_by_role("searchbox", name="Search help")
    expect(field).to_be_focused()
    field.fill("zzzzqqqq")
    expect(panel).to_contain_text("Nothing found.")
    field.fill("password")
    panel.get_by_role("button", name="Reset your password").click()
    expect(panel.get_by_role("heading", name="Reset your password")).to_be_visible()
    expect(panel.frame_locator("iframe").locator("body")).to_contain_text("Look into the spam folder")
    shot("help")
    panel.get_by_role("searchbox").focus()
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(opener).to_be_focused()


def test_px_17_synchronize_shows_how_far_it_has_come_without_a_reload(
    cast, connected_org, org_side, sign_in, shot, live_server, monkeypatch
) -> None:
    records = accounts(org_side, 2)
    Attribute.objects.create(entity="customer", key="health", label="Health")
    send(records, {"health": "Good"}, {"health": "Fair"})
    map_customers(connected_org, cast.olga, FieldPair("push", "attributes.health", "PX_Health__c"))
    monkeypatch.setattr(Conf, "SYNC", False)  # the queue keeps the tasks; this test is the worker
    monkeypatch.setattr(synchronize, "LOOK_AGAIN", timedelta(0))

    page = sign_in("olga")
    page.goto(f"{live_server.url}/product/")
    page.get_by_role("button", name="Synchronize").click()
    card = page.locator(f"#sync-{connected_org.pk}")
    expect(card).to_contain_text("Synchronizing")
    page.evaluate("window.stayed = true")
    for job, label in synchronize.STEPS:
        work(f"{synchronize.JOB}")
        work(job)
        expect(card.locator(".badge-ok")).to_contain_text([*done_before(label), label])
        shot(f"synchronize-{label.lower()}")
    work(synchronize.JOB)
    expect(card).to_contain_text("Synchronization: succeeded")
    assert page.evaluate("window.stayed") is True, "the page was never loaded anew"
    found = org_side.query(f"SELECT PX_Health__c FROM Account WHERE Id = '{records[0]['Id']}'")[0]
    assert found["PX_Health__c"] == "Good"


def work(job: str) -> None:
    """Do what waits of one job, as a worker would."""
    for run in Run.objects.filter(job=job, state__in=Run.ACTIVE):
        runs.perform_run(run.pk)


def done_before(label: str) -> list[str]:
    """The steps before this one."""
    labels = [each for _, each in synchronize.STEPS]
    return labels[: labels.index(label)]
