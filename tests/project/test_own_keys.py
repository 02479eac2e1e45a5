"""API keys of one's own: what may be asked for, shown once, and that a key follows its person (S-076)."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from integrations.access import DOMAIN_GROUPS, READ_ONLY, Refusal
from integrations.models import ApiKey, AuditEntry
from project.people import own_keys
from project.roles import Rights
from tests.project.test_roles import person, signed_in

pytestmark = pytest.mark.django_db
JSON = {"content_type": "application/json"}
KEYS = "/api/v1/me/keys/"


def soon(days: int = 30) -> str:
    return (timezone.now() + timedelta(days=days)).isoformat()


def bearer(secret: str) -> dict:
    return {"headers": {"Authorization": f"Api-Key {secret}"}, **JSON}


def make(user: User, *scopes: str, **more) -> tuple[ApiKey, str]:
    now = timezone.now()
    given = {"name": "Reports", "scopes": scopes, "expires": now + timedelta(days=30), "now": now, **more}
    return own_keys.make_key(user, **given)


def test_s_076_a_member_makes_a_key_on_their_page_sees_it_once_and_it_works(client, cast):
    client.force_login(cast.marsha)
    page = client.get("/me/").content.decode()
    assert "okr:write" in page
    assert "people:write" not in page
    answer = client.post("/me/keys/new/", {"name": "Reports", "days": "30", "scopes": ["okr:read"]})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    key = ApiKey.objects.get(owner=cast.marsha)
    found = re.search(re.escape(key.prefix) + r"\.[A-Za-z0-9]+", answer.content.decode())
    assert found is not None
    secret = found[0]
    assert (key.name, key.scopes, key.last_used_at) == ("Reports", ["okr:read"], None)
    assert client.get("/api/v1/objectives/", **bearer(secret)).status_code == 200
    again = client.get("/me/").content.decode()
    assert secret not in again
    assert key.prefix in again
    key.refresh_from_db()
    assert key.last_used_at is not None
    entry = AuditEntry.objects.get(action="api_key.created")
    assert (entry.actor, entry.after["scopes"]) == (cast.marsha, ["okr:read"])
    assert secret not in str(entry.after)

    assert client.post(f"/me/keys/{key.prefix}/revoke/").status_code == 302
    assert client.get("/api/v1/objectives/", **bearer(secret)).status_code == 401
    assert AuditEntry.objects.get(action="api_key.revoked").actor == cast.marsha


@pytest.mark.parametrize("fields", [
    {"scopes": ["people:write"]}, {"scopes": ["okr:read", "audit:read"]}, {"scopes": []}, {"name": " "}, {"days": "4000"},
    {"scopes": ["nothing:read"]},
])  # fmt: skip
def test_s_076_no_key_is_made_with_more_than_its_person_may(client, cast, fields):
    client.force_login(cast.marsha)
    answer = client.post("/me/keys/new/", {"name": "Reports", "days": "30", "scopes": ["okr:read"], **fields})
    assert answer.status_code == 400
    assert not ApiKey.objects.filter(owner=cast.marsha).exists()


def test_scopes_grow_with_the_role():
    members = own_keys.usable_scopes(person(Rights("member"), "m"))
    billing = own_keys.usable_scopes(person(Rights("member", ("billing",)), "b"))
    analysts = own_keys.usable_scopes(person(Rights("analyst"), "a"))
    admins = own_keys.usable_scopes(person(Rights("admin"), "x"))
    assert {"okr:read", "okr:write", "keys:write"} <= set(members)
    assert not {"audit:read", "people:read", "runs:read", "billing:write", "mappings:write"} & set(members)
    assert {"billing:write", "runs:write", "runs:read"} <= set(billing)
    assert "mappings:write" not in billing
    assert set(members) < set(analysts) < set(admins)
    viewers = own_keys.usable_scopes(person(Rights("viewer"), "v"))
    assert [each for each in viewers if each.endswith(":write")] == []


def test_s_076_a_key_follows_its_person_down_and_out(client):
    user = person(Rights("operator"))
    _, secret = make(user, "runs:read", "mappings:write", "okr:read")
    assert client.get("/api/v1/runs/", **bearer(secret)).status_code == 200
    user.groups.clear()
    assert client.get("/api/v1/runs/", **bearer(secret)).status_code == 403
    assert client.get("/api/v1/objectives/", **bearer(secret)).status_code == 200
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert "as your role does not allow it: mappings:write, runs:read" in client.get("/me/").content.decode()
    client.logout()
    user.groups.set([Group.objects.get_or_create(name=DOMAIN_GROUPS["product"])[0]])
    assert client.get("/api/v1/runs/", **bearer(secret)).status_code == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get("/api/v1/objectives/", **bearer(secret)).status_code == 401


def test_s_076_viewers_make_none_and_nobody_reaches_keys_of_others(client, cast):
    viewer = signed_in(Rights("viewer"))
    assert "Make the key" not in viewer.get("/me/").content.decode()
    refused = viewer.post("/me/keys/new/", {"name": "k", "days": "30", "scopes": ["okr:read"]})
    assert refused.status_code == 403
    assert READ_ONLY in refused.content.decode()
    key, _ = make(cast.ada, "okr:read")
    client.force_login(cast.marsha)
    assert client.post(f"/me/keys/{key.prefix}/revoke/").status_code == 404
    assert client.delete(f"{KEYS}{key.prefix}/").status_code == 404
    assert client.get(KEYS).json()["results"] == []
    key.refresh_from_db()
    assert not key.revoked


def test_the_api_makes_lists_and_revokes(client, cast):
    client.force_login(cast.marsha)
    made = client.post(KEYS, {"name": "From a script", "scopes": ["okr:read"], "expires": soon()}, **JSON)
    assert made.status_code == 201, made.content
    told = made.json()
    assert client.get("/api/v1/objectives/", **bearer(told["key"])).status_code == 200
    listed = client.get(KEYS).json()["results"]
    assert [(each["prefix"], each["name"], each["idle_scopes"]) for each in listed] == [(told["prefix"], "From a script", [])]
    assert "key" not in listed[0]
    assert listed[0]["last_used_at"]
    for body, code in (
        ({"scopes": ["people:write"]}, "scope_not_yours"), ({"expires": soon(400)}, "wrong_end"), ({"scopes": []}, "no_scope"),
        ({"expires": soon(-1)}, "wrong_end"),
    ):  # fmt: skip
        answer = client.post(KEYS, {"name": "k", "scopes": ["okr:read"], "expires": soon(), **body}, **JSON)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, code)
    assert client.delete(f"{KEYS}{told['prefix']}/").status_code == 204
    assert client.get(KEYS).json()["results"] == []


def test_a_key_makes_no_key_that_does_more_or_lives_longer_than_itself(client, cast):
    _, narrow = make(cast.olga, "okr:read")
    asking, secret = make(cast.olga, "okr:read", "keys:read", "keys:write")
    body = {"name": "child", "scopes": ["okr:read"], "expires": soon(29)}
    assert client.post(KEYS, body, **bearer(narrow)).status_code == 403
    assert client.post(KEYS, {**body, "scopes": ["okr:read", "runs:read"]}, **bearer(secret)).json()["error"]["code"] == (
        "scope_not_yours"
    )
    assert client.post(KEYS, {**body, "expires": soon(60)}, **bearer(secret)).json()["error"]["code"] == "wrong_end"
    made = client.post(KEYS, body, **bearer(secret))
    assert made.status_code == 201
    entry = AuditEntry.objects.filter(action="api_key.created").latest("pk")
    assert entry.after["made_with"] == asking.prefix


def test_s_060_a_stale_session_confirms_first(client, cast, settings):
    client.force_login(cast.marsha)
    session = client.session
    session["signed_in_at"] = (timezone.now() - timedelta(hours=2)).isoformat()
    session.save()
    asked = client.post("/me/keys/new/", {"name": "k", "days": "30", "scopes": ["okr:read"]})
    assert "confirm" in asked["Location"]
    refused = client.post(KEYS, {"name": "k", "scopes": ["okr:read"], "expires": soon()}, **JSON)
    assert refused.json()["error"]["code"] == "fresh_sign_in_needed"
    assert client.get(KEYS).status_code == 200
    assert not ApiKey.objects.exists()


def test_there_is_an_end_to_how_many(cast, monkeypatch):
    monkeypatch.setattr(own_keys, "MOST_KEYS", 2)
    first, _ = make(cast.marsha, "okr:read")
    make(cast.marsha, "okr:read")
    with pytest.raises(Refusal) as refused:
        make(cast.marsha, "okr:read")
    assert refused.value.code == "too_many_keys"
    own_keys.revoke_key(cast.marsha, first.prefix)
    make(cast.marsha, "okr:read")
