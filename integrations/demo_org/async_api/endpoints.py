"""The resources of Bulk API 1.0. Errors are HTTP 400 with an exception code; answers are XML unless JSON is spoken."""

import re
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

import orjson
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.async_api import chunking, stored, work
from integrations.demo_org.async_api.payloads import HEAD, NAMESPACE
from integrations.demo_org.org import Caller
from integrations.demo_org.replies import read_body
from integrations.demo_org.soap.envelopes import local_name
from integrations.demo_org.versions import NEWEST, OLDEST

OPERATIONS = frozenset({"insert", "update", "upsert", "delete", "hardDelete", "query", "queryAll"})
CONTENT_TYPES = {"CSV": "text/csv", "XML": "application/xml", "JSON": "application/json"}
MOST_BYTES, MOST_ROWS = 10_000_000, 10_000
VERSION = re.compile(r"\d{1,3}\.0")
CONCURRENCY = {"0": "Parallel", "1": "Serial", "parallel": "Parallel", "serial": "Serial"}


class Refused(Exception):
    """A call that is refused; `status` is the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def speaks_json(request: Request, job: stored.Job | None = None) -> bool:
    """Whether the answer is JSON: what the caller sends or accepts, or (for what is only read) the form of the job."""
    sent, accepted = (request.headers.get(name, "").lower() for name in ("content-type", "accept"))
    if "json" in sent or accepted.startswith("application/json"):
        return True
    reads = request.method == "GET" or not ("xml" in sent or "csv" in sent)
    return job is not None and job.content_type == "JSON" and reads and not accepted.startswith("application/xml")


def writes_json(request: Request, job: stored.Job) -> bool:
    """Whether what is said about batches is JSON: the job's own form counts, not that of the request."""
    return job.content_type == "JSON" or request.headers.get("accept", "").lower().startswith("application/json")


def show(
    request: Request, root: str, body: dict[str, Any], status: int = 200, job: stored.Job | None = None, *, batch: bool = False
) -> Response:
    """A job, batch or error in the form that is spoken."""
    if writes_json(request, job) if batch and job else speaks_json(request, job):
        plain = {key: _offset(value) for key, value in body.items()}
        return Response(orjson.dumps(dict(sorted(plain.items()))), status, media_type=CONTENT_TYPES["JSON"])
    inner = "".join(_element(key, value) for key, value in body.items() if value is not None)
    text = f'{HEAD}<{root}\n   xmlns="{NAMESPACE}">\n{inner}</{root}>'
    return Response(text, status, media_type=CONTENT_TYPES["XML"])


def _offset(value: Any) -> Any:
    """Instants in JSON have an offset, in XML a Z."""
    return value[:-1] + "+0000" if isinstance(value, str) and re.fullmatch(r"[\d-]{10}T[\d:]{8}\.000Z", value) else value


def _element(name: str, value: Any) -> str:
    return f" <{name}>{escape(str(value))}</{name}>\n"


def guarded(handler: Any) -> Any:
    """A route's endpoint: version, session, and refusals in the API's form."""

    def endpoint(request: Request) -> Response:
        try:
            request.state.caller = admit(request)
            return handler(request)
        except Refused as problem:
            body = {"exceptionCode": problem.code, "exceptionMessage": problem.message}
            return show(request, "error", body, problem.status)

    return endpoint


def admit(request: Request) -> Caller:
    """Who calls: the session in X-SFDC-Session or a bearer token."""
    org, version = request.app.state.org, request.path_params["version"]
    if not VERSION.fullmatch(version) or not OLDEST <= float(version) <= NEWEST:
        raise Refused("InvalidVersion", f"Unsupported API version: {version}")
    bearer = request.headers.get("authorization", "").partition(" ")[2]
    caller = org.sessions.caller_for(request.headers.get("x-sfdc-session") or bearer)
    if caller is None:
        raise Refused("InvalidSessionId", "Invalid session id")
    if org.usage.is_reached():
        raise Refused("ExceededQuota", "TotalRequests Limit exceeded.")
    org.usage.spend()
    return caller


def read_values(request: Request) -> dict[str, Any]:
    """The fields of a jobInfo, XML or JSON."""
    body = read_body(request).strip()
    try:
        if speaks_json(request):
            found = orjson.loads(body or b"{}")
            return found if isinstance(found, dict) else {}
        return {local_name(each): (each.text or "").strip() for each in fromstring(body, forbid_dtd=True)}
    except (orjson.JSONDecodeError, DefusedXmlException, ParseError, LookupError, ValueError) as problem:
        raise Refused("InvalidJob", "Unable to parse Job") from problem


