"""Bulk jobs as they are stored and told: one row in the side table `_bulk_job`, payload in files beside the data file."""

import secrets
import shutil
import sqlite3
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from integrations.demo_org import ids
from integrations.demo_org.clock import from_text
from integrations.demo_org.errors import ApiError
from integrations.demo_org.hindrances import READ_ONLY
from integrations.demo_org.org import Caller

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

QUERY, INGEST = "query", "ingest"
OPEN, UPLOADED, RUNNING, COMPLETE = "Open", "UploadComplete", "InProgress", "JobComplete"
FAILED, ABORTED = "Failed", "Aborted"
FINISHED = frozenset({COMPLETE, FAILED, ABORTED})
DELIMITERS = {"COMMA": ",", "TAB": "\t", "PIPE": "|", "SEMICOLON": ";", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
KEPT = timedelta(days=7)
OPEN_FOR = timedelta(hours=24)
JOBS_A_PAGE = 1000
PREFIX = "750"
FOLDER = "bulk"
TABLE = """CREATE TABLE IF NOT EXISTS _bulk_job (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, operation TEXT NOT NULL, object TEXT NOT NULL, state TEXT NOT NULL,
    caller TEXT NOT NULL, created TEXT NOT NULL, modstamp TEXT NOT NULL, api_version TEXT NOT NULL,
    delimiter TEXT NOT NULL, line_ending TEXT NOT NULL, query TEXT NOT NULL, external_id TEXT NOT NULL,
    processed INTEGER NOT NULL, failed INTEGER NOT NULL, total_ms INTEGER NOT NULL, api_ms INTEGER NOT NULL,
    error TEXT NOT NULL, header TEXT NOT NULL, uploaded INTEGER NOT NULL, success_size INTEGER NOT NULL,
    failed_size INTEGER NOT NULL, started REAL NOT NULL, folder TEXT NOT NULL)"""


@dataclass(frozen=True, slots=True)
class Job:
    """One bulk job. Times are stored texts in UTC; `started` is epoch seconds of the org's clock, 0 = not yet.

    `header` is the CSV header line of a query's results (JSON list of names). `success_size` and `failed_size` are the
    bytes of the result files that belong to committed rows: after a crash the files are cut back to them. `folder` is
    never used twice, although a reset lets the ids start again.
    """

    id: str
    kind: str
    operation: str
    object: str
    state: str
    caller: str
    created: str
    modstamp: str
    api_version: str
    delimiter: str = "COMMA"
    line_ending: str = "LF"
    query: str = ""
    external_id: str = ""
    processed: int = 0
    failed: int = 0
    total_ms: int = 0
    api_ms: int = 0
    error: str = ""
    header: str = "[]"
    uploaded: int = 0
    success_size: int = 0
    failed_size: int = 0
    started: float = 0.0
    folder: str = ""

    @property
    def who(self) -> Caller:
        """The user on whose behalf the job works, also after a restart."""
        stored = orjson.loads(self.caller)
        return Caller(**{**stored, "scopes": tuple(stored["scopes"])})

    @property
    def columns(self) -> list[str]:
        """The names in the header of the results."""
        return orjson.loads(self.header)


NAMES = tuple(each.name for each in fields(Job))


def check_open(org: "DemoOrg") -> None:
    """Refuse new jobs during maintenance. ApiError 503."""
    if org.settings.read_only:
        raise ApiError(503, READ_ONLY.code, READ_ONLY.message)


def create_job(org: "DemoOrg", caller: Caller, **facts: Any) -> Job:
    """Store a new job for the caller; `facts` are fields of Job."""
    stamp, who = org.clock.stamp(), {name: getattr(caller, name) for name in Caller.__dataclass_fields__}
    marks = ", ".join("?" * len(NAMES))
    with org.store.write() as connection:
        connection.execute(TABLE)
        job_id = ids.make_ids(PREFIX, org.store.instance, org.store.next_numbers("_bulk_job", 1), 1)[0]
        named = {"id": job_id, "caller": orjson.dumps(who).decode(), "folder": f"{job_id}-{secrets.token_hex(4)}"}
        job = Job(**named, created=stamp, modstamp=stamp, **facts)
        connection.execute(f"INSERT INTO _bulk_job VALUES ({marks})", [getattr(job, name) for name in NAMES])  # noqa: S608
    return job


def find_job(org: "DemoOrg", job_id: str) -> Job | None:
    """The job as it is now, or None. Jobs older than 7 days are gone; ingest jobs that stay Open for a day are aborted."""
    rows = _select(org, "WHERE id = ?", (job_id,))
    if not rows or _age(org, rows[0]) > KEPT:
        return None
    job = rows[0]
    if job.state == OPEN and _age(org, job) > OPEN_FOR:
        return change_job(org, job, state=ABORTED) or job
    return job


def get_job(org: "DemoOrg", job_id: str, kind: str) -> Job:
    """The job of that kind (15 or 18 characters); 404 NOT_FOUND otherwise."""
    try:
        job = find_job(org, ids.to_18(job_id))
    except ValueError:
        job = None
    if job is None or job.kind != kind:
        raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
    return job


def list_jobs(org: "DemoOrg", kind: str, *, offset: int) -> tuple[list[Job], bool]:
    """Up to 1,000 jobs, newest first, and whether there are more."""
    rows = _select(org, "WHERE kind = ? ORDER BY created DESC, id DESC LIMIT ? OFFSET ?", (kind, JOBS_A_PAGE + 1, offset))
    return [each for each in rows[:JOBS_A_PAGE] if _age(org, each) <= KEPT], len(rows) > JOBS_A_PAGE


def unfinished_jobs(org: "DemoOrg") -> list[Job]:
    """Jobs that were waiting or at work when the org was stopped."""
    return _select(org, "WHERE state IN (?, ?) ORDER BY created, id", (UPLOADED, RUNNING))


def change_job(org: "DemoOrg", job: Job, *, only_from: frozenset[str] | None = None, **changes: Any) -> Job | None:
    """Store changes and the new time. None if the job is gone or no longer in one of the states `only_from`."""
    changes["modstamp"] = org.clock.stamp()
    marks = ", ".join(f"{name} = ?" for name in changes)
    states = sorted(only_from or ())
    where = f" AND state IN ({', '.join('?' * len(states))})" if states else ""
    with org.store.write() as connection:
        if not _has_table(connection):
            return None
        cursor = connection.execute(
            f"UPDATE _bulk_job SET {marks} WHERE id = ?{where}",  # noqa: S608
            (*changes.values(), job.id, *states),
        )
        return replace(job, **changes) if cursor.rowcount else None


def remove_job(org: "DemoOrg", job: Job) -> None:
    """Forget a job and its files."""
    with org.store.write() as connection:
        connection.execute("DELETE FROM _bulk_job WHERE id = ?", (job.id,))
    shutil.rmtree(folder_of(org, job), ignore_errors=True)


def remove_files(org: "DemoOrg") -> None:
    """Delete the files of all jobs, after a reset forgot the jobs."""
    shutil.rmtree(org.directory / FOLDER, ignore_errors=True)


def folder_of(org: "DemoOrg", job: Job) -> Path:
    """Where the job's files are."""
    return org.directory / FOLDER / job.folder


def describe_job(job: Job, *, full: bool = True) -> dict[str, Any]:
    """The job's JSON in Salesforce's key order (recordings bulk-v2-*); `full` adds type, counts and times."""
    body: dict[str, Any] = {"id": job.id, "operation": job.operation, "object": job.object}
    body |= {
        "createdById": job.who.user_id,
        "createdDate": _with_offset(job.created),
        "systemModstamp": _with_offset(job.modstamp),
        "state": job.state,
    }
    if job.external_id:
        body["externalIdFieldName"] = job.external_id
    body |= {"concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": float(job.api_version)}
    if full:
        body["jobType"] = "V2Query" if job.kind == QUERY else "V2Ingest"
    if job.kind == INGEST and job.state == OPEN:
        body["contentUrl"] = f"services/data/v{job.api_version}/jobs/ingest/{job.id}/batches"
    body |= {"lineEnding": job.line_ending, "columnDelimiter": job.delimiter}
    return body | _describe_work(job) if full else body


def describe_closed(job: Job) -> dict[str, Any]:
    """What a PATCH answers: without contentUrl, line ending and delimiter."""
    return {key: value for key, value in describe_job(job, full=False).items() if key not in {"lineEnding", "columnDelimiter"}}


def switch(org: "DemoOrg", name: str, default: Any) -> Any:
    """A switch of the bulk part: a field of the org's settings, or an entry of their `extra`, which comes first."""
    return org.settings.extra.get(name, getattr(org.settings, name, default))


def _describe_work(job: Job) -> dict[str, Any]:
    work: dict[str, Any] = {"numberRecordsProcessed": job.processed}
    if job.kind == QUERY:
        work |= {"retries": 0, "totalProcessingTime": job.total_ms, "isPkChunkingSupported": True}
    else:
        times = {"totalProcessingTime": job.total_ms, "apiActiveProcessingTime": job.api_ms, "apexProcessingTime": 0}
        work |= {"numberRecordsFailed": job.failed, "retries": 0, **times}
    return work | ({"errorMessage": job.error} if job.error else {})


def _with_offset(stored: str) -> str:
    """2021-12-03T17:59:20.000+0000, as job JSON has it (CSV has Z)."""
    return stored[:-1] + "+0000"


def _age(org: "DemoOrg", job: Job) -> timedelta:
    return org.clock.now() - from_text(job.created)


def _select(org: "DemoOrg", rest: str, values: tuple[Any, ...]) -> list[Job]:
    connection = org.store.read()
    if not _has_table(connection):
        return []
    rows = connection.execute(f"SELECT {', '.join(NAMES)} FROM _bulk_job {rest}", values).fetchall()  # noqa: S608
    return [Job(*row) for row in rows]


def _has_table(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_bulk_job'").fetchone() is not None
