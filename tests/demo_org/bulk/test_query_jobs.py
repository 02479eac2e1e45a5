"""Bulk 2.0 query jobs over HTTP."""

import gzip
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from integrations.demo_org.bulk import jobs
from integrations.demo_org.bulk.runner import RUNNERS
from tests.demo_org.bulk.bulk_client import Bulk, code_of, parse
from tests.demo_org.oauth.small_org import open_small_org, serving

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "salesforce-recordings" / "bulk-v2-query"
NAMES = [f"Acme {number:03}" for number in range(25)]


def recorded(name: str) -> bytes:
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"the recording {name} is not here")
    return path.read_bytes()


@pytest.fixture
def accounts(bulk: Bulk) -> list[str]:
    return bulk.insert("Account", *({"Name": each, "AnnualRevenue": 1000.5} for each in NAMES))


class TestLife:
    def test_created_in_the_recorded_shape(self, bulk):
        body = bulk.post("query", {"operation": "query", "query": "SELECT Id FROM Account"}).json()
        assert list(body) == list(json.loads(recorded("create-uploadcomplete.json")))
        assert (body["state"], body["object"], body["apiVersion"]) == ("UploadComplete", "Account", 65.0)
        assert body["createdDate"].endswith(".000+0000")
        assert body["id"].startswith("750")
        assert len(body["id"]) == 18

    def test_finished_job_tells_type_and_counts(self, bulk, accounts):
        job = bulk.query("SELECT Id FROM Account")
        assert (job["state"], job["jobType"], job["numberRecordsProcessed"]) == ("JobComplete", "V2Query", 25)
        assert isinstance(job["totalProcessingTime"], int)
        assert "errorMessage" not in job

    def test_state_moves_over_time(self, bulk):
        bulk.org.settings.bulk_job_seconds = 0.5
        job_id = bulk.post("query", {"operation": "query", "query": "SELECT Id FROM Account"}).json()["id"]
        assert bulk.wait("query", job_id, until={"InProgress"})
        early = bulk.get(f"query/{job_id}/results")
        assert code_of(early) == (400, "INVALIDJOBSTATE")
        assert bulk.wait("query", job_id)["state"] == "JobComplete"

    def test_r_036_a_switch_keeps_it_in_progress_and_abort_ends_it(self, bulk):
        bulk.org.settings.extra["bulk_hold"] = True
        job_id = bulk.post("query", {"operation": "query", "query": "SELECT Id FROM Account"}).json()["id"]
        bulk.wait("query", job_id, until={"InProgress"})
        assert code_of(bulk.delete(f"query/{job_id}")) == (400, "INVALIDJOBSTATE")
        assert bulk.patch(f"query/{job_id}", "Aborted").json()["state"] == "Aborted"
        bulk.org.settings.extra.clear()
        time.sleep(0.15)
        assert bulk.get(f"query/{job_id}").json()["state"] == "Aborted"
        assert code_of(bulk.get(f"query/{job_id}/results")) == (400, "INVALIDJOBSTATE")

    def test_moving_the_clock_finishes_a_slow_job(self, bulk):
        bulk.org.settings.bulk_job_seconds = 3600
        job_id = bulk.post("query", {"operation": "query", "query": "SELECT Id FROM Account"}).json()["id"]
        bulk.wait("query", job_id, until={"InProgress"})
        bulk.org.clock.advance(3600)
        assert bulk.wait("query", job_id)["state"] == "JobComplete"

    def test_r_037_a_switch_lets_it_fail_with_a_message(self, bulk):
        bulk.org.settings.extra["bulk_fail"] = "QUERY_TIMEOUT : Your query request was running for too long."
        job = bulk.query("SELECT Id FROM Account")
        assert (job["state"], job["errorMessage"]) == ("Failed", "QUERY_TIMEOUT : Your query request was running for too long.")

    def test_finished_job_cannot_be_aborted_or_reopened(self, bulk):
        job = bulk.query("SELECT Id FROM Account")
        answer = bulk.patch(f"query/{job['id']}", "Aborted")
        assert code_of(answer) == (400, "INVALIDJOBSTATE")
        assert "Aborting already Completed Job not allowed" in answer.text
        assert code_of(bulk.patch(f"query/{job['id']}", "UploadComplete")) == (400, "INVALIDJOBSTATE")

    def test_delete_removes_job_and_files(self, bulk, accounts):
        job = bulk.query("SELECT Id FROM Account")
        folder = jobs.folder_of(bulk.org, jobs.find_job(bulk.org, job["id"]))
        assert (folder / "results.csv").exists()
        answer = bulk.delete(f"query/{job['id']}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert not folder.exists()
        assert code_of(bulk.get(f"query/{job['id']}")) == (404, "NOT_FOUND")

    def test_r_035_jobs_are_gone_after_7_days(self, bulk):
        job = bulk.query("SELECT Id FROM Account")
        bulk.org.clock.advance(7 * 86_400 + 1)
        fresh = Bulk(bulk.small)
        assert code_of(fresh.get(f"query/{job['id']}/results")) == (404, "NOT_FOUND")
        assert fresh.get("query").json()["records"] == []

    @pytest.mark.parametrize("job_id", ["750000000000001AAA", "nonsense", "750"])
    def test_unknown_job(self, bulk, job_id):
        assert code_of(bulk.get(f"query/{job_id}")) == (404, "NOT_FOUND")

    def test_15_character_id_and_other_kind(self, bulk):
        job = bulk.query("SELECT Id FROM Account")
        assert bulk.get(f"query/{job['id'][:15]}").json()["id"] == job["id"]
        assert code_of(bulk.get(f"ingest/{job['id']}")) == (404, "NOT_FOUND")

    def test_reset_forgets_jobs_even_running_ones(self, bulk):
        bulk.org.settings.extra["bulk_hold"] = True
        job_id = bulk.post("query", {"operation": "query", "query": "SELECT Id FROM Account"}).json()["id"]
        bulk.wait("query", job_id, until={"InProgress"})
        bulk.org.reset()
        fresh = Bulk(bulk.small)
        assert code_of(fresh.get(f"query/{job_id}")) == (404, "NOT_FOUND")
        assert not (bulk.org.directory / jobs.FOLDER).exists()
        assert fresh.query("SELECT Id FROM Account")["state"] == "JobComplete"


class TestRefusals:
    @pytest.mark.parametrize(
        "text",
        [
            "SELECT Name, COUNT(Id) FROM Account GROUP BY Name",
            "SELECT COUNT() FROM Account",
            "SELECT Id FROM Account LIMIT 5 OFFSET 2",
            "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
            "SELECT TYPEOF Owner WHEN User THEN Name END FROM Account",
            "SELECT Id, BillingAddress FROM Account",
        ],
    )
    def test_what_bulk_queries_cannot_do(self, bulk, text):
        answer = bulk.post("query", {"operation": "query", "query": text})
        assert answer.status_code == 400
        assert answer.json()[0]["message"]
        assert bulk.get("query").json()["records"] == []

    def test_wrong_soql_is_refused_at_once(self, bulk):
        assert code_of(bulk.post("query", {"operation": "query", "query": "SELECT Nope FROM Account"})) == (
            400,
            "INVALID_FIELD",
        )
        assert code_of(bulk.post("query", {"operation": "query", "query": "SELECT Id FROM Nope"})) == (400, "INVALID_TYPE")
        assert code_of(bulk.post("query", {"operation": "query", "query": "SELEC"})) == (400, "MALFORMED_QUERY")

    @pytest.mark.parametrize(
        "body",
        [
            {"operation": "query"},
            {"operation": "insert", "query": "SELECT Id FROM Account"},
            {"operation": "query", "query": "SELECT Id FROM Account", "columnDelimiter": "DOT"},
            {"operation": "query", "query": "SELECT Id FROM Account", "contentType": "JSON"},
            [],
        ],
    )
    def test_wrong_bodies(self, bulk, body):
        assert bulk.post("query", body).status_code == 400

    def test_needs_a_session(self, bulk):
        bulk.http.headers["Authorization"] = "Bearer none"
        assert code_of(bulk.get("query")) == (401, "INVALID_SESSION_ID")


class TestResults:
    def test_all_values_are_quoted_as_recorded(self, bulk, accounts):
        job = bulk.query("SELECT Id, Name FROM Account ORDER BY Name LIMIT 2")
        answer = bulk.get(f"query/{job['id']}/results", headers={"Accept-Encoding": "identity"})
        assert recorded("results-quoted-csv.csv").startswith(b'"Id","Name"\n"')
        assert answer.text == f'"Id","Name"\n"{accounts[0]}","Acme 000"\n"{accounts[1]}","Acme 001"\n'
        assert answer.headers["sforce-numberofrecords"] == "2"
        assert answer.headers["sforce-locator"] == "null"
        assert answer.headers["content-type"] == "text/csv; charset=UTF-8"
        assert int(answer.headers["content-length"]) == len(answer.content)

    def test_every_page_has_the_header_and_a_stable_locator(self, bulk, accounts):
        job = bulk.query("SELECT Id FROM Account")
        pages, locator = [], ""
        while locator != "null":
            answer = bulk.get(
                f"query/{job['id']}/results", params={"maxRecords": 10, "locator": locator} if locator else {"maxRecords": 10}
            )
            rows = parse(answer.content)
            assert rows[0] == ["Id"]
            assert answer.headers["sforce-numberofrecords"] == str(len(rows) - 1)
            pages.append([row[0] for row in rows[1:]])
            locator = answer.headers["sforce-locator"]
        assert [len(page) for page in pages] == [10, 10, 5]
        assert sorted(each for page in pages for each in page) == sorted(accounts)
        again = bulk.get(f"query/{job['id']}/results", params={"maxRecords": 10, "locator": "MTA"})
        assert [row[0] for row in parse(again.content)[1:]] == pages[1]

    def test_default_page_is_everything_unless_the_org_says_otherwise(self, bulk, accounts):
        job = bulk.query("SELECT Id FROM Account")
        assert bulk.get(f"query/{job['id']}/results").headers["sforce-locator"] == "null"
        bulk.org.settings.bulk_page_rows = 20
        assert bulk.get(f"query/{job['id']}/results").headers["sforce-numberofrecords"] == "20"

    def test_no_records_is_a_header_only(self, bulk):
        job = bulk.query("SELECT Id, Name FROM Account")
        answer = bulk.get(f"query/{job['id']}/results")
        assert answer.text == '"Id","Name"\n'
        assert (answer.headers["sforce-numberofrecords"], answer.headers["sforce-locator"]) == ("0", "null")

    @pytest.mark.parametrize("locator", ["!!!", "MjAwMDAw", "LTE", "bm8", "NS0tMQ"])
    def test_bad_locator(self, bulk, accounts, locator):
        job = bulk.query("SELECT Id FROM Account")
        assert code_of(bulk.get(f"query/{job['id']}/results", params={"locator": locator})) == (400, "INVALID_QUERY_LOCATOR")

    @pytest.mark.parametrize("count", ["0", "-1", "x", "1.5"])
    def test_bad_max_records(self, bulk, accounts, count):
        job = bulk.query("SELECT Id FROM Account")
        assert bulk.get(f"query/{job['id']}/results", params={"maxRecords": count}).status_code == 400

    def test_results_of_another_api_version_are_409(self, bulk, accounts):
        job = bulk.query("SELECT Id FROM Account")
        other = Bulk(bulk.small, version="64.0")
        assert other.get(f"query/{job['id']}/results").status_code == 409
        assert other.get(f"query/{job['id']}/resultPages").status_code == 409
        assert other.get(f"query/{job['id']}").status_code == 200

    def test_gzip_only_when_asked(self, bulk, accounts):
        job = bulk.query("SELECT Id, Name FROM Account")
        plain = bulk.get(f"query/{job['id']}/results", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        packed = bulk.get(f"query/{job['id']}/results", headers={"Accept-Encoding": "gzip"}, stream=True)
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.raw.read(decode_content=False)) == plain.content

    def test_parallel_links_cover_every_row_once(self, bulk, accounts):
        bulk.org.settings.extra["bulk_parallel_rows"] = 4
        job = bulk.query("SELECT Id FROM Account")
        first = bulk.get(f"query/{job['id']}/resultPages").json()
        assert (len(first["resultPages"]), first["done"]) == (5, False)
        second = bulk.get(bulk.small.url + first["nextRecordsUrl"]).json()
        assert (len(second["resultPages"]), second["done"], second["nextRecordsUrl"]) == (2, True, None)
        links = [bulk.small.url + each["resultUrl"] for each in first["resultPages"] + second["resultPages"]]
        with ThreadPoolExecutor(4) as pool:
            pages = list(pool.map(bulk.get, links))
        assert [page.headers["sforce-numberofrecords"] for page in pages] == ["4"] * 6 + ["1"]
        assert sorted(row[0] for page in pages for row in parse(page.content)[1:]) == sorted(accounts)
        assert pages[-1].headers["sforce-locator"] == "null"

    def test_parallel_links_exist_from_v58_and_for_empty_results(self, bulk):
        old = Bulk(bulk.small, version="57.0")
        assert old.get(f"query/{old.query('SELECT Id FROM Account')['id']}/resultPages").status_code == 404
        body = bulk.get(f"query/{bulk.query('SELECT Id FROM Account')['id']}/resultPages").json()
        assert (len(body["resultPages"]), body["done"]) == (1, True)
        assert bulk.get(bulk.small.url + body["resultPages"][0]["resultUrl"]).text == '"Id"\n'

    def test_values_as_bulk_writes_them(self, bulk):
        (account,) = bulk.insert(
            "Account", {"Name": 'He said "hi",\nthen ünïcode 漢', "AnnualRevenue": 139000000, "NumberOfEmployees": 7}
        )
        bulk.insert("Contact", {"LastName": "Alone"})
        bulk.insert("Contact", {"LastName": "Kim", "AccountId": account})
        rows = bulk.rows("SELECT Name, AnnualRevenue, NumberOfEmployees, IsDeleted, Phone, CreatedDate FROM Account")
        assert rows[1][:5] == ['He said "hi",\nthen ünïcode 漢', "139000000.0", "7", "false", ""]
        assert rows[1][5].endswith(".000Z")
        rows = bulk.rows("SELECT LastName, Account.Name, Account.IsDeleted FROM Contact ORDER BY LastName")
        assert rows == [
            ["LastName", "Account.Name", "Account.IsDeleted"],
            ["Alone", "", ""],
            ["Kim", 'He said "hi",\nthen ünïcode 漢', "false"],
        ]

    @pytest.mark.parametrize(
        ("delimiter", "character"),
        [("TAB", "\t"), ("PIPE", "|"), ("SEMICOLON", ";"), ("CARET", "^"), ("BACKQUOTE", "`")],
    )
    def test_delimiters_and_line_endings(self, bulk, accounts, delimiter, character):
        job = bulk.query("SELECT Id, Name FROM Account LIMIT 1", columnDelimiter=delimiter, lineEnding="CRLF")
        assert (job["columnDelimiter"], job["lineEnding"]) == (delimiter, "CRLF")
        text = bulk.get(f"query/{job['id']}/results").content.decode()
        assert text.startswith(f'"Id"{character}"Name"\r\n')
        assert len(parse(text.encode(), delimiter=character)) == 2

    def test_query_all_sees_the_recycle_bin(self, bulk, accounts):
        from integrations.demo_org import saving

        saving.save(bulk.org, bulk.caller, "Account", [{"Id": accounts[0]}], operation="delete")
        assert bulk.query("SELECT Id FROM Account")["numberRecordsProcessed"] == 24
        body = bulk.post("query", {"operation": "queryAll", "query": "SELECT Id FROM Account"}).json()
        assert body["operation"] == "queryAll"
        assert bulk.wait("query", body["id"])["numberRecordsProcessed"] == 25

    def test_more_columns_than_one_function_call_takes(self, bulk, accounts):
        kind = bulk.org.schema_for(bulk.caller).find("Account")
        names = [each.name for each in kind.fields if each.type not in {"address", "location"}]
        wide = [*names, *(f"Parent.{name}" for name in names), *(f"Owner.{name}" for name in ("Name", "Email"))]
        assert len(wide) > 100
        rows = bulk.rows(f"SELECT {', '.join(wide)} FROM Account")
        assert rows[0] == wide
        assert {len(row) for row in rows} == {len(wide)}
        assert sorted(row[0] for row in rows[1:]) == sorted(accounts)


class TestList:
    def test_newest_first_with_filters(self, bulk):
        ids = [bulk.query("SELECT Id FROM Account")["id"] for _ in range(3)]
        body = bulk.get("query").json()
        assert [each["id"] for each in body["records"]] == ids[::-1]
        assert (body["done"], body["nextRecordsUrl"]) == (True, None)
        assert {each["jobType"] for each in body["records"]} == {"V2Query"}
        assert bulk.get("query", params={"jobType": "Classic"}).json()["records"] == []
        assert bulk.get("query", params={"concurrencyMode": "parallel"}).json()["records"]

    def test_pages_of_1000(self, bulk, monkeypatch):
        monkeypatch.setattr(jobs, "JOBS_A_PAGE", 2)
        ids = [bulk.query("SELECT Id FROM Account")["id"] for _ in range(3)]
        first = bulk.get("query").json()
        assert (len(first["records"]), first["done"]) == (2, False)
        second = bulk.get(bulk.small.url + first["nextRecordsUrl"]).json()
        assert [each["id"] for each in first["records"] + second["records"]] == ids[::-1]


def test_restart_finishes_an_interrupted_job_and_keeps_results(tmp_path):
    org = open_small_org(tmp_path)
    with serving(org) as small:
        bulk = Bulk(small)
        bulk.insert("Account", *({"Name": each} for each in NAMES))
        ready = bulk.query("SELECT Id FROM Account")["id"]
        bulk.org.settings.extra["bulk_hold"] = True
        held = bulk.post("query", {"operation": "query", "query": "SELECT Name FROM Account"}).json()["id"]
        bulk.wait("query", held, until={"InProgress"})
    org.close()
    org = open_small_org(tmp_path)
    with serving(org) as small:
        bulk = Bulk(small)
        assert bulk.wait("query", held)["numberRecordsProcessed"] == 25
        assert len(parse(bulk.get(f"query/{ready}/results").content)) == 26
    RUNNERS.stop(org)
    org.close()
