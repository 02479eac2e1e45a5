"""The token endpoint: every flow, its shape and its refusals."""

import base64
import functools
import hashlib
import hmac
import re
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from integrations.demo_org.oauth import clients, tokens
from tests.demo_org.oauth.browsing import CALLBACK, VERIFIER, Person, connect, exchange, is_alive, refresh
from tests.demo_org.oauth.small_org import ADMIN, ADMIN_PASSWORD, ADMIN_TOKEN, READER

JWT_BEARER = clients.JWT_BEARER


def error_of(answer) -> tuple[int, str, str]:
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()["error"], answer.json()["error_description"]


def signed(small, **changes) -> str:
    """An assertion of the JWT app for the admin, valid for three minutes; None removes a claim."""
    app = small.client(JWT_BEARER)
    claims = {
        "iss": app["client_id"],
        "sub": ADMIN,
        "aud": "https://login.salesforce.com",
        "exp": int(small.org.clock.now().timestamp()) + 180,
    }
    claims = {key: value for key, value in (claims | changes).items() if value is not None}
    return jwt.encode(claims, loaded(app["private_key"]), algorithm="RS256")


@functools.cache
def loaded(pem: str):
    """The app's key, read once and without the slow check of a foreign key."""
    return serialization.load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)


def by_assertion(small, assertion: str):
    return small.token(grant_type=JWT_BEARER, assertion=assertion)


class TestCode:
    def test_web_server_flow_answers_in_the_recorded_shape(self, small):
        body = connect(small)
        assert list(body) == [
            "access_token", "refresh_token", "signature", "scope", "instance_url", "id", "token_type", "issued_at",
        ]  # fmt: skip
        assert body["scope"] == "api refresh_token id"
        assert body["token_type"] == "Bearer"
        assert body["instance_url"] == small.url
        assert body["id"] == f"{small.url}/id/{small.org.info.org_id}/{small.user_id()}"
        assert re.fullmatch(r"00D\w{12}![\w.]{90,}", body["access_token"])
        assert body["access_token"][:15] == small.org.info.org_id[:15]
        assert re.fullmatch(r"\d{13}", body["issued_at"])
        assert "expires_in" not in body

    def test_signature_is_hmac_of_id_and_issued_at_with_the_consumer_secret(self, small):
        body = connect(small)
        secret = small.client()["client_secret"]
        made = hmac.new(secret.encode(), (body["id"] + body["issued_at"]).encode(), hashlib.sha256).digest()
        assert base64.b64decode(body["signature"]) == made

    def test_no_refresh_token_without_the_scope(self, small):
        body = exchange(small, Person(small).get_code(scope="api id")).json()
        assert "refresh_token" not in body

    def test_s_050_code_works_once_and_reuse_revokes_what_it_gave(self, small):
        code = Person(small).get_code(scope="api refresh_token")
        first = exchange(small, code).json()
        assert error_of(exchange(small, code)) == (400, "invalid_grant", "expired authorization code")
        assert not is_alive(small, first["access_token"])
        assert refresh(small, first["refresh_token"]).status_code == 400

    def test_code_dies_after_15_minutes(self, small):
        code = Person(small).get_code()
        small.org.clock.advance(15 * 60 + 1)
        assert error_of(exchange(small, code)) == (400, "invalid_grant", "expired authorization code")

    def test_code_of_another_app_or_an_invented_one(self, small):
        other = small.client(JWT_BEARER)
        code = Person(small).get_code()
        answer = exchange(small, code, client_id=other["client_id"], client_secret=other["client_secret"])
        assert error_of(answer) == (400, "invalid_grant", "invalid authorization code")
        assert error_of(exchange(small, "aPrxNothing")) == (400, "invalid_grant", "invalid authorization code")

    def test_redirect_uri_must_be_the_same(self, small):
        code = Person(small).get_code()
        answer = exchange(small, code, redirect_uri=CALLBACK + "/other")
        assert error_of(answer) == (400, "redirect_uri_mismatch", "redirect_uri must match configuration")

    @pytest.mark.parametrize("verifier", [None, "w" * 64, "v" * 42, ""])
    def test_s_010_pkce_is_enforced_when_a_challenge_was_sent(self, small, verifier):
        code = Person(small).get_code(code_challenge=tokens.challenge_of(VERIFIER))
        answer = exchange(small, code, code_verifier=verifier)
        assert error_of(answer) == (400, "invalid_grant", "invalid code verifier")
        assert exchange(small, code, code_verifier=VERIFIER).status_code == 200

    def test_verifier_without_challenge_is_refused(self, small):
        answer = exchange(small, Person(small).get_code(), code_verifier=VERIFIER)
        assert error_of(answer) == (400, "invalid_grant", "invalid code verifier")

    def test_client_may_prove_itself_by_basic_header(self, small):
        app, code = small.client(), Person(small).get_code()
        answer = small.http.post(
            f"{small.url}/services/oauth2/token",
            data={"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK},
            auth=(app["client_id"], app["client_secret"]),
        )
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        ("changes", "error", "text"),
        [
            ({"client_id": "nobody"}, "invalid_client_id", "client identifier invalid"),
            ({"client_secret": "wrong"}, "invalid_client", "invalid client credentials"),
            ({"client_secret": None}, "invalid_client", "invalid client credentials"),
        ],
    )
    def test_bad_client_is_400_not_401(self, small, changes, error, text):
        assert error_of(exchange(small, "any", **changes)) == (400, error, text)

    def test_public_client_needs_no_secret(self, small):
        challenge = tokens.challenge_of(VERIFIER)
        redirect = "http://localhost:1717/OauthRedirect"
        code = Person(small).get_code(client_id="PlatformCLI", redirect_uri=redirect, code_challenge=challenge)
        answer = exchange(
            small, code, client_id="PlatformCLI", client_secret=None, redirect_uri=redirect, code_verifier=VERIFIER
        )
        assert answer.status_code == 200
        assert answer.json()["refresh_token"]

    def test_at_most_five_approvals_the_sixth_revokes_the_oldest(self, small):
        refreshes = [connect(small)["refresh_token"] for _ in range(6)]
        assert error_of(refresh(small, refreshes[0])) == (400, "invalid_grant", "expired access/refresh token")
        assert [refresh(small, each).status_code for each in refreshes[1:]] == [200] * 5

    def test_unknown_grant_type_and_get(self, small):
        assert error_of(small.token(grant_type="device")) == (400, "unsupported_grant_type", "grant type not supported")
        assert error_of(small.token()) == (400, "unsupported_grant_type", "grant type not supported")
        answer = small.http.get(f"{small.url}/services/oauth2/token", params={"grant_type": "refresh_token"})
        assert answer.json() == {"error": "invalid_request", "error_description": "must use HTTP POST"}


