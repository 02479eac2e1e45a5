"""The API versions: which exist, which are retired, and what each offers at its root."""

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from integrations.demo_org.errors import ApiError
from integrations.demo_org.replies import origin_of, reply

OLDEST, NEWEST = 31, 68
VERSION = re.compile(r"\d{1,3}\.0", re.ASCII)
VERSION_PATH = "/services/data/v{version}"
SEASONS = ("Winter", "Spring", "Summer")
RESOURCES = (
    "analytics", "composite", "jobs", "limits", "metadata", "parameterizedSearch", "query", "queryAll", "recent", "search",
    "sobjects",
)  # fmt: skip


def label_of(version: int) -> str:
    """The release of a version: 65 is Winter '26."""
    return f"{SEASONS[(version - 65) % 3]} '{26 + (version - 65) // 3:02d}"


def check_version(text: str) -> float:
    """The number of a version like "65.0". ApiError 410 for retired ones, 404 for those that never were."""
    number = float(text) if VERSION.fullmatch(text) else 0.0
    if not 7 <= number <= NEWEST:
        raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
    if number < OLDEST:
        raise ApiError(410, "GONE", f"API version {text} has been retired. The oldest supported version is {OLDEST}.0.")
    return number


def number_of(request: Request) -> float:
    """The version of a request as a number."""
    return float(request.path_params["version"])


def list_versions(request: Request) -> Response:
    """Every version; needs no session."""
    rows = [
        {"label": label_of(number), "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
        for number in range(OLDEST, NEWEST + 1)
    ]
    return reply(request, rows, root="Version")


def is_below(route: BaseRoute) -> bool:
    """Whether a route belongs to a resource of a version."""
    return getattr(route, "path", "").startswith(f"{VERSION_PATH}/")


def list_resources(request: Request) -> Response:
    """Names and paths of what a version offers."""
    base = f"/services/data/v{request.path_params['version']}"
    served = {getattr(route, "path", "").split("/")[4] for route in request.app.routes if is_below(route)}
    body = {name: f"{base}/{name}" for name in RESOURCES if name in served}
    identity = f"{origin_of(request)}/id/{request.app.state.org.info.org_id}/{request.state.caller.user_id}"
    return reply(request, {"identity": identity, **body}, root="Resources")


routes = [
    Route("/services/data", list_versions, methods=["GET"]),
    Route("/services/data/v{version}", list_resources, methods=["GET"]),
]
