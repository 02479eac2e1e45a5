"""Running one request inside another: composite resources hand their parts to the same handlers as anybody else's."""

import asyncio
import inspect
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from integrations.demo_org.errors import ApiError
from integrations.demo_org.replies import all_errors
from integrations.demo_org.versions import check_version

BODILESS = frozenset({204, 304})
SHOWN = ("ETag", "Last-Modified", "Location")


@dataclass(slots=True)
class Part:
    """One request inside a composite one. `url` is host-relative; `body` is a JSON value or None."""

    method: str
    url: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """What a part answered. `body` is a JSON value (None when there is none)."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def is_good(self) -> bool:
        """Whether the part did what it was asked."""
        return self.status < 300


def run_part(outer: Request, part: Part) -> Outcome:
    """Find the handler of a part, run it as the same caller, and take its answer apart."""
    try:
        response = _call(outer, part)
    except ApiError as error:
        return Outcome(error.status, all_errors(error), {})
    body = response.body if isinstance(response.body, bytes) else bytes(response.body)
    value = orjson.loads(body) if body and response.status_code not in BODILESS else None
    return Outcome(response.status_code, value, {name: response.headers[name] for name in SHOWN if name in response.headers})


def _call(outer: Request, part: Part) -> Response:
    """Route a part and call its handler in this thread, so that it sees what an open transaction has written."""
    scope = _scope(outer, part)
    route, child = find_route(outer.app.routes, scope)
    if "version" in child["path_params"]:
        check_version(child["path_params"]["version"])
    scope.update(child)
    request = Request(scope, _receiver(scope["state"]["body"]))
    answer = route.endpoint(request)
    if inspect.isawaitable(answer):
        answer = asyncio.run(_finish(answer))
    return answer


async def _finish(answer: Any) -> Response:
    return await answer


def find_route(routes: Any, scope: dict[str, Any]) -> tuple[Route, dict[str, Any]]:
    """The route for a path and method. ApiError 404 for an unknown path, 405 for a known one with another method."""
    allowed: set[str] = set()
    for route in routes:
        match, child = route.matches(scope)
        if match is Match.FULL:
            return route, dict(child)
        if match is Match.PARTIAL:
            allowed |= route.methods or set()
    if allowed:
        raise method_not_allowed(scope["method"], allowed)
    raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")


def method_not_allowed(method: str, allowed: set[str]) -> ApiError:
    """405 in Salesforce's words; the fields carry the Allow header."""
    names = tuple(sorted(allowed))
    return ApiError(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed. Allowed are {','.join(names)}", names)


def _scope(outer: Request, part: Part) -> dict[str, Any]:
    """The ASGI scope of a part."""
    address = urlsplit(part.url)
    body = b"" if part.body is None else orjson.dumps(part.body)
    headers = {"host": outer.headers.get("host", ""), "content-type": "application/json", **part.headers}
    return {
        **{
            key: outer.scope[key] for key in ("type", "http_version", "scheme", "server", "client", "app") if key in outer.scope
        },
        "method": part.method.upper(),
        "path": unquote(address.path).rstrip("/"),
        "raw_path": address.path.encode(),
        "root_path": "",
        "query_string": address.query.encode(),
        "headers": [(key.lower().encode("latin-1"), str(value).encode("latin-1")) for key, value in headers.items()],
        "state": {"body": body, "caller": outer.state.caller, "suffix": "json"},
        "path_params": {},
    }


def _receiver(body: bytes) -> Any:
    """An ASGI receive function that delivers a body at once."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
