"""Bulk 2.0: one header, no lost page, an answer for every row, nobody sleeps longer than told."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from integrations.salesforce import bulk, loads
from integrations.salesforce import errors as e
from integrations.salesforce.values import ABSENT
from tests.salesforce.server import Told

JOB = {"id": "750ak000009AVi5AAG", "state": "JobComplete", "object": "Account", "operation": "query"}
QUERY = bulk.read_job_answer(JOB, "query")
LOAD = bulk.read_job_answer(JOB | {"id": "750ak000009BWKLAA4", "operation": "upsert"}, "ingest")
CSV = {"Content-Type": "text/csv; charset=UTF-8"}


def page(text, *, rows, locator="null"):
    return Told(raw=text.encode(), headers=CSV | {"Sforce-NumberOfRecords": str(rows), "Sforce-Locator": locator})


# --- jobs ---


def test_recorded_jobs_are_read(recordings):
    for name in [*recordings.names("bulk-v2-ingest"), *recordings.names("bulk-v2-query")]:
        if not name.endswith(".json"):
            continue
        job = bulk.read_job_answer(recordings.json(name), "ingest")
        assert job.id.startswith("750")
        assert job.is_done is (job.state == "JobComplete")
    done = bulk.read_job_answer(recordings.json("bulk-v2-ingest/info-jobcomplete.json"), "ingest")
    assert (done.processed, done.failed) == (3000, 0)
    with pytest.raises(e.UnexpectedAnswer):
        bulk.read_job_answer({"id": "x", "state": "Open"}, "query")


def test_query_job_is_created_once(server, client, recordings):
    server.tell("/jobs/query", Told(data=recordings.json("bulk-v2-query/create-uploadcomplete.json")))
    job = bulk.start_query(client, "SELECT Id FROM Account", all_rows=True)
    assert json.loads(server.seen[0].body) == {"operation": "queryAll", "query": "SELECT Id FROM Account"}
    assert (job.state, job.path) == ("UploadComplete", "jobs/query/750ak000009AVi5AAG")


def test_r_036_waiting_never_sleeps_longer_than_told(server, client, naps):
    server.tell("/jobs/query/", Told(data=JOB | {"state": "InProgress"}))
    job = bulk.wait_for(client, QUERY, seconds=0, sleep=naps)
    assert job.state == "InProgress"
    assert naps.seconds == []
    server.tell(
        "/jobs/query/", Told(data=JOB | {"state": "InProgress"}), Told(data=JOB | {"state": "InProgress"}), Told(data=JOB)
    )
    job = bulk.wait_for(client, QUERY, seconds=30, first=0.01, sleep=naps)
    assert job.is_done
    assert len(naps.seconds) == 2
    assert sum(naps.seconds) < 1


def test_r_035_job_that_is_gone_is_named(server, client):
    with pytest.raises(e.NotFound):
        bulk.read_job(client, "query", QUERY.id)
    with pytest.raises(ValueError):
        bulk.read_job(client, "other", QUERY.id)


def test_r_037_r_038_failed_and_aborted_jobs_keep_their_message(server, client):
    server.tell("/jobs/query/", Told(data=JOB | {"state": "Failed", "errorMessage": "InvalidBatch : Field name not found : X"}))
    job = bulk.read_job(client, "query", QUERY.id)
    assert job.is_done
    assert job.message == "InvalidBatch : Field name not found : X"
    server.tell("/jobs/query/", Told(data=JOB | {"state": "Aborted"}))
    assert bulk.abort(client, QUERY).state == "Aborted"
    server.tell("/jobs/query/", Told(204))
    bulk.delete_job(client, QUERY)
    assert [item.method for item in server.seen] == ["GET", "PATCH", "DELETE"]


# --- results ---


def test_header_of_every_page_is_written_once(server, client, tmp_path):
    server.tell(
        "/results",
        page('"Id","Name"\n"1","a"\n"2","b"\n', rows=2, locator="MTAw"),
        page('"Id","Name"\n"3","c"\n', rows=1, locator="MjAw"),
        page('"Id","Name"\n"4","Name"\n', rows=1),
    )
    target = tmp_path / "accounts.csv"
    assert bulk.download(client, QUERY, target, page_rows=2) == 4
    assert [row["Name"] for row in bulk.read_rows(target)] == ["a", "b", "c", "Name"]
    assert [item.query.get("locator") for item in server.seen] == [None, ["MTAw"], ["MjAw"]]
    assert server.seen[0].query["maxRecords"] == ["2"]
    assert list(tmp_path.iterdir()) == [target]


TROUBLESOME = [
    "line\nbreak",
    "line\r\nbreak",
    'quote " inside',
    "comma, inside",
    "tab\tinside",
    "\u2028 separator",
    "\ufeffmark",
    "😀 👨‍👩‍👧",
    "עברית",
    "e\u0301",
    "",
    " blank ",
]


def test_r_069_r_071_every_text_arrives_identical(server, client, tmp_path):
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([["Id", "Text__c"], *[[str(number), text] for number, text in enumerate(TROUBLESOME)]])
    server.tell("/results", page("\ufeff" + out.getvalue(), rows=len(TROUBLESOME)))
    assert bulk.download(client, QUERY, tmp_path / "x.csv") == len(TROUBLESOME)
    assert [row["Text__c"] for row in bulk.read_rows(tmp_path / "x.csv")] == TROUBLESOME
    assert next(bulk.read_rows(tmp_path / "x.csv"))["Id"] == "0"


def test_r_039_empty_result_is_a_header_without_rows(server, client, tmp_path):
    server.tell("/results", page('"Id","Name"\n', rows=0))
    assert bulk.download(client, QUERY, tmp_path / "x.csv") == 0
    assert list(bulk.read_rows(tmp_path / "x.csv")) == []


@pytest.mark.parametrize(
    "first", [page('"Id"\n"1"\n', rows=2), Told(raw=b'"Id"\n"1"\n"2"\n', headers=CSV | {"Sforce-NumberOfRecords": "2"}, cut=6)]
)
def test_r_031_cut_or_miscounted_page_is_asked_again_whole(server, client, tmp_path, first):
    server.tell("/results", first, page('"Id"\n"1"\n"2"\n', rows=2))
    assert bulk.download(client, QUERY, tmp_path / "x.csv") == 2
    assert (tmp_path / "x.csv").read_bytes() == b'"Id"\n"1"\n"2"\n'


def test_r_031_page_that_stays_short_fails_and_leaves_no_file(server, client, tmp_path):
    server.tell("/results", page('"Id"\n"1"\n', rows=5))
    with pytest.raises(e.UpstreamUnavailable, match="1 rows where Salesforce announced 5"):
        bulk.download(client, QUERY, tmp_path / "x.csv")
    assert list(tmp_path.iterdir()) == []
    assert len(server.seen) == 3


def test_i_09_repeated_locator_is_detected(server, client, tmp_path):
    server.tell("/results", page('"Id"\n"1"\n', rows=1, locator="same"))
    with pytest.raises(e.UnexpectedAnswer, match="repeated"):
        bulk.download(client, QUERY, tmp_path / "x.csv")
    assert len(server.seen) <= 3


def parallel(server):
    path = "/services/data/v65.0/jobs/query/750ak000009AVi5AAG"
    links = [{"resultUrl": f"{path}/results?locator=L{number}"} for number in range(5)]
    more = [{"resultUrl": f"{path}/results?locator=L{number}"} for number in (5, 6)]
    server.tell(
        "/resultPages",
        Told(data={"resultPages": links, "nextRecordsUrl": f"{path}/resultPages?locator=N", "done": False}),
        Told(data={"resultPages": more, "done": True}),
    )


def test_pages_are_fetched_in_parallel_and_joined_in_order(server, client, tmp_path):
    parallel(server)
    answer = server.next_answer

    def by_locator(path):
        seen = server.seen[-1]
        if path.endswith("/results"):
            number = seen.query["locator"][0][1:]
            return page(f'"Id"\n"{number}"\n', rows=1)
        return answer(path)

    server.next_answer = by_locator
    assert bulk.download(client, QUERY, tmp_path / "x.csv", threads=3) == 7
    assert [row["Id"] for row in bulk.read_rows(tmp_path / "x.csv")] == [str(number) for number in range(7)]


def test_failing_parallel_page_stops_the_download(server, client, tmp_path):
    parallel(server)
    server.tell("/results", Told(404, [{"errorCode": "NOT_FOUND", "message": "x"}]))
    with pytest.raises(e.NotFound):
        bulk.download(client, QUERY, tmp_path / "x.csv", threads=3)
    assert list(tmp_path.iterdir()) == []


def test_r_002_session_over_during_parallel_pages(server, client, tokens, tmp_path):
    server.tell("/resultPages", Told(data={"resultPages": [{"resultUrl": "/x/results?locator=a"}], "done": True}))
    server.tell(
        "/results",
        Told(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]),
        page('"Id"\n"1"\n', rows=1),
    )
    assert bulk.download(client, QUERY, tmp_path / "x.csv", threads=2) == 1
    assert len(tokens.refreshes) == 1


def test_recorded_result_is_read(recordings):
    path = recordings.path("bulk-v2-query/results-quoted-csv.csv")
    assert [row["Name"] for row in bulk.read_rows(path)] == ["Jane Dunn", "George Wright", "Pat Wilson"]


def test_rows_of_another_length_are_not_shifted(tmp_path):
    (tmp_path / "x.csv").write_text('"Id","Name"\n"1"\n')
    with pytest.raises(e.UnexpectedAnswer, match="1 cells"):
        list(bulk.read_rows(tmp_path / "x.csv"))


def test_very_long_text_is_read(tmp_path):
    (tmp_path / "x.csv").write_text('"Id","Long__c"\n"1","' + "ä" * 140_000 + '"\n', encoding="utf-8")
    assert len(next(bulk.read_rows(tmp_path / "x.csv"))["Long__c"]) == 140_000


# --- loads ---


def test_r_135_job_id_is_known_before_anything_is_uploaded(server, client, recordings):
    server.tell("/jobs/ingest", Told(data=recordings.json("bulk-v2-ingest/create-open-upsert.json")))
    job = loads.create_load(client, "Opportunity", "upsert", key_field="external_id__c")
    assert (job.id, job.state) == ("750ak000009BWKLAA4", "Open")
    assert json.loads(server.seen[0].body) == {
        "object": "Opportunity",
        "operation": "upsert",
        "contentType": "CSV",
        "lineEnding": "LF",
        "externalIdFieldName": "external_id__c",
    }
    server.tell("/batches", Told(201, raw=b""))
    loads.upload(client, job, io.BytesIO(b"external_id__c,Name\n1,x\n"))
    assert (server.seen[-1].method, server.seen[-1].body) == ("PUT", b"external_id__c,Name\n1,x\n")
    assert server.seen[-1].headers["Content-Type"] == "text/csv; charset=UTF-8"
    server.tell(
        "/jobs/ingest/", Told(data=recordings.json("bulk-v2-ingest/create-open-upsert.json") | {"state": "UploadComplete"})
    )
    assert loads.complete(client, job).state == "UploadComplete"


def test_upload_is_sent_again_from_its_beginning(server, client):
    server.tell("/batches", Told(500, raw=b""), Told(201, raw=b""))
    loads.upload(client, LOAD, io.BytesIO(b"a\n1\n"))
    assert [item.body for item in server.seen] == [b"a\n1\n", b"a\n1\n"]


@pytest.mark.parametrize("arguments", [("insert", "Ext__c"), ("upsert", ""), ("merge", "")])
def test_operations_are_checked(client, arguments):
    with pytest.raises(ValueError):
        loads.create_load(client, "Account", arguments[0], key_field=arguments[1])


def test_completing_twice_changes_nothing(server, client):
    server.tell(
        "/jobs/ingest/",
        Told(400, [{"errorCode": "INVALIDJOBSTATE", "message": "Invalid state change"}]),
        Told(data=JOB | {"state": "InProgress"}),
    )
    assert loads.complete(client, LOAD).state == "InProgress"
    server.tell(
        "/jobs/ingest/", Told(400, [{"errorCode": "INVALIDJOB", "message": "no data"}]), Told(data=JOB | {"state": "Open"})
    )
    with pytest.raises(e.RowRefused):
        loads.complete(client, LOAD)


def test_r_142_r_144_rows_become_csv_that_means_the_same():
    rows = [
        {
            "Ext__c": "1",
            "Name": 'a "b", c\r\nd',
            "Amount__c": Decimal("0.10"),
            "When__c": datetime(2024, 2, 29, 10, tzinfo=UTC),
        },
        {"Ext__c": "2", "Name": None, "Amount__c": ABSENT},
        {"Ext__c": "3", "Name": "=1+1", "Amount__c": Decimal("-5")},
    ]
    file = io.BytesIO()
    assert loads.write_load(rows, ["Ext__c", "Name", "Amount__c", "When__c"], file) == 3
    cells = list(csv.reader(io.StringIO(file.getvalue().decode(), newline="")))
    assert cells == [
        ["Ext__c", "Name", "Amount__c", "When__c"],
        ["1", 'a "b", c\r\nd', "0.10", "2024-02-29T10:00:00.000Z"],
        ["2", "#N/A", "", ""],
        ["3", "=1+1", "-5", ""],
    ]


def test_columns_of_a_load_are_checked():
    with pytest.raises(ValueError, match="does not have"):
        loads.write_load([{"X": "1"}], ["Y"], io.BytesIO())
    with pytest.raises(ValueError):
        loads.write_load([], ["Y", "Y"], io.BytesIO())


@pytest.mark.parametrize("row", [{"A": "x" * 32_001}, {f"F{n}": "x" * 31_000 for n in range(14)}])
def test_r_146_rows_too_long_for_bulk_are_told_before_sending(row):
    with pytest.raises(loads.RowTooLong):
        loads.write_load([row], list(row), io.BytesIO())


def test_r_145_large_loads_are_split_and_every_row_is_in_exactly_one_part(tmp_path):
    rows = [{"Ext__c": str(number), "Name": "ü" * 50} for number in range(500)]
    parts = list(loads.split_loads(rows, ["Ext__c", "Name"], tmp_path, largest=10_000))
    assert len(parts) > 3
    assert sum(count for _, count in parts) == 500
    assert all(path.stat().st_size <= 10_000 for path, _ in parts)
    assert [row["Ext__c"] for path, _ in parts for row in bulk.read_rows(path)] == [str(number) for number in range(500)]
    assert list(loads.split_loads([], ["Ext__c"], tmp_path)) == []


def test_r_130_r_131_every_row_has_an_answer(server, client):
    server.tell(
        "/successfulResults",
        Told(
            raw=b'"sf__Id","sf__Created","Ext__c"\n"003xx000004TmiQ","true","1"\n"003xx000004TmiR","false","2"\n', headers=CSV
        ),
    )
    error = "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"
    server.tell(
        "/failedResults",
        Told(
            raw=f'"sf__Id","sf__Error","Ext__c"\n"","{error}","3"\n"","UNABLE_TO_LOCK_ROW:unable to obtain: 001:--","5"\n'.encode(),
            headers=CSV,
        ),
    )
    server.tell("/unprocessedrecords", Told(raw=b'"Ext__c"\n"4"\n', headers=CSV))
    answers = list(loads.read_answers(client, LOAD))
    assert [(item.outcome, item.row["Ext__c"]) for item in answers] == [
        ("written", "1"),
        ("written", "2"),
        ("failed", "3"),
        ("failed", "5"),
        ("not_attempted", "4"),
    ]
    assert answers[0].created
    assert len(answers[0].id) == 18
    refused = answers[2].error
    assert type(refused) is e.RowRefused
    assert (refused.code, refused.message, refused.fields) == (
        "REQUIRED_FIELD_MISSING",
        "Required fields are missing: [Name]",
        ("Name",),
    )
    assert type(answers[3].error) is e.RowLocked


def test_empty_result_lists_are_fine(server, client):
    server.tell("/jobs/ingest/", Told(raw=b"", headers=CSV))
    assert list(loads.read_answers(client, LOAD)) == []


def test_recorded_load_results_are_read(recordings):
    with recordings.path("bulk-v2-ingest/successfulresults-upsert.csv").open(newline="", encoding="utf-8") as source:
        answers = [loads.read_answer(row, "written") for row in bulk.dict_rows(source)]
    assert [(item.created, item.row) for item in answers] == [
        (True, {"Custom_Id__c": "CustomID1", "LastName": "Yasuko"}),
        (False, {"Custom_Id__c": "CustomID2", "LastName": "Neidig"}),
    ]
    with recordings.path("bulk-v2-ingest/failed-row-error-text.csv").open(newline="", encoding="utf-8") as source:
        failed = [loads.read_answer(row, "failed") for row in bulk.dict_rows(source)]
    assert failed[0].error.fields == ("Name",)


@pytest.mark.parametrize(
    ("text", "code", "message", "fields"),
    [
        (
            "DUPLICATE_VALUE:duplicate value found: F__c duplicates value on record with id: 001:--",
            "DUPLICATE_VALUE",
            "duplicate value found: F__c duplicates value on record with id: 001",
            (),
        ),
        (
            "FIELD_CUSTOM_VALIDATION_EXCEPTION:Must be: positive:A__c,B__c --",
            "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "Must be: positive",
            ("A__c", "B__c"),
        ),
        ("SOMETHING", "SOMETHING", "SOMETHING", ()),
        ("", "", "", ()),
    ],
)
def test_error_cells_are_taken_apart(text, code, message, fields):
    error = loads.row_error(text)
    assert (error.code, error.fields) == (code, fields)
    assert message in error.message
