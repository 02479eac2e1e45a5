"""Saving customers and end users, and the lake's copy of them (I-04, I-05, I-06, R-072..R-077, R-122)."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from integrations.lake.engine import open_engine
from integrations.models import Attribute, Customer, CustomerAlias, EndUser
from integrations.sync.matching import spine
from integrations.sync.matching.saving import save_customers, save_end_users

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _attributes(db):
    for key, kind in (("plan", "STRING"), ("seats", "NUMBER"), ("paying", "BOOLEAN"), ("renewal", "DATE_TIME")):
        Attribute.objects.create(entity="customer", key=key, label=key, type=kind)


def save(row, **options):
    (result,) = save_customers([row], now=NOW, **options).rows
    return result


def test_i_04_sending_a_batch_again_changes_nothing():
    rows = [{"external_id": f"c{n}", "name": f"N{n}", "attributes": {"seats": n, "paying": True}} for n in range(30)]
    assert save_customers(rows, now=NOW).count("created") == 30
    stamps = list(Customer.objects.values_list("id", "updated_at"))
    for _ in range(3):
        assert save_customers(rows, now=NOW + timedelta(hours=1)).count("unchanged") == 30
    assert list(Customer.objects.values_list("id", "updated_at")) == stamps


def test_rows_of_one_batch_about_the_same_customer_add_up():
    results = save_customers(
        [{"external_id": "c", "name": "A"}, {"external_id": "c", "website": "a.example"}, {"external_id": "c", "name": "B"}],
        now=NOW,
    ).rows
    assert [each.status for each in results] == ["created", "updated", "updated"]
    assert len({each.id for each in results}) == 1
    customer = Customer.objects.get()
    assert (customer.name, customer.website) == ("B", "a.example")


def test_r_077_absent_stays_null_clears_and_texts_are_trimmed():
    save({"external_id": "c", "name": " Acme ", "website": "a.example", "attributes": {"plan": "pro", "seats": 5}})
    assert save({"external_id": "c", "website": None, "attributes": {"plan": ""}}).status == "updated"
    customer = Customer.objects.get()
    assert (customer.name, customer.website, customer.attributes) == ("Acme", "", {"seats": "5"})


@pytest.mark.parametrize(
    ("given", "stored"),
    [(Decimal("12345678901234567890.123456789012"), "12345678901234567890.123456789012"), ("0.10", "0.1"), (7, "7"), ("-0", "0"),
     (Decimal("1E+3"), "1000"), (" 42 ", "42")],
)  # fmt: skip
def test_r_107_numbers_are_kept_digit_by_digit_as_text(given, stored):
    assert save({"external_id": "c", "attributes": {"seats": given}}).status == "created"
    assert Customer.objects.get().attributes == {"seats": stored}


def test_the_same_number_in_another_spelling_is_no_change():
    save({"external_id": "c", "attributes": {"seats": "5"}})
    assert save({"external_id": "c", "attributes": {"seats": Decimal("5.00")}}).status == "unchanged"


@pytest.mark.parametrize(
    ("row", "field"),
    [({}, "external_id"), ({"external_id": " "}, "external_id"), ({"external_id": None}, "external_id"),
     ({"external_id": "x" * 256}, "external_id"), ({"external_id": ["a"]}, "external_id"), ("text", "row"), (None, "row"),
     ({"external_id": "c", "name": "x" * 256}, "name"), ({"external_id": "c", "name": 5}, "name"),
     ({"external_id": "c", "name": "a\0b"}, "name"), ({"external_id": "c", "name": "a\ud800"}, "name"),
     ({"external_id": "c", "website": {}}, "website"),
     ({"external_id": "c", "first_seen_at": "2026-01-01"}, "first_seen_at"),
     ({"external_id": "c", "last_seen_at": "2026-01-01T00:00:00"}, "last_seen_at"),
     ({"external_id": "c", "first_seen_at": "2026-02-01T00:00:00Z", "last_seen_at": "2026-01-01T00:00:00Z"}, "first_seen_at"),
     ({"external_id": "c", "id": 5}, "id"), ({"external_id": "c", "erased_at": None}, "erased_at"),
     ({"external_id": "c", "customer": "x"}, "customer"), ({"external_id": "c", "attributes": []}, "attributes"),
     ({"external_id": "c", "attributes": {"unknown": 1}}, "attributes.unknown"),
     ({"external_id": "c", "attributes": {"seats": "12abc"}}, "attributes.seats"),
     ({"external_id": "c", "attributes": {"seats": True}}, "attributes.seats"),
     ({"external_id": "c", "attributes": {"seats": "nan"}}, "attributes.seats"),
     ({"external_id": "c", "attributes": {"seats": float("inf")}}, "attributes.seats"),
     ({"external_id": "c", "attributes": {"seats": "1e26"}}, "attributes.seats"),
     ({"external_id": "c", "attributes": {"seats": "0.0000000000001"}}, "attributes.seats"),
     ({"external_id": "c", "attributes": {"paying": "yes"}}, "attributes.paying"),
     ({"external_id": "c", "attributes": {"paying": 1}}, "attributes.paying"),
     ({"external_id": "c", "attributes": {"renewal": "2026-01-01T10:00:00"}}, "attributes.renewal"),
     ({"external_id": "c", "attributes": {"plan": 5}}, "attributes.plan"),
     ({"external_id": "c", "attributes": {"plan": ["a"]}}, "attributes.plan")],
)  # fmt: skip
def test_r_104_bad_rows_fail_alone_and_name_their_field(row, field):
    report = save_customers([{"external_id": "good", "name": "G"}, row, {"external_id": "also good"}], now=NOW)
    assert [each.status for each in report.rows] == ["created", "failed", "created"]
    assert list(report.rows[1].errors) == [field], report.rows[1].errors
    assert sorted(Customer.objects.values_list("external_id", flat=True)) == ["also good", "good"]


def test_unknown_attributes_are_made_only_when_asked_with_the_type_of_their_values():
    row = {"external_id": "c", "attributes": {"a": 1, "b": True, "c": "2026-01-01T00:00:00+02:00", "d": "x", "e": None}}
    assert save(row).status == "failed"
    report = save_customers([row, {"external_id": "d", "attributes": {"a": "text"}}], now=NOW, create_attributes=True)
    assert dict(Attribute.objects.filter(key__in="abcde").values_list("key", "type")) == {
        "a": "STRING", "b": "BOOLEAN", "c": "DATE_TIME", "d": "STRING",
    }  # fmt: skip
    assert set(report.attributes_made) == set("abcd")
    assert report.rows[0].errors == {"attributes.a": ["Must be text."], "attributes.e": report.rows[0].errors["attributes.e"]}


def test_r_074_instants_are_kept_in_utc():
    save(
        {
            "external_id": "c",
            "first_seen_at": "2026-01-01T02:00:00+05:30",
            "attributes": {"renewal": "2026-01-01T02:00:00+0530"},
        }
    )
    customer = Customer.objects.get()
    assert customer.first_seen_at == datetime(2025, 12, 31, 20, 30, tzinfo=UTC)
    assert customer.attributes["renewal"] == "2025-12-31T20:30:00Z"


def test_end_users_name_their_customer_and_an_unknown_one_fails_the_row():
    save_customers([{"external_id": "c1"}, {"external_id": "c2"}], now=NOW)
    report = save_end_users(
        [{"external_id": "u1", "customer": "c1"}, {"external_id": "u2", "customer": "nobody"}, {"external_id": "u3"}], now=NOW
    )
    assert [each.status for each in report.rows] == ["created", "failed", "created"]
    assert list(report.rows[1].errors) == ["customer"]
    assert save_end_users([{"external_id": "u1", "email": "a@b.example"}], now=NOW).rows[0].status == "updated"
    assert EndUser.objects.get(external_id="u1").customer.external_id == "c1", "absent leaves it"
    save_end_users([{"external_id": "u1", "customer": None}], now=NOW)
    assert EndUser.objects.get(external_id="u1").customer is None


def test_aliases_and_merged_customers_lead_to_the_one_that_stands_for_them():
    save_customers([{"external_id": "old"}, {"external_id": "new"}], now=NOW)
    new = Customer.objects.get(external_id="new")
    Customer.objects.filter(external_id="old").update(merged_into=new)
    CustomerAlias.objects.create(customer=new, value="legacy")
    report = save_customers([{"external_id": "old", "name": "A"}, {"external_id": "legacy", "website": "b.example"}], now=NOW)
    assert {each.id for each in report.rows} == {new.pk}
    new.refresh_from_db()
    assert (new.name, new.website, Customer.objects.count()) == ("A", "b.example", 2)
    save_end_users([{"external_id": "u", "customer": "legacy"}], now=NOW)
    assert EndUser.objects.get().customer_id == new.pk


@pytest.mark.django_db(transaction=True)
@pytest.mark.concurrency
def test_i_04_the_same_batch_twenty_times_at_once_makes_each_customer_once():
    rows = [{"external_id": f"c{n}", "name": f"N{n}"} for n in range(20)]
    failures = []

    def send():
        try:
            save_customers(rows, now=NOW)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must see it
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert failures == []
    assert Customer.objects.count() == 20


# --- The lake's copy -------------------------------------------------------------------------------------------------------


def copied(entity="customer"):
    with open_engine() as engine:
        engine.bind("spine", spine.relation(entity))
        rows = engine.table("SELECT * FROM spine ORDER BY external_id").to_pylist()
    return {row["external_id"]: row for row in rows}


def test_the_lake_follows_the_database_row_by_row(engine_name):
    seen = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    save_customers([{"external_id": f"c{n}", "name": f"Ünï {n}", "attributes": {"plan": "é"}} for n in range(3)], now=NOW)
    save_customers([{"external_id": "c1", "last_seen_at": seen}], now=NOW)
    save_end_users([{"external_id": "u", "customer": "c1", "email": "a@b.example", "phone": "1"}], now=NOW)
    first = spine.refresh_spine(now=NOW)
    assert (first["customer"].changed, first["end_user"].changed) == (3, 1)
    row = copied()["c1"]
    assert (row["name"], row["last_seen_at"], row["first_seen_at"], row["removed"]) == ("Ünï 1", seen, None, False)
    assert spine.refresh_spine(now=NOW)["customer"].changed == 0, "nothing changed"
    save_customers([{"external_id": "c2", "name": "Now"}], now=NOW)
    assert spine.refresh_spine(now=NOW)["customer"].changed == 1
    assert copied()["c2"]["name"] == "Now"
    user = copied("end_user")["u"]
    assert (user["customer_id"], user["email"]) == (Customer.objects.get(external_id="c1").pk, "a@b.example")


def test_a_change_within_the_same_instant_is_not_missed():
    save_customers([{"external_id": "c", "name": "1"}], now=NOW)
    spine.refresh_spine(now=NOW)
    for name in "23":
        save_customers([{"external_id": "c", "name": name}], now=NOW)
        spine.refresh_spine(now=NOW)
        assert copied()["c"]["name"] == name


def test_i_05_a_row_that_was_committed_late_is_copied_too():
    save_customers([{"external_id": "early"}], now=NOW)
    spine.refresh_spine(now=NOW)
    save_customers([{"external_id": "late"}], now=NOW - timedelta(minutes=5))
    assert spine.refresh_spine(now=NOW)["customer"].changed == 1
    assert set(copied()) == {"early", "late"}


def test_i_05_rows_that_left_the_database_leave_the_lake():
    save_customers([{"external_id": f"c{n}"} for n in range(3)], now=NOW)
    spine.refresh_spine(now=NOW)
    Customer.objects.filter(external_id="c1").delete()
    assert spine.refresh_spine(now=NOW)["customer"].deleted == 1
    assert set(copied()) == {"c0", "c2"}
    assert spine.refresh_spine(now=NOW)["customer"].deleted == 0
    save_customers([{"external_id": "c1", "name": "again"}], now=NOW)
    spine.refresh_spine(now=NOW)
    assert copied()["c1"]["name"] == "again"


def test_merged_customers_are_not_in_the_lake_any_more():
    save_customers([{"external_id": "a"}, {"external_id": "b"}], now=NOW)
    spine.refresh_spine(now=NOW)
    Customer.objects.filter(external_id="a").update(
        merged_into=Customer.objects.get(external_id="b"), updated_at=NOW + timedelta(seconds=1)
    )
    spine.refresh_spine(now=NOW)
    assert set(copied()) == {"b"}


def test_the_lakes_copy_keeps_instants_just_before_the_next_second():
    seen = datetime(2026, 5, 1, 11, 59, 59, 999_600, tzinfo=UTC)
    save({"external_id": "c", "last_seen_at": seen.isoformat()})
    spine.refresh_spine(now=NOW)
    with open_engine() as engine:
        engine.bind("customers", spine.relation("customer"))
        ((found,),) = engine.rows("SELECT last_seen_at FROM customers")
    assert found == seen.replace(microsecond=999_000)
