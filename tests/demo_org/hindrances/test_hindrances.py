"""What stands in the way of a save although the rows are good, in every way of saving."""

import threading

import pytest

from tests.demo_org.core.served_org import DATA, Core
from tests.demo_org.hindrances import ways


@pytest.mark.parametrize("operation", ["insert", "update", "delete"])
def test_a_read_only_org_takes_no_writes(core: Core, operation: str) -> None:
    account = core.make("Account", Name="Acme")
    core.control("settings", {"read_only": True})
    row = {"insert": {"Name": "New"}, "update": {"Id": account, "Name": "B"}, "delete": {"Id": account}}[operation]
    code = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
    assert ways.single(core, "Account", operation, row) == ways.composite(core, "Account", operation, row) == code
    assert ways.collection(core, "Account", operation, [row]) == [code]
    for kind, body in (("ingest", {"object": "Account", "operation": operation}),
                       ("query", {"operation": "query", "query": "SELECT Id FROM Account"})):  # fmt: skip
        made = core.call("POST", f"jobs/{kind}", json=body)
        assert (made.status_code, made.json()[0]["errorCode"]) == (503, code)
    assert core.call("GET", f"sobjects/Account/{account}").json()["Name"] == "Acme"
    assert core.control("update", {"object": "Account", "id": account, "fields": {"Name": "By the admin"}})


def test_an_org_that_turns_read_only_in_the_middle_of_a_job_refuses_its_rows(core: Core) -> None:
    job = core.call("POST", "jobs/ingest", json={"object": "Account", "operation": "insert"}).json()["id"]
    core.call("PUT", f"jobs/ingest/{job}/batches", data=b"Name\nA\n", headers={"Content-Type": "text/csv"})
    core.control("settings", {"read_only": True})
    core.call("PATCH", f"jobs/ingest/{job}", json={"state": "UploadComplete"})
    assert ways.wait(core, job)["numberRecordsFailed"] == 1
    assert ways.outcome(core, job, "failedResults")[0][1].startswith("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE")


def test_full_storage_refuses_new_records_only(core: Core) -> None:
    account = core.make("Account", Name="Acme", External_Id__c="K1")
    core.control("settings", {"storage_full": True})
    assert core.call("GET", "limits").json()["DataStorageMB"]["Remaining"] == 0
    assert ways.every_way(core, "Account", "insert", {"Name": "New"}) == {"STORAGE_LIMIT_EXCEEDED"}
    assert ways.every_way(core, "Account", "update", {"Id": account, "Name": "B"}) == {""}
    rows = [{"External_Id__c": "K1", "Name": "C"}, {"External_Id__c": "K2", "Name": "D"}]
    assert ways.bulk(core, "Account", "upsert", rows, externalIdFieldName="External_Id__c") == ["STORAGE_LIMIT_EXCEEDED", ""]
    assert core.row("Account", account)["Name"] == "C"
    assert ways.single(core, "Account", "delete", {"Id": account}) == ""


def test_a_record_in_approval_is_locked(core: Core) -> None:
    account, other = core.make("Account", Name="Acme"), core.make("Account", Name="Other")
    core.control("settings", {"approval_locked": [account[:15]]})
    assert ways.every_way(core, "Account", "update", {"Id": account, "Name": "B"}) == {"ENTITY_IS_LOCKED"}
    assert ways.every_way(core, "Account", "delete", {"Id": account}) == {"ENTITY_IS_LOCKED"}
    assert ways.every_way(core, "Account", "update", {"Id": other, "Name": "B"}) == {""}


def test_a_heavy_trigger_fails_large_chunks_as_a_whole(core: Core) -> None:
    core.control("settings", {"trigger_row_limits": {"account": 50}})
    rows = [{"Name": f"A{n}"} for n in range(240)]
    codes = ways.bulk(core, "Account", "insert", rows)
    assert codes == ["CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"] * 200 + [""] * 40
    assert set(ways.collection(core, "Account", "insert", rows[:51])) == {"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"}
    assert set(ways.collection(core, "Account", "insert", rows[:50])) == {""}
    assert ways.single(core, "Account", "insert", rows[0]) == ways.composite(core, "Account", "insert", rows[0]) == ""
    assert ways.single(core, "Contact", "insert", {"LastName": "x"}) == ""
    records = [{"attributes": {"type": "Account"}, "Name": "x"} for _ in range(60)]
    told = core.call("POST", "composite/sobjects", json={"records": records}).json()[0]["errors"][0]["message"]
    assert "Apex CPU time limit exceeded" in told


