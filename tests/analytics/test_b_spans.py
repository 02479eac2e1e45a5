"""The pure rules of spans, currencies and past values."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.facts.currency import Rate, exchange_of
from analytics.facts.pasts import Change, pasts_of
from analytics.facts.spans import Notes, Rules, Transaction, add_months, kind_of, months_between, spans_of
from tests.analytics.cast import utc

D, DAY = Decimal, date.fromisoformat
ANY_DAY = st.dates(date(2000, 1, 1), date(2060, 12, 31))


def tx(record: str, start: str, amount: str | int = 1200, **more) -> Transaction:
    days = {name: DAY(more.pop(name)) for name in ("ends_on",) if more.get(name)}
    return Transaction(record, "c1", DAY(start), D(str(amount)), **days, **more)


def spans(*transactions: Transaction, **rules) -> list[tuple[str, str, str | None, str]]:
    made = spans_of(transactions, Rules(**rules), Notes())
    return [
        (each.record, each.starts_on.isoformat(), each.ends_on and each.ends_on.isoformat(), str(each.mrr.normalize()))
        for each in made
    ]


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [("2026-01-31", 1, "2026-02-28"), ("2024-01-31", 1, "2024-02-29"), ("2026-01-15", 12, "2027-01-15"), ("2026-11-30", 3, "2027-02-28"),
     ("2026-01-01", D("1.5"), "2026-02-16"), ("2026-05-05", 0, "2026-05-05")],
)  # fmt: skip
def test_months_later(start, months, end):
    assert add_months(DAY(start), months) == DAY(end)


@given(ANY_DAY, st.integers(1, 60))
def test_whole_months_are_whole(start, months):
    end = add_months(start, months)
    found = months_between(start, end)
    assert found == months or (start.day > 28 and abs(found - months) < 1)


@given(ANY_DAY, st.integers(1, 2000))
def test_months_between_never_goes_down_and_is_never_nothing(start, days):
    from datetime import timedelta

    one, two = (months_between(start, start + timedelta(days=each)) for each in (days, days + 1))
    assert 0 < one <= two


def test_methods_6_mrr_is_the_amount_by_the_months_of_its_term():
    assert spans(tx("y", "2026-01-01", 1200, ends_on="2026-12-31"))[0][3] == "1E+2"
    assert spans(tx("q", "2026-01-01", 300, months=D(3)))[0] == ("q", "2026-01-01", "2026-04-01", "1E+2")
    assert spans(tx("t", "2026-01-01", 100, months=D(12)))[0][3] == "8.333333333333"


@pytest.mark.parametrize(("end_is", "end"), [("last_day_with", "2027-01-01"), ("first_day_without", "2026-12-31")])
def test_what_an_end_means_is_a_setting(end_is, end):
    assert spans(tx("y", "2026-01-01", ends_on="2026-12-31"), end_is=end_is)[0][2] == end


def test_monthly_and_yearly_amounts_go_on_until_somebody_ends_them():
    assert spans(tx("m", "2026-01-01", 50), amount_is="monthly") == [("m", "2026-01-01", None, "5E+1")]
    assert spans(tx("y", "2026-01-01", 600), amount_is="yearly") == [("y", "2026-01-01", None, "5E+1")]


def test_without_end_and_term_the_default_term_is_taken_and_counted():
    notes = Notes()
    made = spans_of([tx("a", "2026-01-01", 600)], Rules(default_months=6), notes)
    assert (made[0].ends_on, made[0].mrr) == (DAY("2026-07-01"), D(100))
    assert notes.counts["spans_with_default_term"] == 1


@pytest.mark.parametrize(
    ("said", "kind"),
    [("recurring", "recurring"), ("one_time", "one_time"), ("One-time sale", "one_time"), ("one off", "one_time"), ("Free Trial", "trial"),
     ("trial", "trial"), ("Non-Recurring", "one_time"), (None, "recurring"), ("New Business", "recurring"), ("Industrial", "recurring")],
)  # fmt: skip
def test_fz_34_contract_types_in_words(said, kind):
    assert kind_of(said) == kind


def test_a_renewal_that_is_signed_early_begins_at_the_old_end():
    first, early = (
        tx("1", "2025-01-01", months=D(12)),
        tx("2", "2025-12-10", months=D(12), contract="Existing Customer - Renewal"),
    )
    assert spans(first, early) == [("1", "2025-01-01", "2026-01-01", "1E+2"), ("2", "2026-01-01", "2027-01-01", "1E+2")]
    again = tx("3", "2026-12-20", months=D(12), contract="Renewal")
    assert spans(first, early, again)[2][1:3] == ("2027-01-01", "2028-01-01")


def test_a_renewal_with_dates_of_its_own_keeps_them():
    first = tx("1", "2025-01-01", months=D(12))
    assert spans(first, tx("2", "2025-12-10", ends_on="2026-12-09", contract="Renewal"))[1][1] == "2025-12-10"


def test_a_replacement_ends_what_the_subject_had_of_that_product():
    one, other = tx("1", "2025-01-01", months=D(24), product="P"), tx("2", "2025-01-01", months=D(24), product="Q")
    new = tx("3", "2025-07-01", 600, months=D(12), product="P", contract="Existing Customer - Downgrade")
    assert {each[0]: each[2] for each in spans(one, other, new)} == {"1": "2025-07-01", "2": "2027-01-01", "3": "2026-07-01"}


def test_new_business_beside_what_runs_adds_to_it():
    assert [each[2] for each in spans(tx("1", "2025-01-01", months=D(12)), tx("2", "2025-05-01", months=D(12)))] == [
        "2026-01-01", "2026-05-01",
    ]  # fmt: skip


# --- Currencies ----------------------------------------------------------------------------------------------------------


RATES = [
    Rate("USD", D(1), is_corporate=True),
    Rate("EUR", D("0.9")),
    Rate("EUR", D("0.8"), DAY("2026-01-01"), DAY("2026-07-01")),
]


def test_fz_d11_the_rate_of_the_midnight_counts():
    for on, factor in (("2025-12-31", "0.9"), ("2026-01-01", "0.8"), ("2026-06-30", "0.8"), ("2026-07-01", "0.9")):
        assert exchange_of(RATES, on=DAY(on), wanted="EUR").convert(D(100), "USD") == D(100) * D(factor)


def test_fz_d11_into_the_corporate_currency_by_default_and_never_without_a_rate():
    exchange = exchange_of(RATES, on=DAY("2026-02-01"))
    assert (exchange.currency, exchange.convert(D(8), "EUR"), exchange.convert(D(8), "USD")) == ("USD", D(10), D(8))
    assert exchange.convert(D(8), "GBP") is None
    assert exchange.convert(D(8), None) == D(8)


def test_fz_d11_without_rates_the_own_or_most_frequent_currency_stays():
    seen = {"EUR": 3, "USD": 5}
    assert exchange_of([], on=DAY("2026-02-01"), own="EUR", seen=seen).currency == "EUR"
    alone = exchange_of([], on=DAY("2026-02-01"), seen=seen)
    assert (alone.currency, alone.convert(D(8), "EUR"), alone.convert(D(8), "USD")) == ("USD", None, D(8))


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2), st.decimals(min_value="0.001", max_value=10**5, places=6))
def test_i_22_conversion_is_exact_to_twelve_places(amount, rate):
    exchange = exchange_of([Rate("USD", D(1), is_corporate=True), Rate("XXX", rate)], on=DAY("2026-02-01"))
    found = exchange.convert(amount, "XXX")
    assert found is not None
    assert abs(found * rate - amount) <= rate * D("1e-12")


# --- Past values ---------------------------------------------------------------------------------------------------------


def at(text: str) -> datetime:
    return utc(text)


def test_methods_8_past_values_are_walked_back_from_today():
    changes = [Change("State", "BW", "BY", at("2026-02-01")), Change("Country", None, "DE", at("2026-01-01"))]
    now = {"State": "BY", "Country": "DE"}
    assert pasts_of(now, changes, ("State", "Country"), {}) == [
        (None, "BW"),
        (at("2026-01-01"), "BW, DE"),
        (at("2026-02-01"), "BY, DE"),
    ]


def test_changes_of_one_moment_are_one_change():
    changes = [Change("State", "BW", "BY", at("2026-02-01")), Change("Country", "AT", "DE", at("2026-02-01"))]
    assert pasts_of({"State": "BY", "Country": "DE"}, changes, ("State", "Country"), {}) == [
        (None, "BW, AT"),
        (at("2026-02-01"), "BY, DE"),
    ]


def test_values_are_translated_and_blank_ones_are_null():
    assert pasts_of({"I": "M"}, [Change("I", "", "M", at("2026-02-01"))], ("I",), {"M": "Media"}) == [
        (None, None),
        (at("2026-02-01"), "Media"),
    ]
