"""What pages of analytics say first: headline figures, folded lists and notes, comparisons, and which key links accounts."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from analytics.analyses import asking, headlines
from analytics.analyses.drawing import blocks, lines
from analytics.attributes.linking import Candidate, best_first
from analytics.drivers.design import design_of, read_design
from analytics.drivers.wording import Words, gate_words
from analytics.models import Analysis, AnalyticsSettings, FactsState, Result
from tests.analytics.cast import AS_OF


def table(key: str, columns: list[tuple[str, str]], *rows: dict[str, Any]) -> dict[str, Any]:
    return {"key": key, "columns": [{"key": name, "label": name, "kind": kind} for name, kind in columns], "rows": list(rows)}


def shown(kind: str, *parts: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(each["label"], each["value"]) for each in headlines.headline_of(kind, {"blocks": list(parts)})]


def test_the_headline_of_a_heat_map_is_its_summary_over_complete_cells():
    cells = [{"rate": 1.0}, {"rate": 0.6}, {"rate": 0.5}, {"rate": 0.4, "complete_on": "2026-12-01"}, None]
    chart = {"columns": ["Month 0", "Month 1", "Month 2", "Month 3", "Month 4"], "rows": [{"label": "All", "cells": cells}]}
    heat = {"key": "table", "chart_type": "heatmap", "chart": chart}
    assert shown("retention", heat) == [("Month 1", 0.6), ("Month 2", 0.5)]
    assert shown("retention", heat | {"empty": "Not enough data"}) == []


def test_headlines_are_numbers_of_the_page_and_blank_ones_are_left_away():
    groups = table(
        "groups", [("group", "text"), ("year", "rate"), ("events", "count")], {"group": "All", "year": None, "events": 7}
    )
    assert shown("survival", groups) == [("Churned", 7)]
    types = table("types", [("name", "text"), ("people", "count"), ("responded", "count")],
                  {"name": "E-mail", "people": 30, "responded": 6}, {"name": "Webinar", "people": 10, "responded": 4})  # fmt: skip
    assert shown("campaigns", types) == [("Touched", 40), ("Responded", 0.25)]
    windows = table("windows", [("window", "text"), ("score", "number"), ("n", "count")], {"window": "Last 7 days", "score": 1, "n": 2},
                    {"window": "Last 30 days", "score": 3, "n": 4})  # fmt: skip
    assert shown("scores", windows) == [("NPS, 30 days", 3), ("Answers", 4)]
    steps = {"key": "steps", "chart": {"steps": [{"label": "Trial", "n": 9}, {"label": "Paid", "n": 3, "rate": 1 / 3}]}}
    assert shown("funnel", steps) == [("Paid", 1 / 3), ("Mature trials", 9)]
    assert shown("one of tomorrow") == []


@pytest.mark.parametrize(
    ("value", "text"),
    [("3203151.24", "3,203,151\u00a0USD"), ("999.99", "999.99\u00a0USD"), ("-1234.50", "\u22121,235\u00a0USD"), (None, "–")],
)
def test_large_money_has_no_cents_in_a_headline_figure_and_is_rounded_once(value, text):
    assert blocks.write_figure(value, "money", "USD") == text


def test_long_lists_are_folded_and_nothing_is_lost():
    note = "27 values could not be held constant: " + ", ".join(f"region {number}" for number in range(40))
    folded = blocks.fold_note(note)
    assert folded["lead"] == "27 values could not be held constant."
    assert folded["rest"].endswith("region 39")
    assert blocks.fold_note("Short: said whole.") == {"lead": "Short: said whole.", "rest": ""}
    rows = [{"name": str(number)} for number in range(16)]
    assert blocks.draw_block(table("t", [("name", "text")], *rows))["is_long"]
    assert not blocks.draw_block(table("t", [("name", "text")], *rows[:15]))["is_long"]


def curve(*at_risk: int) -> dict[str, Any]:
    points = [{"x": 100 * place, "y": 1 - place / 10, "at_risk": n} for place, n in enumerate(at_risk)]
    risk = [{"name": "All", "at": [[point["x"], point["at_risk"]] for point in points]}]
    return lines.draw_lines({"y_kind": "rate", "steps": True, "series": [{"name": "All", "points": points}], "at_risk": risk})


def test_numbers_at_risk_stand_below_the_ticks_and_a_curve_is_dashed_where_few_are_left():
    drawn = curve(1000, 500, 100, 20)
    assert [tick.at for tick in drawn["x_ticks"]] == [tick.at for tick in drawn["at_risk"][0]["at"]]
    assert [tick.label for tick in drawn["x_ticks"]] == ["0", "100", "200", "300"]
    assert drawn["has_few"]
    assert drawn["series"][0]["few_path"].startswith("M66.67")
    whole = curve(1000, 500, 100, 60)
    assert not whole["has_few"]
    assert whole["series"][0]["path"].count("H") == 3


def test_r_241_a_robust_row_says_at_which_number_of_uses_it_reached_the_floor():
    words = Words(design_of(read_design({"outcome": "retention"})))
    robust: Any = SimpleNamespace(gate_k=5, verdict="robust")
    assert gate_words(robust, words) == "Floor reached at 5 or more uses"
    assert gate_words(SimpleNamespace(gate_k=None, verdict="robust"), words) == ""  # type: ignore[arg-type]
    assert gate_words(SimpleNamespace(gate_k=5, verdict="weak"), words) == ""  # type: ignore[arg-type]


def candidate(field: str, matched: int, exact: int, *, is_key: bool = False) -> Candidate:
    return Candidate(
        field, field, sampled=100, filled=100, matched=matched, customers=matched, exact=exact, shared=0, is_key=is_key
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (candidate("Exact", 96, 96), candidate("Other_Case", 100, 0)),  # about as many, and as they are
        (candidate("Key", 98, 98, is_key=True), candidate("Text", 100, 100)),  # about as many, and kept apart by Salesforce
        (candidate("Many", 90, 0), candidate("Few", 40, 40, is_key=True)),  # more customers count more than anything else
    ],
)
def test_fz_d5_of_fields_that_link_as_many_the_exact_and_unique_one_is_chosen(first, second):
    assert [each.field for each in best_first([second, first])] == [first.field, second.field]


def test_amounts_are_in_the_currency_of_the_facts_where_no_setting_names_one(org):
    assert asking.currency_of(org) == ""
    FactsState.objects.create(org=org, as_of=AS_OF, computed_at=AS_OF, digest="d", health={"currency": "USD"})
    AnalyticsSettings.objects.create(org=org, currency="")
    assert asking.currency_of(org) == "USD"
    analysis = Analysis.objects.create(org=org, kind="drivers", digest="d")
    result = Result.objects.create(analysis=analysis, state=Result.State.DONE, as_of=AS_OF, facts="d")
    assert asking.asked_of(analysis, result).currency == "USD"


def test_a_result_is_compared_with_one_of_another_day_not_with_the_same_day_computed_again(org):
    analysis = Analysis.objects.create(org=org, kind="drivers", digest="d")
    made = [
        Result.objects.create(
            analysis=analysis, state=Result.State.DONE, as_of=as_of, facts=str(number), computed_at=timezone.now()
        )
        for number, as_of in enumerate((AS_OF - timedelta(days=1), AS_OF, AS_OF))
    ]
    assert asking.result_before(made[2]) == made[1]
    assert asking.result_before(made[2], other_day=True) == made[0]
    assert asking.result_before(made[0], other_day=True) is None
