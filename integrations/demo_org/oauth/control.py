"""What the control plane can change about sign-in: freeze a user, block an app, end sessions, revoke approvals."""

from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from integrations.demo_org import replies
from integrations.demo_org.oauth import accounts, clients, grants


def change_login(request: Request) -> Response:
    """PATCH /__demo__/logins/{username}: frozen, active, password, security_token, ip_ranges, password_expired."""
    changes, username = _body(request), request.path_params["username"]
    unknown = sorted(changes.keys() - set(accounts.CHANGEABLE))
    if unknown:
        return _refuse(f"Unknown: {', '.join(unknown)}. Known: {', '.join(accounts.CHANGEABLE)}")
    login = accounts.change_login(request.app.state.org, username, changes)
    if login is None:
        return _refuse(f"There is no user {username}.", 404)
    return JSONResponse({"username": login.username, "frozen": login.frozen, "active": login.active})


def change_client(request: Request) -> Response:
    """PATCH /__demo__/oauth-clients/{client_id}: policy (self, admin, blocked), client_secret, flows, callbacks, ..."""
    changes, client_id = _body(request), request.path_params["client_id"]
    unknown = sorted(changes.keys() - set(clients.CHANGEABLE))
    if unknown:
        return _refuse(f"Unknown: {', '.join(unknown)}. Known: {', '.join(clients.CHANGEABLE)}")
    client = clients.change_client(request.app.state.org, client_id, changes)
    if client is None:
        return _refuse("There is no such client.", 404)
    return JSONResponse(clients.describe_client(client))


def add_client(request: Request) -> Response:
    """POST /__demo__/oauth-clients: another app, by default like the first one."""
    changes = _body(request)
    first = clients.first_client(request.app.state.org)
    fresh = replace(
        first, client_id=clients.new_id(), client_secret=clients.new_secret(), name=changes.get("name", "Another app")
    )
    for name in ("flows", "scopes", "redirect_uris"):
        if name in changes:
            fresh = replace(fresh, **{name: tuple(changes[name])})
    clients.create_client(request.app.state.org, fresh)
    return JSONResponse(clients.describe_client(fresh), 201)


def end_sessions(request: Request) -> Response:
    """DELETE /__demo__/sessions: every access token is over at once; refresh tokens stay."""
    return JSONResponse({"ended": request.app.state.org.sessions.expire_all()})


def revoke_approvals(request: Request) -> Response:
    """DELETE /__demo__/approvals/{username}: an administrator revokes all app approvals of a user."""
    org = request.app.state.org
    login = accounts.find_login(org, username=request.path_params["username"])
    if login is None:
        return _refuse("There is no such user.", 404)
    return JSONResponse({"revoked": grants.revoke_of_user(org, login.user_id)})


def _body(request: Request) -> dict[str, Any]:
    body = replies.read_body(request)
    return orjson.loads(body) if body else {}


def _refuse(text: str, status: int = 400) -> Response:
    return JSONResponse({"error": text}, status)


routes = [
    Route("/__demo__/logins/{username}", change_login, methods=["PATCH"]),
    Route("/__demo__/oauth-clients", add_client, methods=["POST"]),
    Route("/__demo__/oauth-clients/{client_id}", change_client, methods=["PATCH"]),
    Route("/__demo__/sessions", end_sessions, methods=["DELETE"]),
    Route("/__demo__/approvals/{username}", revoke_approvals, methods=["DELETE"]),
]
