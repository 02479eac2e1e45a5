"""Reports: found by any part of the name, run within the org's allowance, each way of failing told apart."""

from decimal import Decimal

import pytest

from integrations.salesforce import errors as e
from integrations.salesforce import reports
from tests.salesforce.server import Told

REPORT = "00OR0000000K2UeMAK"
INSTANCE = "0LGR00000000He3OAE"


def found(*names, total=None):
    records = [
        {
            "attributes": {"type": "Report"},
            "Id": REPORT,
            "Name": name,
            "FolderName": "Sales",
            "Format": "Summary",
            "LastRunDate": "2024-02-29T10:00:00.000+0000",
        }
        for name in names
    ]
    return Told(data={"totalSize": total if total is not None else len(names), "done": True, "records": records})


def test_bw_28_any_part_of_the_name_finds_a_report(server, client):
    server.tell("/query", found(total=45), found("Pipeline 50%"))
    page = reports.search_reports(client, "50%_'x", page=2)
    assert page.total == 45
    assert [(item.id, item.name, item.folder, item.format, item.last_run.year) for item in page.reports] == [
        (REPORT, "Pipeline 50%", "Sales", "SUMMARY", 2024)
    ]
    asked = [item.query["q"][0] for item in server.seen]
    text = "'%50\\%\\_\\'x%'"
    assert asked[0] == f"SELECT COUNT() FROM Report WHERE (Name LIKE {text} OR FolderName LIKE {text})"
    assert asked[1].endswith("ORDER BY Name,Id LIMIT 20 OFFSET 20")


def test_empty_search_lists_all_and_pages_end(server, client):
    server.tell("/query", found(total=3))
    assert reports.search_reports(client, " ", page=9) == reports.ReportPage([], 3)
    assert "WHERE" not in server.seen[0].query["q"][0]
    assert len(server.seen) == 1


def test_bw_28_without_a_text_the_latest_run_comes_first(server, client):
    server.tell("/query", found("Pipeline", total=30), found("Pipeline"))
    reports.search_reports(client, "", page=2)
    asked = server.seen[1].query["q"][0]
    assert asked.endswith("FROM Report ORDER BY LastRunDate DESC NULLS LAST,Name,Id LIMIT 20 OFFSET 20")


@pytest.mark.parametrize(
    ("spelled", "kind"), [("Tabular", "TABULAR"), ("MultiBlock", "MULTI_BLOCK"), ("MATRIX", "MATRIX"), (None, "")]
)
def test_formats_have_one_spelling(spelled, kind):
    assert reports.read_summary({"Id": REPORT, "Name": "x", "Format": spelled}).format == kind


def test_report_is_run_without_details_and_numbers_are_exact(server, client):
    server.tell(
        "/reports/",
        Told(
            raw=b'{"factMap":{"T!T":{"aggregates":[{"label":"x","value":16000.01}]}}}',
            headers={"Content-Type": "application/json"},
        ),
    )
    data = reports.run_report(client, REPORT[:15])
    assert data["factMap"]["T!T"]["aggregates"][0]["value"] == Decimal("16000.01")
    assert (server.seen[0].method, server.seen[0].query) == ("GET", {"includeDetails": ["false"]})
    assert server.seen[0].path.endswith(f"/analytics/reports/{REPORT}")
    reports.run_report(client, REPORT, metadata={"reportFilters": []})
    assert (server.seen[1].method, server.seen[1].body) == ("POST", b'{"reportMetadata":{"reportFilters":[]}}')
    assert server.seen[1].headers["Content-Type"].startswith("application/json")


def test_background_run(server, client, recordings):
    server.tell("/instances", Told(data=recordings.json("analytics/instance-new.json")))
    assert reports.start_report(client, REPORT) == INSTANCE
    server.tell(
        "/instances/",
        Told(data={"attributes": {"status": "Running"}}),
        Told(data={"attributes": {"status": "Success"}, "factMap": {}}),
    )
    assert reports.instance_state(reports.read_instance(client, REPORT, server_instance(recordings))) == "Running"
    assert reports.instance_state(reports.read_instance(client, REPORT, server_instance(recordings))) == "Success"


def server_instance(recordings):
    return recordings.json("analytics/instance-new.json")["id"][:15]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Told(404, [{"errorCode": "NOT_FOUND", "message": "The data you're trying to access is unavailable."}]), e.NotFound),
        (Told(403, [{"errorCode": "FORBIDDEN", "message": "You don't have sufficient privileges"}]), e.NoAccess),
        (
            Told(
                403,
                [{"errorCode": "FORBIDDEN", "message": "You can't run more than 500 reports synchronously every 60 minutes."}],
            ),
            e.ReportLimitReached,
        ),
        (Told(400, [{"errorCode": "BAD_REQUEST", "message": "The report timed out."}]), e.ReportTooSlow),
        (Told(504, raw=b""), e.ReportTooSlow),
        (Told(400, [{"errorCode": "BAD_REQUEST", "message": "The report definition is obsolete."}]), e.ReportBroken),
        (Told(401, [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}]), e.ReauthorizationRequired),
    ],
)
def test_r_210_r_214_r_221_r_222_ways_of_failing_are_told_apart(server, client, answer, kind):
    server.tell("/reports/", answer)
    with pytest.raises(kind) as refusal:
        reports.run_report(client, REPORT)
    assert type(refusal.value) is kind


def test_r_222_report_over_two_minutes_is_asked_once(server, client, monkeypatch):
    monkeypatch.setattr(reports, "RUN_DEADLINES", reports.Deadlines(connect=0.5, read=0.1, overall=1))
    server.tell("/reports/", Told(data={}, delay=0.5))
    with pytest.raises(e.ReportTooSlow, match="background"):
        reports.run_report(client, REPORT)
    assert len(server.seen) == 1


def test_trouble_is_retried_at_most_three_times(server, client):
    server.tell("/reports/", Told(500, raw=b""))
    with pytest.raises(e.UpstreamUnavailable):
        reports.run_report(client, REPORT, metadata={"reportFilters": []})
    assert len(server.seen) == 3


def test_background_start_is_not_doubled(server, client):
    server.tell("/instances", Told(500, raw=b""))
    with pytest.raises(e.UpstreamUnavailable):
        reports.start_report(client, REPORT)
    assert len(server.seen) == 1


@pytest.mark.parametrize("report_id", ["0014S000007NxmlQAC", "../x", "00O"])
def test_other_ids_are_not_asked_for(server, client, report_id):
    with pytest.raises(ValueError):
        reports.describe_report(client, report_id)
    assert server.seen == []


def test_recorded_describes_and_runs_are_accepted(server, client, recordings):
    for name in recordings.names("analytics"):
        body = Told(raw=recordings.bytes(name), headers={"Content-Type": "application/json;charset=UTF-8"})
        server.tell("/reports/", body)
        if "/describe-" in name:
            assert reports.describe_report(client, REPORT)["reportMetadata"], name
        elif "/run-" in name:
            assert reports.run_report(client, REPORT)["factMap"], name


def test_answers_without_facts_are_unexpected(server, client):
    server.tell("/reports/", Told(data={"allData": True}))
    with pytest.raises(e.UnexpectedAnswer):
        reports.run_report(client, REPORT)
