"""`jobs/query`: create, list, read, abort and delete query jobs, and page through their results."""

import base64
import binascii
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from integrations.demo_org import replies
from integrations.demo_org.bulk import jobs
from integrations.demo_org.bulk.listing import list_reply, read_choice
from integrations.demo_org.bulk.query_work import compile_for
from integrations.demo_org.bulk.runner import RUNNERS
from integrations.demo_org.bulk.spool import Spool, compressed, header_line
from integrations.demo_org.errors import ApiError

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

CSV_TYPE = "text/csv; charset=UTF-8"
LINKS_AN_ANSWER = 5
PARALLEL_ROWS = 100_000
FIRST_PARALLEL_VERSION = 58.0


def create(request: Request) -> Response:
    """POST jobs/query: the query is checked at once (400 with the reason), then worked on in the background."""
    org, caller, body = request.app.state.org, request.state.caller, replies.read_json(request)
    jobs.check_open(org)
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise ApiError(400, "API_ERROR", "Query is required to create a query job")
    operation = body.get("operation")
    if operation not in {"query", "queryAll"}:
        raise ApiError(400, "API_ERROR", f"Operation not supported for a query job: {operation}")
    if body.get("contentType", "CSV") != "CSV":
        raise ApiError(400, "INVALIDJOB", f"InvalidJob : Unsupported content type: {body['contentType']}")
    compiled = compile_for(org, caller, query=body["query"], operation=operation)
    job = jobs.create_job(
        org,
        caller,
        kind=jobs.QUERY,
        operation=operation,
        object=compiled.object.name,
        state=jobs.UPLOADED,
        api_version=request.path_params["version"],
        delimiter=read_choice(body, "columnDelimiter", jobs.DELIMITERS, "COMMA"),
        line_ending=read_choice(body, "lineEnding", jobs.LINE_ENDINGS, "LF"),
        query=body["query"],
    )
    org.usage.spend("DailyBulkV2QueryJobs")
    RUNNERS.of(org).start(job)
    return replies.reply(request, jobs.describe_job(job, full=False))


def show(request: Request) -> Response:
    """GET jobs/query/{id}."""
    return replies.reply(request, jobs.describe_job(_job(request)))


def show_all(request: Request) -> Response:
    """GET jobs/query: 1,000 a page, newest first."""
    return list_reply(request, jobs.QUERY)


def change(request: Request) -> Response:
    """PATCH jobs/query/{id}: a job can only be aborted, and only before it is finished."""
    org, job, body = request.app.state.org, _job(request), replies.read_json(request)
    wanted = body.get("state") if isinstance(body, dict) else None
    if wanted != jobs.ABORTED:
        raise ApiError(400, "INVALIDJOBSTATE", f"InvalidJobState : Cannot set the state of a query job to {wanted}")
    changed = jobs.change_job(org, job, only_from=frozenset({jobs.UPLOADED, jobs.RUNNING}), state=jobs.ABORTED)
    if changed is None:
        text = f"InvalidJobState : Aborting already {'Completed' if job.state == jobs.COMPLETE else job.state} Job not allowed"
        raise ApiError(400, "INVALIDJOBSTATE", text)
    return replies.reply(request, jobs.describe_job(changed, full=False))


def remove(request: Request) -> Response:
    """DELETE jobs/query/{id}: only finished jobs."""
    org, job = request.app.state.org, _job(request)
    if job.state not in jobs.FINISHED:
        raise ApiError(400, "INVALIDJOBSTATE", f"InvalidJobState : Deleting a Job in state {job.state} not allowed")
    jobs.remove_job(org, job)
    return replies.no_content()


def results(request: Request) -> Response:
    """GET jobs/query/{id}/results: one page of CSV with its header line.

    `Sforce-NumberOfRecords` counts the page's rows; `Sforce-Locator` names the next page, the text `null` on the last.
    """
    org, job = request.app.state.org, _finished(request)
    spool = Spool(jobs.folder_of(org, job))
    if not spool.index_path.exists():
        raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
    total = spool.count()
    first, fixed = _read_locator(request.query_params.get("locator", ""), total)
    rows = fixed or _rows_a_page(request, total)
    last = min(first + rows, total)
    following = "null" if last >= total else _locator(last, min(fixed, total - last) if fixed else 0)
    headers = {"Sforce-NumberOfRecords": str(last - first), "Sforce-Locator": following, "X-Content-Type-Options": "nosniff"}
    return _stream(request, job, spool, first=first, last=last, headers=headers)


