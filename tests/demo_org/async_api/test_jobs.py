"""Bulk API 1.0: jobs and batches in CSV, XML and JSON."""

import re
import time
from typing import Any

import orjson
import pytest

from tests.demo_org.core.served_org import Core

SPACE = 'xmlns="http://www.force.com/2009/06/asyncapi/dataload"'
XML = {"Content-Type": "application/xml; charset=UTF-8"}
JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}


def call(core: Core, method: str, path: str, body: Any = None, headers: dict | None = None) -> Any:
    return core.http.request(
        method, f"{core.url}/services/async/60.0/{path}", data=body, timeout=20,
        headers={"X-SFDC-Session": core.token, "Authorization": "", **(headers or {})},
    )  # fmt: skip


def open_job(core: Core, operation: str, *, form: str = "CSV", more: str = "", name: str = "Account") -> str:
    inner = f"<operation>{operation}</operation><object>{name}</object>{more}<contentType>{form}</contentType>"
    answer = call(core, "POST", "job", f'<?xml version="1.0"?><jobInfo {SPACE}>{inner}</jobInfo>', XML)
    assert answer.status_code == 201, answer.text
    return re.search(r"<id>(750\w+)</id>", answer.text)[1]


def add_batch(core: Core, job: str, data: str, headers: dict = CSV) -> str:
    answer = call(core, "POST", f"job/{job}/batch", data.encode(), headers)
    assert answer.status_code == 201, answer.text
    return re.search(r"(751\w+)", answer.text)[1]


def finish(core: Core, job: str, batch: str) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        text = call(core, "GET", f"job/{job}/batch/{batch}").text
        if re.search(r"Completed|Failed|NotProcessed", text):
            return text
        time.sleep(0.02)
    raise AssertionError(text)


def test_csv_results_have_the_recorded_columns(core: Core) -> None:
    job = open_job(core, "insert")
    batch = add_batch(core, job, 'Name,Site\n"Comma, Inc",x\n,nameless\n')
    info = finish(core, job, batch)
    assert "<numberRecordsProcessed>2</numberRecordsProcessed>" in info
    assert "<numberRecordsFailed>1</numberRecordsFailed>" in info
    lines = call(core, "GET", f"job/{job}/batch/{batch}/result").text.splitlines()
    assert lines[0] == '"Id","Success","Created","Error"'
    assert re.fullmatch(r'"001\w{15}","true","true",""', lines[1])
    assert lines[2] == '"","false","false","REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"'
    assert call(core, "GET", f"job/{job}/batch/{batch}/request").text.startswith("Name,Site\n")


def test_xml_batches_and_results(core: Core) -> None:
    job = open_job(core, "insert", form="XML")
    batch = add_batch(core, job, f"<sObjects {SPACE}><sObject><Name>A &amp; B</Name></sObject></sObjects>", XML)
    finish(core, job, batch)
    text = call(core, "GET", f"job/{job}/batch/{batch}/result").text
    assert re.search(r"<result><id>001\w+</id><success>true</success><created>true</created></result>", text)
    found = core.call("GET", "query", params={"q": "SELECT Name FROM Account WHERE Name = 'A & B'"}).json()
    assert found["totalSize"] == 1


def test_json_jobs_speak_json(core: Core) -> None:
    made = call(core, "POST", "job", b'{"operation":"insert","object":"Account","contentType":"JSON"}', JSON).json()
    assert (made["state"], made["numberBatchesTotal"], made["apiVersion"]) == ("Open", 0, 60.0)
    batch = call(core, "POST", f"job/{made['id']}/batch", b'[{"Name":"One"},{}]', JSON).json()
    finish(core, made["id"], batch["id"])
    results = call(core, "GET", f"job/{made['id']}/batch/{batch['id']}/result", headers=JSON).json()
    assert [each["success"] for each in results] == [True, False]
    assert results[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    closed = call(core, "POST", f"job/{made['id']}", b'{"state":"Closed"}', JSON).json()
    assert (closed["state"], closed["numberBatchesCompleted"], closed["numberRecordsProcessed"]) == ("Closed", 1, 2)


@pytest.mark.parametrize(("form", "first"), [("CSV", '"Id","Name","Owner.Name"'), ("JSON", "[{"), ("XML", "<?xml")])
def test_queries(core: Core, form: str, first: str) -> None:
    core.make("Account", Name="Asked")
    job = open_job(core, "query", form=form)
    batch = add_batch(core, job, "SELECT Id, Name, Owner.Name FROM Account WHERE Name = 'Asked'")
    finish(core, job, batch)
    listed = call(core, "GET", f"job/{job}/batch/{batch}/result").text
    result = re.search(r"752\w{12}", listed)[0]
    text = call(core, "GET", f"job/{job}/batch/{batch}/result/{result}").text
    assert text.startswith(first)
    assert "Asked" in text


def test_upsert_and_delete(core: Core) -> None:
    job = open_job(core, "upsert", more="<externalIdFieldName>External_Id__c</externalIdFieldName>")
    for created in ("true", "false"):
        batch = add_batch(core, job, "External_Id__c,Name\nasync-1,Keyed\n")
        finish(core, job, batch)
        assert f'"true","{created}",""' in call(core, "GET", f"job/{job}/batch/{batch}/result").text
    own = core.call("GET", "sobjects/Account/External_Id__c/async-1").json()["Id"]
    gone = open_job(core, "delete")
    finish(core, gone, add_batch(core, gone, f"Id\n{own}\n"))
    assert core.call("GET", f"sobjects/Account/{own}").status_code == 404


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("Nope\nx\n", "Field name not found : Nope"),
        ('Name\n"open', "Failed to parse CSV"),
        ("Name,Site\nonly\n", "number of columns"),
    ],
)
def test_a_batch_that_cannot_be_read_fails_as_a_whole(core: Core, data: str, reason: str) -> None:
    job = open_job(core, "insert")
    info = finish(core, job, add_batch(core, job, data))
    assert "<state>Failed</state>" in info
    assert reason in info


