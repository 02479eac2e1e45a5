"""Studies from facts and events: eligibility, windows, roll-ups; the same on both engines."""

import numpy as np
import pytest

from analytics.drivers.design import design_of, read_design
from analytics.drivers.matrix import build_study
from integrations.lake.engine import open_engine
from integrations.models import Customer, EndUser
from tests.analytics.cast import AS_OF, make_customers, utc, write_facts
from tests.analytics.driver_world import roll_up


def study_of(org, only="", **parameters):
    with open_engine() as engine:
        return build_study(engine, org, design_of(read_design(parameters)), as_of=AS_OF, only=only)


def counts_of(study, key):
    place = [each.key for each in study.behaviors].index(key)
    return dict(zip(study.subjects, study.counts[:, place].tolist(), strict=True))


@pytest.fixture
def customers(org):
    return make_customers(8)


def paid(customers, *, since="2026-01-01", **more):
    return [{"subject": f"c{each.pk}", "customer_id": each.pk, "paid_at": since, **more} for each in customers]


def test_methods_8_1_behaviors_count_in_the_window_alone(org, customers, engine_name):
    one, two = customers[:2]
    write_facts(org, subjects=paid([one, two]))
    roll_up([
        ("Export", one.pk, 1, "2025-12-31"), ("Export", one.pk, 1, "2026-01-01"), ("Export", one.pk, 2, "2026-01-30"),
        ("Export", one.pk, 1, "2026-01-31"), ("Export", two.pk, 3, "2026-01-31"),
    ])  # fmt: skip
    study = study_of(org, outcome="retention")
    assert counts_of(study, "event:Export") == {f"c{one.pk}": 2, f"c{two.pk}": 0}
    assert study.first_use[:, 0].tolist() == [0, 32767]
    assert study.active_days.tolist() == [2, 0]
    assert study.active_before.tolist() == [1, 0]
    assert study.first_active.tolist() == [0, -1]


def test_fz_d9_accounts_too_young_unlinked_or_settled_are_left_out_and_counted(org, customers):
    subjects = [
        *paid(customers[:2]),
        *paid(customers[2:3], since="2026-05-01"),
        *paid(customers[3:4], since="2023-01-01"),
        {"subject": "001", "paid_at": "2026-01-01"},
        {"subject": f"c{customers[4].pk}", "customer_id": customers[4].pk},
        *paid(customers[5:6]),
    ]
    left = {"subject": f"c{customers[5].pk}", "day": "2026-01-20", "kind": "churn", "before": 5, "after": 0, "delta": -5}
    paying = [
        {"subject": f"c{each.pk}", "day": "2023-01-01", "kind": "new", "before": 0, "after": 5, "delta": 5}
        for each in customers[:6]
    ]
    subjects += paid(customers[6:7])  # bought once, and nothing recurring
    write_facts(org, subjects=subjects, movements=[left, *paying])
    roll_up([])
    study = study_of(org, outcome="churn")
    assert study.subjects == [f"c{each.pk}" for each in customers[:2]]
    assert {each.reason: each.n for each in study.excluded} == {
        "never_started": 1, "before_events": 1, "unlinked": 1, "too_young": 1, "settled": 1, "not_paying": 1,
    }  # fmt: skip
    assert "too young" in next(each.words for each in study.excluded if each.reason == "too_young")
    timed = study_of(org, outcome="churn", follow_up="censored")
    assert f"c{customers[2].pk}" in timed.subjects
    place = timed.subjects.index(f"c{customers[2].pk}")
    assert timed.followed[place] == (utc("2026-11-01") - utc("2026-05-31")).days
    assert np.isnan(timed.outcome[place])