class TestRefresh:
    def test_r_006_refresh_without_rotation_brings_no_new_refresh_token(self, small):
        first = connect(small)
        body = refresh(small, first["refresh_token"]).json()
        assert "refresh_token" not in body
        assert body["access_token"] != first["access_token"]
        assert is_alive(small, first["access_token"])
        assert is_alive(small, body["access_token"])
        assert refresh(small, first["refresh_token"]).status_code == 200

    def test_rotation_kills_the_old_token_at_once_and_reuse_revokes_the_grant(self, small):
        small.org.settings.rotation = True
        first = connect(small)
        second = refresh(small, first["refresh_token"]).json()
        assert second["refresh_token"] != first["refresh_token"]
        third = refresh(small, second["refresh_token"]).json()
        assert third["refresh_token"]
        assert error_of(refresh(small, first["refresh_token"])) == (400, "invalid_grant", "expired access/refresh token")
        assert refresh(small, third["refresh_token"]).status_code == 400
        assert not is_alive(small, third["access_token"])

    def test_unknown_refresh_token_or_one_of_another_app(self, small):
        first = connect(small)
        other = small.client(JWT_BEARER)
        answer = refresh(small, first["refresh_token"], client_id=other["client_id"], client_secret=other["client_secret"])
        assert error_of(answer) == (400, "invalid_grant", "expired access/refresh token")
        assert error_of(refresh(small, "5Aepnone")) == (400, "invalid_grant", "expired access/refresh token")

    def test_r_008_changed_secret_is_invalid_client(self, small):
        first = connect(small)
        clients.change_client(small.org, small.client()["client_id"], {"client_secret": "fresh"})
        answer = refresh(small, first["refresh_token"], client_secret="old")
        assert error_of(answer) == (400, "invalid_client", "invalid client credentials")

    @pytest.mark.parametrize("change", [{"frozen": True}, {"active": False}])
    def test_r_009_frozen_or_inactive_user(self, small, change):
        first = connect(small)
        small.http.patch(f"{small.url}/__demo__/logins/{ADMIN}", json=change)
        assert error_of(refresh(small, first["refresh_token"])) == (400, "inactive_user", "user is inactive")
        assert not is_alive(small, first["access_token"])

    def test_r_010_address_restriction(self, small):
        first = connect(small)
        small.http.patch(f"{small.url}/__demo__/logins/{ADMIN}", json={"ip_ranges": ["10.0.0.0/8"]})
        assert error_of(refresh(small, first["refresh_token"])) == (400, "invalid_grant", "ip restricted")
        assert not small.org.sessions.address_allowed(first["access_token"], "127.0.0.1")
        small.http.patch(f"{small.url}/__demo__/logins/{ADMIN}", json={"ip_ranges": ["127.0.0.1-127.0.0.9"]})
        assert refresh(small, first["refresh_token"]).status_code == 200

    def test_r_010_the_org_can_restrict_everyone(self, small):
        first = connect(small)
        small.org.settings.login_addresses = ["10.0.0.0/8"]
        assert error_of(refresh(small, first["refresh_token"])) == (400, "invalid_grant", "ip restricted")

    def test_blocked_app(self, small):
        first = connect(small)
        clients.change_client(small.org, small.client()["client_id"], {"policy": "admin"})
        answer = refresh(small, first["refresh_token"])
        assert error_of(answer) == (400, "invalid_app_access", "user is not admin approved to access this app")

    def test_refresh_token_can_have_an_age(self, small):
        first = connect(small)
        small.org.settings.refresh_token_seconds = 3600
        assert refresh(small, first["refresh_token"]).status_code == 200
        small.org.clock.advance(3601)
        assert error_of(refresh(small, first["refresh_token"]))[2] == "expired access/refresh token"

    def test_r_024_administrator_revokes_all_approvals(self, small):
        first = connect(small)
        assert small.http.delete(f"{small.url}/__demo__/approvals/{ADMIN}").json() == {"revoked": 1}
        assert refresh(small, first["refresh_token"]).status_code == 400
        assert not is_alive(small, first["access_token"])


