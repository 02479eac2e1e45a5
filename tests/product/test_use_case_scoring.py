"""The health score's arithmetic: points, weights, what is not known, and definitions that cannot be used."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.product.health.scoring import BadParts, Part, band_of, points_of, read_parts, score_of, write_parts

D = Decimal
USAGE = Part("usage", 3, D(0), D(50))
CASES = Part("cases", 1, D(10), D(0))
PLAN = Part("plan", 1, best_values=("Enterprise", "Team"))


@pytest.mark.parametrize(
    ("part", "value", "points"),
    [
        (USAGE, D(25), D("50.00")), (USAGE, D(-5), D(0)), (USAGE, D(80), D(100)), (USAGE, D(1), D("2.00")),
        (CASES, D(0), D(100)), (CASES, D(10), D(0)), (CASES, D(12), D(0)), (CASES, D(3), D("70.00")),
        (PLAN, "enterprise ", D(100)), (PLAN, "Free", D(0)), (Part("on", 1, best_values=("yes",)), True, D(100)),
        (Part("on", 1, best_values=("yes",)), False, D(0)), (USAGE, "12", None), (USAGE, None, None),
        (Part("x", 1, D(0), D(1), missing="worst"), None, D(0)), (Part("x", 1, D(0), D(1), missing="best"), None, D(100)),
    ],
)  # fmt: skip
def test_px_42_points_of_a_value(part, value, points) -> None:
    assert points_of(part, value) == points


def test_px_42_score_is_the_weighted_mean_of_what_is_known_and_explains_itself() -> None:
    score = score_of([USAGE, CASES, PLAN], {"usage": D(25), "cases": D(5), "plan": "Free"})
    assert score.value == 40  # (50 * 3 + 50 + 0) / 5
    assert sum(each.contribution for each in score.parts) == D(40)
    assert [each.share for each in score.parts] == [D(60), D(20), D(20)]
    assert [each.lost for each in score.parts] == [D(30), D(10), D(20)]
    assert [each.value for each in score.parts] == ["25", "5", "Free"]
    assert score_of([USAGE, CASES, PLAN], {"usage": D(25), "cases": D(5)}).value == 50, "left out, not counted as 0"


def test_r_115_too_little_known_is_no_score_and_never_0() -> None:
    assert score_of([USAGE, CASES, PLAN], {"cases": D(0), "plan": "Team"}).value is None
    assert score_of([USAGE, CASES, PLAN], {"cases": D(0), "plan": "Team"}, least_known=40).value == 100
    assert score_of([USAGE], {}).value is None
    assert band_of(None, good_from=70, fair_from=40) == "unknown"
    assert [band_of(n, good_from=70, fair_from=40) for n in (100, 70, 69, 40, 39, 0)] == [
        "good", "good", "fair", "fair", "poor", "poor"]  # fmt: skip


def test_rounding_is_half_up_once_at_the_end() -> None:
    assert score_of([Part("a", 1, D(0), D(200)), Part("b", 1, D(0), D(100))], {"a": D(1), "b": D("0.5")}).value == 1
    assert score_of([Part("a", 1, D(0), D(100))], {"a": D("54.5")}).value == 55


@given(st.lists(st.tuples(st.integers(1, 50), st.decimals(-1000, 1000, places=2)), min_size=1, max_size=8))
def test_a_score_lies_between_0_and_100_and_its_contributions_add_up(rows) -> None:
    parts = [Part(f"p{n}", weight, D(-100), D(300)) for n, (weight, _) in enumerate(rows)]
    score = score_of(parts, {f"p{n}": value for n, (_, value) in enumerate(rows)})
    assert score.value is not None
    assert 0 <= score.value <= 100
    assert abs(sum(each.contribution for each in score.parts) - score.value) <= D("0.6")


@pytest.mark.parametrize(
    ("data", "where", "what"),
    [
        ([], "parts", "at least one"), ("x", "parts", "list"), ([1], "parts[1]", "object"),
        ([{"signal": "usage", "worst": 1, "best": 1}], "parts[1]", "differ"),
        ([{"signal": "usage", "best": 1}], "parts[1]", "worst is missing"),
        ([{"signal": "usage", "worst": "NaN", "best": 1}], "parts[1]", "usable"),
        ([{"signal": "usage", "worst": True, "best": 1}], "parts[1]", "number"),
        ([{"signal": "nothing", "worst": 0, "best": 1}], "parts[1]", "no signal"),
        ([{"signal": "usage", "worst": 0, "best": 1, "weight": 0}], "parts[1]", "weight"),
        ([{"signal": "usage", "worst": 0, "best": 1, "weight": 1.5}], "parts[1]", "weight"),
        ([{"signal": "plan", "worst": 0, "best": 1}], "parts[1]", "best_values"),
        ([{"signal": "usage", "best_values": ["a"]}], "parts[1]", "worst and best"),
        ([{"signal": "usage", "worst": 0, "best": 1, "missing": "?"}], "parts[1]", "missing"),
        ([{"signal": "usage", "worst": 0, "best": 1, "color": "red"}], "parts[1]", "unknown fields"),
        ([{"signal": "usage", "worst": 0, "best": 1}] * 2, "usage", "twice"),
        ([{"signal": "usage", "worst": 0, "best": 1}] * 21, "parts", "at most"),
    ],
)  # fmt: skip
def test_definitions_that_cannot_be_used_are_named_with_the_fix(data, where, what) -> None:
    with pytest.raises(BadParts) as caught:
        read_parts(data, known={"usage": "NUMBER", "plan": "STRING"})
    assert what in caught.value.errors[where]


def test_definitions_survive_the_round_trip() -> None:
    parts = (USAGE, CASES, PLAN, Part("renewal", 2, D("-12.5"), D(0), missing="worst"))
    assert read_parts(write_parts(parts)) == parts
