"""Feature rules: what is refused and why; one event against the same rules in SQL, on both engines."""

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.lake.dialect import CLICKHOUSE, DUCKDB
from integrations.lake.engine import open_engine
from integrations.product.kpis.rules import (
    BARE_OPS,
    NUMBER_OPS,
    Condition,
    Rule,
    RuleProblem,
    check_key,
    fits,
    read_rules,
    write_rules,
)
from integrations.product.kpis.rules_sql import Conditions

WORDS = [
    "Report Created",
    "Report",
    "report created",
    "",
    "a.b",
    "x/y~z",
    "5",
    "5.0",
    "true",
    "007",
    "{{text}}",
    "it's",
    'say "hi"',
    "ä",
]
VALUES = st.one_of(
    st.none(), st.booleans(), st.sampled_from(WORDS), st.integers(-20, 20), st.sampled_from([0.5, -2.25, 10.0, 5.0]),
    st.just([1, 2]), st.just({"k": "v"}),
)  # fmt: skip
NAMES = ["kind", "a.b", "x/y~z", "it's", "k"]


def test_rules_are_read_as_they_are_written():
    raw = [
        {"event": "Report Created"},
        {"event": "^Report .*d$", "match": "matches", "where": [{"property": "rows", "op": "gte", "value": "10"}]},
        {"event": "Board", "match": "starts_with", "where": [
            {"property": "kind", "value": "x"}, {"property": "beta", "op": "is_not", "value": True}, {"property": "n", "op": "exists"},
        ]},
    ]  # fmt: skip
    rules = read_rules(raw)
    assert rules[0] == Rule("Report Created")
    assert rules[1].where == (Condition("rows", "gte", Decimal(10)),)
    assert read_rules(write_rules(rules)) == rules
    assert read_rules(json.loads(json.dumps(write_rules(rules)))) == rules


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ([], "rules"),
        ({"event": "x"}, "rules"),
        ([{"event": ""}], "rules[0].event"),
        ([{"event": "x" * 201}], "rules[0].event"),
        ([{"event": "x", "match": "ends"}], "rules[0].match"),
        ([{"event": "x"}, {"event": "(", "match": "matches"}], "rules[1].event"),
        ([{"event": "(?=x)", "match": "matches"}], "rules[0].event"),
        ([{"event": r"(x)\1", "match": "matches"}], "rules[0].event"),
        ([{"event": "x", "color": 1}], "rules[0].color"),
        ([{"event": "x", "where": [{"property": "p", "op": "near", "value": 1}]}], "rules[0].where[0].op"),
        ([{"event": "x", "where": [{"property": "p", "op": "gt", "value": "many"}]}], "rules[0].where[0].value"),
        ([{"event": "x", "where": [{"property": "p", "op": "gt", "value": True}]}], "rules[0].where[0].value"),
        ([{"event": "x", "where": [{"property": "p", "op": "is", "value": None}]}], "rules[0].where[0].value"),
        ([{"event": "x", "where": [{"op": "is", "value": 1}]}], "rules[0].where[0].property"),
        ([{"event": "x", "where": {}}, {"event": "x", "where": "y"}], "rules[1].where"),
        ([{"event": "x"}] * 21, "rules"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(raw, path):
    with pytest.raises(RuleProblem) as found:
        read_rules(raw)
    assert found.value.path == path


def test_keys_become_columns_so_they_are_plain_and_cannot_look_like_another_kpi():
    assert check_key("report_builder2") == "report_builder2"
    for key in ("", "Report", "1st", "a-b", "a" * 51, "pct_x", "ä", "a\n"):
        with pytest.raises(RuleProblem):
            check_key(key)


def test_any_rule_may_fit_and_all_its_conditions_must():
    rules = (Rule("A", "is", (Condition("x", "is", "1"), Condition("y", "exists"))), Rule("B", "starts_with"))
    assert fits(rules, "A", {"x": "1", "y": 0})
    assert fits(rules, "A", {"x": 1, "y": ""})  # a number that reads the same
    assert not fits(rules, "A", {"x": "1"})
    assert fits(rules, "Bee", {})
    assert not fits(rules, "bee", {})
    assert fits((Rule("A", "is", (Condition("x", "is_not", "1"),)),), "A", {})  # what is not there is not 1


@st.composite
def conditions(draw) -> Condition:
    op = draw(st.sampled_from(["is", "is_not", "contains", "starts_with", *NUMBER_OPS, *BARE_OPS]))
    name = draw(st.sampled_from(NAMES))
    if op in BARE_OPS:
        return Condition(name, op)
    if op in NUMBER_OPS:
        return Condition(name, op, draw(st.sampled_from([Decimal("-2.25"), Decimal(0), Decimal(5), Decimal("10.5")])))
    texts = st.sampled_from([each for each in WORDS if each])
    if op in ("is", "is_not"):
        return Condition(
            name, op, draw(st.one_of(texts, st.booleans(), st.sampled_from([Decimal(5), Decimal("0.5"), Decimal(7)])))
        )
    return Condition(name, op, draw(texts))


RULES = st.lists(
    st.builds(
        Rule, st.sampled_from([each for each in WORDS if each and "{" not in each]), st.sampled_from(["is", "starts_with", "matches"]),
        st.lists(conditions(), max_size=3).map(tuple),
    ),
    min_size=1, max_size=3,
)  # fmt: skip
EVENTS = st.lists(
    st.tuples(st.sampled_from(WORDS), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3)), min_size=1, max_size=6
)


