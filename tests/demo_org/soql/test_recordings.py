"""Our answers have the shape of real ones."""

import json
from pathlib import Path
from typing import Any

import pytest

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "salesforce-recordings"
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded answers are not on this machine")
NAMED = {"AccountNumber", "Name"}


def recording(path: str) -> Any:
    return json.loads((RECORDINGS / path).read_text())


def kinds(value: Any) -> Any:
    """The shape of a JSON value: keys in order and types of values, null fitting anything."""
    if isinstance(value, dict):
        return {key: kinds(each) for key, each in value.items()}
    if isinstance(value, list):
        return [kinds(value[0])] if value else []
    return type(value).__name__


def test_a_result_has_the_recorded_keys_in_order(get) -> None:
    real = recording("query/two-accounts-same-accountnumber.json")
    ours = get("query", q="SELECT Id, AccountNumber FROM Account")
    assert list(ours) == list(real)
    assert list(ours["records"][0]) == list(real["records"][0])
    assert list(ours["records"][0]["attributes"]) == list(real["records"][0]["attributes"])


def test_all_fields_of_an_account_come_as_recorded(get) -> None:
    real = recording("query/account-all-fields-6-records.json")
    fields = [each for each in real["records"][0] if each != "attributes"]
    ours = get("query", q=f"SELECT {', '.join(fields)} FROM Account WHERE Name != 'Sample Account for Entitlements'")
    assert list(ours["records"][0]) == list(real["records"][0])


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("query/empty-result.json", "SELECT Id FROM Contact WHERE Name = 'nobody'"),
        ("query/aggregate-count-expr0.json", "select count(Id) from Account"),
        ("query/user-limit-1.json", "SELECT FirstName, LastName FROM User WHERE FirstName != null LIMIT 1"),
        ("query/account-ids-105-records.json", "SELECT Id FROM Account"),
        (
            "query/opportunity-with-accountid.json",
            "SELECT Id, Name, AccountId, Amount, StageName FROM Opportunity WHERE AccountId != null",
        ),
    ],
)
def test_shapes_and_types_are_the_recorded_ones(get, path: str, query: str) -> None:
    assert kinds(get("query", q=query)) == kinds(recording(path))


def test_parents_children_and_multiselects_have_the_recorded_shape(get) -> None:
    real = recording("query/parent-child-multiselect.json")["records"][0]
    text = "SELECT Is_Reference__c, Name, CreatedDate, Product_Lines__c, Owner.Name, (SELECT Name FROM Contacts) FROM Account WHERE Name = 'Acme'"
    ours = get("query", q=text)["records"][0]
    assert type(ours["Is_Reference__c"]) is type(real["Checkbox_Label"])
    assert ours["CreatedDate"][-9:] == real["DateTime_Label"][-9:]
    assert ours["Product_Lines__c"].count(";") == real["Picklist_Multiselect_Label"].count(";")
    assert set(ours["Owner"]["attributes"]) == set(real["ParentWhizbang__r"]["attributes"])
    assert list(ours["Contacts"]) == list(real["Whizbangs__r"])


def test_pages_have_the_recorded_keys(get) -> None:
    first = get("query", q="SELECT Name FROM Topic")
    assert list(first) == list(recording("query/page-1-nextrecordsurl.json"))
    assert list(get(first["nextRecordsUrl"])) == list(recording("query/page-last.json"))


def test_tooling_answers_have_the_recorded_keys(get) -> None:
    real = recording("query/tooling-apex-test-queue.json")
    ours = get("tooling/query", q="SELECT Id FROM User")
    assert list(ours) == list(real)
    assert "/tooling/sobjects/" in real["records"][0]["attributes"]["url"]


def test_a_search_without_braces_is_refused_as_recorded(get) -> None:
    assert get("search", q="FIND bar", status=400) == recording("search/malformed-search.json")


def test_an_unknown_locator_is_refused_as_recorded(get) -> None:
    assert get("query/01g000000000001AAA-2000", status=400) == recording("errors/invalid-query-locator.json")


def test_an_overlong_query_is_refused_as_recorded(world) -> None:
    from integrations.demo_org.errors import ApiError
    from integrations.demo_org.query import compile_for

    with pytest.raises(ApiError) as caught:
        compile_for(world.org, world.caller, "SELECT Id FROM Account WHERE Name = 'x'" + " " * 100_000)
    real = recording("errors/soql-too-long.json")[0]
    assert (caught.value.code, caught.value.message) == (real["errorCode"], real["message"])


@pytest.mark.parametrize(
    "name",
    ["campaignmember-and", "external-id-in-list", "float-in-list", "permissionset", "recordtype-query", "topicassignment-and"],
)
def test_recorded_queries_run_here(get, name: str) -> None:
    index = {each["file"]: each for each in recording("index.json")}
    request = index[f"query/{name}.json"]["request"]
    asked = {
        "external-id-in-list": "SELECT Id, External_Id__c FROM Account WHERE External_Id__c IN ('1id', '2id')",
        "float-in-list": "SELECT Id, NPS__c FROM Contact WHERE NPS__c IN (1, 2, 3)",
        "permissionset": "SELECT Id, Name FROM PermissionSet",
    }
    text = asked.get(name) or request.partition("?q=")[2]
    assert get("query", q=text)["done"] is True
