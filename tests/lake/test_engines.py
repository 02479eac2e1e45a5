"""Both engines understand every word of the dialect alike; statements are checked before they run."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from integrations.lake import dialect
from integrations.lake.dialect import DialectError, names_of_parameters, replace_parameters, split_statements
from integrations.lake.engine import open_engine
from integrations.lake.failures import EngineError, without_values
from integrations.lake.types import SchemaError, arrow_schema

COLUMNS = [
    ("t", "text"),
    ("u", "text"),
    ("n", "number"),
    ("w", "whole"),
    ("d", "day"),
    ("m", "moment"),
    ("c", "clock"),
    ("f", "flag"),
]
STATEMENTS = {
    "texts": """SELECT i, {{lower(t)}} AS a, {{upper(t)}} AS b, {{length(t)}} AS c, {{trim(t)}} AS d, {{substring(t, 2, 3)}} AS e,
        {{position(t, 'a')}} AS f, {{starts_with(t, u)}} AS g, {{replace_all(t, '[^a-z0-9]+', '-')}} AS h, {{matches(t, '^[a-c]')}} AS k,
        {{extract(t, '([0-9]+)')}} AS l, {{part(t, ',', 2)}} AS m, {{md5(t)}} AS n, {{normalize(t)}} AS o FROM t ORDER BY i""",
    "nested": "SELECT i, {{lower({{trim({{replace_all(coalesce(t, u), '(,|\\s)+', ', ')}})}})}} AS a FROM t ORDER BY i",
    "lists": """SELECT i, {{size({{split(t, ',')}})}} AS a, {{has({{split(t, ',')}}, 'b')}} AS b, {{join({{split(t, ',')}}, '|')}} AS c,
        {{has({{list('a', 'b')}}, t)}} AS d FROM t ORDER BY i""",
    "unnest": "SELECT i, x FROM (SELECT i, {{unnest({{split(t, ',')}})}} AS x FROM t) AS s WHERE x <> '' ORDER BY i, x",
    "groups": """SELECT f, count(*) AS a, count(n) AS b, sum(n) AS c, max(d) AS d, min(m) AS e, {{newest(t, w)}} AS g,
        {{oldest(t, w)}} AS h, {{join({{collect(u)}}, ',')}} AS k, {{count_if(w > 3)}} AS l, {{count_distinct(u)}} AS m
        FROM t WHERE t IS NOT NULL GROUP BY f ORDER BY f""",
    "empty": "SELECT count(*), sum(n), max(t), min(d), {{join({{collect(t)}}, ',')}} FROM t WHERE i < 0",
    "days": """SELECT i, {{day_of(m)}} AS a, {{month_of(m)}} AS b, {{month_of(d)}} AS c, {{add_days(d, 40)}} AS e,
        {{days_between(d, {{day_of(m)}})}} AS f, {{add_seconds(m, 90)}} AS g, {{seconds_between(m, {{add_seconds(m, 61)}})}} AS h,
        m < CAST('2000-01-01 00:00:00' AS {{moment}}) AS k, d >= CAST('1970-01-01' AS {{day}}) AS l FROM t ORDER BY i""",
    "numbers": """SELECT i, n + 1 AS a, n * 2 AS b, {{round(n, 2)}} AS c, CAST(w AS {{number}}) AS d, {{try_number(t)}} AS e,
        {{bit_and(coalesce(w, 0), 6)}} AS f, {{bit_count(coalesce(w, 0))}} AS g, coalesce(n, CAST(0 AS {{number}})) AS h FROM t ORDER BY i""",
    "joins": """WITH o AS (SELECT w, t FROM t WHERE f) SELECT t.i, o.t AS a, o.w IS NULL AS b FROM t LEFT JOIN o ON o.w = t.w AND o.t = t.t
        ORDER BY t.i, o.t""",
    "sets": """SELECT a FROM (SELECT t AS a FROM t WHERE f UNION SELECT u FROM t) AS s EXCEPT SELECT 'a'""",
    "ranks": """SELECT i, row_number() OVER (PARTITION BY f ORDER BY n DESC NULLS LAST, i) AS a, sum(w) OVER (PARTITION BY f) AS b
        FROM t ORDER BY i""",
    "nulls": "SELECT i FROM t WHERE NOT coalesce(f, false) AND (t IS NULL OR t NOT IN ('a', 'b')) ORDER BY n NULLS LAST, i",
    "clocks": "SELECT i, c, c > CAST('12:00:00' AS {{clock}}) AS a FROM t ORDER BY i",
    "types": """SELECT CAST(NULL AS {{text}}) AS a, CAST(NULL AS {{whole}}) AS b, CAST(NULL AS {{flag}}) AS c, CAST('1.5' AS {{number}}) AS d,
        CAST(2 AS {{real}}) AS e, {{size(CAST([] AS {{texts}}))}} AS f""",
    "bits": "SELECT coalesce({{bit_or(w)}}, 0) AS a, coalesce({{shift_right({{bit_or(w)}}, 1)}}, 0) AS c, {{any(f)}} IS NULL AS b FROM t WHERE w >= 0",
}
UNORDERED = {"sets"}
words = st.text(st.sampled_from("abcXYZ019 ,.-_éÉñ日😀'\\\t\n\""), max_size=12)
rows = st.fixed_dictionaries({
    "t": st.none() | words | st.sampled_from(["a", "b,a", "12", "-1.5", "12abc", "0.1", "+5", "1e5", ".5", "5.", " 7\n", "1_0", "9" * 26, "9" * 27, "0.0000000000001", "-0"]), "u": st.none() | st.sampled_from(["a", "b", "é", ""]),
    "n": st.none() | st.decimals(-(10**9), 10**9, places=4).filter(lambda n: n == n), "w": st.none() | st.integers(0, 7),
    "d": st.none() | st.dates(date(1, 1, 1), date(9999, 11, 1)),
    "m": st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda m: m.replace(microsecond=m.microsecond // 1000 * 1000, tzinfo=UTC)),
    "c": st.none() | st.times(), "f": st.none() | st.booleans(),
})  # fmt: skip


def ordered(key: str, rows: list[tuple]) -> list[tuple]:
    return sorted(rows, key=str) if key in UNORDERED else rows


# Without shrinking: a found difference names its few rows anyway, and two engines an example take their time.
@settings(
    max_examples=15, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(data=st.lists(rows, max_size=8))
def test_both_engines_give_the_same_results(data, settings):
    pytest.importorskip("chdb")
    found = {}
    schema = arrow_schema([*COLUMNS, ("i", "whole")])
    table = pa.Table.from_pylist([{**each, "i": n} for n, each in enumerate(data)], schema=schema)
    for name in ("duckdb", "chdb"):
        settings.LAKE_ENGINE_URL = f"{name}://"
        with open_engine() as engine:
            engine.bind("t", table)
            found[name] = {key: ordered(key, engine.rows(sql)) for key, sql in STATEMENTS.items()}
    assert found["duckdb"] == found["chdb"]


def test_every_word_of_the_dialect_is_used_by_the_statements_that_compare_the_engines():
    text = " ".join(STATEMENTS.values())
    assert [word for word in dialect.WORDS if f"{{{{{word}" not in text] == []


def test_words_are_replaced_with_their_arguments():
    duck = dialect.DUCKDB
    assert duck.translate("SELECT {{ lower(a) }}, {{text}}") == "SELECT lower(a), VARCHAR"
    assert duck.translate("{{position({{lower(concat(a, ','))}}, ')')}}") == "strpos(lower(concat(a, ',')), ')')"
    assert duck.translate("{{list()}} {{list(1, [2, 3])}}") == "[] [1, [2, 3]]"
    for wrong, says in [
        ("{{nope}}", "no word 'nope'"), ("{{lower}}", "takes 1 arguments, not 0"), ("{{lower(a, b)}}", "takes 1 arguments, not 2"),
        ("{{lower(a}}", "not closed"), ("{{lower(a)", "not closed"),
    ]:  # fmt: skip
        with pytest.raises(DialectError, match=says):
            duck.translate(wrong)


def test_statements_are_split_and_parameters_found_outside_quotes_only():
    text = "SELECT ';$a', \"$b;\" -- $c;\n, $d; /* ;$e */ SELECT '''$f;' ;; -- end"
    pieces = split_statements(text)
    assert len(pieces) == 2
    assert [names_of_parameters(piece) for piece in pieces] == [("d",), ()]
    assert replace_parameters("'$a' $a $ab", str.upper) == "'$a' A AB"


def test_values_are_no_part_of_error_sentences():
    assert without_values("Conversion Error: Could not convert string 'anna@x' to INT32\nLINE 1") == (
        "Conversion Error: Could not convert string … to INT32"
    )
    assert without_values('Binder Error: column "nmae" not found') == 'Binder Error: column "nmae" not found'
    assert without_values("Code: 241. DB::Exception: id 0031234567 'x") == "Code: 241. DB::Exception: id … …"
    assert without_values("") == ""


@pytest.mark.parametrize("value", [None, True, 5, "a'b\\c\nd\te\0f", Decimal("-1.25"), date(1, 1, 1), time(1, 2, 3, 4),
                                   datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC), ["x'", "\\"], [1, 2]])  # fmt: skip
def test_parameters_arrive_as_they_are(engine_name, value):
    with open_engine() as engine:
        assert engine.rows("SELECT $v", v=value) == [(value,)]


def test_sql_files_are_translated(engine_name, tmp_path):
    file = Path(tmp_path / "x.sql")
    file.write_text("SELECT {{lower('ABC')}} AS a")
    with open_engine() as engine:
        assert engine.rows(engine.sql(file)) == [("abc",)]


def test_binding_a_name_again_replaces_it(engine_name):
    with open_engine() as engine:
        for number in (1, 2):
            engine.bind("x", pa.table({"a": [number]}))
            assert engine.rows("SELECT a FROM x") == [(number,)]
        engine.bind("x", pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), iter([pa.record_batch({"a": [3]})])))
        assert engine.rows("SELECT a FROM x") == [(3,)]
        engine.bind("x", pa.table({"a": ["text now"]}))
        assert engine.rows("SELECT a FROM x") == [("text now",)]


def test_a_stream_that_is_not_used_up_blocks_nothing(engine_name):
    with open_engine() as engine:
        engine.bind("x", pa.table({"a": list(range(10_000))}))
        stream = engine.batches("SELECT a FROM x", rows=100)
        assert next(stream).num_rows == 100
        stream.close()
        assert engine.rows("SELECT count(*) FROM x") == [(10_000,)]


@pytest.mark.django_db
def test_r_072_nan_and_infinity_never_reach_a_number_column(engine_name):
    from integrations.lake.tables import ensure_table

    table = ensure_table("numbers", columns=[("k", "text"), ("n", "number")], key="k")
    for bad in (float("nan"), float("inf"), -float("inf"), 1e308, 2.5):
        with open_engine() as engine:
            engine.bind("x", pa.table({"k": ["a"], "n": [bad]}))
            with pytest.raises(SchemaError, match=r"Column n is a float; CAST it AS \{\{number\}\}"):
                engine.copy_to("SELECT k, n FROM x", table)
            if bad != 2.5:
                with pytest.raises(EngineError):
                    engine.copy_to("SELECT k, CAST(n AS {{number}}) AS n FROM x", table)
            else:
                assert engine.copy_to("SELECT k, CAST(n AS {{number}}) AS n FROM x", table).rows == 1


@pytest.mark.django_db
def test_results_that_do_not_fit_are_refused_not_cut(engine_name):
    from integrations.lake.tables import ensure_table

    table = ensure_table("fits", columns=[("k", "text"), ("w", "whole"), ("m", "moment")], key="k")
    with open_engine() as engine:
        engine.bind(
            "x",
            pa.table(
                {
                    "k": ["a"],
                    "n": pa.array([Decimal("1.5")]),
                    "m": pa.array([datetime(2026, 1, 1, 0, 0, 0, 123456)], pa.timestamp("us", "UTC")),
                }
            ),
        )
        for column in ("n AS w", "m AS m"):
            with pytest.raises(SchemaError, match="does not fit"):
                engine.copy_to(f"SELECT k, {column} FROM x", table)
        assert engine.copy_to("SELECT k, 3 AS w FROM x", table).rows == 1
        assert engine.copy_to("SELECT k, 3 AS w FROM x WHERE k = 'z'", table).rows == 0
