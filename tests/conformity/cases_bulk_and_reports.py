"""Comparisons of Bulk API 2.0 jobs and of the Analytics API."""

import csv
import io
from typing import Any

from tests.conformity.api import Answer
from tests.conformity.cases import Case
from tests.conformity.world import World


def open_job(world: World, operation: str, **more: Any) -> Answer:
    body = {"object": "Opportunity", "operation": operation, "contentType": "CSV", "lineEnding": "LF", **more}
    return world.api.call("POST", "jobs/ingest", body=body)


def upsert_csv(count: int) -> str:
    return "External_Id__c,Name\n" + "".join(f"bulk-{each},Bulk {each}\n" for each in range(count))


def job_in_progress(world: World) -> Answer:
    world.org.settings(bulk_job_seconds=3)
    try:
        job = open_job(world, "upsert", externalIdFieldName="External_Id__c", object="Account").data["id"]
        world.api.call("PUT", f"jobs/ingest/{job}/batches", text=upsert_csv(20))
        world.api.call("PATCH", f"jobs/ingest/{job}", body={"state": "UploadComplete"})
        for _ in range(100):
            answer = world.api.get(f"jobs/ingest/{job}")
            if answer.data["state"] == "InProgress":
                return answer
        raise AssertionError(answer.text)
    finally:
        world.org.settings(bulk_job_seconds=0)


def job_complete(world: World) -> Answer:
    job = world.load("upsert", upsert_csv(30), externalIdFieldName="External_Id__c")
    return world.api.get(f"jobs/ingest/{job}")


def failed_rows(world: World) -> Answer:
    job = world.load("insert", 'Name,Site\n"",x\n')
    return world.api.get(f"jobs/ingest/{job}/failedResults")


def successful_rows(world: World) -> Answer:
    job = world.load("upsert", "External_Id__c,Name\nbulk-1,Again\nbulk-new,New\n", externalIdFieldName="External_Id__c")
    return world.api.get(f"jobs/ingest/{job}/successfulResults")


def query_job(world: World, operation: str = "query", soql: str = "SELECT Id, Name FROM User") -> Answer:
    return world.api.call("POST", "jobs/query", body={"operation": operation, "query": soql})


def query_rows(world: World) -> Answer:
    job = query_job(world).data["id"]
    world.finish("jobs/query", job)
    return world.api.get(f"jobs/query/{job}/results?maxRecords=3")


def table(text: str) -> dict[str, Any]:
    """A CSV text as its header and the way it quotes."""
    lines = text.splitlines()
    rows = list(csv.reader(io.StringIO(text)))
    return {"quoted header": lines[0].startswith('"'), "quoted rows": lines[1].startswith('"'), "header": rows[0][:2],
            "columns": [len(row) - len(rows[0]) for row in rows]}  # fmt: skip


def run(name: str, *, details: bool = True) -> Any:
    return lambda world: world.api.get(f"analytics/reports/{world.report(name)}?includeDetails={str(details).lower()}")


def describe(name: str) -> Any:
    return lambda world: world.api.get(f"analytics/reports/{world.report(name)}/describe")


def without_names(body: Any) -> Any:
    """A report's answer with the maps that have columns or groups as keys as lists, whose elements can be compared."""
    if isinstance(body, list):
        return [without_names(each) for each in body]
    if not isinstance(body, dict):
        return body
    return {key: [without_names(each) for each in value.values()] if key in MAPS and isinstance(value, dict)
            else without_names(value) for key, value in body.items()}  # fmt: skip


def start(world: World) -> Answer:
    return world.api.call("POST", f"analytics/reports/{world.report('Open pipeline by stage')}/instances", body={})


def list_reports(world: World) -> Answer:
    run("Open pipeline by stage")(world)
    return world.api.get("analytics/reports")


MAPS = {"detailColumnInfo", "aggregateColumnInfo", "groupingColumnInfo", "columns", "factMap", "dataTypeFilterOperatorMap",
        "standardFilterInfos"}  # fmt: skip
