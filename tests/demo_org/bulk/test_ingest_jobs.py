"""Bulk 2.0 ingest jobs over HTTP."""

import json
import sqlite3
import time
from pathlib import Path

import pytest

from integrations.demo_org.bulk import ingest_jobs, ingest_work, jobs
from integrations.demo_org.bulk.runner import RUNNERS
from integrations.demo_org.schema.types import Field
from tests.demo_org.bulk.bulk_client import Bulk, code_of, parse
from tests.demo_org.oauth.small_org import READER, open_small_org, serving

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "salesforce-recordings" / "bulk-v2-ingest"
KEY = "Demo_Key__c"


def recorded(name: str):
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"the recording {name} is not here")
    return json.loads(path.read_text()) if name.endswith("json") else path.read_text()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    org = open_small_org(tmp_path_factory.mktemp("small_org"))
    for name in ("Account", "Contact"):
        org.add_field(name, Field(KEY, "Demo Key", length=60, external_id=True, id_lookup=True, unique=True, custom=True))
    org.store.keep_pristine()
    with serving(org) as small:
        yield small


class TestLife:
    def test_open_job_has_the_recorded_shape(self, bulk):
        body = {"object": "account", "operation": "upsert", "externalIdFieldName": KEY, "contentType": "CSV"}
        made = bulk.post("ingest", body).json()
        assert list(made) == list(recorded("create-open-upsert.json"))
        assert (made["state"], made["object"]) == ("Open", "Account")
        assert made["contentUrl"] == f"services/data/v65.0/jobs/ingest/{made['id']}/batches"

    def test_closing_omits_url_and_formats_and_the_info_has_the_recorded_keys(self, bulk):
        job_id = bulk.create("Account", "insert")
        answer = bulk.put(job_id, "Name\nAcme\n")
        assert (answer.status_code, answer.content) == (201, b"")
        closed = bulk.patch(f"ingest/{job_id}", "UploadComplete").json()
        assert closed["state"] == "UploadComplete"
        assert not {"contentUrl", "lineEnding", "columnDelimiter"} & closed.keys()
        job = bulk.wait("ingest", job_id)
        assert list(job) == [key for key in recorded("info-jobcomplete.json") if key != "externalIdFieldName"]
        assert (job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == ("JobComplete", 1, 0)
        assert bulk.stored("Account", "Name") == ["Acme"]

    def test_upload_only_once_and_only_while_open(self, bulk):
        job_id = bulk.create("Account", "insert")
        assert bulk.put(job_id, "Name\nA\n").status_code == 201
        again = bulk.put(job_id, "Name\nB\n")
        assert again.status_code == 400
        assert "only do 'PUT' once" in again.text
        bulk.patch(f"ingest/{job_id}", "UploadComplete")
        bulk.wait("ingest", job_id)
        assert code_of(bulk.put(job_id, "Name\nC\n")) == (400, "INVALIDJOBSTATE")
        assert bulk.stored("Account", "Name") == ["A"]

    def test_upload_must_be_csv(self, bulk):
        assert bulk.put(bulk.create("Account", "insert"), "[]", "application/json").status_code == 415

    def test_upload_is_limited_and_leaves_nothing_behind(self, bulk, monkeypatch):
        monkeypatch.setattr(ingest_jobs, "LARGEST_UPLOAD", 100)
        job_id = bulk.create("Account", "insert")
        assert bulk.put(job_id, "Name\n" + "x" * 200).status_code == 413
        assert list(jobs.folder_of(bulk.org, jobs.find_job(bulk.org, job_id)).iterdir()) == []
        assert bulk.put(job_id, "Name\nfits\n").status_code == 201

    def test_abort_and_delete(self, bulk):
        job_id = bulk.create("Account", "insert")
        assert code_of(bulk.delete(f"ingest/{job_id}")) == (400, "INVALIDJOBSTATE")
        assert bulk.patch(f"ingest/{job_id}", "Aborted").json()["state"] == "Aborted"
        assert code_of(bulk.patch(f"ingest/{job_id}", "UploadComplete")) == (400, "INVALIDJOBSTATE")
        assert bulk.delete(f"ingest/{job_id}").status_code == 204
        assert code_of(bulk.get(f"ingest/{job_id}")) == (404, "NOT_FOUND")

    def test_nothing_uploaded_is_nothing_done(self, bulk):
        job_id = bulk.create("Account", "insert")
        bulk.patch(f"ingest/{job_id}", "UploadComplete")
        assert bulk.wait("ingest", job_id)["numberRecordsProcessed"] == 0

    def test_open_jobs_end_after_a_day(self, bulk):
        job_id = bulk.create("Account", "insert")
        bulk.org.clock.advance(86_401)
        assert Bulk(bulk.small).get(f"ingest/{job_id}").json()["state"] == "Aborted"

    def test_list(self, bulk):
        ids = [bulk.create("Account", "insert") for _ in range(3)]
        body = bulk.get("ingest").json()
        assert [each["id"] for each in body["records"]] == ids[::-1]
        assert body["records"][0]["jobType"] == "V2Ingest"

    def test_multipart_creation_goes_straight_to_work(self, bulk):
        parts = {
            "job": (None, json.dumps({"object": "Account", "operation": "insert", "contentType": "CSV"}), "application/json"),
            "content": ("content", "Name\nOne\nTwo\n", "text/csv"),
        }
        made = bulk.http.post(bulk.url("ingest"), files=parts)
        assert (made.status_code, made.json()["state"]) == (200, "UploadComplete")
        assert bulk.wait("ingest", made.json()["id"])["numberRecordsProcessed"] == 2
        assert bulk.http.post(bulk.url("ingest"), files={"job": parts["job"]}).status_code == 400


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"object": "Nope"}, "INVALIDENTITY"),
            ({"operation": "replace"}, "INVALIDOPERATION"),
            ({"operation": "upsert"}, "INVALIDJOB"),
            ({"operation": "upsert", "externalIdFieldName": "Phone"}, "INVALIDJOB"),
            ({"columnDelimiter": "DOT"}, "INVALIDJOB"),
            ({"lineEnding": "CR"}, "INVALIDJOB"),
            ({"contentType": "JSON"}, "INVALIDJOB"),
        ],
    )
    def test_creation(self, bulk, change, code):
        body = {"object": "Account", "operation": "insert", "contentType": "CSV"} | change
        assert code_of(bulk.post("ingest", body)) == (400, code)

    def test_hard_delete_needs_its_permission(self, bulk):
        token = bulk.org.sessions.open(bulk.small.user_id(READER), scopes=("api",))
        bulk.http.headers["Authorization"] = f"Bearer {token}"
        assert code_of(bulk.post("ingest", {"object": "Account", "operation": "hardDelete"})) == (400, "FEATURENOTENABLED")

    @pytest.mark.parametrize(
        ("data", "options", "message"),
        [
            ("Name,Nope__c\nA,1\n", {}, "InvalidBatch : Field name not found : Nope__c"),
            ("Name,Owner.Nope__c\nA,1\n", {}, "InvalidBatch : Field name not found : Owner.Nope__c"),
            ("\ufeffName\nA\n", {}, "InvalidBatch : Field name not found : \ufeffName"),
            (
                "Name\r\nA\r\n",
                {},
                "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF",
            ),
            (
                "Name\nA\n",
                {"lineEnding": "CRLF"},
                "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is CRLF",
            ),
            (b"Name\n\xff\xfe\n", {}, "ClientInputError : The data is not valid UTF-8"),
            ("Name,Phone\nA\n", {}, "ClientInputError : Row 1 has 1 columns, the header has 2"),
            ("Name,name\nA,B\n", {}, "InvalidBatch : Duplicate field name : name"),
        ],
    )
    def test_unreadable_upload_fails_the_whole_job(self, bulk, data, options, message):
        job = bulk.load("Account", "insert", data, **options)
        assert (job["state"], job["errorMessage"]) == ("Failed", message)
        assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (0, 0)
        assert bulk.stored("Account", "Name") == []

    def test_delete_takes_only_ids(self, bulk):
        job = bulk.load("Account", "delete", "Id,Name\nx,y\n")
        assert job["state"] == "Failed"

    def test_results_wait_for_the_end(self, bulk):
        job_id = bulk.create("Account", "insert")
        for which in ("successfulResults", "failedResults", "unprocessedrecords"):
            assert code_of(bulk.get(f"ingest/{job_id}/{which}")) == (400, "INVALIDJOBSTATE")


