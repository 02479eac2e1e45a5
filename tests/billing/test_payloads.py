"""Values of payloads, without database and Salesforce."""

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from billing import payloads
from billing.objects import BY_KEY, OBJECTS, payload_columns, prefix_in
from billing.payloads import Unfit, Wording

NOW = datetime(2026, 10, 15, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_mt_15_to_22_the_table_has_eight_objects_and_fifty_fields():
    assert len(OBJECTS) == 8
    assert sum(len(each.fields) for each in OBJECTS) == 50
    assert {each.key: each.step for each in OBJECTS} == {
        "plans": 1, "billable-metrics": 1, "customers": 2, "ingest-aliases": 3, "customer-plans": 3, "credit-grants": 3,
        "invoices": 3, "line-items": 4,
    }  # fmt: skip
    unique = {each.key: each.key_field.unique for each in OBJECTS}
    assert [key for key, how in unique.items() if how == "case-insensitive"] == ["customers", "line-items"]
    assert unique["ingest-aliases"] == ""
    assert all((field.precision, field.scale) == (18, 2) for each in OBJECTS for field in each.fields if field.type == "Number")


def test_auto_numbers_and_formulas_are_never_written_and_lookups_name_their_parents_key():
    for each in OBJECTS:
        for name, field in payload_columns(each, "NOME__"):
            assert field.type not in ("AutoNumber", "Formula")
            assert name == "Name" or name.startswith("NOME__")
    paths = dict.fromkeys(name for name, _ in payload_columns(BY_KEY["ingest-aliases"], "NOME__"))
    assert list(paths) == ["NOME__Customer_ID__r.NOME__Metronome_Customer_ID__c", "NOME__Ingest_Alias__c"]
    assert "Account__c" in dict(payload_columns(BY_KEY["customers"], ""))


def test_the_prefix_is_told_by_the_orgs_objects():
    assert prefix_in(["Account", "NOME__Metronome_Customer__c"]) == "NOME__"
    assert prefix_in(["Metronome_Customer__c"]) == ""
    assert prefix_in(["Metronome_Customer__c", "NOME__Metronome_Customer__c"]) == "NOME__"
    assert prefix_in(["Account", "My_Metronome_Customer__c"]) is None


@pytest.mark.parametrize(
    ("given", "expected", "noted"),
    [("12.34", "12.34", 0), ("12.345", "12.35", 1), ("-12.345", "-12.35", 1), ("0.004", "0.00", 1), ("12.3400", "12.34", 0)],
)
def test_mt_d4_money_is_rounded_half_up_and_noted(given, expected, noted):
    notices: Counter[str] = Counter()
    assert payloads.money(Decimal(given), "Total__c", notices) == Decimal(expected)
    assert notices["rounded"] == noted


@pytest.mark.parametrize("given", ["10000000000000000", "9999999999999999.995", "NaN"])
def test_mt_d4_amounts_beyond_sixteen_digits_are_refused(given):
    with pytest.raises(Unfit):
        payloads.money(Decimal(given), "Total__c", Counter())


def test_mt_d5_dates_are_utc_dates_of_the_instants():
    zoned = datetime.fromisoformat("2026-11-01T01:00:00+02:00")
    assert payloads.day_of(zoned) == date(2026, 10, 31)
    assert payloads.end_day_of(at("2026-11-01"), last_day=False) == date(2026, 11, 1)
    assert payloads.end_day_of(at("2026-11-01"), last_day=True) == date(2026, 10, 31)


@pytest.mark.parametrize(
    ("status", "choices", "expected"),
    [
        ("DRAFT", {}, "DRAFT"), ("draft", {}, "DRAFT"), ("DRAFT", {"current": True}, "Current"),
        ("FINALIZED", {}, "FINALIZED"), ("FINALIZED", {"pending": True}, "Pending"), ("VOID", {"pending": True}, "VOID"),
        ("", {}, "N/A"), ("Current", {}, "Current"),
    ],
)  # fmt: skip
def test_mt_d6_status_words(status, choices, expected):
    row = {"status": status, "starts_at": at("2026-10-01"), "ends_at": at("2026-11-01"), "issued_at": None}
    assert payloads.status_of(row, Wording(NOW, **choices)) == expected


def test_mt_d6_current_is_only_the_running_period_and_unknown_words_are_errors():
    past = {"status": "DRAFT", "starts_at": at("2026-09-01"), "ends_at": at("2026-10-01")}
    assert payloads.status_of(past, Wording(NOW, current=True)) == "DRAFT"
    with pytest.raises(Unfit):
        payloads.status_of({**past, "status": "OPEN"}, Wording(NOW))


def test_mt_d7_invoice_names_keep_their_date_and_are_cut_by_character():
    notices: Counter[str] = Counter()
    assert payloads.invoice_name("Acme", "acme", at("2026-10-01"), notices) == "Acme - 2026-10-01"
    assert not notices
    long = payloads.invoice_name("Ä" * 100, "acme", at("2026-10-01"), notices)
    assert (len(long), long[-13:], notices["cut"]) == (80, " - 2026-10-01", 1)
    assert payloads.invoice_name("", "acme", None, notices) == "acme"


def test_mt_d1_keys_of_further_accounts_fit_fifty_characters():
    assert payloads.key_of("acme", 0) == "acme"
    assert payloads.key_of("acme", 3) == "acme~03"
    assert len(payloads.key_of("c" * 47, 99)) == 50
    for key, ordinal in (("c" * 48, 1), ("acme", 100)):
        with pytest.raises(Unfit):
            payloads.key_of(key, ordinal)
