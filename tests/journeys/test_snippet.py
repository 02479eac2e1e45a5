"""The snippet on a page of another origin with a strict policy: nothing is lost, nothing counts twice, nothing breaks the page."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from playwright.sync_api import Page, expect

from integrations.product.ingest import accept
from integrations.product.ingest.checking import Checked
from integrations.product.ingest.packing import unpack
from integrations.product.models import EventBatch, WriteKey
from tests.journeys.leaving import leave_quietly
from tests.product.engagement_world import make_engagement, make_key, make_people

pytestmark = pytest.mark.xdist_group("browser")
PAGE = """<!doctype html><html><head><title>Shop</title>
<script src="/before.js"></script>
<script async src="{snippet}" data-key="{key}"></script></head><body><h1>Shop</h1><button id="buy">Buy</button></body></html>"""
BEFORE = """window.broken = [];
addEventListener("securitypolicyviolation", (event) => broken.push(event.violatedDirective + " " + event.blockedURI));
addEventListener("error", (event) => broken.push(event.message));
window.causeway = function () { (causeway.q = causeway.q || []).push(arguments); };
causeway("page", "Shop");
causeway("identify", "jane", { plan: "pro" }, { account: "acme" });
"""


@pytest.fixture(autouse=True)
def quiet_ending(page: Page, db) -> Iterator[None]:
    yield
    leave_quietly(page)


@dataclass
class Shop:
    """A host page on an origin of its own; `policy` is its Content-Security-Policy."""

    url: str
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    policy: str = ""


@pytest.fixture
def shop(live_server, db, settings) -> Iterator[Shop]:
    cache.clear()
    settings.BASE_URL = live_server.url
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    made = Shop(f"http://127.0.0.1:{server.server_port}")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = made.files.get(urlsplit(self.path).path)
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", found[0] if found else "text/plain")
            self.send_header("Content-Security-Policy", made.policy)
            self.end_headers()
            self.wfile.write((found[1] if found else "").encode())

        def log_message(self, *_: object) -> None:
            pass

    server.RequestHandlerClass = Handler
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    host = live_server.url
    made.policy = f"default-src 'none'; script-src 'self' {host}; connect-src {host}; require-trusted-types-for 'script'"
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def key(shop) -> WriteKey:
    return make_key(allowed_origins=[shop.url])


def open_shop(page: Page, shop: Shop, key: WriteKey, host: str, before: str = BEFORE) -> None:
    html = PAGE.format(snippet=f"{host}/static/snippet/causeway.js", key=key.key)
    shop.files = {
        "/": ("text/html", html),
        "/before.js": ("text/javascript", before),
        "/other": ("text/html", "<h1>Other</h1>"),
    }
    page.goto(f"{shop.url}/")


def stored() -> list[tuple[str, str, str, str]]:
    """Type, user, account and name of every event that waits for the lake."""
    return [(each.type, each.user, each.account, each.name) for each in waiting()]


def kept(page: Page) -> list[dict]:
    """What the page keeps until it is acknowledged."""
    slots = page.evaluate(
        "Object.entries(localStorage).filter(([name]) => name.startsWith('causeway:')).map(([, each]) => each)"
    )
    return [event for slot in slots for event in json.loads(slot)]


def until(page: Page, expression: str) -> None:
    """Until it is true; Playwright's own waiting needs eval, which the policy forbids."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never true: {expression}")


def wait_for(page: Page, count: int) -> None:
    """Until the server has answered for everything; then it has so many different events."""
    until(page, "Object.entries(localStorage).every(([name, each]) => !name.startsWith('causeway:') || each === '[]')")
    assert len(set(ids())) == count, stored()


def ids() -> list[str]:
    """Ids of every event that waits for the lake, repeats among them."""
    return [each.id for each in waiting()]


def waiting() -> list[Checked]:
    return [each for batch in EventBatch.objects.order_by("pk") for each in unpack(bytes(batch.body))]