def test_refusals_have_exception_codes(core: Core) -> None:
    def code(answer: Any) -> str:
        assert answer.status_code == 400
        return re.search(r"<exceptionCode>(\w+)</exceptionCode>", answer.text)[1]

    job = open_job(core, "insert")
    assert code(call(core, "POST", f"job/{job}/batch", b"", CSV)) == "ClientInputError"
    assert code(call(core, "GET", "job/750000000000000")) == "InvalidJob"
    assert code(call(core, "GET", f"job/{job}", headers={"X-SFDC-Session": "wrong"})) == "InvalidSessionId"
    assert code(core.http.get(f"{core.url}/services/async/20.0/job/{job}", timeout=5)) == "InvalidVersion"
    call(core, "POST", f"job/{job}", f"<jobInfo {SPACE}><state>Aborted</state></jobInfo>", XML)
    assert code(call(core, "POST", f"job/{job}/batch", b"Name\nx\n", CSV)) == "InvalidJobState"


def test_an_aborted_job_does_not_process_what_waits(core: Core) -> None:
    core.control("settings", {"bulk_job_seconds": 500})
    job = open_job(core, "insert")
    batch = add_batch(core, job, "Name\nNever\n")
    assert "<state>Queued</state>" in call(core, "GET", f"job/{job}/batch/{batch}").text
    call(core, "POST", f"job/{job}", f"<jobInfo {SPACE}><state>Aborted</state></jobInfo>", XML)
    core.control("clock", {"advance": 600})
    assert "<state>NotProcessed</state>" in call(core, "GET", f"job/{job}/batch/{batch}").text
    assert core.call("GET", "query", params={"q": "SELECT COUNT() FROM Account WHERE Name = 'Never'"}).json()["totalSize"] == 0


def test_entities_in_a_batch_are_refused(core: Core) -> None:
    job = open_job(core, "insert", form="XML")
    bomb = f'<!DOCTYPE x [<!ENTITY a "aa">]><sObjects {SPACE}><sObject><Name>&a;</Name></sObject></sObjects>'
    assert "<state>Failed</state>" in finish(core, job, add_batch(core, job, bomb, XML))


def test_batches_speak_the_form_of_their_job_whatever_the_request_says(core: Core) -> None:
    """A client that sends `Content-Type: application/json` with every call still reads XML about a CSV job."""
    made = call(core, "POST", "job", '{"operation":"queryAll","object":"Account","contentType":"CSV"}', JSON).json()["id"]
    batch = add_batch(core, made, "SELECT Id, Name FROM Account LIMIT 1")
    finish(core, made, batch)
    for path, root in ((f"job/{made}/batch", "<batchInfoList"), (f"job/{made}/batch/{batch}", "<batchInfo")):
        assert root in call(core, "GET", path, headers=JSON).text
    assert call(core, "GET", f"job/{made}/batch/{batch}/result", headers=JSON).text.startswith("<result-list ")
    assert call(core, "GET", f"job/{made}", headers=JSON).json()["state"] == "Open"


def test_rows_have_a_content_type_without_character_set(core: Core) -> None:
    job = open_job(core, "insert")
    batch = add_batch(core, job, "Name\nPlain type\n")
    finish(core, job, batch)
    assert call(core, "GET", f"job/{job}/batch/{batch}/result").headers["Content-Type"] == "text/csv"


def test_pk_chunking_cuts_a_batch_by_ids(core: Core) -> None:
    load = open_job(core, "insert")
    finish(core, load, add_batch(core, load, "Name\n" + "".join(f"Chunked {each}\n" for each in range(25))))
    body = {"operation": "query", "object": "Account", "contentType": "CSV"}
    head = {**JSON, "Sforce-Enable-PKChunking": "chunkSize=10; parent=Account"}
    job = call(core, "POST", "job", orjson.dumps(body), head).json()["id"]
    sent = add_batch(core, job, "SELECT Id, Name FROM Account WHERE Name LIKE 'Chunked %'")
    found = re.findall(r"<id>(751\w+)</id>", call(core, "GET", f"job/{job}/batch").text)
    assert found[0] == sent
    assert len(found) > 3
    assert "<state>NotProcessed</state>" in call(core, "GET", f"job/{job}/batch/{sent}").text
    names = []
    for each in found[1:]:
        finish(core, job, each)
        result = re.search(r"<result>(\w+)</result>", call(core, "GET", f"job/{job}/batch/{each}/result").text)[1]
        rows = call(core, "GET", f"job/{job}/batch/{each}/result/{result}").text.splitlines()
        names += [row.split(",")[1] for row in rows[1:]]
    assert len(names) == len(set(names)) == 25
    asked = call(core, "GET", f"job/{job}/batch/{found[1]}/request").text
    assert re.fullmatch(
        r"SELECT Id, Name FROM Account WHERE \(Name LIKE 'Chunked %'\) AND Id >= '\w{18}' AND Id < '\w{18}'", asked
    )


def test_a_chunk_size_beyond_the_limit_is_refused(core: Core) -> None:
    body = {"operation": "query", "object": "Account", "contentType": "CSV"}
    answer = call(core, "POST", "job", orjson.dumps(body), {**JSON, "Sforce-Enable-PKChunking": "chunkSize=250001"})
    assert (answer.status_code, answer.json()["exceptionCode"]) == (400, "InvalidJob")
