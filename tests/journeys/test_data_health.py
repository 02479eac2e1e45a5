"""Data health in a real browser: a key from the form to a page that sends events, and every page by axe with nasty names."""

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.product.ingest import write_keys
from integrations.product.models import EventBatch, WriteKey
from tests.journeys.test_look import findings, small_targets, watch
from tests.pages.conftest import NASTY
from tests.product.sending import accept, flush, stored, text_of, track

pytestmark = pytest.mark.xdist_group("browser")
SEND = """async ([url, key, how]) => {
  const body = JSON.stringify([{ id: how, type: "track", event: "Opened", user: "u1" }]);
  if (how === "beacon") return navigator.sendBeacon(`${url}?key=${key}`, body);
  try {
    const answer = await fetch(url, { method: "POST", body, headers: { Authorization: `Write-Key ${key}`, "Content-Type": "application/json" } });
    return answer.status;
  } catch (error) { return String(error.name); }
}"""


class Shop(BaseHTTPRequestHandler):
    """A page of somebody else's product, on an origin of its own."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Shop</title><h1>Shop</h1>")

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def shops():
    """Origins of two pages that are not ours."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Shop) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield [f"http://127.0.0.1:{server.server_port}" for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_key_is_made_and_pages_of_its_origin_send_with_it(page: Page, live_server, sign_in, cast, shops):
    shop, other = shops
    sign_in("olga")
    page.goto(f"{live_server.url}/product/data/")
    page.get_by_role("link", name="New write key").click()
    page.get_by_label("Name").fill("Web app")
    page.get_by_label("Allowed origins").fill("acme")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_text("acme is no origin")).to_be_visible()
    page.get_by_label("Allowed origins").fill(shop)
    page.get_by_role("button", name="Make the key").click()
    key = WriteKey.objects.get()
    expect(page.get_by_text(write_keys.secret_of(key))).to_be_visible()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text(key.key)).to_be_visible()

    url = f"{live_server.url}/api/v1/events/"
    page.goto(shop)
    assert [page.evaluate(SEND, [url, key.key, how]) for how in ("fetch", "beacon")] == [202, True]
    page.goto(other)
    assert page.evaluate(SEND, [url, key.key, "other"]) == "TypeError"  # the browser stops it: its preflight was not allowed
    page.goto(f"{live_server.url}/product/data/")
    expect(page.get_by_text("Waiting")).to_be_visible()
    page.get_by_role("button", name="Store now").click()
    expect(page.get_by_text("Storing: run")).to_be_visible()
    assert {row[0] for row in stored()} == {"fetch", "beacon"}
    page.get_by_role("button", name="Revoke").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Web app is refused from now on.")).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_s_035_data_health_with_nasty_names_is_accessible_and_runs_nothing(
    page: Page, live_server, sign_in, cast, scheme, width, shot
):
    now = timezone.now()
    key, _ = write_keys.create_write_key(
        name=NASTY[:80], allowed_origins=["https://app.acme.example", "*"], actor=None, now=now
    )
    accept(track("a", event=NASTY), track("b", at=text_of(now - timedelta(days=3))), now=now)
    accept(track(NASTY[:100], user=NASTY, event=NASTY, at="2090-01-01T00:00:00Z"), now=now)
    flush()
    accept(track("waits"), now=now - timedelta(minutes=9))
    assert EventBatch.objects.get().rows == 1
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    heard = watch(page)
    sign_in("ada")
    for address in ("/product/data/", "/product/data/keys/new/", f"/product/data/keys/{key.pk}/"):
        page.goto(live_server.url + address)
        expect(page.locator("h1")).to_be_visible()
        found = findings(page) + (small_targets(page) if width == 390 else [])
        assert not found, (address, found)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address
    page.get_by_role("button", name="New secret").click()
    expect(page.get_by_text("The old secret is invalid")).to_be_visible()
    assert not findings(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert heard == []
    page.goto(f"{live_server.url}/product/data/")
    shot("data-health")