def test_a_percentage_of_rows_is_locked_evenly(core: Core) -> None:
    core.control("settings", {"lock_percent": 5})
    codes = ways.collection(core, "Account", "insert", [{"Name": f"A{n}"} for n in range(200)])
    assert codes.count("UNABLE_TO_LOCK_ROW") == 10
    assert ways.bulk(core, "Account", "insert", [{"Name": f"B{n}"} for n in range(400)]).count("UNABLE_TO_LOCK_ROW") == 20
    core.control("settings", {"lock_percent": 100})
    assert ways.every_way(core, "Account", "insert", {"Name": "x"}) == {"UNABLE_TO_LOCK_ROW"}


def test_the_next_rows_are_locked_by_order(core: Core) -> None:
    account = core.make("Account", Name="Acme")
    core.control("faults", {"action": "lock_row", "match": {"path": "^Account$"}, "times": 4})
    assert ways.every_way(core, "Account", "update", {"Id": account, "Name": "B"}) == {"UNABLE_TO_LOCK_ROW"}
    assert ways.single(core, "Account", "update", {"Id": account, "Name": "B"}) == ""


def test_two_writes_to_children_of_one_parent_collide(core: Core) -> None:
    parent, other = core.make("Account", Name="Acme"), core.make("Account", Name="Other")
    contact = core.make("Contact", LastName="Lee", AccountId=parent)
    core.control("settings", {"parent_lock_seconds": 30})
    first = ways.single(core, "Contact", "insert", {"LastName": "One", "AccountId": parent})
    assert (first, ways.single(core, "Contact", "insert", {"LastName": "Two", "AccountId": parent})) == (
        "",
        "UNABLE_TO_LOCK_ROW",
    )
    assert ways.single(core, "Contact", "insert", {"LastName": "Three", "AccountId": other}) == ""
    # the record's own parent counts, also when the row does not name it
    assert ways.single(core, "Contact", "update", {"Id": contact, "Title": "CFO"}) == "UNABLE_TO_LOCK_ROW"
    core.org.locks.clear()
    parts = [{"LastName": f"C{n}", "AccountId": parent} for n in range(3)]
    assert ways.collection(core, "Contact", "insert", parts) == ["", "", ""]  # one call, one transaction
    core.org.locks.clear()
    wanted = [{"method": "POST", "url": f"{DATA}/sobjects/Contact", "referenceId": f"r{n}", "body": parts[n]} for n in range(2)]
    answer = core.call("POST", "composite", json={"compositeRequest": wanted}).json()["compositeResponse"]
    assert [each["httpStatusCode"] for each in answer] == [201, 201]


def test_two_calls_at_once_for_one_parent_leave_one_of_them_locked(core: Core) -> None:
    parent = core.make("Account", Name="Acme")
    core.control("settings", {"parent_lock_seconds": 30})
    found: list[str] = []
    rows = [{"LastName": f"C{n}", "AccountId": parent} for n in range(2)]
    threads = [
        threading.Thread(target=lambda row=row: found.append(ways.single(core, "Contact", "insert", row))) for row in rows
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found) == ["", "UNABLE_TO_LOCK_ROW"]


def test_bulk_rows_collide_unless_they_are_sorted_by_parent(core: Core) -> None:
    parents = [core.make("Account", Name=f"P{n}") for n in range(4)]
    core.control("settings", {"parent_lock_seconds": 5})
    mixed = [{"LastName": f"C{n}", "AccountId": parents[n % 4]} for n in range(400)]
    assert ways.bulk(core, "Contact", "insert", mixed).count("UNABLE_TO_LOCK_ROW") == 200
    grouped = sorted(mixed, key=lambda row: row["AccountId"])
    assert ways.bulk(core, "Contact", "insert", grouped).count("UNABLE_TO_LOCK_ROW") == 0


def test_duplicate_rules_find_live_records_again(core: Core) -> None:
    kept = core.make("Account", Name="Acme", BillingCity="Oslo")
    core.control("settings", {"duplicate_rules": [{"object": "Account", "fields": ["Name", "BillingCity"]}]})
    twin = {"Name": "ACME", "BillingCity": "Oslo"}
    assert ways.every_way(core, "Account", "insert", twin) == {"DUPLICATES_DETECTED"}
    assert ways.single(core, "Account", "insert", {"Name": "Acme", "BillingCity": "Rome"}) == ""
    assert ways.single(core, "Account", "insert", {"Name": "Acme"}) == ""
    assert ways.single(core, "Account", "update", {"Id": kept, **twin}) == ""  # not a duplicate of itself
    core.control("delete", {"object": "Account", "id": kept})
    assert ways.single(core, "Account", "insert", twin) == ""
