"""Access to objects that is taken away and given back while the org runs (R-056)."""

import pytest

from tests.demo_org.core.served_org import Core
from tests.demo_org.hindrances import ways


def take(core: Core, **wanted) -> None:
    core.control("rights", {"user": "ada@core.example", "object": "Account", **wanted})


def query(core: Core, text: str):
    return core.call("GET", "query", params={"q": text})


def test_r_056_an_object_that_a_user_may_not_read_does_not_exist_for_him(core: Core) -> None:
    account = core.make("Account", Name="Acme")
    core.make("Contact", LastName="Lee", AccountId=account)
    take(core, read=False)
    refused = query(core, "SELECT Id FROM Account")
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "INVALID_TYPE")
    assert "sObject type 'Account' is not supported" in refused.json()[0]["message"]
    assert query(core, "SELECT Account.Name FROM Contact").json()[0]["errorCode"] == "INVALID_FIELD"
    assert query(core, "SELECT AccountId FROM Contact").json()["records"][0]["AccountId"] == account
    for path in ("sobjects/Account", "sobjects/Account/describe", f"sobjects/Account/{account}"):
        assert core.call("GET", path).status_code == 404
    assert "Account" not in [each["name"] for each in core.call("GET", "sobjects").json()["sobjects"]]
    job = core.call("POST", "jobs/query", json={"operation": "query", "query": "SELECT Id FROM Account"})
    assert (job.status_code, job.json()[0]["errorCode"]) == (400, "INVALID_TYPE")
    made = core.call("POST", "jobs/ingest", json={"object": "Account", "operation": "insert"})
    assert made.json()[0]["errorCode"] == "INVALIDENTITY"
    take(core, read=True)
    assert query(core, "SELECT Id FROM Account").json()["totalSize"] == 1


def test_r_056_a_bulk_query_fails_when_access_is_lost_before_it_runs(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    core.make("Account", Name="Acme")
    started = []
    monkeypatch.setattr("integrations.demo_org.bulk.runner.Runner.start", lambda runner, job: started.append((runner, job)))
    job = core.call("POST", "jobs/query", json={"operation": "query", "query": "SELECT Id FROM Account"}).json()["id"]
    take(core, read=False)
    monkeypatch.undo()
    started[0][0].start(started[0][1])
    seen = ways.wait(core, job, kind="query")
    assert (seen["state"], seen["errorMessage"][:12]) == ("Failed", "INVALID_TYPE")


@pytest.mark.parametrize(
    ("operation", "verb", "code"),
    [
        ("insert", "create", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"),
        ("update", "edit", "INSUFFICIENT_ACCESS_OR_READONLY"),
        ("delete", "delete", "INSUFFICIENT_ACCESS_OR_READONLY"),
    ],
)
def test_writes_without_the_right_fail_in_every_way(core: Core, operation: str, verb: str, code: str) -> None:
    account = core.make("Account", Name="Acme")
    row = {"insert": {"Name": "New"}, "update": {"Id": account, "Name": "Other"}, "delete": {"Id": account}}[operation]
    take(core, **{verb: False})
    assert ways.every_way(core, "Account", operation, row) == {code}
    assert (core.row("Account", account)["Name"], core.row("Account", account)["IsDeleted"]) == ("Acme", 0)
    assert query(core, "SELECT COUNT() FROM Account").json()["totalSize"] == 1
    flag = {"create": "createable", "edit": "updateable", "delete": "deletable"}[verb]
    assert core.call("GET", "sobjects/Account/describe").json()[flag] is False
    core.control("rights", method="DELETE")
    assert ways.single(core, "Account", operation, row) == ""


def test_an_upsert_does_what_the_user_may_do(core: Core) -> None:
    core.make("Account", Name="Known", External_Id__c="K1")
    take(core, create=False)
    rows = [{"External_Id__c": "K1", "Name": "Changed"}, {"External_Id__c": "K2", "Name": "New"}]
    codes = ways.bulk(core, "Account", "upsert", rows, externalIdFieldName="External_Id__c")
    assert codes == ["CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", ""]
    assert query(core, "SELECT Name FROM Account").json()["records"][0]["Name"] == "Changed"
    answer = core.call("PATCH", "sobjects/Account/External_Id__c/K3", json={"Name": "New"})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")
    take(core, create=True, edit=False)
    answer = core.call("PATCH", "sobjects/Account/External_Id__c/K1", json={"Name": "New"})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    codes = ways.bulk(core, "Account", "upsert", rows, externalIdFieldName="External_Id__c")
    assert codes == ["INSUFFICIENT_ACCESS_OR_READONLY", ""]


def test_fields_can_be_taken_from_one_user(core: Core) -> None:
    take(core, fields={"Industry": {"read": False}, "Phone": {"edit": False}})
    assert query(core, "SELECT Industry FROM Account").json()[0]["errorCode"] == "INVALID_FIELD"
    assert ways.every_way(core, "Account", "insert", {"Name": "x", "Phone": "1"}) == {"INVALID_FIELD_FOR_INSERT_UPDATE"}
    fields = {each["name"]: each for each in core.call("GET", "sobjects/Account/describe").json()["fields"]}
    assert "Industry" not in fields
    assert not fields["Phone"]["updateable"]


def test_rights_of_one_user_do_not_touch_another(core: Core) -> None:
    other = core.make("User", Username="bo@core.example", LastName="Bo", Email="bo@core.example", Alias="bo",
                      TimeZoneSidKey="UTC", LocaleSidKey="en_US", EmailEncodingKey="UTF-8", LanguageLocaleKey="en_US",
                      ProfileId=core.org.store.read().execute("SELECT Id FROM Profile").fetchone()[0])  # fmt: skip
    core.control("rights", {"user": other, "object": "Account", "read": False})
    assert query(core, "SELECT Id FROM Account").status_code == 200
    core.control("rights", {"object": "Account", "read": False})
    assert query(core, "SELECT Id FROM Account").status_code == 400
    core.control("rights", {"user": "ada@core.example", "object": "Account", "read": True})
    assert query(core, "SELECT Id FROM Account").status_code == 200
    core.control("reset", {})
    assert core.control("rights", method="GET") == {"rights": []}


@pytest.mark.parametrize(
    "body", [{"object": "Nothing"}, {"object": "Account", "user": "nobody"}, {"object": "Account", "reed": True},
             {"object": "Account", "read": "no"}, {"object": "Account", "fields": {"Nope": {"read": False}}}],
)  # fmt: skip
def test_orders_that_make_no_sense_are_refused(core: Core, body: dict) -> None:
    import requests

    answer = requests.post(f"{core.url}/__demo__/rights", json=body, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]
