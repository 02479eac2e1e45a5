"""Date literals and local time, against plain calendar arithmetic."""

import sqlite3
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.demo_org.soql.dates import COUNTED, PLAIN, Calendar, instant, local_sql

WEDNESDAY = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("literal", "count", "first", "last"),
    [
        ("TODAY", None, "2026-11-18", "2026-11-18"),
        ("YESTERDAY", None, "2026-11-17", "2026-11-17"),
        ("TOMORROW", None, "2026-11-19", "2026-11-19"),
        ("THIS_WEEK", None, "2026-11-15", "2026-11-21"),
        ("LAST_WEEK", None, "2026-11-08", "2026-11-14"),
        ("NEXT_WEEK", None, "2026-11-22", "2026-11-28"),
        ("THIS_MONTH", None, "2026-11-01", "2026-11-30"),
        ("LAST_MONTH", None, "2026-10-01", "2026-10-31"),
        ("NEXT_MONTH", None, "2026-12-01", "2026-12-31"),
        ("THIS_QUARTER", None, "2026-10-01", "2026-12-31"),
        ("LAST_QUARTER", None, "2026-07-01", "2026-09-30"),
        ("NEXT_QUARTER", None, "2027-01-01", "2027-03-31"),
        ("THIS_YEAR", None, "2026-01-01", "2026-12-31"),
        ("LAST_90_DAYS", None, "2026-08-20", "2026-11-18"),
        ("NEXT_90_DAYS", None, "2026-11-19", "2027-02-16"),
        ("LAST_N_DAYS", 3, "2026-11-15", "2026-11-18"),
        ("NEXT_N_DAYS", 3, "2026-11-19", "2026-11-21"),
        ("N_DAYS_AGO", 3, "2026-11-15", "2026-11-15"),
        ("LAST_N_WEEKS", 2, "2026-11-01", "2026-11-14"),
        ("NEXT_N_WEEKS", 2, "2026-11-22", "2026-12-05"),
        ("N_WEEKS_AGO", 2, "2026-11-01", "2026-11-07"),
        ("LAST_N_MONTHS", 2, "2026-09-01", "2026-10-31"),
        ("NEXT_N_MONTHS", 2, "2026-12-01", "2027-01-31"),
        ("N_MONTHS_AGO", 12, "2025-11-01", "2025-11-30"),
        ("LAST_N_QUARTERS", 2, "2026-04-01", "2026-09-30"),
        ("NEXT_N_QUARTERS", 2, "2027-01-01", "2027-06-30"),
        ("N_QUARTERS_AGO", 1, "2026-07-01", "2026-09-30"),
        ("LAST_N_YEARS", 2, "2024-01-01", "2025-12-31"),
        ("NEXT_N_YEARS", 1, "2027-01-01", "2027-12-31"),
        ("N_YEARS_AGO", 3, "2023-01-01", "2023-12-31"),
    ],
)
def test_periods(literal: str, count: int | None, first: str, last: str) -> None:
    start, after = Calendar(WEDNESDAY).period(literal, count)
    assert (start.isoformat(), (after - timedelta(days=1)).isoformat()) == (first, last)


def test_weeks_begin_where_the_locale_says() -> None:
    assert Calendar(WEDNESDAY, locale="de_DE").period("THIS_WEEK")[0] == date(2026, 11, 16)
    assert Calendar(WEDNESDAY, locale="en_GB").period("LAST_WEEK")[0] == date(2026, 11, 9)


def test_fiscal_years_begin_where_the_org_says() -> None:
    calendar = Calendar(WEDNESDAY, fiscal_start=2)
    assert calendar.period("THIS_FISCAL_YEAR") == (date(2026, 2, 1), date(2027, 2, 1))
    assert calendar.period("THIS_FISCAL_QUARTER") == (date(2026, 11, 1), date(2027, 2, 1))
    assert calendar.period("LAST_N_FISCAL_QUARTERS", 2) == (date(2026, 5, 1), date(2026, 11, 1))
    assert calendar.period("THIS_YEAR") == (date(2026, 1, 1), date(2027, 1, 1))


def test_days_are_the_users_days() -> None:
    calendar = Calendar(datetime(2026, 11, 18, 3, tzinfo=UTC), "America/Los_Angeles")
    assert calendar.today == date(2026, 11, 17)
    assert calendar.instants("TODAY") == ("2026-11-17T08:00:00.000Z", "2026-11-18T08:00:00.000Z")


def test_a_day_of_25_hours() -> None:
    calendar = Calendar(datetime(2026, 11, 1, 20, tzinfo=UTC), "America/Los_Angeles")
    assert calendar.instants("TODAY") == ("2026-11-01T07:00:00.000Z", "2026-11-02T08:00:00.000Z")


def test_last_n_days_ends_now() -> None:
    assert Calendar(WEDNESDAY).instants("LAST_N_DAYS", 1) == ("2026-11-17T00:00:00.000Z", "2026-11-18T12:00:01.000Z")


@settings(max_examples=200, deadline=None)
@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),
    st.sampled_from(["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia", "Europe/Berlin"]),
    st.sampled_from(sorted(PLAIN | COUNTED)),
    st.integers(0, 10**7),
    st.integers(1, 12),
)
def test_every_period_is_a_range_of_days(moment: datetime, zone: str, literal: str, count: int, fiscal: int) -> None:
    calendar = Calendar(moment.replace(tzinfo=UTC), zone, fiscal_start=fiscal)
    first, after = calendar.period(literal, count)
    assert first <= after
    start, end = calendar.instants(literal, count)
    assert start <= end
    assert len(start) == len(end) == 24


@settings(max_examples=150, deadline=None)
@given(
    st.datetimes(datetime(1996, 1, 1), datetime(2029, 1, 1)),
    st.sampled_from(["America/Los_Angeles", "Europe/Berlin", "Asia/Tokyo", "Australia/Lord_Howe", "UTC", "America/Sao_Paulo"]),
)
def test_local_time_in_sql_is_that_of_the_zone(moment: datetime, zone: str) -> None:
    moment = moment.replace(tzinfo=UTC, microsecond=0)
    sql = f"SELECT {local_sql('x', zone, 2026)} FROM (SELECT ? AS x)"
    found = sqlite3.connect(":memory:").execute(sql, (instant(moment),)).fetchone()[0]
    assert found == moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
