"""A long run gives its worker back and goes on from its checkpoint (R-036, R-079)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import RowOutcome, Run, RunObject
from integrations.sync import runs

pytestmark = pytest.mark.django_db


def start(job_name: str = "test.job") -> Run:
    return runs.request_run(job_name, now=timezone.now())


def test_r_036_a_waiting_run_holds_no_worker_and_goes_on_from_its_checkpoint(job) -> None:
    seen = []

    def perform(recorder: runs.Recorder) -> None:
        seen.append(dict(recorder.checkpoint))
        if not recorder.checkpoint:
            recorder.object("things").written("a")
            recorder.save({"job": "750x"})
            recorder.wait(until=timezone.now() + timedelta(seconds=30), sentence="Salesforce works on the job.")
        recorder.object("things").written("b")

    job(perform)
    run = start()
    assert run.state == Run.State.QUEUED
    assert run.sentence == "Salesforce works on the job."
    assert run.not_before > timezone.now()
    assert run.attempts == 0, "waiting is no crash"
    assert runs.perform_run(run.pk) == "not yet"

    Run.objects.filter(pk=run.pk).update(not_before=timezone.now())
    runs.sweep(now=timezone.now())
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS
    assert seen == [{}, {"job": "750x"}]
    assert RunObject.objects.get(run=run).written == 2


def test_a_turn_ends_when_its_time_is_used_and_the_next_begins_at_once(job, monkeypatch) -> None:
    monkeypatch.setattr(runs, "SLICE_SECONDS", -1)

    def perform(recorder: runs.Recorder) -> None:
        page = recorder.checkpoint.get("page", 0) + 1
        recorder.object("pages").written(str(page))
        recorder.save({"page": page})
        if page < 4:
            recorder.breathe()

    job(perform)
    run = start()
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS
    assert RunObject.objects.get(run=run).written == 4
    assert run.started_at <= run.finished_at


def test_the_first_turn_tells_when_the_run_started(job) -> None:
    def perform(recorder: runs.Recorder) -> None:
        if not recorder.checkpoint:
            recorder.save({"turn": 1})
            recorder.wait(until=timezone.now() + timedelta(hours=1), sentence="Waits.")

    job(perform)
    run = start()
    first = run.started_at
    Run.objects.filter(pk=run.pk).update(not_before=None)
    runs.perform_run(run.pk)
    run.refresh_from_db()
    assert run.started_at == first


def test_r_084_a_request_for_a_waiting_run_gives_that_run(job) -> None:
    def perform(recorder: runs.Recorder) -> None:
        recorder.save({"turn": 1})
        recorder.wait(until=timezone.now() + timedelta(hours=1), sentence="Waits.")

    job(perform)
    run = start()
    assert start().pk == run.pk
    assert Run.objects.count() == 1


def test_r_084_a_run_queued_meanwhile_is_joined_with_the_one_that_goes_on(job) -> None:
    def perform(recorder: runs.Recorder) -> None:
        Run.objects.create(job="test.job", domain="test")  # somebody pressed the button
        recorder.save({"turn": 1})
        recorder.wait(until=timezone.now() + timedelta(hours=1), sentence="Waits.")

    job(perform)
    run = start()
    twin = Run.objects.exclude(pk=run.pk).get()
    assert (run.state, twin.state, twin.reason_code) == (Run.State.QUEUED, Run.State.CANCELLED, "joined")


def test_a_pause_is_not_swallowed_by_code_that_guards_one_object(job) -> None:
    def perform(recorder: runs.Recorder) -> None:
        try:
            recorder.wait(until=timezone.now() + timedelta(hours=1), sentence="Waits.")
        except Exception:  # noqa: BLE001  what a loop over objects does (I-10)
            pytest.fail("a pause is no error")

    job(perform)
    assert start().state == Run.State.QUEUED


def test_a_cancelled_pause_does_not_go_on(job) -> None:
    def perform(recorder: runs.Recorder) -> None:
        recorder.save({"turn": 1})
        recorder.wait(until=timezone.now() + timedelta(hours=1), sentence="Waits.")

    job(perform)
    run = start()
    assert runs.cancel_run(run, user=None, now=timezone.now())
    assert runs.perform_run(run.pk) == "nothing to do"


def test_i_03_what_is_saved_along_stands_or_falls_with_the_checkpoint(job, monkeypatch) -> None:
    def perform(recorder: runs.Recorder) -> None:
        def along() -> None:
            Run.objects.filter(pk=recorder.run.pk).update(configuration="half")
            raise ValueError("lost")

        recorder.object("things").written("a")
        recorder.save({"page": 1}, also=along)

    job(perform)
    run = start()
    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert (run.configuration, run.checkpoint) == ("", {})


def test_r_269_samples_of_one_class_are_bounded_over_all_turns(job, monkeypatch) -> None:
    monkeypatch.setattr("integrations.sync.tally.SAMPLES_OF_A_CLASS", 3)
    monkeypatch.setattr(runs, "SLICE_SECONDS", -1)

    def perform(recorder: runs.Recorder) -> None:
        page = recorder.checkpoint.get("page", 0) + 1
        for place in range(2):
            recorder.object("rows").failed(f"{page}.{place}", "bad", "Bad row.")
        recorder.object("rows").counted(RowOutcome.Outcome.WRITTEN, 100)
        recorder.save({"page": page})
        if page < 4:
            recorder.breathe()

    job(perform)
    run = start()
    counts = RunObject.objects.get(run=run)
    assert (counts.failed, counts.written, counts.read) == (8, 400, 408)
    assert RowOutcome.objects.filter(run_object=counts).count() == 3


def test_r_017_a_run_that_was_cancelled_while_it_worked_does_not_wait_first(job) -> None:
    def perform(recorder: runs.Recorder) -> None:
        runs.cancel_run(recorder.run, user=None, now=timezone.now())
        recorder.wait(until=timezone.now() + timedelta(hours=1), sentence="Waits.")

    job(perform)
    assert start().state == Run.State.CANCELLED
