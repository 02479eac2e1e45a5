"""Retention: every measure against a plain reference on random histories, on both engines; cells, intervals and words."""

import random
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.outcomes import retention, retention_counting
from analytics.outcomes.retention import KIND
from analytics.outcomes.retention_plan import Plan, read_brackets
from integrations.lake.engine import open_engine
from integrations.models import Customer, EndUser
from integrations.product.models import Feature
from integrations.sync.mapping.problems import ProblemsFound
from tests.analytics.c_world import Event, asked, behind, block, compute, forget_events, lies_in, make_history, reference, store
from tests.analytics.cast import AS_OF, make_customers, utc, write_facts

QUESTIONS = (("any", "any"), ("event:A", "event:B"), ("any", "event:B"), ("event:A", "any"), ("event:A", "event:A"))
MODES = (*product(("n_day", "unbounded"), ("day", "week", "month"), (False, True)), ("bracket", "month", False))


def count(org, engine=None, **data):
    """The counts of a question, with its plan; in an engine that is open already, because some take long to open."""
    question = asked(KIND, org, **data)
    plan = retention.plan_of(question)
    with nullcontext(engine) if engine is not None else open_engine() as used:
        counted = retention_counting.count(used, question, plan, retention.question_of(question))
    return plan, {name: (each.size, list(each.judged), list(each.kept)) for name, each in counted.cohorts.items()}, counted


def wanted(events, plan, **given):
    """The same by the reference."""
    return {name: (row.size, row.judged, row.kept) for name, row in reference(events, plan, **given).items()}


