"""The pure parts: definitions as JSON, roll-ups, trees, formulas, numbers."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.demo_org.errors import ApiError
from integrations.demo_org.reports.cells import plain_number
from integrations.demo_org.reports.definition import (
    Bucket,
    CrossFilter,
    DateFilter,
    Filter,
    Formula,
    Grouping,
    ReportDefinition,
    Sort,
    from_json,
    to_json,
)
from integrations.demo_org.reports.facts import Level, axis, roll_up, tree
from integrations.demo_org.reports.formulas import Formula as Parsed
from integrations.demo_org.soql.formats import format_date, format_datetime, format_money, format_number

text = st.text(max_size=8)
definitions = st.builds(
    ReportDefinition,
    report_type=text,
    detail_columns=st.lists(text).map(tuple),
    groupings_down=st.lists(st.builds(Grouping, text, text, text, st.none() | text), max_size=2).map(tuple),
    filters=st.lists(st.builds(Filter, text, text, text, st.booleans()), max_size=2).map(tuple),
    date_filter=st.none() | st.builds(DateFilter, text, text, st.none() | text, st.none() | text),
    standard_filters=st.lists(st.tuples(text, text), max_size=2).map(tuple),
    cross_filters=st.lists(st.builds(CrossFilter, text, text, st.booleans(), st.lists(st.builds(Filter, text, text, text), max_size=1).map(tuple)), max_size=1).map(tuple),
    sort=st.lists(st.builds(Sort, text, text), max_size=1).map(tuple),
    row_limit=st.none() | st.integers(),
    formulas=st.lists(st.builds(Formula, text, text, text, text), max_size=1).map(tuple),
    buckets=st.lists(st.builds(Bucket, text, text, text, st.just((("a", 1.5), ("b", None))), st.just((("c", ("d", "e")),)), text), max_size=1).map(tuple),
    blocks=st.just((ReportDefinition("Opportunity"),)) | st.just(()),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(definitions)
def test_definitions_survive_json(definition: ReportDefinition) -> None:
    assert from_json(to_json(definition)) == definition


leaves = st.dictionaries(
    st.tuples(st.tuples(st.integers(0, 2), st.integers(0, 2)), st.tuples(st.integers(0, 2))),
    st.tuples(st.integers(0, 9), st.none() | st.integers(-9, 9), st.none() | st.integers(-9, 9)),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(leaves)
def test_totals_are_those_of_all_leaves_below(found: dict[Any, Any]) -> None:
    totals = roll_up([(down, across, parts) for (down, across), parts in found.items()], ["sum", "min", "max"])
    for (down, across), parts in totals.items():
        below = [p for (d, a), p in found.items() if d[: len(down)] == down and a[: len(across)] == across]
        smallest, largest = [p[1] for p in below if p[1] is not None], [p[2] for p in below if p[2] is not None]
        assert parts == [sum(p[0] for p in below), min(smallest, default=None), max(largest, default=None)]


@settings(max_examples=100, deadline=None)
@given(st.sets(st.tuples(st.none() | st.integers(0, 5), st.integers(0, 3)), max_size=12), st.booleans())
def test_trees_number_every_group_once_and_in_order(paths: set[Any], descending: bool) -> None:
    level = Level(lambda value, _: value, lambda value, _: "-" if value is None else str(value), descending)
    nodes = tree(paths, [level, level], [{}, {}], lambda _: [])
    keys = [key for key, _ in axis(nodes)]
    assert len(keys) == len(set(keys)) == len(paths | {path[:1] for path in paths}) + 1
    assert [node.key for node in nodes] == [str(k) for k in range(len(nodes))]
    values = [node.value for node in nodes]
    assert values == sorted(values, key=lambda value: (value is not None, value or 0), reverse=descending)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("RowCount", 4),
        ("AMOUNT:SUM / RowCount", 25),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-AMOUNT:SUM + 1.5", -98.5),
        ("AMOUNT:SUM - AMOUNT:MAX - 1", 39),
        ("AMOUNT:SUM / Opportunity.Nothing__c:SUM", None),
        ("AMOUNT:MIN + 1", None),
    ],
)
def test_formulas(formula: str, expected: float | None) -> None:
    values = {"RowCount": 4, "s!AMOUNT": 100.0, "mx!AMOUNT": 60.0, "s!Opportunity.Nothing__c": 0, "m!AMOUNT": None}
    assert Parsed(formula).compute(values) == expected


@pytest.mark.parametrize("formula", ["", "1 +", "(1", "1 2", "AMOUNT", "AMOUNT:COUNT", "1 $ 2", "__import__('os')"])
def test_broken_formulas_are_refused(formula: str) -> None:
    with pytest.raises(ApiError):
        Parsed(formula)


def test_whole_numbers_lose_their_point_and_noise() -> None:
    assert repr(plain_number(15.0)) == "15"
    assert repr(plain_number(0.1 + 0.2)) == "0.3"
    assert repr(plain_number(16000.01)) == "16000.01"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (format_money(1234.5, 2, "en_US"), "$1,234.50"),
        (format_money(-5, 2, "en_US"), "($5.00)"),
        (format_money(915000, 2, "en_GB", "GBP"), "£915,000.00"),
        (format_money(1234.5, 2, "de_DE", "EUR"), "1.234,50 €"),
        (format_number(1234567, 0, "de_DE"), "1.234.567"),
        (format_date("2016-01-16", "en_GB"), "16/01/2016"),
        (format_date("2015-07-31", "en_US"), "7/31/2015"),
        (format_date("2015-07-31", "de_DE"), "31.07.2015"),
        (format_datetime("2015-07-31T00:05:00.000Z", "en_US"), "7/31/2015, 12:05 AM"),
        (format_datetime("2015-07-31T13:05:00.000Z", "en_GB"), "31/07/2015, 13:05"),
    ],
)
def test_locales_write_numbers_and_dates_their_way(shown: str, expected: str) -> None:
    assert shown == expected