class TestRows:
    def test_insert_results_in_the_recorded_shape(self, bulk):
        job = bulk.load("Contact", "insert", "LastName,Demo_Key__c\nYasuko,C1\n,C2\n")
        assert (job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == ("JobComplete", 2, 1)
        text = bulk.get(f"ingest/{job['id']}/successfulResults").text
        assert text.startswith('"sf__Id","sf__Created","LastName","Demo_Key__c"\n"003')
        assert text.endswith('","true","Yasuko","C1"\n')
        failed = bulk.outcome(job, "failedResults")
        assert failed[0] == ["sf__Id", "sf__Error", "LastName", "Demo_Key__c"]
        assert failed[1][0] == ""
        assert failed[1][1] == recorded("failed-row-error-text.csv").splitlines()[1].strip('"').replace("Name", "LastName")
        assert failed[1][2:] == ["", "C2"]
        assert bulk.outcome(job, "unprocessedrecords") == [["LastName", "Demo_Key__c"]]

    def test_r_130_ok_and_failed_rows_are_all_rows(self, bulk):
        rows = [f"C{n},{'' if n % 7 == 0 else f'Name {n}'}" for n in range(300)]
        job = bulk.load("Contact", "insert", "Demo_Key__c,LastName\n" + "\n".join(rows))
        good, bad = bulk.outcome(job, "successfulResults")[1:], bulk.outcome(job, "failedResults")[1:]
        assert (len(good), len(bad)) == (257, 43)
        assert {row[2] for row in good + bad} == {f"C{n}" for n in range(300)}
        assert job["numberRecordsFailed"] == 43

    def test_upsert_creates_and_updates_and_says_which(self, bulk):
        bulk.insert("Account", {"Name": "Old", KEY: "A1", "Phone": "1"})
        job = bulk.load("Account", "upsert", f"{KEY},Name\na1,New\nA2,Fresh\n", externalIdFieldName=KEY)
        assert job["externalIdFieldName"] == KEY
        results = {row[2]: row[1] for row in bulk.outcome(job, "successfulResults")[1:]}
        assert results == {"a1": "false", "A2": "true"}
        assert sorted(bulk.stored("Account", "Name")) == ["Fresh", "New"]

    def test_r_142_empty_leaves_alone_and_na_clears(self, bulk):
        (account,) = bulk.insert("Account", {"Name": "Keep", "Phone": "1", "Website": "https://keep.example"})
        bulk.load("Account", "update", f"Id,Name,Phone,Website\n{account},,#N/A,\n")
        row = bulk.org.store.read().execute("SELECT Name, Phone, Website FROM Account").fetchone()
        assert row == ("Keep", None, "https://keep.example")

    def test_r_121_odd_keys_survive_the_round_trip(self, bulk):
        keys = ["a/b?c#d%e&f'g+h", "x y", "ünïcode 漢字", 'quo"te', "comma, line\nbreak", "=1+1"]
        quoted = ['"' + key.replace('"', '""') + '"' for key in keys]
        data = f"{KEY},Name\n" + "".join(f"{key},N{n}\n" for n, key in enumerate(quoted))
        job = bulk.load("Account", "upsert", data, externalIdFieldName=KEY)
        assert job["numberRecordsFailed"] == 0
        assert bulk.stored("Account", KEY) == keys
        assert [row[2] for row in bulk.outcome(job, "successfulResults")[1:]] == keys
        assert sorted(row[0] for row in bulk.rows(f"SELECT {KEY} FROM Account")[1:]) == sorted(keys)
        again = bulk.load("Account", "upsert", data, externalIdFieldName=KEY)
        assert {row[1] for row in bulk.outcome(again, "successfulResults")[1:]} == {"false"}

    def test_parent_by_external_id(self, bulk):
        (account,) = bulk.insert("Account", {"Name": "Parent", KEY: "P1"})
        header = f"LastName,Account.{KEY}"
        job = bulk.load("Contact", "insert", f"{header}\nKim,P1\nLost,P9\n")
        assert bulk.stored("Contact", "AccountId") == [account]
        (failed,) = bulk.outcome(job, "failedResults")[1:]
        text = f"INVALID_FIELD:Foreign key external ID: p9 not found for field {KEY} in entity Account:"
        assert failed[1].startswith(text)
        assert failed[1].endswith(" --")
        typed = bulk.load("Contact", "insert", f"LastName,Account:Account.{KEY}\nLee,P1\n")
        assert typed["numberRecordsFailed"] == 0

    def test_update_and_delete_by_id(self, bulk):
        ids = bulk.insert("Account", {"Name": "A"}, {"Name": "B"}, {"Name": "C"})
        job = bulk.load("Account", "update", f"Id,Name\n{ids[0]},Changed\n{ids[1][:15]},Short\n001dM0000009999AAA,None\n")
        assert job["numberRecordsFailed"] == 1
        assert bulk.outcome(job, "failedResults")[1][0] == "001dM0000009999AAA"
        assert bulk.stored("Account", "Name") == ["Changed", "Short", "C"]
        job = bulk.load("Account", "delete", f"Id\n{ids[0]}\n")
        assert bulk.outcome(job, "successfulResults")[1] == [ids[0], "false", ids[0]]
        assert bulk.stored("Account", "Name") == ["Short", "C"]
        bulk.load("Account", "hardDelete", f"Id\n{ids[0]}\n{ids[1]}\n")
        assert bulk.org.store.read().execute("SELECT Name FROM Account").fetchall() == [("C",)]

    def test_formats(self, bulk):
        data = 'Name|Phone\r\n"a|b"|1\r\n\r\n"say ""hi"""|2\r\n'
        job = bulk.load("Account", "insert", data, columnDelimiter="PIPE", lineEnding="CRLF")
        assert bulk.stored("Account", "Name") == ["a|b", 'say "hi"']
        text = bulk.get(f"ingest/{job['id']}/successfulResults").content.decode()
        assert text.startswith('"sf__Id"|"sf__Created"|"Name"|"Phone"\r\n')
        assert len(parse(text.encode(), delimiter="|")) == 3

    def test_values_of_every_kind(self, bulk):
        data = "Name,AnnualRevenue,NumberOfEmployees,Phone\nA,12,7,1\nB,abc,8,2\n"
        job = bulk.load("Account", "insert", data)
        assert job["numberRecordsFailed"] == 1
        assert bulk.org.store.read().execute("SELECT AnnualRevenue, NumberOfEmployees FROM Account").fetchall() == [(12.0, 7)]

    def test_many_chunks(self, bulk, monkeypatch):
        monkeypatch.setattr(ingest_work, "CHUNK", 100)
        data = "Name,Demo_Key__c\n" + "".join(f"Acme {n},K{n}\n" for n in range(1050))
        job = bulk.load("Account", "upsert", data, externalIdFieldName=KEY)
        assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (1050, 0)
        assert len(bulk.stored("Account", "Id")) == 1050
        assert len(bulk.outcome(job, "successfulResults")) == 1051


class TestSwitches:
    def test_a_share_of_rows_is_locked(self, bulk):
        bulk.org.settings.extra["bulk_lock_percent"] = 10
        job = bulk.load("Account", "insert", "Name\n" + "".join(f"A{n}\n" for n in range(200)))
        assert (job["state"], job["numberRecordsFailed"]) == ("JobComplete", 20)
        assert {row[1].partition(":")[0] for row in bulk.outcome(job, "failedResults")[1:]} == {"UNABLE_TO_LOCK_ROW"}
        assert len(bulk.stored("Account", "Id")) == 180

    def test_a_failing_job_leaves_rows_unprocessed(self, bulk):
        bulk.org.settings.extra |= {"bulk_fail": "InternalServerError : told to", "bulk_fail_after": 30}
        job = bulk.load("Account", "insert", "Name\n" + "".join(f"A{n}\n" for n in range(100)))
        assert (job["state"], job["errorMessage"]) == ("Failed", "InternalServerError : told to")
        assert len(bulk.outcome(job, "successfulResults")) == 31
        rest = bulk.outcome(job, "unprocessedrecords")
        assert (len(rest), rest[0], rest[1]) == (71, ["Name"], ["A30"])

    def test_r_038_abort_in_the_middle_keeps_what_was_done(self, bulk, monkeypatch):
        monkeypatch.setattr(ingest_work, "CHUNK", 10)
        bulk.org.settings.extra["bulk_hold"] = True
        job_id = bulk.create("Account", "insert")
        bulk.put(job_id, "Name\nA\nB\n")
        bulk.patch(f"ingest/{job_id}", "UploadComplete")
        deadline = time.monotonic() + 60
        while bulk.get(f"ingest/{job_id}").json()["numberRecordsProcessed"] < 2:
            assert time.monotonic() < deadline
        assert bulk.patch(f"ingest/{job_id}", "Aborted").json()["state"] == "Aborted"
        assert len(bulk.outcome({"id": job_id}, "successfulResults")) == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_i_02_a_killed_job_goes_on_behind_the_last_chunk_and_saves_no_row_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(ingest_work, "CHUNK", 50)
    real, calls = ingest_work.saving.save_table, []

    def dies_in_the_third_chunk(*arguments, **options):
        calls.append(1)
        result = real(*arguments, **options)
        if len(calls) == 3:
            raise SystemExit
        return result

    org = open_small_org(tmp_path)
    with serving(org) as small:
        bulk = Bulk(small)
        monkeypatch.setattr(ingest_work.saving, "save_table", dies_in_the_third_chunk)
        job_id = bulk.create("Account", "insert")
        bulk.put(job_id, "Name\n" + "".join(f"A{n}\n" for n in range(220)))
        bulk.patch(f"ingest/{job_id}", "UploadComplete")
        deadline = time.monotonic() + 60
        while len(calls) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    org.close()
    monkeypatch.setattr(ingest_work.saving, "save_table", real)
    half = sqlite3.connect(tmp_path / "org.sqlite3")
    assert half.execute("SELECT state, processed FROM _bulk_job").fetchone() == ("InProgress", 100)
    half.close()
    org = open_small_org(tmp_path)
    with serving(org) as small:
        bulk = Bulk(small)
        job = bulk.wait("ingest", job_id)
        assert (job["state"], job["numberRecordsProcessed"]) == ("JobComplete", 220)
        assert sorted(bulk.stored("Account", "Name")) == sorted(f"A{n}" for n in range(220))
        assert sorted(row[2] for row in bulk.outcome(job, "successfulResults")[1:]) == sorted(f"A{n}" for n in range(220))
    RUNNERS.stop(org)
    org.close()
