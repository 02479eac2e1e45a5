"""Analytics REST over HTTP."""

from datetime import timedelta

from integrations.demo_org.reports.definition import (
    CrossFilter,
    DateFilter,
    Filter,
    Grouping,
    ReportDefinition,
)
from tests.demo_org.reports.deals import MANY
from tests.demo_org.soql.world import NOW

PIPELINE = ReportDefinition(
    "Opportunity",
    "SUMMARY",
    ("OPPORTUNITY_NAME", "AMOUNT"),
    (Grouping("STAGE_NAME"),),
    aggregates=("s!AMOUNT", "RowCount"),
    date_filter=DateFilter("CLOSE_DATE", "THIS_YEAR"),
)
ALL_DEALS = MANY + 3


def total(body: dict) -> list:
    return [each["value"] for each in body["factMap"]["T!T"]["aggregates"]]


def test_a_run_answers_with_facts_and_metadata(call, save) -> None:
    key = save("Run me", PIPELINE)
    body = call("GET", f"reports/{key[:15]}")
    assert total(body) == [MANY * 10 + 1350.5, ALL_DEALS]
    assert body["attributes"] == {
        "describeUrl": f"/services/data/v65.0/analytics/reports/{key}/describe",
        "instancesUrl": f"/services/data/v65.0/analytics/reports/{key}/instances",
        "reportId": key, "reportName": "Run me", "type": "Report",
    }  # fmt: skip
    assert (body["allData"], body["hasDetailRows"]) == (True, False)
    assert body["reportMetadata"]["standardDateFilter"] == {
        "column": "CLOSE_DATE", "durationValue": "THIS_YEAR", "endDate": "2026-12-31", "startDate": "2026-01-01",
    }  # fmt: skip


def test_details_stop_at_2000_rows_while_aggregates_cover_all(call, save) -> None:
    body = call("GET", f"reports/{save('Many rows', PIPELINE)}", params={"includeDetails": "true"})
    assert body["allData"] is False
    assert body["hasDetailRows"] is True
    assert sum(len(fact["rows"]) for fact in body["factMap"].values()) == 2000
    assert total(body)[1] == ALL_DEALS


def test_a_post_changes_the_report_for_one_run(call, save) -> None:
    key = save("Change me", PIPELINE)
    changes = {
        "reportFilters": [{"column": "STAGE_NAME", "operator": "equals", "value": "Prospecting"}],
        "aggregates": ["RowCount"],
        "groupingsDown": [{"name": "FULL_NAME", "sortOrder": "Desc", "dateGranularity": "None"}],
    }
    body = call("POST", f"reports/{key}", json={"reportMetadata": changes})
    assert total(body) == [2]
    assert [each["label"] for each in body["groupingsDown"]["groupings"]] == ["Bob Bobson", "Ada"]
    assert body["reportMetadata"]["reportFilters"][0]["value"] == "Prospecting"
    assert total(call("GET", f"reports/{key}")) == [MANY * 10 + 1350.5, ALL_DEALS]


def test_the_described_metadata_may_be_sent_back(call, save) -> None:
    key = save("Echo", PIPELINE)
    metadata = call("GET", f"reports/{key}/describe")["reportMetadata"]
    assert total(call("POST", f"reports/{key}", json={"reportMetadata": metadata})) == [MANY * 10 + 1350.5, ALL_DEALS]


def test_row_limit_sort_dates_and_logic_can_be_changed(call, save) -> None:
    key = save("Tabular", ReportDefinition("Opportunity", "TABULAR", ("OPPORTUNITY_NAME",)))
    changes = {
        "topRows": {"rowLimit": 1, "direction": "Desc"},
        "sortBy": [{"sortColumn": "AMOUNT", "sortOrder": "Desc"}],
        "standardDateFilter": {"column": "CLOSE_DATE", "durationValue": "CUSTOM", "startDate": "2026-01-01", "endDate": "2026-12-31"},
        "reportFilters": [{"column": "WON", "operator": "equals", "value": "False"}, {"column": "AMOUNT", "operator": "equals", "value": "10"}],
        "reportBooleanFilter": "1 OR 2",
    }  # fmt: skip
    body = call("POST", f"reports/{key}", json={"reportMetadata": changes}, params={"includeDetails": "true"})
    assert total(body) == [1]
    assert body["factMap"]["T!T"]["rows"][0]["dataCells"][0]["label"] == "Two"


def test_runs_cannot_change_cross_filters_or_standard_filters(call, save) -> None:
    key = save("Fixed", ReportDefinition("AccountList", cross_filters=(CrossFilter("Opportunity", "AccountId"),)))
    error = call("POST", f"reports/{key}", json={"reportMetadata": {"crossFilters": []}}, status=400)
    assert error[0]["errorCode"] == "BAD_REQUEST"
    deals = save("Fixed deals", PIPELINE)
    changed = {"standardFilters": [{"name": "open", "value": "closed"}]}
    assert call("POST", f"reports/{deals}", json={"reportMetadata": changed}, status=400)[0]["errorCode"] == "BAD_REQUEST"