def create(request: Request) -> Response:
    """POST job."""
    org, caller, given = request.app.state.org, request.state.caller, read_values(request)
    operation = str(given.get("operation", ""))
    if operation not in OPERATIONS:
        raise Refused("InvalidJob", f"Invalid operation: {operation}")
    kind = org.schema_for(caller).find(str(given.get("object", "")))
    if kind is None:
        raise Refused("InvalidJob", f"Unable to find object: {given.get('object', '')}")
    form = str(given.get("contentType") or "XML").upper()
    if form not in CONTENT_TYPES:
        raise Refused("InvalidJob", f"Unsupported content type: {form}")
    key = str(given.get("externalIdFieldName") or "")
    made = kind.find(key)
    if operation == "upsert" and (made is None or not (made.external_id or made.id_lookup)):
        text = f"Field name provided, {key} does not match an External ID, Salesforce Id, or indexed field for {kind.name}"
        raise Refused("InvalidJob", text if key else "External ID was blank. An External ID must be specified for upsert.")
    try:
        chunk = chunking.read_size(request.headers.get(chunking.HEADER, "")) if operation in {"query", "queryAll"} else 0
    except ValueError as problem:
        raise Refused("InvalidJob", str(problem)) from problem
    job = stored.add_job(
        org, caller, operation=operation, object=kind.name, content_type=form, external_id=key if operation == "upsert" else "",
        concurrency=CONCURRENCY.get(str(given.get("concurrencyMode", 0)).lower(), "Parallel"),
        api_version=request.path_params["version"],
    )  # fmt: skip
    if chunk:
        chunking.remember(org, job.id, chunk)
    return show(request, "jobInfo", describe_job(org, job), 201, job)


def describe_job(org: Any, job: stored.Job) -> dict[str, Any]:
    """The jobInfo, its elements in the order of the recordings."""
    batches = stored.list_batches(org, job)
    states = [each.state for each in batches]
    took = sum(each.took_ms for each in batches)
    return {
        "id": job.id, "operation": job.operation, "object": job.object, "createdById": job.who.user_id,
        "createdDate": job.created, "systemModstamp": job.modstamp, "state": job.state,
        "externalIdFieldName": job.external_id or None, "concurrencyMode": job.concurrency, "contentType": job.content_type,
        "numberBatchesQueued": states.count("Queued"), "numberBatchesInProgress": states.count("InProgress"),
        "numberBatchesCompleted": states.count("Completed"), "numberBatchesFailed": states.count("Failed"),
        "numberBatchesTotal": len(states), "numberRecordsProcessed": sum(each.processed for each in batches),
        "numberRetries": 0, "apiVersion": float(job.api_version),
        "numberRecordsFailed": sum(each.failed for each in batches), "totalProcessingTime": took,
        "apiActiveProcessingTime": took, "apexProcessingTime": 0,
    }  # fmt: skip


def describe_batch(batch: stored.Batch) -> dict[str, Any]:
    """The batchInfo."""
    return {
        "id": batch.id, "jobId": batch.job_id, "state": batch.state, "stateMessage": batch.message or None,
        "createdDate": batch.created, "systemModstamp": batch.modstamp, "numberRecordsProcessed": batch.processed,
        "numberRecordsFailed": batch.failed, "totalProcessingTime": batch.took_ms,
        "apiActiveProcessingTime": batch.took_ms, "apexProcessingTime": 0,
    }  # fmt: skip


def job_of(request: Request) -> stored.Job:
    """The job of the path, its due batches done."""
    org = request.app.state.org
    job = stored.find_job(org, request.path_params["job_id"])
    if job is None:
        raise Refused("InvalidJob", f"Unable to find job: {request.path_params['job_id']}")
    work.do_due(org, job.id)
    return job


def batch_of(request: Request, job: stored.Job) -> stored.Batch:
    """The batch of the path."""
    wanted = request.path_params["batch_id"]
    found = next((each for each in stored.list_batches(request.app.state.org, job) if each.id[:15] == wanted[:15]), None)
    if found is None:
        raise Refused("InvalidBatch", f"Unable to find batch: {wanted}")
    return found


def job_info(request: Request) -> Response:
    """GET job/{id}: what it is now; POST: close or abort it."""
    org, job = request.app.state.org, job_of(request)
    if request.method == "POST":
        wanted = str(read_values(request).get("state", ""))
        if wanted not in {"Closed", "Aborted"}:
            raise Refused("InvalidJobState", f"Cannot set the state of a job to {wanted}")
        if job.state != "Open":
            raise Refused("InvalidJobState", f"Job {job.id} is {job.state}")
        job = stored.change_job(org, job, wanted)
    return show(request, "jobInfo", describe_job(org, job), job=job)


