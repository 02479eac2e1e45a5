"""Ways to a token: PKCE, code, refresh, JWT, client credentials, SOAP, revoke; what is permanent and what is not."""

import base64
import hashlib
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from integrations.salesforce import errors as e
from integrations.salesforce import login
from integrations.salesforce.hosts import HostRefused
from tests.effort import at_most
from tests.salesforce.server import FaultServer, Told

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
GRANTED = {
    "access_token": "00D5x0000000abc!AQ4A.Fake",
    "refresh_token": "5Aep861Fake",
    "scope": "refresh_token api id",
    "id": "https://login.salesforce.com/id/00Dxx0000000000EAA/005ak000005hvjJAAQ",
    "token_type": "Bearer",
    "issued_at": "1700000000000",
}


def granted(server, **changes):
    return Told(data={**GRANTED, "instance_url": server.url, **changes})


def refused(code, text="x", status=400):
    return Told(status, {"error": code, "error_description": text})


# --- web flow ---


def test_s_009_s_010_authorize_address_asks_for_little_and_always_with_pkce():
    verifier = login.new_verifier()
    url = login.authorize_url(
        "https://acme.my.salesforce.com",
        client_id="key",
        redirect_uri="https://app.example/callback?x=1",
        state="abc",
        code_challenge=login.challenge_of(verifier),
    )
    parts = urlsplit(url)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "acme.my.salesforce.com", "/services/oauth2/authorize")
    assert asked["scope"] == "api refresh_token id"
    assert asked["code_challenge_method"] == "S256"
    assert asked["code_challenge"] == base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    assert asked["response_type"] == "code"
    assert asked["state"] == "abc"
    assert asked["redirect_uri"] == "https://app.example/callback?x=1"


@pytest.mark.parametrize("scope", ["full", "api web", "full refresh_token"])
def test_s_009_wide_scopes_are_refused(scope):
    with pytest.raises(ValueError, match="never ask"):
        login.authorize_url(
            "https://acme.my.salesforce.com",
            client_id="k",
            redirect_uri="https://a/b",
            state="s",
            code_challenge="c",
            scope=scope,
        )


def test_s_010_verifiers_differ_and_are_long_enough():
    verifiers = {login.new_verifier() for _ in range(20)}
    assert len(verifiers) == 20
    assert all(43 <= len(verifier) <= 128 for verifier in verifiers)
    with pytest.raises(ValueError):
        login.challenge_of("short")


def test_pkce_example_of_the_rfc():
    assert login.challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_authorize_address_of_a_strange_host_is_refused():
    with pytest.raises(HostRefused):
        login.authorize_url("https://evil.example", client_id="k", redirect_uri="https://a/b", state="s", code_challenge="c")


def test_code_is_exchanged_with_verifier_and_secret_in_the_body(server, wire):
    server.tell("/token", granted(server))
    answer = login.exchange_code(
        server.url,
        client_id="key",
        client_secret="s3cret",
        code="aPrx==",
        redirect_uri="https://a/b",
        code_verifier="v" * 43,
        wire=wire,
    )
    assert server.seen[0].form == {
        "grant_type": "authorization_code",
        "code": "aPrx==",
        "redirect_uri": "https://a/b",
        "code_verifier": "v" * 43,
        "client_id": "key",
        "client_secret": "s3cret",
    }
    assert server.seen[0].query == {}
    assert answer.instance_url == server.url
    assert answer.refresh_token == "5Aep861Fake"
    assert answer.issued_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert answer.org_id.startswith("00Dxx0000000000")
    assert answer.user_id == "005ak000005hvjJAAQ"
    assert answer.scopes == {"refresh_token", "api", "id"}
    assert "Fake" not in repr(answer)


def test_code_is_not_sent_twice_when_it_may_have_been_used(server, wire):
    server.tell("/token", Told(500, raw=b""), granted(server))
    with pytest.raises(e.UpstreamUnavailable):
        login.exchange_code(
            server.url,
            client_id="k",
            client_secret="s",
            code="c",
            redirect_uri="https://a/b",
            code_verifier="v" * 43,
            wire=wire,
        )
    assert len(server.seen) == 1


