"""Passwords of users as administrators set them over REST, and the one-time address that opens the org in a browser."""

import secrets
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from integrations.demo_org.errors import ApiError
from integrations.demo_org.lookups import normalize_id
from integrations.demo_org.oauth import accounts
from integrations.demo_org.oauth.requests import bearer_token, read_parameters
from integrations.demo_org.records import NOT_FOUND
from integrations.demo_org.replies import no_content, origin_of, read_json, reply

SHORTEST = 8


def password(request: Request) -> Response:
    """GET tells whether it is expired, POST sets it, DELETE makes a new one and tells it. For administrators, or oneself."""
    org, caller = request.app.state.org, request.state.caller
    user_id = normalize_id(request.path_params["user_id"]) or ""
    login = accounts.find_login(org, user_id=user_id)
    if login is None:
        raise NOT_FOUND
    if not caller.is_admin and caller.user_id != user_id:
        raise ApiError(403, "INSUFFICIENT_ACCESS", "You do not have the permission to change passwords")
    if request.method == "GET":
        return reply(request, {"isExpired": login.password_expired})
    if request.method == "DELETE":
        made = secrets.token_urlsafe(12)
        accounts.change_login(org, login.username, {"password": made})
        return reply(request, {"NewPassword": made})
    body = read_json(request)
    wanted = body.get("NewPassword") if isinstance(body, dict) else None
    if not isinstance(wanted, str) or len(wanted) < SHORTEST:
        raise ApiError(400, "INVALID_NEW_PASSWORD", f"Your password must be at least {SHORTEST} characters long.")
    accounts.change_login(org, login.username, {"password": wanted, "password_expired": 0})
    return no_content()


def single_access(request: Request) -> Response:
    """`/services/oauth2/singleaccess`: an address that opens the org in a browser without showing the session."""
    org = request.app.state.org
    if org.sessions.caller_for(bearer_token(request)) is None:
        return reply(request, {"error": "invalid_grant", "error_description": "session expired or invalid"}, 401)
    asked = read_parameters(request).get("redirect_uri", "")
    start = f"&startURL={quote(asked)}" if is_local_path(asked) else ""
    return reply(request, {"frontdoor_uri": f"{origin_of(request)}/secur/frontdoor.jsp?otp={secrets.token_urlsafe(24)}{start}"})


def is_local_path(text: str) -> bool:
    """Whether an address stays on this org."""
    return text.startswith("/") and not text.startswith(("//", "/\\"))


def front_door(request: Request) -> Response:
    """`/secur/frontdoor.jsp`: there is no user interface behind it, so every visitor lands on the org's one page."""
    return RedirectResponse("/", 302)


routes = [
    Route("/services/oauth2/singleaccess", single_access, methods=["GET", "POST"]),
    Route("/secur/frontdoor.jsp", front_door, methods=["GET", "POST"]),
    *(
        Route(f"/services/data/v{{version}}/sobjects/{user}/{{user_id}}/password", password, methods=["GET", "POST", "DELETE"])
        for user in ("User", "user")  # names of objects are read in any case
    ),
]
