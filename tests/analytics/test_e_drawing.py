"""How values read, how charts are drawn, what changed: pure."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.analyses import comparing, definitions, finding, writing
from analytics.analyses.drawing import bars, blocks, heatmap, lines, rows, scales
from tests.analytics.gallery import gallery

NBSP = "\u00a0"


@pytest.mark.parametrize(
    ("value", "kind", "unit", "shown", "plain"),
    [
        (0.6249, "rate", "", f"62.5{NBSP}%", "62.5"), (0.0005, "rate", "", f"0.1{NBSP}%", "0.1"),
        (0.00049, "rate", "", f"0.0{NBSP}%", "0.0"), (-0.0004, "points", "", f"0.0{NBSP}pp", "0.0"),
        (0.1285, "points", "", f"+12.9{NBSP}pp", "12.9"), (-0.1285, "points", "", f"−12.9{NBSP}pp", "-12.9"),
        ("1234.505", "money", "EUR", f"1,234.51{NBSP}EUR", "1234.51"), ("-0.005", "money", "", "−0.01", "-0.01"),
        (1234567, "count", "", "1,234,567", "1234567"), (Decimal("2.5"), "count", "", "3", "3"), (12.0, "number", "days", f"12{NBSP}days", "12"),
        (2.345, "number", "", "2.35", "2.35"), (0.00001, "p", "", "<0.001", "<0.001"), (0.04449, "p", "", "0.044", "0.044"),
        ("2026-11-01", "day", "", "Nov 1, 2026", "2026-11-01"), (None, "rate", "", "–", ""), (float("nan"), "number", "", "–", ""),
        ("not reached", "number", "", "not reached", "not reached"), ("Pro", "text", "", "Pro", "Pro"), (0, "count", "", "0", "0"),
    ],
)  # fmt: skip
def test_values_are_rounded_once_and_half_away_from_zero(value, kind, unit, shown, plain):
    assert writing.write(value, kind, unit) == shown
    assert writing.plain(value, kind) == plain


@given(st.decimals(min_value=-10**9, max_value=10**9, allow_nan=False, allow_infinity=False, places=6), st.sampled_from(["rate", "money", "count", "points", "number"]))  # fmt: skip
def test_what_is_shown_and_what_the_csv_says_are_the_same_digits(value, kind):
    shown = writing.write(value, kind).replace(NBSP, " ").split(" ")[0].replace(",", "").replace("−", "-").lstrip("+")
    assert shown == writing.plain(value, kind)


def test_intervals_have_the_unit_of_what_they_are_about_once():
    assert writing.write_interval([0.09, 0.2699], "rate") == f"9.0 to 27.0{NBSP}%"
    assert writing.write_interval([-0.021, 0.046], "points") == f"−2.1 to +4.6{NBSP}pp"
    assert writing.write_interval([3, None], "number") == "3 to –"
    assert writing.write_interval(None, "rate") == "–"


@given(st.lists(st.floats(min_value=-1e9, max_value=1e9, allow_nan=False), min_size=1, max_size=20), st.booleans())
def test_every_value_lies_within_a_scale_of_round_ticks(values, zero):
    scale, ticks = scales.nice_scale(values, zero=zero)
    width = scale.high - scale.low
    assert scale.low - width * 1e-6 <= min(values) <= max(values) <= scale.high + width * 1e-6
    assert 2 <= len(ticks) <= 9
    assert all(0 <= scale.at(value) <= 100 for value in values)


def test_a_rate_never_gets_an_axis_above_a_hundred_percent_unless_it_is_above():
    assert scales.nice_scale([0.1, 0.97], ceiling=1.0)[0].high == 1.0
    assert scales.nice_scale([0.1, 1.07], ceiling=1.0)[0].high > 1.07


def test_a_heat_map_has_ten_even_steps_up_to_the_largest_rate_and_says_everything_in_words():
    chart = {"x_label": "Month", "y_label": "Cohort", "columns": ["0", "1", "2", "3"], "rows": [
        {"label": "Jan", "size": 80, "cells": [
            {"rate": 1.0, "low": 0.95, "high": 1.0, "n": 80, "kept": 80, "complete_on": None, "behind": {"k": 0}},
            {"rate": 0.5625, "low": 0.45, "high": 0.66, "n": 80, "kept": 45, "complete_on": "2026-11-30"},
            {"rate": None, "low": None, "high": None, "n": 12, "kept": 5, "complete_on": None}, None,
        ]},
    ]}  # fmt: skip
    drawn = heatmap.draw_heatmap(chart)
    first, second, third, fourth = drawn["rows"][0]["cells"]
    assert (first["level"], first["text"], first["cell"]) == (10, "100.0", '{"k":0}')
    assert (second["level"], second["text"]) == (6, "56.3")
    assert second["title"] == (
        f"Jan, 1: 56.3{NBSP}%, 45 of 80, 95 % interval 45.0 to 66.0{NBSP}%, incomplete, complete on Nov 30, 2026"
    )
    assert (third["text"], third["level"], third["only_counts"]) == ("5 of 12", None, True)
    assert "too few for a rate" in third["title"]
    assert fourth is None
    assert drawn["has_incomplete"]


@pytest.mark.parametrize(("rate", "level"), [(0.0, 0), (0.0001, 1), (0.1, 1), (0.1001, 2), (0.3, 3), (1.0, 10), (1.4, 10)])
def test_levels_of_a_heat_map(rate, level):
    assert heatmap.level_of(rate, 0.1) == level


def test_steps_hold_their_height_until_the_next_time_and_bands_follow_them():
    points = [{"x": 0, "y": 1.0, "low": 1.0, "high": 1.0}, {"x": 50, "y": 0.5, "low": 0.25, "high": 0.75}, {"x": 100, "y": 0.5}]
    drawn = lines.draw_lines({"y_kind": "rate", "steps": True, "series": [{"name": "All", "points": points}]})
    assert drawn["series"][0]["path"] == "M0.0 0.0 H50.0 V50.0 H100.0 V50.0"
    assert drawn["series"][0]["band"] == "M0.0 0.0 H50.0 V25.0 V75.0 V0.0 H0.0 Z"


def test_gaps_break_a_line_and_its_incomplete_end_is_apart():
    points = [{"x": day, "y": y, "incomplete": day == "2026-05-01"} for day, y in
              (("2026-01-01", 2), ("2026-02-01", 3), ("2026-03-01", None), ("2026-04-01", 4), ("2026-05-01", 5))]  # fmt: skip
    series = lines.draw_lines({"y_kind": "number", "series": [{"name": "n", "points": points}]})["series"][0]
    assert series["path"].count("M") == 1, "a single point between a gap and the incomplete end is no line"
    assert series["open_path"].count("L") == 1
    assert [mark["incomplete"] for mark in series["marks"]] == [False, False, False, True]


@pytest.mark.parametrize(
    ("first", "last", "labels"),
    [
        ("2026-01-01", "2026-01-05", ["Jan 1", "Jan 2", "Jan 3", "Jan 4", "Jan 5"]),
        ("2025-11-01", "2026-10-01", ["Nov ’25", "Jan ’26", "Mar ’26", "May ’26", "Jul ’26", "Sep ’26"]),
    ],
)
def test_days_get_ticks_at_round_places(first, last, labels):
    chart = {"series": [{"name": "a", "points": [{"x": first, "y": 1}, {"x": last, "y": 2}]}]}
    ticks = [tick.label for tick in lines.draw_lines(chart)["x_ticks"]]
    assert ticks == labels or set(labels) >= set(ticks), ticks


def test_a_waterfall_ends_each_step_where_the_next_begins():
    chart = {"unit": "EUR", "steps": [
        {"label": "Start", "value": "100", "role": "total"}, {"label": "New", "value": "50", "role": "up"},
        {"label": "Churn", "value": "120", "role": "down"}, {"label": "End", "value": "30", "role": "total"},
    ]}  # fmt: skip
    drawn = rows.draw_waterfall(chart)["rows"]
    assert [row["text"] for row in drawn] == [f"100.00{NBSP}EUR", f"+50.00{NBSP}EUR", f"−120.00{NBSP}EUR", f"30.00{NBSP}EUR"]
    assert drawn[1]["x"] == pytest.approx(drawn[0]["x"] + drawn[0]["width"], abs=0.02)
    assert drawn[2]["x"] + drawn[2]["width"] == pytest.approx(drawn[1]["x"] + drawn[1]["width"], abs=0.02)
    assert drawn[2]["x"] == pytest.approx(drawn[3]["x"] + drawn[3]["width"], abs=0.02)
    assert drawn[1]["before"] == drawn[0]["joint"] == drawn[0]["end"]


def test_a_waterfall_of_small_movements_says_that_its_axis_is_cut():
    steps = [{"label": "a", "value": "90000", "role": "total"}, {"label": "b", "value": "1000", "role": "up"},
             {"label": "c", "value": "91000", "role": "total"}]  # fmt: skip
    drawn = rows.draw_waterfall({"unit": "EUR", "steps": steps})
    assert drawn["cut_at"]
    assert drawn["rows"][1]["width"] > 10
    assert rows.draw_waterfall({"unit": "EUR", "steps": [{"label": "a", "value": "5", "role": "total"}]})["cut_at"] == ""


def test_a_waterfall_below_zero_stays_within_its_box():
    steps = [{"label": "a", "value": "-50", "role": "total"}, {"label": "b", "value": "20", "role": "up"}]
    drawn = rows.draw_waterfall({"steps": steps})
    assert all(0 <= row["x"] <= row["x"] + row["width"] <= 100.01 for row in drawn["rows"])


def test_a_forest_has_raw_values_the_floor_and_zero_on_one_scale():
    chart = {"unit_kind": "points", "floor": 0.01, "rows": [
        {"label": "a", "estimate": 0.1, "low": 0.05, "high": 0.15, "raw": 0.2, "with": 30, "without": 70, "verdict": "Weak"},
        {"label": "b", "estimate": None, "low": None, "high": None, "raw": -0.04},
    ]}  # fmt: skip
    drawn = rows.draw_forest(chart)
    first, second = drawn["rows"]
    assert first["low"] < first["at"] < first["high"] < first["raw"]
    assert sum(drawn["floors"]) / 2 == pytest.approx(drawn["zero"], abs=0.02)
    assert first["counts"] == "30 with, 70 without"
    assert (second["at"], second["estimate"]) == (None, "–")
    assert drawn["floor"] == f"1.0{NBSP}pp"


def test_bars_stand_for_short_labels_and_lie_for_long_ones():
    short = {"y_kind": "count", "categories": ["Jan", "Feb"], "series": [{"name": "a", "values": [1, None]}]}
    assert bars.draw_bars(short)["upright"]
    assert [bar["known"] for bar in bars.draw_bars(short)["columns"]] == [True, False]
    long = {
        "y_kind": "rate",
        "categories": ["A rather long name"],
        "series": [{"name": "a", "values": [0.4]}],
        "low": [0.3],
        "high": [0.5],
    }
    drawn = bars.draw_bars(long)
    assert not drawn["upright"]
    bar = drawn["rows"][0]["bars"][0]
    assert bar["low"] < bar["start"] + bar["length"] < bar["high"]
    assert bar["title"] == f"a, A rather long name: 40.0{NBSP}%, 95 % interval 30.0 to 50.0{NBSP}%"


def test_a_funnel_measures_against_its_first_step():
    drawn = rows.draw_steps({"steps": [{"label": "a", "n": 200, "rate": None}, {"label": "b", "n": 50, "rate": 0.25}]})["rows"]
    assert [row["width"] for row in drawn] == [100.0, 25.0]
    assert (drawn[1]["rate"], drawn[1]["lost"]) == (f"25.0{NBSP}%", "150")
    assert rows.draw_steps({"steps": [{"label": "a", "n": 0}]})["rows"][0]["width"] == 0


@pytest.mark.parametrize("kind", list(blocks.DRAWN))
def test_a_chart_without_anything_to_draw_is_drawn_empty(kind):
    assert blocks.draw_block({"key": "x", "title": "X", "chart_type": kind, "chart": {}})["chart"] is not None


def test_cells_are_found_wherever_they_stand_and_nothing_else_is():
    document = json.loads(json.dumps(gallery().as_dict(), default=str))
    assert finding.has_cell(document, {"value": None, "by": "industry"})
    assert finding.has_cell(document, {"by": "industry", "value": None, "k": 3})
    assert not finding.has_cell(document, {"by": "industry", "value": "Mars"})
    assert finding.words_of(document, {"by": "industry", "value": None, "k": 3}).startswith("Retention by cohort: 2025-11")


@pytest.mark.parametrize("text", ["", "[1]", "null", "{}", "{", "1", "[" * 1999])
def test_what_is_no_cell_is_none(text):
    assert finding.read_cell(text) is None


def test_what_changed_is_told_in_the_unit_of_each_number():
    def made(rate: float, money: str) -> dict:
        columns = [{"key": "name", "label": "Name", "kind": "text"}, {"key": "r", "label": "Rate", "kind": "rate"},
                   {"key": "m", "label": "MRR", "kind": "money", "unit": "EUR"}]  # fmt: skip
        rows_ = [{"name": "a", "r": rate, "m": money}, {"name": "new", "r": 1, "m": "1"}]
        return {"blocks": [{"key": "b", "title": "B", "columns": columns, "rows": rows_ if rate > 0.5 else rows_[:1]}]}

    found = comparing.changes_between(made(0.5, "10"), made(0.6, "7.5"))
    assert [(each.name, each.before, each.after, each.difference) for each in found] == [
        ("a, Rate", f"50.0{NBSP}%", f"60.0{NBSP}%", f"+10.0{NBSP}pp"),
        ("a, MRR", f"10.00{NBSP}EUR", f"7.50{NBSP}EUR", f"−2.50{NBSP}EUR"),
    ]
    assert comparing.changes_between(made(0.5, "10"), made(0.50001, "10")) == [], "what reads the same has not changed"


def test_definitions_are_escaped_and_their_headings_can_be_linked():
    shown = definitions.to_html(
        "# Title\n\n## NRR and GRR\n\n**Net** <b> `x|y`\n\n- one\n  more\n- [two](#three)\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    )
    assert '<h2 id="nrr-and-grr">NRR and GRR</h2>' in shown
    assert "<strong>Net</strong> &lt;b&gt;" in shown
    assert "<li>one more</li>" in shown
    assert '<a href="#three">two</a>' in shown
    assert shown.count("<td>") == 2
    assert "<h1" not in shown


def test_heads_of_a_csv_are_all_different_and_say_what_an_interval_is_about():
    columns = [{"key": key, "label": label, "kind": kind, "unit": ""} for key, label, kind in (
        ("name", "Campaign", "text"), ("sent", "Delivered", "count"), ("s", "Share", "rate"), ("si", "95 % interval", "interval"),
        ("open", "Opened", "count"), ("o", "Share", "rate"), ("oi", "95 % interval", "interval"),
    )]  # fmt: skip
    assert finding.csv_header({"columns": columns}) == [
        "Campaign", "Delivered", "Delivered, Share (%)", "Delivered, Share, 95 % interval, low (%)",
        "Delivered, Share, 95 % interval, high (%)", "Opened", "Opened, Share (%)", "Opened, Share, 95 % interval, low (%)",
        "Opened, Share, 95 % interval, high (%)",
    ]  # fmt: skip
    same = [{"key": key, "label": "n", "kind": "count"} for key in "ab"]
    assert finding.csv_header({"columns": same}) == ["n", "n 2"]