def test_refusals_on_the_callback_address():
    assert login.refusal_of({"code": "x"}) is None
    assert isinstance(
        login.refusal_of({"error": "access_denied", "error_description": "end-user denied authorization"}), e.LoginRefused
    )
    assert isinstance(login.refusal_of({"error": "access-denied"}), e.LoginRefused)
    assert isinstance(
        login.refusal_of({"error": "OAUTH_APP_BLOCKED", "error_description": "this app is blocked by admin"}), e.AppRejected
    )


# --- refresh ---


def refresh(server, wire):
    return login.refresh_token(
        server.url, client_id="key", client_secret="s3cret", refresh_token="5Aep861Old", now=NOW, wire=wire
    )


def test_r_006_refresh_without_new_refresh_token_says_none(server, wire):
    answer = {name: value for name, value in GRANTED.items() if name != "refresh_token"} | {"instance_url": server.url}
    server.tell("/token", Told(data=answer))
    assert refresh(server, wire).refresh_token is None
    assert server.seen[0].form["grant_type"] == "refresh_token"
    assert server.seen[0].form["refresh_token"] == "5Aep861Old"


def test_i_16_rotated_refresh_token_is_handed_out(server, wire):
    server.tell("/token", granted(server, refresh_token="5Aep861New"))
    assert refresh(server, wire).refresh_token == "5Aep861New"
    assert len(server.seen) == 1


def test_r_001_r_024_revoked_refresh_token_takes_exactly_one_call(server, wire, naps):
    server.tell("/token", refused("invalid_grant", "expired access/refresh token"))
    with pytest.raises(e.ReauthorizationRequired):
        refresh(server, wire)
    assert len(server.seen) == 1
    assert naps.seconds == []


@pytest.mark.parametrize(
    "trouble", [Told(500, raw=b""), Told(503, raw=b"<html></html>", headers={"Content-Type": "text/html"}), Told(delay=0.8)]
)
def test_r_007_trouble_at_the_token_endpoint_is_tried_three_times_and_is_no_revocation(server, wire, naps, trouble):
    server.tell("/token", trouble)
    with pytest.raises(e.UpstreamUnavailable) as refusal:
        refresh(server, wire)
    assert not isinstance(refusal.value, e.AuthError)
    assert len(server.seen) == 3
    assert len(naps.seconds) == 2


def test_r_007_trouble_that_passes(server, wire):
    server.tell("/token", Told(503, raw=b""), granted(server))
    assert refresh(server, wire).access_token == GRANTED["access_token"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refused("invalid_client", "invalid client credentials"), e.AppRejected),
        (refused("inactive_user", "user is inactive"), e.UserInactive),
        (refused("invalid_grant", "ip restricted"), e.AddressBlocked),
        (refused("inactive_org", "organization inactive"), e.UserInactive),
    ],
)
def test_r_008_r_009_r_010_permanent_refusals_are_told_apart_and_not_repeated(server, wire, naps, answer, kind):
    server.tell("/token", answer)
    with pytest.raises(kind) as refusal:
        refresh(server, wire)
    assert type(refusal.value) is kind
    assert len(server.seen) == 1


def test_r_008_rejected_app_is_worded_differently_from_a_revoked_grant(server, wire):
    server.tell(
        "/token",
        refused("invalid_client", "invalid client credentials"),
        refused("invalid_grant", "expired access/refresh token"),
    )
    with pytest.raises(e.AppRejected) as app:
        refresh(server, wire)
    with pytest.raises(e.ReauthorizationRequired) as grant:
        refresh(server, wire)
    assert app.value.message != grant.value.message


@pytest.mark.parametrize(
    "instance",
    ["https://evil.example", "http://acme.my.salesforce.com", "https://acme.my.salesforce.com.evil.example", "file:///x", "x"],
)
def test_r_012_instance_url_on_a_strange_host_is_refused(server, wire, instance):
    server.tell("/token", granted(server, instance_url=instance))
    with pytest.raises(e.UnexpectedAnswer, match="not on a Salesforce domain"):
        refresh(server, wire)


