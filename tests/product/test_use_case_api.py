"""The API of health scores, task rules and use cases: the same verbs as the pages, refusals by field, keys with scopes."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from integrations.api_keys import create_key
from integrations.models import Customer, Run, SalesforceOrg
from integrations.product.health import compute
from integrations.product.models import CsmTask, HealthScore, TaskRule
from integrations.sync.matching.saving import save_customers

pytestmark = pytest.mark.django_db
SCORES, RULES = "/api/v1/product/health-scores/", "/api/v1/product/task-rules/"
PARTS = [{"signal": "days_since_seen", "weight": 2, "worst": 30, "best": 0}]
QUIET = [{"signal": "days_since_seen", "op": "at_least", "value": "14"}]


@pytest.fixture
def org(db) -> SalesforceOrg:
    cache.clear()
    return SalesforceOrg.objects.create(name="Acme", state=SalesforceOrg.State.CONNECTED)


@pytest.fixture
def api(cast) -> APIClient:
    client = APIClient()
    client.force_authenticate(cast.olga)
    return client


def customer(name: str, days: int) -> None:
    seen = (timezone.now() - timedelta(days=days, minutes=1)).isoformat()
    save_customers([{"external_id": name, "name": name.title(), "last_seen_at": seen}], now=timezone.now())


def test_px_42_scores_are_made_changed_read_and_explained(api, org) -> None:
    customer("fresh", 0)
    customer("stale", 15)
    made = api.post(SCORES, {"name": "Health", "key": "health_score", "org": org.pk, "parts": PARTS}, format="json")
    assert made.status_code == 201, made.json()
    address = f"{SCORES}{made.json()['id']}/"
    assert api.post(f"{SCORES}compute/").status_code == 202
    assert Run.objects.get(job=compute.JOB).state == "success"
    page = api.get(f"{address}customers/").json()
    assert (page["count"], page["day"]) == (2, timezone.now().date().isoformat())
    assert [(row["customer"], row["score"], row["band"]) for row in page["results"]] == [
        ("stale", 50, "fair"), ("fresh", 100, "good")]  # fmt: skip
    why = api.get(f"{address}explain/?customer=stale").json()
    assert why["score"]["parts"] == [{"signal": "days_since_seen", "value": "15", "points": "50.00", "weight": 2,
                                      "share": "100.00", "contribution": "50.00", "lost": "50.00"}]  # fmt: skip
    assert why["days"][0]["score"] == 50
    assert api.get(f"{address}explain/?customer=nobody").status_code == 404
    assert api.get(f"{address}history/").json()[0]["average"] == "75.00"
    changed = api.patch(address, {"good_from": 60}, format="json").json()
    assert (changed["good_from"], changed["version"], changed["parts"][0]["worst"]) == (60, 2, "30")
    assert api.post(f"{address}state/", {"state": "paused"}).json()["state"] == "paused"
    assert api.delete(address).status_code == 204
    assert not HealthScore.objects.exists()


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"parts": []}, "parts"), ({"parts": [{"signal": "x", "worst": 0, "best": 1}]}, "parts[1]"), ({"key": "no way"}, "key"),
        ({"good_from": 200}, "good_from"), ({"state": "active"}, "state"), ({"parts": "x"}, "parts"),
        ({"good_from": "many"}, "good_from"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_by_field(api, org, body, where) -> None:
    answer = api.post(SCORES, {"name": "H", "key": "h", "parts": PARTS, **body}, format="json")
    assert answer.status_code == 400
    assert where in answer.json()["error"]["fields"]
    assert not HealthScore.objects.exists()


def test_a_preview_stores_nothing(api, org) -> None:
    customer("fresh", 0)
    found = api.post(f"{SCORES}preview/", {"name": "Try", "key": "try_it", "parts": PARTS}, format="json").json()
    assert (found["customers"], found["bands"], found["lowest"][0]["score"]) == (1, {"good": 1}, 100)
    assert not HealthScore.objects.exists()


def test_px_41_rules_are_made_tried_switched_on_and_their_tasks_read(api, org, monkeypatch) -> None:
    customer("quiet", 20)
    monkeypatch.setattr("integrations.sync.runs._enqueue", lambda run, now: None)
    made = api.post(RULES, {"org": org.pk, "name": "Quiet", "subject": "Call {{customer}}", "conditions": QUIET}, format="json")
    assert made.status_code == 201, made.json()
    rule, address = made.json(), f"{RULES}{made.json()['id']}/"
    assert (rule["state"], rule["made"], rule["cooldown_days"]) == ("draft", 0, 30)
    tried = api.get(f"{address}dry-run/").json()
    assert (tried["looked_at"], tried["new_tasks"], tried["customers"][0]["customer"]) == (1, 1, "quiet")
    assert not CsmTask.objects.exists()
    assert api.post(f"{address}state/", {"state": "active"}).json()["state"] == "active"
    assert api.post(f"{address}state/", {"state": "draft"}).status_code == 409
    assert api.patch(address, {"due_in_days": 9}, format="json").json()["due_in_days"] == 9
    assert api.patch(address, {"due_in_days": 900}, format="json").status_code == 400
    assert api.post(f"{address}check/").status_code == 202
    about = {"rule": TaskRule.objects.get(), "customer": Customer.objects.get(), "opened_at": timezone.now()}
    CsmTask.objects.create(episode=1, key="k", state="created", **about)
    assert api.get(f"{address}tasks/?state=created").json()["results"][0]["customer"] == "quiet"
    assert api.get(f"{address}tasks/?state=waiting").json()["count"] == 0
    listed = api.get(f"{RULES}?org={org.pk}").json()["results"]
    assert [(each["name"], each["made"]) for each in listed] == [("Quiet", 1)]
    assert api.get(f"{RULES}?org=999999").json()["count"] == 0
    api.post(f"{address}state/", {"state": "archived"})
    assert api.get(RULES).json()["count"] == 0
    assert api.get(address).json()["state"] == "archived"


def test_a_rule_needs_a_connection_and_conditions_that_exist(api, org) -> None:
    assert "org" in api.post(RULES, {"name": "Q"}, format="json").json()["error"]["fields"]
    body = {"org": org.pk, "name": "Q", "subject": "S", "conditions": [{"signal": "gone", "op": "is", "value": "1"}]}
    fields = api.post(RULES, body, format="json").json()["error"]["fields"]
    assert list(fields) == ["conditions[1]"]
    assert not TaskRule.objects.exists()


def test_use_cases_by_the_api(api, org) -> None:
    listed = {each["case"]: each for each in api.get("/api/v1/product/use-cases/").json()}
    assert listed["health_score"]["makes"] == "health"
    made = api.post("/api/v1/product/use-cases/", {"case": "no_login"}, format="json")
    assert (made.status_code, made.json()["makes"]) == (201, "task_rule")
    assert api.post("/api/v1/product/use-cases/", {"case": "what"}, format="json").status_code == 409


def test_s_071_s_076_members_read_operators_write_and_keys_need_the_scope(cast, org) -> None:
    client = APIClient()
    client.force_authenticate(cast.marsha)
    assert client.get(SCORES).status_code == 200
    assert client.post(SCORES, {"name": "H", "parts": PARTS}, format="json").status_code == 403
    assert client.post(f"{SCORES}compute/").status_code == 403
    for scopes, status in ((["product:read"], 403), (["product:write"], 201), (["okr:write"], 403)):
        _, key = create_key(owner=cast.olga, name="k", scopes=scopes, expires=None)
        client = APIClient(HTTP_AUTHORIZATION=f"Api-Key {key}")
        body: dict[str, Any] = {"name": f"H{status}", "key": f"h{status}", "parts": PARTS}
        assert client.post(SCORES, body, format="json").status_code == status, scopes
