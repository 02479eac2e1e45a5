"""What somebody else ends: bulk jobs, query cursors, the recycle bin, the day's allowance; and what comes late."""

import time

import pytest
import requests

from tests.demo_org.core.served_org import Core
from tests.demo_org.hindrances import ways

ROWS = [{"Name": f"A{n}"} for n in range(5)]


@pytest.mark.parametrize(("deed", "state"), [("abort", "Aborted"), ("fail", "Failed")])
def test_a_held_job_is_ended_by_an_administrator(core: Core, deed: str, state: str) -> None:
    core.control("settings", {"bulk_hold": True})
    job = ways.create_job(core, "Account", "insert", ROWS)
    assert ways.wait(core, job, until={"InProgress"})["state"] == "InProgress"
    listed = core.control("jobs", {"do": deed, "id": job, "message": "Gone wrong"})["jobs"]
    assert [each["state"] for each in listed] == [state]
    seen = core.call("GET", f"jobs/ingest/{job}").json()
    assert seen["state"] == state
    assert seen.get("errorMessage") == ("Gone wrong" if deed == "fail" else None)


def test_a_job_that_fails_after_some_rows_leaves_the_rest_unprocessed(core: Core) -> None:
    core.control("settings", {"bulk_fail": "InternalServerError : told to", "bulk_fail_after": 2})
    job = ways.create_job(core, "Account", "insert", ROWS)
    assert ways.wait(core, job)["state"] == "Failed"
    assert len(ways.outcome(core, job, "successfulResults")) == 2
    assert ways.outcome(core, job, "unprocessedrecords") == [["A2"], ["A3"], ["A4"]]


def test_a_deleted_and_an_expired_job_are_gone(core: Core) -> None:
    first, second = (ways.create_job(core, "Account", "insert", ROWS) for _ in range(2))
    ways.wait(core, first)
    ways.wait(core, second)
    core.control("jobs", {"do": "delete", "id": first})
    assert core.call("GET", f"jobs/ingest/{first}").status_code == 404
    assert core.call("GET", f"jobs/ingest/{second}/successfulResults").status_code == 200
    core.control("clock", {"advance": 8 * 86400})
    core.sign_in()
    assert core.call("GET", f"jobs/ingest/{second}/successfulResults").status_code == 404


@pytest.mark.parametrize("body", [{}, {"do": "explode"}, {"do": "abort", "id": "750000000000000"}])
def test_orders_for_jobs_that_make_no_sense_are_refused(core: Core, body: dict) -> None:
    assert requests.post(f"{core.url}/__demo__/jobs", json=body, timeout=10).status_code == 400


def test_a_finished_job_cannot_be_aborted(core: Core) -> None:
    job = ways.create_job(core, "Account", "insert", ROWS)
    ways.wait(core, job)
    answer = requests.post(f"{core.url}/__demo__/jobs", json={"do": "abort", "id": job}, timeout=10)
    assert "is finished: JobComplete" in answer.json()["error"]


