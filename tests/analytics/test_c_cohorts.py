"""Cohorts by attribute: retention, revenue, conversion and NPS, with attributes as they were."""

import pytest

from analytics.outcomes.cohorts import KIND
from integrations.sync.mapping.problems import ProblemsFound
from tests.analytics.c_world import behind, block, compute
from tests.analytics.cast import write_facts


@pytest.fixture
def world(org):
    """30 customers in IT and 20 in Food: 24 and 10 of them pay since last year, 18 and 10 pay today."""
    subjects, movements = [], []
    for number in range(50):
        industry, place = ("IT", number) if number < 30 else ("Food", number - 30)
        subject = {
            "subject": f"s{number:02d}",
            "industry": industry,
            "trial_started_at": "2025-01-01",
            "trial_ended_at": "2025-01-15",
        }
        paid = place < (24 if industry == "IT" else 10)
        if paid:
            subject["paid_at"] = "2025-01-20" if place % 2 else "2025-03-01"
            movements.append({"subject": subject["subject"], "day": "2025-03-01", "kind": "new", "before": 0, "after": "10.50"})
        if paid and industry == "IT" and place >= 18:
            movements.append(
                {"subject": subject["subject"], "day": "2026-04-01", "kind": "churn", "before": "10.50", "after": 0}
            )
        subjects.append(subject)
    subjects.append({"subject": "late", "industry": None, "trial_started_at": "2026-10-20"})
    movements.append({"subject": "late", "day": "2026-11-01", "kind": "new", "before": 0, "after": 99})  # not before the result
    write_facts(
        org, subjects=subjects, movements=movements,
        scores=[{"score_id": f"n{place}", "subject": f"s{place:02d}", "kind": "nps", "score": score, "at": "2026-10-01",
                 "source": "product", "respondent": f"p{place}"} for place, score in enumerate((10, 9, 3, 8))],
    )  # fmt: skip
    return org


def test_fz_03_outcomes_of_each_value_of_an_attribute(world, engine_name):
    document = compute(KIND, world)
    rows = {row["group"]: row for row in block(document, "groups").rows}
    assert list(rows) == ["All customers", "IT", "Food", "Not known"]
    it = rows["IT"]
    assert (it["n"], it["paying"], it["mrr"], it["mrr_each"]) == (30, 18, "189.00", "10.50")
    assert (it["were_paying"], it["kept"], it["kept_rate"]) == (24, 18, 0.75)
    assert (it["trials"], it["converted"], it["converted_rate"]) == (30, 12, 0.4)  # the others paid after the window
    assert (it["nps"], it["answers"]) == (pytest.approx(25.0), 4)
    assert rows["Food"]["kept_rate"] is None  # 10 of 10, too few for a rate
    assert (rows["Food"]["kept"], rows["Food"]["were_paying"]) == (10, 10)
    assert (rows["Not known"]["paying"], rows["Not known"]["trials"]) == (0, 0)  # its trial is open, its contract in the future
    assert rows["All customers"]["n"] == 51
    assert document.excluded[0]["n"] == 1


def test_fz_d14_every_number_has_its_customers(world, engine_name):
    for row in block(compute(KIND, world), "groups").rows:
        for column in ("n", "paying", "were_paying", "kept", "trials", "converted"):
            cell = row.get(f"_behind:{column}", row["_behind"])
            assert len(behind(KIND, world, cell)) == row[column], (row["group"], column)
    assert behind(KIND, world, {"group": "IT", "what": "lost"}) == [f"s{number}" for number in range(18, 24)]
    with pytest.raises(ValueError, match="none of"):
        behind(KIND, world, {"what": "shoes"})


def test_fz_d9_retention_takes_the_value_of_then(org, engine_name):
    write_facts(
        org,
        subjects=[{"subject": f"s{number}", "plan": "Free"} for number in range(3)],
        movements=[{"subject": f"s{number}", "day": "2025-01-01", "kind": "new", "before": 0, "after": 5} for number in range(3)],
        attribute_history=[
            {"subject": f"s{number}", "attribute": "plan", "since": since, "value": value}
            for number in range(3) for since, value in ((None, "Gold"), ("2026-06-01", "Free"))
        ],
    )  # fmt: skip
    rows = {row["group"]: row for row in block(compute(KIND, org, group="plan"), "groups").rows}
    assert (rows["Free"]["n"], rows["Free"]["were_paying"]) == (3, 0)
    assert (rows["Gold"]["n"], rows["Gold"]["were_paying"]) == (0, 3)
    assert behind(KIND, org, {"group": "Gold", "what": "kept"}, group="plan") == ["s0", "s1", "s2"]


def test_r_241_nobody_at_all(org):
    document = compute(KIND, org)
    assert block(document, "groups").empty == "Not enough data: 0 customers."


def test_wrong_parameters_of_cohorts(org):
    with pytest.raises(ProblemsFound) as told:
        KIND.read(org, {"group": "shoe", "months": 0})
    assert set(told.value.by_path()) == {"group", "months"}