@pytest.mark.parametrize(
    ("outcome", "expected", "happened"),
    [("churn", [1.0, 0.0, 0.0, 0.0], [30, -1, -1, -1]), ("retention", [0.0, 1.0, 1.0, 1.0], [30, -1, -1, -1]),
     ("expansion", [0.0, 1.0, 0.0, 0.0], [-1, 209, -1, -1]), ("revenue", [-10.0, 5.0, 0.0, 0.0], [30, -1, -1, -1])],
)  # fmt: skip
def test_fz_03_outcomes_from_movements_and_milestones(org, customers, engine_name, outcome, expected, happened):
    one, two, three, four = (f"c{each.pk}" for each in customers[:4])
    rows = [(one, "2026-01-01", "new", 0, 10), (one, "2026-01-31", "churn", 10, 0), (two, "2026-01-01", "new", 0, 10),
            (two, "2026-07-29", "expansion", 10, 15), (three, "2026-01-01", "new", 0, 10),
            (three, "2026-07-30", "churn", 10, 0), (four, "2026-01-01", "new", 0, 10)]  # fmt: skip
    movements = [{"subject": s, "day": d, "kind": k, "before": b, "after": a, "delta": a - b} for s, d, k, b, a in rows]
    milestones = [{"subject": four, "kind": "upsell", "at": "2026-01-15"}]
    write_facts(org, subjects=paid(customers[:4]), movements=movements, milestones=milestones)
    roll_up([])
    study = study_of(org, outcome=outcome)
    assert study.outcome.tolist() == expected
    assert study.happened_on.tolist() == happened


def test_fz_03_trial_to_paid_needs_a_trial_that_was_open_at_the_landmark(org, customers):
    days = [None, "2026-01-08", "2026-01-07", "2025-12-01", "2026-03-09", "2026-03-08"]
    write_facts(org, subjects=[
        {"subject": f"c{each.pk}", "customer_id": each.pk, "trial_started_at": "2026-01-01", "paid_at": day}
        for each, day in zip(customers, days, strict=False)
    ])  # fmt: skip
    roll_up([])
    study = study_of(org, outcome="trial_to_paid")
    assert (study.design.landmark, study.design.horizon) == (7, 60)
    assert dict(zip(study.subjects, study.outcome.tolist(), strict=True)) == {
        f"c{customers[0].pk}": 0, f"c{customers[1].pk}": 1, f"c{customers[4].pk}": 0, f"c{customers[5].pk}": 1,
    }  # fmt: skip
    assert {each.reason: each.n for each in study.excluded} == {"settled": 1, "customer_before": 1}


def test_methods_8_1_rule_3_attributes_are_as_of_the_landmark(org, customers, engine_name):
    one, two, three, four = (f"c{each.pk}" for each in customers[:4])
    history = [
        {"subject": one, "attribute": "plan", "value": "Basic"},
        {"subject": one, "attribute": "plan", "value": "Pro", "since": "2026-01-31"},
        {"subject": one, "attribute": "plan", "value": "Max", "since": "2026-01-31T00:00:01"},
        {"subject": two, "attribute": "plan", "value": "Max", "since": "2026-06-01"},
        {"subject": three, "attribute": "seats", "value": "12"},
        {"subject": three, "attribute": "seats", "value": "70", "since": "2026-03-01"},
        {"subject": four, "attribute": "plan", "value": None, "since": "2026-01-10"},
    ]
    write_facts(org, subjects=paid(customers[:4], plan="Now", seats="99"), attribute_history=history)
    roll_up([])
    study = study_of(org, outcome="churn")
    plans = study.attributes["plan"]
    assert [plans.labels[code] for code in plans.codes] == ["Pro", "", "Now", ""]
    assert study.seats.tolist() == [99, 99, 12, 99]
    assert plans.from_today == 1
    assert any("plan of 1" in note for note in study.notes)


def test_fz_04_fz_d12_people_are_rolled_up_as_any_count_and_share(org, customers, engine_name):
    one, two = customers[:2]
    write_facts(org, subjects=paid([one, two], seats=4))
    roll_up([("Export", one.pk, 1, "2026-01-02"), ("Export", one.pk, 1, "2026-01-03"), ("Export", one.pk, 2, "2026-01-03"),
             ("Export", two.pk, 3, "2026-01-03")])  # fmt: skip
    found = {
        way: counts_of(study_of(org, outcome="churn", roll_up=way), "event:Export")[f"c{one.pk}"]
        for way in ("any", "count", "share")
    }
    assert found == {"any": 3, "count": 2, "share": 50}
    study = study_of(org, outcome="churn", roll_up="count", at_least=2)
    assert study.adopted(0).tolist() == [True, False]


