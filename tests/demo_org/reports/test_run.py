"""Runs over a world whose every record is known: groups, fact map, aggregates, details."""

from typing import Any

import pytest

from integrations.demo_org.reports.definition import (
    Bucket,
    CrossFilter,
    DateFilter,
    Filter,
    Formula,
    Grouping,
    ReportDefinition,
    Sort,
)


def deals(form: str = "SUMMARY", **more: Any) -> ReportDefinition:
    return ReportDefinition("Opportunity", form, **{"aggregates": ("s!AMOUNT", "RowCount"), **more})


def values(answer: dict[str, Any], key: str) -> list[Any]:
    return [each["value"] for each in answer["factMap"][key]["aggregates"]]


def labels(answer: dict[str, Any], axis: str = "groupingsDown") -> list[str]:
    return [each["label"] for each in answer[axis]["groupings"]]


def by(*columns: str, **more: Any) -> tuple[Grouping, ...]:
    return tuple(Grouping(each, **more) for each in columns)


def test_a_tabular_report_has_one_fact(run) -> None:
    answer = run(deals("TABULAR"))
    assert list(answer["factMap"]) == ["T!T"]
    assert answer["factMap"]["T!T"] == {"aggregates": [{"label": "$5,350.50", "value": 5350.5}, {"label": "5", "value": 5}]}
    assert answer["groupingsDown"] == answer["groupingsAcross"] == {"groupings": []}
    assert (answer["allData"], answer["hasDetailRows"]) == (True, False)


def test_a_summary_report_has_a_fact_per_group_and_total(run) -> None:
    answer = run(deals(groupings_down=by("STAGE_NAME")))
    assert labels(answer) == ["Prospecting", "Qualification", "Closed Won"]
    assert {key: values(answer, key) for key in answer["factMap"]} == {
        "0!T": [350.5, 2], "1!T": [0, 1], "2!T": [5000, 2], "T!T": [5350.5, 5],
    }  # fmt: skip


def test_subgroups_have_keys_below_their_group(run) -> None:
    answer = run(deals(groupings_down=by("STAGE_NAME", "FULL_NAME")))
    first = answer["groupingsDown"]["groupings"][0]
    assert [(each["key"], each["label"]) for each in first["groupings"]] == [("0_0", "Ada"), ("0_1", "Bob Bobson")]
    assert values(answer, "0_1!T") == [250.5, 1]
    assert set(answer["factMap"]) == {"0!T", "0_0!T", "0_1!T", "1!T", "1_0!T", "2!T", "2_0!T", "2_1!T", "T!T"}


def test_a_matrix_is_dense_and_empty_cells_hold_zero(run) -> None:
    answer = run(
        deals("MATRIX", groupings_down=by("STAGE_NAME", "FULL_NAME"), groupings_across=by("CLOSE_DATE", granularity="Year"))
    )
    assert labels(answer, "groupingsAcross") == ["CY2025", "CY2026", "CY2027"]
    rows, columns = ["0", "0_0", "0_1", "1", "1_0", "2", "2_0", "2_1", "T"], ["0", "1", "2", "T"]
    assert set(answer["factMap"]) == {f"{row}!{column}" for row in rows for column in columns}
    assert answer["factMap"]["1!0"]["aggregates"] == [{"label": "$0.00", "value": 0}, {"label": "0", "value": 0}]
    assert values(answer, "2!0") == [4000, 1]
    assert values(answer, "T!1") == [1350.5, 3]
    assert values(answer, "T!T") == [5350.5, 5]


def test_lookup_groups_carry_ids_and_empty_ones_come_first(run, world) -> None:
    groups = run(deals(groupings_down=by("ACCOUNT_NAME")))["groupingsDown"]["groupings"]
    assert [(each["label"], each["value"]) for each in groups] == [
        ("-", None), ("Acme", world.ids["acme"]), ("Émile & Söhne", world.ids["emile"]),
    ]  # fmt: skip


