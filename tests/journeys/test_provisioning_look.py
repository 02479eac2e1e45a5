"""Deals in every state, the connection's settings, subscriptions and the API's pages in a real browser: axe in light and dark,
at desktop and phone width, with nasty names; and the pages of an installation where nothing is there yet."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.models import SalesforceOrg
from provisioning.connection import make_key, settings_of
from provisioning.models import Automation, Delivery, Provision, ProvisionStep
from tests.journeys.test_look import findings, small_targets, watch
from tests.pages.conftest import NASTY
from tests.provisioning.shelf import customer, stock, subscribe

pytestmark = pytest.mark.xdist_group("browser")
BOTH = pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
PROBLEM = {"line": 1, "name": NASTY, "code": "unmapped", "message": NASTY, "fix": NASTY}
LINE = {"number": 1, "name": NASTY, "quantity": "25.0", "mappings": [{"place": "product", "type": "Plan", "key": NASTY}]}
STATES = {
    "blocked": {"problems": [PROBLEM, {**PROBLEM, "line": 0}], "sentence": NASTY, "reason_code": "unmapped"},
    "stopped": {"sentence": NASTY, "reason_code": "refused"},
    "incomplete": {"sentence": NASTY},
    "waiting": {},
    "skipped": {"sentence": NASTY, "reason_code": "no_automation"},
    "done": {"flag": "reopened", "flagged_at": timezone.now(), "sentence": NASTY},
}


def fill(org: SalesforceOrg) -> dict[str, str]:
    """Deals, a subscription, settings and calls with nasty names; addresses by what they show."""
    now = timezone.now()
    stock()
    SalesforceOrg.objects.filter(pk=org.pk).update(name=NASTY[:80], environment="production")
    org.refresh_from_db()
    who = customer()
    subscription = subscribe(who, now=now, ends_at=now + timedelta(days=300), org=org, account_id="001000000000001AAA")
    settings = settings_of(org)
    settings.polled_at = settings.last_callout_at = now
    settings.poll_trouble = NASTY[:200]
    settings.save()
    make_key(org, actor=None, now=now)
    rule = Automation.objects.create(org=org, name=NASTY[:100], trigger="won", is_active=True)
    found = {}
    for number, (state, more) in enumerate(STATES.items()):
        deal = Provision.objects.create(
            org=org, opportunity_id=f"00600000000000{number}AAA", slot="contract", kind="won", name=NASTY, account_name=NASTY,
            account_id="001000000000001AAA", source="callout", state=state, automation=rule, customer=who,
            facts={"lines": [LINE]}, result={"subscription_ids": [subscription.key], "subscription_urls": ["x"]}, **more,
        )  # fmt: skip
        ProvisionStep.objects.create(
            provision=deal, name="compile", position=1, state="failed", sentence=NASTY, reason_code="x", ended_at=now
        )
        found[state] = f"/provisioning/provisions/{deal.pk}/"
    Delivery.objects.create(org=org, source="callout", verdict="blocked", sentence=NASTY, milliseconds=12)
    Delivery.objects.create(source="message", verdict="wrong_key", sentence="", milliseconds=3, status=401)
    here = f"/provisioning/connections/{org.pk}"
    return {
        **found, "overview": "/provisioning/", "deals": "/provisioning/provisions/", "nothing": "/provisioning/provisions/?q=none",
        "settings": f"{here}/settings/", "remove": f"{here}/remove/", "connection": f"/connections/{org.pk}/",
        "subscriptions": "/provisioning/subscriptions/", "subscription": f"/provisioning/subscriptions/{subscription.key}/",
        "change": f"/provisioning/subscriptions/{subscription.key}/change/amend/", "entitlements": f"/provisioning/customers/{who.pk}/",
        "try": f"/provisioning/customers/{who.pk}/?feature=feature-calls&requested=9", "customer": f"/customers/{who.pk}/",
    }  # fmt: skip


def look(page: Page, live_server, addresses: dict[str, str], width: int) -> dict[str, list[str]]:
    """What must not be there, by page."""
    heard, problems = watch(page), {}
    for name, address in addresses.items():
        answer = page.goto(live_server.url + address)
        expect(page.locator("h1")).to_be_visible()
        found = findings(page) + (small_targets(page) if width == 390 else []) + heard
        found += [] if answer is not None and answer.status == 200 else ["not answered"]
        if found:
            problems[name] = list(found)
            heard.clear()
    return problems


@BOTH
def test_s_035_pages_of_deals_with_nasty_names_are_accessible_and_run_nothing(
    page: Page, live_server, sign_in, cast, connected_org, scheme, width
):
    addresses = fill(connected_org)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    sign_in("ada")
    assert look(page, live_server, addresses, width) == {}


@pytest.mark.parametrize("person", ["marsha", "olga"])
def test_people_with_other_roles_see_the_same_pages_without_what_they_may_not(
    page: Page, live_server, sign_in, cast, connected_org, person
):
    addresses = fill(connected_org)
    closed = {"settings", "remove", "change"} if person == "marsha" else {"remove"}
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(person)
    assert look(page, live_server, {name: path for name, path in addresses.items() if name not in closed}, 390) == {}
    page.goto(live_server.url + addresses["blocked"])
    expect(page.get_by_role("button", name="Try again")).to_have_count(0 if person == "marsha" else 1)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_empty_pages_of_provisioning_say_what_to_do_first(page: Page, live_server, sign_in, cast, scheme, width):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    sign_in("ada")
    paths = ("", "provisions/", "catalogue/", "catalogue/features/", "mapping/", "automations/", "preflight/", "dry-run/",
             "subscriptions/")  # fmt: skip
    assert look(page, live_server, {path: f"/provisioning/{path}" for path in paths}, width) == {}
    for path in paths:
        page.goto(f"{live_server.url}/provisioning/{path}")
        expect(page.locator(".empty .btn-primary")).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_a_fresh_connection_shows_its_first_steps(page: Page, live_server, sign_in, cast, connected_org, scheme, width):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    sign_in("ada")
    assert look(page, live_server, {"overview": "/provisioning/"}, width) == {}
    page.get_by_role("link", name="Set up Salesforce").click()
    page.wait_for_url(f"{live_server.url}/provisioning/connections/{connected_org.pk}/set-up/")


def test_the_settings_of_a_connection_can_be_saved(page: Page, live_server, sign_in, cast, connected_org):
    make_key(connected_org, actor=None, now=timezone.now())
    sign_in("ada")
    page.goto(f"{live_server.url}/provisioning/connections/{connected_org.pk}/settings/")
    page.get_by_label("Length of a trial in days").fill("30")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").get_by_text("Saved")).to_be_visible()
    assert settings_of(connected_org).trial_days == 30
    page.get_by_role("button", name="New key", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Make it").click()
    expect(page.get_by_text("Copy it now")).to_be_visible()


def test_the_pages_of_the_api_show_it(page: Page, live_server, sign_in, cast):
    heard = watch(page)
    sign_in("ada")
    page.goto(f"{live_server.url}/api/docs/")
    expect(page.get_by_role("heading", name="Causeway API")).to_be_visible()
    expect(page.locator(".opblock").first).to_be_visible()
    assert heard == []
