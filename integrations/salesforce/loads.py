"""Bulk API 2.0 loads: many rows in one job, with an answer for every row.

`create_load` (store the id before uploading, R-135), `upload`, `complete`, `bulk.wait_for`, `read_answers`. JobComplete does
not mean that rows were accepted.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from integrations.salesforce.bulk import BULK_DEADLINES, Job, dict_rows, read_job, read_job_answer, text_of
from integrations.salesforce.client import Client
from integrations.salesforce.errors import SalesforceError
from integrations.salesforce.ids import is_id, to_18
from integrations.salesforce.meaning import Reason, explain
from integrations.salesforce.soql import field_name, object_name
from integrations.salesforce.values import Absent, Value, write_cell

LARGEST_UPLOAD = 100 * 1000 * 1000
"""Bytes; Salesforce takes 150 MB after its own base64."""
LONGEST_CELL = 32_000
LONGEST_ROW = 400_000
OPERATIONS = frozenset(("insert", "update", "upsert", "delete", "hardDelete"))


def create_load(client: Client, object_: str, operation: str, *, key_field: str = "") -> Job:
    """Create an ingest job (state Open). Store its id before `upload`, so that a killed run finds its results (R-135)."""
    if operation not in OPERATIONS or (operation == "upsert") != bool(key_field):
        raise ValueError("operation must be insert, update, upsert (with key_field), delete or hardDelete")
    body = {"object": object_name(object_), "operation": operation, "contentType": "CSV", "lineEnding": "LF"}
    body |= {"externalIdFieldName": field_name(key_field)} if key_field else {}
    return read_job_answer(client.request("POST", "jobs/ingest", json=body).data, "ingest")


def upload(client: Client, job: Job, source: IO[bytes] | bytes) -> None:
    """Send the rows (CSV, UTF-8, LF, at most 100 MB). Safe to repeat while the job is open: an upload replaces the last."""
    client.request(
        "PUT", f"{job.path}/batches", data=source, headers={"Content-Type": "text/csv; charset=UTF-8"}, deadlines=BULK_DEADLINES
    )


def complete(client: Client, job: Job) -> Job:
    """Say that the upload is complete; Salesforce begins to work. Once said, saying it again changes nothing."""
    try:
        return read_job_answer(client.request("PATCH", job.path, json={"state": "UploadComplete"}).data, "ingest")
    except SalesforceError as error:
        now = read_job(client, "ingest", job.id)
        if now.state in ("Open", "Aborted"):
            raise error from None
        return now


class RowTooLong(ValueError):
    """A row that Bulk cannot take (R-146): a cell over 32,000 or a row over 400,000 characters."""


def write_load(rows: Iterable[Mapping[str, Value | Absent]], columns: Sequence[str], into: IO[bytes]) -> int:
    """Write rows as CSV for `upload` and give their number; None clears a field, `ABSENT` or a missing key leaves it.

    Raises `RowTooLong` for a row that must go another way. For any number of rows use `split_loads`.
    """
    files = _LoadWriter(columns, into)
    for row in rows:
        files.add(files.encode(row))
    return files.rows


def split_loads(
    rows: Iterable[Mapping[str, Value | Absent]], columns: Sequence[str], folder: Path, *, largest: int = LARGEST_UPLOAD
) -> Iterator[tuple[Path, int]]:
    """Files of at most `largest` bytes each, in `folder`, with their number of rows (R-145). The caller deletes them."""
    number, writer, file = 0, None, None
    try:
        for row in rows:
            if writer is None or file is None:
                number += 1
                file = (folder / f"load-{number:05d}.csv").open("wb")
                writer = _LoadWriter(columns, file)
            line = writer.encode(row)
            if writer.rows and writer.bytes + len(line) > largest:
                file.close()
                yield folder / f"load-{number:05d}.csv", writer.rows
                number += 1
                file = (folder / f"load-{number:05d}.csv").open("wb")
                writer = _LoadWriter(columns, file)
            writer.add(line)
        if writer is not None and file is not None:
            file.close()
            yield folder / f"load-{number:05d}.csv", writer.rows
    finally:
        if file is not None:
            file.close()


class _LoadWriter:
    """CSV with a header line, LF, every cell quoted when needed, counting rows and bytes."""

    def __init__(self, columns: Sequence[str], into: IO[bytes]) -> None:
        self.columns, self.into, self.rows, self.bytes = tuple(columns), into, 0, 0
        if not self.columns or len(set(self.columns)) != len(self.columns):
            raise ValueError("a load needs columns, each once")
        header = _csv_line(self.columns)
        into.write(header)
        self.bytes = len(header)

    def encode(self, row: Mapping[str, Value | Absent]) -> bytes:
        if strange := set(row) - set(self.columns):
            raise ValueError(f"columns that the load does not have: {sorted(strange)[:5]}")
        cells = ["" if name not in row else write_cell(row[name]) for name in self.columns]
        if any(len(cell) > LONGEST_CELL for cell in cells) or sum(map(len, cells)) > LONGEST_ROW:
            raise RowTooLong("a cell over 32,000 or a row over 400,000 characters cannot go by Bulk")
        return _csv_line(cells)

    def add(self, line: bytes) -> None:
        self.into.write(line)
        self.rows += 1
        self.bytes += len(line)


def _csv_line(cells: Sequence[str]) -> bytes:
    """One CSV line. A lone empty cell is quoted, because Salesforce skips blank lines."""
    quoted = ['"' + cell.replace('"', '""') + '"' if set(cell) & set('",\n\r\t ') or not cell else cell for cell in cells]
    return (",".join("" if part == '""' and len(cells) > 1 else part for part in quoted) + "\n").encode()


@dataclass(frozen=True)
class LoadAnswer:
    """What became of one uploaded row: `outcome` is written, failed or not_attempted; `row` the sent columns, as text."""

    outcome: str
    row: Mapping[str, str]
    id: str = ""
    created: bool = False
    error: SalesforceError | None = None


RESULTS = (("successfulResults", "written"), ("failedResults", "failed"), ("unprocessedrecords", "not_attempted"))


def read_answers(client: Client, job: Job) -> Iterator[LoadAnswer]:
    """An answer for every row of a finished load: accepted, refused and not processed (R-130, R-131).

    Salesforce does not keep the input order: carry a key column.
    """
    for resource, outcome in RESULTS:
        with tempfile.TemporaryFile() as file:
            path = f"{job.path}/{resource}"
            client.request("GET", path, headers={"Accept": "text/csv"}, into=file, deadlines=BULK_DEADLINES)
            file.seek(0)
            with text_of(file) as source:
                yield from (read_answer(row, outcome) for row in dict_rows(source))


def read_answer(row: Mapping[str, str], outcome: str) -> LoadAnswer:
    """A `LoadAnswer` from one line of a result file."""
    sent = {name: value for name, value in row.items() if name not in ("sf__Id", "sf__Created", "sf__Error")}
    record_id = row.get("sf__Id", "")
    error = row_error(row.get("sf__Error", "")) if outcome == "failed" else None
    return LoadAnswer(outcome, sent, to_18(record_id) if is_id(record_id) else "", row.get("sf__Created") == "true", error)


def row_error(text: str) -> SalesforceError:
    """The error in an `sf__Error` cell: `CODE:message:FIELD,FIELD --`."""
    code, _, rest = text.partition(":")
    message, _, names = rest.rpartition(":")
    fields = tuple(name.strip() for name in names.removesuffix("--").split(",") if name.strip())
    if not message:
        message, fields = rest, ()
    return explain(400, [Reason(code.strip(), message.strip() or text, fields)])
