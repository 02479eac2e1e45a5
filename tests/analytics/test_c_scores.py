"""NPS, CSAT and CES: definitions, windows, changes, intervals, and who answered."""

from decimal import Decimal

import pytest

from analytics.outcomes.scores import KIND
from analytics.outcomes.scoring import ces, change, csat, nps, percent_change
from tests.analytics.c_world import behind, block, compute
from tests.analytics.cast import write_facts


def decimals(*values):
    return [Decimal(each) for each in values]


def test_methods_3_nps_by_definition_with_its_interval():
    found = nps(decimals(10, 9, 9, 8, 7, 7, 6, 0, 10, 10))
    assert found.value == pytest.approx(30.0)  # 5 promoters, 2 detractors of 10
    assert found.high - found.value == pytest.approx(1.959963984540054 * 100 * ((0.7 - 0.09) / 10) ** 0.5)
    assert nps(decimals(10, 10)).high == 100.0


def test_methods_3_csat_and_ces():
    assert csat(decimals(5, 4, 3, 1)).value == 0.5
    assert csat(decimals(7, 6, 5), 7).value == pytest.approx(2 / 3)
    assert ces(decimals(7, 5, 6)).value == 6.0
    assert ces(decimals(7, 5, 6)).high == pytest.approx(6 + 1.959963984540054 / 3**0.5)


def test_methods_3_no_answers_are_blank_and_changes_are_differences():
    assert nps([]) is None
    assert csat([]) is None
    assert ces([]) is None
    assert change("nps", nps(decimals(10)), None) is None
    assert change("nps", nps(decimals(10)), nps(decimals(0))) == 200.0
    assert [percent_change(*pair) for pair in ((0, 0), (3, 0), (3, 2))] == [0.0, None, 50.0]


@pytest.fixture
def answered(org):
    """Answers around November 1, 2026 (a Sunday): of the same respondent only the latest of a window counts."""
    rows = [
        ("s1", "c1", 0, "2026-10-26", "ann"), ("s2", "c1", 10, "2026-10-31", "ann"), ("s3", "c1", 9, "2026-10-31", "bob"),
        ("s4", "c2", 8, "2026-10-31", None), ("s5", "c2", 3, "2026-10-31", None), ("s6", "c3", 10, "2026-10-20", "cid"),
        ("s7", "c4", 0, "2026-11-01", "dan"),
    ]  # fmt: skip
    write_facts(org, scores=[
        {"score_id": key, "subject": subject, "kind": "nps", "score": score, "at": at, "source": "product", "respondent": who}
        for key, subject, score, at, who in rows
    ] + [{"score_id": "x", "subject": "c9", "kind": "csat", "score": 5, "at": "2026-10-31", "source": "salesforce"}])  # fmt: skip
    return org


def test_methods_3_windows_count_the_latest_answer_of_each_respondent(answered, engine_name):
    document = compute(KIND, answered)
    rows = {row["window"]: row for row in block(document, "windows").rows}
    week = rows["Last 7 days"]
    assert (week["n"], week["score"], week["note"]) == (4, pytest.approx(25.0), "Fewer than 5 answers")  # 10, 9, 8, 3
    assert (week["previous"], week["change"], week["responses_change"]) == (100.0, pytest.approx(-75.0), 300.0)
    assert (rows["Last week"]["n"], rows["Last week"]["score"], rows["Last week"]["previous"]) == (1, 100.0, None)
    assert rows["Last 30 days"]["n"] == 5
    october = next(row for row in block(document, "months").rows if row["month"] == "2026-10")
    assert (october["n"], october["score"]) == (5, pytest.approx(40.0))
    assert behind(KIND, answered, {"window": "7d"}) == ["c1", "c2"]
    assert behind(KIND, answered, {"window": "7d", "what": "promoters"}) == ["c1"]
    assert behind(KIND, answered, {"window": "2026-10", "what": "detractors"}) == ["c2"]


def test_r_242_answers_of_the_day_that_is_going_on_do_not_count(answered):
    assert behind(KIND, answered, {"window": "90d"}) == ["c1", "c2", "c3"]
    assert block(compute(KIND, answered), "months").rows[-1]["month"] == "2026-10"


def test_r_241_no_answers_are_said_plainly(answered):
    document = compute(KIND, answered, score="ces")
    assert document.population == 0
    assert block(document, "windows").empty.startswith("Not enough data: 0 answers since ")
    assert block(compute(KIND, answered, score="csat"), "windows").rows[0]["score"] == 1.0
