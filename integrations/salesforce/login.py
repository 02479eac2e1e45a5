"""The ways to a token: web flow with PKCE, refresh, JWT bearer, client credentials, legacy SOAP login; and revoking it.

Tokens and secrets travel in bodies and headers only, never in addresses; redirects are never followed; every call has
deadlines. What Salesforce refuses for good is an `AuthError`; `UpstreamUnavailable` and `LimitReached` are temporary and must
not disconnect anything (R-007, R-008).
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.sax.saxutils import escape

import jwt
from defusedxml import DefusedXmlException, ElementTree

from integrations.salesforce.errors import LoginRefused, NotFound, ReauthorizationRequired, SalesforceError, UnexpectedAnswer
from integrations.salesforce.hosts import HostRefused, is_allowed, is_my_domain, is_sandbox, origin_of
from integrations.salesforce.ids import is_id, to_18
from integrations.salesforce.meaning import Reason, explain
from integrations.salesforce.transport import NO_RETRY, USUAL_DEADLINES, Answer, Call, Deadlines, Retry, Transport, parse_json

API_SCOPE = "api refresh_token id"
"""What a connection asks for (S-009); never `full` or `web`."""
SIGN_IN_SCOPE = "openid id"
"""What "Sign in with Salesforce" asks for: who the person is, no access to data."""
SOAP_LOGIN_VERSION = "64.0"
"""The last version that has login(); Salesforce retires it with Summer '27."""
ASSERTION_SECONDS = 180
TOKEN_TRIES = Retry(tries=3, first_wait=0.5, longest_wait=4.0, patience=10.0, total=120.0)
LARGEST_SOAP_ANSWER = 1024 * 1024


@dataclass(frozen=True)
class TokenAnswer:
    """What a successful sign-in gave. `refresh_token` is None when Salesforce sent none: keep the stored one (R-006).

    Ids have 18 characters, empty when the answer has none. `issued_at` is aware UTC.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    instance_url: str
    identity_url: str
    scope: str
    issued_at: datetime
    user_id: str
    org_id: str
    id_token: str = field(default="", repr=False)

    @property
    def scopes(self) -> frozenset[str]:
        """Granted scopes, to be checked when connecting (R-015)."""
        return frozenset(self.scope.split())


@dataclass(frozen=True)
class Wire:
    """How login calls go out: the demo org's origin if there is one, deadlines, retries, and the ledger of calls."""

    demo_origin: str = ""
    deadlines: Deadlines = USUAL_DEADLINES
    retry: Retry = TOKEN_TRIES
    on_call: Callable[[Call], None] | None = None

    def ask(self, method: str, url: str, **options: Any) -> Answer:
        """One call on a pool of its own."""
        if not is_allowed(url, demo_origin=self.demo_origin):
            raise HostRefused("This is not a Salesforce address; nothing was sent.")
        transport = Transport(demo_origin=self.demo_origin, deadlines=self.deadlines, retry=self.retry, on_call=self.on_call)
        try:
            return transport.ask(method, url, **options)
        finally:
            transport.close()


USUAL_WIRE = Wire()


# --- web flow ---


def new_verifier() -> str:
    """A fresh PKCE verifier (86 characters), one per attempt (S-010)."""
    return secrets.token_urlsafe(64)


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier."""
    if not re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier):
        raise ValueError("a PKCE verifier has 43 to 128 unreserved characters")
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorize_url(
    login_url: str,
    *,
    client_id: str,
    redirect_uri: str,
    state: str,
    code_challenge: str,
    scope: str = API_SCOPE,
    prompt: str = "",
    login_hint: str = "",
    nonce: str = "",
    demo_origin: str = "",
) -> str:
    """Where to send the browser. Always with PKCE S256 and a state; scopes wider than needed are refused (S-009)."""
    if not is_allowed(login_url, demo_origin=demo_origin):
        raise HostRefused("This is not a Salesforce address.")
    if {"full", "web"} & set(scope.split()):
        raise ValueError("never ask for the scopes full or web")
    if not state or not code_challenge:
        raise ValueError("state and code_challenge are required")
    wanted = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
        "code_challenge": code_challenge,
        "code_challenge_method": "S256",
        "prompt": prompt,
        "login_hint": login_hint,
        "nonce": nonce,
    }
    query = urlencode({name: value for name, value in wanted.items() if value})
    return f"{origin_of(login_url)}/services/oauth2/authorize?{query}"


def exchange_code(
    login_url: str,
    *,
    client_id: str,
    client_secret: str,
    code: str,
    redirect_uri: str,
    code_verifier: str,
    now: datetime | None = None,
    wire: Wire = USUAL_WIRE,
    demo_origin: str = "",
) -> TokenAnswer:
    """Tokens for the code that came to the callback. A code works once, so an unclear failure is not repeated."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": code_verifier}
    form |= {"client_id": client_id} | ({"client_secret": client_secret} if client_secret else {})
    return _ask_token(login_url, form, wire=_with_demo(wire, demo_origin), now=now, repeatable=False)


