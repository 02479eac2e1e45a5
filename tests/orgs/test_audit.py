"""The chain of audit entries."""

import threading

import pytest
from django.db import connection

from integrations import audit
from integrations.models import AuditEntry


@pytest.fixture
def three(cast) -> list[AuditEntry]:
    return [audit.record(f"test.done{n}", actor=cast.ada, target="x", after={"n": n}, address="10.0.0.1") for n in range(3)]


def test_i_24_an_untouched_chain_holds(three):
    assert audit.verify() == audit.Verification(3)
    assert audit.verify().holds


@pytest.mark.parametrize("change", ["action = 'test.other'", "actor_name = 'marsha'", "after = '{}'", "address = NULL"])
def test_i_24_a_changed_entry_shows(three, change):
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE integrations_auditentry SET {change} WHERE id = %s", [three[1].pk])
    found = audit.verify()
    assert found.broken_id == three[1].pk
    assert found.checked == 1


def test_i_24_a_removed_entry_shows(three):
    AuditEntry.objects.filter(pk=three[1].pk).delete()
    assert audit.verify().broken_id == three[2].pk


def test_i_24_a_rebuilt_chain_without_the_key_shows(three, settings):
    settings.SECRET_KEY = "y" * 60
    assert not audit.verify().holds
    settings.SECRET_KEY_FALLBACKS = ["only-for-the-tests-0123456789-0123456789-0123456789-0123456789"]
    assert audit.verify().holds


def test_i_24_entries_cannot_be_changed_or_deleted_by_code(three):
    three[0].action = "test.other"
    with pytest.raises(TypeError):
        three[0].save()
    with pytest.raises(TypeError):
        three[0].delete()


def test_s_110_an_entry_says_who_what_when_from_where(three, cast):
    assert three[0].actor_name == "ada"
    assert three[0].at.utcoffset().total_seconds() == 0
    cast.ada.delete()
    kept = AuditEntry.objects.get(pk=three[0].pk)
    assert (kept.actor, kept.actor_name, kept.address) == (None, "ada", "10.0.0.1")
    assert audit.verify().holds


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_i_24_entries_written_at_the_same_moment_stay_one_chain():
    def write() -> None:
        for done in range(5):
            audit.record("test.done", target=done)
        connection.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert audit.verify() == audit.Verification(20)


def test_s_110_address_is_the_peer_unless_a_proxy_of_ours_says_more(rf, settings):
    request = rf.get("/", REMOTE_ADDR="10.1.1.1", HTTP_X_FORWARDED_FOR="6.6.6.6, 10.2.2.2")
    settings.SECURE_PROXY_SSL_HEADER = None
    assert audit.address_of(request) == "10.1.1.1"
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert audit.address_of(request) == "10.2.2.2"
    assert audit.address_of(rf.get("/", REMOTE_ADDR="nonsense")) is None