class TestAssertion:
    def test_jwt_bearer_gives_a_token_without_refresh_token(self, small):
        body = by_assertion(small, signed(small)).json()
        assert is_alive(small, body["access_token"])
        assert "refresh_token" not in body
        assert "refresh_token" not in body["scope"]

    @pytest.mark.parametrize("audience", ["https://test.salesforce.com", "own", ["https://login.salesforce.com"]])
    def test_accepted_audiences(self, small, audience):
        answer = by_assertion(small, signed(small, aud=small.url if audience == "own" else audience))
        assert answer.status_code == 200

    @pytest.mark.parametrize("audience", ["https://evil.example", None, 5, "login.salesforce.com"])
    def test_wrong_audience_has_the_recorded_text(self, small, audience):
        answer = by_assertion(small, signed(small, aud=audience))
        assert error_of(answer) == (400, "invalid_grant", "Audience validation failed")

    @pytest.mark.parametrize("ahead", [-60, 600])
    def test_expired_or_too_long(self, small, ahead):
        at = int(small.org.clock.now().timestamp()) + ahead
        assert error_of(by_assertion(small, signed(small, exp=at)))[1] == "invalid_grant"

    def test_expiry_as_text_or_milliseconds_is_understood_as_real_clients_send_it(self, small):
        now = small.org.clock.now().timestamp()
        assert by_assertion(small, signed(small, exp=f"{now + 180:.0f}")).status_code == 200
        assert by_assertion(small, signed(small, exp=int(now * 1000) + 300)).status_code == 200

    def test_forged_signature_unsigned_and_garbage(self, small):
        app, (key, _) = small.client(JWT_BEARER), clients.new_certificate("other")
        claims = {"iss": app["client_id"], "sub": ADMIN, "aud": small.url, "exp": small.org.clock.now() + timedelta(minutes=2)}
        forged = jwt.encode(claims, key, algorithm="RS256")
        unsigned = jwt.encode(claims, None, algorithm="none")
        symmetric = jwt.encode(claims, "a-secret-of-some-length-that-is-long-enough", algorithm="HS256")
        for each in (forged, unsigned, symmetric, "not.a.token", ""):
            assert error_of(by_assertion(small, each)) == (400, "invalid_grant", "invalid assertion")

    def test_user_who_did_not_approve(self, small):
        app = small.client(JWT_BEARER)
        clients.change_client(small.org, app["client_id"], {"preauthorized": 0})
        assert error_of(by_assertion(small, signed(small))) == (400, "invalid_grant", "user hasn't approved this consumer")
        person = Person(small)
        code = person.get_code(client_id=app["client_id"], scope="api")
        exchange(small, code, client_id=app["client_id"], client_secret=app["client_secret"])
        assert by_assertion(small, signed(small)).status_code == 200

    def test_unknown_user_and_unknown_app(self, small):
        text = "user hasn't approved this consumer"
        assert error_of(by_assertion(small, signed(small, sub="nobody@x.example"))) == (400, "invalid_grant", text)
        assert error_of(by_assertion(small, signed(small, iss="nobody")))[1] == "invalid_client_id"


