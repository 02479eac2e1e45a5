"""Objects, fields and permission sets by the Metadata API's calls."""

import re

import pytest

from integrations.demo_org.metadata.components import Workshop
from integrations.demo_org.opening import open_org
from integrations.demo_org.org import Caller
from integrations.demo_org.schema.catalogue import standard_objects
from tests.demo_org.core.served_org import Core
from tests.demo_org.metadata.calling import grant, save, soap, text_field

OBJECT = (
    "<fullName>Made__c</fullName><label>Made</label><pluralLabel>Mades</pluralLabel><nameField><label>Name</label>"
    "<type>Text</type></nameField><deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel>"
)


def fields_of(core: Core, name: str) -> dict[str, dict]:
    return {each["name"]: each for each in core.call("GET", f"sobjects/{name}/describe").json()["fields"]}


def test_an_object_with_a_field_can_be_used_at_once(core: Core) -> None:
    field = "<fields><fullName>Parent__c</fullName><label>Parent</label><type>Lookup</type><referenceTo>Account</referenceTo>"
    answer = save(core, "CustomObject", f"{OBJECT}{field}<relationshipName>Mades</relationshipName></fields>")
    assert "<created>true</created><fullName>Made__c</fullName><success>true</success>" in answer
    grant(core, "Made__c.Parent__c")
    account = core.make("Account", Name="Top")
    made = core.call("POST", "sobjects/Made__c", json={"Name": "One", "Parent__c": account})
    assert made.status_code == 201
    assert made.json()["id"].startswith("a")
    nested = core.call("GET", "query", params={"q": f"SELECT (SELECT Name FROM Mades__r) FROM Account WHERE Id = '{account}'"})
    assert nested.json()["records"][0]["Mades__r"]["records"][0]["Name"] == "One"


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        (text_field("Account.Spaces here__c"), "INVALID_FIELD"),
        (text_field("Account.NoSuffix"), "INVALID_FIELD"),
        (text_field("Account.ns__Thing__c"), "INVALID_FIELD"),
        (text_field("Nothing__c.Made__c"), "INVALID_CROSS_REFERENCE_KEY"),
        ("<fullName>Account.Made__c</fullName><label>x</label><type>Text</type>", "FIELD_INTEGRITY_EXCEPTION"),
        ("<fullName>Account.Made__c</fullName><type>Date</type>", "REQUIRED_FIELD_MISSING"),
        (
            "<fullName>Account.Made__c</fullName><label>x</label><type>Lookup</type><referenceTo>Nope</referenceTo>",
            "INVALID_FIELD",
        ),
        (
            "<fullName>Account.Made__c</fullName><label>x</label><type>Text</type><formula>1</formula>",
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (
            "<fullName>Account.Made__c</fullName><label>x</label><type>Date</type><unique>true</unique>",
            "FIELD_INTEGRITY_EXCEPTION",
        ),
    ],
)
def test_what_cannot_be_a_field_is_refused_with_a_code(core: Core, inner: str, code: str) -> None:
    answer = save(core, "CustomField", inner)
    assert f"<statusCode>{code}</statusCode>" in answer
    assert "<success>false</success>" in answer


def test_every_type_of_field_becomes_what_describe_calls_it(core: Core) -> None:
    number = "<precision>8</precision><scale>2</scale>"
    value = "<value><fullName>A</fullName><default>false</default></value>"
    values = f"<valueSet><valueSetDefinition><sorted>false</sorted>{value}</valueSetDefinition></valueSet>"
    cases = {
        "LongTextArea": ("<length>1000</length>", "textarea"), "Html": ("<length>1000</length>", "textarea"),
        "TextArea": ("", "textarea"), "Number": (number, "double"), "Currency": (number, "currency"),
        "Percent": (number, "percent"), "Checkbox": ("<defaultValue>true</defaultValue>", "boolean"), "Date": ("", "date"),
        "DateTime": ("", "datetime"), "Time": ("", "time"), "Email": ("", "email"), "Phone": ("", "phone"),
        "Url": ("", "url"), "Picklist": (values, "picklist"), "MultiselectPicklist": (values, "multipicklist"),
        "AutoNumber": ("<displayFormat>X-{0000}</displayFormat>", "string"),
    }  # fmt: skip
    for kind, (more, _) in cases.items():
        inner = f"<fullName>Account.T_{kind}__c</fullName><label>{kind}</label><type>{kind}</type>{more}"
        assert "<success>true</success>" in save(core, "CustomField", inner), kind
        grant(core, f"Account.T_{kind}__c", editable=False)
    found = fields_of(core, "Account")
    assert {kind: found[f"T_{kind}__c"]["type"] for kind in cases} == {kind: word for kind, (_, word) in cases.items()}
    made = core.call("POST", "sobjects/Account", json={"Name": "All"}).json()["id"]
    shown = core.call("GET", f"sobjects/Account/{made}").json()
    assert (shown["T_Checkbox__c"], shown["T_AutoNumber__c"]) == (True, "X-0001")


