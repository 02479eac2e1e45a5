"""The outbox over the API: who may see what, and the same verbs as on the pages."""

import pytest
from rest_framework.test import APIClient

from integrations.models import ApiKey, AuditEntry, GuardRequest, HumanEdit, OutboxPush, OutboxRow, OutboxTarget
from integrations.sync.outbox import registering
from tests.outbox.conftest import ACCOUNTS, classes

BASE = "/api/v1/outbox"
RULE = {
    "name": "r",
    "object": "Account",
    "field": "PX_Health__c",
    "op": "contains",
    "value": "bad",
    "message": "Ask jane@acme.example",
}


@pytest.fixture(autouse=True)
def _jobs(desk):
    registering.register()


@pytest.fixture
def api(cast):
    """Clients by role, signed in as people of the cast."""

    def of(person):
        client = APIClient()
        client.force_authenticate(person)
        return client

    return of


@pytest.fixture
def refused(desk):
    desk.demo.control("rules", RULE)
    ids = desk.account_ids(2)
    target = desk.target()
    desk.push(target, {"key": ids, "label": ["A", "B"], "PX_Health__c": ["bad", "good"]})
    return target, ids


def test_waiting_rows_are_listed_edited_and_tried_again(desk, refused, api, cast):
    target, ids = refused
    client = api(cast.olga)
    (row,) = client.get(f"{BASE}/rows/", {"org": desk.org.pk, "code": "FIELD_CUSTOM_VALIDATION_EXCEPTION"}).json()["results"]
    assert (row["key"], row["object"], row["state"], row["values"]) == (ids[0], "Account", "retrying", {"PX_Health__c": "bad"})
    assert "validation rule" in row["fix"]
    (group,) = client.get(f"{BASE}/rows/groups/").json()
    assert (group["rows"], group["target"]) == (1, target.pk)

    wrong = client.patch(f"{BASE}/rows/{row['id']}/", {"values": {"PX_Health__c": "x" * 99}}, format="json")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (409, "bad_values")
    good = client.patch(f"{BASE}/rows/{row['id']}/", {"values": {"PX_Health__c": "fine"}}, format="json")
    assert good.json()["edited"] == {"PX_Health__c": "fine"}
    started = client.post(f"{BASE}/rows/{row['id']}/retry/")
    assert (started.status_code, started.json()["state"]) == (202, "success")
    assert desk.values("Account", "PX_Health__c")[ids[0]] == "fine"
    assert client.get(f"{BASE}/rows/").json()["results"] == []


def test_s_115_analysts_see_causes_but_no_people(refused, api, cast):
    client = api(cast.ana)
    (row,) = client.get(f"{BASE}/rows/").json()["results"]
    assert row["values"] == {"PX_Health__c": "***"}
    assert "jane@acme.example" not in row["message"]
    assert client.post(f"{BASE}/rows/{row['id']}/retry/").status_code == 403
    assert api(cast.jane).get(f"{BASE}/rows/").status_code == 403


def test_groups_are_dismissed_and_retried(desk, refused, api, cast):
    target, _ = refused
    client = api(cast.olga)
    about = {"target": target.pk, "code": "FIELD_CUSTOM_VALIDATION_EXCEPTION"}
    assert client.post(f"{BASE}/rows/dismiss-group/", about, format="json").json() == {"rows": 1}
    assert OutboxRow.objects.get().state == "dismissed"
    answer = client.post(f"{BASE}/rows/retry-group/", about, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "nothing_waits")
    assert client.post(f"{BASE}/rows/{OutboxRow.objects.get().pk}/retry/").status_code == 202


@pytest.mark.parametrize("query", [{"org": "x"}, {"target": "1e3"}, {"state": "nope"}])
def test_r_282_filters_that_make_no_sense_are_400(refused, api, cast, query):
    assert api(cast.olga).get(f"{BASE}/rows/", query).status_code == 400


