"""Bulk API 2.0 jobs, and large queries streamed to a file. Loads are in `loads.py`.

`start_query`, `wait_for`, then `download` (or `result_links` + `download_page` for pages in parallel). Every page repeats the
header line; the joined file has it once.
"""

import csv
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TextIO
from urllib.parse import parse_qs, urlsplit

from integrations.salesforce.client import Client, Deadlines
from integrations.salesforce.errors import UnexpectedAnswer, UpstreamUnavailable
from integrations.salesforce.ids import is_id, to_18

BULK_DEADLINES = Deadlines(read=120.0, overall=1800.0)
MOST_PAGES = 20_000
CHUNK = 1024 * 1024
DONE = frozenset(("JobComplete", "Failed", "Aborted"))
csv.field_size_limit(max(csv.field_size_limit(), 4 * CHUNK))  # a long text field has up to 131,072 characters


@dataclass(frozen=True)
class Job:
    """A query or ingest job. `processed` includes failed rows."""

    id: str
    kind: str
    state: str
    object: str = ""
    operation: str = ""
    processed: int = 0
    failed: int = 0
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_done(self) -> bool:
        """Whether its state can no longer change."""
        return self.state in DONE

    @property
    def path(self) -> str:
        """Its resource."""
        return f"jobs/{self.kind}/{self.id}"


def read_job_answer(data: object, kind: str) -> Job:
    """A `Job` from its JSON."""
    if not isinstance(data, dict) or not is_id(data.get("id")) or not data.get("state"):
        raise UnexpectedAnswer("This is not a Bulk job.", code="BAD_JOB_ANSWER")
    return Job(
        id=to_18(data["id"]),
        kind=kind,
        state=str(data["state"]),
        object=str(data.get("object") or ""),
        operation=str(data.get("operation") or ""),
        processed=int(data.get("numberRecordsProcessed") or 0),
        failed=int(data.get("numberRecordsFailed") or 0),
        message=str(data.get("errorMessage") or ""),
        data=data,
    )


def read_job(client: Client, kind: str, job_id: str) -> Job:
    """The job now; `NotFound` when it was deleted or is older than 7 days (R-035). `kind` is `query` or `ingest`."""
    if kind not in ("query", "ingest"):
        raise ValueError(f"not a kind of job: {kind!r}")
    return read_job_answer(client.get(f"jobs/{kind}/{to_18(job_id)}"), kind)


