"""`manage.py verify_ledger` and `manage.py run`: the ledger checked and driven from a terminal."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import audit
from integrations.models import AuditEntry, RowOutcome, Run, RunObject, SalesforceOrg
from integrations.sync import runs, verifying

pytestmark = pytest.mark.django_db


def say(*words: str) -> str:
    """What a command prints; CommandError when it fails."""
    out = StringIO()
    call_command(*words, stdout=out, stderr=out)
    return out.getvalue()


def refused(*words: str) -> str:
    """Everything that a failing command says."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command(*words, stdout=out, stderr=out)
    return f"{out.getvalue()}{error.value}"


def finished(state: str = "success", **counts: int) -> RunObject:
    run = Run.objects.create(job="test.job", state=state, finished_at=timezone.now())
    return RunObject.objects.create(run=run, name="Account", **counts)


def test_i_01_a_true_ledger_passes(job):
    def perform(recorder: runs.Recorder) -> None:
        recorder.object("Account").written("a")
        recorder.object("Account").skipped("b", "why", "Because.")
        recorder.object("Account").counted("unchanged", 7)

    job(perform)
    runs.request_run("test.job", now=timezone.now())
    audit.record("test.done")
    assert "1 finished runs add up; 1 audit entries hold" in say("verify_ledger")


@pytest.mark.parametrize(
    ("state", "counts", "why"),
    [
        ("success", {"read": 5, "written": 3}, "5 rows read, but 3 written"),
        ("partial", {"read": 2, "written": 2, "failed": 1}, "2 rows read"),
        ("success", {"read": 2, "written": 1, "failed": 1}, "is a success, although 1 rows failed"),
        ("success", {"read": 2, "written": 1, "not_attempted": 1}, "is a success, although 1 rows"),
    ],
)
def test_i_01_counts_that_do_not_add_up_are_named(state, counts, why):
    row = finished(state, **counts)
    text = refused("verify_ledger")
    assert f"Run #{row.run.pk}" in text
    assert why in text


def test_i_01_more_rows_logged_than_counted_are_named():
    row = finished("partial", read=1, failed=1)
    for key in "ab":
        RowOutcome.objects.create(run_object=row, key=key, outcome="failed", code="x")
    assert "2 rows are logged as failed, but 1 counted" in refused("verify_ledger")


def test_a_running_run_is_not_judged():
    run = Run.objects.create(job="test.job", state="running")
    RunObject.objects.create(run=run, name="Account", read=5)
    assert not list(verifying.breaches())


def test_i_24_a_tampered_audit_trail_is_named():
    audit.record("connection.disconnected", target="Acme")
    AuditEntry.objects.update(target="Somebody else")
    assert "Its content was changed" in refused("verify_ledger")


def test_run_performs_a_job_and_prints_its_counts(job):
    job(lambda recorder: recorder.object("things").written("a"), per_org=False)
    text = say("run", "test.job")
    assert "things: 1 read, 1 written" in text
    assert "Succeeded" in text


def test_run_fails_when_rows_failed(job):
    job(lambda recorder: recorder.object("things").failed("a", "bad", "Bad."), per_org=False)
    assert "things: 1 read, 0 written" in refused("run", "test.job")


def test_run_waits_for_its_turns(job):
    def perform(recorder: runs.Recorder) -> None:
        if not recorder.checkpoint:
            recorder.save({"asked": True})
            recorder.wait(until=timezone.now() + timedelta(milliseconds=300), sentence="Salesforce works on it.")
        recorder.object("things").written("a")

    job(perform, per_org=False)
    text = say("run", "test.job")
    assert "Salesforce works on it." in text
    assert "1 written" in text


def test_run_gives_up_waiting_but_not_the_run(job):
    def perform(recorder: runs.Recorder) -> None:
        recorder.save({"asked": True})
        recorder.wait(until=timezone.now() + timedelta(hours=1), sentence="Waits.")

    job(perform, per_org=False)
    assert "still queued" in refused("run", "test.job", "--seconds", "0")
    assert Run.objects.get().state == "queued"


def test_run_names_what_is_wrong(job):
    job(lambda recorder: None)
    assert "No job is called 'nonsense'" in refused("run", "nonsense")
    SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com")
    assert "Known: Acme" in refused("run", "test.job")
    assert "no connection called 'Nobody'" in refused("run", "test.job", "--org", "Nobody")
    assert "Acme is not connected yet" in refused("run", "test.job", "--org", "Acme")


def test_run_can_only_queue(job, settings):
    job(lambda recorder: None, per_org=False)
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "sync": False}
    assert "is queued" in say("run", "test.job", "--queue")
