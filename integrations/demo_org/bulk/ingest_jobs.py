"""`jobs/ingest`: create jobs, take the upload, close, abort, delete, and hand out what became of each row."""

import os
import secrets
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from integrations.demo_org import replies
from integrations.demo_org.bulk import ingest_work, jobs
from integrations.demo_org.bulk.csv_files import BUFFER, BadUpload, quoted_lines
from integrations.demo_org.bulk.listing import list_reply, read_choice
from integrations.demo_org.bulk.query_jobs import CSV_TYPE
from integrations.demo_org.bulk.runner import RUNNERS
from integrations.demo_org.errors import ApiError
from integrations.demo_org.rights import holds

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")
# 150 MB after base64 encoding, which makes three bytes four.
LARGEST_UPLOAD = 150_000_000 * 3 // 4
LARGEST_MULTIPART = 100_000
RESULT_FILES = {"successfulResults": ingest_work.SUCCESS, "failedResults": ingest_work.FAILURE}
NOT_FINISHED = "InvalidJobState : Results are available when the Job is finished; it is "
TWICE = (
    "Found multiple contents for job: <{}>, please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job "
    "and make sure you only do 'PUT' once on a given Job."
)


async def create(request: Request) -> Response:
    """POST jobs/ingest: JSON makes an Open job; a multipart body with the data makes one that is already uploaded."""
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        return await _create_with_data(request)
    return await run_in_threadpool(_create_open, request)


def show(request: Request) -> Response:
    """GET jobs/ingest/{id}."""
    return replies.reply(request, jobs.describe_job(_job(request)))


def show_all(request: Request) -> Response:
    """GET jobs/ingest: 1,000 a page, newest first."""
    return list_reply(request, jobs.INGEST)


async def upload(request: Request) -> Response:
    """PUT jobs/ingest/{id}/batches: the CSV, once, while the job is Open. 201 without a body.

    The body goes to the disk as it comes in, so that 100 MB do not pass through memory.
    """
    org = request.app.state.org
    job = await run_in_threadpool(_check_upload, request)
    folder = jobs.folder_of(org, job)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{ingest_work.UPLOAD}.{secrets.token_hex(4)}"
    size = 0
    try:
        with unfinished.open("wb", buffering=BUFFER) as stream:
            async for part in request.stream():
                size += len(part)
                _check_size(size, LARGEST_UPLOAD)
                stream.write(part)
        await run_in_threadpool(_accept, org, job, unfinished)
    finally:
        unfinished.unlink(missing_ok=True)
    return Response(b"", 201)


def change(request: Request) -> Response:
    """PATCH jobs/ingest/{id}: UploadComplete starts the work, Aborted ends the job."""
    org, job, body = request.app.state.org, _job(request), replies.read_json(request)
    wanted = body.get("state") if isinstance(body, dict) else None
    sources = {jobs.UPLOADED: frozenset({jobs.OPEN}), jobs.ABORTED: frozenset({jobs.OPEN, jobs.UPLOADED, jobs.RUNNING})}
    if wanted not in sources:
        raise ApiError(400, "INVALIDJOBSTATE", f"InvalidJobState : Cannot set the state of an ingest job to {wanted}")
    changed = jobs.change_job(org, job, only_from=sources[wanted], state=wanted)
    if changed is None:
        now = "Completed" if job.state == jobs.COMPLETE else job.state
        verb = "Aborting" if wanted == jobs.ABORTED else "Closing"
        raise ApiError(400, "INVALIDJOBSTATE", f"InvalidJobState : {verb} already {now} Job not allowed")
    if wanted == jobs.UPLOADED:
        RUNNERS.of(org).start(changed)
    return replies.reply(request, jobs.describe_closed(changed))


def remove(request: Request) -> Response:
    """DELETE jobs/ingest/{id}: not while it works."""
    org, job = request.app.state.org, _job(request)
    if job.state in {jobs.OPEN, jobs.RUNNING}:
        raise ApiError(400, "INVALIDJOBSTATE", f"InvalidJobState : Deleting a Job in state {job.state} not allowed")
    jobs.remove_job(org, job)
    return replies.no_content()


def results(request: Request) -> Response:
    """GET successfulResults or failedResults: `sf__Id`, `sf__Created` or `sf__Error`, then the uploaded columns."""
    org, job = request.app.state.org, _settled(request)
    name = RESULT_FILES[request.url.path.rstrip("/").rpartition("/")[2]]
    path = jobs.folder_of(org, job) / name
    size = job.success_size if name == ingest_work.SUCCESS else job.failed_size
    if not path.exists() or not size:
        return Response(_empty_results(org, job, name), 200, media_type=CSV_TYPE)
    return StreamingResponse(_file_blocks(path, size), 200, {"Content-Length": str(size)}, CSV_TYPE)


