"""Whole columns give what single values give: the quick path is held against the exact one, value by value."""

from collections import Counter
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.lake.types import arrow_type
from integrations.sync.mapping import columns
from integrations.sync.mapping.body import FieldPair
from integrations.sync.mapping.convert import Converted, convert_in, convert_out
from integrations.sync.mapping.problems import Problem
from integrations.sync.mapping.stored import write_stored
from tests.mapping.shapes import TEXTS, make_choices, make_field

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORDS = st.one_of(
    st.text(max_size=30), st.sampled_from(["A", "a", "B;A", "A;B;A", "Old", "", " ", "x ", "jo@acme.example", "a\0b"])
)
NUMBERS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=None, min_value=-(10**25), max_value=10**25),
    st.sampled_from([Decimal(text) for text in ("2.675", "-2.675", "0.005", "-0", "1e14", "99999999999999.995", "0.30")]),
)
NUMBER_TEXTS = st.one_of(
    NUMBERS.map(str), st.sampled_from(["12abc", "NaN", "Infinity", "1_000", "", "0x1", "٣", "1e400", "-0.000"])
)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
MILLIS = MOMENTS.map(lambda each: each.replace(microsecond=each.microsecond // 1000 * 1000))
MOMENT_TEXTS = st.one_of(
    MOMENTS.map(lambda each: str(write_stored(each))),
    st.sampled_from(["2020-02-30T00:00:00Z", "2020-01-01", "2021-12-03T17:59:20+05:30", "2021-12-03T17:59:20", "soon"]),
)
LISTS = make_choices("A", "B", "C", "Old", inactive=("Old",), labels={"C": "Third"})
PAIR = FieldPair("push", "attributes.x", "PX_Field__c", values={"x": "A", "Old": "B", "gone": ""})


def check_out(raws, arrow, kind, info, pair=None):
    """Both paths agree on values, problems and notices."""
    column = columns.convert_column_out(pa.array(raws, arrow), kind, info, pair)
    wanted, problems, notices = [], {}, Counter()
    for row, raw in enumerate(pa.array(raws, arrow).to_pylist()):
        try:
            one = convert_out(columns.read_source(kind, raw), kind, info, pair)
        except ValueError:
            one = Problem("", columns.WRONG[kind], "")
        if isinstance(one, Problem):
            problems[row] = one.code
            wanted.append(None)
        else:
            notices[one.notice] += bool(one.notice)
            wanted.append(one.value)
    assert column.values.type == arrow_type(columns.kind_of(info))
    assert column.values.to_pylist() == wanted
    assert {row: each.code for row, each in column.problems.items()} == problems
    assert column.notices == +notices


@QUICK
@given(st.lists(st.none() | WORDS, max_size=12), st.sampled_from(TEXTS), st.integers(1, 40), st.booleans(), st.booleans())
def test_text_columns_equal_single_values(raws, kind, length, restricted, nillable):
    info = make_field(kind=kind, length=length, choices=LISTS, restricted_picklist=restricted, nillable=nillable)
    check_out(raws, pa.string(), "STRING", info)
    check_out(raws, pa.string(), "STRING", info, PAIR)


@QUICK
@given(
    st.lists(st.none() | NUMBER_TEXTS, max_size=12),
    st.sampled_from(["int", "double", "currency", "percent"]),
    st.integers(0, 17),
    st.integers(1, 18),
)
def test_number_columns_equal_single_values(raws, kind, scale, precision):
    info = make_field(kind=kind, scale=min(scale, precision), precision=precision)
    check_out(raws, pa.string(), "NUMBER", info)


@QUICK
@given(
    st.lists(st.none() | st.decimals(-(10**20), 10**20, places=12), max_size=12),
    st.sampled_from(["int", "double"]),
    st.integers(0, 12),
)
def test_decimal_columns_equal_single_values(raws, kind, scale):
    check_out(raws, arrow_type("number"), "NUMBER", make_field(kind=kind, scale=scale))
    check_out(
        [None if raw is None else int(raw) // 100 for raw in raws], pa.int64(), "NUMBER", make_field(kind=kind, scale=scale)
    )


@QUICK
@given(
    st.lists(st.none() | MILLIS, max_size=12),
    st.lists(st.none() | MOMENT_TEXTS, max_size=12),
    st.sampled_from(["date", "datetime", "time"]),
)
def test_moment_columns_equal_single_values(typed, texts, kind):
    check_out(typed, arrow_type("moment"), "DATE_TIME", make_field(kind=kind))
    check_out(texts, pa.string(), "DATE_TIME", make_field(kind=kind))


@QUICK
@given(
    st.lists(st.none() | st.booleans(), max_size=9),
    st.lists(st.none() | st.sampled_from(["true", "false", "", "True", "1", "x"]), max_size=9),
)
def test_flag_columns_equal_single_values(typed, texts):
    check_out(typed, pa.bool_(), "BOOLEAN", make_field(kind="boolean"))
    check_out(texts, pa.string(), "BOOLEAN", make_field(kind="boolean", nillable=False))


def test_columns_of_an_incompatible_type_fail_row_by_row():
    column = columns.convert_column_out(pa.array(["1", None]), "NUMBER", make_field(kind="string"))
    assert {row: each.code for row, each in column.problems.items()} == {0: "incompatible", 1: "incompatible"}


def check_in(raws, arrow, info, pair=None):
    column = columns.convert_column_in(pa.array(raws, arrow), info, pair)
    outcomes = [convert_in(columns._utc(raw), info, pair) for raw in pa.array(raws, arrow).to_pylist()]
    wanted = [write_stored(one.value) if isinstance(one, Converted) else None for one in outcomes]
    assert column.values.to_pylist() == wanted
    assert set(column.problems) == {row for row, one in enumerate(outcomes) if isinstance(one, Problem)}


@QUICK
@given(st.lists(st.none() | WORDS, max_size=12), st.sampled_from(TEXTS))
def test_pulled_text_columns_equal_single_values(raws, kind):
    check_in(raws, pa.string(), make_field(kind=kind, choices=LISTS))
    check_in(raws, pa.string(), make_field(kind=kind, choices=LISTS), PAIR)


@QUICK
@given(
    st.lists(st.none() | st.decimals(-(10**25), 10**25, places=12), max_size=12),
    st.lists(st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)), max_size=9),
    st.lists(st.none() | MILLIS, max_size=9),
    st.lists(st.none() | st.times().map(lambda each: each.replace(tzinfo=None)), max_size=9),
)
def test_pulled_typed_columns_equal_single_values(numbers, days, moments, clocks):
    check_in(numbers, arrow_type("number"), make_field(kind="double"))
    check_in([None if each is None else int(each) // 10**8 for each in numbers], pa.int64(), make_field(kind="int"))
    check_in(days, pa.date32(), make_field(kind="date"))
    check_in(moments, arrow_type("moment"), make_field(kind="datetime"))
    check_in(clocks, arrow_type("clock"), make_field(kind="time"))
    check_in([True, False, None], pa.bool_(), make_field(kind="boolean"))


@pytest.mark.parametrize("raws", [[time(1, 2, 3)], [datetime(2020, 1, 1, 12, tzinfo=UTC)]])
def test_a_type_that_changed_fails_row_by_row_and_stops_nothing(raws):
    column = columns.convert_column_in(pa.array(raws), make_field(kind="double"))
    assert column.problems[0].code == "not_a_number"
