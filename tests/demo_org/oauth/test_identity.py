"""Revoke, introspect, userinfo, identity, discovery, id tokens, sessions."""

import json
from pathlib import Path

import jwt
import pytest

from integrations.demo_org.oauth.identity import signing_key
from integrations.demo_org.opening import open_org
from tests.demo_org.oauth.browsing import Person, connect, exchange, is_alive, refresh
from tests.demo_org.oauth.small_org import ADMIN, READER, open_small_org

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "salesforce-recordings"


def recording(name: str):
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"the recording {name} is not here")
    return json.loads(path.read_text())


def post(small, path: str, **fields):
    return small.http.post(f"{small.url}/services/oauth2/{path}", data=fields)


class TestRevoke:
    def test_refresh_token_takes_its_access_tokens_with_it(self, small):
        first = connect(small)
        again = refresh(small, first["refresh_token"]).json()
        answer = post(small, "revoke", token=first["refresh_token"])
        assert (answer.status_code, answer.content) == (200, b"")
        assert not is_alive(small, first["access_token"])
        assert not is_alive(small, again["access_token"])
        assert refresh(small, first["refresh_token"]).json()["error"] == "invalid_grant"

    def test_access_token_alone_leaves_the_refresh_token(self, small):
        first = connect(small)
        assert small.http.get(f"{small.url}/services/oauth2/revoke", params={"token": first["access_token"]}).status_code == 200
        assert not is_alive(small, first["access_token"])
        assert refresh(small, first["refresh_token"]).status_code == 200

    def test_dead_token_is_400_invalid_token(self, small):
        answer = post(small, "revoke", token="nothing")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_token")

    def test_callback_is_javascript_and_only_a_plain_name(self, small):
        answer = post(small, "revoke", token="nothing", callback="done.here")
        assert answer.text.startswith("done.here({")
        assert answer.headers["content-type"].startswith("application/javascript")
        assert post(small, "revoke", token="nothing", callback="alert(1)//").json()["error"] == "invalid_token"


class TestIntrospect:
    def test_living_tokens(self, small):
        first, app = connect(small), small.client()
        who = {"client_id": app["client_id"], "client_secret": app["client_secret"]}
        body = post(small, "introspect", token=first["access_token"], **who).json()
        assert body["active"] is True
        assert body["username"] == ADMIN
        assert body["client_id"] == app["client_id"]
        assert body["sub"] == first["id"]
        assert body["scope"] == "api refresh_token id"
        assert body["exp"] - body["iat"] == 7200
        assert post(small, "introspect", token=first["refresh_token"], **who).json()["token_type"] == "refresh_token"

    def test_dead_token_says_only_that(self, small):
        app = small.client()
        who = {"client_id": app["client_id"], "client_secret": app["client_secret"]}
        assert post(small, "introspect", token="nothing", **who).json() == {"active": False}

    def test_needs_a_client(self, small):
        assert post(small, "introspect", token="x", client_id="y").json()["error"] == "invalid_client_id"


