"""Movements of recurring revenue: the rules one by one, and SQL against the reference on random histories."""

from datetime import date, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.facts.statements import sql_of
from analytics.facts.timeline import Movement, Term, movements_of
from integrations.lake.engine import open_engine
from integrations.lake.types import arrow_schema

UNTIL = date(2026, 11, 1)
D = date.fromisoformat


def term(start: str, end: str | None, mrr: str | int, product: str | None = "Basic") -> Term:
    return Term(product, D(start), D(end) if end else None, Decimal(str(mrr)))


def words(terms: list[Term], until: date = UNTIL) -> list[tuple[str, str, str]]:
    return [(each.day.isoformat(), each.kind, str(each.delta)) for each in movements_of(terms, until=until)]


def test_methods_6_the_first_paid_day_is_new_and_the_end_of_service_is_churn():
    assert words([term("2026-01-01", "2026-04-01", 10)]) == [("2026-01-01", "new", "10.00"), ("2026-04-01", "churn", "-10.00")]


def test_methods_6_more_is_expansion_less_is_contraction():
    terms = [term("2026-01-01", None, 10), term("2026-02-01", "2026-03-01", 5, "Extra")]
    assert words(terms) == [
        ("2026-01-01", "new", "10.00"), ("2026-02-01", "expansion", "5.00"), ("2026-03-01", "contraction", "-5.00"),
    ]  # fmt: skip


def test_methods_6_coming_back_after_churn_is_reactivation():
    terms = [term("2026-01-01", "2026-02-01", 10), term("2026-03-01", None, 12)]
    assert [each[1] for each in words(terms)] == ["new", "churn", "reactivation"]


@pytest.mark.parametrize(("start", "kinds"), [("2026-02-08", ["new"]), ("2026-02-09", ["new", "churn", "reactivation"])])
def test_methods_6_a_late_renewal_of_up_to_7_days_is_bridged(start, kinds):
    assert [each[1] for each in words([term("2026-01-01", "2026-02-01", 10), term(start, None, 10)])] == kinds


def test_methods_6_a_late_renewal_at_another_price_moves_on_its_own_day():
    terms = [term("2026-01-01", "2026-02-01", 10), term("2026-02-05", None, 15)]
    assert words(terms) == [("2026-01-01", "new", "10.00"), ("2026-02-05", "expansion", "5.00")]


def test_methods_6_a_late_renewal_of_one_of_two_products_is_bridged_too():
    terms = [term("2026-01-01", None, 10), term("2026-01-01", "2026-02-01", 5, "B"), term("2026-02-04", None, 5, "B")]
    assert words(terms) == [("2026-01-01", "new", "15.00")]


def test_methods_6_changing_the_product_within_7_days_is_no_churn():
    terms = [term("2026-01-01", "2026-02-01", 10, "A"), term("2026-02-06", None, 8, "B")]
    assert words(terms) == [("2026-01-01", "new", "10.00"), ("2026-02-06", "contraction", "-2.00")]


def test_methods_6_changes_of_one_day_are_netted():
    terms = [term("2026-01-01", "2026-03-01", 10, "A"), term("2026-03-01", None, 10, "B")]
    assert words(terms) == [("2026-01-01", "new", "10.00")]


def test_methods_6_cancelling_one_of_two_subscriptions_is_contraction():
    terms = [term("2026-01-01", None, 10, "A"), term("2026-01-01", "2026-05-01", 7, "B")]
    assert words(terms)[-1] == ("2026-05-01", "contraction", "-7.00")


def test_methods_6_nothing_of_today_or_later_is_a_movement():
    assert words([term("2026-01-01", "2026-11-01", 10)]) == [("2026-01-01", "new", "10.00")]


def test_i_22_thirds_of_a_cent_add_up_before_they_are_rounded():
    third = Decimal("8.333333333333")
    terms = [Term(name, D("2026-01-01"), None, third) for name in "ABC"]
    assert words(terms) == [("2026-01-01", "new", "25.00")]


TERMS = st.lists(
    st.builds(
        lambda subject, product, start, length, mrr: (
            subject,
            Term(
                product,
                date(2026, 1, 1) + timedelta(start),
                None if length is None else date(2026, 1, 1) + timedelta(start + length),
                mrr,
            ),
        ),
        st.sampled_from(["c1", "c2", "001A"]),
        st.sampled_from([None, "A", "B"]),
        st.integers(0, 120),
        st.one_of(st.none(), st.integers(1, 60), st.integers(1, 9)),
        st.decimals(min_value=-20, max_value=100, places=6),
    ),
    max_size=14,
)
SHAPE = [
    ("subject", "text"),
    ("product", "text"),
    ("starts_on", "day"),
    ("ends_on", "day"),
    ("mrr", "number"),
    ("quantity", "number"),
]


def in_sql(engine, histories: list[tuple[str, Term]], *, gap: int) -> list[tuple[str, Movement]]:
    rows = [
        {"subject": name, "product": one.product, "starts_on": one.starts_on, "ends_on": one.ends_on, "mrr": one.mrr, "quantity": one.quantity}
        for name, one in histories
    ]  # fmt: skip
    engine.bind("terms", pa.Table.from_pylist(rows, schema=arrow_schema(SHAPE)))
    found = engine.rows(sql_of(engine, "levels"), gap=gap, until=date(2026, 6, 1))
    return sorted(
        ((s, Movement(day, kind, before, after)) for s, day, kind, before, after, _ in found), key=lambda e: (e[0], e[1].day)
    )


def in_python(histories: list[tuple[str, Term]], *, gap: int) -> list[tuple[str, Movement]]:
    found = []
    for name in sorted({each[0] for each in histories}):
        own = [one for subject, one in histories if subject == name]
        found += [(name, each) for each in movements_of(own, until=date(2026, 6, 1), gap=gap)]
    return found


def test_methods_6_sql_and_reference_agree_on_random_histories(engine_name, db):
    """The quick engine gets many histories; several histories go into one statement, since subjects do not touch each other."""
    examples = 120 if engine_name == "duckdb" else 15
    with open_engine() as engine:

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(st.lists(TERMS, min_size=1, max_size=12), st.sampled_from([0, 7, 30]))
        def agree(many, gap):
            histories = [(f"{number}-{name}", one) for number, each in enumerate(many) for name, one in each]
            assert in_sql(engine, histories, gap=gap) == in_python(histories, gap=gap)

        agree()
