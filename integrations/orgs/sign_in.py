"""One token from Salesforce by the connection's own way in: refresh token, JWT bearer, client credentials, legacy password."""

from collections.abc import Collection

from django.conf import settings

from integrations.access import Refusal
from integrations.models import OrgSecret, SalesforceOrg
from integrations.orgs import vault
from integrations.salesforce import login
from integrations.salesforce.client import NO_RETRY, Deadlines
from integrations.salesforce.errors import ReauthorizationRequired
from integrations.salesforce.login import TOKEN_TRIES, TokenAnswer, Wire

Kind = OrgSecret.Kind
Method = SalesforceOrg.LoginMethod
# Shorter than the usual ones: all tries together must fit into the refresh lease.
TOKEN_DEADLINES = Deadlines(connect=5, read=20, overall=30)
TOKEN_RETRY = TOKEN_TRIES
NEEDED = {
    Method.WEB: (Kind.CLIENT_SECRET,),
    Method.JWT: (Kind.PRIVATE_KEY,),
    Method.CLIENT_CREDENTIALS: (Kind.CLIENT_SECRET,),
    Method.PASSWORD: (Kind.PASSWORD,),
}


def wire() -> Wire:
    """How login calls go out: short deadlines, and the demo org only where the settings name one."""
    return Wire(demo_origin=settings.DEMO_ORG_URL, deadlines=TOKEN_DEADLINES, retry=TOKEN_RETRY)


def quick_wire() -> Wire:
    """One short attempt, for what a background job repeats anyway (revocations)."""
    return Wire(demo_origin=settings.DEMO_ORG_URL, deadlines=Deadlines(connect=3, read=5, overall=6), retry=NO_RETRY)


def has_credentials(org: SalesforceOrg, kinds: Collection[str] | None = None) -> bool:
    """Whether everything is stored that the connection's method needs before it can sign in; `kinds` of secrets, where they
    were read before."""
    kinds = vault.kinds_of(org) if kinds is None else kinds
    if any(kind not in kinds for kind in NEEDED[Method(org.login_method)]):
        return False
    if org.login_method == Method.PASSWORD:
        return bool(org.username)
    return bool(org.client_id) and (org.login_method != Method.JWT or bool(org.username))


def _secret(org: SalesforceOrg, kind: str) -> str:
    text = vault.read(org, kind)
    if text is None:
        missing = Kind(kind).label.lower()
        raise Refusal("credentials_missing", f"{org.name}: enter the credentials first ({missing} is missing).")
    return text


def sign_in(org: SalesforceOrg) -> TokenAnswer:
    """One token call (for the password method: exactly one attempt). Raises the wire's `SalesforceError`s."""
    method = Method(org.login_method)
    if method == Method.WEB:
        token = vault.read(org, Kind.REFRESH_TOKEN)
        if token is None:
            raise ReauthorizationRequired("There is no refresh token; the connection must be authorized.")
        secret, key = _secret(org, Kind.CLIENT_SECRET), org.client_id
        return login.refresh_token(org.login_url, client_id=key, client_secret=secret, refresh_token=token, wire=wire())
    if method == Method.JWT:
        key = _secret(org, Kind.PRIVATE_KEY)
        return login.jwt_bearer(org.login_url, client_id=org.client_id, private_key=key, username=org.username, wire=wire())
    if method == Method.CLIENT_CREDENTIALS:
        secret = _secret(org, Kind.CLIENT_SECRET)
        return login.client_credentials(org.login_url, client_id=org.client_id, client_secret=secret, wire=wire())
    return login.soap_login(
        org.login_url,
        username=org.username,
        password=_secret(org, Kind.PASSWORD),
        security_token=vault.read(org, Kind.SECURITY_TOKEN) or "",
        wire=wire(),
    )