def test_px_03_it_works_on_a_page_of_another_origin_with_a_strict_policy(page, shop, key, live_server):
    make_people()
    make_engagement(
        title="Hello {{user.name}}", body="**Look** <img src=x onerror=alert(1)>", button_label="Go", button_url="/other"
    )
    open_shop(page, shop, key, live_server.url)
    box = page.get_by_role("dialog", name="Hello Jane Doe")
    expect(box).to_contain_text("Look <img src=x onerror=alert(1)>")
    assert box.evaluate("each => getComputedStyle(each).position") == "fixed", "its looks need no style-src of the page"
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    page.evaluate("causeway('track', 'Bought', { price: 9.5 })")
    wait_for(page, 5)
    assert sorted(stored()) == [
        ("engagement", "jane", "acme", "engagement"), ("engagement", "jane", "acme", "engagement"),
        ("identify", "jane", "acme", "identify"), ("page", "jane", "acme", "Shop"), ("track", "jane", "acme", "Bought"),
    ]  # fmt: skip
    assert page.evaluate("broken") == []


def test_i_04_events_survive_an_outage_and_count_once(page, shop, key, live_server, monkeypatch):
    monkeypatch.setattr(accept, "BUFFER_BYTES", 0)  # the server answers 503
    open_shop(page, shop, key, live_server.url)
    with page.expect_response(lambda answer: "/events/" in answer.url) as answer:
        pass
    assert answer.value.status == 503
    assert [event["type"] for event in kept(page)] == ["page", "identify"]
    monkeypatch.undo()
    page.goto(f"{shop.url}/other")
    open_shop(page, shop, key, live_server.url)
    wait_for(page, 4)
    assert {each[0] for each in stored()} == {"page", "identify"}


def test_events_of_a_page_that_is_left_go_with_a_beacon_and_count_once(page, shop, key, live_server):
    open_shop(page, shop, key, live_server.url)
    until(page, "!causeway.q")
    page.evaluate("causeway('track', 'Last words')")
    page.goto(f"{shop.url}/other")
    until(page, "true")
    for _ in range(50):
        if "Last words" in {each[3] for each in stored()}:
            break
        page.wait_for_timeout(100)
    assert "Last words" in {each[3] for each in stored()}, "it was there before any other page of the shop sent something"
    assert "Last words" in {each.get("event") for each in kept(page)}, "nobody heard the answer, so it stays for the next page"
    open_shop(page, shop, key, live_server.url)
    wait_for(page, 5)
    assert len(ids()) > 5, "it came again, with the same id"


def test_nobody_is_tracked_before_somebody_is_identified_nor_after_the_end_of_their_visit(page, shop, key, live_server):
    open_shop(page, shop, key, live_server.url, before=BEFORE.replace('causeway("identify"', '0 && causeway("identify"'))
    until(page, "!causeway.q")
    page.wait_for_timeout(2500)
    assert kept(page) == []
    assert stored() == []
    page.evaluate("causeway('identify', 'jane'); causeway('reset'); causeway('track', 'Anonymous')")
    wait_for(page, 2)
    assert [each[:2] for each in stored()] == [("page", "jane"), ("identify", "jane")]


def test_r_237_a_foreign_key_or_nonsense_never_breaks_the_page(page, shop, key, live_server):
    open_shop(page, shop, make_key(name="Elsewhere", allowed_origins=["https://elsewhere.example"]), live_server.url)
    until(page, "!causeway.q")
    page.evaluate("localStorage.setItem('causeway:' + document.querySelector('[data-key]').dataset.key + ':x', '{broken')")
    page.evaluate("causeway('no such call'); causeway(); causeway('track'); causeway('nps', 'x')")
    with page.expect_event("requestfailed", lambda request: "/events/" in request.url):
        pass
    page.reload()
    expect(page.get_by_role("heading", name="Shop")).to_be_visible()
    assert page.evaluate("broken.filter((each) => !each.includes('connect-src'))") == []
    assert stored() == []


def test_px_66_articles_are_read_in_a_frame_that_may_run_nothing(page, connected_org, shop, key, live_server):
    shop.policy = shop.policy.replace("; require-trusted-types-for 'script'", "")
    open_shop(page, shop, key, live_server.url, before=BEFORE + 'causeway("help");')
    panel = page.get_by_role("dialog", name="Help")
    panel.get_by_role("searchbox", name="Search help").fill("password")
    panel.get_by_role("button", name="Reset your password").click()
    expect(panel.frame_locator("iframe").locator("body")).to_contain_text("Look into the spam folder")
    assert panel.locator("iframe").get_attribute("sandbox") == "allow-popups"
    assert page.evaluate("broken") == []
