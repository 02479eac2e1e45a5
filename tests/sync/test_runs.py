"""The ledger: one runner, honest ends, nothing lost after a crash."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.models import Lease, RowOutcome, Run, RunObject, SalesforceOrg
from integrations.salesforce import errors
from integrations.sync import leases, runs

pytestmark = pytest.mark.django_db


@pytest.fixture
def org() -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")


def ask(org, now=None, **extra) -> Run:
    return runs.request_run("test.job", org=org, now=now or timezone.now(), **extra)


def queue_only(org, **fields) -> Run:
    """A queued run that no queue has performed yet."""
    return Run.objects.create(job="test.job", org=org, domain="test", **fields)


def test_i_01_classes_add_up(org, job):
    def perform(recorder):
        tally = recorder.object("rows")
        tally.written("a")
        tally.unchanged(3)
        tally.skipped("b", "out_of_scope", "Not linked.")
        recorder.save({"page": 1})
        tally.unchanged(2)

    job(perform)
    run = ask(org)
    row = RunObject.objects.get(run=run)
    assert (row.read, row.written, row.unchanged, row.skipped, row.failed) == (7, 1, 5, 1, 0)
    assert run.state == "success"
    assert run.sentence == "1 written, 5 unchanged."
    assert RowOutcome.objects.filter(run_object=row).count() == 2


def test_i_12_success_needs_no_failed_row(org, job):
    def perform(recorder):
        recorder.object("rows").unchanged(1)
        recorder.object("rows").failed("x", "TOO_LONG", "too long (300 > 255)", label="X")

    job(perform)
    run = ask(org)
    assert run.state == "partial"
    assert "1 failed" in run.sentence


def test_i_12_all_rows_failed_is_failed(org, job):
    job(lambda recorder: recorder.object("rows").failed("x", "c", "m"))
    assert ask(org).state == "failed"


def test_i_12_counts_that_differ_are_never_success(org, job):
    def perform(recorder):
        recorder.object("rows").written("a")
        recorder.flush()
        RunObject.objects.update(read=5)

    job(perform)
    run = ask(org)
    assert (run.state, run.reason_code) == ("failed", "counts_differ")


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (errors.UpstreamUnavailable("503"), "deferred", "upstream"),
        (errors.DailyLimitReached("TotalRequests Limit exceeded."), "deferred", "api_limit"),
        (errors.ReauthorizationRequired("expired access/refresh token"), "failed", "reauth_required"),
        (runs.Defer("maintenance", "Salesforce is in maintenance."), "deferred", "maintenance"),
        (ZeroDivisionError("secret 00D000000000001!AQEAQabc"), "failed", "unexpected"),
    ],
)
def test_every_exception_becomes_a_state_and_a_sentence(org, job, error, state, code):
    def perform(recorder):
        recorder.object("rows").written("kept")
        raise error

    job(perform)
    run = ask(org)
    assert (run.state, run.reason_code) == (state, code)
    assert run.sentence
    assert "00D0" not in run.sentence
    assert RunObject.objects.get(run=run).written == 1, "what was counted before the error stays"


def test_r_081_second_worker_finds_it_running(org, job):
    seen = []

    def perform(recorder):
        again = Run.objects.get(pk=recorder.run.pk)
        seen.append(runs.perform_run(again.pk))

    job(perform)
    run = ask(org)
    assert run.state == "success"
    assert seen == ["already running"]


def test_i_08_lease_refuses_a_second_holder_and_a_stale_one(now):
    first = leases.acquire("job:1", holder="a", now=now)
    assert first == 1
    assert leases.acquire("job:1", holder="b", now=now) is None
    later = now + leases.LEASE_TIME + timedelta(seconds=1)
    assert leases.acquire("job:1", holder="b", now=later) == 2
    assert not leases.extend("job:1", fence=first, now=later), "the stale holder may not write any more"
    leases.release("job:1", fence=first)
    assert Lease.objects.get(name="job:1").holder == "b"
    assert timedelta(minutes=5) >= leases.LEASE_TIME


def test_i_08_stale_holder_stops_at_its_next_save(org, job):
    def perform(recorder):
        Lease.objects.update(fence=99)
        recorder.object("rows").written("never")
        recorder.save()

    job(perform)
    run = ask(org)
    assert run.reason_code == "lease_lost"


def test_r_084_run_now_ten_times_is_one_running_and_one_queued(org, job):
    asked = []

    def perform(recorder):
        if not asked:
            asked.append(0)
            asked.extend(ask(org).pk for _ in range(10))

    job(perform)
    first = ask(org)
    assert len(set(asked[1:])) == 1
    assert first.pk not in asked
    assert Run.objects.count() == 2


def test_one_running_run_a_connection_is_the_database_s_rule(org):
    queue_only(org, state="running")
    with pytest.raises(IntegrityError), transaction.atomic():
        queue_only(org, state="running")
    queue_only(None, state="running")
    with pytest.raises(IntegrityError), transaction.atomic():
        queue_only(None, state="running")


def test_r_082_lost_worker_reads_interrupted_and_is_resumed(org, job, now):
    done = []
    job(lambda recorder: done.append(recorder.checkpoint))
    lost = queue_only(
        org, state="running", heartbeat_at=now - timedelta(minutes=4, seconds=1), checkpoint={"page": 7}, attempts=1
    )
    assert runs.sweep(now=now)["interrupted"] == 1
    lost.refresh_from_db()
    assert lost.state == "interrupted"
    assert done == [{"page": 7}], "the new run starts at the checkpoint"
    assert Run.objects.get(resumed_from=lost).state == "success"


def test_r_285_badge_turns_interrupted_within_five_minutes():
    assert runs.LOST_AFTER + timedelta(minutes=1) <= timedelta(minutes=5)


def test_r_252_a_run_that_kills_its_worker_is_given_up(org, job, now):
    job(lambda recorder: None)
    lost = queue_only(org, state="running", heartbeat_at=now - timedelta(hours=1), attempts=runs.ATTEMPTS)
    runs.sweep(now=now)
    lost.refresh_from_db()
    assert (lost.state, lost.reason_code) == ("failed", "worker_lost")
    assert f"{runs.ATTEMPTS} times" in lost.sentence
    assert not Run.objects.filter(resumed_from=lost).exists()


def test_r_256_queue_lost_its_tasks_and_the_sweeper_finds_the_run(org, job, now):
    job(lambda recorder: recorder.object("rows").unchanged())
    forgotten = queue_only(org, enqueued_at=now - timedelta(minutes=6))
    fresh = Run.objects.create(job="test.job", org=None, domain="test", enqueued_at=now - timedelta(minutes=1))
    assert runs.sweep(now=now)["requeued"] == 1
    forgotten.refresh_from_db()
    fresh.refresh_from_db()
    assert (forgotten.state, fresh.state) == ("success", "queued")


def test_deferred_run_waits_until_its_time(org, job, now):
    tries = []

    def perform(recorder):
        tries.append(1)
        if len(tries) == 1:
            raise runs.Defer("busy", "Later.", until=now + timedelta(minutes=15))

    job(perform)
    first = ask(org, now=now)
    assert first.state == "deferred"
    waiting = Run.objects.get(resumed_from=first)
    assert runs.perform_run(waiting.pk) == "not yet"
    Run.objects.filter(pk=waiting.pk).update(not_before=now - timedelta(seconds=1))
    runs.sweep(now=now)
    waiting.refresh_from_db()
    assert waiting.state == "success"


def test_r_017_disconnect_stops_the_run_at_its_next_page(org, job):
    def perform(recorder):
        recorder.object("rows").written("page 1")
        recorder.save({"page": 1})
        SalesforceOrg.objects.update(generation=1)
        recorder.object("rows").written("page 2")
        recorder.save({"page": 2})

    job(perform)
    run = ask(org)
    assert (run.state, run.reason_code) == ("cancelled", "disconnected")
    assert run.checkpoint == {"page": 1}


def test_r_017_disconnect_empties_the_queue(org, job, now):
    queued = queue_only(org)
    assert runs.cancel_runs_of(org, reason="The connection was disconnected.", now=now) == 1
    queued.refresh_from_db()
    assert queued.state == "cancelled"


def test_r_263_worker_told_to_stop_interrupts_at_the_next_save(org, job, tmp_path, monkeypatch):
    stop = tmp_path / "stop"
    monkeypatch.setenv("CAUSEWAY_STOP_FILE", str(stop))
    tries = []

    def perform(recorder):
        tries.append(1)
        if len(tries) == 1:
            stop.touch()
            recorder.object("rows").written("page 1")
            try:
                recorder.save({"page": 1})
            finally:
                stop.unlink()

    job(perform)
    run = ask(org)
    assert (run.state, run.reason_code) == ("interrupted", "worker_stopping")
    assert Run.objects.get(resumed_from=run).state == "success"


def test_cancel_before_and_during(org, job, now, cast):
    queued = queue_only(org)
    assert runs.cancel_run(queued, user=cast.olga, now=now)
    job(lambda recorder: (runs.cancel_run(recorder.run, user=cast.olga, now=now), recorder.save()))
    run = ask(org)
    assert (run.state, run.reason_code) == ("cancelled", "cancelled")
    assert not runs.cancel_run(run, user=cast.olga, now=now)


def test_r_269_samples_are_bounded_and_counts_are_not(org, job):
    def perform(recorder):
        for number in range(1500):
            recorder.object("rows").failed(str(number), "BAD", "bad")

    job(perform)
    run = ask(org)
    assert RunObject.objects.get(run=run).failed == 1500
    assert RowOutcome.objects.filter(run_object__run=run).count() == 1000


def test_a_row_named_twice_is_counted_once(org, job):
    def perform(recorder):
        recorder.object("rows").failed("a", "LOCK", "locked")
        recorder.save()
        recorder.object("rows").written("a")

    job(perform)
    row = RunObject.objects.get(run=ask(org))
    assert (row.read, row.written, row.failed) == (1, 1, 0)


def test_s_114_retention(org, job, now):
    old = queue_only(org, state="success", finished_at=now - timedelta(days=181))
    kept = queue_only(org, state="success", finished_at=now - timedelta(days=40))
    counted = RunObject.objects.create(run=kept, name="rows")
    RowOutcome.objects.create(run_object=counted, key="a", outcome="failed", at=now - timedelta(days=31))
    RowOutcome.objects.create(run_object=counted, key="b", outcome="failed", at=now - timedelta(days=29))
    assert runs.purge(now=now) == {"rows": 1, "runs": 1}
    assert not Run.objects.filter(pk=old.pk).exists()
    assert list(RowOutcome.objects.values_list("key", flat=True)) == ["b"]


def test_i_10_one_connection_does_not_stop_another(org, job, now):
    other = SalesforceOrg.objects.create(name="Other", login_url="https://other.my.salesforce.com", state="connected")

    def perform(recorder):
        if recorder.org == org:
            raise errors.ReauthorizationRequired("gone")

    job(perform)
    states = {run.org.name: run.state for run in runs.start_slot("test.job", now=now)}
    assert states == {"Acme": "failed", "Other": "success"}
    assert other.is_connected


def test_schedule_skips_paused_and_switched_off(org, job, now):
    job(lambda recorder: None, enabled=lambda each: each.okr_enabled)
    SalesforceOrg.objects.create(name="Paused", login_url="https://b.my.salesforce.com", state="paused")
    SalesforceOrg.objects.create(name="Off", login_url="https://c.my.salesforce.com", state="connected", okr_enabled=False)
    assert [run.org.name for run in runs.start_slot("test.job", now=now)] == ["Acme"]


def test_unknown_job_names_the_known_ones():
    with pytest.raises(KeyError, match="known:"):
        runs.request_run("no.such", now=timezone.now())
