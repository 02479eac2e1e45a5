"""Turns at SQLite's write lock: waited for in short steps, and not for ever."""

import threading

import pytest
from django.db import OperationalError, connection, connections, transaction

from integrations.models import Attribute, Entity

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.concurrency]


@pytest.fixture(autouse=True)
def _on_sqlite(transactional_db) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the lock of a whole database is SQLite's")


def busy_timeout() -> int:
    return connection.connection.execute("PRAGMA busy_timeout").fetchone()[0]


def hold(taken: threading.Event, done: threading.Event) -> None:
    with transaction.atomic():
        Attribute.objects.create(entity=Entity.CUSTOMER, key="first", label="First")
        taken.set()
        done.wait(60)
    connections.close_all()


@pytest.fixture
def held():
    """Somebody else writes until `done` is set."""
    taken, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=hold, args=(taken, done))
    thread.start()
    taken.wait(60)
    yield done
    done.set()
    thread.join(60)


def test_a_transaction_waits_until_the_other_one_ended(held) -> None:
    threading.Timer(0.05, held.set).start()
    with transaction.atomic():
        assert Attribute.objects.filter(key="first").exists(), "the other one was committed before"
        Attribute.objects.create(entity=Entity.CUSTOMER, key="second", label="Second")
    assert busy_timeout() == 0, "the waiting is ours"


def test_a_statement_of_its_own_waits_too(held) -> None:
    threading.Timer(0.05, held.set).start()
    assert Attribute.objects.update(label="Changed") == 1, "the row of the other one"
    assert busy_timeout() == 0


def test_many_rows_outside_of_a_transaction_are_written_once(held) -> None:
    threading.Timer(0.05, held.set).start()
    table = connection.ops.quote_name(Attribute._meta.db_table)
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {table} SET label = label || %s", [("!",), ("!",)])
    assert Attribute.objects.get().label == "First!!"
    assert busy_timeout() == 0


def test_it_gives_up_after_the_timeout_of_the_settings(held, monkeypatch) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.05)
    with pytest.raises(OperationalError, match="locked"), transaction.atomic():
        raise AssertionError("never reached")
    monkeypatch.undo()
    held.set()
    with transaction.atomic():
        assert Attribute.objects.count() == 1


def test_a_reader_whose_data_changed_since_is_refused_at_once(transactional_db) -> None:
    """It reads, somebody else writes, and it wants to write on what it read: no waiting makes that right."""
    Attribute.objects.create(entity=Entity.CUSTOMER, key="one", label="One")
    connection.ensure_connection()
    raw = connection.connection
    raw.execute("BEGIN")
    raw.execute(f"SELECT * FROM {Attribute._meta.db_table}").fetchall()
    thread = threading.Thread(target=lambda: (Attribute.objects.update(label="Other"), connections.close_all()))
    thread.start()
    thread.join(60)
    try:
        with pytest.raises(OperationalError, match="locked"), connection.cursor() as cursor:
            cursor.execute(f"UPDATE {Attribute._meta.db_table} SET label = 'Mine'")
    finally:
        raw.rollback()
