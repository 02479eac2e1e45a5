"""Backfills: the numbers before, the pages while, a person's pause and cancel, and fields that join later."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import AuditEntry, Backfill, LakeFile, MirrorField, MirrorObject, Run
from integrations.sync import runs
from integrations.sync.mirror import backfill, backfilling, planning
from tests.mirror.reads import ACCOUNT, ask, counts, mirror, perform, read, rows, truth
from tests.patience import bulk_jobs_that_hang

pytestmark = pytest.mark.django_db
RESULTS = r"/jobs/query/[^/]+/results"


@pytest.fixture
def mirrored(connected_org, need):
    """Accounts of the last six months."""
    need(Account=ACCOUNT)
    read(connected_org)
    return connected_org


@pytest.fixture
def by_pages(demo_org, monkeypatch):
    """Bulk results come in pages of 10 rows."""
    monkeypatch.setattr(planning, "REST_PAGES", 0)
    monkeypatch.setattr(planning, "RESULT_ROWS", 20)
    demo_org.settings(bulk_page_rows=10)
    return demo_org


def asked(org, user=None, **wanted) -> Backfill:
    return backfill.estimate(mirror(org), user=user, now=timezone.now(), **wanted)


def last_run(org) -> Run:
    return Run.objects.filter(job="mirror.backfill", org=org).latest("pk")


def names(org) -> dict[str, str]:
    return {key: row["Name"] for key, row in rows(org).items()}


def test_an_estimate_says_rows_calls_and_seconds_and_costs_one_call(mirrored, demo_org, cast):
    older = len(ask(mirrored, "SELECT Id FROM Account")) - mirror(mirrored).rows - mirror(mirrored).deleted_rows
    demo_org.forget_calls()
    found = asked(mirrored, cast.ada)
    assert found.state == "estimated"
    assert found.estimated_rows == older > 0
    assert found.estimated_calls >= 2
    assert found.estimated_seconds >= 1
    assert len(demo_org.calls("/services/data/v")) == 1
    assert not Run.objects.filter(job="mirror.backfill").exists()
    assert AuditEntry.objects.filter(action="backfill.estimated", actor=cast.ada).exists()


def test_a_full_backfill_brings_what_is_older_and_moves_the_beginning(mirrored, cast):
    found = asked(mirrored, cast.ada)
    run = backfill.start(found, user=cast.ada, now=timezone.now())
    run.refresh_from_db()
    found.refresh_from_db()
    assert (run.state, found.state) == ("success", "done")
    assert found.done_rows == found.estimated_rows == counts(run)["written"]
    assert rows(mirrored).keys() == truth(mirrored, "Name").keys()
    kept = mirror(mirrored)
    assert kept.reads_from is None
    assert kept.rows == len(truth(mirrored, "Name"))
    actions = set(AuditEntry.objects.filter(action__startswith="backfill").values_list("action", flat=True))
    assert actions == {"backfill.estimated", "backfill.started"}


def test_a_backfill_of_a_window_brings_that_window(mirrored):
    since = planning.months_before(timezone.now(), 9)
    found = asked(mirrored, since=since)
    backfill.start(found, user=None, now=timezone.now())
    kept = mirror(mirrored)
    assert kept.reads_from == since
    older = truth(mirrored, "Name", where=f" AND SystemModstamp >= {since:%Y-%m-%dT%H:%M:%SZ}")
    assert rows(mirrored).keys() == older.keys()


def test_i_07_a_backfill_never_puts_an_older_version_over_a_newer(mirrored, demo_org):
    """A record that the backfill will bring changes and is read before it; then everything is read again."""
    key = next(key for key in truth(mirrored, "Name") if key not in rows(mirrored))
    demo_org.control("update", {"object": "Account", "id": key, "fields": {"Name": "Newer"}})
    read(mirrored)
    MirrorObject.objects.update(reads_from=None)
    found = asked(mirrored)
    run = backfill.start(found, user=None, now=timezone.now())
    run.refresh_from_db()
    assert rows(mirrored)[key]["Name"] == "Newer"
    assert counts(run)["unchanged"] > 0, "what the mirror has is counted, not written again"
    assert rows(mirrored).keys() == truth(mirrored, "Name").keys()


def test_backfilling_twice_changes_nothing(mirrored):
    backfill.start(asked(mirrored), user=None, now=timezone.now())
    before = rows(mirrored)
    run = backfill.start(asked(mirrored), user=None, now=timezone.now())
    run.refresh_from_db()
    assert counts(run)["written"] == 0
    assert rows(mirrored) == before


# --- people --------------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_done_is_refused_with_a_reason(mirrored, cast):
    with pytest.raises(Refusal, match="choose an earlier start"):
        asked(mirrored, since=timezone.now())
    with pytest.raises(Refusal, match="is not mirrored"):
        asked(mirrored, only_fields=["Fax"])
    found = asked(mirrored)
    with pytest.raises(Refusal, match="is estimated"):
        backfill.pause(found, user=cast.ada, now=timezone.now())
    backfill.start(found, user=cast.ada, now=timezone.now())
    with pytest.raises(Refusal, match="is done"):
        backfill.cancel(found, user=cast.ada, now=timezone.now())
    type(mirrored).objects.update(state="paused")
    with pytest.raises(Refusal, match="connect it first"):
        asked(mirrored)


def test_an_object_that_was_never_read_is_refused(connected_org):
    made = MirrorObject.objects.create(org=connected_org, name="Account")
    with pytest.raises(Refusal, match="first read comes"):
        backfill.estimate(made, user=None, now=timezone.now())


def after_pages(monkeypatch, number: int, do) -> None:
    """Let something happen when so many pages of a backfill have landed."""
    original, seen = backfilling.BackfillRun.keep, []

    def keep(self, staged):
        seen.append(staged)
        if len(seen) == number:
            do()
        return original(self, staged)

    monkeypatch.setattr(backfilling.BackfillRun, "keep", keep)


def test_a_pause_keeps_what_has_landed_and_resume_goes_on_there(mirrored, by_pages, monkeypatch, cast):
    found = asked(mirrored, cast.ada)
    after_pages(monkeypatch, 4, lambda: backfill.pause(found, user=cast.ada, now=timezone.now()))
    run = backfill.start(found, user=cast.ada, now=timezone.now())
    run.refresh_from_db()
    found.refresh_from_db()
    assert (run.state, found.state) == ("success", "paused")
    assert found.done_rows == 30
    assert len(rows(mirrored)) == mirror(mirrored).rows + 30 - deleted_among(mirrored)
    by_pages.forget_calls()
    backfill.resume(found, user=cast.ada, now=timezone.now())
    found.refresh_from_db()
    assert found.state == "done"
    assert found.done_rows == found.estimated_rows
    assert rows(mirrored).keys() == truth(mirrored, "Name").keys()
    assert not [call for call in by_pages.calls("/jobs/query") if call["method"] == "POST"], "the same job goes on"
    assert len([call for call in by_pages.calls("/results") if call["status"] == 200]) == -(-(found.estimated_rows - 30) // 10)


def deleted_among(org) -> int:
    """Deleted rows that the pages of a backfill brought so far."""
    from integrations.sync.mirror import tables

    table = mirror(org).table
    return tables.count_rows(table)[1] - mirror(org).deleted_rows


def test_a_cancel_stops_it_and_what_has_landed_stays(mirrored, by_pages, monkeypatch, cast):
    found = asked(mirrored)
    after_pages(monkeypatch, 3, lambda: backfill.cancel(found, user=cast.ada, now=timezone.now()))
    before = len(rows(mirrored))
    backfill.start(found, user=cast.ada, now=timezone.now())
    found.refresh_from_db()
    assert found.state == "cancelled"
    assert found.finished_at is not None
    assert len(rows(mirrored)) > before
    with pytest.raises(Refusal, match="is cancelled"):
        backfill.resume(found, user=cast.ada, now=timezone.now())


def test_one_backfill_at_a_time_for_the_same(mirrored, demo_org, monkeypatch):
    monkeypatch.setattr(planning, "REST_PAGES", 0)
    first, second = asked(mirrored), asked(mirrored)
    with bulk_jobs_that_hang(demo_org, backfilling):
        run = backfill.start(first, user=None, now=timezone.now())
        assert run.state == "queued"
        with pytest.raises(Refusal, match="let it end or cancel it"):
            backfill.start(second, user=None, now=timezone.now())
    perform(run)
    first.refresh_from_db()
    assert first.state == "done"


# --- trouble -------------------------------------------------------------------------------------------------------------------


def test_r_079_a_deploy_at_60_percent_stops_at_a_page_and_resumes_there(mirrored, by_pages, monkeypatch, tmp_path):
    stop = tmp_path / "stop"
    monkeypatch.setenv("CAUSEWAY_STOP_FILE", str(stop))
    found = asked(mirrored)
    pages = -(-found.estimated_rows // 10)
    after_pages(monkeypatch, max(2, pages * 6 // 10), stop.touch)
    monkeypatch.setattr(runs, "_enqueue", lambda run, now: None)  # the queue of a worker that stops performs nothing
    run = perform(backfill.start(found, user=None, now=timezone.now()))
    assert (run.state, run.reason_code) == ("interrupted", "worker_stopping")
    found.refresh_from_db()
    assert found.state == "running"
    assert 0 < found.done_rows < found.estimated_rows
    stop.unlink()
    again = perform(run)
    found.refresh_from_db()
    assert (again.state, found.state) == ("success", "done")
    assert found.done_rows == found.estimated_rows, "no page twice, none missing"
    assert rows(mirrored).keys() == truth(mirrored, "Name").keys()


def test_r_059_an_allowance_used_up_in_a_backfill_resumes_at_the_page(mirrored, by_pages):
    found = asked(mirrored)
    by_pages.fault(path=RESULTS, after=3, times=500, action="daily_limit")
    run = backfill.start(found, user=None, now=timezone.now())
    run.refresh_from_db()
    assert (run.state, run.reason_code) == ("deferred", "api_limit")
    by_pages.no_faults()
    perform(run)
    found.refresh_from_db()
    assert found.state == "done"
    assert found.done_rows == found.estimated_rows


def test_r_030_500_twice_on_a_page_of_a_backfill(mirrored, by_pages):
    found = asked(mirrored)
    by_pages.fault(path=RESULTS, after=4, times=2, status=500, body=[{"errorCode": "UNKNOWN_EXCEPTION", "message": "x"}])
    run = backfill.start(found, user=None, now=timezone.now())
    run.refresh_from_db()
    assert run.state == "success"
    assert rows(mirrored).keys() == truth(mirrored, "Name").keys()


def test_i_10_a_backfill_that_fails_does_not_stop_the_next(connected_org, need, demo_org):
    need(Account=ACCOUNT, Contact=("Email",))
    read(connected_org)
    now = timezone.now()
    bad = backfill.estimate(mirror(connected_org), user=None, now=now)
    good = backfill.estimate(mirror(connected_org, "Contact"), user=None, now=now)
    Backfill.objects.filter(pk=bad.pk).update(state="queued")
    demo_org.settings(hidden_objects=["Account"])
    from integrations.sync.mirror.describing import forget_description

    forget_description(connected_org, "Account")
    run = backfill.start(good, user=None, now=now)
    run.refresh_from_db()
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == ("failed", "done")
    assert bad.sentence
    assert run.state == "failed"


def test_r_044_a_page_that_was_not_committed_is_read_again(mirrored, by_pages, monkeypatch):
    """The worker dies between storing a page and storing the place: the page comes again, nothing twice."""
    found = asked(mirrored)
    original, seen = backfilling.BackfillRun._register, []

    def die_once(self, files, rows_):
        original(self, files, rows_)
        seen.append(files)
        if len(seen) == 3:
            raise runs.RunStopped("worker_stopping", "The worker was stopped.", Run.State.INTERRUPTED)

    monkeypatch.setattr(backfilling.BackfillRun, "_register", die_once)
    monkeypatch.setattr(runs, "_enqueue", lambda run, now: None)
    run = perform(backfill.start(found, user=None, now=timezone.now()))
    assert run.state == "interrupted"
    perform(run)
    found.refresh_from_db()
    assert found.done_rows == found.estimated_rows
    assert rows(mirrored).keys() == truth(mirrored, "Name").keys()


# --- fields that join later ------------------------------------------------------------------------------------------------


def test_a_field_that_joins_is_filled_alone_and_other_columns_do_not_move(connected_org, demo_org, need):
    need(Account=("Name",))
    read(connected_org)
    before = rows(connected_org)
    need(Account=("Name", "Phone"))
    demo_org.forget_calls()
    run = read(connected_org)
    assert run.state == "success"
    found = Backfill.objects.get()
    assert (found.only_fields, found.state) == (["Phone"], "done")
    asked_for = [
        call["query"] for call in demo_org.calls("/queryAll") if "Phone" in call["query"] and "Name" not in call["query"]
    ]
    assert len(asked_for) == 1
    assert asked_for[0].startswith("q=SELECT+Id%2CSystemModstamp%2CPhone+FROM+Account")
    expected = truth(connected_org, "Phone")
    after = rows(connected_org)
    assert after.keys() == before.keys()
    assert {key: row["Phone"] for key, row in after.items()} == {key: expected[key]["Phone"] for key in after}
    assert {key: {**row, "Phone": None} for key, row in after.items()} == {
        key: {**row, "Phone": None} for key, row in before.items()
    }
    assert MirrorField.objects.get(name="Phone").state == "active"


def test_i_07_a_field_backfill_leaves_a_newer_row_as_it_is(connected_org, demo_org, need, monkeypatch):
    """Between the backfill's answer and its landing a record changes and is read: the backfill's older value must not win."""
    need(Account=("Name",))
    read(connected_org)
    key = next(key for key, row in truth(connected_org, "Phone").items() if row["Phone"] and key in rows(connected_org))
    need(Account=("Name", "Phone"))
    original = backfilling.BackfillRun.keep

    def keep_late(self, staged):
        monkeypatch.setattr(backfilling.BackfillRun, "keep", original)
        demo_org.control("update", {"object": "Account", "id": key, "fields": {"Name": "Newer", "Phone": "+1 999"}})
        Run.objects.filter(job="mirror.read", state="running").update(state="success")
        read(connected_org)
        return original(self, staged)

    monkeypatch.setattr(backfilling.BackfillRun, "keep", keep_late)
    demo_org.clock(advance=120)
    run = Run.objects.create(job="mirror.read", org=connected_org, domain="mirror", org_generation=connected_org.generation)
    runs.perform_run(run.pk)
    assert rows(connected_org)[key]["Name"] == "Newer"
    assert rows(connected_org)[key]["Phone"] == "+1 999"


def test_a_field_that_joins_an_object_without_rows_is_active_at_once(connected_org, need):
    need(Account=("Name",))
    MirrorObject.objects.create(org=connected_org, name="Account", first_months=0)
    read(connected_org)
    assert set(MirrorField.objects.values_list("state", flat=True)) == {"active"}
    assert not Backfill.objects.exists()


def test_a_file_that_came_in_between_makes_the_page_be_joined_again(connected_org, demo_org, need, monkeypatch):
    """Another job registers a file of the table after the page was joined with the mirror: it is joined anew."""
    from integrations.sync.mirror import filling

    need(Account=("Name",))
    read(connected_org)
    need(Account=("Name", "Phone"))
    original, calls = filling.fill, []

    def fill(table, page, fields):
        calls.append(page)
        found = original(table, page, fields)
        if len(calls) == 1:
            type(table).objects.filter(pk=table.pk).update(next_number=found.number + 1)
        return found

    monkeypatch.setattr(filling, "fill", fill)
    read(connected_org)
    assert len(calls) == 2
    expected = truth(connected_org, "Phone")
    assert all(row["Phone"] == expected[key]["Phone"] for key, row in rows(connected_org).items())
    assert LakeFile.objects.filter(table=mirror(connected_org).table).count() == 2


def test_seconds_are_estimated_from_the_last_backfill(mirrored):
    now = timezone.now()
    Backfill.objects.create(
        object=mirror(mirrored), state="done", done_rows=50_000, started_at=now - timedelta(seconds=500), finished_at=now
    )  # fmt: skip
    assert backfill._measured_speed(mirror(mirrored)) == pytest.approx(100, rel=0.01)
