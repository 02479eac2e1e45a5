"""Objects and records over HTTP."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "salesforce-recordings"


def recorded(name: str):
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip("the recordings are not beside this checkout")
    return json.loads(path.read_text())


def test_a_created_record_answers_201_with_location(core):
    answer = core.call("POST", "sobjects/Account", json={"Name": "Acme"})
    assert answer.status_code == 201
    body = answer.json()
    assert list(body) == list(recorded("create/account-201.json"))
    assert answer.headers["Location"] == f"/services/data/v65.0/sobjects/Account/{body['id']}"


def test_a_record_shows_every_field_in_salesforce_form(core):
    made = {"BillingCity": "Ulm", "Is_Reference__c": True, "ARR__c": 5, "Headquarters__Latitude__s": 1.5}
    account = core.make("Account", Name="x", **made, Headquarters__Longitude__s=2.5)
    body = core.call("GET", f"sobjects/account/{account[:15]}").json()
    assert body["attributes"] == {"type": "Account", "url": f"/services/data/v65.0/sobjects/Account/{account}"}
    assert body["CreatedDate"].endswith(".000+0000")
    assert body["IsDeleted"] is False
    assert body["Is_Reference__c"] is True
    assert body["ARR__c"] == 5.0
    assert isinstance(body["ARR__c"], float)
    assert body["BillingAddress"]["city"] == "Ulm"
    assert body["BillingAddress"]["street"] is None
    assert body["ShippingAddress"] is None
    assert body["Headquarters__c"] == {"latitude": 1.5, "longitude": 2.5}
    assert body["Tier__c"] == "Silver"
    assert set(body) - {"attributes"} == {each.name for each in core.org.schema_for(core.caller).find("Account").fields}


def test_asked_fields_come_in_canonical_case_with_the_id(core):
    account = core.make("Account", Name="x")
    body = core.call("GET", f"sobjects/Account/{account}?fields=name,phone").json()
    assert list(body) == ["attributes", "Name", "Phone", "Id"]
    answer = core.call("GET", f"sobjects/Account/{account}?fields=AccountNumer")
    assert answer.status_code == 400
    assert answer.json() == recorded("errors/invalid-field-no-such-column.json")


def test_changes_and_deletes_answer_204(core):
    account = core.make("Account", Name="x")
    answer = core.call("PATCH", f"sobjects/Account/{account}", json={"Name": "y"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert core.row("Account", account)["Name"] == "y"
    assert core.call("DELETE", f"sobjects/Account/{account}").status_code == 204
    again = core.call("DELETE", f"sobjects/Account/{account}")
    assert (again.status_code, again.json()[0]["errorCode"]) == (404, "ENTITY_IS_DELETED")
    gone = core.call("GET", f"sobjects/Account/{account}")
    assert gone.status_code == 404
    assert gone.json() == recorded("errors/not-found-resource.json")


def test_a_patch_may_come_as_post(core):
    account = core.make("Account", Name="x")
    answer = core.call("POST", f"sobjects/Account/{account}?_HttpMethod=PATCH", json={"Name": "y"})
    assert answer.status_code == 204
    assert core.row("Account", account)["Name"] == "y"


def test_a_missing_required_field_answers_as_recorded(core):
    answer = core.call("POST", "sobjects/Account", json={"Phone": "1"})
    assert answer.status_code == 400
    assert answer.json() == recorded("errors/required-field-missing.json")


def test_a_read_only_field_answers_as_recorded(core):
    answer = core.call("POST", "sobjects/Account", json={"Name": "x", "MasterRecordId": "001"})
    assert answer.json() == recorded("errors/invalid-field-for-insert-update.json")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "sobjects/Account/zzz", 400, "MALFORMED_ID"),
        ("GET", "sobjects/Account/001dM0000099999", 404, "NOT_FOUND"),
        ("GET", "sobjects/Account/003dM0000099999", 404, "NOT_FOUND"),
        ("GET", "sobjects/Nope", 404, "NOT_FOUND"),
        ("GET", "sobjects/Account/listviews/00BdM0000ZZZZZZ", 404, "NOT_FOUND"),
        ("GET", "sobjects/Account/describe/namedLayouts/Nope", 404, "NOT_FOUND"),
        ("GET", "sobjects/Nope/describe", 404, "NOT_FOUND"),
        ("GET", "nothing/here", 404, "NOT_FOUND"),
        ("GET", "tooling/nothing", 404, "NOT_FOUND"),
        ("GET", "/services/apexrest/anything", 404, "NOT_FOUND"),
        ("PUT", "sobjects/Account", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "sobjects", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_what_is_not_there_is_refused_in_the_api_form(core, method, path, status, code):
    answer = core.call(method, path)
    assert answer.status_code == status
    assert [each["errorCode"] for each in answer.json()] == [code]


def test_a_refused_method_names_the_allowed_ones(core):
    answer = core.call("PUT", "sobjects/Account", json={})
    assert answer.headers["Allow"] == "GET,HEAD,POST"
    assert answer.json()[0]["message"] == "HTTP Method 'PUT' not allowed. Allowed are GET,HEAD,POST"


def test_bodies_that_are_no_json_are_refused(core):
    answer = core.call("POST", "sobjects/Account", data="Name=x")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    for text in ("{", "", "[1]", '{"Name": }'):
        answer = core.call("POST", "sobjects/Account", data=text, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR"), text


def test_the_key_of_the_address_must_not_be_in_the_body(core):
    account = core.make("Account", Name="x", External_Id__c="k")
    for path, body in ((account, {"Id": account}), ("External_Id__c/k", {"external_id__c": "k"})):
        answer = core.call("PATCH", f"sobjects/Account/{path}", json=body)
        assert answer.status_code == 400
        assert "should not be specified in the sobject data" in answer.json()[0]["message"]


def test_an_upsert_answers_by_version(core):
    path = "sobjects/Account/External_Id__c/a%2Fb%20%C3%A9.json"
    created = core.call("PATCH", path, json={"Name": "x"})
    assert created.status_code == 201
    assert {key: created.json()[key] for key in ("success", "errors", "created")} == {
        "success": True,
        "errors": [],
        "created": True,
    }
    changed = core.call("PATCH", path, json={"Name": "y"})
    assert (changed.status_code, changed.json()["created"]) == (200, False)
    older = core.call("PATCH", f"/services/data/v45.0/{path}", json={"Name": "z"})
    assert (older.status_code, older.content) == (204, b"")
    body = core.call("GET", path).json()
    assert (body["Name"], body["External_Id__c"], body["Id"]) == ("z", "a/b é.json", created.json()["id"])
    assert core.call("DELETE", path).status_code == 204
    assert core.call("GET", path).status_code == 404


def test_an_upsert_that_may_only_update_creates_nothing(core):
    answer = core.call("PATCH", "sobjects/Account/External_Id__c/k?updateOnly=true", json={"Name": "x"})
    assert answer.status_code == 404
    assert core.org.store.read().execute("SELECT COUNT(*) FROM Account").fetchone()[0] == 0


def test_a_key_of_several_records_answers_300_with_their_addresses(core):
    made = [core.make("Account", Name=name, Legacy_Number__c=7) for name in "ab"]
    for method in ("GET", "PATCH", "DELETE"):
        answer = core.call(method, "sobjects/Account/Legacy_Number__c/7", json={} if method == "PATCH" else None)
        assert answer.status_code == 300
        assert answer.json() == [f"/services/data/v65.0/sobjects/Account/{each}" for each in made]


def test_a_field_that_is_no_key_answers_as_recorded(core):
    answer = core.call("PATCH", "sobjects/Account/rid/1", json={})
    assert answer.status_code == 404
    assert answer.json() == recorded("errors/not-found-external-id-field.json")


def test_several_broken_rules_are_several_errors(core):
    rules = [{"object": "Account", "field": "Phone", "op": "blank", "message": text} for text in ("one", "two")]
    core.org.settings.update({"validation_rules": rules})
    answer = core.call("POST", "sobjects/Account", json={"Name": "x"})
    assert [each["message"] for each in answer.json()] == ["one", "two"]


def test_recent_records_come_newest_first(core):
    first, second = (core.call("POST", "sobjects/Account", json={"Name": name}).json()["id"] for name in "ab")
    core.call("GET", f"sobjects/Account/{first}")
    assert [each["Id"] for each in core.call("GET", "recent").json()] == [first, second]
    assert [each["Id"] for each in core.call("GET", "recent?limit=1").json()] == [first]
    shown = core.call("GET", "sobjects/Account").json()
    assert [each["Name"] for each in shown["recentItems"]] == ["a", "b"]
    assert shown["objectDescribe"]["name"] == "Account"


def test_record_counts_leave_unknown_objects_out(core):
    core.make("Account", Name="x")
    body = core.call("GET", "limits/recordCount?sObjects=Account,Nope").json()
    assert body == {"sObjects": [{"count": 1, "name": "Account"}]}


def test_xml_by_suffix_or_accept_header(core):
    account = core.make("Account", Name="<x> & y")
    for path, headers in ((f"{account}.xml", {}), (account, {"Accept": "application/xml"})):
        answer = core.call("GET", f"sobjects/Account/{path}", headers=headers)
        assert answer.headers["Content-Type"] == "application/xml;charset=UTF-8"
        assert ET.fromstring(answer.content).findtext("Name") == "<x> & y"
    refused = core.call("GET", "sobjects/Nope", headers={"Accept": "application/xml"})
    assert ET.fromstring(refused.content).findtext("Error/errorCode") == "NOT_FOUND"


def test_pretty_print_is_javas(core):
    account = core.make("Account", Name="x")
    answer = core.call("GET", f"sobjects/Account/{account}?fields=Name", headers={"X-PrettyPrint": "1"})
    assert answer.text == (
        '{\n  "attributes" : {\n    "type" : "Account",\n'
        f'    "url" : "/services/data/v65.0/sobjects/Account/{account}"\n  }},\n  "Name" : "x",\n  "Id" : "{account}"\n}}'
    )
    missing = core.call("GET", "nothing", headers={"X-PrettyPrint": "1"})
    recording = RECORDINGS / "errors" / "not-found-resource.json"
    if recording.exists():
        shape = recording.read_text().strip().split('"')[0::4]
        assert missing.text.split('"')[0::4] == shape
