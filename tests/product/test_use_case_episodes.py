"""When a customer needs attention, and when a task is due for it: conditions and episodes, without any database."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.product.health.scoring import BadParts
from integrations.product.task_rules.conditions import Condition, explain, holds, is_true, read_conditions, write_conditions
from integrations.product.task_rules.episodes import Last, cut, fill_in, plan_episodes

D = Decimal
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
MONTH = timedelta(days=30)
FELL = Condition("change", "at_most", "-40")


@pytest.mark.parametrize(
    ("condition", "value", "true"),
    [
        (FELL, D(-40), True), (FELL, D("-39.99"), False), (FELL, None, False), (FELL, "-50", False),
        (Condition("n", "below", "3"), D(3), False), (Condition("n", "above", "2"), D("2.5"), True),
        (Condition("n", "at_least", "2"), D(2), True), (Condition("n", "equals", "2.0"), D(2), True),
        (Condition("n", "equals", "1"), True, False),
        (Condition("t", "is", "pro"), " Pro ", True), (Condition("t", "is_not", "pro"), "Free", True),
        (Condition("t", "is_not", "pro"), None, False), (Condition("t", "contains", "RO"), "pro", True),
        (Condition("b", "is_true"), True, True), (Condition("b", "is_false"), True, False), (Condition("b", "is_false"), None, False),
        (Condition("d", "before", "2026-11-20"), NOW, False), (Condition("d", "after", "2026-11-20T08:59:59+00:00"), NOW, True),
        (Condition("d", "before", "2026-11-20"), "2026-01-01", False),
        (Condition("x", "is_unknown"), None, True), (Condition("x", "is_unknown"), D(0), False), (Condition("x", "is_known"), D(0), True),
    ],
)  # fmt: skip
def test_px_41_a_condition_holds_for_known_values_only(condition, value, true) -> None:
    assert is_true(condition, value) is true


def test_all_or_some_conditions_hold_and_say_why() -> None:
    both, values = [FELL, Condition("nps", "above", "0")], {"change": D("-52.04"), "nps": D(0)}
    assert not holds(both, values)
    assert holds(both, values, every=False)
    assert holds([], {})
    labels = {"change": "Active users, change"}
    assert explain(both, values, labels, every=False) == "Active users, change: -52 (at most -40)"


@pytest.mark.parametrize(
    ("data", "where", "what"),
    [
        ("x", "conditions", "list"), ([1], "conditions[1]", "object"), ([{"op": "is"}], "conditions[1]", "signal"),
        ([{"signal": "gone", "op": "is", "value": "x"}], "conditions[1]", "no signal"),
        ([{"signal": "n", "op": "contains", "value": "x"}], "conditions[1]", "op is one of"),
        ([{"signal": "n", "op": "below"}], "conditions[1]", "value"),
        ([{"signal": "n", "op": "below", "value": "12abc"}], "conditions[1]", "number"),
        ([{"signal": "n", "op": "below", "value": "Infinity"}], "conditions[1]", "usable"),
        ([{"signal": "d", "op": "before", "value": "2026-01-01T10:00:00"}], "conditions[1]", "time zone"),
        ([{"signal": "t", "op": "is", "value": "x" * 300}], "conditions[1]", "255"),
        ([{"signal": "n", "op": "below", "value": "1", "code": "x"}], "conditions[1]", "unknown"),
        ([{"signal": "n", "op": "below", "value": "1"}] * 21, "conditions", "at most"),
    ],
)  # fmt: skip
def test_conditions_that_cannot_be_used_are_named_with_the_fix(data, where, what) -> None:
    with pytest.raises(BadParts) as caught:
        read_conditions(data, known={"n": "NUMBER", "t": "STRING", "d": "DATE_TIME"})
    assert what in caught.value.errors[where]


def test_conditions_survive_the_round_trip() -> None:
    listed = (FELL, Condition("b", "is_true"), Condition("d", "before", "2026-01-01"))
    assert read_conditions(write_conditions(listed)) == listed


def test_px_41_one_task_an_episode_and_the_next_only_after_the_cool_down() -> None:
    known = {1: Last(1, NOW - timedelta(days=3), is_open=True), 2: Last(1, NOW - timedelta(days=3), is_open=False),
             3: Last(4, NOW - MONTH, is_open=False), 5: Last(2, NOW - timedelta(days=1), is_open=True)}  # fmt: skip
    steps = plan_episodes([1, 2, 3, 4], known, now=NOW, cooldown=MONTH, most=10)
    assert steps.open == [(3, 5), (4, 1)]
    assert (steps.going_on, steps.cooling, steps.held, steps.end) == (1, 1, 0, [5])


def test_the_daily_limit_holds_the_rest_back_and_those_not_looked_at_keep_their_episode() -> None:
    steps = plan_episodes([3, 1, 2], {9: Last(1, NOW, is_open=True)}, now=NOW, cooldown=MONTH, most=2, checked=[1, 2, 3])
    assert (steps.open, steps.held, steps.end) == ([(1, 1), (2, 1)], 1, [])
    assert plan_episodes([1], {}, now=NOW, cooldown=MONTH, most=-5).held == 1


@given(st.lists(st.sets(st.integers(1, 6)), min_size=1, max_size=40), st.integers(0, 9))
def test_i_04_however_often_it_is_checked_no_customer_has_two_open_episodes_or_breaks_the_cool_down(days, cool) -> None:
    known: dict[int, Last] = {}
    begun: dict[int, list[datetime]] = {}
    for day, matching in enumerate(days):
        now = NOW + timedelta(days=day)
        for _ in range(2):  # checked twice: the second time nothing begins
            steps = plan_episodes(matching, known, now=now, cooldown=timedelta(days=cool), most=100)
            for customer, number in steps.open:
                assert number == len(begun.setdefault(customer, [])) + 1
                begun[customer].append(now)
                known[customer] = Last(number, now, is_open=True)
            for customer in steps.end:
                known[customer] = Last(known[customer].number, known[customer].opened_at, is_open=False)
        assert {customer for customer, last in known.items() if last.is_open} <= matching
    for times in begun.values():
        assert all(later - earlier >= timedelta(days=max(cool, 1)) for earlier, later in itertools.pairwise(times))


def test_s_038_only_known_words_are_filled_in_once() -> None:
    words = {"customer": "{{reason}} {0.__class__}", "reason": "secret"}
    assert (
        fill_in("{{customer}} {{7*7}} {% debug %} {{unknown}}", words)
        == "{{reason}} {0.__class__} {{7*7}} {% debug %} {{unknown}}"
    )
    assert cut("abcdef", 4) == "abc…"
    assert cut("abcd", 4) == "abcd"