def test_groups_sort_downwards_and_by_an_aggregate(run) -> None:
    assert labels(run(deals(groupings_down=by("STAGE_NAME", order="Desc")))) == ["Closed Won", "Qualification", "Prospecting"]
    assert labels(run(deals(groupings_down=by("ACCOUNT_NAME", order="Desc"))))[-1] == "-"
    by_sum = by("STAGE_NAME", order="Desc", sort_aggregate="s!AMOUNT")
    assert labels(run(deals(groupings_down=by_sum))) == ["Closed Won", "Prospecting", "Qualification"]


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [
        ("Day", [("2025-02-28", "2/28/2025"), ("2026-10-31", "10/31/2026"), ("2026-11-18", "11/18/2026")]),
        ("Week", [("2025-02-23", "2/23/2025 - 3/1/2025"), ("2026-10-25", "10/25/2026 - 10/31/2026"), ("2026-11-15", "11/15/2026 - 11/21/2026")]),
        ("Month", [("2025-02-01", "February 2025"), ("2026-10-01", "October 2026"), ("2026-11-01", "November 2026")]),
        ("Quarter", [("2025-01-01", "Q1 CY2025"), ("2026-10-01", "Q4 CY2026")]),
        ("FiscalQuarter", [("2025-01-01", "Q1 FY2025"), ("2026-10-01", "Q4 FY2026")]),
        ("Year", [("2025-01-01", "CY2025"), ("2026-01-01", "CY2026")]),
        ("FiscalYear", [("2025-01-01", "FY2025"), ("2026-01-01", "FY2026")]),
        ("MonthInYear", [(2, "February"), (10, "October"), (11, "November")]),
        ("DayInMonth", [(18, "18"), (28, "28"), (31, "31")]),
    ],
)  # fmt: skip
def test_date_groups(run, granularity: str, expected: list[tuple[Any, str]]) -> None:
    definition = deals(
        groupings_down=by("CLOSE_DATE", granularity=granularity), filters=(Filter("CLOSE_DATE", "lessOrEqual", "2026-11-18"),)
    )
    assert [(each["value"], each["label"]) for each in run(definition)["groupingsDown"]["groupings"]] == expected


def test_instants_are_grouped_by_the_users_day(run) -> None:
    answer = run(ReportDefinition("AccountList", "SUMMARY", groupings_down=by("CREATED_DATE", granularity="Day", order="Desc")))
    assert labels(answer)[0] == "11/17/2026"  # 05:00Z is the evening before in Los Angeles


def test_aggregates_of_every_kind(run) -> None:
    names = ("a!AMOUNT", "m!AMOUNT", "mx!AMOUNT", "u!FULL_NAME", "s!AMOUNT", "s!WON", "a!PROBABILITY", "mx!CLOSE_DATE")
    answer = run(deals(aggregates=names, groupings_down=by("STAGE_NAME")))
    assert values(answer, "T!T") == [1337.625, 100, 4000, 2, 5350.5, 2, 46, "2027-01-15"]
    assert values(answer, "2!T") == [2500, 1000, 4000, 2, 5000, 2, 100, "2026-10-31"]
    shown = [each["label"] for each in answer["factMap"]["T!T"]["aggregates"]]
    assert shown == ["$1,337.63", "$100.00", "$4,000.00", "2", "$5,350.50", "2", "46%", "1/15/2027"]
    info = answer["reportExtendedMetadata"]["aggregateColumnInfo"]
    assert [(each["label"], each["dataType"]) for each in info.values()][:4] == [
        ("Average Amount", "currency"), ("Smallest Amount", "currency"), ("Largest Amount", "currency"), ("Unique Opportunity Owner", "int"),
    ]  # fmt: skip


def test_averages_are_of_rows_not_of_groups(run) -> None:
    answer = run(
        deals(
            "MATRIX",
            aggregates=("a!AMOUNT",),
            groupings_down=by("STAGE_NAME"),
            groupings_across=by("CLOSE_DATE", granularity="Year"),
        )
    )
    assert values(answer, "T!T") == [1337.625]
    assert values(answer, "1!T") == [0]


