"""What a report offers: fields, units, filters. Pure."""

import json

import pytest

from okr import reports_metadata as metadata
from tests.okr.reports import by_region, level, report
from tests.okr.test_readings import recorded


def test_bw_29_summary_fields_come_with_label_type_and_unit():
    fields = metadata.summary_fields(report({}, aggregates=("s!AMOUNT", "a!PROBABILITY", "RowCount"), currency="USD"))
    assert [(each.name, each.label, each.unit, each.unit_label) for each in fields] == [
        ("s!AMOUNT", "Sum of Amount", "currency", "USD"),
        ("a!PROBABILITY", "Average Probability (%)", "percent", "%"),
        ("RowCount", "Record Count", "number", ""),
    ]
    assert [each.zero_is_true for each in fields] == [True, False, True]


def test_bw_d13_tabular_reports_offer_the_record_count_only():
    tabular = report({}, kind="TABULAR", aggregates=("s!AMOUNT", "RowCount"))
    assert [each.name for each in metadata.summary_fields(tabular)] == ["RowCount"]


@pytest.mark.parametrize(
    ("kind", "word"),
    [("MULTI_BLOCK", "joined"), ("TABULAR", "tabular"), ("SUMMARY", "custom objects"), ("MATRIX", "summary field")],
)
def test_bw_35_nothing_selectable_says_why(kind, word):
    offered = metadata.fields_or_reason(report({}, kind=kind, aggregates=()))
    assert offered.fields == []
    assert word in offered.reason


def test_bw_29_a_formula_defined_at_one_level_says_so():
    answer = report({}, aggregates=("FORMULA1",))
    answer["reportExtendedMetadata"]["aggregateColumnInfo"]["FORMULA1"]["downGroupingContext"] = "REGION"
    assert metadata.summary_fields(answer)[0].level == "REGION"


def test_digest_ignores_filters_and_data_but_not_structure():
    one, other = by_region({"EMEA": 1.0}), by_region({"APAC": 9.0, "EMEA": 2.0})
    other["reportMetadata"]["reportFilters"] = [{"column": "TYPE", "operator": "equals", "value": "New"}]
    assert metadata.digest_of(one) == metadata.digest_of(other)
    other["reportMetadata"]["groupingsDown"] = [level("OWNER")]
    assert metadata.digest_of(one) != metadata.digest_of(other)


def description(**changes) -> dict:
    answer = report({}, down_levels=[level("REGION")])
    operators = [{"name": "equals", "label": "equals"}, {"name": "notEqual", "label": "not equal to"}]
    answer["reportTypeMetadata"] = {
        "dataTypeFilterOperatorMap": {
            "picklist": operators, "currency": [*operators, {"name": "greaterThan", "label": ">"}], "string": operators,
            "date": operators,
        },
        "categories": [
            {"label": "Opportunity", "columns": {
                "TYPE": {"dataType": "picklist", "label": "Type", "filterable": True,
                         "filterValues": [{"name": "New", "label": "New"}, {"name": "Old", "label": "Old"}]},
                "AMOUNT": {"dataType": "currency", "label": "Amount", "filterable": True, "filterValues": []},
                "CLOSE_DATE": {"dataType": "date", "label": "Close Date", "filterable": True, "filterValues": []},
                "SECRET": {"dataType": "string", "label": "Secret", "filterable": False, "filterValues": []},
            }},
        ],
    }  # fmt: skip
    answer["reportMetadata"].update(changes)
    return answer


@pytest.mark.parametrize(
    ("column", "operator", "value", "code"),
    [
        ("TYPE", "equals", "New", None), ("TYPE", "equals", "New,Old", None), ("AMOUNT", "greaterThan", "1000.5", None),
        ("CLOSE_DATE", "equals", "2026-01-31", None), ("CLOSE_DATE", "equals", "THIS_MONTH", None),
        ("NOPE", "equals", "x", "filter_column"), ("SECRET", "equals", "x", "filter_column"),
        ("TYPE", "greaterThan", "New", "filter_operator"), ("TYPE", "equals", "Nwe", "filter_value"),
        ("AMOUNT", "greaterThan", "a lot", "filter_value"), ("AMOUNT", "greaterThan", 5, "filter_value"),
        ("CLOSE_DATE", "equals", "soon", "filter_value"),
    ],
)  # fmt: skip
def test_bw_31_filters_are_checked_against_the_description(column, operator, value, code):
    problem = metadata.filter_problem(description(), [{"column": column, "operator": operator, "value": value}])
    assert (problem.code if problem else None) == code


def test_bw_31_at_most_twenty_filters_with_the_reports_own():
    own = [{"column": "TYPE", "operator": "equals", "value": "New"}] * 20
    problem = metadata.filter_problem(description(reportFilters=own), own[:1])
    assert problem.code == "too_many_filters"


def test_i_06_added_filters_narrow_the_report_and_keep_its_own():
    own = [{"column": "TYPE", "operator": "equals", "value": "New"}, {"column": "TYPE", "operator": "equals", "value": "Old"}]
    added = [{"column": "AMOUNT", "operator": "greaterThan", "value": "5"}]
    body = metadata.narrowed(description(reportFilters=own, reportBooleanFilter="1 OR 2"), added)
    assert body["reportFilters"] == own + added
    assert body["reportBooleanFilter"] == "(1 OR 2) AND 3"
    assert "reportBooleanFilter" not in metadata.narrowed(description(), added)


@pytest.mark.parametrize(
    "token", ["{}", "[1]", '[{"field": 5, "value": 1}]', '[{"field": "A"}]', "nonsense", "[" + "{}," * 9 + "{}]"]
)
def test_s_072_a_forged_row_is_refused(token):
    with pytest.raises(ValueError):
        metadata.path_from_token(token)


def test_s_072_a_row_from_outside_keeps_known_keys_only():
    path = metadata.path_from_token(json.dumps([{"field": "A", "value": "x", "link": 7, "across": True}]))
    assert path == [{"field": "A", "field_label": "A", "value": "x", "label": "x", "across": True, "granularity": ""}]


def test_recorded_describe_yields_filter_columns_with_their_operators():
    columns = metadata.filter_columns(recorded("describe-opportunity-report"))
    assert columns["TYPE"].values == ("Existing Business", "New Business")
    assert "contains" in columns["OPPORTUNITY_NAME"].operators
