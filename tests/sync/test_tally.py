"""Counting: nothing twice, nothing lost, bounded memory, and a breaker when everything fails."""

import logging
import tracemalloc

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone

from integrations.models import RowOutcome, Run, RunObject
from integrations.sync import jobs, retrying, runs
from integrations.sync.tally import FLUSH_ROWS, KEY_LENGTH, Tally, key_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def perform(monkeypatch):
    """Run a function as a job and give back its run."""
    monkeypatch.setattr(jobs, "_jobs", dict(jobs._jobs))

    def work(body) -> Run:
        jobs._jobs["test.count"] = jobs.Job("test.count", "Count", "test", body, per_org=False)
        return runs.request_run("test.count", now=timezone.now())

    return work


def counts(run: Run) -> RunObject:
    return RunObject.objects.get(run=run)


def fail(recorder, n: int) -> None:
    for number in range(n):
        recorder.object("rows").failed(str(number), "BAD", "bad")


def test_r_269_more_than_half_of_the_first_5000_failing_stops_the_run(perform):
    def body(recorder):
        fail(recorder, 100_000)

    run = perform(body)
    assert (run.state, run.reason_code) == ("failed", "too_many_failures")
    assert "5,000" in run.sentence
    assert counts(run).failed == counts(run).read == 5000
    assert RowOutcome.objects.filter(run_object__run=run).count() == 1000


def test_r_269_half_is_not_more_than_half_and_later_failures_do_not_trip(perform):
    def body(recorder):
        fail(recorder, 2500)
        recorder.object("others").unchanged(2500)
        for number in range(3000):
            recorder.object("late").failed(f"late {number}", "BAD", "bad")

    run = perform(body)
    assert run.state == "partial"
    assert sum(row.failed for row in RunObject.objects.filter(run=run)) == 5500


def test_r_269_small_runs_are_never_stopped(perform):
    run = perform(lambda recorder: fail(recorder, 4999))
    assert run.reason_code == "rows_failed"


def test_r_268_memory_and_log_do_not_grow_with_the_rows(perform, caplog):
    caplog.set_level(logging.DEBUG, logger="integrations")
    peaks, buffered = [], []

    def body(recorder):
        tally = recorder.object("rows")
        tracemalloc.start()
        for number in range(6_000):
            tally.written(f"row {number}")
            buffered.append(len(tally._rows))
            if number % 1500 == 1499:
                tally.unchanged(250_000)
                recorder.save({"row": number})
                peaks.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()

    run = perform(body)
    assert counts(run).read == 1_006_000
    assert max(buffered) <= FLUSH_ROWS
    assert peaks[-1] < peaks[0] + 4 * 2**20, "bytes held after the last page against the first"
    assert len(caplog.records) < 20


def test_i_01_a_row_named_twice_in_one_buffer_is_counted_once(perform):
    def body(recorder):
        recorder.object("rows").failed("a", "LOCK", "locked")
        recorder.object("rows").written("a")

    run = perform(body)
    assert (counts(run).read, counts(run).written, counts(run).failed) == (1, 1, 0)
    assert run.state == "success"


def test_i_01_long_keys_stay_apart():
    keys = {key_of("k" * 300 + end) for end in ("a", "b")}
    assert len(keys) == 2
    assert all(len(key) <= KEY_LENGTH for key in keys)
    assert key_of("short") == "short"


def test_r_259_a_flush_that_was_undone_counts_once_when_tried_again():
    run = Run.objects.create(job="test.count", domain="test", state="running")
    tally = Tally(run, "rows")
    tally.written("a")
    tally.flush()
    tally.failed("a", "LOCK", "locked")
    tally.unchanged(2)
    with transaction.atomic():
        tally.write()
        transaction.set_rollback(True)  # as a deadlock would
    tally.flush()
    row = counts(run)
    assert (row.read, row.written, row.failed, row.unchanged) == (3, 0, 1, 2)


class FailingTimes:
    """Fails the first `times` calls as a database does."""

    def __init__(self, times: int, error: Exception) -> None:
        self.left, self.error, self.calls = times, error, 0

    def __call__(self) -> str:
        self.calls += 1
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return "done"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("times", "calls"), [(0, 1), (3, 4), (99, 4)])
def test_r_259_a_lost_race_is_tried_three_times_more(monkeypatch, times, calls):
    monkeypatch.setattr(retrying, "WAITS", (0, 0, 0))
    work = FailingTimes(times, OperationalError("database is locked"))
    if times < 4:
        assert retrying.in_transaction(work) == "done"
    else:
        with pytest.raises(OperationalError):
            retrying.in_transaction(work)
    assert work.calls == calls


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [OperationalError("database or disk is full"), IntegrityError("duplicate"), ValueError("no")])
def test_r_259_what_would_fail_again_is_not_tried_again(error):
    work = FailingTimes(1, error)
    with pytest.raises(type(error)):
        retrying.in_transaction(work)
    assert work.calls == 1


def test_r_259_inside_another_transaction_only_the_caller_can_begin_anew():
    work = FailingTimes(1, OperationalError("database is locked"))
    with pytest.raises(OperationalError):
        retrying.in_transaction(work)
    assert work.calls == 1
