"""`/services/oauth2/token`: every way to get an access token."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from integrations.demo_org.oauth import accounts, errors, grants, identity, policy, tokens
from integrations.demo_org.oauth.assertions import read_assertion
from integrations.demo_org.oauth.clients import JWT_BEARER, Client
from integrations.demo_org.oauth.errors import OAuthError
from integrations.demo_org.oauth.requests import authenticate_client, read_parameters
from integrations.demo_org.replies import origin_of

NEVER_OFFLINE = frozenset({"refresh_token", "offline_access"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a flow granted; `show_scope` is off only where Salesforce leaves the key out."""

    client: Client
    user_id: str
    scopes: tuple[str, ...]
    grant_id: str = ""
    refresh: str | None = None
    nonce: str = ""


def token(request: Request) -> Response:
    """Answer a token request; errors are 400 with Salesforce's texts and nothing is ever cached."""
    try:
        if request.method != "POST":
            raise OAuthError(*errors.MUST_POST)
        parameters = read_parameters(request)
        flow = FLOWS.get(parameters.get("grant_type", ""))
        if flow is None:
            raise OAuthError(*errors.UNSUPPORTED_GRANT)
        outcome = flow(request, parameters)
        return answer(request, outcome)
    except accounts.LoginRefused as problem:
        return errors.error_reply(errors.refusal_of(problem))
    except OAuthError as problem:
        return errors.error_reply(problem)


def answer(request: Request, outcome: Outcome) -> Response:
    """Open the session and write the token answer. There is no `expires_in`; `issued_at` is milliseconds as text."""
    org, origin = request.app.state.org, origin_of(request)
    client, user_id, scopes = outcome.client, outcome.user_id, outcome.scopes
    access = org.sessions.open(user_id, scopes=scopes, client_id=client.client_id, grant_id=outcome.grant_id)
    named, issued_at = identity.identity_url(org, origin, user_id), str(int(org.clock.now().timestamp() * 1000))
    body = {"access_token": access}
    if outcome.refresh:
        body["refresh_token"] = outcome.refresh
    body |= {"signature": tokens.sign(named, issued_at, client.client_secret), "scope": " ".join(scopes)}
    if "openid" in scopes:
        body["id_token"] = identity.issue_id_token(
            org, origin, user_id=user_id, client_id=client.client_id, nonce=outcome.nonce, scopes=scopes
        )
    body |= {"instance_url": origin, "id": named, "token_type": "Bearer", "issued_at": issued_at}
    return JSONResponse(body, 200, errors.NO_STORE)


def exchange_code(request: Request, parameters: dict[str, str]) -> Outcome:
    """authorization_code: once within 15 minutes, with the same callback, and with the verifier if a challenge was sent.

    A code that is used again revokes what it granted the first time.
    """
    org, client = request.app.state.org, authenticate_client(request, parameters)
    require_flow(client, "authorization_code")
    text = parameters.get("code", "")
    code = grants.find_code(org, text)
    if code is None or code.client_id != client.client_id:
        raise OAuthError(*errors.INVALID_CODE)
    if code.used:
        grants.revoke_grant(org, code.grant_id)
        raise OAuthError(*errors.EXPIRED_CODE)
    if grants.is_expired(org, code):
        raise OAuthError(*errors.EXPIRED_CODE)
    if parameters.get("redirect_uri") != code.redirect_uri:
        raise OAuthError(*errors.REDIRECT_MISMATCH)
    verifier = parameters.get("code_verifier", "")
    if (code.challenge or verifier) and not (code.challenge and tokens.verifier_fits(verifier, code.challenge)):
        raise OAuthError(*errors.INVALID_VERIFIER)
    return _grant_code(request, client, code, text)


def _grant_code(request: Request, client: Client, code: grants.Code, text: str) -> Outcome:
    """Spend the code and record the approval."""
    org = request.app.state.org
    check_user(request, code.user_id)
    grant_id = grants.new_grant_id()
    if not grants.take_code(org, text, grant_id):
        raise OAuthError(*errors.EXPIRED_CODE)
    refresh = grants.create_grant(org, grant_id=grant_id, client_id=client.client_id, user_id=code.user_id, scopes=code.scopes)
    return Outcome(client, code.user_id, code.scopes, grant_id, refresh, code.nonce)