def test_r_012_moved_instance_is_taken_from_the_answer(server, wire):
    server.tell("/token", granted(server, instance_url="https://acme-new.my.salesforce.com/"))
    assert refresh(server, wire).instance_url == "https://acme-new.my.salesforce.com"


def test_i_15_token_calls_do_not_follow_redirects(server, wire):
    other = FaultServer()
    try:
        server.tell("/token", Told(307, headers={"Location": f"{other.url}/services/oauth2/token"}))
        with pytest.raises(e.UnexpectedAnswer):
            refresh(server, wire)
        assert other.seen == []
        assert len(server.seen) == 1
    finally:
        other.close()


def test_i_15_nothing_is_sent_to_a_strange_login_host(server):
    with pytest.raises(HostRefused):
        login.refresh_token(server.url, client_id="k", client_secret="s", refresh_token="r")
    with pytest.raises(HostRefused):
        login.refresh_token("https://evil.example", client_id="k", client_secret="s", refresh_token="r", demo_origin=server.url)
    assert server.seen == []


def test_token_answers_without_token_are_unexpected(server, wire):
    for data in ({}, {"access_token": "x"}, [1]):
        server.tell("/token", Told(data=data))
        with pytest.raises(e.UnexpectedAnswer):
            refresh(server, wire)


def test_calls_are_reported_without_secrets(server, wire, calls):
    server.tell("/token", granted(server))
    refresh(server, wire)
    assert [(call.kind, call.path, call.counts) for call in calls] == [("login", "/services/oauth2/token", False)]


@pytest.mark.parametrize("name", ["token-refresh.json", "token-username-password.json", "token-web-server-shape.json"])
def test_recorded_token_answers_are_read(recordings, name):
    answer = login.read_token(recordings.json(f"oauth/{name}"), now=NOW)
    assert answer.access_token
    assert answer.instance_url.startswith("https://")
    assert answer.issued_at.year in (2010, 2011, 2023)
    assert (answer.refresh_token is not None) == ("web-server" in name)


# --- headless ---


@pytest.fixture(scope="module")
def key_pair():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    return private, public


def test_jwt_bearer_signs_a_short_lived_assertion(server, wire, key_pair):
    private, public = key_pair
    server.tell("/token", granted(server, refresh_token=None))
    now = datetime.now(UTC)
    answer = login.jwt_bearer(server.url, client_id="key", private_key=private, username="int@acme.example", now=now, wire=wire)
    form = server.seen[0].form
    claims = jwt.decode(form["assertion"], public, algorithms=["RS256"], audience=server.url)
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert (claims["iss"], claims["sub"]) == ("key", "int@acme.example")
    assert 0 < claims["exp"] - now.timestamp() <= 180
    assert answer.refresh_token is None


@pytest.mark.parametrize(
    ("login_url", "audience"),
    [
        ("https://login.salesforce.com", "https://login.salesforce.com"),
        ("https://test.salesforce.com", "https://test.salesforce.com"),
        ("https://acme.my.salesforce.com", "https://login.salesforce.com"),
        ("https://acme-dev-ed.develop.my.salesforce.com", "https://login.salesforce.com"),
        ("https://acme--uat.sandbox.my.salesforce.com", "https://test.salesforce.com"),
        ("http://127.0.0.1:8600", "http://127.0.0.1:8600"),
    ],
)
def test_jwt_audience_is_the_shared_login_or_test_host(login_url, audience):
    assert login.audience_of(login_url, demo_origin="http://127.0.0.1:8600") == audience


