"""Prices, periods and credits, against cases worked out by hand."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.pricing import (
    Credit,
    Period,
    Terms,
    Tier,
    add_months,
    burn,
    periods,
    price_lines,
    problems_of,
    rounded,
    share_of,
)

D = Decimal
STEPS = (Tier(D(100), D("0.10")), Tier(D(1000), D("0.05")), Tier(None, D("0.01"), flat=D(5)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("terms", "quantity", "total"),
    [
        (Terms("fixed", D("49.99")), 0, "49.99"),
        (Terms("per_unit", D("0.015")), 101, "1.52"),  # 1.515 half up
        (Terms("per_unit", D("2"), included=D(10)), 8, "0.00"),
        (Terms("per_unit", D("2"), included=D(10)), 13, "6.00"),
        (Terms("package", D("10"), size=D(100)), 0, "0.00"),
        (Terms("package", D("10"), size=D(100)), 1, "10.00"),
        (Terms("package", D("10"), size=D(100)), 100, "10.00"),
        (Terms("package", D("10"), size=D(100)), 101, "20.00"),
        (Terms("package", D("10"), included=D(50), size=D(100)), 150, "10.00"),
        (Terms("tiered", tiers=STEPS), 0, "0.00"),
        (Terms("tiered", tiers=STEPS), 100, "10.00"),
        (Terms("tiered", tiers=STEPS), 101, "10.05"),
        (Terms("tiered", tiers=STEPS), 1500, "65.00"),  # 10 + 45 + 5 + 500 x 0.01
        (Terms("volume", tiers=STEPS), 100, "10.00"),
        (Terms("volume", tiers=STEPS), 101, "5.05"),
        (Terms("volume", tiers=STEPS), 1500, "20.00"),
        (Terms("per_unit", D("1"), minimum=D(25)), 10, "25.00"),
    ],
)
def test_prices_by_hand(terms, quantity, total):
    assert problems_of(terms) == []
    assert sum(line.total for line in price_lines("Use", terms, D(quantity), "USD")) == D(total)


def test_currencies_round_to_their_own_decimals():
    assert rounded(D("10.5"), "JPY") == D("11")
    assert rounded(D("10.0005"), "KWD") == D("10.001")
    assert rounded(D("-1.005"), "USD") == D("-1.01")


def test_bad_prices_say_what_is_wrong():
    assert problems_of(Terms("tiered", tiers=(Tier(D(10)),))) == ["tiers: the last tier must have no end"]
    assert problems_of(Terms("tiered", tiers=(Tier(D(10)), Tier(D(5)), Tier(None))))
    assert problems_of(Terms("per_unit", D(-1)))
    assert problems_of(Terms("package", D(1), size=D(0)))
    assert problems_of(Terms("weekly"))


@given(st.decimals(0, 10_000, places=3))
def test_tiered_lines_cover_the_quantity_exactly(quantity):
    lines = price_lines("Use", Terms("tiered", tiers=STEPS), quantity, "USD")
    assert sum(line.quantity for line in lines) == quantity
    assert all(line.quantity >= 0 for line in lines)


def test_periods_keep_their_day_through_short_months():
    found = periods(at("2026-01-31"), None, 1, until=at("2026-04-15"))
    assert [each.start.date().isoformat() for each in found] == ["2026-01-31", "2026-02-28", "2026-03-31"]
    assert found[0].end == found[1].start
    assert add_months(at("2024-02-29"), 12) == at("2025-02-28")


def test_a_plan_that_ends_cuts_its_last_period():
    found = periods(at("2026-01-01"), at("2026-02-15"), 1, until=at("2026-06-01"))
    assert found[-1] == Period(at("2026-02-01"), at("2026-02-15"))
    assert share_of(found[-1], 1) == D(14) / D(28)
    assert share_of(found[0], 1) == 1


def test_credits_burn_by_priority_then_expiry():
    period = Period(at("2026-02-01"), at("2026-03-01"))
    grants = [
        Credit("late", "Late", "USD", D(50), at("2026-01-01"), at("2027-01-01")),
        Credit("soon", "Soon", "USD", D(10), at("2026-01-01"), at("2026-02-10")),
        Credit("first", "First", "USD", D(5), at("2026-01-01"), None, priority=1),
        Credit("expired", "Expired", "USD", D(50), at("2025-01-01"), at("2026-02-01")),
        Credit("other", "Other", "EUR", D(50), at("2026-01-01")),
        Credit("future", "Future", "USD", D(50), at("2026-03-01")),
    ]
    assert burn(grants, D(40), currency="USD", period=period).amounts == {"first": D(5), "soon": D(10), "late": D(25)}
    assert burn(grants, D(40), currency="USD", period=period).amounts == {"late": D(25)}
