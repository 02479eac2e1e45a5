"""The same write in every way that a client has: a single record, a collection, a composite request, a bulk job."""

import csv
import io
import time
from collections.abc import Sequence
from typing import Any

from tests.demo_org.core.served_org import DATA, Core

Row = dict[str, Any]
DONE = {"JobComplete", "Failed", "Aborted"}
METHODS = {"insert": "POST", "update": "PATCH", "delete": "DELETE"}


def single(core: Core, name: str, operation: str, row: Row) -> str:
    """The error code of a call for one record, "" when it was good."""
    body = {key: value for key, value in row.items() if key != "Id"}
    path = f"sobjects/{name}" + (f"/{row['Id']}" if operation != "insert" else "")
    answer = core.call(METHODS[operation], path, json=None if operation == "delete" else body)
    return "" if answer.ok else answer.json()[0]["errorCode"]


def collection(core: Core, name: str, operation: str, rows: Sequence[Row]) -> list[str]:
    """The error code of each row of a collection."""
    if operation == "delete":
        ids = ",".join(row["Id"] for row in rows)
        answer = core.call("DELETE", "composite/sobjects", params={"ids": ids})
    else:
        records = [{"attributes": {"type": name}, **row} for row in rows]
        answer = core.call(METHODS[operation], "composite/sobjects", json={"records": records})
    assert answer.status_code == 200, answer.text
    return [row["errors"][0]["statusCode"] if row["errors"] else "" for row in answer.json()]


def composite(core: Core, name: str, operation: str, row: Row) -> str:
    """The error code of a part of a composite request."""
    body = {key: value for key, value in row.items() if key != "Id"}
    url = f"{DATA}/sobjects/{name}" + (f"/{row['Id']}" if operation != "insert" else "")
    part = {"method": METHODS[operation], "url": url, "referenceId": "one"} | ({} if operation == "delete" else {"body": body})
    answer = core.call("POST", "composite", json={"compositeRequest": [part]}).json()["compositeResponse"][0]
    return "" if answer["httpStatusCode"] < 300 else answer["body"][0]["errorCode"]


def create_job(core: Core, name: str, operation: str, rows: Sequence[Row], **options: Any) -> str:
    """An ingest job whose data is uploaded and complete; its id."""
    made = core.call("POST", "jobs/ingest", json={"object": name, "operation": operation, **options})
    assert made.status_code == 200, made.text
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    job = made.json()["id"]
    headers = {"Content-Type": "text/csv"}
    assert core.call("PUT", f"jobs/ingest/{job}/batches", data=text.getvalue().encode(), headers=headers).status_code == 201
    assert core.call("PATCH", f"jobs/ingest/{job}", json={"state": "UploadComplete"}).status_code == 200
    return job


def wait(core: Core, job: str, *, kind: str = "ingest", until: set[str] = DONE) -> dict[str, Any]:
    """The job when it has come to one of the states."""
    deadline = time.monotonic() + 60
    while (seen := core.call("GET", f"jobs/{kind}/{job}").json())["state"] not in until:
        assert time.monotonic() < deadline, seen
        time.sleep(0.01)
    return seen


def outcome(core: Core, job: str, which: str) -> list[list[str]]:
    """The rows of a result file, without its header."""
    return list(csv.reader(io.StringIO(core.call("GET", f"jobs/ingest/{job}/{which}").text, newline="")))[1:]


def bulk(core: Core, name: str, operation: str, rows: Sequence[Row], **options: Any) -> list[str]:
    """The error code of each failed row of a bulk job, "" for each good one (failed ones first)."""
    job = create_job(core, name, operation, rows, **options)
    seen = wait(core, job)
    assert seen["state"] == "JobComplete", seen
    codes = [row[1].partition(":")[0] for row in outcome(core, job, "failedResults")]
    return codes + [""] * len(outcome(core, job, "successfulResults"))


def every_way(core: Core, name: str, operation: str, row: Row) -> set[str]:
    """The error codes of one write done in all four ways."""
    found = {single(core, name, operation, row), composite(core, name, operation, row)}
    return found | set(collection(core, name, operation, [row])) | set(bulk(core, name, operation, [row]))
