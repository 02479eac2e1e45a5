"""Windows: rolling and calendar, over ends of years, quarters, leap days and changes of the clock. By hand from a calendar."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from integrations.product.kpis.windows import ANSWERS, USAGE, are_whole_days, bits_by_edge, start_of_day, windows_of


def days(as_of: str, name: str, zone=UTC) -> str:
    window = windows_of(datetime.fromisoformat(as_of).replace(tzinfo=UTC), zone=zone)[name]
    return f"{window.start:%Y-%m-%d} {window.end:%Y-%m-%d}"


@pytest.mark.parametrize(
    ("as_of", "name", "wanted"),
    [
        ("2026-11-22", "7d", "2026-11-15 2026-11-22"),
        ("2026-11-22", "7d_prev", "2026-11-08 2026-11-15"),
        ("2026-11-22", "90d_prev", "2026-05-26 2026-08-24"),
        ("2024-03-01", "7d", "2024-02-23 2024-03-01"),  # a leap day lies in it
        ("2025-03-01", "7d", "2025-02-22 2025-03-01"),
        ("2024-03-31", "30d", "2024-03-01 2024-03-31"),
        # ISO weeks: 2026-11-22 is a Sunday, so its own week is not over
        ("2026-11-22", "last_week", "2026-11-09 2026-11-16"),
        ("2026-11-23", "last_week", "2026-11-16 2026-11-23"),  # a Monday: the week that ends there is complete
        ("2026-11-23", "last_week_prev", "2026-11-09 2026-11-16"),
        # week 1 of 2026 begins on 29 December 2025, week 53 of 2026 ends on 3 January 2027
        ("2026-01-01", "last_week", "2025-12-22 2025-12-29"),
        ("2026-01-05", "last_week", "2025-12-29 2026-01-05"),
        ("2027-01-04", "last_week", "2026-12-28 2027-01-04"),
        ("2027-01-04", "last_week_prev", "2026-12-21 2026-12-28"),
        # months, with a leap day and over the new year
        ("2024-03-15", "last_month", "2024-02-01 2024-03-01"),
        ("2024-03-15", "last_month_prev", "2024-01-01 2024-02-01"),
        ("2026-01-01", "last_month", "2025-12-01 2026-01-01"),
        ("2026-01-31", "last_month_prev", "2025-11-01 2025-12-01"),
        # quarters
        ("2026-01-01", "last_quarter", "2025-10-01 2026-01-01"),
        ("2026-01-01", "last_quarter_prev", "2025-07-01 2025-10-01"),
        ("2026-03-31", "last_quarter", "2025-10-01 2026-01-01"),
        ("2026-04-01", "last_quarter", "2026-01-01 2026-04-01"),
        ("2026-12-31", "last_quarter_prev", "2026-04-01 2026-07-01"),
    ],
)
def test_px_65_windows_by_the_calendar(as_of, name, wanted):
    assert days(as_of, name) == wanted


def test_windows_are_half_open_and_the_one_before_ends_where_they_begin():
    found = windows_of(datetime(2026, 11, 22, tzinfo=UTC))
    for name in ANSWERS:
        if not name.endswith("_prev"):
            assert found[f"{name}_prev"].end == found[name].start, name
        assert found[name].has(found[name].start)
        assert not found[name].has(found[name].end)
    assert are_whole_days(found[name] for name in ANSWERS)


def test_calendar_periods_begin_at_midnight_of_the_chosen_zone():
    berlin = ZoneInfo("Europe/Berlin")
    found = windows_of(datetime(2026, 11, 22, tzinfo=UTC), zone=berlin)
    assert found["last_month"].start == datetime(2026, 9, 30, 22, tzinfo=UTC)  # summer time
    assert found["last_month"].end == datetime(2026, 10, 31, 23, tzinfo=UTC)  # winter time again: the month is an hour longer
    assert found["7d"].start == datetime(2026, 11, 15, tzinfo=UTC)  # rolling windows stay with UTC
    assert not are_whole_days(found[name] for name in USAGE)


def test_a_zone_can_be_in_another_month_already():
    auckland, honolulu = ZoneInfo("Pacific/Auckland"), ZoneInfo("Pacific/Honolulu")
    as_of = datetime(2026, 10, 31, 12, tzinfo=UTC)  # 1 November in Auckland, 31 October in Honolulu
    assert windows_of(as_of, zone=auckland)["last_month"].start.astimezone(auckland).month == 10
    assert windows_of(as_of, zone=honolulu)["last_month"].start.astimezone(honolulu).month == 9


def test_rolling_windows_end_at_any_instant():
    as_of = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
    found = windows_of(as_of)
    assert found["7d"].end == as_of
    assert found["7d"].start == as_of - timedelta(days=7)
    assert not are_whole_days([found["7d"]])
    assert start_of_day(as_of) == datetime(2026, 11, 22, tzinfo=UTC)


def test_edges_carry_the_bits_of_the_windows_that_hold_from_there():
    found = windows_of(datetime(2026, 11, 22, tzinfo=UTC))
    edges = bits_by_edge(found, USAGE)
    for day in range(200):
        instant = datetime(2026, 11, 23, 23, tzinfo=UTC) - timedelta(days=day)
        wanted = sum(1 << place for place, name in enumerate(USAGE) if found[name].has(instant))
        assert next((bits for edge, bits in edges if instant >= edge), 0) == wanted, instant
