"""The JWT bearer flow: a client proves itself with a token that its certificate signed."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
from cryptography import x509

from integrations.demo_org.oauth import errors
from integrations.demo_org.oauth.clients import Client, find_client

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

LONGEST_LIFE = timedelta(minutes=5)
CLOCK_SKEW = timedelta(seconds=30)
LOGIN_HOSTS = frozenset({"https://login.salesforce.com", "https://test.salesforce.com"})
# Salesforce's own command-line client writes milliseconds into `exp`.
MILLISECONDS_FROM = 100_000_000_000


def read_assertion(org: "DemoOrg", assertion: str, *, origin: str) -> tuple[Client, str]:
    """The app and the user name of a valid assertion. Raises OAuthError with Salesforce's text otherwise.

    The signature must be RS256 by the app's certificate, `aud` one of the login hosts or this org's own address, and
    `exp` in the future but not more than 5 minutes ahead (30 s of skew allowed).
    """
    try:
        unchecked = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError as problem:
        raise errors.OAuthError(*errors.INVALID_ASSERTION) from problem
    client = find_client(org, str(unchecked.get("iss", "")))
    if client is None:
        raise errors.OAuthError(*errors.INVALID_CLIENT_ID)
    if not client.certificate:
        raise errors.OAuthError(*errors.INVALID_ASSERTION)
    claims = _verify(assertion, client)
    _check_audience(claims.get("aud"), origin)
    _check_expiry(org, claims.get("exp"))
    return client, str(claims.get("sub") or claims.get("prn") or "")


def _verify(assertion: str, client: Client) -> dict[str, Any]:
    key: Any = x509.load_pem_x509_certificate(client.certificate.encode()).public_key()
    unchecked = {"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_sub": False, "verify_iss": False}
    try:
        return jwt.decode(assertion, key, algorithms=["RS256"], options=unchecked)  # type: ignore[arg-type]
    except jwt.InvalidTokenError as problem:
        raise errors.OAuthError(*errors.INVALID_ASSERTION) from problem


def _check_audience(audience: Any, origin: str) -> None:
    stated = audience if isinstance(audience, list) else [audience]
    _, _, host = origin.partition("://")
    accepted = LOGIN_HOSTS | {f"https://{host}", f"http://{host}"}
    accepted |= {f"{each}/services/oauth2/token" for each in accepted}
    if not any(isinstance(each, str) and each.rstrip("/") in accepted for each in stated):
        raise errors.OAuthError(*errors.AUDIENCE)


def _check_expiry(org: "DemoOrg", expiry: Any) -> None:
    try:
        seconds = float(expiry)
    except (TypeError, ValueError) as problem:
        raise errors.OAuthError(*errors.INVALID_ASSERTION) from problem
    if seconds > MILLISECONDS_FROM:
        seconds /= 1000
    ahead = seconds - org.clock.now().timestamp()
    skew = CLOCK_SKEW.total_seconds()
    if not -skew < ahead <= LONGEST_LIFE.total_seconds() + skew:
        raise errors.OAuthError(*errors.EXPIRED_ASSERTION)
