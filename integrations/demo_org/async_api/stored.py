"""Jobs and batches of Bulk API 1.0 as they are stored: two side tables, payloads in them as bytes."""

from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from integrations.demo_org import ids
from integrations.demo_org.clock import from_text
from integrations.demo_org.org import Caller

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

KEPT = timedelta(days=7)
TABLES = (
    """CREATE TABLE IF NOT EXISTS _async_job (id TEXT PRIMARY KEY, operation TEXT, object TEXT, content_type TEXT,
        concurrency TEXT, external_id TEXT, state TEXT, caller TEXT, api_version TEXT, created TEXT, modstamp TEXT)""",
    """CREATE TABLE IF NOT EXISTS _async_batch (id TEXT PRIMARY KEY, job_id TEXT, state TEXT, message TEXT, created TEXT,
        modstamp TEXT, due REAL, processed INTEGER, failed INTEGER, took_ms INTEGER, request BLOB, result BLOB,
        result_id TEXT)""",
    "CREATE INDEX IF NOT EXISTS _async_batch_job ON _async_batch (job_id)",
)


@dataclass(frozen=True, slots=True)
class Job:
    """One job. Times are stored texts in UTC."""

    id: str
    operation: str
    object: str
    content_type: str
    concurrency: str
    external_id: str
    state: str
    caller: str
    api_version: str
    created: str
    modstamp: str

    @property
    def who(self) -> Caller:
        """The user on whose behalf batches work."""
        stored = orjson.loads(self.caller)
        return Caller(**{**stored, "scopes": tuple(stored["scopes"])})

    @property
    def queries(self) -> bool:
        """Whether batches are queries."""
        return self.operation in {"query", "queryAll"}


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch. `due` is epoch seconds of the org's clock; `result` is there once it is Completed."""

    id: str
    job_id: str
    state: str
    message: str
    created: str
    modstamp: str
    due: float
    processed: int
    failed: int
    took_ms: int
    request: bytes
    result: bytes
    result_id: str


JOB_NAMES, BATCH_NAMES = (", ".join(each.name for each in fields(kind)) for kind in (Job, Batch))


def create_tables(org: "DemoOrg") -> None:
    """Make the tables unless they exist."""
    with org.store.write() as connection:
        for statement in TABLES:
            connection.execute(statement)


def add_job(org: "DemoOrg", caller: Caller, **facts: str) -> Job:
    """Store a new, open job."""
    who = {name: getattr(caller, name) for name in Caller.__dataclass_fields__}
    stamp = org.clock.stamp()
    create_tables(org)
    with org.store.write() as connection:
        # jobs of both versions of the API share one prefix and so one sequence
        job_id = ids.make_ids("750", org.store.instance, org.store.next_numbers("_bulk_job", 1), 1)[0]
        job = Job(job_id, caller=orjson.dumps(who).decode(), state="Open", created=stamp, modstamp=stamp, **facts)
        row = [getattr(job, each.name) for each in fields(Job)]
        connection.execute(f"INSERT INTO _async_job ({JOB_NAMES}) VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
    return job


def add_batch(org: "DemoOrg", job: Job, data: bytes) -> Batch:
    """Store a new, queued batch."""
    stamp, due = org.clock.stamp(), org.clock.now().timestamp() + float(org.settings.bulk_job_seconds)
    with org.store.write() as connection:
        batch_id = ids.make_ids("751", org.store.instance, org.store.next_numbers("_async_batch", 1), 1)[0]
        batch = Batch(batch_id, job.id, "Queued", "", stamp, stamp, due, 0, 0, 0, data, b"", "")
        row = [getattr(batch, each.name) for each in fields(Batch)]
        connection.execute(f"INSERT INTO _async_batch ({BATCH_NAMES}) VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
    return batch


def find_job(org: "DemoOrg", text: str) -> Job | None:
    """The job of that id (15 or 18 characters); those older than 7 days are gone."""
    try:
        wanted = ids.to_18(text)
    except ValueError:
        return None
    create_tables(org)
    sql = f"SELECT {JOB_NAMES} FROM _async_job WHERE id = ?"  # noqa: S608 - names of our own
    row = org.store.read().execute(sql, (wanted,)).fetchone()
    job = Job(*row) if row else None
    return job if job and org.clock.now() - from_text(job.created) <= KEPT else None


def list_batches(org: "DemoOrg", job: Job) -> list[Batch]:
    """The batches of a job, oldest first."""
    sql = f"SELECT {BATCH_NAMES} FROM _async_batch WHERE job_id = ? ORDER BY id"  # noqa: S608
    return [Batch(*row) for row in org.store.read().execute(sql, (job.id,))]


def change_job(org: "DemoOrg", job: Job, state: str) -> Job:
    """Close or abort a job; what waits in an aborted one is not processed any more."""
    changed = replace(job, state=state, modstamp=org.clock.stamp())
    with org.store.write() as connection:
        connection.execute("UPDATE _async_job SET state = ?, modstamp = ? WHERE id = ?", (state, changed.modstamp, job.id))
        if state == "Aborted":
            sql = "UPDATE _async_batch SET state = 'NotProcessed', modstamp = ? WHERE job_id = ? AND state = 'Queued'"
            connection.execute(sql, (changed.modstamp, job.id))
    return changed


def finish_batch(org: "DemoOrg", batch: Batch, **facts: Any) -> None:
    """Write down what became of a batch."""
    known = {"modstamp": org.clock.stamp(), **facts}
    parts = ", ".join(f"{name} = ?" for name in known)
    with org.store.write() as connection:
        connection.execute(f"UPDATE _async_batch SET {parts} WHERE id = ?", (*known.values(), batch.id))  # noqa: S608


def new_result_id(org: "DemoOrg") -> str:
    """The id of a query's result set: 15 characters, as recorded."""
    with org.store.write():
        number = org.store.next_numbers("_async_result", 1)
    return ids.make_ids("752", org.store.instance, number, 1)[0][:15]