def test_jwt_with_an_unreadable_key_names_the_key_and_sends_nothing(server, wire):
    for key in ("nonsense", "", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"):
        with pytest.raises(e.LoginRefused, match="private key"):
            login.jwt_bearer(server.url, client_id="k", private_key=key, username="u", wire=wire)
    assert server.seen == []


def test_client_credentials_needs_the_my_domain_address(server, wire):
    server.tell("/token", granted(server, refresh_token=None))
    assert login.client_credentials(server.url, client_id="k", client_secret="s", wire=wire).refresh_token is None
    assert server.seen[0].form == {"grant_type": "client_credentials", "client_id": "k", "client_secret": "s"}
    with pytest.raises(e.LoginRefused, match="My Domain"):
        login.client_credentials("https://login.salesforce.com", client_id="k", client_secret="s", wire=wire)


# --- SOAP ---

SESSION = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"><soapenv:Body>
<loginResponse><result><passwordExpired>{expired}</passwordExpired><serverUrl>{url}/services/Soap/u/64.0/00DU0000000Ilbh</serverUrl>
<sessionId>00DU0000000Ilbh!AQ4A.Fake</sessionId><userId>005U0000000FGpcIAG</userId>
<userInfo><organizationId>00DU0000000AlbhMAC</organizationId><userId>005U0000000EApcIAG</userId></userInfo></result></loginResponse>
</soapenv:Body></soapenv:Envelope>"""
FAULT = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body>
<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {text}</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>"""
XML = {"Content-Type": "text/xml;charset=UTF-8"}


def soap(server, wire, **changes):
    data = {"username": "jane@acme.example", "password": "1234567", "security_token": "abcdefg"} | changes
    return login.soap_login(server.url, **data, now=NOW, wire=wire)


def test_bw_21_password_and_token_are_joined_and_the_version_is_pinned(server, wire):
    server.tell("/Soap", Told(raw=SESSION.format(url=server.url, expired="false").encode(), headers=XML))
    answer = soap(server, wire)
    assert server.seen[0].path == "/services/Soap/u/64.0"
    assert b"<password>1234567abcdefg</password>" in server.seen[0].body
    assert server.seen[0].headers["SOAPAction"] == "login"
    assert answer.access_token == "00DU0000000Ilbh!AQ4A.Fake"
    assert (answer.instance_url, answer.org_id, answer.user_id) == (server.url, "00DU0000000AlbhMAC", "005U0000000FGpcIAG")
    assert answer.issued_at == NOW


def test_s_039_password_with_xml_is_escaped(server, wire):
    server.tell("/Soap", Told(raw=SESSION.format(url=server.url, expired="false").encode(), headers=XML))
    soap(server, wire, password="</password><x>&\"'", security_token="]]>")
    from defusedxml import ElementTree

    root = ElementTree.fromstring(server.seen[0].body)
    assert [node.text for node in root.iter() if node.tag.endswith("}password")] == ["</password><x>&\"']]>"]
    with pytest.raises(e.LoginRefused, match="control character"):
        soap(server, wire, password="a\x00b")


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        ("INVALID_LOGIN", "Invalid username, password, security token; or user locked out.", e.LoginRefused),
        ("LOGIN_MUST_USE_SECURITY_TOKEN", "must use a security token", e.LoginRefused),
        ("INVALID_OPERATION", "SOAP API login() is disabled by default in this org.", e.ApiDisabled),
        ("API_DISABLED_FOR_ORG", "API is not enabled", e.ApiDisabled),
        ("LOGIN_DURING_RESTRICTED_DOMAIN", "Cannot login from this IP address", e.AddressBlocked),
        ("PASSWORD_LOCKOUT", "locked", e.LoginLocked),
        ("UNSUPPORTED_API_VERSION", "login is not supported", e.VersionRetired),
        ("SERVER_UNAVAILABLE", "busy", e.UpstreamUnavailable),
    ],
)
def test_r_021_soap_faults_are_named_after_one_attempt(server, wire, naps, code, text, kind):
    server.tell("/Soap", Told(500, raw=FAULT.format(code=code, text=text).encode(), headers=XML))
    with pytest.raises(kind) as refusal:
        soap(server, wire)
    assert type(refusal.value) is kind
    assert len(server.seen) == 1
    assert naps.seconds == []


def test_expired_password_is_a_refusal_although_a_session_came(server, wire):
    server.tell("/Soap", Told(raw=SESSION.format(url=server.url, expired="true").encode(), headers=XML))
    with pytest.raises(e.LoginRefused, match="expired"):
        soap(server, wire)


def test_r_012_soap_session_on_a_strange_host_is_refused(server, wire):
    server.tell("/Soap", Told(raw=SESSION.format(url="https://evil.example", expired="false").encode(), headers=XML))
    with pytest.raises(e.UnexpectedAnswer):
        soap(server, wire)


