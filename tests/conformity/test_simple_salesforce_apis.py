"""The rest of simple-salesforce: metadata, Bulk 1.0, everything of Bulk 2.0, layouts, passwords, JWT and more."""

import io
import time
import zipfile
from datetime import UTC, datetime

import pytest
from simple_salesforce import Salesforce, SalesforceLogin
from simple_salesforce.exceptions import SalesforceGeneralError, SalesforceMoreThanOneRecord, SalesforceResourceNotFound

from tests.conformity.packages import package
from tests.conformity.test_simple_salesforce import session_for
from tests.conformity.world import World


@pytest.fixture(scope="module")
def sf(world: World) -> Salesforce:
    url = world.org.url.replace("http://", "https://")
    made = Salesforce(instance_url=url, session_id=world.api.token, version="60.0", session=session_for(world))
    made.metadata_url = made.metadata_url.replace("https://", "http://")  # zeep opens its own connection
    return made


def deployed(sf: Salesforce, data: bytes, **options: object) -> dict:
    """The final status of a deployment."""
    started = sf.deploy(io.BytesIO(data), sandbox=True, **options)
    assert started["state"] == "Queued"
    for _ in range(100):
        status = sf.checkDeployStatus(started["asyncId"])
        if status["state"] not in {"Queued", "Pending", "InProgress"}:
            return status
        time.sleep(0.05)
    raise AssertionError(status)


def test_jwt_login(world: World) -> None:
    client, user = world.org.client("urn:ietf:params:oauth:grant-type:jwt-bearer"), world.org.user("administrator")
    session_id, instance = SalesforceLogin(
        username=user["username"], consumer_key=client["client_id"], privatekey=client["private_key"],
        session=session_for(world),
    )  # fmt: skip
    assert session_id.startswith("00D")
    assert instance == world.org.url.removeprefix("http://")


def test_quick_search_layouts_and_sandbox(sf: Salesforce) -> None:
    assert set(sf.quick_search("Marlowe")) == {"searchRecords"}
    layout = sf.Account.describe_layout("012000000000000AAA")
    assert layout["detailLayoutSections"]
    assert sf.is_sandbox() is False


def test_deleted_updated_and_metadata_of_a_type(sf: Salesforce) -> None:
    now = datetime.now(UTC)
    with pytest.raises(Exception, match="INVALID_REPLICATION_DATE"):
        sf.Account.updated(now, now)
    assert sf.Contact.metadata()["objectDescribe"]["keyPrefix"] == "003"


def test_several_records_of_one_key(sf: Salesforce) -> None:
    for name in ("One", "Two"):
        sf.Contact.create({"LastName": name, "Email": "both@simple.example"})
    with pytest.raises(SalesforceMoreThanOneRecord):
        sf.Contact.get_by_custom_id("Email", "both@simple.example")


def test_passwords_are_set(sf: Salesforce, world: World) -> None:
    user = world.org.user("standard")
    sf.set_password(user["user_id"], "Another-secret-1")
    made = Salesforce(
        username=user["username"], password="Another-secret-1", security_token=user["security_token"],
        session=session_for(world), version="60.0",
    )  # fmt: skip
    assert made.query("SELECT COUNT() FROM Account")["totalSize"] > 0


def test_oauth2_and_tooling_and_apex(sf: Salesforce) -> None:
    assert sf.oauth2("userinfo")["preferred_username"].startswith("admin@")
    assert sf.toolingexecute("sobjects/")["sobjects"]
    with pytest.raises(SalesforceResourceNotFound):
        sf.apexecute("Anything")


def test_metadata_of_a_field_from_creation_to_deletion(sf: Salesforce) -> None:
    api = sf.mdapi
    types = {each["xmlName"] for each in api.describe_metadata()["metadataObjects"]}
    assert {"CustomObject", "PermissionSet"} <= types
    api.CustomField.create([api.CustomField(fullName="Contact.Zip_Code__c", label="Zip code", type="Text", length=30)])
    read = api.CustomField.read(["Contact.Zip_Code__c"])
    assert (read["label"], read["length"]) == ("Zip code", 30)
    read["label"] = "Postal code"
    api.CustomField.update([read])
    api.CustomField.upsert([read])
    listed = api.list_metadata([{"type": "CustomField"}])
    assert "Contact.Zip_Code__c" in {each["fullName"] for each in listed}
    assert {each["name"] for each in api.CustomField.describe()["valueTypeFields"]} >= {"label", "length"}
    with pytest.raises(Exception, match="DUPLICATE_DEVELOPER_NAME"):
        api.CustomField.create([read])
    api.CustomField.delete(["Contact.Zip_Code__c"])
    with pytest.raises(Exception, match="INVALID_CROSS_REFERENCE_KEY"):
        api.CustomField.delete(["Contact.Zip_Code__c"])


