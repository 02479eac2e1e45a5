"""The configuration in a real browser: from a file to what it says, and both pages by axe with nasty names."""

import pytest
from playwright.sync_api import Page, expect

from integrations.models import SalesforceOrg
from integrations.product.models import Feature, Segment
from tests.journeys.test_look import findings, small_targets, watch
from tests.pages.conftest import NASTY

pytestmark = pytest.mark.xdist_group("browser")
FILE = "causeway: 1\nfeatures:\n- {key: reports, name: Reports, rules: [{event: Report Created}]}\n- {key: boards, name: Boards, rules: [{event: Board}]}\n"


def choose(page: Page, text: str) -> None:
    page.get_by_label("Configuration file").set_input_files(
        {"name": "causeway.yaml", "mimeType": "application/yaml", "buffer": text.encode()}
    )
    page.get_by_role("button", name="Plan", exact=True).click()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_file_is_looked_at_then_applied_and_changes_show(page: Page, live_server, sign_in, cast, shot, width, scheme):
    Feature.objects.create(key="boards", name=NASTY[:80], rules=[{"event": "x"}], position=1)
    Segment.objects.create(name=NASTY[:100], entity="customer", conditions={"all": []})
    SalesforceOrg.objects.create(name=NASTY[:60], login_url="https://login.salesforce.com")
    sign_in("ada")
    trouble = watch(page)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{live_server.url}/configuration/")
    assert not findings(page)
    assert width > 390 or not [each for each in small_targets(page) if 'type="file"' not in each]
    choose(page, FILE + "nonsense: 1\n")
    expect(page.get_by_text("is not known here")).to_be_visible()
    assert not findings(page)
    page.get_by_role("link", name="Back", exact=True).click()
    choose(page, FILE + f"segments:\n- {{name: '{NASTY[:100].replace(chr(39), chr(39) * 2)}', description: Changed}}\n")
    expect(page.get_by_role("heading", name="What the file would do")).to_be_visible()
    assert not findings(page)
    shot(f"configuration-plan-{scheme}")
    page.get_by_role("button", name="Apply").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Everything is as that file left it")).to_be_visible()
    Feature.objects.filter(key="boards").update(name=NASTY[:80])
    page.goto(f"{live_server.url}/configuration/")
    expect(page.get_by_text("features: boards")).to_be_visible()
    assert not findings(page)
    shot(f"configuration-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not [each for each in trouble if "400" not in each]  # the bad file's own answer
