"""Pages of engagements, and what the snippet shows: axe in light and dark at 1280 and 390 px, no script from data, the keyboard."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.models import Customer, EndUser
from integrations.product.engagements import demo_product, recording
from tests.journeys.leaving import leave_quietly
from tests.journeys.test_look import findings, small_targets, watch
from tests.pages.conftest import NASTY
from tests.product.engagement_world import NOW, make_engagement, make_people, make_segment

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(autouse=True)
def quiet_ending(page: Page, db) -> Iterator[None]:
    yield
    leave_quietly(page)


@pytest.fixture
def places(cast, db, settings) -> dict[str, str]:
    """Addresses of every page, with names from outside that try to be markup."""
    cache.clear()
    settings.DEMO_MODE = True
    make_people()
    Customer.objects.filter(external_id="acme").update(name=NASTY)
    EndUser.objects.filter(external_id="jane").update(name=NASTY)
    body = f"{NASTY}\n\n**Look** [here](/product/demo/reports/)\n- one\n- two"
    words: dict[str, Any] = {
        "name": NASTY,
        "title": f"{NASTY} {{{{account.name}}}}",
        "body": body,
        "button_label": "Go",
        "button_url": "/x",
    }
    made = make_engagement(segment=make_segment(NASTY), url_match="/product/demo/boards/", **words)
    make_engagement(kind="nps", title="How likely?", url_match="/product/demo/billing/")
    recording.record_actions([(str(made.pk), "jim", "shown", NOW), (str(made.pk), "jim", "clicked", NOW)])
    closed = {"list": "/product/engagements/", "detail": f"/product/engagements/{made.pk}/"}
    forms = {"new": "/product/engagements/new/", "edit": f"/product/engagements/{made.pk}/edit/"}
    return {**closed, **forms}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_s_035_pages_of_engagements_are_accessible_and_run_nothing(
    page: Page, live_server, sign_in, places, cast, scheme, width
):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    heard = watch(page)
    sign_in("ada")
    page.goto(f"{live_server.url}/product/demo/")
    page.get_by_role("button", name="Open it").click()
    problems = {}
    for name, address in places.items():
        page.goto(live_server.url + address)
        expect(page.locator("h1")).to_be_visible()
        found = findings(page) + (small_targets(page) if width == 390 else [])
        if found or heard:
            problems[name] = [*found, *heard]
            heard.clear()
    assert problems == {}


@pytest.mark.parametrize("width", [1280, 390])
def test_what_the_snippet_shows_is_accessible_and_runs_nothing(page: Page, live_server, sign_in, places, cast, width):
    demo_product.open_demo_product(user=cast.ada, now=timezone.now())
    page.set_viewport_size({"width": width, "height": 844})
    heard = watch(page)
    sign_in("ada")
    page.goto(f"{live_server.url}/product/demo/boards/?as=jane")
    box = page.get_by_role("dialog")
    expect(box).to_contain_text(NASTY)
    assert findings(page) == []
    assert box.locator("img, script, svg").count() == 0
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    page.goto(f"{live_server.url}/product/demo/billing/?as=jane")
    expect(page.get_by_role("dialog", name="How likely?")).to_be_visible()
    assert findings(page) == []
    page.get_by_role("radio", name="0", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="1", exact=True)).to_be_checked()
    page.get_by_role("button", name="Help", exact=True).click()
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()
    assert findings(page) == []
    assert heard == []
