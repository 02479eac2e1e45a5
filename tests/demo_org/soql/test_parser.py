"""The parser alone: what it reads, what it refuses, and where it points."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.demo_org.errors import ApiError
from integrations.demo_org.soql import tree
from integrations.demo_org.soql.dates import COUNTED, PLAIN
from integrations.demo_org.soql.parse import CLAUSES, parse
from tests.demo_org.soql import printing

WORDS = ("Id", "Name", "Amount", "Account", "Contacts", "Owner", "Custom__c", "Parent__r", "x_1")
paths = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(lambda each: tree.Path(tuple(each)))
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def like_pattern(value: str) -> str:
    return value.replace("\\", "\\\\")


values = st.one_of(
    text.map(lambda each: tree.Value("string", each, like_pattern(each))),
    st.integers(-(10**9), 10**9).map(lambda each: tree.Value("number", str(each))),
    st.dates().map(lambda each: tree.Value("date", each.isoformat())),
    st.sampled_from(
        [tree.Value("boolean", "TRUE"), tree.Value("null", "NULL"), tree.Value("datetime", "2020-01-02T03:04:05Z")]
    ),
    st.sampled_from(sorted(PLAIN)).map(lambda each: tree.Value("name", each)),
    st.builds(lambda name, n: tree.Value("name", name, count=n), st.sampled_from(sorted(COUNTED)), st.integers(0, 999)),
)
calls = st.builds(
    lambda name, path: tree.Call(name, (path,)), st.sampled_from(["CALENDAR_YEAR", "TOLABEL", "SUM", "DAY_ONLY"]), paths
)
expressions = st.one_of(paths, calls)
simple = st.one_of(
    st.builds(tree.Comparison, expressions, st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "LIKE"]), values),
    st.builds(
        tree.Membership,
        expressions,
        st.sampled_from(["IN", "NOT IN", "INCLUDES", "EXCLUDES"]),
        st.lists(values, min_size=1, max_size=3).map(tuple),
    ),
)
conditions = st.recursive(
    simple,
    lambda deeper: st.one_of(
        st.builds(tree.Negation, deeper),
        st.builds(tree.Logic, st.sampled_from(["AND", "OR"]), st.lists(deeper, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)
orders = st.lists(st.builds(tree.Order, expressions, st.booleans(), st.sampled_from([None, "FIRST", "LAST"])), max_size=2).map(
    tuple
)
aliases = st.sampled_from([None, "a", "total", "LastOne"])
items = st.lists(st.builds(tree.Item, expressions, aliases), min_size=1, max_size=3).map(tuple)
queries = st.builds(
    tree.Query,
    items=items,
    source=paths,
    alias=st.sampled_from([None, "a"]),
    scope=st.sampled_from([None, "MINE"]),
    where=st.none() | conditions,
    security=st.sampled_from([None, "USER_MODE"]),
    group=st.none()
    | st.builds(
        tree.Grouping, st.sampled_from(["PLAIN", "ROLLUP", "CUBE"]), st.lists(paths, min_size=1, max_size=2).map(tuple)
    ),
    having=st.none() | conditions,
    order=orders,
    limit=st.none() | st.integers(0, 99),
    offset=st.none() | st.integers(0, 99),
    all_rows=st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(queries)
def test_what_is_printed_is_read_back_the_same(query: tree.Query) -> None:
    assert parse(printing.query(query)) == query


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from([*WORDS, "SELECT", "FROM", "(", ")", ",", "=", "'x'", "WHERE", "NOT", *CLAUSES])).map(" ".join)
)
def test_any_text_is_read_or_refused_in_salesforces_way(text: str) -> None:
    refused = None
    try:
        parse(text)
    except ApiError as error:
        refused = (error.status, error.code)
    assert refused in {None, (400, "MALFORMED_QUERY")}


@pytest.mark.parametrize(
    ("text", "column", "unexpected"),
    [
        ("SELECT Id FROM Account WHERE", 29, "<EOF>"),
        ("SELECT Id, FROM Account", 12, "FROM"),
        ("q=SELECT Id FROM Account", 1, "q"),
        ("SELECT * FROM Account", 8, "*"),
        ("SELECT Id FROM Account WHERE Name == 'x'", 36, "="),
        ("SELECT Id FROM Account WHERE Name IS NULL", 35, "IS"),
        ("SELECT Id FROM Account WHERE Name = foo", 37, "foo"),
        ("SELECT Id FROM Account WHERE a = 1 AND b = 2 OR c = 3", 46, "OR"),
        ("SELECT Id FROM Account WHERE a = 1 OR b = 2 AND c = 3", 45, "AND"),
        ("SELECT Id FROM Account WHERE Name IN ()", 39, ")"),
        ("SELECT Id FROM Account WHERE CreatedDate = LAST_N_DAYS", 55, "<EOF>"),
        ("SELECT Id FROM Account LIMIT x", 30, "x"),
        ("SELECT Id FROM Account LIMIT -1", 30, "-1"),
        ("SELECT Id FROM Account ORDER BY Name LIMIT 1 WHERE Name = 'x'", 46, "WHERE"),
        ("SELECT foo(Id) FROM Account", 11, "("),
        ("SELECT Id FROM Account USING SCOPE everywhere", 36, "everywhere"),
        ("SELECT Id FROM Account; DELETE", 23, ";"),
    ],
)
def test_unexpected_tokens_are_named_and_located(text: str, column: int, unexpected: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse(text)
    assert caught.value.message.endswith(f"\nERROR at Row:1:Column:{column}\nunexpected token: '{unexpected}'")


def test_the_caret_stands_under_the_fault() -> None:
    with pytest.raises(ApiError) as caught:
        parse("SELECT Id FROM Account WHERE Name == 'x'")
    echo, caret = caught.value.message.split("\n")[1:3]
    assert echo == "SELECT Id FROM Account WHERE Name == 'x'"
    assert echo[caret.index("^") :].startswith("= 'x'")


def test_long_queries_are_echoed_in_part() -> None:
    fields = ", ".join(f"Field_Number_{k}__c" for k in range(60))
    with pytest.raises(ApiError) as caught:
        parse(f"SELECT {fields} FROM Account WHERE ~ 1")
    lines = caught.value.message.split("\n")
    assert len(lines[1]) < 100
    assert lines[1][lines[2].index("^")] == "~"


def test_the_row_of_a_fault_counts_lines() -> None:
    with pytest.raises(ApiError) as caught:
        parse("SELECT Id\nFROM Account\nWHERE Name ~ 'x'")
    assert "WHERE Name ~ 'x'\n           ^\nERROR at Row:3:Column:12\n" in caught.value.message


def test_empty_and_overlong_texts_have_their_own_sentences() -> None:
    for text, sentence in (
        ("  ", "SOQL statements cannot be empty or null"),
        ("SELECT Id FROM Account" + " " * 100_000, "SOQL statements can not be longer than 100000 characters"),
    ):
        with pytest.raises(ApiError) as caught:
            parse(text)
        assert caught.value.message == sentence


def test_bind_variables_are_refused() -> None:
    for text in ("SELECT Id FROM Account WHERE Id = :x", "SELECT Id FROM Account WHERE Id IN :x"):
        with pytest.raises(ApiError, match="Bind variables only allowed in Apex code"):
            parse(text)


def test_escapes_in_strings() -> None:
    query = parse(r"SELECT Id FROM Account WHERE Name = 'a\'b\\c\nd\té\u00e9'")
    assert isinstance(query.where, tree.Comparison)
    assert query.where.right.value == "a'b\\c\nd\té\u00e9"
    for broken in (r"\x", r"\ud800", r"\u12"):
        with pytest.raises(ApiError, match="Illegal character sequence"):
            parse(f"SELECT Id FROM Account WHERE Name = '{broken}'")


def test_deep_nesting_is_bounded() -> None:
    with pytest.raises(ApiError):
        parse("SELECT Id FROM Account WHERE " + "(" * 500 + "a = 1" + ")" * 500)
