"""The authorize page in a real browser, with scripts switched off."""

import os
import shutil

import pytest

from tests.demo_org.oauth.small_org import ADMIN, ADMIN_PASSWORD

pytestmark = pytest.mark.browser


@pytest.fixture
def page(playwright):
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if name and (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("Chromium is not here; set CHROMIUM to its path")
    browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
    yield browser.new_context(java_script_enabled=False).new_page()
    browser.close()


@pytest.mark.parametrize(("button", "answer"), [("Allow", "code="), ("Deny", "error=access_denied")])
def test_login_and_consent_work_without_script_and_lead_back_to_the_app(small, page, button, answer):
    port = small.url.rpartition(":")[2]
    callback = f"http://localhost:{port}/callback"
    client = small.client()["client_id"]
    page.goto(
        f"{small.url}/services/oauth2/authorize?response_type=code&client_id={client}&redirect_uri={callback}&state=s%26t"
    )
    page.get_by_label("Username").fill(ADMIN)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log In").click()
    assert "Check your username" in page.get_by_role("alert").inner_text()
    page.get_by_label("Password").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Log In").click()
    assert page.get_by_role("heading", name="Allow access?").is_visible()
    assert page.get_by_text("Manage user data via APIs").is_visible()
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_url(f"{callback}*")
    assert answer in page.url
    assert "state=s%26t" in page.url
