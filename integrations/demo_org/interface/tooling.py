"""The Tooling API's objects, as far as this org has them (there is no Apex), and the list of dashboards."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.errors import ApiError
from integrations.demo_org.records import NOT_FOUND, describe, show_record
from integrations.demo_org.replies import reply
from integrations.demo_org.schema.describe import list_entry
from integrations.demo_org.schema.tooling import TOOLING

NO_APEX = ApiError(501, "FUNCTIONALITY_NOT_ENABLED", "This org has no Apex")


def list_objects(request: Request) -> Response:
    """GET tooling/sobjects."""
    schema, version = request.app.state.org.schema_for(request.state.caller), request.path_params["version"]
    kinds = sorted((each for key, each in schema.objects.items() if key in TOOLING), key=lambda kind: kind.name)
    shown = [list_entry(each, f"{version}/tooling") for each in kinds]
    return reply(request, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": shown})


def describe_object(request: Request) -> Response:
    """GET tooling/sobjects/{name}/describe."""
    _check(request)
    return describe(request)


def one_record(request: Request) -> Response:
    """GET tooling/sobjects/{name}/{id}."""
    _check(request)
    return show_record(request)


def _check(request: Request) -> None:
    if request.path_params["name"].lower() not in TOOLING:
        raise NOT_FOUND


def no_apex(_request: Request) -> Response:
    """Apex is not run here, and never pretended to be."""
    raise NO_APEX


def list_dashboards(request: Request) -> Response:
    """GET analytics/dashboards."""
    org, base = request.app.state.org, f"/services/data/v{request.path_params['version']}/analytics/dashboards"
    rows = org.store.read().execute("SELECT Id, Title FROM Dashboard WHERE IsDeleted = 0 ORDER BY Title").fetchall()
    return reply(request, [
        {"id": own, "name": title, "statusUrl": f"{base}/{own}/status", "url": f"{base}/{own}"} for own, title in rows
    ])  # fmt: skip


def no_dashboard(request: Request) -> Response:
    """What is on a dashboard is not imitated."""
    row = request.app.state.org.store.read().execute(
        "SELECT 1 FROM Dashboard WHERE substr(Id, 1, 15) = ?", (request.path_params["dashboard"][:15],)
    )
    if row.fetchone() is None:
        raise NOT_FOUND
    raise ApiError(501, "FUNCTIONALITY_NOT_ENABLED", "The components of dashboards are not imitated")


_TOOLING = "/services/data/v{version}/tooling"
_BOARDS = "/services/data/v{version}/analytics/dashboards"
routes = [
    Route(_TOOLING + "/sobjects", list_objects, methods=["GET"]),
    Route(_TOOLING + "/sobjects/{name}/describe", describe_object, methods=["GET"]),
    Route(_TOOLING + "/sobjects/{name}/{record_id}", one_record, methods=["GET"]),
    *(
        Route(f"{_TOOLING}/{name}", no_apex, methods=["GET", "POST"])
        for name in ("executeAnonymous", "runTestsAsynchronous", "runTestsSynchronous", "completions")
    ),
    Route(_BOARDS, list_dashboards, methods=["GET"]),
    Route(_BOARDS + "/{dashboard}", no_dashboard, methods=["GET", "POST", "PUT", "DELETE"]),
    Route(_BOARDS + "/{dashboard}/{part}", no_dashboard, methods=["GET", "PUT"]),
]
