"""Races with real threads on a real server: one claim, one lease, one queued run, counts right after deadlocks."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, connections
from django.db.models import F

from integrations.models import Lease, Run, RunObject, SalesforceOrg
from integrations.sync import jobs, leases, retrying, runs
from integrations.sync.tally import Tally

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races")]


@pytest.fixture
def only_postgresql(transactional_db) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one write at a time: there are neither deadlocks nor serialization failures")


@pytest.fixture
def org() -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")


def together(work: Callable[[int], object], n: int) -> list[object]:
    """Results of n threads that start in the same moment; an exception is a result too."""
    barrier, results = threading.Barrier(n), []

    def one(number: int) -> None:
        barrier.wait(60)
        try:
            results.append(work(number))
        except Exception as error:  # noqa: BLE001
            results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_r_081_of_eight_workers_one_performs_the_run(org, monkeypatch):
    performed = []
    monkeypatch.setitem(
        jobs._jobs, "test.race", jobs.Job("test.race", "Race", "test", lambda recorder: performed.append(recorder.fence))
    )
    run = Run.objects.create(job="test.race", org=org, domain="test")
    words = together(lambda number: runs.perform_run(run.pk), 8)
    assert len(performed) == 1
    assert words.count("success") == 1
    assert {word for word in words if word != "success"} <= {"already running", "nothing to do"}
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("success", 1)


def test_i_08_of_eight_holders_one_gets_the_lease_and_fences_only_grow(now):
    for turn in range(1, 4):
        fences = together(lambda number: leases.acquire("job:1", holder=str(number), now=now), 8)
        assert sorted(fences, key=str) == sorted([turn] + [None] * 7, key=str)
        leases.release("job:1", fence=turn)
    assert Lease.objects.get().fence == 3


def test_i_08_an_expired_lease_is_taken_over_by_one(now):
    old = leases.acquire("job:1", holder="dead", now=now)
    later = now + leases.LEASE_TIME + timedelta(seconds=1)
    fences = together(lambda number: leases.acquire("job:1", holder=str(number), now=later), 8)
    assert [fence for fence in fences if fence] == [2]
    assert not leases.extend("job:1", fence=old, now=later)


def test_r_084_run_now_at_the_same_moment_is_one_queued_run(org, monkeypatch, settings):
    monkeypatch.setitem(jobs._jobs, "test.race", jobs.Job("test.race", "Race", "test", lambda recorder: None))
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "sync": True}
    monkeypatch.setattr(runs, "_enqueue", lambda run, now: None)
    now = SalesforceOrg.objects.get().created_at
    found = together(lambda number: runs.request_run("test.race", org=org, now=now).pk, 10)
    assert len(set(found)) == 1
    assert Run.objects.count() == 1


def test_r_259_real_deadlocks_are_tried_again_and_counts_stay_right(only_postgresql):
    """Two workers touch two rows in opposite order: PostgreSQL undoes one of them, which then does all of it again."""
    run = Run.objects.create(job="test.race", domain="test", state="running")
    tallies = [Tally(run, "a"), Tally(run, "b")]
    deadlocks, gate = [], threading.Barrier(2)

    def work(number: int) -> int:
        met = False

        def both() -> None:
            nonlocal met
            for tally in tallies if number == 0 else tallies[::-1]:
                RunObject.objects.filter(pk=tally.row.pk).update(read=F("read") + 1, unchanged=F("unchanged") + 1)
                if not met:
                    met = True
                    gate.wait(60)  # now both hold one row and want the other's

        def counted() -> None:
            try:
                both()
            except OperationalError:
                deadlocks.append(number)
                raise

        retrying.in_transaction(counted)
        return number

    assert sorted(together(work, 2), key=str) == [0, 1]
    assert len(deadlocks) == 1, "the test must meet a deadlock to prove anything"
    assert list(RunObject.objects.order_by("name").values_list("read", "unchanged")) == [(2, 2), (2, 2)]


def test_r_259_serialization_failures_are_tried_again(only_postgresql):
    """Increments at isolation SERIALIZABLE refuse each other; none is lost."""
    run = Run.objects.create(job="test.race", domain="test", state="running")
    row = RunObject.objects.create(run=run, name="rows")
    conflicts = []

    def work(number: int) -> int:
        def increment() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            try:
                found = RunObject.objects.get(pk=row.pk)
                found.read += 1
                found.save(update_fields=["read"])
            except OperationalError:
                conflicts.append(number)
                raise

        done = 0
        while done < 5:  # at most 3 tries each; what is given up is reported and asked again by the caller
            try:
                retrying.in_transaction(increment)
                done += 1
            except OperationalError:
                continue
        return done

    assert together(work, 3) == [5, 5, 5]
    row.refresh_from_db()
    assert row.read == 15
    assert conflicts