def test_r_034_cursors_expire_at_once(core: Core) -> None:
    core.save("Account", [{"Name": f"A{n}"} for n in range(400)])
    headers = {"Sforce-Query-Options": "batchSize=200"}
    page = core.call("GET", "query", params={"q": "SELECT Id FROM Account"}, headers=headers).json()
    following = page["nextRecordsUrl"]
    assert core.call("GET", following).status_code == 200
    assert core.control("expire_cursors", {}) == {"expired": 1}
    gone = core.call("GET", following)
    assert (gone.status_code, gone.json()[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")


def test_the_recycle_bin_is_emptied_of_one_object_or_of_all(core: Core) -> None:
    account, contact = core.make("Account", Name="Acme"), core.make("Contact", LastName="Lee")
    for name, record in (("Account", account), ("Contact", contact)):
        core.control("delete", {"object": name, "id": record})
    assert core.control("purge", {"object": "Account"}) == {"purged": 1}
    found = core.call("GET", "queryAll", params={"q": "SELECT Id FROM Account"}).json()["records"]
    assert found == []
    assert len(core.call("GET", "queryAll", params={"q": "SELECT Id FROM Contact"}).json()["records"]) == 1
    assert core.control("purge", {}) == {"purged": 1}
    assert core.row("Contact", contact) == {}
    refused = requests.post(f"{core.url}/__demo__/undelete", json={"object": "Account", "id": account}, timeout=10)
    assert refused.status_code == 400


def test_r_059_so_many_calls_are_left(core: Core) -> None:
    core.control("allowance", {"left": 2})
    codes = [core.call("GET", "sobjects").status_code for _ in range(3)]
    assert codes == [200, 200, 403]
    refused = core.call("GET", "limits").json()[0]
    assert (refused["errorCode"], refused["message"]) == ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    core.control("allowance", {"left": 10})
    assert core.call("GET", "limits").json()["DailyApiRequests"]["Remaining"] == 9
    assert requests.post(f"{core.url}/__demo__/allowance", json={"left": -1}, timeout=10).status_code == 400


@pytest.mark.parametrize("status", [429, 503])
def test_r_061_a_server_that_asks_for_patience(core: Core, status: int) -> None:
    core.control("faults", {"match": {"path": "/sobjects$"}, "status": status, "headers": {"Retry-After": "30"}, "times": 2})
    answers = [core.call("GET", "sobjects") for _ in range(3)]
    assert [each.status_code for each in answers] == [status, status, 200]
    assert answers[0].headers["Retry-After"] == "30"


def test_a_connection_is_cut_in_the_middle_of_a_body(core: Core) -> None:
    core.control("faults", {"match": {"path": "/describe"}, "cut": 2000})
    with pytest.raises(requests.exceptions.RequestException):
        core.call("GET", "sobjects/Account/describe", headers={"Accept-Encoding": "identity"})
    assert core.call("GET", "sobjects/Account/describe").status_code == 200


def test_late_commits_come_with_their_older_stamp_by_rest_and_bulk(core: Core) -> None:
    core.control("clock", {"now": "2027-03-01T00:00:00Z", "frozen": True})
    core.sign_in()
    core.control("settings", {"late_commit_seconds": 60})
    assert ways.single(core, "Account", "insert", {"Name": "Rest"}) == ""
    assert ways.bulk(core, "Account", "insert", [{"Name": "Bulk"}]) == [""]
    core.control("settings", {"late_commit_seconds": 0})
    core.control("clock", {"advance": 30})
    core.make("Account", Name="Punctual")
    listed = {"q": "SELECT Name, SystemModstamp FROM Account ORDER BY Name"}
    assert [each["Name"] for each in core.call("GET", "query", params=listed).json()["records"]] == ["Punctual"]
    core.control("clock", {"advance": 31})
    found = core.call("GET", "query", params=listed).json()["records"]
    stamps = {each["Name"]: each["SystemModstamp"][11:19] for each in found}
    assert stamps == {"Bulk": "00:00:00", "Punctual": "00:00:30", "Rest": "00:00:00"}


@pytest.mark.parametrize("name", ["Account", "Contact"])
def test_a_merge_tells_losers_and_moves_their_children(core: Core, name: str) -> None:
    label, link = ("Name", "AccountId") if name == "Account" else ("LastName", "ContactId")
    master, loser = core.make(name, **{label: "Master"}), core.make(name, **{label: "Loser"})
    child = core.make("Case", Subject="Child", **{link: loser})
    core.control("clock", {"now": "2027-03-01T00:00:00Z", "frozen": True})
    core.control("merge", {"object": name, "master": master, "losers": [loser]})
    assert (core.row(name, loser)["IsDeleted"], core.row(name, loser)["MasterRecordId"]) == (1, master)
    assert core.row("Case", child)[link] == master
    stamps = {core.row(kind, key)["SystemModstamp"] for kind, key in ((name, master), (name, loser), ("Case", child))}
    assert stamps == {"2027-03-01T00:00:00.000Z"}


def test_several_records_of_one_external_id_are_the_300_answer(core: Core) -> None:
    core.control("fields", {"object": "Account", "field": {"name": "Twin_Key__c", "length": 20, "external_id": True}})
    ids = [core.make("Account", Name=f"A{n}", Twin_Key__c="T") for n in range(2)]
    for answer in (core.call("GET", "sobjects/Account/Twin_Key__c/T"),
                   core.call("PATCH", "sobjects/Account/Twin_Key__c/T", json={"Name": "x"})):  # fmt: skip
        assert answer.status_code == 300
        assert sorted(path.rsplit("/", 1)[1] for path in answer.json()) == sorted(ids)


def test_every_answer_is_late_by_the_latency(core: Core) -> None:
    core.control("settings", {"latency_seconds": 0.08})
    begun = time.monotonic()
    core.call("GET", "limits")
    assert 0.08 <= time.monotonic() - begun < 10
    core.control("settings", {"latency_seconds": 15})
    begun = time.monotonic()
    core.control("settings", method="GET")
    core.control("settings", {"latency_seconds": 0})
    assert time.monotonic() - begun < 15  # the control plane is never slowed


def test_a_connection_has_only_so_much_bandwidth_up_and_down(core: Core) -> None:
    core.control("settings", {"bytes_per_second": 1_000_000})
    headers = {"Accept-Encoding": "identity"}
    begun = time.monotonic()
    size = len(core.call("GET", "sobjects/Account/describe", headers=headers).content)
    assert size > 50_000
    assert time.monotonic() - begun >= size / 1_000_000
    job = core.call("POST", "jobs/ingest", json={"object": "Account", "operation": "insert"}).json()["id"]
    begun = time.monotonic()
    data = b"Name\n" + b"A\n" * 100_000
    assert core.call("PUT", f"jobs/ingest/{job}/batches", data=data, headers={"Content-Type": "text/csv"}).status_code == 201
    assert time.monotonic() - begun >= len(data) / 1_000_000
