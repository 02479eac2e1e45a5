"""API and back office of automations, preflight and dry runs."""

import json
from typing import Any

import pytest
from django.utils import timezone

from integrations.api_keys import create_key
from provisioning.automations import finding
from provisioning.models import Automation
from tests.cast import Cast
from tests.provisioning.conftest import WON, Office

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/automations/"


@pytest.fixture
def api(office: Office, cast: Cast):
    """Calls with a key of an operator."""
    office.browser.force_login(cast.olga)

    def call(method: str, path: str, body: Any = None) -> Any:
        data = "" if body is None else json.dumps(body)
        return office.browser.generic(method, path, data, content_type="application/json")

    return call


def test_st_34_api_writes_tries_and_activates(api, office: Office) -> None:
    body = {"org": office.org.pk, "name": "Large", "trigger": "won", "stages": [WON],
            "conditions": [{"field": "Amount", "operator": "at_least", "value": "5000"}]}  # fmt: skip
    made = api("POST", ADDRESS, body)
    assert made.status_code == 201, made.content
    number = made.json()["id"]
    assert made.json()["words"]["only_if"] == ["Amount is at least 5000"]
    assert api("PATCH", f"{ADDRESS}{number}/", {"write_back": False}).json()["version"] == 2
    assert [each["number"] for each in api("GET", f"{ADDRESS}{number}/versions/").json()] == [2, 1]
    refused = api("POST", f"{ADDRESS}{number}/activate/", {})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "overlap")
    assert "On won" in refused.json()["error"]["message"]
    assert api("POST", f"{ADDRESS}{number}/activate/", {"replacing": True}).json()["is_active"]
    assert api("DELETE", f"{ADDRESS}{number}/").status_code == 409
    assert not api("POST", f"{ADDRESS}{number}/deactivate/").json()["is_active"]
    assert api("DELETE", f"{ADDRESS}{number}/").status_code == 204


def test_st_34_api_names_every_mistake(api, office: Office) -> None:
    body = {"org": office.org.pk, "name": "", "trigger": "won", "stages": ["Nowhere"],
            "conditions": [{"field": "Nope__c", "operator": "is", "value": "1"}], "callout": {"url": "http://x"}}  # fmt: skip
    fields = api("POST", ADDRESS, {**body, "name": " x "}).json()["error"]["fields"]
    assert set(fields) == {"stages", "conditions[1]", "callout.url"}
    assert api("POST", ADDRESS, {"name": "x", "trigger": "won"}).status_code == 400
    assert api("POST", ADDRESS, {"org": office.org.pk, "name": "x", "trigger": "never"}).status_code == 400


def test_s_002_api_takes_secrets_and_never_gives_them_back(api, office: Office) -> None:
    headers = [{"name": "Authorization", "value": "Bearer s3cret", "secret": True}]
    body = {
        "org": office.org.pk,
        "name": "Asks",
        "trigger": "won",
        "callout": {"url": "https://api.acme.com/x", "headers": headers},
    }
    made = api("POST", ADDRESS, body)
    number = made.json()["id"]
    listed = api("GET", f"{ADDRESS}?org={office.org.pk}&trigger=won")
    assert b"s3cret" not in made.content + listed.content
    assert "Asks" in [each["name"] for each in listed.json()["results"]]
    copied = api("POST", f"{ADDRESS}{number}/copy/", {"name": "Asks too"})
    assert copied.status_code == 201
    assert api("POST", f"{ADDRESS}{number}/copy/", {"name": "Asks too"}).status_code == 400


def test_st_34_api_says_what_an_automation_can_be_made_of(api, office: Office) -> None:
    found = api("GET", f"{ADDRESS}choices/?org={office.org.pk}").json()
    assert {"name": WON, "is_won": True, "is_closed": True} in found["stages"]
    assert next(each for each in found["fields"] if each["name"] == "Amount")["type"] == "currency"
    assert any(each["name"] == "idempotency_key" for each in found["placeholders"])


def test_preflight_and_dry_run_over_the_api(api, office: Office) -> None:
    made = office.deal(("plan-pro", 5), ("", 1), name="Broken")
    found = api("GET", f"/api/v1/provisions/preflight/?org={office.org.pk}&opportunity={made}").json()
    assert (found["blocked"], found["deals"][0]["problems"][0]["line"]) == (1, 2)
    few = api("GET", f"/api/v1/provisions/preflight/?org={office.org.pk}&limit=3").json()
    assert (len(few["deals"]), few["more"]) == (3, True)
    told = api("GET", f"/api/v1/provisions/dry-run/?org={office.org.pk}&opportunity={made}").json()
    assert told["state"] == "blocked"
    automation = Automation.objects.get(org=office.org, trigger="renewal")
    other = api("GET", f"{ADDRESS}{automation.pk}/dry-run/?opportunity={made}").json()
    assert other["state"] == "nothing"
    assert api("GET", f"/api/v1/provisions/dry-run/?org={office.org.pk}&opportunity=006000000000ZZZ").status_code == 404
    for wrong in ("?org=0", "", f"?org={office.org.pk}&limit=0", f"?org={office.org.pk}&opportunity=x"):
        assert api("GET", f"/api/v1/provisions/preflight/{wrong}").status_code == 400


def test_preflight_says_when_salesforce_cannot_be_asked(api, office: Office) -> None:
    office.demo.fault(path="/query", times=50, status=503, body="down")
    assert api("GET", f"/api/v1/provisions/preflight/?org={office.org.pk}").status_code == 503


def test_s_071_keys_need_the_scope(office: Office, cast: Cast) -> None:
    _, key = create_key(owner=cast.olga, name="reader", scopes=["runs:read"], expires=None)
    office.browser.logout()
    answer = office.browser.get(ADDRESS, headers={"Authorization": f"Api-Key {key}"})
    assert answer.status_code == 403


def test_back_office_lists_and_switches(office: Office, cast: Cast) -> None:
    office.browser.force_login(cast.ada)
    finding.ensure_templates(office.org, now=timezone.now())
    row = Automation.objects.get(org=office.org, trigger="won")
    assert row.name.encode() in office.browser.get("/admin/provisioning/automation/").content
    data = {"action": "deactivate", "_selected_action": [row.pk]}
    office.browser.post("/admin/provisioning/automation/", data)
    assert not Automation.objects.get(pk=row.pk).is_active
    assert b"callout_secrets" not in office.browser.get(f"/admin/provisioning/automation/{row.pk}/change/").content
