"""The catalogue and the mapping of products in a real browser: nasty names, phone and desktop, and without any script."""

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.sync import runs
from provisioning.catalogue import authoring, files, finding, yaml_text
from provisioning.mapping import leads
from provisioning.models import Feature, Offer, Product
from provisioning.salesforce import checking
from tests.cast import PASSWORD
from tests.demo import DemoOrgHandle
from tests.journeys.test_look import findings, small_targets, watch
from tests.pages.conftest import NASTY

pytestmark = pytest.mark.xdist_group("browser")


def fill(org: SalesforceOrg, demo: DemoOrgHandle, name: str) -> dict[str, str]:
    """A catalogue and products whose names are nasty; addresses by what they show."""
    now = timezone.now()
    line = {"feature": "feature-calls", "limit": 10, "reset": "month"}
    body = {
        "products": [{"key": "planner", "name": name, "description": name}],
        "features": [{"key": "feature-sso", "name": name, "kind": "boolean", "description": name},
                     {"key": "feature-calls", "name": name, "kind": "metered", "unit": name[:40]}],
        "plans": [{"key": "plan-a", "name": name, "product": "planner", "note": name, "entitlements": [{"feature": "feature-sso"}, line]},
                  {"key": "plan-b", "name": name, "product": "planner", "entitlements": [line]}],
        "addons": [{"key": "addon-a", "name": name, "product": "planner", "entitlements": [{**line, "reset": "day"}]}],
    }  # fmt: skip
    report = files.load(yaml_text.write(body), actor=None, now=now)
    assert not report.problems, report.problems
    team = Offer.objects.get(key="plan-a")
    authoring.save_draft(team, note=name, entitlements=[{"feature": "feature-sso"}], actor=None, now=now)
    demo.control("packages", {"package": "provisioning"})
    with client_for(org, domain="provisioning") as client:
        client.request("POST", "sobjects/Product2", json={"Name": name, "IsActive": True, "Stigg_ID__c": name[:100]})
    checking.check_now(org, now=now)
    runs.request_run("mirror.read", org=org, arguments={"objects": list(leads.OBJECTS)}, now=now)
    product, feature = Product.objects.get(), Feature.objects.get(key="feature-calls")
    base = "/provisioning/catalogue"
    return {
        "catalogue": f"{base}/", "product": f"{base}/products/{product.pk}/", "product edit": f"{base}/products/{product.pk}/edit/",
        "compare": f"{base}/products/{product.pk}/compare/", "features": f"{base}/features/", "feature": f"{base}/features/{feature.pk}/",
        "feature edit": f"{base}/features/{feature.pk}/edit/", "feature new": f"{base}/features/new/", "plan new": f"{base}/new/plan/",
        "offer": f"{base}/offers/{team.pk}/", "offer edit": f"{base}/offers/{team.pk}/edit/", "draft": f"{base}/offers/{team.pk}/draft/",
        "version": f"{base}/offers/{team.pk}/versions/1/?with=draft", "move": f"{base}/offers/{team.pk}/versions/1/move/",
        "file": f"{base}/file/", "mapping": "/provisioning/mapping/", "problems": "/provisioning/mapping/?state=problem",
    }  # fmt: skip


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_s_035_pages_of_the_catalogue_with_nasty_names_are_accessible_and_run_nothing(
    page: Page, live_server, sign_in, cast, connected_org, demo_org, scheme, width
):
    addresses = fill(connected_org, demo_org, NASTY)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    heard = watch(page)
    sign_in("ada")
    problems = {}
    for name, address in addresses.items():
        answer = page.goto(live_server.url + address)
        expect(page.locator("h1")).to_be_visible()
        found = findings(page) + (small_targets(page) if width == 390 else [])
        found += [f"status {answer.status}"] if answer is None or answer.status != 200 else []
        if found or heard:
            problems[name] = [*found, *heard]
            heard.clear()
    assert problems == {}


def test_a_plan_is_made_published_and_mapped_without_script(browser: Browser, live_server, cast, connected_org, demo_org):
    fill(connected_org, demo_org, "Planner")
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_label("Username").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.goto("/provisioning/catalogue/")
    page.get_by_role("link", name="Plan of Planner").click()
    page.get_by_label("Name").fill("Great plan")
    page.get_by_role("button", name="Save and go on").click()
    page.get_by_label("Add a feature").select_option("feature-calls")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("textbox", name="Limit").fill("25")
    page.get_by_label("Starts again").select_option("week")
    page.get_by_role("button", name="Save and publish").click()
    expect(page.get_by_text("Version 1 of Great plan is on sale.")).to_be_visible()
    assert finding.contents_of(finding.latest("plan-great-plan")).lines[0].limit == 25
    page.goto("/provisioning/mapping/?text=Planning+Team")
    page.get_by_label("Id that Planning Team leads to").fill("plan-great-plan")
    page.get_by_role("button", name="Look at the changes").click()
    expect(page.get_by_text("Plan plan-great-plan")).to_be_visible()
    page.get_by_role("button", name="Write to Salesforce").click()
    page.goto("/provisioning/mapping/?text=Planning+Team")
    expect(page.get_by_text("Mapped", exact=True)).to_be_visible()
    context.close()
