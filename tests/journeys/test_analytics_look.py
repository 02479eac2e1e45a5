"""Pages of analytics with every type of chart: axe in light and dark at 1280 and 390 px, no script from data, the keyboard."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from analytics.acting import groups
from analytics.analyses import asking, finding, kinds, nightly
from analytics.models import Result
from integrations.models import Customer, SalesforceOrg
from integrations.sync import runs
from tests.analytics.analysis_world import KIND, fill, known
from tests.analytics.gallery import ALL, make_kind
from tests.analytics.story_world import tell
from tests.journeys.leaving import leave_quietly
from tests.journeys.test_look import findings, small_targets, watch
from tests.pages.conftest import NASTY

pytestmark = pytest.mark.xdist_group("browser")
OUTSIDE = """() => [...document.querySelectorAll('.table-cards td.num')].filter(each => {
    const text = document.createRange(); text.selectNodeContents(each);
    return text.getBoundingClientRect().right > window.innerWidth;
}).map(each => 'outside: ' + each.textContent).slice(0, 2)"""
CELL = '{"by":"industry","value":null}'


@pytest.fixture(autouse=True)
def quiet_ending(page: Page, db) -> Iterator[None]:
    yield
    leave_quietly(page)


@pytest.fixture
def gallery(cast, db) -> Iterator[Result]:
    """A finished result with every block, its words trying to be markup."""
    org = SalesforceOrg.objects.create(
        name="Acme", environment="production", state="connected", instance_url="https://acme.my.salesforce.com"
    )
    fill(org)
    kind = make_kind(NASTY)
    with known(kind, KIND):
        saved = asking.ask(KIND, org, {"by": "plan"}, user=cast.ana, now=timezone.now())
        asking.name_analysis(saved, "Plans " + NASTY[:20], user=cast.ana, now=timezone.now())
        found = asking.ask(kind, org, {}, user=cast.ana, now=timezone.now(), nightly=True)
        yield asking.request_result(found, user=cast.ana, now=timezone.now())


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_every_chart_is_accessible_and_runs_nothing(page: Page, live_server, sign_in, gallery, shot, scheme, width):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    heard = watch(page)
    sign_in("ana")
    behind = f"/analytics/results/{gallery.pk}/behind/?cell={CELL}"
    problems = {}
    for name, address in {
        "overview": "/analytics/", "charts": "/analytics/gallery/", "result": f"/analytics/results/{gallery.pk}/", "behind": behind,
        "form": "/analytics/sampler/?least=many", "definitions": "/analytics/definitions/",
    }.items():  # fmt: skip
        page.goto(live_server.url + address)
        expect(page.locator("h1")).to_be_visible()
        for closed in page.locator("details.block-table > summary").all():
            closed.click()
        heard[:] = [each for each in heard if "400" not in each]  # the form that was filled in wrongly is answered so
        found = findings(page) + (small_targets(page) if width == 390 else [])
        if name == "behind":  # every value of a card is within the window
            found += page.evaluate(OUTSIDE)
        if found or heard:
            problems[name] = [*found, *heard]
            heard.clear()
        page.reload() if name == "charts" else None
        shot(f"analytics-{name}-{scheme}") if width == 1280 else None
    assert problems == {}


def test_a_number_opens_its_customers_by_keyboard_alone(page: Page, live_server, sign_in, gallery):
    sign_in("ana")
    page.goto(f"{live_server.url}/analytics/gallery/")
    cell = page.locator(".heat-cell a").first
    cell.focus()
    expect(cell).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".heat-cell a").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/behind/**")
    expect(page.get_by_role("status").filter(has_text="8 customers")).to_be_visible()
    page.go_back()
    summary = page.locator("#block-triangle details > summary", has_text="Show as table")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#block-triangle details .table")).to_be_visible()
    assert ALL["value"] is None


def test_a_new_question_is_computed_by_itself_and_shown_without_reload(page: Page, live_server, sign_in, gallery):
    heard = watch(page)
    sign_in("ana")
    page.goto(f"{live_server.url}/analytics/sampler/?by=region")
    expect(page.get_by_role("heading", name="By group")).to_be_visible()
    assert "by=region" in page.url
    assert heard == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_page_of_every_kind_shows_real_results(page: Page, live_server, sign_in, cast, shot, scheme, width):
    """Every kind that exists, with its nightly parameters, on the facts of a believable company."""
    org = SalesforceOrg.objects.create(
        name="Acme", environment="production", state="connected", instance_url="https://acme.my.salesforce.com"
    )
    tell(org)
    nightly.queue_nightly(org, now=timezone.now())
    runs.request_run(asking.JOB, org=org, now=timezone.now())
    failed = [(each.analysis.kind, each.problem) for each in Result.objects.filter(state=Result.State.FAILED)]
    assert failed == []
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    heard = watch(page)
    sign_in("ana")
    problems = {}
    for name in ["", *(kind.name for kind in kinds.every())]:
        page.goto(f"{live_server.url}/analytics/{name}/" if name else f"{live_server.url}/analytics/")
        expect(page.locator("h1")).to_be_visible()
        found = findings(page)
        if found or heard:
            problems[name] = [*found, *heard]
            heard.clear()
        shot(f"kind-{name or 'overview'}") if width == 1280 else None
    for name, address in _deeper_pages(org).items():
        page.goto(live_server.url + address)
        expect(page.locator("h1")).to_be_visible()
        for closed in page.locator("details.fold:not([open]) > summary").all():
            closed.click()
        found = findings(page) + (small_targets(page) if width == 390 else [])
        if found or heard:
            problems[name] = [*found, *heard]
            heard.clear()
        shot(f"kind-{name}") if width == 1280 else None
    assert problems == {}


def _deeper_pages(org: SalesforceOrg) -> dict[str, str]:
    """The pages that the first ones lead to: one driver, the customers behind a number, a group, data health, security."""
    drivers = Result.objects.filter(analysis__kind="drivers", analysis__parameters__outcome="trial_to_paid").latest("pk")
    key, detail = next(iter(drivers.document["extra"]["behaviors"].items()))
    cell = finding.cell_text(detail["cells"]["yes_had"]["behind"])
    people = [
        {"subject": f"c{each.pk}", "customer_id": each.pk, "account_id": ""} for each in Customer.objects.order_by("pk")[:3]
    ]
    kept = groups.keep_group(drivers, {}, people, name="Kept", words="Did it", actor=None, now=timezone.now())
    return {
        "driver": f"/analytics/drivers/{drivers.pk}/{key}/",
        "behind": f"/analytics/results/{drivers.pk}/behind/?{urlencode({'cell': cell})}",
        "groups": "/analytics/groups/", "group": f"/analytics/groups/{kept.pk}/", "security": "/analytics/security/",
        "health": f"/analytics/connections/{org.pk}/health/",
    }  # fmt: skip


def test_a_long_table_is_opened_by_keyboard_and_whole_for_those_who_want_it(page: Page, live_server, sign_in, gallery):
    """Rows beyond the fifteenth are folded, and stand in the page itself."""
    document = gallery.document
    block = {"key": "long", "title": "Long", "columns": [{"key": "name", "label": "Name", "kind": "text"}],
             "rows": [{"name": f"Row {number}"} for number in range(1, 41)]}  # fmt: skip
    Result.objects.filter(pk=gallery.pk).update(document=document | {"blocks": [block]})
    sign_in("ana")
    page.goto(f"{live_server.url}/analytics/results/{gallery.pk}/")
    rows = page.locator("#block-long tbody tr")
    expect(rows).to_have_count(40)
    expect(rows.nth(14)).to_be_visible()
    expect(rows.nth(15)).to_be_hidden()
    page.locator("#block-long .fold > summary").focus()
    page.keyboard.press("Enter")
    expect(rows.nth(39)).to_be_visible()
    expect(page.get_by_text("Show the first 15")).to_be_visible()
    page.keyboard.press("Enter")
    expect(rows.nth(15)).to_be_hidden()