def unprocessed(request: Request) -> Response:
    """GET unprocessedrecords: the uploaded rows that were never tried, with their columns only."""
    org, job = request.app.state.org, _settled(request)
    return StreamingResponse(_unprocessed_blocks(org, job), 200, media_type=CSV_TYPE)


def _create_open(request: Request) -> Response:
    job = _new_job(request, replies.read_json(request), state=jobs.OPEN)
    return replies.reply(request, jobs.describe_job(job, full=False))


async def _create_with_data(request: Request) -> Response:
    """A part `job` (JSON) and a part `content` (CSV); the job goes straight to UploadComplete."""

    async def body() -> AsyncGenerator[bytes, None]:
        yield replies.read_body(request)

    try:
        form = await MultiPartParser(request.headers, body(), max_part_size=2 * LARGEST_MULTIPART).parse()
    except MultiPartException as problem:
        raise ApiError(400, "CLIENTINPUTERROR", f"The multipart body cannot be read: {problem.message}") from problem
    wanted, content = await _part(form, "job"), await _part(form, "content")
    await form.close()
    return await run_in_threadpool(_create_uploaded, request, wanted, content)


def _create_uploaded(request: Request, wanted: bytes, content: bytes) -> Response:
    org = request.app.state.org
    _check_size(len(content), LARGEST_MULTIPART)
    try:
        body = orjson.loads(wanted)
    except orjson.JSONDecodeError as problem:
        raise ApiError(400, "JSON_PARSER_ERROR", f"The part job is not JSON: {problem}") from problem
    job = _new_job(request, body, state=jobs.OPEN)
    received = jobs.folder_of(org, job) / "received"
    received.parent.mkdir(parents=True, exist_ok=True)
    received.write_bytes(content)
    job = _accept(org, job, received)
    changed = jobs.change_job(org, job, state=jobs.UPLOADED) or job
    RUNNERS.of(org).start(changed)
    return replies.reply(request, jobs.describe_job(changed, full=False))


async def _part(form: FormData, name: str) -> bytes:
    """The bytes of a part, sent as a field or as a file."""
    part = form.get(name)
    if isinstance(part, UploadFile):
        return await part.read()
    if part is None:
        raise ApiError(400, "CLIENTINPUTERROR", f"The multipart body has no part {name}")
    return part.encode()


def _new_job(request: Request, body: Any, *, state: str) -> jobs.Job:
    """Check the wish and store the job."""
    org, caller = request.app.state.org, request.state.caller
    jobs.check_open(org)
    if not isinstance(body, dict):
        raise ApiError(400, "JSON_PARSER_ERROR", "The body must be a JSON object")
    operation, name = body.get("operation"), str(body.get("object") or "")
    if operation not in OPERATIONS:
        raise ApiError(400, "INVALIDOPERATION", f"InvalidOperation : Unsupported operation: {operation}")
    kind = org.schema_for(caller).find(name)
    if kind is None:
        raise ApiError(400, "INVALIDENTITY", f"InvalidEntity : Unable to find object: {name}")
    if operation == "hardDelete" and not holds(org, caller, "BulkApiHardDelete"):
        text = "FeatureNotEnabled : hardDelete operation requires special user profile permission, please contact your admin"
        raise ApiError(400, "FEATURENOTENABLED", text)
    if body.get("contentType", "CSV") != "CSV":
        raise ApiError(400, "INVALIDJOB", f"InvalidJob : Unsupported content type: {body['contentType']}")
    return jobs.create_job(
        org,
        caller,
        kind=jobs.INGEST,
        operation=operation,
        object=kind.name,
        state=state,
        api_version=request.path_params["version"],
        delimiter=read_choice(body, "columnDelimiter", jobs.DELIMITERS, "COMMA"),
        line_ending=read_choice(body, "lineEnding", jobs.LINE_ENDINGS, "LF"),
        external_id=_external_id(kind, operation, body.get("externalIdFieldName")),
    )


def _external_id(kind: Any, operation: str, name: Any) -> str:
    """The key of an upsert: must be named, and be Id or an external id of the object."""
    if operation != "upsert":
        return ""
    if not name:
        text = f"InvalidJob : External ID was blank for {kind.name}. An External ID must be specified for upsert."
        raise ApiError(400, "INVALIDJOB", text)
    field = kind.find(str(name))
    if field is None or not (field.external_id or field.id_lookup or field.name == "Id"):
        text = f"Field name provided, {name} does not match an External ID, Salesforce Id, or indexed field for {kind.name}"
        raise ApiError(400, "INVALIDJOB", f"InvalidJob : {text}")
    return str(name)


