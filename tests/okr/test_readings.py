"""A report's answer becomes a value or a reason. Pure."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okr import readings, reports_metadata
from okr.readings import Broken, Value, value_from
from tests.okr.reports import by_region, group, level, report, step

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "salesforce-recordings" / "analytics"


def amount_of(result: Value | Broken) -> Decimal:
    assert isinstance(result, Value), result
    return result.amount


def status_of(result: Value | Broken) -> str:
    assert isinstance(result, Broken), result
    return result.status


def recorded(name: str) -> dict:
    path = RECORDINGS / f"{name}.json"
    if not path.exists():
        pytest.skip("the recordings of real Salesforce answers are not here")
    return json.loads(path.read_text())


def test_bw_29_aggregates_are_matched_by_name_whatever_their_order():
    one = report({"T!T": [10, 3]}, aggregates=("s!AMOUNT", "RowCount"))
    other = report({"T!T": [3, 10]}, aggregates=("RowCount", "s!AMOUNT"))
    assert amount_of(value_from(one, field="s!AMOUNT")) == amount_of(value_from(other, field="s!AMOUNT")) == 10


def test_bw_31_a_row_is_found_by_its_value_not_by_its_place():
    before = by_region({"APAC": 5.0, "EMEA": 7.0})
    after = by_region({"AMER": 1.0, "APAC": 5.0, "EMEA": 7.0})
    for answer in (before, after):
        assert amount_of(value_from(answer, field="s!AMOUNT", group_path=[step("REGION", "EMEA")])) == 7


def test_bw_d8_a_missing_row_is_never_zero_and_never_the_grand_total():
    answer = by_region({"APAC": 5.0})
    broken = value_from(answer, field="s!AMOUNT", group_path=[step("REGION", "EMEA")])
    assert status_of(broken) == "row_missing"
    assert "EMEA" in broken.reason


def test_bw_d8_a_missing_row_counts_as_zero_only_where_that_is_true():
    answer = by_region({"APAC": 5.0}, aggregates=("s!AMOUNT", "a!PROBABILITY"))
    path = [step("REGION", "EMEA")]
    zero = value_from(answer, field="s!AMOUNT", group_path=path, missing_row_is_zero=True)
    assert amount_of(zero) == 0
    assert zero.is_assumed_zero
    assert status_of(value_from(answer, field="a!PROBABILITY", group_path=path, missing_row_is_zero=True)) == "row_missing"
    regrouped = by_region({"APAC": 5.0})
    regrouped["reportMetadata"]["groupingsDown"] = [level("OWNER")]
    assert status_of(value_from(regrouped, field="s!AMOUNT", group_path=path, missing_row_is_zero=True)) == "row_missing"


def test_r_216_a_renamed_group_value_is_broken_and_choices_are_offered():
    answer = by_region({"Europe": 7.0, "APAC": 5.0})
    assert status_of(value_from(answer, field="s!AMOUNT", group_path=[step("REGION", "EMEA")])) == "row_missing"
    assert [choice.label for choice in reports_metadata.group_choices(answer).down] == ["Europe", "APAC"]


def test_r_211_a_removed_summary_field_is_broken_by_name():
    answer = report({"T!T": [3]}, aggregates=("RowCount",))
    broken = value_from(answer, field="s!AMOUNT", field_label="Sum of Amount")
    assert status_of(broken) == "field_gone"
    assert "Sum of Amount" in broken.reason
    assert "cannot see" in broken.reason


@pytest.mark.parametrize("raw", [None, "-", "n/a"])
def test_r_213_null_or_a_dash_is_no_value_not_zero(raw):
    assert status_of(value_from(report({"T!T": [raw, 1]}), field="s!AMOUNT")) == "no_value"


@pytest.mark.parametrize("raw", [float("nan"), float("inf"), True, 1e40])
def test_r_072_what_is_not_a_number_is_never_kept(raw):
    assert status_of(value_from(report({"T!T": [raw, 1]}), field="s!AMOUNT")) == "no_value"


def test_r_215_totals_stay_exact_when_detail_rows_were_cut():
    result = value_from(report({"T!T": [12.5, 4000]}, all_data=False), field="s!AMOUNT")
    assert amount_of(result) == Decimal("12.5")
    assert result.all_data is False


def test_r_215_detail_rows_are_never_summed():
    answer = report({"T!T": [None, 2]})
    answer["factMap"]["T!T"]["rows"] = [{"dataCells": [{"value": 5, "label": "5"}]}]
    assert status_of(value_from(answer, field="s!AMOUNT")) == "no_value"


def test_bw_d10_percent_45_stays_45():
    answer = report({"T!T": [45, 1]}, aggregates=("a!PROBABILITY", "RowCount"))
    result = value_from(answer, field="a!PROBABILITY")
    assert (amount_of(result), result.type) == (45, "percent")
    assert reports_metadata.unit_for(answer, "a!PROBABILITY") == ("percent", "%")


def test_r_219_the_label_is_never_parsed():
    answer = report({"T!T": [1234.56, 1]}, currency="EUR")
    assert answer["factMap"]["T!T"]["aggregates"][0]["label"] == "1.234,56 EUR"
    result = value_from(answer, field="s!AMOUNT")
    assert (amount_of(result), result.currency) == (Decimal("1234.56"), "EUR")
    answer["factMap"]["T!T"]["aggregates"][0]["label"] = "999"
    assert value_from(answer, field="s!AMOUNT") == result


def test_bw_d10_the_currency_code_is_imported_and_dollars_are_only_usd():
    assert reports_metadata.unit_for(report({}, currency="USD"), "s!AMOUNT") == ("currency", "USD")
    assert reports_metadata.unit_for(report({}, currency="EUR"), "s!AMOUNT") == ("currency", "EUR")
    assert reports_metadata.unit_for(report({}), "s!AMOUNT") == ("currency", "")


def test_bw_d9_a_changed_currency_is_broken():
    euros = report({"T!T": [5, 1]}, currency="EUR")
    assert status_of(value_from(euros, field="s!AMOUNT", expected_currency="USD")) == "currency_changed"
    assert status_of(value_from(euros, field="s!AMOUNT", unit_currency="USD")) == "currency_changed"
    assert amount_of(value_from(euros, field="s!AMOUNT", expected_currency="EUR")) == 5
    none_named = report({"T!T": [5, 1]})
    assert status_of(value_from(none_named, field="s!AMOUNT", expected_currency="USD")) == "currency_changed"
    assert amount_of(value_from(none_named, field="s!AMOUNT", unit_currency="USD")) == 5


def test_bw_d9_an_amount_with_its_own_currency_is_read():
    answer = report({"T!T": [{"amount": 12.5, "currency": "GBP"}, 1]}, currency="EUR")
    result = value_from(answer, field="s!AMOUNT", expected_currency="GBP")
    assert (amount_of(result), result.currency) == (Decimal("12.5"), "GBP")


def test_bw_d9_a_changed_type_is_broken_but_plain_numbers_are_alike():
    answer = report({"T!T": [5, 1]}, types={"s!AMOUNT": "percent"})
    assert status_of(value_from(answer, field="s!AMOUNT", expected_type="currency")) == "type_changed"
    assert amount_of(value_from(report({"T!T": [5, 1]}), field="RowCount", expected_type="double")) == 1


@pytest.mark.parametrize("kind", ["MULTI_BLOCK", "", "SOMETHING_NEW"])
def test_r_225_joined_and_unknown_formats_are_refused(kind):
    assert status_of(value_from(report({"T!T": [5, 1]}, kind=kind), field="RowCount")) == "format"


def test_r_225_a_report_that_became_tabular_has_only_its_record_count():
    tabular = report({"T!T": [5, 1]}, kind="TABULAR")
    assert status_of(value_from(tabular, field="s!AMOUNT")) == "format"
    assert status_of(value_from(tabular, field="RowCount", group_path=[step("REGION", "EMEA")])) == "format"
    assert amount_of(value_from(tabular, field="RowCount")) == 1


def test_bw_d9_an_answer_without_totals_is_incomplete():
    assert status_of(value_from(report({}), field="s!AMOUNT")) == "incomplete"
    assert status_of(value_from(report({"T!T": [5]}), field="RowCount")) == "incomplete"


def test_r_051_ids_are_compared_by_18_characters():
    answer = report(
        {"0!T": [5, 1], "T!T": [5, 1]}, down=[group("0015e00000AbCdEAAV", "0", "Acme")], down_levels=[level("ACCOUNT")]
    )
    answer["groupingsDown"]["groupings"][0]["value"] = readings.ids.to_18("0015e00000AbCdE")
    assert amount_of(value_from(answer, field="s!AMOUNT", group_path=[step("ACCOUNT", "0015e00000AbCdE")])) == 5
    assert status_of(value_from(answer, field="s!AMOUNT", group_path=[step("ACCOUNT", "0015e00000aBcDe")])) == "row_missing"


def test_bw_31_a_date_group_is_its_first_day():
    answer = report(
        {"0!T": [5, 1], "T!T": [5, 1]}, down=[group("2026-07-01", "0", "Juli 2026")], down_levels=[level("CLOSE_DATE", "Month")]
    )
    for value in ("2026-07-01", "2026-07-01T00:00:00Z"):
        assert amount_of(value_from(answer, field="s!AMOUNT", group_path=[step("CLOSE_DATE", value, granularity="Month")])) == 5
    quarter = step("CLOSE_DATE", "2026-07-01", granularity="Quarter")
    assert status_of(value_from(answer, field="s!AMOUNT", group_path=[quarter])) == "row_missing"


def test_bw_31_the_group_without_a_value_is_null_and_nothing_else():
    answer = by_region({"EMEA": 7.0, None: 2.0, "-": 9.0})
    assert amount_of(value_from(answer, field="s!AMOUNT", group_path=[step("REGION", None)])) == 2
    assert amount_of(value_from(answer, field="s!AMOUNT", group_path=[step("REGION", "-")])) == 9


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(5, 5.0, True), (True, 1, False), (False, None, False), ("5", 5, False), ("a", "A", False), (0, None, False),
     ({"amount": 5, "currency": "EUR"}, {"amount": 5.0, "currency": "EUR"}, True),
     ({"amount": 5, "currency": "EUR"}, {"amount": 5, "currency": "USD"}, False)],
)  # fmt: skip
def test_i_06_group_values_are_not_mixed_up(one, other, same):
    assert readings.same_group(one, other) is same
    assert readings.same_group(other, one) is same


def matrix() -> dict:
    down = [
        group("New", "0", children=[group("EMEA", "0_0"), group("APAC", "0_1")]),
        group("Old", "1", children=[group("EMEA", "1_0")]),
    ]
    across = [group("2026-01-01", "0", "January 2026"), group("2026-02-01", "1", "February 2026")]
    cells = {
        "0_0!0": [1, 1], "0_0!1": [2, 1], "0_0!T": [3, 2], "0_1!0": [4, 1], "0_1!1": [0, 0], "0_1!T": [4, 1], "0!T": [7, 3],
        "0!0": [5, 2], "0!1": [2, 1], "1_0!T": [9, 1], "1_0!0": [9, 1], "1_0!1": [0, 0], "1!T": [9, 1], "T!0": [14, 3],
        "T!1": [2, 1], "T!T": [16, 4],
    }  # fmt: skip
    return report(
        cells, kind="MATRIX", down=down, across=across, down_levels=[level("TYPE"), level("REGION")],
        across_levels=[level("CLOSE_DATE", "Month")],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ([], 16),
        ([step("TYPE", "New")], 7),
        ([step("TYPE", "New"), step("REGION", "APAC")], 4),
        ([step("CLOSE_DATE", "2026-02-01", across=True, granularity="Month")], 2),
        ([step("TYPE", "New"), step("REGION", "EMEA"), step("CLOSE_DATE", "2026-02-01", across=True, granularity="Month")], 2),
        ([step("TYPE", "New"), step("CLOSE_DATE", "2026-01-01", across=True, granularity="Month")], 5),
        # Empty cells of a matrix hold a real 0.
        ([step("TYPE", "Old"), step("REGION", "EMEA"), step("CLOSE_DATE", "2026-02-01", across=True, granularity="Month")], 0),
    ],
)
def test_bw_31_nested_rows_columns_and_cells_of_a_matrix(path, value):
    assert amount_of(value_from(matrix(), field="s!AMOUNT", group_path=path)) == value


def test_bw_31_a_path_that_leaves_out_the_outer_group_is_not_guessed():
    assert status_of(value_from(matrix(), field="s!AMOUNT", group_path=[step("REGION", "EMEA")])) == "row_missing"


def test_bw_31_a_grouping_that_moved_from_rows_to_columns_is_still_found():
    moved = report(
        {"T!0": [7, 1], "T!T": [7, 1]}, kind="MATRIX", across=[group("EMEA", "0")], across_levels=[level("REGION")],
    )  # fmt: skip
    assert amount_of(value_from(moved, field="s!AMOUNT", group_path=[step("REGION", "EMEA")])) == 7


def test_bw_31_the_group_tree_offers_every_row_and_each_path_reads_its_own_cell():
    answer = matrix()
    tree = reports_metadata.group_choices(answer)
    labels = [choice.full_label for choice in reports_metadata.flatten(tree.down)]
    assert labels == ["New", "New > EMEA", "New > APAC", "Old", "Old > EMEA"]
    assert [choice.label for choice in tree.across] == ["January 2026", "February 2026"]
    for choice in reports_metadata.flatten(tree.down):
        assert reports_metadata.path_from_token(reports_metadata.path_token(choice.path)) == list(choice.path)
        assert isinstance(value_from(answer, field="s!AMOUNT", group_path=choice.path), Value)


def test_i_22_numbers_are_exact_decimals():
    assert amount_of(value_from(report({"T!T": [0.1, 1]}), field="s!AMOUNT")) == Decimal("0.1")
    assert amount_of(value_from(report({"T!T": [1.39e8, 1]}), field="s!AMOUNT")) == 139_000_000
    assert readings.decimal_of(Decimal("2.6750005")) == Decimal("2.675001")


REGIONS = st.one_of(
    st.none(), st.booleans(), st.text(max_size=6), st.integers(-5, 5), st.sampled_from(["001000000000001AAA", "2026-01-01"])
)


@given(
    amounts=st.dictionaries(REGIONS, st.integers(-(10**12), 10**12), min_size=1, max_size=8),
    extra=st.dictionaries(st.text(min_size=7, max_size=9), st.integers(), max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_r_216_shuffling_sorting_and_inserting_groups_never_changes_the_value(amounts, extra, order):
    """Python's dict treats True and 1 as one key, so every region here is distinct to `same_group`, too."""
    before = by_region(amounts)
    everything = [*amounts.items(), *extra.items()]
    order.shuffle(everything)
    after = by_region(dict(everything))
    columns = ["s!AMOUNT", "RowCount"]
    order.shuffle(columns)
    after["reportMetadata"]["aggregates"] = columns
    for fact in after["factMap"].values():
        fact["aggregates"] = [fact["aggregates"][["s!AMOUNT", "RowCount"].index(name)] for name in columns]
    for region, amount in amounts.items():
        path = [step("REGION", region)]
        assert amount_of(value_from(before, field="s!AMOUNT", group_path=path)) == amount
        assert amount_of(value_from(after, field="s!AMOUNT", group_path=path)) == amount