HASHED = {"order *": "keys come in no fixed order: recorded answers of the same resource differ"}
LATER = "newer releases answer with more keys than the recorded one"
LATER_RUN = {
    "extra hasExceededTogglableLimit": LATER, "extra reportMetadata.*": LATER, "extra reportExtendedMetadata.*": LATER,
}  # fmt: skip
LATER_DESCRIBE = {
    "extra reportMetadata.*": LATER,
    "extra reportExtendedMetadata.aggregateColumnInfo[].*GroupingContext": "shown for formulas, and by runs for all aggregates",
}  # fmt: skip
V35 = {
    "extra attributes": LATER, "extra reportTypeMetadata.*": LATER, "extra reportExtendedMetadata.*": LATER,
    "extra reportMetadata.*": LATER,
}  # fmt: skip
SCRUBBED = {
    "missing reportMetadata.saveRoleHierarchy": "not sent by every release; clients do not use it",
    "missing reportMetadata.reportFilters[]": "our report has no such filter",
}
NO_OPEN = {
    "missing reportTypeMetadata.standardFilterInfos[]": "the recorded type is about opportunities, ours about cases",
    "extra reportExtendedMetadata.detailColumnInfo[].isLookup": LATER,
}
ODD_FILTERS = {
    f"missing reportMetadata.standardFilters[].{name}": "the recording's standard filters were replaced by made-up ones"
    for name in ("column", "filterType", "isRunPageEditable", "operator")
}  # fmt: skip
EDITED = {
    f"missing {path}[]": "an edited sample: a tabular run with groupings and filters, which no tabular report has"
    for path in ("groupingsAcross.groupings", "groupingsDown.groupings", "reportExtendedMetadata.groupingColumnInfo",
                 "reportMetadata.groupingsAcross", "reportMetadata.groupingsDown", "reportMetadata.reportFilters")
}  # fmt: skip
CASES = (
    Case("bulk-v2-ingest/create-open-delete.json", lambda world: open_job(world, "delete")),
    Case("bulk-v2-ingest/create-open-upsert.json",
         lambda world: open_job(world, "upsert", externalIdFieldName="External_Id__c")),
    Case("bulk-v2-ingest/info-inprogress.json", job_in_progress),
    Case("bulk-v2-ingest/info-jobcomplete.json", job_complete),
    Case("bulk-v2-ingest/failed-row-error-text.csv", failed_rows,
         ours=lambda text: next(csv.DictReader(io.StringIO(text)))["sf__Error"],
         theirs=lambda text: next(csv.DictReader(io.StringIO(text)))["sf__Error"], same=("",)),
    Case("bulk-v2-ingest/successfulresults-upsert.csv", successful_rows, ours=table, theirs=table,
         same=("header", "quoted header", "quoted rows")),
    Case("bulk-v2-query/create-uploadcomplete.json", query_job),
    Case("bulk-v2-query/job-uploadcomplete-queryall.json", lambda world: query_job(world, "queryAll")),
    Case("bulk-v2-query/results-quoted-csv.csv", query_rows, ours=table, theirs=table,
         same=("header", "quoted header", "quoted rows"), headers=("sforce-locator", "sforce-numberofrecords", "content-type")),
    Case("analytics/describe-matrix.json", describe("Cases by priority and status"), ours=without_names, theirs=without_names, allowed=LATER_DESCRIBE | SCRUBBED | NO_OPEN),
    Case("analytics/describe-opportunity-report.json", describe("Open pipeline by stage"), ours=without_names, theirs=without_names, allowed=V35 | HASHED),
    Case("analytics/describe-tabular.json", describe("Deals closing this month"), ours=without_names, theirs=without_names, allowed=LATER_DESCRIBE | SCRUBBED | ODD_FILTERS | HASHED),
    Case("analytics/instance-new.json", start, allowed={"order $": "put together from documentation, in its order"}),
    Case("analytics/report-list-recent.json", list_reports),
    Case("analytics/run-matrix-2x1-details.json", run("Pipeline by owner, stage and month"), ours=without_names, theirs=without_names, allowed=LATER_RUN | HASHED),
    Case("analytics/run-summary-one-group-details.json", run("Open pipeline by stage"), ours=without_names, theirs=without_names, allowed=LATER_RUN | HASHED),
    Case("analytics/run-tabular-details.json", run("Deals closing this month"), ours=without_names, theirs=without_names, allowed=LATER_RUN | HASHED),
    Case("analytics/run-tabular-doc-sample.json", run("Deals closing this month"), ours=without_names, theirs=without_names, allowed=LATER_RUN | EDITED),
)  # fmt: skip