def test_unique_counts_do_not_add_up_over_groups(run) -> None:
    answer = run(deals(aggregates=("u!FULL_NAME",), groupings_down=by("STAGE_NAME")))
    assert [values(answer, key) for key in ("0!T", "1!T", "2!T", "T!T")] == [[2], [1], [2], [2]]


def test_formulas_are_computed_in_every_group(run) -> None:
    rate = Formula("FORMULA1", "Win rate", "WON:SUM / RowCount * 100", "percent")
    answer = run(deals(aggregates=("FORMULA1", "RowCount"), formulas=(rate,), groupings_down=by("STAGE_NAME")))
    assert [values(answer, key)[0] for key in ("0!T", "2!T", "T!T")] == [0, 100, 40]
    assert answer["factMap"]["T!T"]["aggregates"][0]["label"] == "40.00%"
    broken = Formula("FORMULA1", "Nothing", "AMOUNT:SUM / WON:SUM")
    answer = run(deals(aggregates=("FORMULA1",), formulas=(broken,), groupings_down=by("STAGE_NAME")))
    assert answer["factMap"]["0!T"]["aggregates"][0] == {"label": "-", "value": None}


def test_buckets_group_numbers_and_texts(run) -> None:
    size = Bucket("BucketField_1", "Size", "AMOUNT", (("Small", 200.0), ("Large", None)))
    answer = run(deals(buckets=(size,), groupings_down=by("BucketField_1")))
    assert {each["label"]: values(answer, f"{each['key']}!T")[1] for each in answer["groupingsDown"]["groupings"]} == {
        "-": 1,
        "Large": 3,
        "Small": 1,
    }
    phase = Bucket("BucketField_2", "Phase", "STAGE_NAME", (), (("Early", ("Prospecting", "Qualification")),), "Late")
    assert labels(run(deals(buckets=(phase,), groupings_down=by("BucketField_2")))) == ["Early", "Late"]


def test_details_stand_under_their_finest_group(run, world) -> None:
    columns = ("OPPORTUNITY_NAME", "AMOUNT", "CLOSE_DATE", "WON", "ACCOUNT_NAME", "PROBABILITY", "TYPE", "CREATED_DATE")
    answer = run(deals(groupings_down=by("STAGE_NAME"), detail_columns=columns, sort=(Sort("AMOUNT", "Desc"),)), details=True)
    assert answer["hasDetailRows"] is True
    assert answer["factMap"]["T!T"]["rows"] == []
    rows = [row["dataCells"] for row in answer["factMap"]["0!T"]["rows"]]
    assert [cell["label"] for cell in rows[1]] == [
        "One",
        "$100.00",
        "11/18/2026",
        "false",
        "Acme",
        "10%",
        "New Business",
        "12/31/2019",
    ]
    assert [cell["value"] for cell in rows[1]] == [
        world.ids["d1"], {"amount": 100, "currency": None}, "2026-11-18", False, world.ids["acme"], 10, "New Business", "2019-12-31",
    ]  # fmt: skip
    assert rows[0][6] == {"label": "-", "value": None}


def test_summaries_without_details_have_no_rows_key(run) -> None:
    answer = run(deals(groupings_down=by("STAGE_NAME"), detail_columns=("AMOUNT",)))
    assert all("rows" not in fact for fact in answer["factMap"].values())


