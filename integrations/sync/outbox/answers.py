"""What Salesforce said to the rows of a batch, as one Arrow table whichever way they went, and whether it adds up (I-01)."""

import tempfile
from collections.abc import Sequence
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as arrow_csv

from integrations.salesforce.bulk import BULK_DEADLINES, Job
from integrations.salesforce.client import Client
from integrations.salesforce.composite import RowAnswer
from integrations.salesforce.errors import SalesforceError, UnexpectedAnswer

pc: Any = compute  # its functions are made when it is imported, so no checker knows them

WRITTEN, FAILED, NOT_ATTEMPTED, AGAIN = "written", "failed", "not_attempted", "again"
SCHEMA = pa.schema(
    [
        pa.field("key_", pa.string()),
        pa.field("id_", pa.string()),
        pa.field("created_", pa.bool_()),
        pa.field("outcome_", pa.string()),
        pa.field("error_", pa.string()),
    ]
)
RESULTS = (("successfulResults", WRITTEN), ("failedResults", FAILED), ("unprocessedrecords", NOT_ATTEMPTED))


def nothing() -> pa.Table:
    """No answers."""
    return SCHEMA.empty_table()


def answer_table(keys: Sequence[str], outcome: str, *, error: str = "", ids: Sequence[str | None] | None = None) -> pa.Table:
    """The same answer for several rows."""
    rows = len(keys)
    return pa.table(
        [
            pa.array(keys, pa.string()),
            pa.array(ids if ids is not None else [None] * rows, pa.string()),
            pa.array([False] * rows, pa.bool_()),
            pa.array([outcome] * rows, pa.string()),
            pa.array([error or None] * rows, pa.string()),
        ],
        schema=SCHEMA,
    )


def read_rows(keys: Sequence[str], answers: Sequence[RowAnswer]) -> pa.Table:
    """Answers of a collection, which come in the order of the rows."""
    if len(keys) != len(answers):
        raise UnexpectedAnswer("A collection has another number of answers than rows.", code="BAD_SAVE_ANSWER", maybe_done=True)
    return pa.table(
        [
            pa.array(keys, pa.string()),
            pa.array([answer.id or None for answer in answers], pa.string()),
            pa.array([answer.created for answer in answers], pa.bool_()),
            pa.array([WRITTEN if answer.success else FAILED for answer in answers], pa.string()),
            pa.array([None if answer.error is None else error_text(answer.error) for answer in answers], pa.string()),
        ],
        schema=SCHEMA,
    )


def error_text(error: SalesforceError) -> str:
    """An error in the form of Bulk's `sf__Error` cells; `loads.row_error` reads it."""
    return f"{error.code}:{error.message}:{','.join(error.fields)} --"


def read_load(client: Client, job: Job, key_name: str, *, sent: int) -> pa.Table:
    """Answers of a finished Bulk load. Result files that the job's own counts show to be empty are not asked for."""
    parts = [_read_results(client, job, key_name, resource, outcome) for resource, outcome in _worth_reading(job, sent)]
    return pa.concat_tables([nothing(), *parts])


def _worth_reading(job: Job, sent: int) -> list[tuple[str, str]]:
    if job.state != "JobComplete":
        return list(RESULTS)
    wanted = {WRITTEN: job.processed > job.failed, FAILED: job.failed > 0, NOT_ATTEMPTED: job.processed < sent}
    return [(resource, outcome) for resource, outcome in RESULTS if wanted[outcome]]


def _read_results(client: Client, job: Job, key_name: str, resource: str, outcome: str) -> pa.Table:
    with tempfile.TemporaryFile() as file:
        headers = {"Accept": "text/csv"}
        client.request("GET", f"{job.path}/{resource}", headers=headers, into=file, deadlines=BULK_DEADLINES)
        return read_results(file, key_name, outcome)


def read_results(file: IO[bytes], key_name: str, outcome: str) -> pa.Table:
    """One result file: the key of each row with its id or error. Only these columns are taken in."""
    file.seek(0)
    own = {WRITTEN: ["sf__Id", "sf__Created"], FAILED: ["sf__Id", "sf__Error"], NOT_ATTEMPTED: []}[outcome]
    wanted = list(dict.fromkeys([key_name, *own]))
    convert = arrow_csv.ConvertOptions(
        include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False
    )
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    try:
        rows = arrow_csv.read_csv(file, parse_options=parse, convert_options=convert)
    except (pa.ArrowInvalid, KeyError) as error:
        if _is_blank(file):
            return nothing()
        raise UnexpectedAnswer("A result file of a Bulk job cannot be read.", code="BAD_CSV") from error
    number = rows.num_rows
    ids = _or_null(rows.column("sf__Id")) if "sf__Id" in wanted else pa.nulls(number, pa.string())
    created = pc.equal(rows.column("sf__Created"), "true") if outcome == WRITTEN else pa.nulls(number, pa.bool_())
    errors = rows.column("sf__Error") if outcome == FAILED else pa.nulls(number, pa.string())
    said = pa.nulls(number, pa.string()).fill_null(outcome)
    return pa.table([rows.column(key_name), ids, pc.fill_null(created, False), said, errors], schema=SCHEMA)


def _is_blank(file: IO[bytes]) -> bool:
    file.seek(0)
    return not file.read(100).strip()


def _or_null(texts: Any) -> Any:
    return pc.if_else(pc.equal(texts, ""), None, texts)


def counts_of(answers: pa.Table) -> dict[str, int]:
    """Rows by outcome."""
    found = pc.value_counts(answers.column("outcome_"))
    return {item["values"]: item["counts"] for item in found.to_pylist()}


def add_up(answers: pa.Table, keys: pa.ChunkedArray | pa.Array) -> bool:
    """Whether every sent key has exactly one answer, and no other key has one (I-01, R-130)."""
    answered = answers.column("key_")
    if len(answered) != len(keys):
        return False
    places = pc.index_in(keys, value_set=answered)
    return not places.null_count and pc.count_distinct(places).as_py() == len(keys)