def _check_upload(request: Request) -> jobs.Job:
    """The job, if it may receive data now."""
    job, kind = _job(request), request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "text/csv":
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", f"Content-Type must be text/csv: {kind or 'none'}")
    if job.state != jobs.OPEN:
        raise ApiError(400, "INVALIDJOBSTATE", f"InvalidJobState : Job data can only be uploaded while Open; it is {job.state}")
    if job.uploaded:
        raise ApiError(400, "CLIENTINPUTERROR", TWICE.format(job.id))
    return job


def _accept(org: "DemoOrg", job: jobs.Job, received: Path) -> jobs.Job:
    """Make a received file the job's upload; only one can be, also when two arrive at once."""
    with received.open("rb") as stream:
        os.fsync(stream.fileno())
    with org.store.write() as connection:
        row = connection.execute("SELECT uploaded FROM _bulk_job WHERE id = ?", (job.id,)).fetchone()
        changed = jobs.change_job(org, job, only_from=frozenset({jobs.OPEN}), uploaded=1)
        if changed is None or row[0]:
            raise ApiError(400, "CLIENTINPUTERROR", TWICE.format(job.id))
        received.replace(jobs.folder_of(org, job) / ingest_work.UPLOAD)
        return changed


def _check_size(size: int, largest: int) -> None:
    if size > largest:
        raise ApiError(
            413, "REQUEST_ENTITY_TOO_LARGE", f"The job data has {size} bytes; the largest that is taken is {largest}"
        )


def _job(request: Request) -> jobs.Job:
    """The ingest job of the path. Asking for it also takes up jobs that a restart interrupted."""
    RUNNERS.of(request.app.state.org)
    return jobs.get_job(request.app.state.org, request.path_params["job_id"], jobs.INGEST)


def _settled(request: Request) -> jobs.Job:
    """The job, if it is finished."""
    job = _job(request)
    if job.state not in jobs.FINISHED:
        raise ApiError(400, "INVALIDJOBSTATE", NOT_FINISHED + job.state)
    return job


def _empty_results(org: "DemoOrg", job: jobs.Job, name: str) -> bytes:
    """Only the header line: no row came this far."""
    header = _read_header(org, job)
    second = "sf__Created" if name == ingest_work.SUCCESS else "sf__Error"
    return _lines(job, [["sf__Id", second, *header]])


def _read_header(org: "DemoOrg", job: jobs.Job) -> list[str]:
    """The column names of the upload, as far as they can be read."""
    file = ingest_work.open_upload(org, job)
    if job.uploaded and file.path.exists():
        try:
            next(file.chunks(size=1), None)
        except BadUpload:
            return file.header
    return file.header


def _unprocessed_blocks(org: "DemoOrg", job: jobs.Job) -> Iterator[bytes]:
    """The upload from the first row that was not tried."""
    file = ingest_work.open_upload(org, job)
    if not job.uploaded or not file.path.exists():
        return
    yield _lines(job, [_read_header(org, job)])
    if job.state == jobs.COMPLETE:
        return
    try:
        for chunk in file.chunks(size=ingest_work.CHUNK, skip=job.processed):
            yield _lines(job, chunk)
    except BadUpload:
        return


def _lines(job: jobs.Job, rows: list[list[str]]) -> bytes:
    delimiter, line_ending = jobs.DELIMITERS[job.delimiter], jobs.LINE_ENDINGS[job.line_ending]
    return quoted_lines(rows, delimiter=delimiter, line_ending=line_ending)


def _file_blocks(path: Path, size: int) -> Iterator[bytes]:
    """The first `size` bytes of a file."""
    with path.open("rb") as stream:
        while size > 0 and (block := stream.read(min(BUFFER, size))):
            size -= len(block)
            yield block


_BASE = "/services/data/v{version}/jobs/ingest"
routes = [
    Route(_BASE, create, methods=["POST"]),
    Route(_BASE, show_all, methods=["GET"]),
    Route(_BASE + "/{job_id}", show, methods=["GET"]),
    Route(_BASE + "/{job_id}", change, methods=["PATCH"]),
    Route(_BASE + "/{job_id}", remove, methods=["DELETE"]),
    Route(_BASE + "/{job_id}/batches", upload, methods=["PUT"]),
    Route(_BASE + "/{job_id}/successfulResults", results, methods=["GET"]),
    Route(_BASE + "/{job_id}/failedResults", results, methods=["GET"]),
    Route(_BASE + "/{job_id}/unprocessedrecords", unprocessed, methods=["GET"]),
    # simple-salesforce spells it so.
    Route(_BASE + "/{job_id}/unprocessedRecords", unprocessed, methods=["GET"]),
]
