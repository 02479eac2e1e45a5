"""Features and KPIs in a real browser: from an event's name to a figure, and every page by axe with nasty names."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.models import Customer, EndUser, SalesforceOrg
from integrations.product.kpis import job
from integrations.product.kpis.windows import start_of_day
from integrations.product.models import Feature
from tests.journeys.test_look import findings, small_targets, watch
from tests.pages.conftest import NASTY
from tests.product.kpi_world import World

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def acme(db) -> Customer:
    SalesforceOrg.objects.create(name=NASTY, state="connected", instance_url="https://acme.my.salesforce.com")
    customer = Customer.objects.create(external_id="acme", name=NASTY)
    world, yesterday = World(), start_of_day(timezone.now()) - timedelta(hours=5)
    for number in range(4):
        user = EndUser.objects.create(external_id=f"u{number}", customer=customer).pk
        world.event(user, customer.pk, yesterday, "Report Created", rows=number * 10)
        world.event(user, customer.pk, yesterday, NASTY)
        world.answer(user, customer.pk, yesterday, 7 + number)
    world.store(now=timezone.now())
    job.bring_up_to_date(now=timezone.now())
    return customer


def test_px_d16_a_feature_from_its_events_to_a_figure(page: Page, live_server, sign_in, cast, acme, shot):
    sign_in("olga")
    page.goto(f"{live_server.url}/product/features/")
    page.get_by_role("link", name="New feature").first.click()
    page.locator("#name").fill("Report builder")
    page.locator("#key").fill("report_builder")
    page.locator("#rule-0-event").fill("Report Created")
    page.get_by_role("button", name="Condition", exact=True).click()
    page.get_by_label("where property").fill("rows")
    page.locator("#rule-0-where-0-op").select_option("gte")
    page.locator("#rule-0-where-0-value").fill("20")
    page.get_by_label("Offer it as KPI").check()
    page.get_by_role("button", name="Try it out").click()
    expect(page.get_by_text("2 events of 2 end users at 1 customer.")).to_be_visible()
    shot("feature-editor")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Event is Report Created, and rows is at least 20")).to_be_visible()
    page.goto(f"{live_server.url}/product/kpis/")
    page.get_by_role("button", name="Compute now").click()
    page.get_by_label("Show the values of").fill("acme")
    page.get_by_role("button", name="Show", exact=True).click()
    row = page.get_by_role("row").filter(has_text="feature_users_7d:report_builder")
    expect(row.get_by_role("cell").last).to_have_text("2")
    expect(page.get_by_role("row").filter(has_text="nps_score_7d ").first).to_be_visible()
    shot("kpis")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_s_035_features_and_kpis_with_nasty_names_are_accessible_and_run_nothing(
    page: Page, live_server, sign_in, cast, acme, scheme, width
):
    made = Feature.objects.create(key="nasty", name=NASTY[:80], rules=[{"event": NASTY, "where": [
        {"property": NASTY, "op": "is", "value": NASTY}]}], position=1, as_kpi=True)  # fmt: skip
    Feature.objects.create(key="broken", name="Broken", rules=[{"event": ""}], position=2, active=False)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    heard = watch(page)
    sign_in("ada")
    for address in ("/product/features/", f"/product/features/{made.pk}/", "/product/features/new/", "/product/kpis/?customer=acme",
                    "/product/kpis/?customer=nobody"):  # fmt: skip
        page.goto(live_server.url + address)
        expect(page.locator("h1")).to_be_visible()
        found = findings(page) + (small_targets(page) if width == 390 else [])
        assert not found, (address, found)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address
    assert heard == []
