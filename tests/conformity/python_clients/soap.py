"""pyforce: the SOAP partner API."""

import datetime
import sys

import pyforce
from harness import FACTS, refused, run

USER = FACTS["user"]
client = pyforce.PythonClient(serverUrl=FACTS["url"] + "/services/Soap/u/60.0")


def scenario_login_and_user_info():
    client.login(USER["username"], USER["password"] + USER["security_token"])
    assert client.getUserInfo()["userId"] == USER["user_id"]


def scenario_describes():
    assert {"Account", "Project__c"} <= {each.name for each in client.describeGlobal()["sobjects"]}
    account, contact = client.describeSObjects(["Account", "Contact"])
    assert (account.keyPrefix, contact.keyPrefix) == ("001", "003")
    assert account.fields["ParentId"].referenceTo == ["Account"]


def scenario_query_with_types_parents_and_children():
    found = client.query("SELECT Id, Name, NumberOfEmployees, CreatedDate, IsDeleted FROM Account LIMIT 3")
    assert [type(found[0][each]) for each in ("NumberOfEmployees", "CreatedDate", "IsDeleted")] == [
        int,
        datetime.datetime,
        bool,
    ]
    parent = client.query("SELECT Account.Name FROM Contact WHERE AccountId != null LIMIT 1")[0]
    assert parent["Account"]["Name"]
    with_children = client.query("SELECT Id, (SELECT LastName FROM Contacts) FROM Account LIMIT 20")
    assert any(row["Contacts"] for row in with_children)


def scenario_query_more():
    page = client.query("SELECT Id FROM OpportunityHistory")
    total, seen = page.size, {row["Id"] for row in page}
    assert (len(page), page.done) == (500, False)
    while not page.done:
        page = client.queryMore(page.queryLocator)
        seen |= {row["Id"] for row in page}
    assert len(seen) == total


def scenario_records_live_and_die():
    made, bad = client.create([
        {"type": "Contact", "LastName": "Doe", "FirstName": "Jo", "Birthdate": datetime.date(1970, 1, 4)},
        {"type": "Contact", "FirstName": "x"},
    ])  # fmt: skip
    assert made["success"]
    assert bad["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert client.update([{"type": "Contact", "Id": made["id"], "LastName": "Roe", "FirstName": None}])[0]["success"]
    row = client.retrieve("FirstName,LastName,Birthdate", "Contact", [made["id"]])[0]
    assert [row[each] for each in ("FirstName", "LastName", "Birthdate")] == ["", "Roe", datetime.date(1970, 1, 4)]
    assert client.delete([made["id"]])[0]["success"]
    assert client.delete([made["id"]])[0]["errors"][0]["statusCode"] == "ENTITY_IS_DELETED"


def scenario_upsert():
    row = {"type": "Account", "Name": "By key", "External_Id__c": "pyforce-1"}
    assert [client.upsert("External_Id__c", [row])[0]["created"] for _ in range(2)] == [True, False]


def scenario_search_updated_and_deleted():
    made = client.create([{"type": "Account", "Name": "Quillfeather"}])[0]["id"]
    found = client.search("FIND {Quillfeather} IN NAME FIELDS RETURNING Account(Id, Name)")
    assert [row["Name"] for row in found] == ["Quillfeather"]
    now = datetime.datetime.now(datetime.UTC)
    window = (now - datetime.timedelta(hours=2), now + datetime.timedelta(minutes=2))
    assert made in client.getUpdated("Account", *window)
    client.delete([made])
    assert made in [each["id"] for each in client.getDeleted("Account", *window)]


def scenario_faults_are_told_apart():
    found = refused(pyforce.SoapFaultError, lambda: client.query("SELECT Nope FROM Account"))
    assert found.faultCode == "INVALID_FIELD"


run(sys.modules[__name__])