def test_a_row_limit_keeps_the_first_rows(run) -> None:
    definition = deals("TABULAR", detail_columns=("OPPORTUNITY_NAME",), sort=(Sort("AMOUNT", "Desc"),), row_limit=2)
    answer = run(definition, details=True)
    assert values(answer, "T!T") == [5000, 2]
    assert [row["dataCells"][0]["label"] for row in answer["factMap"]["T!T"]["rows"]] == ["Four", "Three"]


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"filters": (Filter("STAGE_NAME", "equals", "Closed Won"),)}, 2),
        ({"filters": (Filter("STAGE_NAME", "equals", "closed won,Qualification"),)}, 3),
        ({"filters": (Filter("STAGE_NAME", "notEqual", "Closed Won"),)}, 3),
        ({"filters": (Filter("AMOUNT", "greaterThan", "$250"),)}, 3),
        ({"filters": (Filter("AMOUNT", "equals", ""),)}, 1),
        ({"filters": (Filter("AMOUNT", "notEqual", "100"),)}, 4),
        ({"filters": (Filter("OPPORTUNITY_NAME", "contains", "O,r"),)}, 4),
        ({"filters": (Filter("OPPORTUNITY_NAME", "notContain", "o"),)}, 2),
        ({"filters": (Filter("OPPORTUNITY_NAME", "startsWith", "t"),)}, 2),
        ({"filters": (Filter("ACCOUNT_NAME", "equals", "ÉMILE & SÖHNE"),)}, 2),
        ({"filters": (Filter("ACCOUNT_NAME", "equals", ""),)}, 1),
        ({"filters": (Filter("WON", "equals", "True"),)}, 2),
        ({"filters": (Filter("CLOSE_DATE", "equals", "THIS_MONTH"),)}, 1),
        ({"filters": (Filter("CLOSE_DATE", "lessThan", "1/1/2026"),)}, 1),
        ({"filters": (Filter("AMOUNT", "greaterThan", "200"), Filter("WON", "equals", "1"), Filter("OPPORTUNITY_NAME", "equals", "One")), "boolean_filter": "(1 AND 2) OR 3"}, 3),
        ({"filters": (Filter("WON", "equals", "1"),), "boolean_filter": "NOT 1"}, 3),
        ({"standard_filters": (("open", "open"),)}, 3),
        ({"standard_filters": (("open", "closedwon"), ("probability", "gt90"))}, 2),
        ({"standard_filters": (("probability", "lt50"),)}, 3),
        ({"date_filter": DateFilter("CLOSE_DATE", "CUSTOM", "2026-10-31", "2026-12-01")}, 3),
        ({"date_filter": DateFilter("CLOSE_DATE", "CUSTOM", None, "2026-10-31")}, 2),
        ({"date_filter": DateFilter("CLOSE_DATE", "THIS_FISCAL_YEAR")}, 3),
        ({"date_filter": DateFilter("CLOSE_DATE", "LAST_30_DAYS")}, 2),
        ({"date_filter": DateFilter("CLOSE_DATE", "NEXT_N_DAYS:60")}, 2),
        ({"scope": "user"}, 3),
        ({"scope": "team"}, 5),
    ],
)  # fmt: skip
def test_filters(run, changes: dict[str, Any], count: int) -> None:
    assert values(run(deals("TABULAR", **changes)), "T!T")[1] == count


def test_cross_filters_look_at_related_records(run) -> None:
    def accounts(*cross: CrossFilter) -> int:
        return values(run(ReportDefinition("AccountList", "TABULAR", cross_filters=cross)), "T!T")[0]

    assert accounts(CrossFilter("Opportunity", "AccountId")) == 2
    assert accounts(CrossFilter("Opportunity", "AccountId", includes=False)) == 1
    won = (Filter("IsWon", "equals", "true"),)
    assert accounts(CrossFilter("Opportunity", "AccountId", criteria=won)) == 1


def test_deleted_rows_do_not_count(run) -> None:
    assert values(run(ReportDefinition("AccountList", "TABULAR")), "T!T") == [3]


def test_other_report_types(run) -> None:
    for kind, count in (
        ("ContactList", 4),
        ("LeadList", 1),
        ("CaseList", 1),
        ("Activity", 4),
        ("UserList", 2),
        ("CustomEntity$Group", 1),
    ):
        assert values(run(ReportDefinition(kind, "TABULAR")), "T!T") == [count]