def test_fz_d10_retention_equals_the_reference_in_every_mode(org, engine_name):
    customers = [each.pk for each in make_customers(6)]
    events = make_history(random.Random(3), customers, as_of=AS_OF)
    store(events)
    with open_engine() as engine:
        for place, (measure, unit, aligned) in enumerate(MODES):
            start, back = QUESTIONS[place % len(QUESTIONS)]
            entity, cohorts = (("customer", "month"), ("user", "week"))[place // 2 % 2]
            data = {
                "entity": entity, "start": start, "back": back, "unit": unit, "measure": measure, "aligned": aligned,
                "cohorts": cohorts, "cohort_count": 30, "periods": 20, "brackets": "0-1, 1-7, 10-31",
            }  # fmt: skip
            plan, found, _ = count(org, engine, **data)
            assert found == wanted(events, plan, entity=entity, start=start, back=back), data
            assert sum(size for size, _, _ in found.values()) > 2


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_fz_d10_random_histories_agree_with_the_reference(org, data):
    forget_events()
    seed = data.draw(st.integers(0, 10_000))
    events = make_history(random.Random(seed), [1, 2, 3, 4], as_of=AS_OF, events=data.draw(st.integers(1, 120)))
    store(events)
    measure, unit, aligned = data.draw(st.sampled_from(MODES))
    start, back = data.draw(st.sampled_from(QUESTIONS))
    entity, cohorts = data.draw(st.sampled_from(("user", "customer"))), data.draw(st.sampled_from(("month", "week")))
    plan, found, _ = count(
        org, entity=entity, start=start, back=back, unit=unit, measure=measure, aligned=aligned, cohorts=cohorts,
        cohort_count=data.draw(st.integers(1, 30)), periods=data.draw(st.integers(1, 40)), brackets="0-3, 3-30, 45-46",
    )  # fmt: skip
    assert found == wanted(events, plan, entity=entity, start=start, back=back)


def test_methods_4_period_zero_leaves_out_the_start_event_itself(org, engine_name):
    at = utc("2026-05-01T10:00")
    store([Event("A", 1, 1, at), Event("A", 2, 2, at), Event("A", 2, 2, at), Event("A", 3, 3, utc("2026-05-02"))])
    _, found, _ = count(org, unit="day", periods=2)
    assert found["2026-05-01"] == (3, [3, 3], [1, 0])  # customer 2 did it twice at once
    _, found, _ = count(org, unit="day", periods=2, start="event:A", back="any", measure="unbounded")
    assert found["2026-05-01"] == (3, [3, 3], [1, 0])


def test_events_that_nobody_caused_make_nobody_active(org, engine_name):
    begin = utc("2026-05-01")
    store([Event("A", 1, 1, begin - timedelta(days=40), automatic=True), Event("A", 1, 1, begin),
           Event("A", 1, 1, begin + timedelta(days=31), automatic=True)])  # fmt: skip
    _, found, _ = count(org, periods=3, start="event:A", back="event:A")
    assert found == {"2026-05-01": (1, [1, 1, 1], [0, 0, 0])}


def test_duplicates_that_came_late_count_once(org, engine_name):
    begin = utc("2026-05-01T08:00")
    store([Event("A", 1, 1, begin, event_id="one"), Event("A", 1, 1, begin + timedelta(days=31), event_id="two")])
    store([Event("A", 1, 1, begin, event_id="one", received=begin + timedelta(days=90))])
    _, found, _ = count(org, periods=2, start="event:A", back="event:A")
    assert found == {"2026-05-01": (1, [1, 1], [0, 1])}


def test_merged_customers_count_as_the_one_that_survived(org, engine_name):
    first, second, last = make_customers(3)
    for each, into in ((first, second), (second, last)):
        Customer.objects.filter(pk=each.pk).update(merged_into=into)
    events = [Event("A", first.pk, 1, utc("2026-05-01")), Event("A", last.pk, 2, utc("2026-06-02"))]
    store(events)
    plan, found, _ = count(org, periods=3)
    survivors = {first.pk: last.pk, second.pk: last.pk}
    assert found == wanted(events, plan, entity="customer", start="any", back="any", survivors=survivors)
    assert found == {"2026-05-01": (1, [1, 1, 1], [0, 1, 0])}
    assert behind(KIND, org, {"cohort": "2026-05-01", "period": 1}, periods=3) == [f"c{last.pk}"]


def test_merged_customers_begin_a_milestone_once(org, engine_name):
    gone, stays = make_customers(2)
    write_facts(org, subjects=[
        {"subject": f"c{gone.pk}", "customer_id": gone.pk, "trial_started_at": "2026-04-01"},
        {"subject": f"c{stays.pk}", "customer_id": stays.pk, "trial_started_at": "2026-05-01"},
    ])  # fmt: skip
    Customer.objects.filter(pk=gone.pk).update(merged_into=stays)
    store([Event("A", gone.pk, 1, utc("2026-05-05"))])
    _, found, _ = count(org, start="trial_start", periods=2)
    assert found == {"2026-04-01": (1, [1, 1], [0, 1])}


def test_r_237_people_whose_customer_became_known_later_count_there(org, engine_name):
    customer = make_customers(1)[0]
    person = EndUser.objects.create(external_id="u1", customer=customer)
    stranger = EndUser.objects.create(external_id="u2")
    store([
        Event("A", None, person.pk, utc("2026-05-01")), Event("A", customer.pk, person.pk, utc("2026-06-01")),
        Event("A", None, stranger.pk, utc("2026-05-01")),
    ])  # fmt: skip
    _, found, counted = count(org, entity="user", periods=2)
    assert found == {"2026-05-01": (1, [1, 1], [0, 1])}
    assert counted.unknown_people == 1
    assert "1 people whose customer is not known" in compute(KIND, org, entity="user").excluded[0]["words"]


def test_fz_04_a_user_of_two_customers_counts_at_each(org, engine_name):
    store(
        [
            Event("A", customer, 7, at)
            for customer, at in ((1, utc("2026-05-01")), (2, utc("2026-06-01")), (1, utc("2026-06-01")))
        ]
    )
    _, found, _ = count(org, entity="user", periods=2)
    assert found == {"2026-05-01": (1, [1, 1], [0, 1]), "2026-06-01": (1, [1, 1], [0, 0])}


def test_fz_d12_behind_people_stand_their_customers(org, engine_name):
    began = utc("2026-05-01")
    store([Event("A", 1, user, began) for user in (11, 12, 13)] + [Event("A", 1, user, utc("2026-06-02")) for user in (11, 12)])
    _, of_people, _ = count(org, entity="user", periods=2)
    _, of_customers, _ = count(org, entity="customer", periods=2)
    assert of_people == {"2026-05-01": (3, [3, 3], [0, 2])}
    assert of_customers == {"2026-05-01": (1, [1, 1], [1, 1])}  # another person's event of the same instant is a second one
    assert behind(KIND, org, {"cohort": "2026-05-01", "period": 1}, entity="user", periods=2) == ["c1"]


def test_fz_d10_paying_customers_by_movements(org, engine_name):
    write_facts(
        org,
        subjects=[{"subject": name, "customer_id": None, "paid_at": "2026-01-01"} for name in ("a", "b", "c")],
        movements=[
            {"subject": "a", "day": "2026-01-01", "kind": "new", "before": 0, "after": 10, "delta": 10},
            {"subject": "b", "day": "2026-01-01", "kind": "new", "before": 0, "after": 10, "delta": 10},
            {"subject": "b", "day": "2026-03-02", "kind": "churn", "before": 10, "after": 0, "delta": -10},
            {"subject": "b", "day": "2026-06-10", "kind": "reactivation", "before": 0, "after": 5, "delta": 5},
        ],
    )
    _, found, _ = count(org, start="paid_start", back="paying", periods=8)
    assert found == {"2026-01-01": (3, [3] * 8, [2, 2, 1, 1, 1, 2, 2, 2])}  # b paid days 0 to 59 and from day 160 on
    assert behind(KIND, org, {"cohort": "2026-01-01", "period": 2}, start="paid_start", back="paying") == ["a"]
    assert behind(KIND, org, {"cohort": "2026-01-01", "period": 2, "kept": False}, start="paid_start", back="paying") == [
        "b",
        "c",
    ]
    _, found, _ = count(org, start="paid_start", back="paying", periods=8, measure="unbounded")
    assert found["2026-01-01"][2] == [2] * 8
    _, found, _ = count(org, start="paid_start", back="paying", unit="month", aligned=True, periods=8)
    assert found["2026-01-01"][2] == [2, 2, 2, 1, 1, 2, 2, 2]
    _, found, _ = count(org, start="paid_start", back="paying", measure="bracket", brackets="0-60, 60-160, 160-161")
    assert found["2026-01-01"][2] == [2, 1, 2]


def test_features_are_counted_by_their_rules(org, engine_name):
    Feature.objects.create(key="reports", name="Reports", position=1, rules=[{"event": "Rep", "match": "starts_with"}])
    store(
        [
            Event("Login", 1, 1, utc("2026-05-01")),
            Event("Report Made", 1, 1, utc("2026-06-02")),
            Event("Login", 1, 1, utc("2026-07-02")),
        ]
    )
    _, found, _ = count(org, back="feature:reports", periods=3)
    assert found == {"2026-05-01": (1, [1, 1, 1], [0, 1, 0])}
    document = compute(KIND, org, back="feature:gone", periods=3)
    assert "The feature gone no longer exists, so nobody did it." in document.notes


def test_fz_d9_cohorts_by_attribute_leave_out_who_is_too_young(org, engine_name):
    write_facts(
        org,
        subjects=[
            {"subject": f"c{number}", "customer_id": number, "plan": "Gold", "seats": 5 * number} for number in range(1, 5)
        ],
        attribute_history=[
            {"subject": "c1", "attribute": "plan", "since": None, "value": "Silver"},
            {"subject": "c1", "attribute": "plan", "since": "2026-08-01", "value": "Gold"},
        ],
    )
    store([Event("A", 1, 1, utc("2026-05-01")), Event("A", 1, 1, utc("2026-06-05")), Event("A", 2, 2, utc("2026-05-01")),
           Event("A", 3, 3, utc("2026-10-01")), Event("A", 4, 4, utc("2026-10-20"))])  # fmt: skip
    _, found, _ = count(org, cohorts="plan", periods=2)
    assert found == {"Gold": (3, [2, 1], [0, 0]), "Silver": (1, [1, 1], [0, 1])}  # plans as they were at the start
    _, found, _ = count(org, cohorts="seats", periods=2)
    assert found == {"1 to 9": (1, [1, 1], [0, 1]), "10 to 49": (3, [2, 1], [0, 0])}
    document = compute(KIND, org, cohorts="plan", periods=2)
    assert {key: document.excluded[-1][key] for key in ("reason", "n")} == {"reason": "too_young", "n": 1}
    assert behind(KIND, org, {"cohort": "Gold", "period": 0, "kept": False}, cohorts="plan", periods=2) == ["c2", "c3"]
    assert behind(KIND, org, {"cohort": "Gold"}, cohorts="plan") == ["c2", "c3", "c4"]


def test_rare_values_are_put_together_and_can_be_opened(org, engine_name):
    numbers = range(1, 15)
    write_facts(
        org, subjects=[{"subject": f"c{n}", "customer_id": n, "industry": f"I{n:02d}" if n < 14 else None} for n in numbers]
    )
    store([Event("A", n, n, utc("2026-05-01")) for n in numbers])
    _, found, _ = count(org, cohorts="industry", periods=1)
    assert list(found)[-2:] == ["Other values", "Not known"]
    assert found["Other values"][0] == 3
    assert behind(KIND, org, {"cohort": "Other values"}, cohorts="industry") == ["c11", "c12", "c13"]
    assert behind(KIND, org, {"cohort": "Not known"}, cohorts="industry") == ["c14"]


def test_methods_4_a_cell_is_complete_when_the_last_possible_member_can_be_judged(org):
    begin = utc("2026-08-03")
    store(
        [Event("A", n, n, begin) for n in range(1, 26)] + [Event("A", n, n, begin + timedelta(days=35)) for n in range(1, 11)]
    )
    document = compute(KIND, org, periods=3)
    heat = block(document, "table")
    row = heat.chart["rows"][1]
    assert (row["label"], row["size"]) == ("2026-08", 25)
    assert [cell["complete_on"] for cell in row["cells"]] == [None, None, "2026-11-30"]  # September 1 and 30, 60, 90 days
    assert (row["cells"][1]["rate"], row["cells"][1]["kept"]) == (10 / 25, 10)
    assert (round(row["cells"][1]["low"], 4), round(row["cells"][1]["high"], 4)) == (0.2340, 0.5926)  # Wilson
    summary = heat.chart["rows"][0]
    assert (summary["label"], summary["cells"][2]) == ("All, complete cells only", None)
    exact = compute(KIND, org, periods=3, as_of=utc("2026-11-30"))
    assert block(exact, "table").chart["rows"][1]["cells"][2]["complete_on"] is None


def test_methods_4_the_summary_is_a_weighted_average_over_complete_cells(org):
    store([Event("A", n, n, utc("2026-05-01")) for n in range(1, 31)] + [Event("A", n, n, utc("2026-06-01")) for n in range(1, 31)]
          + [Event("A", n, n, utc("2026-07-01")) for n in range(31, 131)])  # fmt: skip
    document = compute(KIND, org, periods=4)
    summary = block(document, "table").chart["rows"][0]["cells"]
    assert (summary[1]["n"], summary[1]["kept"], summary[1]["rate"]) == (130, 30, 30 / 130)
    assert summary[3]["n"] == 30  # the cohort of July completes its third period only on November 29
    curve = block(document, "curve")
    assert [point["at_risk"] for point in curve.chart["series"][0]["points"]] == [130, 130, 130, 30]
    everybody = behind(KIND, org, {"cohort": "*", "period": 1}, periods=4)
    assert len(everybody) == 30
    assert len(behind(KIND, org, {"cohort": "*", "period": 3, "kept": False}, periods=4)) == 30


def test_r_241_a_cohort_of_two_shows_counts_only(org):
    store([Event("A", 1, 1, utc("2026-05-01")), Event("A", 2, 2, utc("2026-05-01")), Event("A", 1, 1, utc("2026-06-01"))])
    document = compute(KIND, org, periods=2)
    cell = block(document, "table").chart["rows"][1]["cells"][1]
    assert (cell["n"], cell["kept"], cell["rate"], cell["low"]) == (2, 1, None, None)
    assert "not enough data" in block(document, "table").notes[0]
    assert block(document, "curve").empty.startswith("Not enough data")


def test_r_241_nobody_at_all(org):
    document = compute(KIND, org)
    assert document.population == 0
    assert [each.empty for each in document.blocks] == [
        "Not enough data: 0 customers began in this time; at least 1 is needed."
    ] * 2


def test_r_242_the_day_that_is_going_on_counts_for_nothing(org, engine_name):
    store([Event("A", 1, 1, utc("2026-10-01")), Event("A", 1, 1, AS_OF + timedelta(hours=3)), Event("A", 2, 2, AS_OF)])
    _, found, _ = count(org, unit="day", periods=40)
    assert found == {"2026-10-01": (1, [1] * 40, [0] * 40)}
    cells = block(compute(KIND, org, unit="day", periods=40), "table").chart["rows"][1]["cells"]
    assert cells[0]["complete_on"] == "2026-11-02"  # who began on October 31 has no complete day 0... until November 2
    assert cells[30]["complete_on"] is not None
    assert cells[31] is None  # nobody can have reached day 31


@given(
    st.dates(date(2024, 1, 1), date(2026, 10, 31)),
    st.sampled_from(MODES),
    st.integers(0, 19),
    st.sampled_from(("month", "week")),
)
def test_methods_4_completeness_follows_the_last_possible_member(day, mode, column, cohorts):
    measure, unit, aligned = mode
    plan = Plan(measure, unit, 20, aligned, cohorts, 3, AS_OF, brackets=read_brackets("0-1, 1-7, 10-31"))
    column %= plan.columns
    first = day.replace(day=1) if cohorts == "month" else day - timedelta(days=day.weekday())
    month = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    after = month if cohorts == "month" else first + timedelta(days=7)
    last = datetime.combine(after, datetime.min.time(), UTC) - timedelta(milliseconds=1)
    closed = datetime.combine(plan.completes_on(first, column), datetime.min.time(), UTC)
    bounded = Plan("n_day" if measure == "unbounded" else measure, unit, 20, aligned, cohorts, 3, AS_OF, brackets=plan.brackets)
    assert not lies_in(bounded, column, last, closed)  # nothing from then on can lie in the period of the last member
    assert lies_in(bounded, column, last, closed - timedelta(milliseconds=2 if not aligned else 1))


def test_all_problems_are_told_at_once(org):
    with pytest.raises(ProblemsFound) as told:
        KIND.read(
            org,
            {"entity": "user", "start": "paid_start", "back": "paying", "unit": "hour", "periods": "many", "cohorts": "shoe"},
        )
    assert set(told.value.by_path()) == {"start", "back", "unit", "periods", "cohorts"}
    with pytest.raises(ProblemsFound) as told:
        KIND.read(org, {"measure": "bracket", "brackets": "0-7, 5-9", "aligned": "on", "start": "event:"})
    assert set(told.value.by_path()) == {"brackets", "aligned", "start"}


@pytest.mark.parametrize("text", ["", "7", "7-7", "9-3", "a-b", "0-7, 7-", "0-9999"])
def test_brackets_that_cannot_be_are_refused(org, text):
    with pytest.raises(ProblemsFound):
        KIND.read(org, {"measure": "bracket", "brackets": text or " , "})


def test_equal_questions_are_equal(org):
    assert KIND.read(org, {}) == KIND.read(org, {"periods": "12", "aligned": "off", "start": ["any"]})
    assert KIND.read(org, {"measure": "bracket", "brackets": "0-7,7-14"}) == KIND.read(
        org, {"measure": "bracket", "brackets": " 0-7 , 7-14 "}
    )
    assert KIND.lacks(org)
    assert not KIND.lacks(write_facts(org).org)
