import base64
import json
from pathlib import Path

import pytest

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "salesforce-recordings"


def recorded(name: str):
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip("the recordings are not beside this checkout")
    return json.loads(path.read_text())


def describe(core, name="Contact"):
    return core.call("GET", f"sobjects/{name}/describe").json()


def test_a_describe_has_the_recorded_keys_in_the_recorded_order(core):
    wanted, found = recorded("describe/contact-v48.json"), describe(core)
    assert set(found) == set(wanted)
    assert [list(each) for each in found["fields"]] == [list(wanted["fields"][0])] * len(found["fields"])
    assert set(found["childRelationships"][0]) == set(wanted["childRelationships"][0])
    assert set(found["recordTypeInfos"][0]) == set(wanted["recordTypeInfos"][0])
    assert wanted["urls"].keys() - found["urls"].keys() == set()


def test_fields_are_described_as_recorded(core):
    """Everything that a client decides by; labels and picklists are the demo company's own."""
    wanted = {each["name"]: each for each in recorded("describe/contact-v48.json")["fields"]}
    keys = (
        "type", "soapType", "length", "byteLength", "precision", "scale", "digits", "createable", "updateable", "nillable",
        "idLookup", "referenceTo", "relationshipName", "compoundFieldName", "extraTypeInfo", "nameField", "queryByDistance",
        "filterable", "groupable", "sortable", "aggregatable", "permissionable", "polymorphicForeignKey",
    )  # fmt: skip
    compared = 0
    for each in describe(core)["fields"]:
        if each["name"] in wanted:
            compared += 1
            found = {key: each[key] for key in keys}
            assert found == {key: wanted[each["name"]][key] for key in keys}, each["name"]
    assert compared > 40


def test_dependent_picklists_name_their_controlling_values_as_bits(core):
    fields = {each["name"]: each for each in describe(core, "Account")["fields"]}
    regions = [each["value"] for each in fields["Region__c"]["picklistValues"]]
    dependent = fields["Subregion__c"]
    assert (dependent["controllerName"], dependent["dependentPicklist"]) == ("Region__c", True)
    for entry in dependent["picklistValues"]:
        bits = base64.b64decode(entry["validFor"])
        allowed = [name for position, name in enumerate(regions) if bits[position >> 3] & (0x80 >> (position & 7))]
        assert allowed == [{"DACH": "EMEA", "Nordics": "EMEA", "Japan": "APAC"}.get(entry["value"], allowed[0])]


def test_a_conditional_describe_answers_304_until_something_changes(core):
    answer = core.call("GET", "sobjects/Account/describe")
    tag, changed = answer.headers["ETag"], answer.headers["Last-Modified"]
    assert core.call("GET", "sobjects/Account/describe", headers={"If-None-Match": tag}).status_code == 304
    unchanged = core.call("GET", "sobjects/Account/describe", headers={"If-Modified-Since": changed})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert core.call("GET", "sobjects/Account/describe", headers={"If-Modified-Since": "nonsense"}).status_code == 200
    core.control("clock", {"advance": 5})
    core.control("settings", {"hidden_fields": {"Account": ["Phone"]}})
    for header in ({"If-None-Match": tag}, {"If-Modified-Since": changed}):
        assert core.call("GET", "sobjects/Account/describe", headers=header).status_code == 200


def test_hidden_fields_and_objects_do_not_exist(core):
    core.control("settings", {"hidden_fields": {"account": ["phone"]}, "hidden_objects": ["Lead"]})
    assert "Phone" not in {each["name"] for each in describe(core, "Account")["fields"]}
    assert core.call("GET", "sobjects/Lead/describe").status_code == 404
    assert "Lead" not in {each["name"] for each in core.call("GET", "sobjects").json()["sobjects"]}


def test_the_list_of_objects_has_the_recorded_keys(core):
    body = core.call("GET", "sobjects").json()
    wanted = recorded("sobjects-list/global-describe.json")
    assert list(body) == list(wanted) == ["encoding", "maxBatchSize", "sobjects"]
    entry = next(each for each in body["sobjects"] if each["name"] == "Account")
    assert set(entry) == set(wanted["sobjects"][0])
    assert (entry["keyPrefix"], body["maxBatchSize"]) == ("001", 200)


def test_a_custom_field_can_be_added_while_the_org_runs(core):
    made = {"name": "Mood__c", "label": "Mood", "type": "string", "length": 10}
    core.control("fields", {"object": "Account", "field": made})
    assert "Mood__c" in {each["name"] for each in describe(core, "Account")["fields"]}
    account = core.call("POST", "sobjects/Account", json={"Name": "x", "mood__c": "good"}).json()["id"]
    assert core.call("GET", f"sobjects/Account/{account}?fields=Mood__c").json()["Mood__c"] == "good"
    core.org.reset()
    assert core.org.schema.find("Account").find("Mood__c") is None