def refusal_of(params: Mapping[str, str]) -> SalesforceError | None:
    """The exception for `?error=…&error_description=…` on the callback address, None when there is no error."""
    code = params.get("error", "")
    return explain(400, [Reason(code, params.get("error_description") or code)]) if code else None


def refresh_token(
    login_url: str,
    *,
    client_id: str,
    client_secret: str,
    refresh_token: str,
    now: datetime | None = None,
    wire: Wire = USUAL_WIRE,
    demo_origin: str = "",
) -> TokenAnswer:
    """A new access token, and with rotation a new refresh token that must be stored before use (I-16).

    Up to 3 tries when Salesforce is unavailable (R-007). Callers hold a lock so that only one worker refreshes (R-003).
    """
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": client_id}
    form |= {"client_secret": client_secret} if client_secret else {}
    return _ask_token(login_url, form, wire=_with_demo(wire, demo_origin), now=now, repeatable=True)


# --- headless ---


def audience_of(login_url: str, *, demo_origin: str = "") -> str:
    """The `aud` of a JWT: the shared login or test host even when posted to a My Domain; the demo org's own origin."""
    origin = origin_of(login_url)
    if demo_origin and origin == origin_of(demo_origin):
        return origin
    if not origin.endswith(".salesforce.com"):
        return origin
    return "https://test.salesforce.com" if is_sandbox(origin) else "https://login.salesforce.com"


def jwt_bearer(
    login_url: str,
    *,
    client_id: str,
    private_key: str,
    username: str,
    now: datetime | None = None,
    wire: Wire = USUAL_WIRE,
    demo_origin: str = "",
) -> TokenAnswer:
    """A token for `username` by a short-lived assertion signed with RS256 (`private_key` is PEM text). No refresh token."""
    wire = _with_demo(wire, demo_origin)
    moment = now or datetime.now(UTC)
    claims = {
        "iss": client_id,
        "sub": username,
        "aud": audience_of(login_url, demo_origin=wire.demo_origin),
        "exp": int((moment + timedelta(seconds=ASSERTION_SECONDS)).timestamp()),
        "jti": secrets.token_urlsafe(16),
    }
    try:
        assertion = jwt.encode(claims, private_key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        raise LoginRefused("The private key is not a readable RSA key in PEM form.", code="BAD_PRIVATE_KEY") from None
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    return _ask_token(login_url, form, wire=wire, now=now, repeatable=True)


def client_credentials(
    login_url: str,
    *,
    client_id: str,
    client_secret: str,
    now: datetime | None = None,
    wire: Wire = USUAL_WIRE,
    demo_origin: str = "",
) -> TokenAnswer:
    """A token for the app's run-as user. Works on the org's My Domain only; gives no refresh token."""
    wire = _with_demo(wire, demo_origin)
    demo = bool(wire.demo_origin) and origin_of(login_url) == origin_of(wire.demo_origin)
    if not demo and not is_my_domain(login_url):
        message = "Client credentials work only with the org's My Domain address, such as https://acme.my.salesforce.com."
        raise LoginRefused(message, code="MY_DOMAIN_REQUIRED")
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
    return _ask_token(login_url, form, wire=wire, now=now, repeatable=True)


def soap_login(
    login_url: str,
    *,
    username: str,
    password: str,
    security_token: str = "",
    now: datetime | None = None,
    wire: Wire = USUAL_WIRE,
    demo_origin: str = "",
) -> TokenAnswer:
    """A session by user name and password immediately followed by the security token (BW-21). Legacy.

    Exactly one attempt, because each wrong one counts towards a lock-out (R-021).
    """
    url = f"{origin_of(login_url)}/services/Soap/u/{SOAP_LOGIN_VERSION}"
    headers = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": "login", "Accept": "text/xml"}
    wire = _with_demo(wire, demo_origin)
    one_megabyte = Deadlines(wire.deadlines.connect, wire.deadlines.read, wire.deadlines.overall, LARGEST_SOAP_ANSWER)
    body = soap_envelope(username, password + security_token)
    answer = wire.ask("POST", url, headers=headers, body=body, deadlines=one_megabyte, retry=NO_RETRY, repeatable=False)
    return read_soap_login(answer.body, now=now or datetime.now(UTC), demo_origin=wire.demo_origin)


def soap_envelope(username: str, secret: str) -> bytes:
    """The login request; both values are escaped, characters that XML cannot carry are refused."""
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", username + secret):
        raise LoginRefused("User name or password contains a control character.", code="BAD_CHARACTER")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>'
        f'<login xmlns="urn:partner.soap.sforce.com"><username>{escape(username)}</username>'
        f"<password>{escape(secret)}</password></login></env:Body></env:Envelope>"
    ).encode()


