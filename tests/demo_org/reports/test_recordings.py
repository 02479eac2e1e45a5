"""Our answers have the shape of real ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from integrations.demo_org.reports.definition import DateFilter, Grouping, ReportDefinition

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "salesforce-recordings" / "analytics"
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded answers are not on this machine")

MATRIX = ReportDefinition(
    "Opportunity",
    "MATRIX",
    ("OPPORTUNITY_NAME", "AMOUNT", "STAGE_NAME", "FISCAL_QUARTER", "FULL_NAME"),
    (Grouping("TYPE"), Grouping("ACCOUNT_NAME")),
    (Grouping("CLOSE_DATE", "Month"),),
    aggregates=("s!AMOUNT",),
)
SUMMARY = ReportDefinition(
    "AccountList",
    "SUMMARY",
    ("USERS.NAME", "ACCOUNT.NAME", "ADDRESS1_STATE", "RATING", "INDUSTRY", "CREATED_DATE", "SALES"),
    (Grouping("TYPE"),),
    aggregates=("s!SALES", "RowCount"),
)
TABULAR = ReportDefinition(
    "ContactList",
    "TABULAR",
    (
        "SALUTATION", "FIRST_NAME", "LAST_NAME", "TITLE", "ADDRESS2_STREET", "ADDRESS2_CITY", "ADDRESS2_STATE", "ADDRESS2_ZIP",
        "ADDRESS2_COUNTRY", "PHONE1", "PHONE3", "PHONE2", "EMAIL", "OWNER_FULL_NAME", "ACCOUNT.NAME",
    ),
)  # fmt: skip
DEALS = ReportDefinition(
    "Opportunity",
    "TABULAR",
    (
        "ROLLUP_DESCRIPTION", "FULL_NAME", "ACCOUNT_NAME", "OPPORTUNITY_NAME", "STAGE_NAME", "FISCAL_QUARTER", "AMOUNT",
        "PROBABILITY", "AGE", "CLOSE_DATE", "CREATED_DATE", "NEXT_STEP", "LEAD_SOURCE", "TYPE",
    ),
    date_filter=DateFilter("CLOSE_DATE", "THIS_FISCAL_QUARTER"),
)  # fmt: skip
RUNS = [("run-matrix-2x1-details", MATRIX), ("run-summary-one-group-details", SUMMARY), ("run-tabular-details", TABULAR)]


def recording(name: str) -> Any:
    return json.loads((RECORDINGS / f"{name}.json").read_text())


def leaf_rows(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for fact in body["factMap"].values() for row in fact.get("rows", [])]


@pytest.mark.parametrize(("name", "definition"), RUNS)
def test_runs_have_the_recorded_structure(run, name: str, definition: ReportDefinition) -> None:
    real, ours = recording(name), run(definition, details=True)
    assert set(real) <= set(ours)
    assert set(real["reportMetadata"]) <= set(ours["reportMetadata"])
    assert set(real["attributes"]) == set(ours["attributes"])
    for axis in ("groupingsDown", "groupingsAcross"):
        assert bool(real[axis]["groupings"]) == bool(ours[axis]["groupings"])
        for each in real[axis]["groupings"][:1]:
            assert set(each) == set(ours[axis]["groupings"][0])
    assert {key.count("_") for key in real["factMap"]} == {key.count("_") for key in ours["factMap"]}
    for key in ("T!T", "0!T"):
        if key in real["factMap"]:
            assert set(real["factMap"][key]) == set(ours["factMap"][key])
            assert [set(each) for each in real["factMap"][key]["aggregates"]] == [
                set(each) for each in ours["factMap"][key]["aggregates"]
            ]


@pytest.mark.parametrize(("name", "definition"), RUNS)
def test_columns_groupings_and_aggregates_are_described_as_recorded(run, name: str, definition: ReportDefinition) -> None:
    real, ours = recording(name)["reportExtendedMetadata"], run(definition)["reportExtendedMetadata"]
    for column, info in real["detailColumnInfo"].items():
        shown = ours["detailColumnInfo"][column]
        assert shown["dataType"] == info["dataType"] or (column, shown["dataType"]) == ("ADDRESS2_STREET", "textarea")
        if column != "OWNER_FULL_NAME":
            assert shown["label"] == info["label"]
    assert ours["groupingColumnInfo"] == real["groupingColumnInfo"]
    assert ours["aggregateColumnInfo"] == real["aggregateColumnInfo"]


@pytest.mark.parametrize(("name", "definition"), RUNS)
def test_cells_carry_the_same_kinds_of_values(run, name: str, definition: ReportDefinition) -> None:
    real, ours = leaf_rows(recording(name)), leaf_rows(run(definition, details=True))
    assert real
    assert ours
    for column in range(len(definition.detail_columns)):
        recorded = {type(row["dataCells"][column]["value"]).__name__ for row in real}
        made = {type(row["dataCells"][column]["value"]).__name__ for row in ours}
        assert not made - recorded - {"NoneType"}
    amounts = [cell["value"] for row in ours for cell in row["dataCells"] if isinstance(cell["value"], dict)]
    assert all(set(each) == {"amount", "currency"} for each in amounts)
    empty = [cell for row in ours for cell in row["dataCells"] if cell["value"] is None]
    assert all(cell["label"] == "-" for cell in empty)


def test_the_fact_map_is_as_dense_as_the_recorded_one(run) -> None:
    for body in (recording("run-matrix-2x1-details"), run(MATRIX, details=True)):
        rows = 1 + sum(1 + len(each["groupings"]) for each in body["groupingsDown"]["groupings"])
        columns = 1 + len(body["groupingsAcross"]["groupings"])
        assert len(body["factMap"]) == rows * columns


def test_a_description_has_the_recorded_keys(call, save) -> None:
    ours = call("GET", f"reports/{save('Described', DEALS)}/describe")
    for name in ("describe-opportunity-report", "describe-tabular", "describe-matrix"):
        real = recording(name)
        assert set(real) <= set(ours)
        missing = set(real["reportMetadata"]) - set(ours["reportMetadata"]) - {"saveRoleHierarchy"}
        assert missing == set()
        assert set(real["reportTypeMetadata"]) <= set(ours["reportTypeMetadata"])
        assert set(real["reportExtendedMetadata"]) <= set(ours["reportExtendedMetadata"])


def test_a_report_type_is_described_as_recorded(call, save) -> None:
    real = recording("describe-opportunity-report")["reportTypeMetadata"]
    ours = call("GET", f"reports/{save('Typed deals', DEALS)}/describe")["reportTypeMetadata"]
    assert {key: ours["dataTypeFilterOperatorMap"][key] for key in real["dataTypeFilterOperatorMap"]} == real[
        "dataTypeFilterOperatorMap"
    ]
    assert ours["scopeInfo"] == real["scopeInfo"]
    assert ours["standardFilterInfos"] == real["standardFilterInfos"]
    recorded = {name: each for category in real["categories"] for name, each in category["columns"].items()}
    shown = {name: each for category in ours["categories"] for name, each in category["columns"].items()}
    common = recorded.keys() & shown.keys()
    assert len(common) > 50
    for name in common:
        assert (name, shown[name]["label"], shown[name]["filterable"]) == (name, recorded[name]["label"], True)
        assert set(recorded[name]) <= set(shown[name])
    assert {name for name in common if shown[name]["dataType"] != recorded[name]["dataType"]} == set()


def test_the_list_and_an_instance_have_the_recorded_keys(call, save) -> None:
    key = save("Listed", DEALS)
    call("GET", f"reports/{key}")
    assert set(call("GET", "reports")[0]) == set(recording("report-list-recent")[0])
    assert set(call("POST", f"reports/{key}/instances")) == set(recording("instance-new"))
