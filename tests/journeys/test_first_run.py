"""A newcomer with an empty installation reaches a finished first sync of the demo org in the browser."""

import re
import time

from playwright.sync_api import Page, expect

from integrations.models import Run, SalesforceOrg


def sign_in_at_the_demo_org(page: Page, user: dict) -> None:
    """Salesforce's login form, then its consent page."""
    page.get_by_label("Username").fill(user["username"])
    page.get_by_label("Password").fill(user["password"])
    page.get_by_role("button", name=re.compile("log in", re.I)).click()
    page.get_by_role("button", name=re.compile("allow", re.I)).click()


def test_newcomer_connects_the_demo_org(cast, demo_org, sign_in_by_form, shot, live_server):
    began = time.monotonic()
    page = sign_in_by_form("ada")
    shot("home-empty")
    page.get_by_role("link", name="Connect an org").first.click()
    page.get_by_role("radio", name=re.compile("Demo org")).check()
    shot("wizard-1-environment")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Demo org", exact=True)).to_be_visible()
    shot("wizard-2-sign-in")
    page.get_by_role("button", name="Sign in to the demo org").click()
    page.wait_for_url(re.compile(re.escape(demo_org.url)))
    shot("demo-org-login")
    sign_in_at_the_demo_org(page, demo_org.user("integration"))
    expect(page.get_by_role("heading", name="What the integration user may do")).to_be_visible()
    shot("wizard-3-check")
    page.get_by_role("button", name=re.compile("Start the first sync|Go on anyway")).click()
    expect(page.get_by_role("heading", name="First sync")).to_be_visible()
    expect(page.get_by_text("Succeeded").first).to_be_visible()
    shot("wizard-4-first-sync")
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text(demo_org.info()["org_id"][:15]).first).to_be_visible()
    shot("connection")
    assert time.monotonic() - began < 120

    org = SalesforceOrg.objects.get()
    assert org.state == "connected"
    assert org.org_id == demo_org.info()["org_id"]
    assert org.authorized_by == cast.ada
    assert Run.objects.filter(org=org, state="success").exists()
    assert not [call for call in demo_org.calls() if "access_token" in str(call.get("query"))], "no token in an address (I-15)"


def test_member_sees_no_way_to_connect(cast, sign_in):
    page = sign_in("marsha")
    expect(page.get_by_text("Nothing is connected yet")).to_be_visible()
    expect(page.get_by_role("link", name="Connect an org")).to_have_count(0)


def test_disconnect_revokes_and_keeps_what_was_read(cast, connected_org, demo_org, sign_in, shot, live_server):
    page = sign_in("ada")
    page.goto(f"{live_server.url}/connections/{connected_org.pk}/")
    page.get_by_label(re.compile("to confirm")).fill("another name")
    page.get_by_role("button", name="Disconnect").click()
    expect(page.get_by_text("Connected", exact=True).first).to_be_visible()
    page.get_by_label(re.compile("to confirm")).fill(connected_org.name)
    page.get_by_role("button", name="Disconnect").click()
    expect(page.get_by_text("Disconnected").first).to_be_visible()
    shot("connection-disconnected")
    connected_org.refresh_from_db()
    assert connected_org.state == "disconnected"
    assert demo_org.calls("/services/oauth2/revoke")
