"""What query and ingest jobs share at the door: lists of jobs and choices in bodies."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from integrations.demo_org import replies
from integrations.demo_org.bulk import jobs
from integrations.demo_org.bulk.runner import RUNNERS
from integrations.demo_org.errors import ApiError

TYPES = {jobs.QUERY: "V2Query", jobs.INGEST: "V2Ingest"}


def list_reply(request: Request, kind: str) -> Response:
    """All jobs of a kind, 1,000 an answer; `nextRecordsUrl` leads on. Filters: jobType, concurrencyMode, PK chunking."""
    org, asked = request.app.state.org, request.query_params
    RUNNERS.of(org)
    start = asked.get("queryLocator", "0")
    if not start.isdigit():
        raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    found, more = jobs.list_jobs(org, kind, offset=int(start))
    if _excludes(asked, kind):
        found, more = [], False
    following = f"/services/data/v{request.path_params['version']}/jobs/{kind}?queryLocator={int(start) + jobs.JOBS_A_PAGE}"
    records = [jobs.describe_job(each, full=False) | {"jobType": TYPES[kind]} for each in found]
    return replies.reply(request, {"done": not more, "records": records, "nextRecordsUrl": following if more else None})


def read_choice(body: Mapping[str, Any], name: str, known: Mapping[str, str], default: str) -> str:
    """One of the known words, or the default if the body does not say; 400 otherwise."""
    value = body.get(name) or default
    if value not in known:
        raise ApiError(400, "INVALIDJOB", f"InvalidJob : Unsupported {name}: {value}. Use one of {', '.join(known)}")
    return value


def _excludes(asked: Mapping[str, str], kind: str) -> bool:
    """Whether a filter leaves nothing: these jobs are Parallel, of one type, and never PK-chunked by the client."""
    other_type = asked.get("jobType", TYPES[kind]) != TYPES[kind]
    serial = asked.get("concurrencyMode", "parallel").lower() != "parallel"
    return other_type or serial or asked.get("isPkChunkingEnabled", "").lower() == "true"
