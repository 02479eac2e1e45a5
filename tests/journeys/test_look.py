"""Every page in a real browser: axe in light and dark at 1280 and 390 px, no sideways scroll, no script from data, keyboard."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from integrations.models import Run, RunChunk, RunObject, SalesforceOrg
from okr.models import License
from tests.pages.billing_world import fill_billing
from tests.pages.conftest import NASTY, make_key_result, nasty_world, world  # noqa: F401  fixtures
from tests.pages.engine_world import fill_engine

SERIOUS = {"serious", "critical"}
pytestmark = pytest.mark.xdist_group("browser")


def findings(page: Page) -> list[str]:
    """Serious and critical accessibility findings, and whether the page is wider than the window."""
    violations = Axe().run(page).response["violations"]
    found = [
        f"{each['id']}: {each['nodes'][0]['html'][:120]} {each['nodes'][0].get('failureSummary', '')}"
        for each in violations
        if each["impact"] in SERIOUS
    ]
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found + ([f"{wider} px too wide"] if wider > 0 else [])


def small_targets(page: Page) -> list[str]:
    """Buttons and fields in the content that a finger would miss on a phone."""
    return page.evaluate(
        """() => [...document.querySelectorAll('main button, main a.btn, main select, main input, .topbar button')].filter(each => {
            const box = each.getBoundingClientRect();
            return each.checkVisibility() && box.width > 1 && box.height > 1 && box.height < 43.5 && !['checkbox', 'radio', 'hidden'].includes(each.type)
                && !each.closest('.ts-control');
        }).map(each => each.outerHTML.slice(0, 90))"""
    )


def watch(page: Page) -> list[str]:
    """Collects everything that must not happen: dialogs, errors, refused inline code."""
    heard: list[str] = []
    page.on("dialog", lambda dialog: (heard.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
    return heard


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_s_035_pages_with_nasty_names_are_accessible_and_run_nothing(
    page: Page, live_server, sign_in, nasty_world, scheme, width  # noqa: F811
):  # fmt: skip
    License.objects.create(org=nasty_world.org, user=nasty_world.objective.owner.__class__.objects.get(username="ada"))
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    heard = watch(page)
    sign_in("ada")
    problems = {}
    pages = {**nasty_world.addresses, **nasty_world.editors_addresses, **nasty_world.operators_addresses}
    for name, address in pages.items():
        page.goto(live_server.url + address)
        expect(page.locator("h1")).to_be_visible()
        found = findings(page) + (small_targets(page) if width == 390 else [])
        if found or heard:
            problems[name] = [*found, *heard]
            heard.clear()
    assert problems == {}
    assert NASTY in page.content() or "&lt;img" in page.content()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_s_035_pages_of_the_engine_with_nasty_names_are_accessible_and_run_nothing(
    page: Page, live_server, sign_in, cast, connected_org, scheme, width
):
    _look_at(page, live_server, sign_in, fill_engine(connected_org, NASTY), scheme, width)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_s_035_pages_of_billing_with_nasty_names_are_accessible_and_run_nothing(
    page: Page, live_server, sign_in, cast, connected_org, scheme, width
):
    _look_at(page, live_server, sign_in, fill_billing(connected_org, NASTY), scheme, width)


def _look_at(page: Page, live_server, sign_in, addresses: dict[str, str], scheme: str, width: int) -> None:
    """Open every page as an admin and look for what must not be there."""
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


def test_empty_pages_of_the_engine_say_what_comes_and_where(page: Page, live_server, sign_in, cast):
    sign_in("ada")
    for address in (
        "/customers/",
        "/customers/end-users/",
        "/customers/conflicts/",
        "/mirror/",
        "/mappings/",
        "/outbox/edits/",
    ):
        page.goto(live_server.url + address)
        expect(page.locator(".empty .btn-primary")).to_be_visible()
        assert findings(page) == []


def test_sign_in_and_error_pages(page: Page, live_server):
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for address in ("/accounts/login/", "/nope/"):
            page.goto(live_server.url + address)
            assert findings(page) == []


def test_theme_switch_is_kept(page: Page, live_server, sign_in, cast):
    sign_in("jane")
    page.get_by_role("button", name="Jane Doe").click()
    page.get_by_role("button", name="Dark").click()
    page.goto(f"{live_server.url}/okr/")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("button", name="Jane Doe").click()
    page.get_by_role("button", name="System").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") is None


def test_keyboard(page: Page, live_server, sign_in, cast):
    sign_in("ana")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("k")
    page.wait_for_url(f"{live_server.url}/okr/")
    page.keyboard.press("/")
    expect(page.get_by_label("Search objectives and key results")).to_be_focused()
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url(f"{live_server.url}/runs/")


def test_on_a_phone_the_sidebar_is_a_drawer(page: Page, live_server, sign_in, cast):
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in("jane")
    drawer = page.get_by_role("navigation", name="Main")
    expect(drawer).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(drawer).to_be_visible()
    drawer.get_by_role("link", name="Key results").click()
    page.wait_for_url(f"{live_server.url}/okr/")
    page.get_by_role("button", name="Menu").click()
    expect(drawer.get_by_role("link", name="Licenses")).to_be_visible()
    expect(drawer.get_by_role("link", name="Segments")).to_be_hidden()


def test_a_run_shows_progress_without_reload_and_stops_asking(page: Page, live_server, sign_in, cast, now):
    run = Run.objects.create(job="okr.refresh", domain="okr", state="running", started_at=now, total=10)
    counts = RunObject.objects.create(run=run, name="key results", read=3, written=3)
    RunChunk.objects.create(run=run, position=0)
    sign_in("olga")
    page.goto(f"{live_server.url}/runs/{run.pk}/")
    expect(page.locator("#progress")).to_contain_text("3 of 10")
    RunObject.objects.filter(pk=counts.pk).update(read=7, written=7)
    expect(page.locator("#progress")).to_contain_text("7 of 10")
    Run.objects.filter(pk=run.pk).update(state="success", finished_at=now, sentence="All done.")
    expect(page.locator("#progress")).to_contain_text("All done.")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "progress" in request.url else None)
    page.wait_for_timeout(2500)
    assert asked == []


def test_r_283_a_double_click_sends_once(page: Page, live_server, sign_in, cast, world):  # noqa: F811
    sign_in("jane")
    page.goto(f"{live_server.url}/okr/objectives/{world.objective.pk}/key-results/new/")
    page.get_by_label("Title").fill("Twice")
    page.get_by_label("Target").fill("10")
    page.get_by_role("button", name="Submit").dblclick()
    page.wait_for_url("**/okr/key-results/*/")
    assert world.objective.key_results.filter(title="Twice").count() == 1


def test_the_back_office_works_under_its_policy(page: Page, live_server, sign_in, cast, world):  # noqa: F811
    heard = watch(page)
    sign_in("ada")
    for path in (
        "",
        "integrations/alertchannel/add/",
        f"integrations/salesforceorg/{world.org.pk}/change/",
        "integrations/run/",
    ):
        page.goto(f"{live_server.url}/admin/{path}")
        page.wait_for_load_state("networkidle")
        expect(page.locator("#search-input-command")).to_be_hidden()  # covers the page when scripts are refused
    page.goto(f"{live_server.url}/admin/auth/user/{cast.jane.pk}/change/")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.get_by_label("Last name").fill("Roe")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert heard == []


def test_the_connection_is_chosen_by_keyboard_alone(page: Page, live_server, sign_in, cast, world):  # noqa: F811
    SalesforceOrg.objects.create(
        name="Sandbox", environment="sandbox", state="connected", login_url="https://x.my.salesforce.com"
    )
    sign_in("olga")
    page.goto(f"{live_server.url}/runs/")
    page.keyboard.press("g")
    page.keyboard.press("o")
    dialog = page.get_by_role("dialog", name="Which connection?")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="All connections")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Only what belongs to Sandbox is shown.")).to_be_visible()
    assert page.url == f"{live_server.url}/runs/"
    page.get_by_role("button", name="Connection: Sandbox").click()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_undo_stands_ten_seconds_and_takes_back(page: Page, live_server, sign_in, cast, world, now):  # noqa: F811
    sign_in("jane")
    page.clock.install(time=now)
    page.clock.pause_at(now + timedelta(minutes=1))  # from here on only as much time passes as is said
    page.goto(f"{live_server.url}/okr/key-results/{world.linked.pk}/")
    page.get_by_role("button", name="Unlink").click()
    undo = page.get_by_role("status").get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    page.clock.fast_forward(9_900)
    expect(undo).to_be_visible()
    undo.click()
    expect(page.get_by_text("is linked again")).to_be_visible()
    expect(page.get_by_role("button", name="Unlink")).to_be_visible()


def test_quiet_runs_unfold_on_the_spot(page: Page, live_server, sign_in, cast, world, now):  # noqa: F811
    runs = [
        Run.objects.create(job="okr.refresh", org=world.org, state="success", started_at=now, finished_at=now) for _ in range(3)
    ]
    sign_in("olga")
    page.goto(f"{live_server.url}/runs/")
    inside = page.get_by_role("link", name="Key result refresh").and_(page.locator(f"[href='/runs/{runs[0].pk}/']"))
    expect(inside).to_be_hidden()
    fold = page.get_by_role("button", name="3 runs without changes")
    fold.press("Space")
    expect(inside).to_be_visible()
    expect(fold).to_have_attribute("aria-expanded", "true")
    fold.click()
    expect(inside).to_be_hidden()