def refresh(request: Request, parameters: dict[str, str]) -> Outcome:
    """refresh_token: a new access token; with rotation a new refresh token too, and reuse of an old one revokes all."""
    org, client = request.app.state.org, authenticate_client(request, parameters)
    old = parameters.get("refresh_token", "")
    found = grants.find_by_refresh(org, old)
    if found is None or found[0].client_id != client.client_id:
        raise OAuthError(*errors.EXPIRED_TOKEN)
    grant, spent = found
    if spent:
        grants.revoke_grant(org, grant.grant_id)
        raise OAuthError(*errors.EXPIRED_TOKEN)
    require_policy(client)
    check_user(request, grant.user_id)
    fresh = None
    if policy.setting(org, "rotation"):
        fresh = grants.rotate(org, grant, old)
        if fresh is None:
            raise OAuthError(*errors.EXPIRED_TOKEN)
    return Outcome(client, grant.user_id, grant.scopes, grant.grant_id, fresh)


def bearer_assertion(request: Request, parameters: dict[str, str]) -> Outcome:
    """JWT bearer: no secret, no refresh token; the user must have approved the app or an admin for him."""
    org = request.app.state.org
    client, username = read_assertion(org, parameters.get("assertion", ""), origin=origin_of(request))
    require_flow(client, JWT_BEARER)
    login = accounts.find_login(org, username=username)
    if login is None or not username:
        raise OAuthError(*errors.NOT_APPROVED)
    check_user(request, login.user_id)
    require_policy(client)
    if not client.preauthorized and not grants.has_approved(org, client_id=client.client_id, user_id=login.user_id, scopes=()):
        raise OAuthError(*errors.NOT_APPROVED)
    return Outcome(client, login.user_id, _online(client.scopes))


def client_credentials(request: Request, parameters: dict[str, str]) -> Outcome:
    """client_credentials: the app's own run-as user, no refresh token, never over the generic login hosts."""
    org, client = request.app.state.org, authenticate_client(request, parameters)
    if request.headers.get("host", "").lower() in policy.GENERIC_LOGIN_HOSTS:
        raise OAuthError(*errors.WRONG_DOMAIN)
    if "client_credentials" not in client.flows or not client.client_secret:
        raise OAuthError(*errors.NO_RUN_AS_USER)
    require_policy(client)
    login = accounts.first_login(org)
    if client.run_as:
        login = accounts.find_login(org, username=client.run_as) or accounts.find_login(org, user_id=client.run_as)
    if login is None:
        raise OAuthError(*errors.NO_RUN_AS_USER)
    check_user(request, login.user_id)
    return Outcome(client, login.user_id, _online(client.scopes))


def password(request: Request, parameters: dict[str, str]) -> Outcome:
    """The username-password flow: blocked unless the org allows it; the security token follows the password."""
    org, client = request.app.state.org, authenticate_client(request, parameters)
    if not policy.setting(org, "password_flow_enabled"):
        raise OAuthError(*errors.AUTHENTICATION_FAILURE)
    require_flow(client, "password")
    login = accounts.check_password(
        org,
        parameters.get("username", ""),
        parameters.get("password", ""),
        address=policy.address_of(request),
        needs_token=policy.needs_security_token(request),
    )
    return Outcome(client, login.user_id, _online(client.scopes))


def require_flow(client: Client, flow: str) -> None:
    """Refuse an app that is not allowed this flow or not allowed at all."""
    if flow not in client.flows:
        raise OAuthError(*errors.UNSUPPORTED_GRANT)
    require_policy(client)


def require_policy(client: Client) -> None:
    """Refuse an app that is blocked, or reserved for pre-authorised users."""
    if client.policy == "blocked" or (client.policy == "admin" and not client.preauthorized):
        raise OAuthError(*errors.NOT_ADMIN_APPROVED)


def check_user(request: Request, user_id: str) -> None:
    """Refuse a user that is frozen or inactive, or calls from a place that is not allowed."""
    org, address = request.app.state.org, policy.address_of(request)
    login = accounts.find_login(org, user_id=user_id)
    if login is None:
        raise OAuthError(*errors.USER_INACTIVE)
    accounts.check_usable(org, login, address=address)
    if not policy.address_is_allowed(request):
        raise OAuthError(*errors.ADDRESS_RESTRICTED)


def _online(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes of a flow that never gives a refresh token."""
    return tuple(each for each in scopes if each not in NEVER_OFFLINE)


FLOWS: dict[str, Callable[[Request, dict[str, str]], Outcome]] = {
    "authorization_code": exchange_code,
    "refresh_token": refresh,
    JWT_BEARER: bearer_assertion,
    "client_credentials": client_credentials,
    "password": password,
}
