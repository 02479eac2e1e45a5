"""Survival of customers: lives from facts, curves, groups, tests, and the customers behind them."""

import random
from datetime import timedelta

import pytest

from analytics.outcomes import survival, survival_times
from analytics.outcomes.survival import KIND
from integrations.lake.engine import open_engine
from integrations.sync.mapping.problems import ProblemsFound
from tests.analytics.c_world import asked, behind, block, compute
from tests.analytics.cast import AS_OF, utc, write_facts


def lives_of(org, **data):
    """Lives by subject: lasted, churned, came, group."""
    question = asked(KIND, org, **data)
    with open_engine() as engine:
        found = survival_times.read_lives(engine, question, survival.question_of(question))
    rows = zip(found.lasted, found.churned, found.came, found.groups, strict=True)
    return dict(zip(found.subjects, rows, strict=True)), found


@pytest.fixture
def few(org):
    """Five customers with different lives as of November 1."""
    write_facts(
        org,
        subjects=[
            {"subject": "a", "paid_at": "2026-01-01", "plan": "Gold", "first_seen_at": "2026-02-01"},
            {"subject": "b", "paid_at": "2026-01-01", "plan": "Gold"},
            {"subject": "c", "paid_at": "2026-10-02", "plan": "Silver", "first_seen_at": "2026-10-01"},
            {"subject": "d", "paid_at": "2026-03-01", "churned_at": "2026-03-31", "first_seen_at": "2026-04-15"},
            {"subject": "e"},
        ],
        milestones=[
            {"subject": "b", "kind": "churn", "at": "2026-04-11"},
            {"subject": "b", "kind": "winback", "at": "2026-06-01"},
            {"subject": "b", "kind": "churn", "at": "2026-09-01"},
            {"subject": "a", "kind": "churn", "at": "2026-12-01"},
        ],
        attribute_history=[
            {"subject": "a", "attribute": "plan", "since": None, "value": "Silver"},
            {"subject": "a", "attribute": "plan", "since": "2026-01-20", "value": "Gold"},
        ],
    )
    return org


def test_methods_7_a_life_ends_with_the_first_churn_or_is_still_going_on(few, engine_name):
    found, lives = lives_of(few)
    assert {name: each[:2] for name, each in found.items()} == {"a": (304, 0), "b": (100, 1), "c": (30, 0), "d": (30, 1)}
    assert lives.without_start == 1  # a churn in the future is none yet


def test_methods_7_groups_are_as_they_were_when_counting_begins(few, engine_name):
    found, _ = lives_of(few, group="plan")
    assert {name: each[3] for name, each in found.items()} == {"a": "Silver", "b": "Gold", "c": "Silver", "d": "Not known"}
    found, lives = lives_of(few, group="plan", landmark=31)
    assert {name: each[3] for name, each in found.items()} == {"a": "Gold", "b": "Gold"}
    assert (lives.gone_before, lives.too_young) == (1, 1)


def test_methods_7_landmark_keeps_who_churns_on_its_day(few):
    found, lives = lives_of(few, landmark=30)
    assert {name: each[:2] for name, each in found.items()} == {"a": (274, 0), "b": (70, 1), "c": (0, 0), "d": (0, 1)}
    assert (lives.gone_before, lives.too_young) == (0, 0)


def test_methods_7_delayed_entry_begins_when_a_customer_is_first_seen(few, engine_name):
    found, lives = lives_of(few, entry="first_seen")
    assert {name: each[:3] for name, each in found.items()} == {"a": (304, 0, 31), "c": (30, 0, 0)}
    assert lives.unobserved == 2  # b was never seen, d only after it had churned


def test_methods_7_the_customers_behind_a_curve(few):
    assert behind(KIND, few, {"what": "churned"}) == ["b", "d"]
    assert behind(KIND, few, {"what": "staying"}) == ["a", "c"]
    assert behind(KIND, few, {"what": "at_risk", "day": 100}) == ["a", "b"]
    assert behind(KIND, few, {"what": "all", "group": "Gold"}, group="plan") == ["b"]
    with pytest.raises(ValueError, match="none of"):
        behind(KIND, few, {"what": "shoes"})