def test_custom_fields_are_columns_by_their_path(run) -> None:
    answer = run(ReportDefinition("AccountList", "SUMMARY", ("Account.Region__c",), by("Account.Region__c")))
    assert labels(answer) == ["Americas", "Europe, Middle East & Africa"]
    assert [each["value"] for each in answer["groupingsDown"]["groupings"]] == ["AMER", "EMEA"]


def test_computed_columns(run) -> None:
    answer = run(
        deals(
            "TABULAR",
            detail_columns=("FISCAL_QUARTER", "FISCAL_YEAR", "AGE"),
            filters=(Filter("OPPORTUNITY_NAME", "equals", "Three"),),
        ),
        details=True,
    )
    cells = answer["factMap"]["T!T"]["rows"][0]["dataCells"]
    assert [each["value"] for each in cells] == ["Q4-2026", 2026, 2495]


def test_joined_reports_prefix_their_facts_with_the_block(run) -> None:
    definition = ReportDefinition(
        "Opportunity",
        "MULTI_BLOCK",
        blocks=(deals(groupings_down=by("FULL_NAME")), ReportDefinition("CaseList", "SUMMARY", (), by("OWNER"))),
    )
    answer = run(definition)
    assert values(answer, "B0!T!T") == [5350.5, 5]
    assert values(answer, "B1!0!T") == [1]


@pytest.mark.parametrize(
    "definition",
    [
        deals(groupings_down=by("NO_SUCH_COLUMN")),
        deals(filters=(Filter("NO_SUCH_COLUMN", "equals", "1"),)),
        deals(filters=(Filter("AMOUNT", "contains", "1"),)),
        deals(filters=(Filter("AMOUNT", "equals", "many"),)),
        deals(filters=(Filter("CLOSE_DATE", "equals", "soon"),)),
        deals(filters=(Filter("AMOUNT", "equals", "1"),), boolean_filter="1 AND 2"),
        deals(filters=(Filter("AMOUNT", "equals", "1"), Filter("WON", "equals", "1")), boolean_filter="1"),
        deals(filters=(Filter("AMOUNT", "equals", "1"), Filter("WON", "equals", "1")), boolean_filter="(1 OR 2"),
        deals(filters=tuple(Filter("AMOUNT", "greaterThan", str(k)) for k in range(21))),
        deals(detail_columns=("AMOUNT",) * 101),
        deals(aggregates=("s!STAGE_NAME",)),
        deals(aggregates=("x!AMOUNT",)),
        deals(aggregates=("FORMULA1",), formulas=(Formula("FORMULA1", "x", "AMOUNT:SUM +"),)),
        deals("TABULAR", groupings_down=by("STAGE_NAME")),
        deals(date_filter=DateFilter("CLOSE_DATE", "SOMETIME")),
        deals(failure="The report definition is obsolete."),
        ReportDefinition("CustomEntity$Nothing__c"),
        ReportDefinition("NoSuchType"),
        ReportDefinition("Opportunity", "MULTI_BLOCK"),
    ],
    ids=lambda each: each.boolean_filter or each.failure or each.report_type,
)
def test_what_cannot_run_is_a_400(refusal, definition: ReportDefinition) -> None:
    error = refusal(definition)
    assert (error.status, error.code) == (400, "BAD_REQUEST")
    assert error.message


def test_a_hidden_field_disappears_from_columns_and_aggregates(run, world) -> None:
    definition = deals(groupings_down=by("STAGE_NAME"), detail_columns=("AMOUNT", "TYPE"))
    world.org.settings.update({"hidden_fields": {"Opportunity": ["Amount"]}})
    try:
        answer = run(definition)
    finally:
        world.org.settings.update({"hidden_fields": {}})
    assert answer["reportMetadata"]["aggregates"] == ["RowCount"]
    assert answer["reportMetadata"]["detailColumns"] == ["TYPE"]
    assert values(answer, "T!T") == [5]
