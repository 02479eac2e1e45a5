"""API of connections."""

import pytest

from integrations import disconnect
from integrations.api_keys import create_key
from integrations.models import AuditEntry, SalesforceOrg
from integrations.orgs import lifecycle


@pytest.fixture
def call(cast, client):
    """Calls as olga's key with the given scopes."""

    def make(*scopes: str, owner=None):
        _, secret = create_key(owner=owner or cast.olga, name="test", scopes=scopes, expires=None)
        headers = {"Authorization": f"Api-Key {secret}"}

        def ask(method: str, path: str):
            return getattr(client, method)(f"/api/v1/connections/{path}", headers=headers)

        return ask

    return make


def test_list_and_detail_say_the_state_and_nothing_secret(call, web_org):
    ask = call("connections:read")
    rows = ask("get", "").json()["results"]
    assert [row["name"] for row in rows] == ["Web"]
    detail = ask("get", f"{web_org.pk}/").json()
    assert (detail["state"], detail["org_id"], detail["environment"]) == ("connected", web_org.org_id, "demo")
    assert not {"client_id", "secrets", "certificate", "posture"} & detail.keys()
    assert web_org.client_id not in str(detail)


def test_r_019_a_missing_key_reads_as_locked(call, web_org, settings):
    settings.FIELD_ENCRYPTION_KEYS = []
    assert call("connections:read")("get", f"{web_org.pk}/").json()["state"] == "locked"


def test_test_pause_resume_and_usage(call, web_org, demo_org):
    ask = call("connections:read", "connections:write")
    tested = ask("post", f"{web_org.pk}/test/").json()
    assert tested["ready"] is True
    assert {"version", "api", "reports"} <= {each["key"] for each in tested["findings"]}
    assert ask("post", f"{web_org.pk}/pause/").json()["state"] == "paused"
    answer = ask("post", f"{web_org.pk}/pause/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_connected")
    assert ask("post", f"{web_org.pk}/resume/").json()["state"] == "connected"
    usage = ask("get", f"{web_org.pk}/api-usage/").json()
    assert usage["limit"] > usage["used"] >= usage["ours"] > 0
    assert len(usage["hours"]) == 24
    assert set(AuditEntry.objects.filter(action__startswith="connection.pa").values_list("actor_name", flat=True)) == {"olga"}


def test_resume_says_why_it_cannot(call, web_org, demo_org, now):
    disconnect.pause(web_org, now=now)
    demo_org.control(f"approvals/{web_org.user_name}", method="DELETE")
    answer = call("connections:write")("post", f"{web_org.pk}/resume/")
    assert answer.status_code == 409
    assert "Authorize this connection again" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("scopes", "method", "path", "status"), [
    (["runs:read"], "get", "", 403), (["connections:read"], "post", "{pk}/pause/", 403), (["connections:read"], "post", "{pk}/test/", 403),
])  # fmt: skip
def test_s_076_keys_do_only_what_their_scopes_say(call, org, scopes, method, path, status):
    assert call(*scopes)(method, path.format(pk=org.pk)).status_code == status


def test_s_074_a_member_key_with_write_scope_is_still_a_member(call, cast, org):
    assert call("connections:write", owner=cast.jane)("post", f"{org.pk}/pause/").status_code == 403


def test_s_072_nothing_can_be_written_past_the_verbs(call, ada, org):
    ask = call("connections:read", "connections:write")
    for method in ("put", "patch", "delete"):
        assert ask(method, f"{org.pk}/").status_code == 405
    assert ask("post", "").status_code == 405
    assert ada.post("/api/v1/connections/", {"name": "x"}, content_type="application/json").status_code == 405
    assert SalesforceOrg.objects.count() == 1


def test_strangers_get_nothing(client, org):
    assert client.get("/api/v1/connections/").status_code in {401, 403}


def test_unknown_connections_are_404(call, db):
    assert call("connections:read")("get", "999/").status_code == 404


def test_a_broken_connection_is_described_in_words(call, demo_org, now):
    org = lifecycle.connect_demo_org(name="Demo", now=now, method="jwt")
    SalesforceOrg.objects.filter(pk=org.pk).update(state="app_rejected", state_reason="Salesforce rejects the app.")
    detail = call("connections:read")("get", f"{org.pk}/").json()
    assert (detail["state"], detail["state_label"]) == ("app_rejected", "App credentials rejected")
