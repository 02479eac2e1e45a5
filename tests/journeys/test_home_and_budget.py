"""Home with everything that can need a person, and the budget of a connection, in a real browser: to the fix in one click, by axe."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.models import ApiUsage
from integrations.orgs.usage import hour_of
from project.needs_person.listing import count_needs
from tests.journeys.test_look import findings
from tests.pages.conftest import world  # noqa: F401  a fixture
from tests.project.troubled import make_trouble

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def trouble(world, cast):  # noqa: F811
    now = timezone.now()
    make_trouble(world, cast, now)
    this = hour_of(now)
    for back in range(180):
        for place, domain in enumerate(("okr", "mirror", "billing")):
            calls = (back * 37 + place * 91) % 160 + place * 20
            ApiUsage.objects.create(
                org=world.org, hour=this - timedelta(hours=back), domain=domain, calls=calls, query_calls=calls // 2,
                limit_used=19_000, limit_max=100_000, limit_at=now - timedelta(hours=back),
            )  # fmt: skip
    count_needs(now=now)
    return world


def test_from_home_to_the_fix_in_one_click(trouble, sign_in, shot, page: Page):
    sign_in("ada")
    expect(page.get_by_role("heading", name="Stands still")).to_be_visible()
    shot("home")
    assert findings(page) == []
    page.emulate_media(color_scheme="dark")
    shot("home-dark")
    assert findings(page) == []
    page.emulate_media(color_scheme="light")
    page.get_by_role("link", name="All", exact=False).filter(has_text="things that need").click()
    expect(page.get_by_role("heading", name="Waits for a decision")).to_be_visible()
    shot("needs")
    assert findings(page) == []
    page.get_by_role("link", name="See the rows").first.click()
    expect(page).to_have_url(re.compile(r"/outbox/rows/\?.*code="))


def test_the_budget_is_read_and_changed(trouble, sign_in, shot, page: Page, live_server):
    sign_in("ada")
    page.goto(f"{live_server.url}/budget/")
    page.get_by_role("link", name="Acme production").click()
    expect(page.locator("canvas")).to_be_visible()
    shot("budget")
    assert findings(page) == []
    page.emulate_media(color_scheme="dark")
    shot("budget-dark")
    assert findings(page) == []
    page.emulate_media(color_scheme="light")
    page.get_by_label("Our share of the org's calls, %").fill("50")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("of our 50,000")).to_be_visible()