def test_a_post_must_say_that_it_is_json(call, save) -> None:
    key = save("Typed", PIPELINE)
    call("POST", f"reports/{key}", data="{}", headers={"Content-Type": "text/plain"}, status=415)
    assert (
        call("POST", f"reports/{key}", data="{", headers={"Content-Type": "application/json"}, status=400)[0]["errorCode"]
        == "JSON_PARSER_ERROR"
    )


def test_unknown_and_deleted_reports_are_404(call, save, served) -> None:
    world, _ = served
    key = save("Gone soon", PIPELINE)
    call("DELETE", f"reports/{key}", status=204)
    for path in (
        f"reports/{key}",
        f"reports/{key}/describe",
        f"reports/{key}/instances",
        "reports/00O000000000001AAA",
        "reports/x",
    ):
        assert call("GET", path, status=404)[0]["errorCode"] == "NOT_FOUND"
    record = save("Deleted as a record", PIPELINE)
    with world.org.store.write() as connection:
        connection.execute("UPDATE Report SET IsDeleted = 1 WHERE Id = ?", (record,))
    assert call("GET", f"reports/{record}", status=404)[0]["errorCode"] == "NOT_FOUND"


def test_reports_of_folders_that_are_not_shared_are_403(call, save, served) -> None:
    world, _ = served
    public, board = save("For all", PIPELINE), save("For the board", PIPELINE, "board")
    call("GET", f"reports/{board}")
    token = world.org.sessions.open(world.ids["bob"], scopes=("api",))
    as_bob = {"headers": {"Authorization": f"Bearer {token}"}}
    call("GET", f"reports/{public}", **as_bob)
    assert call("GET", f"reports/{board}", status=403, **as_bob)[0]["errorCode"] == "FORBIDDEN"
    world.org.settings.extra["hidden_folders"] = ["Public Reports"]
    for path in (f"reports/{public}", f"reports/{public}/describe"):
        assert call("GET", path, status=403)[0]["errorCode"] == "FORBIDDEN"
    assert public not in [each["id"] for each in call("GET", "reports")]


def test_the_list_holds_recently_viewed_reports(call, save) -> None:
    key, other = save("Seen", PIPELINE), save("Never seen", PIPELINE)
    call("GET", f"reports/{key}")
    listed = call("GET", "reports")
    assert key in [each["id"] for each in listed]
    assert other not in [each["id"] for each in listed]
    entry = next(each for each in listed if each["id"] == key)
    assert (entry["name"], entry["url"]) == ("Seen", f"/services/data/v65.0/analytics/reports/{key}")


def test_the_501st_run_within_an_hour_is_refused(call, save, served) -> None:
    world, _ = served
    key = save("Often", PIPELINE)
    world.org.usage.spend("HourlySyncReportRuns", 499)
    call("GET", f"reports/{key}")
    error = call("GET", f"reports/{key}", status=403)[0]
    assert error["errorCode"] == "FORBIDDEN"
    assert error["message"].startswith("You can't run more than 500 reports synchronously every 60 minutes.")
    call("GET", f"reports/{key}/describe")
    call("POST", f"reports/{key}/instances")
    world.org.usage.spend("HourlyAsyncReportRuns", 1199)
    assert "1200 reports asynchronously" in call("POST", f"reports/{key}/instances", status=403)[0]["message"]


def test_at_most_so_many_run_at_once(call, save, served) -> None:
    world, _ = served
    key = save("Crowd", PIPELINE)
    world.org.settings.update({"limits": {"ConcurrentSyncReportRuns": 0}})
    assert "at once" in call("GET", f"reports/{key}", status=403)[0]["message"]


def test_instances_pass_from_new_to_success(call, save, served) -> None:
    world, _ = served
    world.org.settings.update({"report_seconds": 10})
    key = save("Slow", PIPELINE)
    made = call("POST", f"reports/{key}/instances", params={"includeDetails": "false"})
    assert (made["status"], made["completionDate"], made["ownerId"]) == ("New", None, world.ids["ada"])
    assert made["url"] == f"/services/data/v65.0/analytics/reports/{key}/instances/{made['id']}"
    assert made["id"].startswith("0LG")
    seen = []
    try:
        for seconds in (1, 5, 11):
            world.org.clock.set(NOW + timedelta(seconds=seconds), frozen=True)
            seen.append(call("GET", made["url"])["attributes"]["status"])
        assert seen == ["New", "Running", "Success"]
        body = call("GET", made["url"])
        assert total(body) == [MANY * 10 + 1350.5, ALL_DEALS]
        assert (body["attributes"]["type"], body["attributes"]["id"]) == ("ReportInstance", made["id"])
        assert body["attributes"]["completionDate"] == "2026-11-18T12:00:10Z"
        assert [each["status"] for each in call("GET", f"reports/{key}/instances")] == ["Success"]
        call("DELETE", made["url"], status=204)
        call("GET", made["url"], status=404)
        assert call("GET", f"reports/{key}/instances") == []
    finally:
        world.org.clock.set(NOW, frozen=True)