LAUGHS = '<!ENTITY a0 "aaaaaaaaaa">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
BOMBS = [
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x><sessionId>&a;</sessionId></x>',
    '<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1:1/x"> %a;]><x/>',
    '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><x/>',
    f"<!DOCTYPE x [{LAUGHS}]><x>&a9;</x>",
    "<x>" * 3,
    "not xml",
]


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("status", [200, 500])
def test_s_039_dangerous_xml_in_login_answers_is_refused_quickly(server, wire, bomb, status):
    server.tell("/Soap", Told(status, raw=('<?xml version="1.0"?>' + bomb).encode(), headers=XML))
    with at_most(1), pytest.raises((e.UnexpectedAnswer, e.UpstreamUnavailable)) as refusal:
        soap(server, wire)
    assert "root:" not in refusal.value.message


def test_s_039_enormous_login_answer_is_refused(server, wire):
    server.tell("/Soap", Told(raw=b"<x>" + b"a" * (2 * 1024 * 1024) + b"</x>", headers=XML))
    with pytest.raises(e.UnexpectedAnswer, match="larger"):
        soap(server, wire)


def test_recorded_soap_session_is_read(recordings):
    answer = login.read_soap_login(recordings.bytes("soap-login/login-success-v23.xml"), now=NOW)
    assert answer.instance_url == "https://na12-api.salesforce.com"
    assert answer.access_token.startswith("00D")
    assert (answer.org_id, answer.user_id) == ("00DU0000000AlbhMAC", "005U0000000FGpcIAG")
    other = login.read_soap_login(recordings.bytes("soap-login/login-success-reportforce.xml"), now=NOW)
    assert (other.instance_url, other.access_token, other.org_id) == ("https://www.salesforce.com", "sessionId", "")


# --- afterwards ---


def test_r_017_revoke_sends_the_token_in_the_body(server, wire):
    server.tell("/revoke", Told(200, raw=b""))
    login.revoke(server.url, token="5Aep861Old", wire=wire)
    assert server.seen[0].form == {"token": "5Aep861Old"}
    assert server.seen[0].query == {}


def test_revoking_a_dead_token_counts_as_done(server, wire):
    server.tell("/revoke", refused("invalid_token", "invalid token"))
    login.revoke(server.url, token="5Aep861Old", wire=wire)
    assert len(server.seen) == 1


def test_r_018_revoke_endpoint_that_is_down_is_told(server, wire):
    server.tell("/revoke", Told(503, raw=b""))
    with pytest.raises(e.UpstreamUnavailable):
        login.revoke(server.url, token="5Aep861Old", wire=wire)
    assert len(server.seen) == 3


def test_identity_is_asked_at_the_instance_with_the_token_in_the_header(server, wire, recordings):
    body = recordings.bytes("oauth/identity-url-shape.json")
    server.tell("/id/", Told(raw=body, headers={"Content-Type": "application/json"}))
    who = login.read_identity(GRANTED["id"], access_token="T1", instance_url=server.url, wire=wire)
    assert who["username"] == "user@example.com"
    assert who["utcOffset"] == 3600000
    assert server.seen[0].path == "/id/00Dxx0000000000EAA/005ak000005hvjJAAQ"
    assert server.seen[0].headers["Authorization"] == "Bearer T1"


@pytest.mark.parametrize("url", ["https://login.salesforce.com/services/x", "https://evil.example/id/a/b", "x", ""])
def test_identity_addresses_of_another_form_are_refused(wire, url):
    with pytest.raises((e.UnexpectedAnswer, HostRefused)):
        login.read_identity(url, access_token="T1", wire=wire)


def test_userinfo_and_introspection(server, wire, recordings):
    server.tell("/userinfo", Told(raw=recordings.bytes("oauth/userinfo.json"), headers={"Content-Type": "application/json"}))
    assert login.read_userinfo(server.url, access_token="T1", wire=wire)["zoneinfo"] == "America/New_York"
    server.tell("/introspect", Told(data={"active": False}))
    assert login.introspect(server.url, token="T1", client_id="k", client_secret="s", wire=wire) == {"active": False}
    assert server.seen[-1].form == {"token": "T1", "client_id": "k", "client_secret": "s"}