def test_targets_are_paused_compared_dry_run_and_undone(desk, refused, api, cast, change_kind):
    import pyarrow as pa

    target, ids = refused
    client = api(cast.olga)
    (shown,) = client.get(f"{BASE}/targets/").json()["results"]
    assert (shown["id"], shown["waiting"], shown["label"]) == (target.pk, 1, "Test accounts")
    assert client.post(f"{BASE}/targets/{target.pk}/pause/", {"reason": "Wrong"}, format="json").json()["state"] == "paused"
    assert client.post(f"{BASE}/targets/{target.pk}/resume/").json()["state"] == "active"
    assert client.post(f"{BASE}/targets/{target.pk}/verify/").json()["state"] == "success"
    change_kind(ACCOUNTS, desired=lambda target: pa.table({"key": ids, "PX_Health__c": ["x", "y"]}))
    dry = client.post(f"{BASE}/targets/dry-run/", {"org": desk.org.pk, "kinds": [ACCOUNTS]}, format="json")
    assert dry.status_code == 202
    assert client.post(f"{BASE}/targets/dry-run/", {"org": desk.org.pk, "kinds": ["no"]}, format="json").status_code == 400
    run = OutboxPush.objects.filter(is_dry=False, name="").earliest("pk").run
    undone = client.post(f"{BASE}/targets/undo/", {"run": run.pk}, format="json")
    assert undone.status_code == 202
    again = client.post(f"{BASE}/targets/undo/", {"run": run.pk}, format="json")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_undone")
    assert AuditEntry.objects.filter(action__in=["outbox.paused", "outbox.active", "run.undone"]).count() == 3


def test_a_mass_change_is_answered_once(desk, api, cast):
    ids = desk.account_ids(100)
    target = desk.target()
    desk.push(target, {"key": ids, "PX_Health__c": ["x"] * 100})
    run, _ = desk.push(target, {"key": ids, "PX_Health__c": [None] * 60 + ["x"] * 40})
    assert classes(run, "Account") == {"skipped": 60, "unchanged": 40}
    client = api(cast.olga)
    (asked,) = client.get(f"{BASE}/guards/").json()["results"]
    assert (asked["rows"], asked["of_rows"], asked["effect"], asked["answer"]) == (60, 100, "clear", None)
    assert client.post(f"{BASE}/guards/{asked['id']}/answer/", {"yes": False}, format="json").json()["answer"] is False
    assert client.post(f"{BASE}/guards/{asked['id']}/answer/", {"yes": True}, format="json").status_code == 409
    assert client.get(f"{BASE}/guards/").json()["results"] == []
    assert GuardRequest.objects.count() == 1


def test_edits_by_people_are_decided(desk, api, cast):
    target = desk.target()
    edit = HumanEdit.objects.create(target=target, key="k", field="PX_Health__c", ours="a", theirs="b")
    client = api(cast.olga)
    assert client.get(f"{BASE}/edits/", {"decision": "open"}).json()["results"][0]["theirs"] == "b"
    assert api(cast.ana).get(f"{BASE}/edits/").json()["results"][0]["theirs"] == "***"
    assert client.post(f"{BASE}/edits/{edit.pk}/decide/", {"decision": "theirs"}, format="json").json()["decision"] == "theirs"
    assert client.post(f"{BASE}/edits/{edit.pk}/decide/", {"decision": "nobody"}, format="json").status_code == 400


def test_keys_need_the_scope(desk, refused, cast):
    _, secret = ApiKey.objects.create_key(name="k", owner=cast.olga, scopes=["outbox:read"])
    client = APIClient(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    assert client.get(f"{BASE}/rows/").status_code == 200
    assert client.post(f"{BASE}/rows/{OutboxRow.objects.get().pk}/retry/").status_code == 403
    _, secret = ApiKey.objects.create_key(name="l", owner=cast.olga, scopes=["runs:read"])
    assert APIClient(HTTP_AUTHORIZATION=f"Api-Key {secret}").get(f"{BASE}/rows/").status_code == 403


def test_the_back_office_shows_and_steers_it(desk, refused, cast, client):
    client.force_login(cast.ada)
    for model in ("outboxtarget", "outboxrow", "outboxpush", "outboxbatch", "guardrequest", "humanedit", "undo"):
        assert client.get(f"/admin/integrations/{model}/").status_code == 200, model
    target, _ = refused
    client.post("/admin/integrations/outboxtarget/", {"action": "pause", "_selected_action": [target.pk]})
    assert OutboxTarget.objects.get().state == "paused"
    client.post("/admin/integrations/outboxtarget/", {"action": "resume", "_selected_action": [target.pk]})
    client.post("/admin/integrations/outboxrow/", {"action": "dismiss", "_selected_action": [OutboxRow.objects.get().pk]})
    assert OutboxRow.objects.get().state == "dismissed"
