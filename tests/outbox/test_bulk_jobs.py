"""Bulk loads: every part tracked, every row answered, nothing sent twice, whatever becomes of the job."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from integrations.lake import reading
from integrations.lake.engine import open_engine
from integrations.models import Lease, OutboxBatch, OutboxRow, OutboxTarget, Run
from integrations.salesforce import bulk
from integrations.sync.outbox import bulk_way, planning
from tests.outbox.conftest import classes, outcomes

RULE = {"name": "r", "object": "Project__c", "field": "Name", "op": "contains", "value": "bad", "message": "No bad names"}


def projects(desk, n, *, name="N", **columns):
    accounts = desk.account_ids(20)
    names = [f"{name}{i}" for i in range(n)] if isinstance(name, str) else [name(i) for i in range(n)]
    return {"key": [f"P-{i}" for i in range(n)], "Name": names, "Account__c": [accounts[i % 20] for i in range(n)],
            "parent_key": [accounts[i % 20] for i in range(n)], **columns}  # fmt: skip


def jobs_made(desk):
    return [call for call in desk.demo.calls("/jobs/ingest") if call["method"] == "POST"]


def test_r_130_rejected_rows_come_back_with_code_text_and_our_key(desk):
    desk.demo.control("rules", RULE)
    n, bad = 10_000, 137
    run, report = desk.push(desk.projects(), projects(desk, n, name=lambda i: f"bad {i}" if i < bad else f"N{i}"))
    assert classes(run, "Project__c") == {"written": n - bad, "failed": bad}
    failed = outcomes(run, "failed")
    assert set(failed) == {f"P-{i}" for i in range(bad)}
    assert {(row.code, row.message) for row in failed.values()} == {("FIELD_CUSTOM_VALIDATION_EXCEPTION", "No bad names")}
    batch = OutboxBatch.objects.get(run=run)
    assert (batch.rows, batch.accepted_rows, batch.failed_rows, batch.unprocessed_rows) == (n, n - bad, bad, 0)
    assert OutboxRow.objects.count() == bad
    assert report.created == n - bad


def test_r_131_rows_that_a_failed_job_did_not_get_to_are_not_attempted_and_sent_next_time(desk):
    desk.demo.settings(bulk_fail="InternalServerError : no reason", bulk_fail_after=1000)
    target, rows = desk.projects(), projects(desk, 3000)
    run, _ = desk.push(target, rows)
    assert classes(run, "Project__c") == {"written": 1000, "not_attempted": 2000}
    assert run.state == "partial"
    batch = OutboxBatch.objects.get(run=run)
    assert (batch.state, batch.unprocessed_rows) == ("failed", 2000)
    assert "InternalServerError" in batch.error
    desk.demo.settings(bulk_fail="", bulk_fail_after=0)
    run, _ = desk.push(target, rows)
    assert classes(run, "Project__c") == {"written": 2000, "unchanged": 1000}


def test_r_145_a_large_upload_is_split_and_every_part_is_tracked(desk, monkeypatch):
    monkeypatch.setattr(planning, "PART_BYTES", 60_000)
    n = 4000
    run, report = desk.push(desk.projects(), projects(desk, n))
    assert run.state == "success", run.sentence
    batches = list(OutboxBatch.objects.filter(run=run).order_by("first_place"))
    assert len(batches) > 2
    assert sum(batch.rows for batch in batches) == n
    assert len({batch.job_id for batch in batches}) == len(batches)
    assert [batch.last_place + 1 for batch in batches][:-1] == [batch.first_place for batch in batches][1:]
    assert report.created == n


def test_r_036_a_long_job_holds_no_worker_and_is_collected_later(desk):
    run, report = desk.push_and_leave(desk.projects(), projects(desk, 3000))
    assert (run.state, report) == ("queued", None)
    assert run.not_before > timezone.now()
    assert "Salesforce works on 3,000 rows" in run.sentence
    desk.demo.settings(bulk_hold=False)
    run = desk.again(run)
    assert run.state == "success", run.sentence
    assert classes(run, "Project__c") == {"written": 3000}
    assert len(jobs_made(desk)) == 1


def test_r_036_a_job_that_takes_too_long_is_stopped_and_what_it_did_is_collected(desk):
    run, _ = desk.push_and_leave(desk.projects(), projects(desk, 2600))
    OutboxBatch.objects.update(sent_at=timezone.now() - timedelta(hours=3))
    run = desk.again(run)
    batch = OutboxBatch.objects.get(run=run)
    assert (batch.state, batch.error) == ("failed", "The job ended as Aborted.")
    assert sum(classes(run, "Project__c").values()) == 2600
    assert [call for call in desk.demo.calls("/jobs/ingest/") if call["method"] == "PATCH"][-1]["status"] == 200


def interrupted(desk, target, rows):
    """A run whose worker dies while Salesforce works on its job."""
    run, _ = desk.push_and_leave(target, rows)
    assert run.state == "queued"
    Run.objects.filter(pk=run.pk).update(state="interrupted", reason_code="worker_lost", finished_at=timezone.now())
    return run


def test_r_135_a_killed_run_collects_its_job_instead_of_sending_again(desk):
    target, rows = desk.projects(), projects(desk, 3000)
    interrupted(desk, target, rows)
    desk.demo.settings(bulk_hold=False)
    run, report = desk.push(target, rows)
    assert run.state == "success", run.sentence
    assert len(jobs_made(desk)) == 1
    assert classes(run, "Project__c") == {"written": 3000}
    assert (report.settled, report.unchanged) == (3000, 0)
    assert desk.writes()["rows"] == 3000


def test_r_135_a_job_that_is_still_working_is_waited_for(desk):
    target, rows = desk.projects(), projects(desk, 2600)
    interrupted(desk, target, rows)
    run, _ = desk.push_and_leave(target, rows)
    assert run.state == "queued"
    desk.demo.settings(bulk_hold=False)
    run = desk.again(run)
    assert classes(run, "Project__c") == {"written": 2600}
    assert len(jobs_made(desk)) == 1


def test_i_07_newer_rows_win_over_what_an_interrupted_run_had_sent(desk):
    target, rows = desk.projects(), projects(desk, 2600)
    interrupted(desk, target, rows)
    desk.demo.settings(bulk_hold=False)
    run, _ = desk.push(target, {**rows, "Name": ["newer"] * 2600})
    assert classes(run, "Project__c") == {"written": 2600}
    assert set(desk.values("Project__c", "Name", key="External_Id__c", where="WHERE External_Id__c LIKE 'P-%'").values()) == {
        "newer"
    }


@pytest.mark.parametrize("fate", ["deleted", "open"])
def test_r_135_a_job_that_came_to_nothing_is_sent_anew(desk, fate):
    target, rows = desk.projects(), projects(desk, 2600)
    if fate == "open":  # the worker died between storing the id and uploading
        desk.demo.fault(path="/batches", method="PUT", times=99, action="close")
        run, _ = desk.push(target, rows)
        assert run.state == "deferred", run.sentence
        desk.demo.no_faults()
        assert OutboxBatch.objects.get(run=run).state == "created"
    else:
        interrupted(desk, target, rows)
        batch = OutboxBatch.objects.get()
        job = bulk.read_job(desk.salesforce, "ingest", batch.job_id)
        bulk.abort(desk.salesforce, job)
        bulk.delete_job(desk.salesforce, job)
    desk.demo.settings(bulk_hold=False)
    run, _ = desk.push(target, rows)
    assert run.state == "success", run.sentence
    assert len(jobs_made(desk)) == 2
    assert classes(run, "Project__c") == {"written": 2600}
    assert len(desk.values("Project__c", "Id", key="External_Id__c", where="WHERE External_Id__c LIKE 'P-%'")) == 2600


def test_an_upload_that_arrived_though_nobody_heard_is_not_an_error(desk):
    desk.demo.fault(path="/batches", method="PUT", times=1, cut=0)
    run, report = desk.push(desk.projects(), projects(desk, 2600))
    assert run.state == "success", run.sentence
    assert report.written == 2600


def test_i_01_answers_that_do_not_add_up_are_not_trusted(desk):
    """One line of the good answers is missing: nothing is taken for granted, everything is sent again."""
    target, rows = desk.projects(), projects(desk, 2600)
    header = '"sf__Id","sf__Created","External_Id__c","Name","Account__c"\n'
    desk.demo.fault(path="/successfulResults", times=1, status=200, headers={"Content-Type": "text/csv"}, body=header)
    run, _ = desk.push(target, rows)
    assert classes(run, "Project__c") == {"not_attempted": 2600}
    batch = OutboxBatch.objects.get(run=run)
    assert batch.state == "failed"
    assert "2,600 rows were sent, and Salesforce tells of no answers" in batch.error
    run, _ = desk.push(target, rows)
    assert classes(run, "Project__c") == {"written": 2600}
    run, _ = desk.push(target, rows)
    assert classes(run, "Project__c") == {"unchanged": 2600}


def test_i_02_what_may_have_been_written_is_sent_again_even_if_the_source_turned_back(desk):
    """Accepted A, sent B, the line breaks; meanwhile the source says A again. Salesforce may hold B: A must be sent."""
    ids = desk.account_ids(3)
    target = desk.target()
    desk.push(target, {"key": ids, "PX_Health__c": ["A"] * 3, "PX_Plan__c": ["Free"] * 3})
    desk.demo.fault(path="composite/sobjects", method="PATCH", times=99, cut=0)
    run, _ = desk.push(target, {"key": ids, "PX_Health__c": ["B"] * 3, "PX_Plan__c": ["Free"] * 3})
    assert run.state == "deferred", run.sentence
    desk.demo.no_faults()
    assert {desk.values("Account", "PX_Health__c")[each] for each in ids} == {"B"}, "it had arrived"
    run, _ = desk.push(target, {"key": ids, "PX_Health__c": ["A"] * 3, "PX_Plan__c": ["Free"] * 3})
    assert classes(run, "Account") == {"written": 3}
    assert {desk.values("Account", "PX_Health__c")[each] for each in ids} == {"A"}
    assert list(outcomes(run, "written")[ids[0]].detail["changes"]) == ["PX_Health__c"], "only the field in doubt"
    run, _ = desk.push(target, {"key": ids, "PX_Health__c": ["A"] * 3, "PX_Plan__c": ["Free"] * 3})
    assert classes(run, "Account") == {"unchanged": 3}


def test_i_03_files_of_the_accepted_state_are_registered_with_their_batch(desk, monkeypatch):
    """The transaction that stores an answer fails: the accepted state and the batch stay as they were, together."""
    target, rows = desk.projects(), projects(desk, 2600)

    def broken(*_args, **_options):
        raise RuntimeError("the disk of the database is full")

    with monkeypatch.context() as patched:
        patched.setattr("integrations.sync.outbox.waiting.free_accepted", broken)
        with pytest.raises(RuntimeError):
            desk.push(target, rows)
    assert OutboxBatch.objects.get().state == "sent"
    accepted = OutboxTarget.objects.get(pk=target.pk).accepted
    assert not accepted.files.exists()
    run, report = desk.push(target, rows)
    assert (run.state, report.settled) == ("success", 2600)
    assert len(jobs_made(desk)) == 1
    with open_engine() as engine:
        engine.bind("accepted", reading.newest(accepted))
        assert engine.rows("SELECT count(*) FROM accepted WHERE id_ IS NOT NULL") == [(2600,)]


def test_r_017_a_cancelled_run_stops_and_counts_what_it_left(desk, monkeypatch):
    target, rows = desk.projects(), projects(desk, 2600)
    take = bulk_way.loads.create_load

    def cancelled(*args, **options):
        Run.objects.filter(state="running").update(cancel_requested=True)
        return take(*args, **options)

    monkeypatch.setattr(bulk_way.loads, "create_load", cancelled)
    run, _ = desk.push(target, rows)
    assert run.state == "cancelled"
    assert classes(run, "Project__c") == {"not_attempted": 2600}
    monkeypatch.undo()


def test_i_08_a_worker_that_lost_its_lease_writes_nothing_any_more(desk, monkeypatch):
    target, rows = desk.projects(), projects(desk, 2600)
    create = bulk_way.loads.create_load

    def overtaken(*args, **options):
        Lease.objects.update(fence=F("fence") + 1)
        return create(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(bulk_way.loads, "create_load", overtaken)
        run, _ = desk.push(target, rows)
    assert run.reason_code == "lease_lost"
    assert desk.writes()["rows"] == 0
    assert not [call for call in desk.demo.calls("/batches") if call["method"] == "PUT"]
    Lease.objects.update(expires_at=None)
    run, report = desk.push(target, rows)
    assert (run.state, report.created) == ("success", 2600), run.sentence


def test_i_18_a_push_that_would_exceed_our_share_waits(desk, settings):
    settings.API_BUDGET_SHARE = 0.0001
    target, ids = desk.target(), desk.account_ids(5)
    run, _ = desk.push(target, {"key": ids, "PX_Health__c": list("abcde")})
    assert (run.state, run.reason_code) == ("deferred", "api_share"), run.sentence
    assert classes(run, "Account") == {"not_attempted": 5}
    assert desk.writes()["rows"] == 0
    assert Run.objects.filter(resumed_from=run).get().not_before > timezone.now()
    settings.API_BUDGET_SHARE = 0.2
    Run.objects.filter(resumed_from=run).delete()
    run, report = desk.push(target, {"key": ids, "PX_Health__c": list("abcde")})
    assert report.written == 5
    assert run.calls == report.calls > 0


def test_i_08_a_target_that_another_run_writes_to_is_left_to_it(desk):
    """Two jobs with leases of their own: the second waits until the first has heard from Salesforce."""
    from integrations.models import OutboxPush

    target, rows = desk.projects(), projects(desk, 2600)
    first, _ = desk.push_and_leave(target, rows)
    assert first.state == "queued"
    second = Run.objects.create(job="test.other", org=desk.org, domain="test", state="running")
    OutboxPush.objects.update(run=second)  # the same push, as if another job had made it
    OutboxBatch.objects.update(run=second)
    Run.objects.filter(pk=first.pk).update(state="cancelled")
    run, _ = desk.push(target, rows)
    assert run.state == "queued"
    assert f"Run #{second.pk} writes to Project__c now" in run.sentence
    assert OutboxBatch.objects.get().state == "sent", "nobody touched its job"
    Run.objects.filter(pk=second.pk).update(state="interrupted")
    desk.demo.settings(bulk_hold=False)
    run = desk.again(run)
    assert run.state == "success", run.sentence
    assert classes(run, "Project__c") == {"written": 2600}
    assert len(jobs_made(desk)) == 1


@pytest.mark.django_db(transaction=True)
def test_r_259_a_lost_race_in_the_database_is_tried_again_and_counted_once(desk, monkeypatch):
    from django.db import OperationalError

    from integrations.sync.outbox import waiting

    free, turns = waiting.free_accepted, []

    def busy_once(*args, **options):
        turns.append(1)
        if len(turns) == 1:
            raise OperationalError("database is locked")
        return free(*args, **options)

    monkeypatch.setattr(waiting, "free_accepted", busy_once)
    target, rows = desk.projects(), projects(desk, 2600)
    run, report = desk.push(target, rows)
    assert len(turns) == 2
    assert classes(run, "Project__c") == {"written": 2600}
    assert run.calls == report.calls
    target.refresh_from_db()
    assert target.accepted.files.count() == 1
    assert OutboxBatch.objects.get().state == "collected"


def test_r_152_missed_slots_make_one_catch_up(desk, settings, monkeypatch):
    from django_q.conf import Conf

    from integrations.sync import runs
    from integrations.sync.outbox import registering

    registering.register()
    desk.push(desk.target(), {"key": desk.account_ids(1), "PX_Health__c": ["x"]})
    monkeypatch.setattr(Conf, "SYNC", False)  # or the first slot would be over before the second
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "sync": False}
    asked = [runs.start_slot("outbox.verify", now=timezone.now()) for _ in range(3)]
    assert len({run.pk for each in asked for run in each}) == 1
    assert Run.objects.filter(job="outbox.verify").count() == 1