def test_a_field_is_invisible_and_not_writable_until_a_permission_set_grants_it(core: Core) -> None:
    save(core, "CustomField", text_field("Account.Secret__c"))
    assert "Secret__c" not in fields_of(core, "Account")
    refused = core.call("GET", "query", params={"q": "SELECT Secret__c FROM Account"}).json()[0]
    assert (refused["errorCode"], "No such column 'Secret__c'" in refused["message"]) == ("INVALID_FIELD", True)
    grant(core, "Account.Secret__c", editable=False)
    assert fields_of(core, "Account")["Secret__c"]["updateable"] is False
    write = core.call("POST", "sobjects/Account", json={"Name": "x", "Secret__c": "y"})
    assert write.json()[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    grant(core, "Account.Secret__c", editable=True)
    assert core.call("POST", "sobjects/Account", json={"Name": "x", "Secret__c": "y"}).status_code == 201


def test_a_conditional_describe_notices_a_new_field(core: Core) -> None:
    first = core.call("GET", "sobjects/Account/describe")
    same = core.call("GET", "sobjects/Account/describe", headers={"If-Modified-Since": first.headers["Last-Modified"]})
    assert same.status_code == 304
    save(core, "CustomField", text_field("Account.Noticed__c"))
    grant(core, "Account.Noticed__c")
    now = core.call("GET", "sobjects/Account/describe", headers={"If-Modified-Since": first.headers["Last-Modified"]})
    assert now.status_code == 200


def test_a_deleted_field_forgets_its_values_and_its_grants(core: Core) -> None:
    save(core, "CustomField", text_field("Account.Again__c"))
    grant(core, "Account.Again__c")
    made = core.call("POST", "sobjects/Account", json={"Name": "x", "Again__c": "old"}).json()["id"]
    gone = soap(core, "deleteMetadata", "<type>CustomField</type><fullNames>Account.Again__c</fullNames>").text
    assert "<fullName>Account.Again__c</fullName><success>true</success>" in gone
    save(core, "CustomField", text_field("Account.Again__c"))
    assert "Again__c" not in fields_of(core, "Account")
    grant(core, "Account.Again__c")
    assert core.call("GET", f"sobjects/Account/{made}").json()["Again__c"] is None


def test_what_was_deployed_survives_a_restart(core: Core, tmp_path) -> None:
    org = open_org(tmp_path, objects=standard_objects())
    workshop = Workshop(org, Caller("005000000000001AAA"))
    values = {"fullName": "Account.Kept__c", "label": "Kept", "type": "Text", "length": "10"}
    assert workshop.save("CustomField", values).created
    workshop.keep()
    org.close()
    again = open_org(tmp_path, objects=standard_objects())
    assert again.schema.find("Account").find("Kept__c") is not None
    assert again.schema_for(Caller("005000000000001AAA")).find("Account").find("Kept__c") is None
    again.close()


def test_standard_fields_and_objects_stay_as_they_are(core: Core) -> None:
    assert "standard fields cannot be changed" in save(core, "CustomField", text_field("Account.Industry"))
    refused = soap(core, "deleteMetadata", "<type>CustomObject</type><fullNames>Account</fullNames>").text
    assert "<success>false</success>" in refused
    assert core.call("GET", "sobjects/Account").status_code == 200


def test_an_object_that_others_point_to_is_not_deleted(core: Core) -> None:
    save(core, "CustomObject", OBJECT)
    link = "<fullName>Account.Made__c</fullName><label>x</label><type>Lookup</type><referenceTo>Made__c</referenceTo>"
    save(core, "CustomField", link)
    refused = soap(core, "deleteMetadata", "<type>CustomObject</type><fullNames>Made__c</fullNames>").text
    assert "<statusCode>DEPENDENCY_EXISTS</statusCode>" in refused


def test_a_wrong_session_or_version_is_a_fault(core: Core) -> None:
    wrong = soap(core, "listMetadata", "<queries><type>CustomObject</type></queries>", token="nonsense")
    assert wrong.status_code == 500
    assert "<faultcode>sf:INVALID_SESSION_ID</faultcode>" in wrong.text
    assert "UNSUPPORTED_API_VERSION" in soap(core, "describeMetadata", version="29.0").text
    assert "INVALID_OPERATION" in soap(core, "inventedCall").text


def test_users_who_may_not_customize_change_nothing(core: Core) -> None:
    org = core.org
    with org.store.write() as connection:
        profile = org.store.next_ids("Profile", 1)[0]
        org.store.insert("Profile", [{"Id": profile, "Name": "Standard User", "SystemModstamp": "2026-01-02T03:04:05.000Z"}])
        connection.execute('UPDATE "User" SET ProfileId = ?', (profile,))
    refused = soap(core, "upsertMetadata", f'<metadata xsi:type="CustomField">{text_field("Account.No__c")}</metadata>')
    assert "INSUFFICIENT_ACCESS" in refused.text
    assert org.schema.find("Account").find("No__c") is None


def test_more_than_ten_components_are_refused(core: Core) -> None:
    parts = "".join(f'<metadata xsi:type="CustomField">{text_field(f"Account.F{each}__c")}</metadata>' for each in range(11))
    assert "LIMIT_EXCEEDED" in soap(core, "createMetadata", parts).text
    assert core.org.schema.find("Account").find("F0__c") is None


def test_field_permissions_can_be_given_by_records_as_well(core: Core) -> None:
    save(core, "CustomField", text_field("Contact.Direct__c"))
    made = core.call("POST", "sobjects/PermissionSet", json={"Name": "Direct", "Label": "Direct"}).json()["id"]
    core.call("POST", "sobjects/PermissionSetAssignment", json={"AssigneeId": core.caller.user_id, "PermissionSetId": made})
    row = {"ParentId": made, "SobjectType": "Contact", "Field": "Contact.Direct__c", "PermissionsRead": True}
    assert core.call("POST", "sobjects/FieldPermissions", json=row).status_code == 201
    assert "Direct__c" in fields_of(core, "Contact")


def test_s_039_entities_in_a_call_are_refused_at_once(core: Core) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>'
    answer = core.http.post(f"{core.url}/services/Soap/m/60.0", data=bomb, headers={"Content-Type": "text/xml"}, timeout=5)
    assert answer.status_code == 500
    assert re.search(r"document type|well-formed", answer.text)


def test_a_geolocation_field_has_two_coordinates(core: Core) -> None:
    inner = (
        "<fullName>Account.Spot__c</fullName><displayLocationInDecimal>true</displayLocationInDecimal><label>Spot</label>"
        "<scale>4</scale><type>Location</type>"
    )
    assert "<success>true</success>" in save(core, "CustomField", inner)
    shown = {each["name"] for each in core.call("GET", "sobjects/Account/describe").json()["fields"]}
    assert not {"Spot__c", "Spot__Latitude__s"} & shown  # nobody was granted it yet
    grant(core, "Account.Spot__c")
    fields = {each["name"]: each for each in core.call("GET", "sobjects/Account/describe").json()["fields"]}
    assert (fields["Spot__c"]["type"], fields["Spot__Latitude__s"]["scale"]) == ("location", 4)
    body = {"Name": "Here", "Spot__Latitude__s": 52.5, "Spot__Longitude__s": 13.4}
    made = core.call("POST", "sobjects/Account", json=body).json()["id"]
    found = core.call("GET", f"sobjects/Account/{made}", params={"fields": "Spot__c"}).json()
    assert found["Spot__c"] == {"latitude": 52.5, "longitude": 13.4}
    told = soap(core, "readMetadata", "<type>CustomField</type><fullNames>Account.Spot__c</fullNames>").text
    assert "<scale>4</scale><type>Location</type>" in told
    assert "<success>true</success>" in save(core, "CustomField", inner)
    dropped = soap(core, "deleteMetadata", "<type>CustomField</type><fullNames>Account.Spot__c</fullNames>").text
    assert "<success>true</success>" in dropped
    assert core.org.schema.find("Account").find("Spot__Longitude__s") is None


def test_what_is_retrieved_can_be_saved_again(core: Core) -> None:
    """Clients change one element of an object file and send the whole file back."""
    told = soap(core, "readMetadata", "<type>CustomField</type><fullNames>Account.Headquarters__c</fullNames>").text
    inner = re.search(r"<records [^>]*>(.*)</records>", told, re.DOTALL)
    assert inner
    assert "<success>true</success>" in save(core, "CustomField", inner[1])
