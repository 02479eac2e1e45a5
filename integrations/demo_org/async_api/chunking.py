"""PK chunking: a query batch of a job that was made with `Sforce-Enable-PKChunking` becomes one batch for each range of ids.

As in Salesforce the batch that was sent stays NotProcessed, and the results are those of the batches that follow it.
"""

import re
from typing import TYPE_CHECKING

from integrations.demo_org.async_api import stored
from integrations.demo_org.errors import ApiError
from integrations.demo_org.soql import compile_query
from integrations.demo_org.store import quote

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

HEADER = "sforce-enable-pkchunking"
USUAL_SIZE, LARGEST_SIZE = 100_000, 250_000
MOST_CHUNKS = 500  # a guard of this server: smaller chunks than these are made larger
SIZE = re.compile(r"chunkSize\s*=\s*(\d+)", re.IGNORECASE)
WHERE = re.compile(r"\bwhere\b", re.IGNORECASE)
ENDS = re.compile(r"\b(order\s+by|limit|group\s+by|offset)\b", re.IGNORECASE)
TABLE = "CREATE TABLE IF NOT EXISTS _async_chunking (job_id TEXT PRIMARY KEY, size INTEGER)"


def read_size(header: str) -> int:
    """The chunk size that the header asks for; 0 without chunking. ValueError when it is too large."""
    text = header.strip()
    if not text or text.lower().startswith("false"):
        return 0
    found = SIZE.search(text)
    size = int(found[1]) if found else USUAL_SIZE
    if not 0 < size <= LARGEST_SIZE:
        raise ValueError(f"chunkSize must be between 1 and {LARGEST_SIZE}")
    return size


def remember(org: "DemoOrg", job_id: str, size: int) -> None:
    """Note that a job's batches are to be cut."""
    with org.store.write() as connection:
        connection.execute(TABLE)
        connection.execute("INSERT INTO _async_chunking (job_id, size) VALUES (?, ?)", (job_id, size))


def size_of(org: "DemoOrg", job_id: str) -> int:
    """The chunk size of a job, 0 if its batches are not cut."""
    connection = org.store.read()
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_async_chunking'").fetchone() is None:
        return 0
    row = connection.execute("SELECT size FROM _async_chunking WHERE job_id = ?", (job_id,)).fetchone()
    return row[0] if row else 0


def cut(org: "DemoOrg", job: stored.Job, batch: stored.Batch) -> bool:
    """Replace a batch by those of its ranges. False when its query cannot be cut: then it runs (or fails) as it is."""
    size, text = size_of(org, job.id), batch.request.decode("utf-8", "replace").strip()
    if not size or not job.queries or ENDS.search(text):
        return False
    try:
        compiled = compile_query(
            text, schema=org.schema_for(job.who), now=org.clock.now(), time_zone=job.who.time_zone, all_rows=True, bulk=True
        )
    except ApiError:
        return False
    sql = f"SELECT Id FROM {quote(compiled.object.name)} ORDER BY Id"  # noqa: S608 - schema name
    ids = [row[0] for row in org.store.read().execute(sql)]
    size = max(size, -(-len(ids) // MOST_CHUNKS))
    starts = ids[::size]
    for place, first in enumerate(starts):
        after = starts[place + 1] if place + 1 < len(starts) else None
        stored.add_batch(org, job, narrowed(text, first, after).encode())
    stored.finish_batch(org, batch, state="NotProcessed")
    return True


def narrowed(text: str, first: str, after: str | None) -> str:
    """The query for the ids from `first` on, before `after`."""
    where = WHERE.search(text)
    head, own = (text[: where.start()], f"({text[where.end() :].strip()}) AND ") if where else (f"{text} ", "")
    end = f" AND Id < '{after}'" if after else ""
    return f"{head}WHERE {own}Id >= '{first}'{end}"
