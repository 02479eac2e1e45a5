"""The ASGI application: all routes of the org behind one gate."""

import logging
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from integrations.demo_org import (
    async_api,
    collection,
    composite,
    control,
    deal_pages,
    interface,
    metadata,
    overview,
    page,
    query,
    records,
    replication,
    search,
    soap,
    versions,
)
from integrations.demo_org.bulk import ingest_jobs, query_jobs
from integrations.demo_org.dispatch import find_route
from integrations.demo_org.errors import ApiError
from integrations.demo_org.gate import Gate
from integrations.demo_org.oauth import endpoints as oauth
from integrations.demo_org.replies import error_reply
from integrations.demo_org.reports import endpoints as reports

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

logger = logging.getLogger(__name__)
COMPRESSED_FROM_BYTES = 500
# narrow paths come before those that take any name
SUBJECTS = (
    oauth, soap, metadata, async_api, interface, query, search, reports, query_jobs, ingest_jobs, versions, composite,
    collection, replication, records, overview, control, deal_pages, page,
)  # fmt: skip


def create_app(org: "DemoOrg") -> Gate:
    """The server of one org, ready for uvicorn."""
    app = Starlette(
        routes=all_routes(),
        exception_handlers={ApiError: _on_api_error, HTTPException: _on_http_error, Exception: _on_crash},
    )
    app.state.org = org
    app.router.redirect_slashes = False
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESSED_FROM_BYTES, compresslevel=4)
    return Gate(app, org)


def all_routes() -> list[BaseRoute]:
    """Every route of the org."""
    return [route for subject in SUBJECTS for route in subject.routes]


async def _on_api_error(request: Request, error: Exception) -> Response:
    """A refusal in Salesforce's form."""
    assert isinstance(error, ApiError)
    return error_reply(request, error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Unknown paths and methods, as the API answers them; the control plane answers in plain JSON as well."""
    try:
        find_route(request.app.routes, {**request.scope, "path_params": {}})
    except ApiError as known:
        return error_reply(request, known)
    status = getattr(error, "status_code", 400)
    return error_reply(request, ApiError(status, "UNKNOWN_EXCEPTION", str(getattr(error, "detail", error))))


async def _on_crash(request: Request, error: Exception) -> Response:
    """A fault of this server's own; the traceback goes to the log."""
    logger.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    text = "An unexpected error occurred. Please include this ErrorId if you contact support: 0"
    return error_reply(request, ApiError(500, "UNKNOWN_EXCEPTION", text))