def test_a_package_is_deployed_and_retrieved(sf: Salesforce) -> None:
    status = deployed(sf, package(field="Simple_Key__c"))
    assert status["state"] == "Succeeded"
    assert status["deployment_detail"]["deployed_count"] == "2"
    retrieve_id, state = sf.mdapi.retrieve("", unpackaged={"PermissionSet": ["Simple_Key_Set"]})
    assert state == "Queued"
    assert sf.mdapi.check_retrieve_status(retrieve_id)[0] == "Succeeded"
    archive = zipfile.ZipFile(io.BytesIO(sf.mdapi.retrieve_zip(retrieve_id)[3]))
    assert b"Account.Simple_Key__c" in archive.read("permissionsets/Simple_Key_Set.permissionset")


@pytest.mark.parametrize(("rollback", "outcome", "there"), [(True, "Failed", 0), (False, "SucceededPartial", 1)])
def test_a_package_with_a_bad_part_says_what_is_wrong(sf: Salesforce, rollback: bool, outcome: str, there: int) -> None:
    field = f"Simple_Partial_{there}__c"
    status = deployed(sf, package(field=field, extra={"classes/Thing.cls": "class Thing {}"}), rollbackOnError=rollback)
    assert status["state"] == outcome
    (problem,) = status["deployment_detail"]["errors"]
    assert problem["file"] == "classes/Thing.cls"
    listed = sf.mdapi.list_metadata([{"type": "CustomField"}])
    assert sum(each["fullName"] == f"Account.{field}" for each in listed) == there


def test_s_040_a_package_that_leads_out_of_itself_is_refused(sf: Salesforce) -> None:
    with pytest.raises(SalesforceGeneralError, match="INVALID_ZIP_FILE"):
        sf.deploy(io.BytesIO(package(field="Evil__c", extra={"../../outside": "x"})), sandbox=True)


def test_bulk_1_writes(sf: Salesforce) -> None:
    made = list(sf.bulk.Account.insert([{"Name": "B1"}, {"Site": "nameless"}]))
    assert [each["success"] for each in made] == [True, False]
    assert made[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    key = {"External_Id__c": "simple-b1", "Name": "Keyed"}
    assert [each["created"] for each in sf.bulk.Account.upsert([key], "External_Id__c")] == [True]
    assert [each["created"] for each in sf.bulk.Account.upsert([key], "External_Id__c")] == [False]
    changed = list(sf.bulk.Account.update([{"Id": made[0]["id"], "Site": None, "Name": "B1 changed"}]))
    assert changed[0]["success"]
    detailed = list(sf.bulk.Account.insert([{"Name": "Detailed"}], include_detailed_results=True))
    assert detailed[0]["Name"] == "Detailed"
    (gone,) = sf.bulk.Account.delete([{"Id": made[0]["id"]}])
    assert gone["success"]


def test_bulk_1_queries(sf: Salesforce) -> None:
    total = sf.query("SELECT COUNT() FROM Contact")["totalSize"]
    assert len(sf.bulk.Contact.query("SELECT Id, Account.Name FROM Contact")) == total
    lazy = sf.bulk.Contact.query("SELECT Id FROM Contact", lazy_operation=True)
    assert sum(len(page) for page in lazy) == total
    assert len(sf.bulk.Account.query_all("SELECT Id FROM Account")) > sf.query("SELECT COUNT() FROM Account")["totalSize"]


def test_bulk_2_everything_else(sf: Salesforce, tmp_path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("Name,External_Id__c\nFrom a file,simple-file-1\nAnother,simple-file-2\n")
    (inserted,) = sf.bulk2.Account.insert(str(rows), wait=0.1)
    assert inserted["numberRecordsProcessed"] == 2
    results = sf.bulk2.Account.get_all_ingest_records(inserted["job_id"])
    assert [len(results[key]) for key in ("successfulRecords", "failedRecords", "unprocessedRecords")] == [2, 0, 0]
    ids = [each["sf__Id"] for each in results["successfulRecords"]]
    (updated,) = sf.bulk2.Account.update(records=[{"Id": each, "Site": "b2"} for each in ids], wait=0.1)
    assert updated["numberRecordsFailed"] == 0
    (gone,) = sf.bulk2.Account.hard_delete(records=[{"Id": each} for each in ids], wait=0.1)
    assert gone["numberRecordsFailed"] == 0
    assert sf.query("SELECT COUNT() FROM Account WHERE Site = 'b2'", include_deleted=True)["totalSize"] == 0
    files = sf.bulk2.Account.download("SELECT Id, Name FROM Account", path=str(tmp_path), max_records=100, wait=0.1)
    assert len(files) > 1
    pages = list(sf.bulk2.Account.query_all("SELECT Id FROM Account", wait=0.1))
    assert pages[0].count("\n") > 100
