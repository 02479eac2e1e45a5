"""Progress and roll-up. Pure."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okr import periods
from okr.progress import Node, Part, bar_width, percent_of, progress_of, roll_up, would_make_a_cycle


def progress(start, target, current):
    return progress_of(start=Decimal(start), target=Decimal(target), current=None if current is None else Decimal(current))


@pytest.mark.parametrize(
    ("start", "target", "current", "expected"),
    [(0, 590, 510, Decimal(510) / 590), (100, 50, 75, Decimal("0.5")), (0, 10, 15, Decimal("1.5")), (10, 20, 5, Decimal("-0.5")),
     (0, 10, None, None), (5, 5, 5, None), (-10, 10, 0, Decimal("0.5"))],
)  # fmt: skip
def test_bw_d11_progress_runs_from_start_to_target_in_either_direction(start, target, current, expected):
    assert progress(start, target, current) == expected


def test_bw_d11_progress_may_pass_100_and_is_clamped_only_for_the_bar():
    assert percent_of(Decimal("1.5")) == 150
    assert (bar_width(Decimal("1.5")), bar_width(Decimal("-0.2")), bar_width(None)) == (100, 0, 0)


def test_bw_d11_not_quite_there_is_not_100():
    assert percent_of(Decimal("0.9999")) == Decimal("99.9")
    assert percent_of(Decimal(1)) == 100


def test_objective_is_the_weighted_mean_of_key_results_and_children():
    nodes = {
        1: Node(parts=[Part(3, Decimal(1)), Part(1, Decimal(0))], children=[2]),
        2: Node(parts=[Part(1, Decimal("0.5"))], weight=4),
    }
    rolled = roll_up(nodes)
    assert rolled[2].progress == Decimal("0.5")
    assert rolled[1].progress == (3 * Decimal(1) + 4 * Decimal("0.5")) / 8


def test_i_21_a_part_without_a_value_is_counted_and_never_read_as_done():
    rolled = roll_up({1: Node(parts=[Part(1, Decimal(1)), Part(1, None)]), 2: Node(parts=[Part(1, None)]), 3: Node()})
    assert (rolled[1].progress, rolled[1].unknown) == (Decimal("0.5"), 1)
    assert rolled[2].progress is None
    assert rolled[3].progress is None


@given(st.dictionaries(st.integers(0, 8), st.lists(st.integers(0, 8), max_size=4), max_size=9))
def test_i_09_roll_up_ends_on_any_graph(children):
    nodes = {key: Node(parts=[Part(1, Decimal("0.5"))], children=below) for key, below in children.items()}
    rolled = roll_up(nodes)
    assert set(rolled) == set(nodes)
    assert all(each.progress == Decimal("0.5") for each in rolled.values())


def test_parent_circles_are_seen():
    parents = {2: 1, 3: 2}
    assert would_make_a_cycle(objective=1, parent=3, parent_of=parents)
    assert would_make_a_cycle(objective=1, parent=1, parent_of={})
    assert not would_make_a_cycle(objective=4, parent=3, parent_of=parents)


def test_bw_d16_the_last_reading_waits_for_the_settle_offset_in_the_periods_time_zone():
    at = periods.final_reading_at(ends_on=date(2026, 3, 31), time_zone="America/New_York", settle_days=5)
    assert at == datetime(2026, 4, 6, 4, tzinfo=UTC)
    assert periods.ends_at(ends_on=date(2026, 3, 31), time_zone="Pacific/Auckland") == datetime(2026, 3, 31, 11, tzinfo=UTC)


def test_quarters_have_their_days():
    assert periods.quarter(date(2026, 12, 31)) == ("2026 Q4", date(2026, 10, 1), date(2026, 12, 31))
    assert periods.quarter(date(2028, 2, 29)) == ("2028 Q1", date(2028, 1, 1), date(2028, 3, 31))