@given(amounts=st.dictionaries(st.text(max_size=5), st.integers(0, 10**6), min_size=2, max_size=6), data=st.data())
def test_i_21_a_vanished_group_is_missing_whatever_took_its_place(amounts, data):
    gone = data.draw(st.sampled_from(sorted(amounts)))
    left = {region: amount for region, amount in amounts.items() if region != gone}
    assert status_of(value_from(by_region(left), field="s!AMOUNT", group_path=[step("REGION", gone)])) == "row_missing"


def test_recorded_summary_is_read_by_name_and_value():
    answer = recorded("run-summary-one-group-details")
    path = [step("TYPE", "Customer - Channel")]
    assert amount_of(value_from(answer, field="s!SALES", group_path=path)) == 2_880_000_000
    assert amount_of(value_from(answer, field="RowCount", group_path=path)) == 5
    assert amount_of(value_from(answer, field="s!SALES")) == 9_469_000_000


def test_recorded_matrix_cell_is_read():
    answer = recorded("run-matrix-2x1-details")
    path = [
        step("TYPE", "Existing Customer - Upgrade"), step("ACCOUNT_NAME", "00158000002dk2P"),
        step("CLOSE_DATE", "2013-12-01", across=True, granularity="Month"),
    ]  # fmt: skip
    assert amount_of(value_from(answer, field="s!AMOUNT", group_path=path)) == 560_000


def test_recorded_tabular_offers_the_record_count_only():
    answer = recorded("run-tabular-details")
    assert [choice.name for choice in reports_metadata.summary_fields(answer)] == ["RowCount"]
    assert amount_of(value_from(answer, field="RowCount")) == 20


def test_r_227_numbers_that_differ_after_15_digits_are_the_same():
    assert not readings.differs(Decimal("1234567890.12346"), Decimal("1234567890.123457"))
    assert readings.differs(Decimal("0.1"), Decimal("0.100001"))
    assert readings.differs(None, Decimal(0))
