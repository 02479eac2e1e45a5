"""How times, durations and amounts read."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from project import display

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (44, "just now"),
        (-20, "in a moment"),
        (60, "1 min ago"),
        (12 * 60, "12 min ago"),
        (59 * 60, "59 min ago"),
        (2 * 3600, "2 h ago"),
        (-24 * 60, "in 24 min"),
        (26 * 3600, "yesterday"),
        (-26 * 3600, "tomorrow"),
        (3 * 86400, "3 days ago"),
        (21 * 86400, "3 weeks ago"),
        (400 * 86400, "Oct 18, 2025"),
    ],
)
def test_relative_time(seconds, text):
    assert display.relative(NOON - timedelta(seconds=seconds), NOON) == text


def test_absolute_time_names_its_zone():
    assert display.absolute(NOON, ZoneInfo("Europe/Berlin")) == "2026-11-22 13:00:00 CET"
    assert display.clock(NOON, ZoneInfo("Europe/Berlin")) == "Nov 22, 2026, 13:00 CET"


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (None, ""),
        (0.42, "0.4 s"),
        (6, "6.0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (timedelta(minutes=200), "3 h 20 min"),
    ],
)
def test_duration(span, text):
    assert display.duration(span) == text


@pytest.mark.parametrize(
    ("value", "unit", "label", "text"),
    [
        (Decimal("510000.000000"), "currency", "USD", "$510,000"),
        (Decimal("1234.5"), "currency", "EUR", "€1,234.50"),
        (Decimal("-3"), "currency", "CHF", "−CHF 3"),
        (Decimal("45"), "percent", "%", "45%"),
        (Decimal("28.456"), "percent", "%", "28.46%"),
        (Decimal("12"), "custom", "deals", "12 deals"),
        (Decimal("9891"), "number", "", "9,891"),
        (Decimal("0.00012"), "number", "", "0.0001"),
        (None, "currency", "USD", "–"),
    ],
)
def test_bw_d10_units(value, unit, label, text):
    assert display.measure(value, unit, label) == text


def test_amount_keeps_what_was_stored():
    assert display.amount(Decimal("1234567.891000")) == "1,234,567.891"
    assert display.amount(None) == "–"
