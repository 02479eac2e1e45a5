"""In a real browser: missing fields are created from the mapping, and help articles are searched and read."""

import pytest
from django.core.cache import cache
from playwright.sync_api import Page, expect

from integrations.models import Attribute
from tests.journeys.test_look import findings, small_targets, watch
from tests.pages.conftest import NASTY

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


def test_px_36_an_operator_creates_a_missing_field_and_finds_its_line(
    page: Page, live_server, sign_in, cast, connected_org, shot
):
    Attribute.objects.create(entity="customer", key="seats", label="Seats", type="NUMBER")
    sign_in("olga")
    page.goto(f"{live_server.url}/mappings/{connected_org.pk}/customer/")
    page.get_by_role("link", name="Create missing fields").click()
    shot("fields")
    page.get_by_label("Seats", exact=True).check()
    page.get_by_role("button", name="Check only").click()
    expect(page.locator("main")).to_contain_text("could be created; nothing was changed")
    page.go_back()
    page.get_by_label("Seats", exact=True).check()
    page.get_by_role("button", name="Create in Salesforce").click()
    expect(page.locator("main")).to_contain_text("Account.PX_Seats__c")
    shot("fields-run")
    page.goto(f"{live_server.url}/mappings/{connected_org.pk}/customer/")
    expect(page.get_by_label("Salesforce field").last).to_have_value("PX_Seats__c")


def test_px_66_articles_are_searched_and_read(page: Page, live_server, sign_in, cast, connected_org, shot):
    sign_in("olga")
    page.get_by_role("link", name="Product", exact=True).click()
    page.get_by_role("link", name="Knowledge").click()
    shot("knowledge")
    page.get_by_label("Search articles").fill("forgot password")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("link", name="Reset your password").click()
    expect(page.get_by_role("heading", name="Reset your password")).to_be_visible()
    expect(page.locator("article")).to_contain_text("Look into the spam folder")
    shot("knowledge-article")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_pages_are_accessible_and_run_nothing(page: Page, live_server, sign_in, cast, connected_org, scheme, width):
    Attribute.objects.create(entity="customer", key="seats", label=NASTY[:120], description=NASTY, type="NUMBER")
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    heard, problems = watch(page), {}
    sign_in("ada")
    for address in (f"/mappings/{connected_org.pk}/customer/fields/", "/product/knowledge/", "/product/knowledge/?q=password"):
        page.goto(live_server.url + address)
        expect(page.locator("h1")).to_be_visible()
        found = findings(page) + (small_targets(page) if width == 390 else [])
        if found or heard:
            problems[address] = [*found, *heard]
            heard.clear()
    page.locator("main h2 a").first.click()
    expect(page.locator("article")).to_be_visible()
    assert (problems, findings(page), heard) == ({}, [], [])
