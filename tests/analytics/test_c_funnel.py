"""The trial funnel: order, windows, mature and open trials, time to conversion, groups, and who is behind the numbers."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.outcomes import funnel_steps
from analytics.outcomes.funnel import KIND
from analytics.outcomes.funnel_steps import Rules, Trial, incidence, judge
from integrations.models import SalesforceOrg
from integrations.sync.mapping.problems import ProblemsFound
from tests.analytics.c_world import Event, behind, block, compute, store
from tests.analytics.cast import AS_OF, utc, write_facts

BEGAN = utc("2026-05-01")
RULES = Rules(AS_OF)


def trial(**given):
    """A trial from May 1 to May 15, activated on May 3 and paid on May 20 unless said otherwise."""
    usual = {
        "subject": "a", "began": BEGAN, "ended": utc("2026-05-15"), "paid_at": utc("2026-05-20"), "activated_at": utc("2026-05-03"),
    }  # fmt: skip
    return judge(Trial(**{**usual, **given}), RULES)


def test_methods_5_a_step_counts_only_after_the_one_before():
    assert (trial().is_activated, trial().is_paid) == (True, True)
    late = trial(activated_at=utc("2026-05-21"))
    assert (late.is_activated, late.is_paid, late.paid_unactivated, late.state) == (True, False, True, "lost")
    assert trial(activated_at=utc("2026-05-20")).is_paid  # equal instants count
    assert not trial(activated_at=None).is_paid
    assert judge(late.trial, Rules(AS_OF, needs_activation=False)).is_paid


def test_methods_5_the_window_is_half_open():
    closes = utc("2026-06-14")  # 30 days after May 15
    assert trial().closes == closes
    assert not trial(paid_at=closes).is_paid
    assert trial(paid_at=closes - timedelta(milliseconds=1)).is_paid
    assert trial(activated_at=closes, paid_at=None).is_activated is False


def test_methods_5_a_trial_is_mature_when_its_window_has_closed():
    day = {"began": utc("2026-09-20"), "activated_at": None, "paid_at": None}
    assert trial(**day, ended=utc("2026-10-02")).is_mature  # closes on November 1, the day of the result
    assert not trial(**day, ended=utc("2026-10-02T00:00:01")).is_mature
    assert trial(**day, ended=None).is_assumed  # 14 days: October 4, and so open
    assert trial(**day, ended=None).state == "open"


def test_methods_5_who_paid_before_the_trial_is_not_in_it():
    assert trial(paid_at=BEGAN - timedelta(days=1)) is None
    assert trial(paid_at=BEGAN, activated_at=BEGAN).is_paid


def test_r_242_what_happens_after_the_midnight_of_the_result_counts_for_nothing():
    found = trial(began=utc("2026-10-20"), ended=utc("2026-11-20"), activated_at=AS_OF, paid_at=AS_OF + timedelta(days=1))
    assert (found.is_activated, found.is_paid, found.state, found.days) == (False, False, "open", 12.0)


@given(st.lists(st.tuples(st.integers(1, 30), st.sampled_from(("paid", "open"))), min_size=1, max_size=60))
def test_methods_5_without_lost_trials_incidence_is_one_minus_kaplan_meier(rows):
    from analytics.outcomes.survival_curves import kaplan_meier

    times, states = zip(*rows, strict=True)
    curve = kaplan_meier(times, [state == "paid" for state in states])
    for each in incidence(times, states):
        assert each.value == pytest.approx(1 - curve.at(each.time)[0], abs=1e-12)
        assert 0 <= each.low <= each.value <= each.high <= 1


def test_methods_5_lost_trials_are_a_competing_event_as_in_lifelines():
    from lifelines import AalenJohansenFitter

    dice = np.random.default_rng(3)
    times, kinds = dice.permutation(np.arange(1, 201)).astype(float), dice.choice([0, 1, 2], 200, p=[0.4, 0.35, 0.25])
    library = AalenJohansenFitter(calculate_variance=True).fit(times, kinds, event_of_interest=1)
    for each in incidence(times, [("open", "paid", "lost")[kind] for kind in kinds]):
        low, high = library.confidence_interval_.loc[each.time]
        assert each.value == pytest.approx(library.cumulative_density_.loc[each.time].iloc[0], abs=1e-8)
        assert (each.low, each.high) == (pytest.approx(low, abs=1e-8), pytest.approx(high, abs=1e-8))
    total = incidence([1, 2, 3, 4], ["paid", "lost", "paid", "lost"])[-1].value
    assert total == pytest.approx(0.5)  # 1 - KM would say 62.5 %


@pytest.fixture
def world(org) -> SalesforceOrg:
    """60 mature trials of May (30 activated of whom 20 paid, 3 paid without), 10 open ones of October."""
    subjects = []
    for number in range(1, 61):
        row = {"subject": f"c{number}", "customer_id": number, "trial_started_at": BEGAN, "trial_ended_at": "2026-05-15"}
        row["source"] = "Web" if number % 2 else "Fair"
        if number <= 20 or 31 <= number <= 33:
            row["paid_at"] = "2026-05-20"
        subjects.append(row)
    for number in range(61, 71):
        row = {"subject": f"c{number}", "customer_id": number, "trial_started_at": "2026-10-10", "source": "Web"}
        subjects.append({**row, "paid_at": "2026-10-20"} if number == 61 else row)
    subjects.append({"subject": "old", "trial_started_at": "2024-01-01"})
    subjects.append({"subject": "was", "trial_started_at": BEGAN, "paid_at": "2026-01-01"})
    write_facts(org, subjects=subjects)
    store([Event("Project Made", number, number, BEGAN + timedelta(days=1)) for number in range(1, 31)]
          + [Event("Project Made", 31, 31, utc("2026-05-25")), Event("Project Made", 61, 61, utc("2026-10-10"))]
          + [Event("Project Made", 40, 40, BEGAN - timedelta(days=1)), Event("Project Made", 41, 41, BEGAN, automatic=True)])  # fmt: skip
    return org


def test_fz_03_trial_to_paid_conversion_with_open_trials_apart(world, engine_name):
    document = compute(KIND, world, activation="event:Project Made")
    rows = block(document, "steps").rows
    assert [(row["step"], row["n"]) for row in rows] == [("Trial started", 60), ("Activated", 31), ("Paid", 20)]
    assert rows[2]["rate"] == 20 / 60
    assert [round(value, 4) for value in rows[2]["interval"]] == [0.2273, 0.4594]
    assert rows[2]["of_before"] == 20 / 31
    may, october = block(document, "months").rows
    assert (may["month"], may["began"], may["mature"], may["paid"], may["complete_on"]) == ("2026-05", 60, 60, 20, None)
    assert (october["began"], october["mature"], october["rate"], october["complete_on"]) == (10, 0, None, "2026-11-23")
    assert {row["figure"]: row["n"] for row in block(document, "open").rows} == {
        "Open trials": 10,
        "Already paid": 1,
        "Activated": 1,
    }
    assert {each["reason"]: each["n"] for each in document.excluded} == {"before": 1, "paid_before": 1}
    assert "3 customers paid without having been activated before; they are not counted as paid here." in document.notes
    curve = block(document, "curve").chart["series"][0]["points"]
    assert [point["x"] for point in curve] == [0.0, 10.0, 19.0]
    assert curve[-1]["y"] == pytest.approx(21 / 70)


def test_fz_d14_the_customers_behind_the_funnel(world, engine_name):
    data = {"activation": "event:Project Made", "group": "source"}
    assert behind(KIND, world, {"step": "paid", "mature": True}, **data) == sorted(f"c{number}" for number in range(1, 21))
    assert behind(KIND, world, {"step": "paid", "mature": False}, **data) == ["c61"]
    assert behind(KIND, world, {"step": "unactivated"}, **data) == ["c31", "c32", "c33"]
    assert len(behind(KIND, world, {"step": "open", "month": "2026-10"}, **data)) == 9
    fair = block(compute(KIND, world, **data), "groups").rows[0]
    assert (fair["group"], fair["mature"], fair["paid"]) == ("Web", 30, 10)
    for key, n in (("_behind", 30), ("_behind:paid", 10)):
        assert len(behind(KIND, world, fair[key], **data)) == n


def test_methods_5_every_number_has_its_customers(world):
    document = compute(KIND, world, activation="event:Project Made")
    for key, columns in (
        ("steps", {"n": "_behind"}),
        ("months", {name: f"_behind:{name}" for name in ("mature", "activated", "paid")}),
    ):
        for row in block(document, key).rows:
            for column, cell in columns.items():
                assert len(behind(KIND, world, row[cell], activation="event:Project Made")) == row[column], (key, column)


def test_methods_5_without_an_activation_step(world):
    rows = block(compute(KIND, world, activation="none"), "steps").rows
    assert [(row["step"], row["n"]) for row in rows] == [("Trial started", 60), ("Paid", 23)]


def test_r_241_few_trials_show_counts_only(org):
    write_facts(org, subjects=[{"subject": "a", "trial_started_at": "2026-05-01", "paid_at": "2026-05-02"}])
    document = compute(KIND, org, activation="none")
    assert block(document, "steps").rows[1]["rate"] is None
    assert block(document, "steps").notes == ("Not enough data for rates: 1 mature trials, 20 are needed.",)
    assert block(document, "curve").empty == "Not enough data: 1 trials, 1 of them paid; 20 trials are needed."
    assert funnel_steps.count([]) == funnel_steps.Rate(0, 0, 0)


def test_r_241_no_trial_at_all(org):
    write_facts(org, subjects=[{"subject": "a"}])
    document = compute(KIND, org)
    assert document.population == 0
    assert all(each.empty for each in document.blocks if each.key != "open")


def test_fz_d2_the_funnel_says_what_it_lacks(org):
    from analytics.models import AttributeMap

    assert KIND.lacks(org).startswith("The facts of this connection have not been computed yet")
    write_facts(org, subjects=[{"subject": "a"}])
    assert KIND.lacks(org) == ""
    AttributeMap.objects.create(org=org, number=1, body={"attributes": {}, "settings": {}})
    assert KIND.lacks(org).startswith("No trial is known: map Free Trial Start Date")
    write_facts(org, milestones=[{"subject": "a", "kind": "trial_start", "at": "2026-05-01", "derived": True}])
    assert KIND.lacks(org) == ""


def test_wrong_parameters_of_a_funnel(org):
    with pytest.raises(ProblemsFound) as told:
        KIND.read(org, {"activation": "shoe", "months": 0, "window": "x", "group": "y", "length": 0})
    assert set(told.value.by_path()) == {"activation", "months", "window", "group", "length"}