class TestIdentity:
    def test_identity_has_the_recorded_keys_and_a_literal_version(self, small):
        first = connect(small)
        body = small.http.get(first["id"], headers={"Authorization": f"Bearer {first['access_token']}"}).json()
        shape = recording("oauth/identity-url-shape.json")
        assert shape.keys() <= body.keys()
        assert shape["urls"].keys() <= body["urls"].keys()
        assert body["urls"]["rest"] == f"{small.url}/services/data/v{{version}}/"
        assert body["urls"]["partner"].endswith(f"/services/Soap/u/{{version}}/{small.org.info.org_id[:15]}")
        assert body["username"] == ADMIN
        assert body["utcOffset"] == -28800000
        assert body["last_modified_date"] == "2026-01-05T08:00:00Z"

    def test_identity_as_xml_and_with_token_in_the_query(self, small):
        first = connect(small)
        answer = small.http.get(first["id"], params={"format": "xml", "oauth_token": first["access_token"]})
        assert answer.headers["content-type"].startswith("application/xml")
        assert f"<username>{ADMIN}</username>" in answer.text

    def test_identity_refusals(self, small):
        first = connect(small)
        header = {"Authorization": f"Bearer {first['access_token']}"}
        assert small.http.get(first["id"]).text == "Missing_OAuth_Token"
        assert small.http.get(first["id"], headers={"Authorization": "Bearer x"}).text == "Bad_OAuth_Token"
        other = first["id"].replace(small.user_id(), small.user_id(READER))
        assert small.http.get(other, headers=header).status_code == 403
        foreign = first["id"].replace(small.org.info.org_id, "00D000000000001EAA")
        assert small.http.get(foreign, headers=header).text == "Wrong_Org"
        nobody = first["id"].replace(small.user_id(), "nobody")
        assert small.http.get(nobody, headers=header).status_code == 404
        assert small.http.get(first["id"], headers=header, params={"format": "pdf"}).status_code == 406

    def test_userinfo_has_openid_names(self, small):
        first = connect(small)
        answer = small.http.get(
            f"{small.url}/services/oauth2/userinfo", headers={"Authorization": f"Bearer {first['access_token']}"}
        )
        body = answer.json()
        assert recording("oauth/userinfo.json").keys() <= body.keys() | {"address"}
        assert body["sub"] == first["id"]
        assert body["preferred_username"] == ADMIN
        assert body["zoneinfo"] == "America/Los_Angeles"
        assert body["updated_at"] == "2026-01-05T08:00:00Z"
        assert small.http.get(f"{small.url}/services/oauth2/userinfo").status_code == 403

    def test_id_token_verifies_with_the_published_keys(self, small):
        code = Person(small).get_code(scope="openid email api", nonce="n-1")
        body = exchange(small, code).json()
        provider = small.http.get(f"{small.url}/.well-known/openid-configuration").json()
        (published,) = small.http.get(provider["jwks_uri"]).json()["keys"]
        claims = jwt.decode(
            body["id_token"], jwt.PyJWK(published).key, algorithms=["RS256"], audience=small.client()["client_id"]
        )
        assert claims["iss"] == provider["issuer"] == small.url
        assert claims["sub"] == body["id"]
        assert claims["nonce"] == "n-1"
        assert claims["email"] == ADMIN
        assert "name" not in claims


class TestSessions:
    def test_use_extends_the_life_and_idleness_ends_it(self, small):
        token = connect(small)["access_token"]
        for _ in range(3):
            small.org.clock.advance(7000)
            assert is_alive(small, token)
        small.org.clock.advance(7201)
        assert not is_alive(small, token)

    def test_timeout_is_a_setting(self, small):
        token = connect(small)["access_token"]
        small.org.settings.session_seconds = 900
        small.org.clock.advance(901)
        assert not is_alive(small, token)

    def test_caller_knows_zone_and_rights(self, small):
        admin = small.org.sessions.caller_for(small.org.sessions.open(small.user_id(ADMIN), scopes=("api",)))
        reader = small.org.sessions.caller_for(small.org.sessions.open(small.user_id(READER), scopes=("api",)))
        assert (admin.is_admin, admin.time_zone) == (True, "America/Los_Angeles")
        assert (reader.is_admin, reader.time_zone, reader.username) == (False, "Europe/Paris", READER)

    def test_all_sessions_can_be_ended_and_refresh_tokens_stay(self, small):
        first = connect(small)
        small.http.delete(f"{small.url}/__demo__/sessions")
        assert not is_alive(small, first["access_token"])
        assert refresh(small, first["refresh_token"]).status_code == 200

    def test_tokens_are_stored_only_as_digests(self, small):
        body = connect(small)
        dump = "\n".join(small.org.store.read().iterdump())
        for secret in (body["access_token"], body["refresh_token"]):
            assert secret not in dump
            assert secret[16:40] not in dump

    def test_restart_keeps_sessions_and_refresh_tokens(self, tmp_path):
        org = open_small_org(tmp_path)
        user = org.store.read().execute("SELECT user_id FROM _login LIMIT 1").fetchone()[0]
        token = org.sessions.open(user, scopes=("api",))
        org.close()
        again = open_small_org(tmp_path)
        assert again.sessions.caller_for(token).user_id == user
        again.close()

    def test_control_plane_refuses_unknown_names(self, small):
        assert small.http.patch(f"{small.url}/__demo__/logins/{ADMIN}", json={"user_id": "x"}).status_code == 400
        assert small.http.patch(f"{small.url}/__demo__/logins/nobody", json={"frozen": True}).status_code == 404
        assert small.http.patch(f"{small.url}/__demo__/oauth-clients/none", json={"policy": "self"}).status_code == 404
        made = small.http.post(f"{small.url}/__demo__/oauth-clients", json={"name": "Another"})
        assert made.status_code == 201
        assert made.json()["client_id"] != small.client()["client_id"]


def test_the_signing_key_is_made_with_the_org_and_outlives_a_reset(tmp_path):
    org = open_org(tmp_path, objects=())
    key_id, key = signing_key(org)
    org.reset()
    assert signing_key(org) == (key_id, key)
    org.close()
