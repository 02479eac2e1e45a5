"""simple-salesforce, unmodified, works against the demo org as it does against Salesforce."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

from tests.conformity.world import World


class PlainHost(HTTPAdapter):
    """simple-salesforce knows only https addresses; this one hands them to the demo org's plain port."""

    def __init__(self, url: str) -> None:
        self.target = urlsplit(url)
        super().__init__()

    def send(self, request: requests.PreparedRequest, **how: object) -> requests.Response:
        parts = urlsplit(request.url or "")
        request.url = urlunsplit((self.target.scheme, self.target.netloc, parts.path, parts.query, ""))
        return super().send(request, **how)


def session_for(world: World) -> requests.Session:
    session = requests.Session()
    for host in (world.org.url.replace("http://", "https://"), "https://login.salesforce.com"):
        session.mount(host, PlainHost(world.org.url))
    return session


@pytest.fixture(scope="module")
def sf(world: World) -> Salesforce:
    """Signed in with a session id, as after OAuth."""
    url = world.org.url.replace("http://", "https://")
    return Salesforce(instance_url=url, session_id=world.api.token, version="60.0", session=session_for(world))


def test_password_login_over_soap(world: World) -> None:
    user = world.org.user("administrator")
    made = Salesforce(
        username=user["username"], password=user["password"], security_token=user["security_token"],
        session=session_for(world), version="60.0",
    )  # fmt: skip
    assert made.query("SELECT COUNT() FROM Account")["totalSize"] > 100


def test_a_wrong_password_is_refused_with_salesforces_code(world: World) -> None:
    with pytest.raises(SalesforceAuthenticationFailed) as refused:
        Salesforce(username=world.org.user("administrator")["username"], password="wrong", security_token="",
                   session=session_for(world))  # fmt: skip
    assert refused.value.code == "INVALID_LOGIN"


def test_an_ended_session_is_reported_as_expired(world: World) -> None:
    url = world.org.url.replace("http://", "https://")
    with pytest.raises(SalesforceExpiredSession):
        Salesforce(instance_url=url, session_id="00DdM0000000000!gone", session=session_for(world)).query("SELECT Id FROM User")


def test_query_pages_to_the_end(sf: Salesforce) -> None:
    total = sf.query("SELECT COUNT() FROM OpportunityHistory")["totalSize"]
    assert total > 2000
    first = sf.query("SELECT Id FROM OpportunityHistory")
    assert first["done"] is False
    second = sf.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    assert {each["Id"] for each in first["records"]}.isdisjoint({each["Id"] for each in second["records"]})
    everything = sf.query_all("SELECT Id FROM OpportunityHistory")
    assert everything["done"] is True
    assert len({each["Id"] for each in everything["records"]}) == total
    assert sum(1 for _ in sf.query_all_iter("SELECT Id FROM OpportunityHistory")) == total


def test_query_with_deleted_rows(sf: Salesforce) -> None:
    living = sf.query("SELECT COUNT() FROM Account")["totalSize"]
    assert sf.query("SELECT COUNT() FROM Account", include_deleted=True)["totalSize"] > living


def test_records_live_and_die(sf: Salesforce) -> None:
    made = sf.Account.create({"Name": 'Quote " and \\ slash', "NumberOfEmployees": 12})
    assert made["success"] is True
    assert sf.Account.update(made["id"], {"Site": "HQ"}) == 204
    found = sf.Account.get(made["id"])
    assert (found["Name"], found["Site"], found["NumberOfEmployees"]) == ('Quote " and \\ slash', "HQ", 12)
    assert sf.Account.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound):
        sf.Account.get(made["id"])


def test_upsert_creates_and_then_updates(sf: Salesforce) -> None:
    assert sf.Account.upsert("External_Id__c/simple-1", {"Name": "First"}) == 201
    assert sf.Account.upsert("External_Id__c/SIMPLE-1", {"Name": "Second"}) in (200, 204)
    assert sf.Account.get_by_custom_id("External_Id__c", "simple-1")["Name"] == "Second"


def test_errors_are_told_apart(sf: Salesforce) -> None:
    with pytest.raises(SalesforceMalformedRequest) as refused:
        sf.Contact.create({"LastName": "x", "Email": "nonsense"})
    assert refused.value.content[0]["errorCode"] == "INVALID_EMAIL_ADDRESS"
    with pytest.raises(SalesforceMalformedRequest) as unreadable:
        sf.query("SELECT Nothing FROM Account")
    assert unreadable.value.content[0]["errorCode"] == "INVALID_FIELD"