def batches(request: Request) -> Response:
    """GET job/{id}/batch: all of them; POST: one more."""
    org, job = request.app.state.org, job_of(request)
    if request.method == "POST":
        return _add_batch(request, job)
    found = [describe_batch(each) for each in stored.list_batches(org, job)]
    if writes_json(request, job):
        plain = [{key: _offset(value) for key, value in sorted(each.items())} for each in found]
        return Response(orjson.dumps({"batchInfo": plain}), media_type=CONTENT_TYPES["JSON"])
    inner = "".join(
        f" <batchInfo>\n{''.join(_element(k, v) for k, v in each.items() if v is not None)} </batchInfo>\n" for each in found
    )
    text = f'{HEAD}<batchInfoList\n   xmlns="{NAMESPACE}">\n{inner}</batchInfoList>'
    return Response(text, media_type=CONTENT_TYPES["XML"])


def _add_batch(request: Request, job: stored.Job) -> Response:
    org, data = request.app.state.org, read_body(request)
    if job.state != "Open":
        raise Refused("InvalidJobState", f"Job {job.id} is not open: it is {job.state}")
    if not data.strip():
        raise Refused("ClientInputError", "The batch is empty")
    if len(data) > MOST_BYTES:
        raise Refused("ClientInputError", f"Maximum size of a batch is {MOST_BYTES} bytes")
    if not job.queries and data.count(b"\n") > MOST_ROWS and job.content_type == "CSV":
        raise Refused("ExceededQuota", f"Maximum number of records in a batch is {MOST_ROWS}")
    if org.usage.is_reached("DailyBulkApiBatches"):
        raise Refused("ExceededQuota", "ApiBatchItems Limit exceeded.")
    org.usage.spend("DailyBulkApiBatches")
    batch = stored.add_batch(org, job, data)
    chunking.cut(org, job, batch)
    work.start(org, job, batch)
    return show(request, "batchInfo", describe_batch(batch), 201, job, batch=True)


def batch_info(request: Request) -> Response:
    """GET job/{id}/batch/{id}."""
    job = job_of(request)
    return show(request, "batchInfo", describe_batch(batch_of(request, job)), job=job, batch=True)


def rows_of(data: bytes, job: stored.Job) -> Response:
    """Rows in the job's form. The content type has no character set: clients compare it as a whole."""
    return Response(data, headers={"Content-Type": CONTENT_TYPES[job.content_type]})


def batch_request(request: Request) -> Response:
    """GET job/{id}/batch/{id}/request: what was sent."""
    job = job_of(request)
    return rows_of(batch_of(request, job).request, job)


def batch_result(request: Request) -> Response:
    """GET job/{id}/batch/{id}/result: one line per record, or the ids of a query's result sets."""
    job = job_of(request)
    batch = batch_of(request, job)
    if batch.state != "Completed":
        raise Refused("InvalidBatch", f"Batch not completed: it is {batch.state}")
    if not job.queries:
        return rows_of(batch.result, job)
    if writes_json(request, job):
        return Response(orjson.dumps([batch.result_id]), media_type=CONTENT_TYPES["JSON"])
    text = f'<result-list xmlns="{NAMESPACE}"><result>{batch.result_id}</result></result-list>'
    return Response(text, media_type=CONTENT_TYPES["XML"])


def query_result(request: Request) -> Response:
    """GET job/{id}/batch/{id}/result/{id}: the rows of a query."""
    job = job_of(request)
    batch = batch_of(request, job)
    if batch.state != "Completed" or batch.result_id != request.path_params["result_id"][:15]:
        raise Refused("InvalidBatch", f"Unable to find result: {request.path_params['result_id']}")
    return rows_of(batch.result, job)


_BASE = "/services/async/{version}/job"
routes = [
    Route(_BASE, guarded(create), methods=["POST"]),
    Route(_BASE + "/{job_id}", guarded(job_info), methods=["GET", "POST"]),
    Route(_BASE + "/{job_id}/batch", guarded(batches), methods=["GET", "POST"]),
    Route(_BASE + "/{job_id}/batch/{batch_id}", guarded(batch_info), methods=["GET"]),
    Route(_BASE + "/{job_id}/batch/{batch_id}/request", guarded(batch_request), methods=["GET"]),
    Route(_BASE + "/{job_id}/batch/{batch_id}/result", guarded(batch_result), methods=["GET"]),
    Route(_BASE + "/{job_id}/batch/{batch_id}/result/{result_id}", guarded(query_result), methods=["GET"]),
]
