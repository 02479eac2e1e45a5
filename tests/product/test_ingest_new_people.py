"""A write key is public: how many people and companies that nobody knows it may bring in a day has a hard bound."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django.urls import reverse

from integrations.models import Alert, Customer, CustomerAlias, EndUser
from integrations.product.ingest import new_people, write_keys
from integrations.product.models import EventBatch, IngestDay, KeyDay, NewName, WriteKey
from tests.product.sending import accept, flush, post, stored, track

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


def make_key(most: int) -> WriteKey:
    return write_keys.create_write_key(name="Web", actor=None, now=NOON, most_new_people=most)[0]


def told(done) -> list[tuple[int, str, str]]:
    return [(each.index, each.field, each.code) for each in done.rejected]


@pytest.fixture
def key(db) -> WriteKey:
    return make_key(2)


def test_beyond_the_bound_unknown_people_are_refused_and_known_ones_count(key):
    EndUser.objects.create(external_id="known")
    done = accept(*(track(f"e{user}", user=user) for user in ("a", "b", "c", "known", "a")), now=NOON, key=key)
    assert (done.accepted, told(done)) == (4, [(2, "user", "too_many_new_people")])
    assert "at most 2 people and companies a day (UTC)" in done.rejected[0].message
    flush()
    assert set(EndUser.objects.values_list("external_id", flat=True)) == {"known", "a", "b"}
    assert accept(track("f1", user="d"), now=NOON, key=key).accepted == 0
    assert accept(track("f2", user="b"), now=NOON, key=key).accepted == 1, "it is known by now"
    assert KeyDay.objects.get().named == 2


def test_a_name_counts_once_a_day_whether_or_not_it_was_stored_yet(key):
    for number in range(3):
        assert accept(track(f"e{number}", user="a"), now=NOON, key=key).accepted == 1
    assert KeyDay.objects.get().named == 1
    assert len(NewName.objects.get().digest) == 40, "no id of a person is kept"
    tomorrow = NOON + timedelta(days=1)
    assert accept(*(track(f"g{user}", user=user) for user in "xyz"), now=tomorrow, key=key).accepted == 2


def test_companies_count_too_unless_they_are_known_by_any_name(key):
    acme = Customer.objects.create(external_id="acme")
    CustomerAlias.objects.create(customer=acme, value="acme-old")
    EndUser.objects.create(external_id="u")
    rows = [track(f"e{name}", user="u", account=name) for name in ("acme", "acme-old", "b", "c", "d")]
    done = accept(*rows, now=NOON, key=key)
    assert (done.accepted, told(done)) == (4, [(4, "account", "too_many_new_people")])


def test_what_is_wrong_besides_keeps_its_place_in_the_answer(key):
    done = accept(track("", user="a"), track("e1", user="a"), track("e2", user="b"), track("e3", user="c"), now=NOON, key=key)
    assert told(done) == [(0, "id", "required"), (3, "user", "too_many_new_people")]
    assert EventBatch.objects.get().rejected == 2


def test_an_event_that_is_put_aside_brings_nobody(key):
    old = accept(track("e1", user="a", at="1970-01-02T00:00:00Z"), now=NOON, key=key)
    assert [each.code for each in old.quarantined] == ["too_old"]
    assert not NewName.objects.exists()


def test_when_nothing_can_be_taken_the_answer_says_until_when(db):
    key = make_key(0)
    answer = post(track("e1", user="a"), key=f"Write-Key {key.key}")
    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "too_many_new_people"
    assert answer.json()["rejected"][0]["index"] == 0
    assert 0 < int(answer.headers["Retry-After"]) <= 86_400
    assert IngestDay.objects.get().rejected == 1
    assert not EventBatch.objects.exists()


def test_servers_have_no_bound(db):
    make_key(0)
    assert accept(*(track(f"e{n}", user=f"u{n}") for n in range(20)), now=NOON).accepted == 20


def test_one_alert_a_day_that_ends_with_a_day_without_refusals(key):
    for number in range(4):
        accept(track(f"e{number}", user=f"u{number}"), now=NOON, key=key)
    alert = Alert.objects.get(key=f"product.write_key:{key.pk}")
    assert (alert.code, alert.recovered_at) == ("write_key_bound", None)
    assert "raise the bound" in alert.body
    new_people.settle(now=NOON)
    assert Alert.objects.filter(recovered_at=None).count() == 1, "the day is not over"
    assert new_people.settle(now=NOON + timedelta(days=1)) == 2
    assert not Alert.objects.filter(recovered_at=None).exists()
    assert new_people.settle(now=NOON + timedelta(days=1)) == 0


def test_the_bound_is_set_and_shown(client, cast, key, now):
    client.force_login(cast.olga)
    accept(*(track(f"e{n}", user=f"u{n}") for n in range(3)), now=now, key=key)
    page = client.get("/product/data/").content.decode()
    assert "Unknown people and companies today (UTC): 2 of 2, 1 more refused" in page
    path = reverse("product:write_key", args=[key.pk])
    assert client.post(path, {"name": "Web", "origins": "", "most_new_people": "5"}).status_code == 302
    key.refresh_from_db()
    assert key.most_new_people == 5
    assert client.post(path, {"name": "Web", "origins": ""}).status_code == 302
    key.refresh_from_db()
    assert key.most_new_people == 5, "left out stays"
    assert client.post(path, {"name": "Web", "origins": "", "most_new_people": "-1"}).status_code == 400


def test_a_flood_of_invented_people_leaves_as_many_as_allowed(key):
    WriteKey.objects.update(most_new_people=100)
    key.refresh_from_db()
    for start in range(0, 1_000, 250):
        accept(*(track(f"e{n}", user=f"u{n}") for n in range(start, start + 250)), now=NOON, key=key)
    flush()
    assert EndUser.objects.count() == 100
    assert len(stored()) == 100


@pytest.mark.django_db(transaction=True)
def test_the_bound_holds_for_requests_at_once():
    key, barrier, taken = make_key(10), threading.Barrier(4), []

    def send(number: int) -> None:
        try:
            barrier.wait(60)
            done = accept(*(track(f"e{number}-{n}", user=f"u{number}-{n}") for n in range(8)), now=NOON, key=key)
            taken.append(done.accepted)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(taken), sum(taken), KeyDay.objects.get().named) == (4, 10, 10)
