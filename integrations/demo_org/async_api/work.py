"""The work of a batch: save its records or run its query. Batches are done when they are due, also if nobody asks."""

import threading
import time
from typing import TYPE_CHECKING

from integrations.demo_org.async_api import stored
from integrations.demo_org.async_api.payloads import BadBatch, Rows, read_rows, write_query, write_results
from integrations.demo_org.errors import ApiError
from integrations.demo_org.rows import RowResult
from integrations.demo_org.saving import save
from integrations.demo_org.soql import compile_query, run_query

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

CHUNK = 200
WORK = threading.Lock()


def start(org: "DemoOrg", job: stored.Job, batch: stored.Batch) -> None:
    """Let a batch be done when it is due."""
    timer = threading.Timer(float(org.settings.bulk_job_seconds), do_due, (org, job.id))
    timer.daemon = True
    timer.start()


def do_due(org: "DemoOrg", job_id: str) -> None:
    """Do the batches of a job that are due."""
    with WORK:
        job = stored.find_job(org, job_id)
        if job is None or job.state == "Aborted":
            return
        now = org.clock.now().timestamp()
        for batch in stored.list_batches(org, job):
            if batch.state == "Queued" and batch.due <= now:
                _do(org, job, batch)


def _do(org: "DemoOrg", job: stored.Job, batch: stored.Batch) -> None:
    """One batch, from Queued to Completed or Failed."""
    begun = time.monotonic()
    try:
        facts = _query(org, job, batch) if job.queries else _save(org, job, batch)
    except BadBatch as problem:
        stored.finish_batch(org, batch, state="Failed", message=f"{problem.code} : {problem.message}")
        return
    except ApiError as problem:
        stored.finish_batch(org, batch, state="Failed", message=f"InvalidBatch : {problem.code}:{problem.message}")
        return
    stored.finish_batch(org, batch, state="Completed", took_ms=int((time.monotonic() - begun) * 1000), **facts)


def _query(org: "DemoOrg", job: stored.Job, batch: stored.Batch) -> dict[str, object]:
    """Run a query batch."""
    caller = job.who
    compiled = compile_query(
        batch.request.decode("utf-8", "replace").strip(), schema=org.schema_for(caller), now=org.clock.now(),
        time_zone=caller.time_zone, all_rows=job.operation == "queryAll", bulk=True,
    )  # fmt: skip
    if compiled.object.name.lower() != job.object.lower():
        raise BadBatch("InvalidBatch", f"Failed to process query: the job is for {job.object}, not {compiled.object.name}")
    records = run_query(org.store, compiled, version=job.api_version)["records"]
    result = write_query(records, [each.name for each in compiled.columns], job.content_type)
    return {"processed": len(records), "result": result, "result_id": stored.new_result_id(org)}


def _save(org: "DemoOrg", job: stored.Job, batch: stored.Batch) -> dict[str, object]:
    """Save the records of a batch, 200 at a time."""
    rows = read_rows(batch.request, job.content_type)
    _check_columns(org, job, rows)
    results: list[RowResult] = []
    for first in range(0, len(rows), CHUNK):
        part = [_prepared(each, job) for each in rows[first : first + CHUNK]]
        results += save(
            org, job.who, job.object, part, operation=job.operation, external_id=job.external_id or None,
            source="rest" if job.content_type == "JSON" else "bulk",
        )  # fmt: skip
    failed = sum(not each.success for each in results)
    return {"processed": len(results), "failed": failed, "result": write_results(results, job.content_type)}


def _check_columns(org: "DemoOrg", job: stored.Job, rows: Rows) -> None:
    """A name that is no field fails the whole batch."""
    kind = org.schema_for(job.who).find(job.object)
    for name in dict.fromkeys(key for row in rows for key in row if key != "attributes"):
        if kind and kind.find(name) is None and kind.by_relationship(name.partition(".")[0].rpartition(":")[2]) is None:
            raise BadBatch("InvalidBatch", f"Field name not found : {name}")


def _prepared(row: dict[str, object], job: stored.Job) -> dict[str, object]:
    """A record as the save engine takes it: a blank of XML leaves the field alone, nil clears it; inserts have no Id."""
    made = {key: value for key, value in row.items() if not (job.operation == "insert" and key == "Id" and not value)}
    if job.content_type == "XML":
        made = {key: "#N/A" if value is None else value for key, value in made.items()}
    return made
