"""Fields that are added, changed, hidden and removed while the org runs: describe and queries agree at once."""

from typing import Any

import pytest
import requests

from tests.demo_org.core.served_org import Core
from tests.demo_org.hindrances import ways


def change(core: Core, **field) -> None:
    core.control("fields", {"object": "Account", "field": field})


def described(core: Core, name: str) -> Any:
    fields = core.call("GET", "sobjects/Account/describe").json()["fields"]
    return next((each for each in fields if each["name"] == name), None)


def values(core: Core, text: str) -> list:
    answer = core.call("GET", "query", params={"q": text})
    assert answer.status_code == 200, answer.text
    return [list(each.values())[-1] for each in answer.json()["records"]]


def refusal(core: Core, text: str) -> str:
    return core.call("GET", "query", params={"q": text}).json()[0]["errorCode"]


def test_a_field_comes_and_goes(core: Core) -> None:
    assert refusal(core, "SELECT Mood__c FROM Account") == "INVALID_FIELD"
    change(core, name="Mood__c", length=20)
    assert described(core, "Mood__c")["length"] == 20
    assert ways.every_way(core, "Account", "insert", {"Name": "x", "Mood__c": "good"}) == {""}
    assert set(values(core, "SELECT Mood__c FROM Account")) == {"good"}
    core.control("fields", {"object": "Account", "field": {"name": "Mood__c"}, "remove": True})
    assert described(core, "Mood__c") is None
    assert refusal(core, "SELECT Mood__c FROM Account") == "INVALID_FIELD"
    assert ways.single(core, "Account", "insert", {"Name": "x", "Mood__c": "good"}) == "INVALID_FIELD"
    job = ways.create_job(core, "Account", "insert", [{"Name": "x", "Mood__c": "good"}])
    assert ways.wait(core, job)["errorMessage"] == "InvalidBatch : Field name not found : Mood__c"


@pytest.mark.parametrize(
    ("before", "given", "after", "kept"),
    [
        ({"type": "string", "length": 20}, ["12", "3.50", "many"], {"type": "double", "precision": 10, "scale": 1}, [12.0, 3.5, None]),
        ({"type": "double", "precision": 10, "scale": 1}, [12, 3.5, None], {"type": "string", "length": 20}, ["12", "3.5", None]),
        ({"type": "picklist", "picklist": [{"value": "a"}]}, ["a", "b", None], {"type": "multipicklist"}, ["a", "b", None]),
        ({"type": "date"}, ["2026-01-02", None], {"type": "datetime"}, ["2026-01-02T00:00:00.000+0000", None]),
        ({"type": "string", "length": 5}, ["yes", "0", "?"], {"type": "boolean"}, [True, False, False]),
        ({"type": "boolean"}, [True, False], {"type": "string", "length": 5}, ["true", "false"]),
    ],
)  # fmt: skip
def test_r_055_a_field_gets_another_type(core: Core, before: dict, given: list, after: dict, kept: list) -> None:
    change(core, name="Morph__c", **before)
    for number, value in enumerate(given):
        core.make("Account", Name=f"A{number}", Morph__c=value)
    change(core, name="Morph__c", **after)
    assert described(core, "Morph__c")["type"] == after["type"]
    assert values(core, "SELECT Morph__c FROM Account ORDER BY Name") == kept


def test_an_indexed_field_that_changed_its_type_is_still_unique(core: Core) -> None:
    change(core, name="Key__c", length=20, external_id=True, unique=True)
    core.make("Account", Name="x", Key__c="7")
    change(core, name="Key__c", type="double", precision=10, scale=0, length=0)
    assert ways.single(core, "Account", "insert", {"Name": "y", "Key__c": 7}) == "DUPLICATE_VALUE"
    assert core.call("GET", "sobjects/Account/Key__c/7").json()["Name"] == "x"


def test_a_modstamp_may_not_be_filterable(core: Core) -> None:
    change(core, name="SystemModstamp", filterable=False)
    assert described(core, "SystemModstamp")["filterable"] is False
    assert described(core, "SystemModstamp")["type"] == "datetime"
    assert refusal(core, "SELECT Id FROM Account WHERE SystemModstamp > 2020-01-01T00:00:00Z") == "INVALID_FIELD"
    assert values(core, "SELECT Id FROM Account WHERE LastModifiedDate > 2020-01-01T00:00:00Z") == []


def test_r_053_a_hidden_field_fails_for_readers_and_writers(core: Core) -> None:
    core.control("settings", {"hidden_fields": {"Account": ["Phone"]}})
    assert described(core, "Phone") is None
    assert refusal(core, "SELECT Phone FROM Account") == "INVALID_FIELD"
    job = core.call("POST", "jobs/query", json={"operation": "query", "query": "SELECT Phone FROM Account"})
    assert job.json()[0]["errorCode"] == "INVALID_FIELD"
    assert ways.single(core, "Account", "insert", {"Name": "x", "Phone": "1"}) == "INVALID_FIELD"


@pytest.mark.parametrize(
    "body",
    [{"object": "Nope", "field": {"name": "X__c"}}, {"object": "Account"}, {"object": "Account", "field": {"name": "X__c", "a": 1}},
     {"object": "Account", "field": {"name": "Phone"}, "remove": True}],
)  # fmt: skip
def test_changes_that_make_no_sense_are_refused(core: Core, body: dict) -> None:
    assert requests.post(f"{core.url}/__demo__/fields", json=body, timeout=10).status_code == 400


def test_the_help_names_every_call_and_every_setting(core: Core) -> None:
    page = core.http.get(f"{core.url}/__demo__/help", timeout=10)
    assert page.headers["content-type"].startswith("text/html")
    told = core.http.get(f"{core.url}/__demo__/help", headers={"Accept": "application/json"}, timeout=10).json()
    assert {each["name"] for each in told["settings"]} == set(core.control("settings", method="GET"))
    assert all(each["help"] for each in told["settings"])
    paths = {each["path"] for each in told["calls"]}
    assert {"/__demo__/rights", "/__demo__/rules", "/__demo__/jobs", "/__demo__/purge", "/__demo__/allowance"} <= paths
    assert all(each["help"] for each in told["calls"])
    assert all(path in page.text for path in paths)
