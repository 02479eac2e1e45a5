"""Conditions as JSON and form: what is accepted, what is told, relative dates, words, segments in segments."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from integrations.product.segments.builder import read_builder, write_builder
from integrations.product.segments.conditions import Condition, CycleFound, Group, expand, read_tree, say_tree, write_tree
from integrations.product.segments.fieldtypes import ACTIVITY, CUSTOMER, ID, OPS, SEGMENT, Field, Known, SegmentRef
from integrations.product.segments.spans import Interval, fixed_interval, shift, span_interval
from integrations.product.segments.values import read_value
from integrations.sync.mapping.problems import ProblemsFound
from integrations.sync.mapping.types import BOOLEAN, DATE_TIME, NUMBER, STRING

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
OWN = [
    Field("name", "Name", STRING, "Product fields"), Field("attributes.seats", "Seats", NUMBER, "Attributes"),
    Field("attributes.vip", "VIP", BOOLEAN, "Attributes"), Field("attributes.renewal", "Renewal", DATE_TIME, "Attributes"),
    Field("salesforce.id", "Salesforce id", ID, "Salesforce"), Field("segment", "Segment", SEGMENT, "Use"),
    Field("events", "Event", ACTIVITY, "Use"),
]  # fmt: skip
CUSTOMERS = Known("customer", {each.key: each for each in OWN}, {})
PEOPLE = Known("end_user", CUSTOMERS.fields | {CUSTOMER + each.key: replace(each, key=CUSTOMER + each.key, label=f"Customer: {each.label}")
                                               for each in OWN}, {})  # fmt: skip


def problems(data, known: Known = CUSTOMERS) -> dict[str, list[str]]:
    with pytest.raises(ProblemsFound) as found:
        read_tree(data, known)
    return found.value.by_path()


def one(op: str, value: object = None, field: str = "attributes.seats") -> Condition:
    found = read_tree({"all": [{"field": field, "op": op, "value": value}]}, CUSTOMERS).of[0]
    assert isinstance(found, Condition)
    return found


def test_a_tree_is_read_written_and_said():
    data = {"all": [
        {"field": "name", "op": "is_any_of", "value": ["Acme", "Bolt"]},
        {"any": [{"field": "attributes.renewal", "op": "in_next", "value": 90}, {"field": "attributes.vip", "op": "is_true"}]},
    ]}  # fmt: skip
    tree = read_tree(data, CUSTOMERS)
    written = write_tree(tree)
    assert written["all"][1]["any"][0]["value"] == {"n": 90, "unit": "days"}
    assert read_tree(written, CUSTOMERS) == tree
    assert say_tree(tree, CUSTOMERS) == "Name is any of Acme, Bolt and (Renewal is within the next 90 days or VIP is yes)"


@pytest.mark.parametrize("empty", [{"all": []}, {"any": []}])
def test_an_empty_tree_holds_for_everybody(empty):
    assert read_tree(empty, CUSTOMERS) == Group()


@pytest.mark.parametrize(
    ("data", "path", "words"),
    [
        ([], "conditions", '{"all": [...]}'),
        ({"all": [], "any": []}, "conditions", "Must be"),
        ({"none": []}, "conditions", "Must be"),
        ({"all": {}}, "conditions.all", "Must be a list"),
        ({"all": [1]}, "conditions.all[0]", "Condition 1"),
        ({"all": [{"field": "nope", "op": "is"}]}, "conditions.all[0].field", "Condition 1: there is no field 'nope'"),
        ({"all": [{"field": "name", "op": "at_least"}]}, "conditions.all[0].op", "is_any_of"),
        ({"all": [{"field": "name", "op": "is", "value": "x", "or": 1}]}, "conditions.all[0]", "Condition 1"),
        ({"all": [{"field": "name", "op": "is", "value": "x"}, {"field": "attributes.seats", "op": "is", "value": "x"}]},
         "conditions.all[1].value", "Condition 2 (Seats is): Type a number"),
        ({"any": [{"all": [{"any": []}]}]}, "conditions.any[0].all[0]", "one level deep"),
        ({"any": [{"all": []}]}, "conditions.any[0]", "no condition"),
        ({"all": [{"field": "segment", "op": "in", "value": 7}]}, "conditions.all[0].value", "no segment 7"),
        ({"all": [{"field": "name", "op": "is_blank"}] * 101}, "conditions.all[100]", "more than 100"),
    ],
)  # fmt: skip
def test_each_problem_names_its_condition_and_the_fix(data, path, words):
    found = problems(data)
    assert words in found[path][0]


def test_all_problems_are_told_at_once():
    assert (
        len(problems({"all": [{"field": "x", "op": "is"}, {"field": "name", "op": "is"}, {"field": "name", "op": "y"}]})) == 3
    )


@pytest.mark.parametrize(
    ("shape", "raw", "value"),
    [
        ("text", " Pro ", "Pro"), ("text", 12, "12"), ("texts", "a\n\n b \na", ["a", "b"]), ("texts", ["x", 5], ["x", "5"]),
        ("number", "12.50", "12.5"), ("number", 1e2, "100"), ("number", "-0", "0"), ("numbers", {"from": 1, "to": "2.5"}, ["1", "2.5"]),
        ("date", "2027-01-31", "2027-01-31"), ("date", "2027-01-31T08:00:00+02:00", "2027-01-31T06:00:00Z"),
        ("dates", ["2027-01-31", "2027-01-31"], ["2027-01-31", "2027-01-31"]), ("span", "7", {"n": 7, "unit": "days"}),
        ("span", {"n": 2, "unit": "months"}, {"n": 2, "unit": "months"}), ("id", "001dM0000000001", "001dM0000000001QAA"),
        ("ids", "001dM0000000001QAA\n001dM0000000001", ["001dM0000000001QAA"]), ("segment", "7", 7),
        ("activity", {"name": "Signed In"}, {"name": "Signed In", "times": 1, "days": 30}),
    ],
)  # fmt: skip
def test_values_come_to_one_form(shape, raw, value):
    assert read_value(shape, raw) == value


@pytest.mark.parametrize(
    ("shape", "raw"),
    [
        ("text", ""), ("text", None), ("text", True), ("text", ["x"]), ("text", "x" * 1001), ("text", "a\0b"), ("text", "\ud800"),
        ("texts", []), ("texts", "\n"), ("texts", {"a": 1}), ("texts", [str(n) for n in range(1001)]), ("number", "NaN"),
        ("number", "Infinity"), ("number", True), ("number", ""), ("number", "1e99"), ("number", "0.0000000000001"), ("number", "٣"),
        ("numbers", [2, 1]), ("numbers", [1]), ("numbers", "1"), ("date", "2027-02-30"), ("date", "tomorrow"),
        ("date", "2027-01-31T08:00:00"), ("dates", ["2027-02-01", "2027-01-31"]), ("span", -1), ("span", "1.5"),
        ("span", {"n": 1, "unit": "moons"}), ("span", {"n": 99999}), ("segment", "x"), ("id", "001"), ("id", "not an id at all"),
        ("activity", {"name": ""}), ("activity", "Signed In"), ("activity", {"name": "x", "times": 0}),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused_with_words(shape, raw):
    with pytest.raises(ValueError, match=r"\w{3}"):
        read_value(shape, raw)


# --- Dates ---------------------------------------------------------------------------------------------------------------


def day(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)


@pytest.mark.parametrize(
    ("op", "n", "unit", "first", "until"),
    [
        ("in_next", 90, "days", "2026-11-22", "2027-02-21"), ("in_next", 0, "days", "2026-11-22", "2026-11-23"),
        ("in_last", 7, "days", "2026-11-15", "2026-11-23"), ("in_last", 2, "weeks", "2026-11-08", "2026-11-23"),
        ("more_than_ago", 7, "days", None, "2026-11-15"), ("more_than_ahead", 90, "days", "2027-02-21", None),
        ("in_last", 1, "months", "2026-10-22", "2026-11-23"), ("not_in_last", 7, "days", "2026-11-15", "2026-11-23"),
    ],
)  # fmt: skip
def test_px_40_relative_dates_are_whole_utc_days(op, n, unit, first, until):
    found = span_interval(op, {"n": n, "unit": unit}, now=NOW)
    assert found == Interval(first and day(first), until and day(until))


def test_relative_dates_leave_no_gap():
    last, before = (span_interval(op, {"n": 7, "unit": "days"}, now=NOW) for op in ("in_last", "more_than_ago"))
    following, beyond = (span_interval(op, {"n": 7, "unit": "days"}, now=NOW) for op in ("in_next", "more_than_ahead"))
    for hours in range(-400, 400):
        moment = NOW + timedelta(hours=hours)
        assert last.holds(moment) + before.holds(moment) == (moment < day("2026-11-23"))
        assert following.holds(moment) + beyond.holds(moment) == (moment >= day("2026-11-22"))


def test_an_answer_holds_for_a_whole_day():
    spans = {
        span_interval("in_next", {"n": 90, "unit": "days"}, now=day("2026-11-22") + timedelta(minutes=15 * n))
        for n in range(96)
    }
    assert len(spans) == 1


@pytest.mark.parametrize(
    ("begin", "n", "unit", "end"),
    [("2027-01-31", 1, "months", "2027-02-28"), ("2028-03-31", -1, "months", "2028-02-29"), ("2026-12-15", 2, "months", "2027-02-15"),
     ("9999-06-01", 120, "months", "9999-12-31"), ("0001-02-01", -520, "weeks", "0001-01-01")],
)  # fmt: skip
def test_months_end_with_their_last_day_and_the_calendar_has_ends(begin, n, unit, end):
    assert shift(date.fromisoformat(begin), n, unit) == date.fromisoformat(end)


def test_fixed_dates_are_days_or_instants():
    assert fixed_interval("on", "2027-01-31") == Interval(day("2027-01-31"), day("2027-02-01"))
    assert fixed_interval("before", "2027-01-31") == Interval(None, day("2027-01-31"))
    assert fixed_interval("after", "2027-01-31") == Interval(day("2027-02-01"), None)
    assert fixed_interval("between", ["2027-01-01", "2027-01-31"]) == Interval(day("2027-01-01"), day("2027-02-01"))
    noon = datetime(2027, 1, 31, 12, tzinfo=UTC)
    assert not fixed_interval("after", "2027-01-31T12:00:00Z").holds(noon)
    assert fixed_interval("after", "2027-01-31T12:00:00Z").holds(noon + timedelta(microseconds=1))
    assert fixed_interval("on", "9999-12-31").until is None


# --- Segments in segments ---------------------------------------------------------------------------------------------------


def known(base: Known, *refs: SegmentRef) -> Known:
    return replace(base, segments={each.id: each for each in refs})


def member(number: int, field: str = "segment", op: str = "in") -> dict:
    return {"all": [{"field": field, "op": op, "value": number}]}


VIP = {"any": [{"field": "attributes.vip", "op": "is_true"}, {"field": "attributes.seats", "op": "more_than", "value": 9}]}


def test_a_segment_in_a_segment_becomes_its_conditions():
    base = known(CUSTOMERS, SegmentRef(1, "VIP", "customer", VIP), SegmentRef(2, "Not VIP", "customer", member(1, op="not_in")))
    found = expand(read_tree(member(2), base), base)
    inner = read_tree(VIP, CUSTOMERS)
    assert found == Group("all", (Group("all", (Group("none", (inner,)),)),))


def test_a_segment_of_customers_is_asked_of_an_end_users_customer():
    base = known(PEOPLE, SegmentRef(1, "VIP", "customer", VIP), SegmentRef(2, "Of VIP", "customer", member(1)))
    found = expand(read_tree(member(2, "customer.segment"), base), base)
    leaf = found.of[0]
    while isinstance(leaf, Group):
        leaf = leaf.of[0]
    assert leaf.field == "customer.attributes.vip"
    assert "no segment 1" in problems(member(1), base)["conditions.all[0].value"][0]


def test_a_circle_of_segments_is_named():
    base = known(
        CUSTOMERS, SegmentRef(1, "One", "customer", member(2)), SegmentRef(2, "Two", "customer", member(3)),
        SegmentRef(3, "Three", "customer", member(1)),
    )  # fmt: skip
    with pytest.raises(CycleFound, match="One → Two → Three → One"):
        expand(read_tree(member(2), base), base, own=1, own_name="One")


def test_segments_that_grow_without_end_are_stopped():
    refs = [
        SegmentRef(n, f"S{n}", "customer", {"all": [{"field": "segment", "op": "in", "value": n + 1}] * 10})
        for n in range(1, 8)
    ]
    base = known(CUSTOMERS, *refs, SegmentRef(8, "Last", "customer", VIP))
    with pytest.raises(ProblemsFound, match="more than 1000"):
        expand(read_tree(member(1), base), base)


def test_a_broken_segment_is_named_by_those_that_use_it():
    base = known(CUSTOMERS, SegmentRef(1, "Old", "customer", {"all": [{"field": "gone", "op": "is", "value": 1}]}))
    with pytest.raises(ProblemsFound, match="“Old”"):
        expand(read_tree(member(1), base), base)


# --- The form ---------------------------------------------------------------------------------------------------------------


def test_every_operator_survives_the_form():
    values = {"none": None, "text": "x", "texts": ["a", "b"], "number": "5", "numbers": ["1", "2"], "date": "2027-01-31",
              "dates": ["2027-01-01", "2027-01-31"], "span": {"n": 3, "unit": "weeks"}, "segment": 1, "id": "001dM0000000001QAA",
              "ids": ["001dM0000000001QAA"], "activity": {"name": "Signed In", "times": 2, "days": 9}}  # fmt: skip
    base = known(CUSTOMERS, SegmentRef(1, "VIP", "customer", VIP))
    field_of = {each.type: each.key for each in OWN}
    of = [{"field": field_of[kind], "op": op.name, "value": values[op.shape]} for kind, ops in OPS.items() for op in ops]
    tree = read_tree({"any": [*of[:20], {"all": of[20:]}]}, base)
    shown = write_builder(write_tree(tree), base)
    sent = {"match": shown.match}
    for item in shown.items:
        rows = getattr(item, "rows", None)
        if rows is not None:
            sent[f"g-{item.number}-match"] = item.match
        for row in rows if rows is not None else [item]:
            sent |= {f"c-{row.number}-{part}": text for part, text in row.texts.items()}
            sent |= {f"c-{row.number}-group": str(item.number)} if rows is not None else {}
    assert read_tree(read_builder(sent, base).data(), base) == tree


def test_problems_find_their_place_in_the_form_although_empty_lines_stand_between():
    sent = {"match": "all", "c-0-field": "", "c-5-field": "name", "c-5-op": "is", "g-1-match": "any", "c-7-group": "1", "c-7-field": "",
            "c-8-group": "1", "c-8-field": "attributes.seats", "c-8-op": "is", "c-8-value": "x"}  # fmt: skip
    builder = read_builder(sent, CUSTOMERS)
    with pytest.raises(ProblemsFound) as found:
        read_tree(builder.data(), CUSTOMERS)
    assert builder.add_problems(found.value.problems) == []
    assert {row.number: bool(row.errors) for row in builder.rows()} == {0: False, 5: True, 7: False, 8: True}


def test_a_form_of_nonsense_is_an_empty_builder():
    builder = read_builder({"c-x-field": "name", "c-99999999-field": "name", "match": "maybe", "c-1-group": "x"}, CUSTOMERS)
    assert builder.data() == {"all": []}
