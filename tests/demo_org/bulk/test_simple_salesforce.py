"""simple-salesforce, unmodified, against the org: its https requests are sent to the org's http address."""

import csv
import io

import pytest
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceOperationError

from tests.demo_org.bulk.bulk_client import Bulk
from tests.demo_org.oauth.rewriting import rewriting_session
from tests.demo_org.oauth.small_org import ADMIN, ADMIN_PASSWORD, ADMIN_TOKEN


@pytest.fixture
def client(bulk: Bulk) -> Salesforce:
    return Salesforce(
        username=ADMIN,
        password=ADMIN_PASSWORD,
        security_token=ADMIN_TOKEN,
        version="64.0",
        session=rewriting_session(bulk.small.url),
    )


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_insert_and_query_in_pages(bulk, client):
    records = [{"Name": f"Acme {n}", "Phone": str(n)} for n in range(120)]
    (result,) = client.bulk2.Account.insert(records=records, wait=0)
    assert (result["numberRecordsProcessed"], result["numberRecordsFailed"]) == (120, 0)
    pages = list(client.bulk2.Account.query("SELECT Id, Name FROM Account", max_records=50, wait=0))
    assert [len(rows_of(page)) for page in pages] == [50, 50, 20]
    assert sorted(row["Name"] for page in pages for row in rows_of(page)) == sorted(each["Name"] for each in records)


def test_upsert_update_delete_and_results(bulk, client):
    ids = bulk.insert("Account", {"Name": "A"}, {"Name": "B"})
    (updated,) = client.bulk2.Account.update(records=[{"Id": ids[0], "Name": "A2"}, {"Id": "bad", "Name": "x"}], wait=0)
    assert updated["numberRecordsFailed"] == 1
    outcome = client.bulk2.Account.get_all_ingest_records(updated["job_id"])
    assert [row["sf__Id"] for row in outcome["successfulRecords"]] == [ids[0]]
    assert outcome["failedRecords"][0]["sf__Error"].startswith("MALFORMED_ID:")
    assert outcome["unprocessedRecords"] == []
    (upserted,) = client.bulk2.Account.upsert(records=[{"Id": ids[1], "Name": "B2"}], external_id_field="Id", wait=0)
    assert upserted["numberRecordsFailed"] == 0
    client.bulk2.Account.delete(records=[{"Id": ids[0]}], wait=0)
    assert bulk.stored("Account", "Name") == ["B2"]
    client.bulk2.Account.hard_delete(records=[{"Id": ids[1]}], wait=0)
    assert bulk.org.store.read().execute("SELECT count(*) FROM Account").fetchone() == (1,)


def test_query_all_and_download(bulk, client, tmp_path):
    ids = bulk.insert("Account", {"Name": "A"}, {"Name": "B"})
    client.bulk2.Account.delete(records=[{"Id": ids[0]}], wait=0)
    (page,) = client.bulk2.Account.query_all("SELECT Id FROM Account", wait=0)
    assert len(rows_of(page)) == 2
    (downloaded,) = client.bulk2.Account.download("SELECT Id FROM Account", path=str(tmp_path), wait=0)
    assert downloaded["number_of_records"] == 1


def test_failures_reach_the_client(bulk, client):
    with pytest.raises(SalesforceOperationError, match="Field name not found : Nope"):
        client.bulk2.Account.insert(records=[{"Nope": "1"}], wait=0)
    with pytest.raises(SalesforceMalformedRequest, match="No such column"):
        list(client.bulk2.Account.query("SELECT Nope FROM Account", wait=0))