def wait_for(
    client: Client,
    job: Job,
    *,
    seconds: float,
    first: float = 0.5,
    longest: float = 10.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Job:
    """Poll until the job is done or about `seconds` have passed, with growing pauses; the last state either way.

    `seconds=0` asks once. A worker passes a few seconds and comes back later instead of sleeping (R-036).
    """
    end, pause = time.monotonic() + seconds, first
    while True:
        job = read_job(client, job.kind, job.id)
        left = end - time.monotonic()
        if job.is_done or left <= 0:
            return job
        sleep(min(pause, left))
        pause = min(longest, pause * 1.6)


def abort(client: Client, job: Job) -> Job:
    """Stop a job that is not done."""
    return read_job_answer(client.request("PATCH", job.path, json={"state": "Aborted"}).data, job.kind)


def delete_job(client: Client, job: Job) -> None:
    """Remove a finished or aborted job and its stored data."""
    client.request("DELETE", job.path)


# --- queries ---


def start_query(client: Client, soql: str, *, all_rows: bool = False) -> Job:
    """Create a query job. Grouping, OFFSET, TYPEOF, COUNT() and child sub-queries are not allowed in Bulk.

    Not repeated after an unclear failure: a job that nobody knows costs one of 10,000 a day and ends by itself.
    """
    body = {"operation": "queryAll" if all_rows else "query", "query": soql}
    return read_job_answer(client.request("POST", "jobs/query", json=body).data, "query")


@dataclass(frozen=True)
class PageFile:
    """One downloaded page of results: rows in it (without the header) and the locator of the next, empty on the last."""

    rows: int
    locator: str
    columns: tuple[str, ...]


def download(client: Client, job: Job, into: Path, *, page_rows: int | None = None, threads: int = 1) -> int:
    """All results of a finished query in one CSV file with one header line; the number of rows.

    `threads` above 1 fetches the pages that Salesforce offers in parallel. The file appears whole or not at all.
    """
    part = into.with_name(into.name + ".part")
    try:
        with part.open("wb") as target:
            pages = _parallel_pages(client, job, threads) if threads > 1 else _pages_in_turn(client, job, page_rows)
            rows = _join(pages, target)
        part.replace(into)
    finally:
        part.unlink(missing_ok=True)
    return rows


def download_page(client: Client, job: Job, into: IO[bytes], *, locator: str = "", page_rows: int | None = None) -> PageFile:
    """One page with its header line into a seekable file. A cut or miscounted page is asked for again whole (R-031)."""
    params = ({"locator": locator} if locator else {}) | ({"maxRecords": str(page_rows)} if page_rows else {})
    start = into.tell()
    for left in (2, 1, 0):
        headers = _fetch(client, job, into, params, {}, BULK_DEADLINES)
        columns, rows = _count_rows(into, start)
        said = headers.get("Sforce-NumberOfRecords", "")
        if not said.isdigit() or int(said) == rows:
            return PageFile(rows, _next_locator(headers), columns)
        into.seek(start)
        into.truncate()
        if not left:
            message = f"A result page has {rows} rows where Salesforce announced {said}."
            raise UpstreamUnavailable(message, code="CUT_ANSWER")
    raise AssertionError("unreachable")


@dataclass(frozen=True)
class RawPage:
    """A page as it came: `announced` rows (None when Salesforce did not say), and the next locator, empty on the last."""

    announced: int | None
    locator: str


def fetch_page(
    client: Client,
    job: Job,
    into: IO[bytes],
    *,
    locator: str = "",
    compressed: bool = True,
    deadlines: Deadlines = BULK_DEADLINES,
) -> RawPage:
    """One page with its header line, unread: whoever parses it compares its rows with `announced` (R-031).

    `compressed=False` is for an org on the same machine, where packing takes longer than sending.
    """
    params = {"locator": locator} if locator else {}
    headers = _fetch(client, job, into, params, {} if compressed else {"Accept-Encoding": "identity"}, deadlines)
    said = headers.get("Sforce-NumberOfRecords", "")
    return RawPage(int(said) if said.isdigit() else None, _next_locator(headers))


def _fetch(
    client: Client, job: Job, into: IO[bytes], params: dict[str, str], headers: dict[str, str], deadlines: Deadlines
) -> Mapping[str, str]:
    path, wanted = f"{job.path}/results", {"Accept": "text/csv", **headers}
    return client.request("GET", path, params=params, headers=wanted, into=into, deadlines=deadlines).headers


def _next_locator(headers: Mapping[str, str]) -> str:
    found = headers.get("Sforce-Locator", "null")
    return "" if found == "null" else found


@dataclass(frozen=True)
class PageList:
    """Locators of pages that may be fetched at the same time, and the path of the next such list, empty on the last."""

    locators: tuple[str, ...]
    following: str


def read_page_list(client: Client, job: Job, path: str = "") -> PageList:
    """Up to five result pages (the first locator may be empty); `path` is an earlier list's `following`. One call."""
    data = client.get(path or f"{job.path}/resultPages")
    pages = data.get("resultPages") if isinstance(data, dict) else None
    if not isinstance(pages, list):
        raise UnexpectedAnswer("A list of result pages has no pages.", code="BAD_RESULT_PAGES")
    following = "" if data.get("done", True) else str(data.get("nextRecordsUrl") or "")
    return PageList(tuple(_locator_in(str(page.get("resultUrl") or "")) for page in pages), following)


def result_links(client: Client, job: Job) -> Iterator[list[str]]:
    """Locators of result pages that may be fetched at the same time, up to five at once (the first one may be empty)."""
    path, seen = "", set[str]()
    for _ in range(MOST_PAGES):
        pages = read_page_list(client, job, path)
        yield list(pages.locators)
        path = pages.following
        if not path:
            return
        if path in seen:
            raise UnexpectedAnswer("Salesforce repeated a list of result pages; it was stopped.", code="REPEATED_CURSOR")
        seen.add(path)
    raise UnexpectedAnswer("Salesforce names more result pages than there can be.", code="REPEATED_CURSOR")


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a result file as text cells, one in memory at a time (UTF-8, quoted newlines kept, R-069)."""
    with path.open(encoding="utf-8", newline="") as source:
        yield from dict_rows(source)


def _pages_in_turn(client: Client, job: Job, page_rows: int | None) -> Iterator[tuple[IO[bytes], PageFile]]:
    locator, seen = "", set[str]()
    while True:
        with tempfile.TemporaryFile() as file:
            page = download_page(client, job, file, locator=locator, page_rows=page_rows)
            yield file, page
        locator = page.locator
        if not locator:
            return
        if locator in seen:
            raise UnexpectedAnswer("Salesforce repeated a result locator; the download was stopped.", code="REPEATED_CURSOR")
        seen.add(locator)


def _parallel_pages(client: Client, job: Job, threads: int) -> Iterator[tuple[IO[bytes], PageFile]]:
    """Pages in order, `threads` of them downloading at a time."""

    def fetch(locator: str) -> tuple[IO[bytes], PageFile]:
        file = tempfile.TemporaryFile()  # noqa: SIM115  closed by the reader below
        try:
            return file, download_page(client, job, file, locator=locator)
        except BaseException:
            file.close()
            raise

    with ThreadPoolExecutor(max_workers=threads) as pool:
        for locators in result_links(client, job):
            futures = [pool.submit(fetch, locator) for locator in locators]
            try:
                for future in futures:
                    file, page = future.result()
                    with file:
                        yield file, page
            finally:
                for future in futures:
                    if not future.cancel() and future.exception() is None:
                        future.result()[0].close()


def _join(pages: Iterable[tuple[IO[bytes], PageFile]], target: IO[bytes]) -> int:
    """Append pages, keeping only the first header line (R-039: a result without rows is its header line)."""
    rows, columns = 0, None
    for file, page in pages:
        file.seek(0)
        header = file.readline()
        if columns is None:
            columns = page.columns
            target.write(header.removeprefix(b"\xef\xbb\xbf"))
        elif page.columns and page.columns != columns:
            raise UnexpectedAnswer("Result pages of one job have different columns.", code="BAD_RESULT_PAGES")
        shutil.copyfileobj(file, target, CHUNK)
        rows += page.rows
    return rows


def _count_rows(file: IO[bytes], start: int) -> tuple[tuple[str, ...], int]:
    """Columns and number of rows of the CSV from `start` on; line ends inside quotes do not count."""
    file.seek(start)
    header = file.readline()
    columns = tuple(next(csv.reader([header.decode("utf-8-sig")]), ()))
    rows, inside, last = 0, False, b"\n"
    while piece := file.read(CHUNK):
        for place, part in enumerate(piece.split(b'"')):
            inside = not inside if place else inside
            rows += 0 if inside else part.count(b"\n")
        last = piece[-1:]
    if inside:
        raise UpstreamUnavailable("A result page ends inside a quoted value.", code="CUT_ANSWER")
    return columns, rows + (last != b"\n")


def _locator_in(url: str) -> str:
    return (parse_qs(urlsplit(url).query).get("locator") or [""])[0]


def dict_rows(source: TextIO) -> Iterator[dict[str, str]]:
    """Rows of an open CSV by column name; a row of another length is an `UnexpectedAnswer`, never a shifted value."""
    reader = csv.reader(source)
    columns = next(reader, None)
    if columns is None:
        return
    columns[0] = columns[0].removeprefix("\ufeff")
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(columns):
            raise UnexpectedAnswer(f"A CSV row has {len(cells)} cells where {len(columns)} were expected.", code="BAD_CSV")
        yield dict(zip(columns, cells, strict=True))


def text_of(file: IO[bytes]) -> TextIO:
    """A binary file as UTF-8 text without newline translation; closing it closes the file."""
    return io.TextIOWrapper(file, encoding="utf-8", newline="")  # type: ignore[arg-type]
