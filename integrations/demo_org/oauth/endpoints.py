"""The OAuth resources around the token: revoke, introspect, userinfo, identity, discovery; and all routes of this room."""

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from integrations.demo_org import ids, replies
from integrations.demo_org.oauth import accounts, control, errors, grants, identity, policy
from integrations.demo_org.oauth.authorize import authorize
from integrations.demo_org.oauth.errors import OAuthError
from integrations.demo_org.oauth.requests import authenticate_client, bearer_token, read_parameters
from integrations.demo_org.oauth.token_endpoint import token
from integrations.demo_org.org import Caller
from integrations.demo_org.replies import origin_of

CALLBACK = re.compile(r"[A-Za-z_$][\w$.]{0,99}")


def revoke(request: Request) -> Response:
    """End a token: a refresh token takes its access tokens with it. 200 without a body; 400 invalid_token if it is over."""
    parameters = read_parameters(request)
    text, callback = parameters.get("token", ""), parameters.get("callback", "")
    org = request.app.state.org
    found = grants.find_by_refresh(org, text)
    if found:
        grants.revoke_grant(org, found[0].grant_id)
    done = bool(found) or org.sessions.end(text)
    problem = OAuthError(*errors.INVALID_TOKEN)
    if callback and CALLBACK.fullmatch(callback):
        body = "{}" if done else replies.to_pretty(problem.as_dict())
        return Response(f"{callback}({body});", 200 if done else 400, errors.NO_STORE, "application/javascript")
    return Response(b"", 200, errors.NO_STORE) if done else errors.error_reply(problem)


def introspect(request: Request) -> Response:
    """RFC 7662 for the calling app's tokens; a dead token is only `{"active": false}`."""
    try:
        parameters = read_parameters(request)
        client = authenticate_client(request, parameters)
    except OAuthError as problem:
        return errors.error_reply(problem)
    text = parameters.get("token", "")
    return JSONResponse(_access_facts(request, text) or _refresh_facts(request, text, client.client_id), 200, errors.NO_STORE)


def userinfo(request: Request) -> Response:
    """The OpenID claims of the token's user; 403 in plain text when there is no good token."""
    caller = _caller(request)
    if caller is None:
        return _no_token(request)
    org = request.app.state.org
    return replies.reply(request, identity.describe_userinfo(org, replies.origin_of(request), caller.user_id), root="user")


def identity_page(request: Request) -> Response:
    """The identity URL as JSON or XML; one sees only oneself. Refusals are 403 or 404 with one word."""
    caller, org = _caller(request), request.app.state.org
    if caller is None:
        return _no_token(request)
    if _to_18(request.path_params["org_id"]) != org.info.org_id:
        return _word("Wrong_Org", 403)
    wanted_user = _to_18(request.path_params["user_id"])
    if wanted_user != caller.user_id:
        return _word("No_Access", 403) if accounts.user_row(org, wanted_user) else _word("Bad_Id", 404)
    body = identity.describe_identity(org, replies.origin_of(request), caller.user_id)
    wanted = request.query_params.get("format", "")
    if wanted == "xml" or (not wanted and replies.wants_xml(request)):
        return Response(replies.to_xml(body, "user"), 200, errors.NO_STORE, replies.XML_TYPE)
    if wanted not in {"", "json"}:
        return _word("Bad_Format", 406)
    return JSONResponse(body, 200, errors.NO_STORE)


def provider(request: Request) -> Response:
    """OpenID discovery."""
    return JSONResponse(identity.describe_provider(origin_of(request)))


def keys(request: Request) -> Response:
    """The public keys of id tokens."""
    return JSONResponse(identity.describe_keys(request.app.state.org))


def _no_token(request: Request) -> Response:
    """What the identity service says without a good token; clients refresh when they read Bad_OAuth_Token."""
    return _word("Bad_OAuth_Token" if bearer_token(request) else "Missing_OAuth_Token", 403)


def _word(text: str, status: int) -> Response:
    return Response(text, status, errors.NO_STORE, "text/html")


def _caller(request: Request) -> Caller | None:
    token_text = bearer_token(request)
    return request.app.state.org.sessions.caller_for(token_text) if token_text else None


def _access_facts(request: Request, text: str) -> dict[str, object] | None:
    org = request.app.state.org
    caller, facts = org.sessions.caller_for(text), org.sessions.details(text)
    if caller is None or facts is None:
        return None
    life = float(policy.setting(org, "session_seconds"))
    used = max(float(facts["last_used"]), org.sessions.last_used(text))
    return {
        "active": True,
        "scope": str(facts["scopes"]),
        "client_id": facts["client_id"],
        "username": caller.username,
        "sub": identity.identity_url(org, origin_of(request), caller.user_id),
        "token_type": "access_token",
        "exp": int(used + life),
        "iat": int(float(facts["created"])),
        "nbf": int(float(facts["created"])),
    }


def _refresh_facts(request: Request, text: str, client_id: str) -> dict[str, object]:
    org = request.app.state.org
    found = grants.find_by_refresh(org, text)
    if found is None or found[1] or found[0].client_id != client_id:
        return {"active": False}
    grant = found[0]
    return {
        "active": True,
        "scope": " ".join(grant.scopes),
        "client_id": grant.client_id,
        "sub": identity.identity_url(org, origin_of(request), grant.user_id),
        "token_type": "refresh_token",
        "iat": int(grant.created),
        "nbf": int(grant.created),
    }


def _to_18(text: str) -> str:
    try:
        return ids.to_18(text)
    except ValueError:
        return ""


routes = [
    Route("/services/oauth2/authorize", authorize, methods=["GET", "POST"]),
    Route("/services/oauth2/token", token, methods=["GET", "POST"]),
    Route("/services/oauth2/revoke", revoke, methods=["GET", "POST"]),
    Route("/services/oauth2/introspect", introspect, methods=["POST"]),
    Route("/services/oauth2/userinfo", userinfo, methods=["GET", "POST"]),
    Route("/id/keys", keys, methods=["GET"]),
    Route("/id/{org_id}/{user_id}", identity_page, methods=["GET", "POST"]),
    Route("/.well-known/openid-configuration", provider, methods=["GET"]),
    *control.routes,
]