def test_a_run_that_fails_ends_as_an_error_without_url(call, save) -> None:
    key = save("Broken", ReportDefinition("Opportunity", failure="The report definition is obsolete."))
    made = call("POST", f"reports/{key}/instances")
    attributes = call("GET", made["url"])["attributes"]
    assert (attributes["status"], attributes["errorMessage"]) == ("Error", "The report definition is obsolete.")
    assert call("GET", f"reports/{key}/instances")[0]["url"] is None
    assert call("GET", f"reports/{key}", status=400)[0]["message"] == "The report definition is obsolete."


def test_results_are_kept_for_a_day(call, save, served) -> None:
    world, _ = served
    key = save("Kept", PIPELINE)
    made = call("POST", f"reports/{key}/instances")
    world.org.clock.set(NOW + timedelta(hours=24, seconds=1), frozen=True)
    try:
        token = world.org.sessions.open(world.ids["ada"], scopes=("api",))
        call("GET", made["url"], status=404, headers={"Authorization": f"Bearer {token}"})
    finally:
        world.org.clock.set(NOW, frozen=True)


def test_a_one_off_report_runs_without_being_saved(call) -> None:
    metadata = {
        "reportType": {"type": "Opportunity"},
        "reportFormat": "SUMMARY",
        "aggregates": ["RowCount"],
        "groupingsDown": [{"name": "WON"}],
    }
    body = call("POST", "reports/query", json={"reportMetadata": metadata})
    assert [(each["label"], each["value"]) for each in body["groupingsDown"]["groupings"]] == [("false", False), ("true", True)]
    assert body["attributes"]["reportId"] is None
    assert call("POST", "reports/query", json={"reportMetadata": {}}, status=400)[0]["errorCode"] == "BAD_REQUEST"


def test_reports_are_created_saved_cloned_and_deleted(call, served) -> None:
    metadata = {
        "name": "Made here",
        "reportType": {"type": "AccountList"},
        "reportFormat": "TABULAR",
        "detailColumns": ["ACCOUNT.NAME"],
    }
    made = call("POST", "reports", json={"reportMetadata": metadata})["reportMetadata"]
    assert total(call("GET", f"reports/{made['id']}")) == [3]
    copy = call("POST", "reports", params={"cloneId": made["id"]}, json={"reportMetadata": {"name": "Copy"}})["reportMetadata"]
    assert (copy["name"], copy["detailColumns"]) == ("Copy", ["ACCOUNT.NAME"])
    changed = {"name": "Renamed", "reportFilters": [{"column": "INDUSTRY", "operator": "equals", "value": "Banking"}]}
    call("PATCH", f"reports/{copy['id']}", json={"reportMetadata": changed})
    assert total(call("GET", f"reports/{copy['id']}")) == [1]
    found = call(
        "GET", "/services/data/v65.0/query", params={"q": f"SELECT Name, Format FROM Report WHERE Id = '{copy['id']}'"}
    )["records"][0]
    assert (found["Name"], found["Format"]) == ("Renamed", "Tabular")
    call("DELETE", f"reports/{made['id']}", status=204)
    call("GET", f"reports/{made['id']}", status=404)


def test_report_types_are_listed_and_described(call) -> None:
    listed = call("GET", "report-types")
    types = {each["type"]: each for category in listed for each in category["reportTypes"]}
    assert types["Opportunity"]["label"] == "Opportunities"
    assert "CustomEntity$Topic" in types
    body = call("GET", "report-types/AccountList")
    names = [name for category in body["reportTypeMetadata"]["categories"] for name in category["columns"]]
    assert {"ACCOUNT.NAME", "SALES", "Account.Region__c"} <= set(names)
    call("GET", "report-types/Nothing", status=404)


def test_reports_follow_the_users_time_zone(call, save, served) -> None:
    world, _ = served
    definition = ReportDefinition(
        "AccountList",
        "SUMMARY",
        (),
        (Grouping("CREATED_DATE", "Day", "Desc"),),
        filters=(Filter("ACCOUNT.NAME", "equals", "Acme"),),
    )
    key = save("Days", definition)
    assert call("GET", f"reports/{key}")["groupingsDown"]["groupings"][0]["value"] == "2026-11-18"
    with world.org.store.write() as connection:
        connection.execute('UPDATE "User" SET "TimeZoneSidKey" = ? WHERE Id = ?', ("America/Los_Angeles", world.ids["ada"]))
    try:
        assert call("GET", f"reports/{key}")["groupingsDown"]["groupings"][0]["value"] == "2026-11-17"
    finally:
        with world.org.store.write() as connection:
            connection.execute('UPDATE "User" SET "TimeZoneSidKey" = ? WHERE Id = ?', ("UTC", world.ids["ada"]))
