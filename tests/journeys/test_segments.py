"""Explorers and segments in a real browser: the condition builder with htmx, and every page by axe with nasty names."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.models import SalesforceOrg
from integrations.product.models.segments import Segment, SegmentCount
from tests.journeys.test_look import findings, small_targets, watch
from tests.pages.conftest import NASTY
from tests.product.segment_world import SegmentWorld

pytestmark = pytest.mark.xdist_group("browser")
ONE = "001dM0000000001QAA"


@pytest.fixture
def world(db) -> SegmentWorld:
    now = timezone.now()
    org = SalesforceOrg.objects.create(name=NASTY, state="connected", instance_url="https://acme.my.salesforce.com")
    world = SegmentWorld(org)
    world.attributes(industry="STRING", seats="NUMBER", renewal="DATE_TIME", vip="BOOLEAN")
    for number in range(60):
        days = number * 4
        world.customer(
            f"c-{number}", name=f"{NASTY} {number}", linked=ONE if number == 0 else "", last_seen_at=now - timedelta(days=number),
            attributes={"industry": NASTY if number % 3 else "Energy", "seats": str(number), "vip": number % 2 == 0,
                        "renewal": f"{(now + timedelta(days=days)).date()}T00:00:00Z"},
        )  # fmt: skip
    acme = world.customer("c-x", name="Acme")
    world.acme = acme
    world.user("u-1", acme, name=NASTY, email="jo@acme.example")
    world.kpis({acme: {"active_users_30d": 7, "nps_score_90d": 50}})
    world.events([(now.date() - timedelta(days=n), acme.pk, None, NASTY, n + 1) for n in range(60)])
    return world


def make_segment(now) -> Segment:
    conditions = {"all": [
        {"field": "attributes.industry", "op": "is_any_of", "value": [NASTY, "Energy"]},
        {"any": [{"field": "attributes.renewal", "op": "in_next", "value": 90}, {"field": "attributes.seats", "op": "between", "value": [1, 9]},
                 {"field": "events", "op": "did", "value": {"name": NASTY}}]},
    ]}  # fmt: skip
    segment = Segment.objects.create(name=NASTY, description=NASTY, entity="customer", conditions=conditions)
    for n in range(9):
        SegmentCount.objects.create(segment=segment, day=(now - timedelta(days=n)).date(), members=40 - n, at=now)
    return segment


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_s_035_explorers_and_segments_with_nasty_names_are_accessible_and_run_nothing(
    page: Page, live_server, sign_in, cast, world, now, shot, scheme, width
):
    segment = make_segment(now)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    heard = watch(page)
    sign_in("ada")
    chip = '["attributes.industry","is","Energy"]'
    addresses = {
        "accounts": f"/product/accounts/?c={chip}&c=%5B%22name%22%2C%22is_not_blank%22%5D&col=attributes.industry&col=attributes.renewal&col=kpi.active_users_30d",
        "slice": "/product/accounts/?group=attributes.industry&measure=avg:attributes.seats",
        "wrong": "/product/accounts/?c=x&new-field=attributes.seats&new-op=is&new-value=x",
        "audience": "/product/audience/?col=email&col=customer.attributes.industry",
        "segments": "/product/segments/", "segment": f"/product/segments/{segment.pk}/",
        "edit": f"/product/segments/{segment.pk}/edit/", "new": "/product/segments/new/?entity=end_user",
        "customer": f"/customers/{world.acme.pk}/",
    }  # fmt: skip
    problems = {}
    for name, address in addresses.items():
        page.goto(live_server.url + address)
        expect(page.locator("h1")).to_be_visible()
        if name == "accounts":
            for summary in page.locator("details > summary").all():
                summary.click()
        found = findings(page) + (small_targets(page) if width == 390 else [])
        heard[:] = [each for each in heard if "status of 400" not in each]  # the page that explains a wrong filter
        if found or heard:
            problems[name] = [*found, *heard]
            heard.clear()
        if scheme == "light" and width == 1280:
            shot(f"segments-{name}")
            page.set_viewport_size({"width": width, "height": 844})
    assert problems == {}


def test_px_40_a_filter_is_built_saved_as_segment_and_widened_in_the_builder(page: Page, live_server, sign_in, cast, world):
    heard = watch(page)
    sign_in("olga")
    page.goto(f"{live_server.url}/product/accounts/")
    page.get_by_text("Add a filter").click()
    form = page.get_by_role("form", name="Add a filter")
    form.get_by_label("Field").select_option("attributes.renewal")
    form.get_by_label("How many").fill("90")
    form.get_by_role("button", name="Add").click()
    expect(page.get_by_role("link", name="Remove filter Renewal is within the next 90 days")).to_be_visible()
    expect(page.get_by_text("23 customers", exact=True)).to_be_visible()
    page.get_by_role("link", name="Save as segment").click()
    page.get_by_label("Name", exact=True).fill("Renews soon")
    page.get_by_role("button", name="Condition", exact=True).click()
    second = page.get_by_role("group", name="Condition 2")
    second.get_by_label("Field").select_option("attributes.vip")
    second.get_by_label("How to compare Vip").select_option("is_true")
    page.get_by_role("button", name="Preview", exact=True).last.click()
    expect(page.get_by_text("12 of 61 customers")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Renews soon")
    expect(page.get_by_text("Renewal is within the next 90 days and Vip is yes")).to_be_visible()
    assert Segment.objects.get().conditions["all"][1] == {"field": "attributes.vip", "op": "is_true"}
    assert heard == []