PROPERTIES = [
    None, True, False, "", "true", "false", "5", "5.0", " 5", "-2.25", "007", "abc", "Abc", "ab", "ä", 0, 5, -5, 7, 10, 10.5, -2.25, 0.5,
    5.0, [5], {"k": 5}, "5 ", "1e1", 10**15,
]  # fmt: skip
WANTED = ["5", "5.0", "true", "abc", "a", "007", "ä", True, False, Decimal(5), Decimal("-2.25"), Decimal("0.5"), Decimal(7)]
BOUNDS = [Decimal(0), Decimal(5), Decimal("-2.25"), Decimal("10.5"), Decimal(10**15)]


@pytest.mark.parametrize("engine_name", ["duckdb", "chdb"])
def test_px_d16_every_comparison_says_the_same_in_sql(engine_name, settings):
    if engine_name == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{engine_name}://"
    asked = [Condition("p", op, value) for op in ("is", "is_not") for value in WANTED]
    asked += [Condition("p", op, str(value)) for op in ("contains", "starts_with") for value in ("5", "a", "b", "true", ".0")]
    asked += [Condition("p", op, value) for op in NUMBER_OPS for value in BOUNDS] + [Condition("p", op) for op in BARE_OPS]
    events: list[dict] = [{"p": each} for each in PROPERTIES] + [{}]
    with open_engine() as engine:
        rows = {
            "name": ["A"] * len(events),
            "properties": [json.dumps(each) for each in events],
            "place": list(range(len(events))),
        }
        engine.bind("events", pa.table(rows))
        made = Conditions(engine.dialect)
        columns = ", ".join(f"{made.of_rules((Rule('A', 'is', (each,)),))} AS c{place}" for place, each in enumerate(asked))
        found = engine.rows(f"SELECT {columns} FROM events ORDER BY place", **made.params)
    wrong = [
        (event, condition) for event, row in zip(events, found, strict=True) for condition, cell in zip(asked, row, strict=True)
        if bool(cell) != fits((Rule("A", "is", (condition,)),), "A", event)
    ]  # fmt: skip
    assert wrong == []
    assert 200 < sum(bool(cell) for row in found for cell in row) < 1400  # neither all nor none


@pytest.mark.parametrize("engine_name", ["duckdb", "chdb"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(cases=st.lists(RULES, min_size=4, max_size=8), events=EVENTS)
def test_px_d16_rules_in_sql_say_the_same_as_for_one_event(engine_name, cases, events, settings):
    if engine_name == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{engine_name}://"
    rows = {
        "name": [name for name, _ in events], "properties": [json.dumps(each) for _, each in events], "place": list(range(len(events)))
    }  # fmt: skip
    with open_engine() as engine:
        engine.bind("events", pa.table(rows))
        made = Conditions(engine.dialect)
        columns = ", ".join(f"{made.of_rules(tuple(rules))} AS c{place}" for place, rules in enumerate(cases))
        found = engine.rows(f"SELECT {columns} FROM events ORDER BY place", **made.params)
    wanted = [tuple(fits(tuple(rules), name, each) for rules in cases) for name, each in events]
    assert [tuple(bool(cell) for cell in row) for row in found] == wanted


def test_properties_that_are_no_json_fit_no_condition(settings):
    for name in ("duckdb", "chdb"):
        settings.LAKE_ENGINE_URL = f"{name}://"
        with open_engine() as engine:
            engine.bind("events", pa.table({"name": ["A", "A", "A"], "properties": ["no json", None, ""]}))
            made = Conditions(engine.dialect)
            text = made.of_rules((Rule("A", "is", (Condition("x", "is", "1"),)),))
            assert [bool(row[0]) for row in engine.rows(f"SELECT {text} FROM events", **made.params)] == [False] * 3


def test_texts_of_people_are_parameters_and_never_part_of_the_statement():
    for dialect in (DUCKDB, CLICKHOUSE):
        made = Conditions(dialect)
        text = made.of_rules((Rule("x'); DROP", "is", (Condition("p'", "contains", "{{word}}"),)),))
        assert "DROP" not in text
        assert "p'" not in text
        assert "word" not in text
        assert set(made.params.values()) >= {"x'); DROP", "{{word}}"}