def read_soap_login(body: bytes, *, now: datetime, demo_origin: str = "") -> TokenAnswer:
    """The session in a login answer; document types, entities and external references are refused (S-039)."""
    try:
        root = ElementTree.fromstring(body, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        raise UnexpectedAnswer("The login answer is not safe, well-formed XML.", code="BAD_XML") from None
    texts: dict[str, str] = {}
    for node in root.iter():
        if not len(node):
            texts.setdefault(node.tag.rpartition("}")[2], (node.text or "").strip())
    if texts.get("passwordExpired") == "true":
        raise LoginRefused("The Salesforce user's password has expired.", code="INVALID_OPERATION_WITH_EXPIRED_PASSWORD")
    if not texts.get("sessionId") or not texts.get("serverUrl"):
        raise UnexpectedAnswer("The login answer has no session.", code="BAD_LOGIN_ANSWER")
    return TokenAnswer(
        access_token=texts["sessionId"],
        refresh_token=None,
        instance_url=_instance_origin(texts["serverUrl"], demo_origin),
        identity_url="",
        scope="",
        issued_at=now,
        user_id=_id_or_empty(texts.get("userId", "")),
        org_id=_id_or_empty(texts.get("organizationId", "")),
    )


# --- afterwards ---


def revoke(login_url: str, *, token: str, wire: Wire = USUAL_WIRE, demo_origin: str = "") -> None:
    """Revoke a token (a refresh token takes its access tokens with it). A token that is dead already counts as revoked."""
    wire = _with_demo(wire, demo_origin)
    try:
        wire.ask("POST", f"{origin_of(login_url)}/services/oauth2/revoke", headers=FORM, body=_form({"token": token}))
    except (ReauthorizationRequired, NotFound):
        return


def read_identity(
    identity_url: str, *, access_token: str, instance_url: str = "", wire: Wire = USUAL_WIRE, demo_origin: str = ""
) -> dict[str, Any]:
    """Who the token belongs to: `user_id`, `organization_id`, `username`, `display_name`, `timezone`, `locale`, …

    The identity address names the login host; with `instance_url` the same path is asked at the org itself, so that the
    token goes only where it was issued for (I-15).
    """
    path = urlsplit(identity_url).path
    if not re.fullmatch(r"/id/[0-9A-Za-z]{15,18}/[0-9A-Za-z]{15,18}", path):
        raise UnexpectedAnswer("This is not an identity address.", code="BAD_IDENTITY_URL")
    origin = origin_of(instance_url or identity_url)
    headers = {"Authorization": f"Bearer {access_token}"}
    return _object(_with_demo(wire, demo_origin).ask("GET", f"{origin}{path}", headers=headers))


def read_userinfo(instance_url: str, *, access_token: str, wire: Wire = USUAL_WIRE, demo_origin: str = "") -> dict[str, Any]:
    """OpenID claims of the token's user (`sub`, `user_id`, `organization_id`, `email`, `zoneinfo`, …)."""
    url = f"{origin_of(instance_url)}/services/oauth2/userinfo"
    return _object(_with_demo(wire, demo_origin).ask("GET", url, headers={"Authorization": f"Bearer {access_token}"}))


def introspect(
    login_url: str, *, token: str, client_id: str, client_secret: str, wire: Wire = USUAL_WIRE, demo_origin: str = ""
) -> dict[str, Any]:
    """What Salesforce knows of a token: `{"active": false}` or `active, scope, username, exp` (seconds)."""
    form = {"token": token, "client_id": client_id, "client_secret": client_secret}
    url = f"{origin_of(login_url)}/services/oauth2/introspect"
    return _object(_with_demo(wire, demo_origin).ask("POST", url, headers=FORM, body=_form(form)))


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def read_token(data: object, *, now: datetime, demo_origin: str = "") -> TokenAnswer:
    """A `TokenAnswer` from the JSON of the token endpoint; addresses outside Salesforce are refused (R-012)."""
    if not isinstance(data, dict) or not data.get("access_token") or not data.get("instance_url"):
        raise UnexpectedAnswer("The token answer has no token or no instance address.", code="BAD_TOKEN_ANSWER")
    identity = str(data.get("id") or "")
    parts = urlsplit(identity).path.split("/")
    return TokenAnswer(
        access_token=str(data["access_token"]),
        refresh_token=str(data["refresh_token"]) if data.get("refresh_token") else None,
        instance_url=_instance_origin(str(data["instance_url"]), demo_origin),
        identity_url=identity if is_allowed(identity, demo_origin=demo_origin) else "",
        scope=str(data.get("scope") or ""),
        issued_at=_issued_at(data.get("issued_at"), now),
        user_id=_id_or_empty(parts[3] if len(parts) > 3 else ""),
        org_id=_id_or_empty(parts[2] if len(parts) > 3 else ""),
        id_token=str(data.get("id_token") or ""),
    )


def _ask_token(login_url: str, form: dict[str, str], *, wire: Wire, now: datetime | None, repeatable: bool) -> TokenAnswer:
    url = f"{origin_of(login_url)}/services/oauth2/token"
    answer = wire.ask("POST", url, headers=FORM, body=_form(form), repeatable=repeatable)
    return read_token(_object(answer), now=now or datetime.now(UTC), demo_origin=wire.demo_origin)


def _with_demo(wire: Wire, demo_origin: str) -> Wire:
    return Wire(demo_origin, wire.deadlines, wire.retry, wire.on_call) if demo_origin else wire


def _form(values: Mapping[str, str]) -> bytes:
    return urlencode(values).encode()


def _object(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer, whatever content type it came with."""
    try:
        data = parse_json(answer.body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise UnexpectedAnswer("Salesforce's answer is not the object that was expected.", status=answer.status)
    return data


def _instance_origin(url: str, demo_origin: str) -> str:
    """The origin of an instance address, refused when it is not Salesforce's (R-012)."""
    try:
        origin = origin_of(url)
    except HostRefused:
        origin = ""
    if not origin or not is_allowed(origin, demo_origin=demo_origin):
        host = (urlsplit(url).hostname or "?")[:100]
        message = f"Salesforce named the instance address “{host}”, which is not on a Salesforce domain; it was not used."
        raise UnexpectedAnswer(message, code="INSTANCE_REFUSED")
    return origin


def _issued_at(value: object, now: datetime) -> datetime:
    """`issued_at` is epoch milliseconds in a string."""
    text = str(value or "")
    return datetime.fromtimestamp(int(text) / 1000, UTC) if re.fullmatch(r"\d{10,14}", text) else now


def _id_or_empty(text: str) -> str:
    return to_18(text) if is_id(text) else ""