class TestServerAndPassword:
    def test_client_credentials_run_as_the_admin_without_refresh_token(self, small):
        body = small.server_token()
        assert body["id"].endswith(small.user_id(ADMIN))
        assert "refresh_token" not in body

    @pytest.mark.parametrize("by", ["name", "id"])
    def test_client_credentials_run_as_user_can_be_chosen(self, small, by):
        app = small.client("client_credentials")
        clients.change_client(small.org, app["client_id"], {"run_as": READER if by == "name" else small.user_id(READER)})
        assert small.server_token()["id"].endswith(small.user_id(READER))

    def test_other_apps_may_not(self, small):
        app = small.client()
        answer = small.token(grant_type="client_credentials", client_id=app["client_id"], client_secret=app["client_secret"])
        assert error_of(answer) == (400, "invalid_grant", "no client credentials user enabled")

    def test_client_credentials_are_refused_on_the_generic_login_hosts(self, small):
        app = small.client("client_credentials")
        answer = small.http.post(
            f"{small.url}/services/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(app["client_id"], app["client_secret"]),
            headers={"Host": "login.salesforce.com"},
        )
        assert error_of(answer) == (400, "invalid_grant", "request not supported on this domain")

    def password(self, small, password: str, username: str = ADMIN):
        app = small.client()
        return small.token(
            grant_type="password",
            client_id=app["client_id"],
            client_secret=app["client_secret"],
            username=username,
            password=password,
        )

    def test_password_flow_is_off_by_default(self, small):
        answer = self.password(small, ADMIN_PASSWORD + ADMIN_TOKEN)
        assert error_of(answer) == (400, "invalid_grant", "authentication failure")

    def test_password_flow_when_switched_on(self, small):
        small.org.settings.password_flow_enabled = True
        assert self.password(small, ADMIN_PASSWORD + ADMIN_TOKEN).status_code == 200
        recorded = (400, "invalid_grant", "authentication failure - Invalid Password")
        assert error_of(self.password(small, "wrong")) == recorded
        assert error_of(self.password(small, ADMIN_PASSWORD)) == recorded
        assert error_of(self.password(small, "any", username="nobody")) == recorded
        small.org.settings.trusted_addresses = ["127.0.0.0/8"]
        assert self.password(small, ADMIN_PASSWORD).status_code == 200

    def test_s_056_password_flow_is_throttled_with_the_same_text(self, small):
        small.org.settings.password_flow_enabled = True
        answers = {error_of(self.password(small, "wrong")) for _ in range(11)}
        assert answers == {(400, "invalid_grant", "authentication failure - Invalid Password")}
        assert error_of(self.password(small, ADMIN_PASSWORD + ADMIN_TOKEN)) in answers
        small.org.clock.advance(15 * 60 + 1)
        assert self.password(small, ADMIN_PASSWORD + ADMIN_TOKEN).status_code == 200