def result_pages(request: Request) -> Response:
    """GET jobs/query/{id}/resultPages (from v58): up to five links to pages that can be fetched at the same time."""
    if float(request.path_params["version"]) < FIRST_PARALLEL_VERSION:
        raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
    org, job = request.app.state.org, _finished(request)
    total = Spool(jobs.folder_of(org, job)).count()
    rows = int(jobs.switch(org, "bulk_parallel_rows", 0)) or jobs.switch(org, "bulk_page_rows", 0) or PARALLEL_ROWS
    first, _ = _read_locator(request.query_params.get("locator", ""), total)
    base = f"/services/data/v{job.api_version}/jobs/query/{job.id}"
    starts = list(range(first, max(total, 1), rows))
    links = [{"resultUrl": f"{base}/results?locator={_locator(at, rows)}"} for at in starts[:LINKS_AN_ANSWER]]
    done = len(starts) <= LINKS_AN_ANSWER
    following = None if done else f"{base}/resultPages?locator={_locator(starts[LINKS_AN_ANSWER], 0)}"
    return replies.reply(request, {"resultPages": links, "nextRecordsUrl": following, "done": done})


def _stream(request: Request, job: jobs.Job, spool: Spool, *, first: int, last: int, headers: dict[str, str]) -> Response:
    """The page as a streamed answer, compressed only when the client asked for it."""
    start, end = spool.slice_of(first, last)
    delimiter, line_ending = jobs.DELIMITERS[job.delimiter], jobs.LINE_ENDINGS[job.line_ending]
    header = header_line(job.columns, delimiter=delimiter, line_ending=line_ending)
    blocks: Iterator[bytes] = chain([header], spool.blocks(start, end))
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return StreamingResponse(compressed(blocks), 200, headers, CSV_TYPE)
    headers["Content-Length"] = str(len(header) + end - start)
    return StreamingResponse(blocks, 200, headers, CSV_TYPE)


def _job(request: Request) -> jobs.Job:
    """The query job of the path. Asking for it also takes up jobs that a restart interrupted."""
    RUNNERS.of(request.app.state.org)
    return jobs.get_job(request.app.state.org, request.path_params["job_id"], jobs.QUERY)


def _finished(request: Request) -> jobs.Job:
    """The job, if its results may be read now and by this API version."""
    job, version = _job(request), request.path_params["version"]
    if float(job.api_version) != float(version):
        text = f"The job was created with API version {job.api_version}; its results cannot be read with version {version}"
        raise ApiError(409, "INVALID_API_VERSION", text)
    if job.state != jobs.COMPLETE:
        text = f"InvalidJobState : Results are available when the Job is JobComplete; it is {job.state}"
        raise ApiError(400, "INVALIDJOBSTATE", text)
    return job


def _rows_a_page(request: Request, total: int) -> int:
    """`maxRecords` of the request, else the org's setting, else everything."""
    org: DemoOrg = request.app.state.org
    asked = request.query_params.get("maxRecords")
    if asked is None:
        return int(jobs.switch(org, "bulk_page_rows", 0)) or max(total, 1)
    if not asked.isdigit() or int(asked) < 1:
        raise ApiError(400, "INVALID_QUERY_LOCATOR", f"maxRecords must be a positive number: {asked}")
    return int(asked)


def _locator(first: int, rows: int) -> str:
    """An opaque, stable name for a page: its first row, and its size for the parallel links."""
    text = f"{first}-{rows}" if rows else str(first)
    return quote(base64.urlsafe_b64encode(text.encode()).decode().rstrip("="))


def _read_locator(text: str, total: int) -> tuple[int, int]:
    """First row and fixed size (0 = none) of a locator; 400 if it is not one of this job's."""
    if not text:
        return 0, 0
    try:
        first, _, rows = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition("-")
        numbers = int(first), int(rows or 0)
    except (binascii.Error, UnicodeDecodeError, ValueError) as problem:
        raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator") from problem
    if not 0 <= numbers[0] <= total or numbers[1] < 0:
        raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    return numbers


_BASE: Any = "/services/data/v{version}/jobs/query"
routes = [
    Route(_BASE, create, methods=["POST"]),
    Route(_BASE, show_all, methods=["GET"]),
    Route(_BASE + "/{job_id}", show, methods=["GET"]),
    Route(_BASE + "/{job_id}", change, methods=["PATCH"]),
    Route(_BASE + "/{job_id}", remove, methods=["DELETE"]),
    Route(_BASE + "/{job_id}/results", results, methods=["GET"]),
    Route(_BASE + "/{job_id}/resultPages", result_pages, methods=["GET"]),
]