def test_fz_02_campaigns_and_tickets_by_type(org, customers, engine_name):
    one = f"c{customers[0].pk}"
    touches = [{"member": "1", "subject": one, "type": "Webinar", "state": "sent", "at": "2026-01-02"},
               {"member": "2", "subject": one, "type": "Webinar", "state": "clicked", "at": "2026-01-30T23:59"},
               {"member": "3", "subject": one, "type": "Webinar", "state": "clicked", "at": "2026-01-31"}]  # fmt: skip
    tickets = [{"ticket": "1", "subject": one, "type": None, "at": "2026-01-02"}]
    write_facts(org, subjects=paid(customers[:2]), touches=touches, tickets=tickets)
    roll_up([])
    study = study_of(org, outcome="churn")
    assert counts_of(study, "campaign:Webinar")[one] == 2
    assert counts_of(study, "campaign_answered:Webinar")[one] == 1
    assert counts_of(study, "ticket:")[one] == 1
    assert study_of(org, outcome="churn", only="ticket:").counts.shape == (2, 1)


def test_r_237_merged_customers_and_late_people_count_under_the_one_that_stands_for_them(org, customers, engine_name):
    gone, stays = customers[:2]
    Customer.objects.filter(pk=gone.pk).update(merged_into=stays)
    person = EndUser.objects.create(external_id="u1", customer=stays)
    write_facts(org, subjects=paid([stays]))
    roll_up(
        [("Export", gone.pk, 1, "2026-01-02"), ("Export", stays.pk, 1, "2026-01-03"), ("Export", None, person.pk, "2026-01-04")]
    )
    study = study_of(org, outcome="churn")
    assert counts_of(study, "event:Export") == {f"c{stays.pk}": 3}
    assert study.active_days.tolist() == [3]


def test_fz_d9_behaviors_named_like_the_outcome_are_refused_unless_allowed(org, customers):
    write_facts(org, subjects=paid(customers[:1]))
    roll_up([("Plan Cancelled", customers[0].pk, 1, "2026-01-02"), ("cancelSurveyOpened", customers[0].pk, 1, "2026-01-02"),
             ("Export", customers[0].pk, 1, "2026-01-02")])  # fmt: skip
    study = study_of(org, outcome="churn", allowed="cancelSurveyOpened", refused="event:Export")
    assert [each.key for each in study.behaviors if each.family == "event"] == ["event:cancelSurveyOpened"]
    assert {each.key for each, _ in study.left_out} == {"event:Plan Cancelled", "event:Export"}


def test_fz_01_features_are_behaviors(org, customers, engine_name):
    from integrations.product.kpis import tables as kpi_tables
    from integrations.product.models import Feature
    from tests.analytics.cast import write_rows

    feature = Feature.objects.create(key="dashboards", name="Dashboards", rules=[{"event": "Dashboard"}], position=1)
    write_facts(org, subjects=paid(customers[:1]))
    column = kpi_tables.count_column(feature.pk)
    write_rows(kpi_tables.daily_table([(feature.pk, 1)]), [
        {"day": day, "customer_id": customers[0].pk, "end_user_id": 1, "events": 5, "active_events": 5, "bits0": 1, column: uses}
        for day, uses in (("2025-12-30", 9), ("2026-01-05", 2), ("2026-01-06", 0))
    ])  # fmt: skip
    study = study_of(org, outcome="churn")
    assert counts_of(study, "feature:dashboards") == {f"c{customers[0].pk}": 2}
    assert study.first_use[:, 0].tolist() == [4]


def test_nobody_is_left_out_for_events_where_there_are_none(org, customers):
    write_facts(org, subjects=[*paid(customers[:1]), {"subject": "001", "paid_at": "2020-01-01"}])
    assert study_of(org, outcome="churn").size == 2