def test_r_241_too_few_customers_are_said_plainly(few):
    document = compute(KIND, few)
    assert document.blocks[0].empty == "Not enough data: 4 customers, 2 of whom churned; at least 20 and one churn are needed."
    assert {each["reason"]: each["n"] for each in document.excluded} == {"no_start": 1}


@pytest.fixture
def many(org):
    """Two plans: Gold loses 30 of 100 and Silver 80 of 100 over ten months; 5 Bronze ones."""
    dice = random.Random(2)
    subjects = []
    for number in range(205):
        plan = "Gold" if number < 100 else "Silver" if number < 200 else "Bronze"
        row = {"subject": f"s{number:03d}", "plan": plan, "paid_at": "2026-01-01", "seats": 5 + number % 40, "industry": "IT"}
        if number % 10 < (3 if plan == "Gold" else 8):
            row["churned_at"] = utc("2026-01-01") + timedelta(days=dice.randrange(10, 300))
        subjects.append(row)
    write_facts(org, subjects=subjects)
    return org


def test_methods_7_document_has_curves_medians_and_the_test(many):
    document = compute(KIND, many, group="plan")
    curve, groups, test = (block(document, key) for key in ("curve", "groups", "test"))
    assert [series["name"] for series in curve.chart["series"]] == ["Gold", "Silver"]
    assert "Not enough data for a curve (fewer than 10 customers): Bronze." in curve.notes
    assert curve.chart["series"][0]["points"][0] == {
        "x": 0,
        "y": 1.0,
        "low": 1.0,
        "high": 1.0,
        "at_risk": 100,
        "incomplete": False,
    }
    assert all(point["at_risk"] >= 10 for series in curve.chart["series"] for point in series["points"])
    assert len(curve.rows) == sum(len(series["points"]) for series in curve.chart["series"])
    gold, silver = groups.rows
    assert (gold["n"], gold["events"], gold["median"]) == (100, 30, "not reached")
    assert (silver["n"], silver["events"]) == (100, 80)
    assert silver["median"].endswith(" days")
    assert (gold["year"], gold["interval"]) == (None, None)  # nobody was observed for a year
    assert test.rows[0]["freedom"] == 1
    assert test.rows[0]["p"] < 1e-6
    last = curve.chart["series"][1]["points"][-1]
    assert len(behind(KIND, many, {"group": "Silver", "what": "at_risk", "day": last["x"]}, group="plan")) == last["at_risk"]


def test_methods_7_joint_model_names_what_it_left_out(many):
    document = compute(KIND, many, cox=True)
    model = block(document, "model")
    assert [row["name"] for row in model.rows] == ["Seats (log, per standard deviation)", "Plan: Silver (against Gold)"]
    silver = model.rows[1]
    assert silver["ratio"] > 2
    assert silver["interval"][0] > 1 > silver["p"]
    by_strata = block(compute(KIND, many, cox=True, strata="plan"), "model")
    assert [row["name"] for row in by_strata.rows] == ["Seats (log, per standard deviation)"]
    assert "Stratified by plan" in by_strata.notes[1]


def test_methods_7_repeated_computation_gives_the_same(many):
    assert compute(KIND, many, group="plan").as_dict() == compute(KIND, many, group="plan").as_dict()


def test_wrong_parameters_are_told_at_once(org):
    with pytest.raises(ProblemsFound) as told:
        KIND.read(org, {"origin": "birth", "group": "shoe", "landmark": -1, "entry": "x", "cox": "perhaps"})
    assert set(told.value.by_path()) == {"origin", "group", "landmark", "entry", "cox"}
    assert KIND.read(org, {"strata": "plan"})["strata"] == ""


def test_fz_d9_customers_before_the_landmark_are_counted_in_words(many):
    document = compute(KIND, many, landmark=400, as_of=AS_OF)
    reasons = {each["reason"]: each for each in document.excluded}
    assert reasons["too_young"]["words"].endswith("began less than 400 days ago: too young to count.")
    assert reasons["too_young"]["n"] + reasons["gone_before"]["n"] == 205
