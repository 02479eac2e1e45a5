"""Real Chromium against the real application and a real demo org."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from tests.cast import PASSWORD

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SHOTS = os.environ.get("CAUSEWAY_SCREENSHOTS", "")


def find_browser() -> str | None:
    """`$CHROMIUM`, else the first of the usual names on PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def pytest_collection_modifyitems(items):
    """Everything here needs the browser, a database that another thread can see, and one worker of its own."""
    skip = pytest.mark.skip(reason="Chromium is not installed (sudo apt install chromium)")
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))
            if find_browser() is None:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    arguments = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync"]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--no-sandbox")
    return {**browser_type_launch_args, "executable_path": find_browser(), "args": arguments}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args):
    return {**browser_context_args, "viewport": {"width": 1280, "height": 900}, "locale": "en-US", "timezone_id": "UTC",
            "reduced_motion": "reduce"}  # fmt: skip  # colors are judged, and not halfway between two


@pytest.fixture
def page(page: Page) -> Page:
    page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    return page


@pytest.fixture
def sign_in_by_form(page: Page, live_server, settings) -> Callable[[str], Page]:
    """Sign somebody of the cast in through the login page, as people do."""
    settings.BASE_URL = live_server.url

    def signing(username: str) -> Page:
        page.goto(f"{live_server.url}/accounts/login/")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(f"{live_server.url}/")
        return page

    return signing


@pytest.fixture
def sign_in(page: Page, live_server, settings) -> Callable[[str], Page]:
    """The browser holds a session of somebody of the cast, and shows the first page. The way there is another test's."""
    settings.BASE_URL = live_server.url

    def signing(username: str) -> Page:
        client = Client()
        client.force_login(User.objects.get(username=username), backend="django.contrib.auth.backends.ModelBackend")
        name = settings.SESSION_COOKIE_NAME
        page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
        page.goto(f"{live_server.url}/")
        return page

    return signing


@pytest.fixture
def shot(page: Page) -> Callable[[str], None]:
    """Keep a picture at desktop and phone width when CAUSEWAY_SCREENSHOTS names a folder."""

    def taking(name: str) -> None:
        if not SHOTS:
            return
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        for label, width, height in (("desktop", 1280, 900), ("phone", 390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=f"{SHOTS}/{name}-{label}.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 900})

    return taking