def test_describe_and_the_list_of_objects(sf: Salesforce) -> None:
    names = {each["name"] for each in sf.describe()["sobjects"]}
    assert {"Account", "Opportunity", "Project__c", "Report"} <= names
    fields = {each["name"]: each for each in sf.Account.describe()["fields"]}
    assert fields["External_Id__c"]["externalId"] is True
    assert sf.Account.metadata()["objectDescribe"]["name"] == "Account"


def test_search(sf: Salesforce) -> None:
    sf.Account.create({"Name": "Zanzibar Cloves"})
    found = sf.search("FIND {Zanzibar} IN ALL FIELDS RETURNING Account(Id, Name)")
    assert [each["Name"] for each in found["searchRecords"]] == ["Zanzibar Cloves"]


def test_updated_and_deleted(sf: Salesforce, world: World) -> None:
    made = sf.Account.create({"Name": "Moves"})["id"]
    now = datetime.now(UTC)
    window = (now - timedelta(hours=2), now + timedelta(minutes=2))
    assert made in sf.Account.updated(*window)["ids"]
    sf.Account.delete(made)
    assert made in {each["id"] for each in sf.Account.deleted(*window)["deletedRecords"]}


def test_limits_and_plain_rest(sf: Salesforce) -> None:
    assert sf.limits()["DailyApiRequests"]["Max"] > 0
    assert sf.restful("sobjects/Account/describe")["name"] == "Account"
    assert sf.api_usage["api-usage"].used > 0


def test_collections(sf: Salesforce) -> None:
    rows = [{"attributes": {"type": "Account"}, "Name": f"Collected {each}"} for each in range(200)]
    made = sf.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": rows})
    assert len(made) == 200
    assert all(each["success"] for each in made)


def test_bulk_2_query_over_several_pages(sf: Salesforce) -> None:
    total = sf.query("SELECT COUNT() FROM Contact")["totalSize"]
    pages = list(sf.bulk2.Contact.query("SELECT Id, Name, Account.Name FROM Contact", max_records=150, wait=0.2))
    assert len(pages) == -(-total // 150)
    lines = [line for page in pages for line in page.strip().split("\n")[1:]]
    assert all(page.startswith('"Id","Name","Account.Name"') for page in pages)
    assert len(lines) == total


def test_bulk_2_upsert_reports_each_row(sf: Salesforce) -> None:
    rows = [{"External_Id__c": f"bulk2-{each}", "Name": f"Bulk {each}"} for each in range(50)] + [
        {"External_Id__c": "bulk2-bad", "Name": "x" * 300}
    ]
    result = sf.bulk2.Account.upsert(records=rows, external_id_field="External_Id__c", wait=0.2)[0]
    assert (result["numberRecordsProcessed"], result["numberRecordsFailed"]) == (51, 1)
    assert "STRING_TOO_LONG" in sf.bulk2.Account.get_failed_records(result["job_id"])
    assert sf.bulk2.Account.get_successful_records(result["job_id"]).count("\n") >= 50
    assert sf.query("SELECT COUNT() FROM Account WHERE External_Id__c LIKE 'bulk2-%'")["totalSize"] == 50


def test_bulk_2_delete(sf: Salesforce) -> None:
    ids = [sf.Account.create({"Name": f"Goes {each}"})["id"] for each in range(3)]
    result = sf.bulk2.Account.delete(records=[{"Id": each} for each in ids], wait=0.2)[0]
    assert result["numberRecordsFailed"] == 0
    assert sf.query(f"SELECT COUNT() FROM Account WHERE Id IN {tuple(ids)}")["totalSize"] == 0


def test_mt_13_the_sample_query_of_the_billing_package_runs_unchanged(sf: Salesforce, world: World) -> None:
    world.org.control("packages", {"package": "billing"})
    account = sf.query("SELECT Id FROM Account ORDER BY Id LIMIT 1")["records"][0]["Id"]
    row = {"NOME__Name__c": "Acme", "NOME__Account__c": account}
    sf.NOME__Metronome_Customer__c.upsert("NOME__Metronome_Customer_ID__c/ss-acme", row)
    found = sf.query(
        "SELECT NOME__Metronome_Customer_ID__c, NOME__Name__c, NOME__Account__r.Name FROM NOME__Metronome_Customer__c "
        f"WHERE NOME__Account__r.Id = '{account}'"
    )["records"]
    assert [row["NOME__Metronome_Customer_ID__c"] for row in found] == ["ss-acme"]
