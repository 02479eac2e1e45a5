"""salesforce-bulk: Bulk API 1.0."""

import json
import sys
import time

from harness import FACTS, refused, run
from salesforce_bulk import BulkApiError, CsvDictsAdapter, SalesforceBulk
from salesforce_bulk.salesforce_bulk import BulkBatchFailed
from salesforce_bulk.util import IteratorBytesIO

bulk = SalesforceBulk(sessionId=FACTS["token"], host=FACTS["url"], API_version="60.0")


def load(job, data):
    """The results of one batch."""
    batch = bulk.post_batch(job, data)
    bulk.wait_for_batch(job, batch, sleep_interval=0.05)
    bulk.close_job(job)
    return bulk.get_batch_results(batch, job)


def select(form, soql, **options):
    """The texts of the result sets of a query."""
    job = bulk.create_query_job("Contact", contentType=form, **options)
    batch = bulk.query(job, soql)
    while not bulk.is_batch_done(batch):
        time.sleep(0.05)
    bulk.close_job(job)
    return [IteratorBytesIO(each).read().decode() for each in bulk.get_all_results_for_query_batch(batch)]


def scenario_insert_tells_of_each_row():
    rows = [{"LastName": "Bulk", "Email": "bulk@one.example"}, {"LastName": "", "Email": "x@y.example"}]
    good, bad = load(bulk.create_insert_job("Contact", contentType="CSV"), CsvDictsAdapter(iter(rows)))
    assert (good.success, good.created, bad.success) == ("true", "true", "false")
    assert bad.error.startswith("REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --")


def scenario_upsert_and_json():
    job = bulk.create_upsert_job("Account", external_id_name="External_Id__c", contentType="CSV")
    assert load(job, CsvDictsAdapter(iter([{"External_Id__c": "bulk1-1", "Name": "x"}])))[0].created == "true"
    job = bulk.create_insert_job("Contact", contentType="JSON")
    assert load(job, json.dumps([{"LastName": "Json"}]).encode())[0].success is True


def scenario_queries_in_three_forms():
    soql = "SELECT Id, LastName FROM Contact LIMIT 2"
    assert select("CSV", soql)[0].startswith('"Id","LastName"\n')
    assert len(json.loads(select("JSON", soql)[0])) == 2
    assert "<LastName>" in select("XML", soql)[0]


def scenario_failures():
    failed = refused(BulkBatchFailed, lambda: select("CSV", "SELECT Nope FROM Contact"))
    assert "INVALID_FIELD" in failed.state_message
    unknown = refused(BulkApiError, lambda: bulk.create_query_job("Nope", contentType="CSV"))
    assert unknown.status_code == 400


def scenario_pk_chunking():
    job = bulk.create_query_job("Contact", contentType="CSV", pk_chunking=100)
    bulk.query(job, "SELECT Id FROM Contact")
    while True:
        found = bulk.get_batch_list(job)
        if all(each["state"] in {"NotProcessed", "Completed"} for each in found):
            break
        time.sleep(0.05)
    bulk.close_job(job)
    assert found[0]["state"] == "NotProcessed"
    counts = [int(each["numberRecordsProcessed"]) for each in found[1:]]
    assert len(counts) > 1
    assert 0 < max(counts) <= 100


run(sys.modules[__name__])
