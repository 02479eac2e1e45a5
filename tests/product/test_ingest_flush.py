"""From the buffer into the lake: each id once, people brought up to date, nothing lost (I-02, I-04, R-236, R-237, R-239)."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from integrations.lake import upkeep
from integrations.models import Alert, Attribute, Customer, CustomerAlias, EndUser, LakeTable, RowOutcome, Run, RunObject
from integrations.product.ingest import flush as flushing
from integrations.product.ingest import lake_tables, quarantine, tasks, watching
from integrations.product.ingest import upkeep as retention
from integrations.product.ingest.flush import JOB
from integrations.product.ingest.packing import pack, unpack
from integrations.product.models import DirtyDay, EventBatch, IngestDay, QuarantinedEvent, TraitTimes, UnjoinedUser
from integrations.sync.matching import forgetting
from integrations.sync.matching.saving import save_customers, save_end_users
from tests.product.sending import DAY, accept, flush, raw_count, stored, take_in, text_of, track

pytestmark = pytest.mark.django_db


def counts(day=None) -> dict[str, int]:
    row = IngestDay.objects.get(day=day or timezone.now().astimezone(UTC).date())
    return {name: getattr(row, name) for name in ("accepted", "duplicates", "quarantined", "rejected", "refused", "late")}


def test_an_event_is_stored_typed_with_our_numbers(now):
    take_in(track("e1", account="acme", at="2026-10-05T08:00:00.123Z", properties={"rows": 7, "name": "Zoë"}), now=now)
    user, customer = EndUser.objects.get(), Customer.objects.get()
    assert (user.external_id, customer.external_id, user.customer) == ("u1", "acme", customer)
    [(name, day, at, received, customer_id, user_id, event, automatic, properties)] = stored(
        'event_id, day, "at", received_at, customer_id, end_user_id, name, automatic, properties'
    )
    at_given = datetime(2026, 10, 5, 8, 0, 0, 123000, UTC)
    assert (name, day, at, customer_id, user_id) == ("e1", at_given.date(), at_given, customer.pk, user.pk)
    assert (event, automatic, json.loads(properties)) == ("Opened", False, {"rows": 7, "name": "Zoë"})
    assert abs(received - now) < timedelta(milliseconds=1)
    assert not EventBatch.objects.exists()
    assert [each.day for each in DirtyDay.objects.all()] == [at_given.date()]


def test_i_04_repeats_in_a_request_across_requests_and_after_the_flush_count_once(now, engine_name):
    at = text_of(now - timedelta(hours=1))
    accept(track("e1", at=at), track("e1", at=at), track("e2", at=at), now=now)
    accept(track("e1", at=at), track("e3", at=at), now=now)
    flush()
    for _ in range(3):
        accept(track("e1", at=at), track("e2", at=at), track("e3", at=at), now=now)
        flush()
    assert stored() == [("e1",), ("e2",), ("e3",)]
    assert raw_count() == 3
    assert counts(now.date()) | {"late": 0} == {
        "accepted": 3, "duplicates": 11, "quarantined": 0, "rejected": 0, "refused": 0, "late": 0,
    }  # fmt: skip


def test_i_04_a_repeat_that_comes_on_another_day_counts_once(now):
    """Without a time it would be another day; with a corrected clock as well."""
    take_in(track("e1"), now=now - 2 * DAY)
    accept(track("e1"), now=now)
    accept(track("e1", at=text_of(now - 5 * DAY)), now=now)
    flush()
    assert stored("event_id, day") == [("e1", (now - 2 * DAY).date())]
    assert raw_count() == 1


def test_the_first_of_two_events_with_one_id_stands(now):
    take_in(track("e1", event="First"), now=now)
    accept(track("e1", event="Second"), now=now)
    flush()
    assert stored("name") == [("First",)]


def test_r_236_one_percent_repeats_among_many_are_counted_once_exactly(now):
    days = [text_of(now - n * DAY) for n in range(20)]
    events = [track(f"e{n:05}", user=f"u{n % 50}", at=days[n % 20]) for n in range(4000)]
    events += events[::100]
    for start in range(0, len(events), 500):
        accept(*events[start : start + 500], now=now)
    flush()
    accept(*events[:40], now=now)
    flush()
    assert len(stored()) == raw_count() == 4000
    assert counts(now.date())["duplicates"] == 80
    assert counts(now.date())["accepted"] == 4000


def test_r_237_an_event_of_an_unknown_account_makes_it_and_counts_there(now):
    take_in(track("e1", account="new-co"), now=now)
    assert stored("customer_id") == [(Customer.objects.get(external_id="new-co").pk,)]


def test_r_237_events_without_a_customer_are_joined_when_it_appears(now, engine_name):
    at = [text_of(now - n * DAY) for n in (3, 1)]
    take_in(track("e1", at=at[0]), track("e2", at=at[1]), track("x", user="u2", at=at[0]), now=now)
    accept({"id": "n1", "type": "nps", "user": "u1", "at": at[1], "properties": {"score": 9}}, now=now)
    flush()
    assert {row[0] for row in stored("customer_id")} == {None}
    DirtyDay.objects.all().delete()
    save_customers([{"external_id": "acme"}], now=now)
    save_end_users([{"external_id": "u1", "customer": "acme"}], now=now)
    assert tasks.flush()  # also without new events there is something to do
    customer = Customer.objects.get()
    assert stored("event_id, customer_id") == [("e1", customer.pk), ("e2", customer.pk), ("n1", customer.pk), ("x", None)]
    assert stored("customer_id", relation=lake_tables.nps_answers()) == [(customer.pk,)]
    assert sorted(each.day for each in DirtyDay.objects.all()) == [(now - 3 * DAY).date(), (now - DAY).date()]
    assert [each.end_user.external_id for each in UnjoinedUser.objects.all()] == ["u2"]
    upkeep.compact(lake_tables.events_table(), now=now)
    assert stored("customer_id", "event_id = 'e1'") == [(customer.pk,)]
    assert not tasks.flush()


def test_r_237_a_later_identify_joins_what_came_before_in_one_flush(now):
    take_in(track("e1"), now=now)
    take_in({"id": "i1", "type": "identify", "user": "u1", "account": "acme"}, now=now)
    customer = Customer.objects.get()
    assert {row[0] for row in stored("customer_id")} == {customer.pk}


def test_r_239_impossible_dates_go_to_quarantine_with_the_reason_and_out_of_the_figures(now):
    done = accept(
        track("old", at="1970-01-01T00:00:00Z"), track("far", at="2090-05-05T00:00:00Z"),
        track("soon", at=text_of(now + timedelta(minutes=4))), track("late", at=text_of(now + timedelta(minutes=6))), now=now,
    )  # fmt: skip
    assert (done.accepted, done.rejected) == (1, [])
    assert [(each.index, each.code) for each in done.quarantined] == [(0, "too_old"), (1, "future"), (3, "future")]
    flush()
    assert stored() == [("soon",)]
    aside = {each.event_id: each.reason for each in QuarantinedEvent.objects.all()}
    assert aside == {"old": "too_old", "far": "future", "late": "future"}
    assert counts(now.date())["quarantined"] == 3
    assert not EndUser.objects.filter(external_id="far").exists()


def test_r_239_a_quarantined_event_can_be_tried_again_when_its_day_has_come(now):
    accept(track("a", at=text_of(now + timedelta(hours=1))), track("b", at="1970-01-01T00:00:00Z"), now=now)
    flush()
    numbers = list(QuarantinedEvent.objects.values_list("pk", flat=True))
    done = quarantine.retry(numbers, actor=None, now=now + timedelta(hours=1))
    assert (done.accepted, done.kept) == (1, 1)
    flush()
    assert stored() == [("a",)]
    assert [each.event_id for each in QuarantinedEvent.objects.all()] == ["b"]
    assert quarantine.drop(numbers, actor=None) == 1


def test_late_events_are_counted_and_their_day_is_computed_anew(now):
    take_in(track("e1", at=text_of(now - 3 * DAY)), track("e2", at=text_of(now)), now=now)
    assert counts(now.date())["late"] == 1
    assert {each.day for each in DirtyDay.objects.all()} == {(now - 3 * DAY).date(), now.date()}


def test_identify_and_group_set_what_they_name_and_make_nobody_active(now):
    accept(
        {"id": "i", "type": "identify", "user": "u1", "traits": {"email": "jane@acme.example", "name": "Jane", "seats": 3}},
        {"id": "g", "type": "group", "user": "u1", "account": "acme",
         "traits": {"name": "Acme", "website": "acme.example", "plan": "pro", "trial": False, "since": "2026-01-01T00:00:00Z"}},
        now=now,
    )  # fmt: skip
    flush()
    user, customer = EndUser.objects.get(), Customer.objects.get()
    assert (user.name, user.email, user.attributes, user.customer) == ("Jane", "jane@acme.example", {"seats": "3"}, customer)
    assert (customer.name, customer.website) == ("Acme", "acme.example")
    assert customer.attributes["plan"] == "pro"
    assert customer.attributes["trial"] is False
    kinds = dict(Attribute.objects.values_list("key", "type"))
    assert kinds == {"seats": "NUMBER", "plan": "STRING", "trial": "BOOLEAN", "since": "DATE_TIME"}
    assert {row[0] for row in stored("automatic")} == {True}
    assert user.last_seen_at is None
    assert customer.last_seen_at is None


def test_later_traits_win_whatever_the_order_in_which_they_come(now):
    new = {"id": "new", "type": "identify", "user": "u1", "at": text_of(now), "traits": {"plan": "pro"}}
    old = {"id": "old", "type": "identify", "user": "u1", "at": text_of(now - DAY), "traits": {"plan": "free", "city": "Bonn"}}
    take_in(new, old, now=now)
    assert EndUser.objects.get().attributes == {"plan": "pro", "city": "Bonn"}


def test_i_07_later_traits_win_also_when_older_ones_come_in_a_later_flush(now):
    def identify(event: str, ago: int, **traits) -> dict:
        return {"id": event, "type": "identify", "user": "u1", "at": text_of(now - ago * DAY), "traits": traits}

    def group(event: str, ago: int, **traits) -> dict:
        return {"id": event, "type": "group", "account": "acme", "at": text_of(now - ago * DAY), "traits": traits}

    take_in(identify("new", 1, plan="pro", email="new@acme.example"), group("g1", 1, name="Acme", tier="gold"), now=now)
    take_in(
        identify("old", 3, plan="free", email="old@acme.example", city="Bonn"), group("g2", 2, name="ACME", size=7), now=now
    )
    user, customer = EndUser.objects.get(), Customer.objects.get()
    assert (user.email, user.attributes) == ("new@acme.example", {"plan": "pro", "city": "Bonn"})
    assert (customer.name, customer.attributes) == ("Acme", {"tier": "gold", "size": "7"})
    take_in(identify("between", 2, plan="trial", city="Köln"), now=now)
    take_in(identify("newest", 0, plan=None), now=now)
    assert EndUser.objects.get().attributes == {"city": "Köln"}


def test_a_repeated_identify_does_not_bring_old_traits_back(now):
    first = {"id": "i1", "type": "identify", "user": "u1", "traits": {"plan": "free"}}
    take_in(first, now=now)
    take_in({"id": "i2", "type": "identify", "user": "u1", "traits": {"plan": "pro"}}, now=now)
    accept(first, now=now)
    flush()
    assert EndUser.objects.get().attributes == {"plan": "pro"}


def test_seen_times_move_outwards_only_and_nothing_is_saved_without_a_change(now):
    take_in(track("e1", account="acme", at=text_of(now - DAY)), now=now)
    before = EndUser.objects.get()
    take_in(track("e2", at=text_of(now - DAY)), now=now)
    assert EndUser.objects.get().updated_at == before.updated_at
    take_in(track("e3", at=text_of(now)), track("e4", at=text_of(now - 2 * DAY)), now=now)
    for record in (EndUser.objects.get(), Customer.objects.get()):
        assert abs(record.first_seen_at - (now - 2 * DAY)) < timedelta(milliseconds=1)
        assert abs(record.last_seen_at - now) < timedelta(milliseconds=1)


def test_an_event_names_its_account_but_only_identify_moves_a_user(now):
    take_in(track("e1", account="acme"), now=now)
    take_in(track("e2", account="other"), now=now)
    other = Customer.objects.get(external_id="other")
    assert EndUser.objects.get().customer.external_id == "acme"
    assert stored("customer_id", "event_id = 'e2'") == [(other.pk,)]
    take_in({"id": "i", "type": "identify", "user": "u1", "account": "other"}, now=now)
    assert EndUser.objects.get().customer == other


def test_an_alias_or_merged_customer_leads_to_the_one_that_stands_for_it(now):
    acme = Customer.objects.create(external_id="acme")
    Customer.objects.create(external_id="old-acme", merged_into=acme)
    CustomerAlias.objects.create(customer=acme, value="ACME Inc")
    at = [text_of(now - timedelta(hours=n)) for n in (3, 2, 1)]
    take_in(
        track("e1", account="old-acme", at=at[0]), track("e2", account="ACME Inc", at=at[2]),
        track("e3", account="acme", at=at[1]), now=now,
    )  # fmt: skip
    assert {row[0] for row in stored("customer_id")} == {acme.pk}
    assert Customer.objects.count() == 2
    acme.refresh_from_db()
    assert abs(acme.first_seen_at - (now - timedelta(hours=3))) < timedelta(milliseconds=1)
    assert abs(acme.last_seen_at - (now - timedelta(hours=1))) < timedelta(milliseconds=1)


def test_a_trait_that_does_not_fit_its_attribute_is_left_out_and_told(now):
    Attribute.objects.create(entity="end_user", key="seats", label="Seats", type="NUMBER")
    accept({"id": "i", "type": "identify", "user": "u1", "traits": {"seats": "many", "plan": "pro"}}, now=now)
    run = flush()
    assert EndUser.objects.get().attributes == {"plan": "pro"}
    row = RowOutcome.objects.get(run_object__run=run, run_object__name="Traits of end_users")
    assert (row.key, row.code) == ("u1", "trait_refused")
    assert "seats" in row.message
    assert "many" not in row.message


def test_attributes_made_by_traits_end_somewhere(now, monkeypatch):
    monkeypatch.setattr("integrations.product.ingest.people.MOST_ATTRIBUTES", 2)
    take_in({"id": "i1", "type": "identify", "user": "u1", "traits": {"a": 1, "b": 2}}, now=now)
    take_in({"id": "i2", "type": "identify", "user": "u1", "traits": {"b": 3, "c": 4}}, now=now)
    assert EndUser.objects.get().attributes == {"a": "1", "b": "3"}
    assert Attribute.objects.count() == 2


def test_i_23_an_erased_person_is_forgotten_everywhere_and_never_comes_back(now, cast):
    take_in(track("e1", account="acme"), track("e2", user="u2", account="acme"), now=now)
    accept({"id": "n1", "type": "nps", "user": "u1", "properties": {"score": 3, "comment": "Jane here"}}, now=now)
    accept(track("q1", at="2090-01-01T00:00:00Z"), now=now)
    flush()
    accept(track("e3", account="acme"), now=now)  # still in the buffer
    forgetting.erase(EndUser.objects.get(external_id="u1"), actor=cast.ada, now=now)
    flush()
    accept(track("e4"), {"id": "i", "type": "identify", "user": "u1", "traits": {"email": "j@acme.example"}}, now=now)
    flush()
    assert stored() == [("e2",)]
    assert stored(relation=lake_tables.nps_answers()) == []
    assert not EndUser.objects.filter(external_id="u1").exists()
    assert not QuarantinedEvent.objects.exists()
    assert not EventBatch.objects.exists()
    assert counts(now.date())["refused"] == 3


def test_i_23_the_daily_purge_forgets_notes_on_erased_people_and_retired_events(now, cast):
    take_in(track("e1"), track("e2", user="u2"), track("e3", user="u3", at=text_of(now - 30 * DAY)), now=now)
    accept(track("q", user="u1", at="2090-01-01T00:00:00Z"), now=now)
    accept({"id": "i", "type": "identify", "user": "u1", "traits": {"plan": "pro"}}, now=now)
    flush()
    assert TraitTimes.objects.count() == 1
    forgetting.erase(EndUser.objects.get(external_id="u1"), actor=cast.ada, now=now)
    done = retention.purge(now=now)
    assert (done["erased"], done["unjoined"], TraitTimes.objects.count()) == (2, 1, 0)
    assert retention.purge(now=now + 1070 * DAY)["unjoined"] == 1
    assert [each.end_user.external_id for each in UnjoinedUser.objects.all()] == ["u2"]


def test_i_23_events_of_an_erased_company_are_refused(now, cast):
    take_in(track("e1", account="acme"), now=now)
    forgetting.erase(Customer.objects.get(), actor=cast.ada, now=now)
    accept(track("e2", account="acme"), track("e3"), now=now)
    flush()
    assert stored("event_id, customer_id") == [("e3", None)]


def test_s_114_events_past_the_setting_are_retired_and_no_longer_taken(now, settings):
    take_in(track("e1", at=text_of(now - 40 * DAY)), track("e2"), now=now)
    settings.PRODUCT_EVENT_DAYS = 30
    table = lake_tables.events_table()
    assert upkeep.retire_old(table, now=now) == 1
    assert stored() == [("e2",)]
    assert accept(track("e3", at=text_of(now - 31 * DAY)), now=now).quarantined[0].code == "too_old"
    assert accept(track("e4", at=text_of(now - 29 * DAY)), now=now).accepted == 1


def test_s_114_quarantine_and_counts_do_not_stay_for_ever(now):
    accept(track("e1", at="2090-01-01T00:00:00Z"), now=now)
    flush()
    done = retention.purge(now=now + timedelta(days=29))
    assert (done["quarantined"], done["days"]) == (0, 0)
    done = retention.purge(now=now + timedelta(days=31))
    assert done["quarantined"] == 1
    assert retention.purge(now=now + timedelta(days=402))["days"] == 1


def test_runs_of_the_flush_do_not_drown_others_but_those_that_tell_something_stay(now):
    accept(track("e1"), now=now)
    dull = flush()
    Attribute.objects.create(entity="end_user", key="seats", label="Seats", type="NUMBER")
    accept({"id": "i", "type": "identify", "user": "u1", "traits": {"seats": "many"}}, now=now)
    telling = flush()
    assert retention.forget_runs(now=now + timedelta(hours=1)) == 0
    assert retention.forget_runs(now=now + timedelta(hours=3)) == 1
    assert list(Run.objects.values_list("pk", flat=True)) == [telling.pk]
    assert dull.pk != telling.pk


def test_a_person_is_told_when_events_wait_and_when_that_is_over(now):
    accept(track("e1"), now=now)
    assert watching.watch_buffer(now=now + timedelta(minutes=14)) == ""
    assert watching.watch_buffer(now=now + timedelta(minutes=15)) == "late"
    assert watching.watch_buffer(now=now + timedelta(minutes=16)) == "late"
    alert = Alert.objects.get()
    assert alert.url == "/product/data/"
    assert "1 events of 1 requests wait" in alert.body
    assert tasks.flush()
    assert tasks.flush() == 0
    alert.refresh_from_db()
    assert alert.recovered_at


def test_a_minute_without_events_leaves_no_run(now):
    assert tasks.flush() == 0
    assert not Run.objects.filter(job=JOB).exists()


def test_a_damaged_row_does_not_stop_the_others(now):
    accept(track("e1"), now=now)
    EventBatch.objects.update(body=b"not zlib")
    accept(track("e2"), now=now)
    flush()
    assert stored() == [("e2",)]
    assert EventBatch.objects.get().broken
    assert tasks.flush() == 0


def test_a_flush_takes_as_much_as_fits_a_turn_and_goes_on(now, monkeypatch):
    monkeypatch.setattr("integrations.product.ingest.flush.MOST_ROWS", 3)
    for n in range(5):
        accept(track(f"a{n}"), track(f"b{n}"), now=now)
    run = flush()
    assert len(stored()) == 10
    assert RunObject.objects.get(run=run, name="Events").written == 10


def test_many_requests_of_one_event_each_are_flushed_some_thousand_a_turn(now):
    accept(track("e"), now=now)
    [event] = unpack(bytes(EventBatch.objects.get().body))
    packed = [pack([event._replace(id=f"e{n}")]) for n in range(2100)]
    EventBatch.objects.bulk_create([EventBatch(received_at=now, rows=1, size=size, body=body) for body, size in packed])
    flush()
    assert len(stored()) == 2101
    assert not EventBatch.objects.exists()


def test_a_second_flush_of_the_same_requests_stores_nothing(now, monkeypatch):
    """Its requests were deleted under it: it must undo all, not only skip the delete."""
    accept(track("e1"), now=now)

    plain = flushing.stage

    def slow(rows):
        EventBatch.objects.all().delete()
        return plain(rows)

    monkeypatch.setattr(flushing, "stage", slow)
    from integrations.sync import runs

    run = runs.request_run(JOB, now=now)
    run.refresh_from_db()
    assert (run.state, run.reason_code) == (Run.State.CANCELLED, "overtaken")
    assert not LakeTable.objects.get(name="product/events").files.exists()
    assert not DirtyDay.objects.exists()


def test_the_buffer_holds_what_was_checked(now):
    accept(track("e1", account="acme", properties={"a": [1, {"b": None}]}), now=now)
    [event] = unpack(bytes(EventBatch.objects.get().body))
    assert (event.id, event.user, event.account, event.name) == ("e1", "u1", "acme", "Opened")
    assert json.loads(event.properties) == {"a": [1, {"b": None}]}


def test_a_turn_is_bounded_by_what_events_take_in_memory_not_by_how_well_they_compress(now, monkeypatch):
    big = {"text": "x" * 16_000}
    for n in range(4):
        accept(*[track(f"e{n}-{each}", properties=big) for each in range(50)], now=now)
    assert min(EventBatch.objects.values_list("size", flat=True)) > 50 * 16_000
    assert len(bytes(EventBatch.objects.all()[0].body)) < 20_000
    monkeypatch.setattr("integrations.product.ingest.flush.MOST_BYTES", 1_700_000)
    taken = []
    plain = flushing.stage
    monkeypatch.setattr(flushing, "stage", lambda rows: (taken.append(len(rows)), plain(rows))[1])
    flush()
    assert taken == [100, 100]
    assert len(stored()) == 200
