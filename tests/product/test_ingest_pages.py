"""The page Data health: figures, quarantine, write keys; who may do what."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from integrations.models import AuditEntry
from integrations.product.ingest import health, write_keys
from integrations.product.models import EventBatch, QuarantinedEvent, WriteKey
from tests.product.sending import accept, flush, post, stored, text_of, track

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(cast) -> Client:
    client = Client()
    client.force_login(cast.olga)
    return client


def page(client: Client) -> str:
    return client.get(reverse("product:data")).content.decode()


def test_the_page_shows_days_quarantine_and_what_waits(olga, now):
    accept(track("a"), track("a"), track("late", at=text_of(now - timedelta(days=2))), now=now)
    accept(track("<script>alert(1)</script>", at="2090-01-01T00:00:00Z"), track("bad", user=None), now=now)
    flush()
    accept(track("waiting"), now=now - timedelta(minutes=20))
    text = page(olga)
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert(1)" not in text
    assert "Events wait for 20 minutes" in text
    overview = health.read_overview(now=now)
    today = overview.days[0]
    assert (today.accepted, today.late, today.duplicates, today.quarantined, today.rejected) == (2, 1, 1, 1, 1)
    assert (overview.waiting.rows, overview.quarantined, overview.reasons) == (1, 1, [("Dated in the future", 1)])
    assert len(overview.days) == health.DAYS
    assert overview.chart()["series"][0]["values"][-1] == 2


def test_an_empty_page_says_what_to_do(olga, now):
    text = page(olga)
    assert "None yet. A write key" in text
    assert health.read_overview(now=now).trouble == ""


def test_store_now_flushes(olga, now):
    accept(track("a"), now=now)
    answer = olga.post(reverse("product:data_flush"), follow=True)
    assert "Storing: run" in answer.content.decode()
    assert stored() == [("a",)]
    assert "Nothing waits" in olga.post(reverse("product:data_flush"), follow=True).content.decode()


def test_quarantined_events_are_tried_again_or_deleted(olga, now, settings):
    accept(track("old", at=text_of(now - timedelta(days=1200))), track("far", at="2090-01-01T00:00:00Z"), now=now)
    flush()
    settings.PRODUCT_EVENT_DAYS = 2000
    url = reverse("product:data_quarantine")
    numbers = list(QuarantinedEvent.objects.values_list("pk", flat=True))
    answer = olga.post(url, {"event": [*numbers, "x", "9" * 30], "verb": "retry"}, follow=True)
    assert "1 go into the lake with the next flush; 1 still cannot be true." in answer.content.decode()
    flush()
    assert stored() == [("old",)]
    olga.post(url, {"all": "yes", "verb": "drop"})
    assert not QuarantinedEvent.objects.exists()
    assert olga.post(url, {"all": "yes", "verb": "explode"}).status_code == 404


def test_a_key_is_made_with_its_secret_shown_once(olga):
    url = reverse("product:write_key_create")
    answer = olga.post(url, {"name": "Web", "origins": "https://app.acme.example\nhttp://localhost:3000/", "form_token": "t1"})
    key = WriteKey.objects.get()
    secret = write_keys.secret_of(key)
    text = answer.content.decode()
    assert secret in text
    assert key.key in text
    assert "data-key" in text
    assert key.allowed_origins == ["https://app.acme.example", "http://localhost:3000"]
    assert "no-store" in answer["Cache-Control"]
    assert secret not in page(olga)
    assert key.key in page(olga)
    assert AuditEntry.objects.filter(action="write_key.created").count() == 1
    again = olga.post(url, {"name": "Web", "origins": "", "form_token": "t1"})
    assert again.status_code == 302
    assert WriteKey.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [({"name": " "}, "Give the key a name|required"), ({"name": "x", "origins": "acme"}, "acme is no origin")],
)
def test_a_wrong_form_says_what_to_change(olga, given, said):
    answer = olga.post(reverse("product:write_key_create"), given)
    assert answer.status_code == 400
    assert any(each in answer.content.decode() for each in said.split("|"))
    assert not WriteKey.objects.exists()


def test_a_key_is_changed_gets_a_new_secret_and_is_revoked(olga, now):
    key, secret = write_keys.create_write_key(name="Web", actor=None, now=now)
    url = reverse("product:write_key", args=[key.pk])
    assert "Web" in olga.get(url).content.decode()
    olga.post(url, {"name": "Web 2", "origins": "https://a.example", "require_signature": "on"})
    key.refresh_from_db()
    assert (key.name, key.allowed_origins, key.require_signature) == ("Web 2", ["https://a.example"], True)
    answer = olga.post(reverse("product:write_key_secret", args=[key.pk]))
    key.refresh_from_db()
    assert write_keys.secret_of(key) != secret
    assert write_keys.secret_of(key) in answer.content.decode()
    olga.post(reverse("product:write_key_revoke", args=[key.pk]))
    assert post(track("a"), key=f"Write-Key {key.key}").status_code == 401
    assert olga.get(url).status_code == 404
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"write_key.changed", "write_key.secret_replaced", "write_key.revoked"} <= actions


def test_analysts_look_and_do_not_touch(cast, now):
    accept(track("far", user="jane@acme.example", at="2090-01-01T00:00:00Z"), now=now)
    flush()
    key, _ = write_keys.create_write_key(name="Web", actor=None, now=now)
    client = Client()
    client.force_login(cast.ana)
    text = page(client)
    assert "far" in text
    assert "jane@acme.example" not in text
    assert "Revoke" not in text
    for name, args in (("data_flush", []), ("data_quarantine", []), ("write_key_create", []), ("write_key_revoke", [key.pk])):
        assert client.post(reverse(f"product:{name}", args=args)).status_code == 403
    client.force_login(cast.jane)
    assert client.get(reverse("product:data")).status_code == 403
    assert Client().get(reverse("product:data")).status_code == 302


def test_a_page_of_many_requests_asks_the_database_little(olga, now, django_assert_max_num_queries):
    for n in range(30):
        accept(track(f"e{n}"), track(f"q{n}", at="2090-01-01T00:00:00Z"), now=now)
    flush()
    accept(track("waiting"), now=now)
    assert EventBatch.objects.count() == 1
    with django_assert_max_num_queries(30):
        page(olga)


def test_the_back_office_looks_and_revokes(cast, now):
    accept(track("a"), track("far", at="2090-01-01T00:00:00Z"), now=now)
    flush()
    accept(track("b"), now=now)
    key, secret = write_keys.create_write_key(name="Web", actor=None, now=now)
    client = Client()
    client.force_login(cast.ada)
    for name in ("writekey", "eventbatch", "quarantinedevent", "ingestday", "dirtyday", "unjoineduser"):
        assert client.get(reverse(f"admin:product_{name}_changelist")).status_code == 200, name
    text = client.get(reverse("admin:product_writekey_change", args=[key.pk])).content.decode()
    assert key.key in text
    assert secret not in text
    assert client.get(reverse("admin:product_eventbatch_change", args=[EventBatch.objects.get().pk])).status_code == 200
    client.post(reverse("admin:product_writekey_changelist"), {"action": "revoke", "_selected_action": [key.pk]})
    key.refresh_from_db()
    assert key.revoked_at
