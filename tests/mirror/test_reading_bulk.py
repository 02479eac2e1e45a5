"""mirror.read by Bulk 2.0: pages in parallel, jobs that hang, fail, vanish or are aborted, pages that are cut, runs that resume."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import LakeFile, MirrorObject, MirrorSettings, Run
from integrations.sync import runs
from integrations.sync.mirror import downloading, planning, reading
from tests.mirror.reads import ACCOUNT, ask, counts, mirror, perform, read, rows, truth
from tests.patience import bulk_jobs_that_hang

pytestmark = pytest.mark.django_db
RESULTS, JOB = r"/jobs/query/[^/]+/results", r"/jobs/query/[0-9A-Za-z]+$"


@pytest.fixture
def bulk(connected_org, demo_org, need, monkeypatch):
    """Everything of Account goes by Bulk, in pages of 20 rows that are offered in parallel."""
    need(since_months=None, Account=ACCOUNT)
    monkeypatch.setattr(planning, "REST_PAGES", 0)
    monkeypatch.setattr(planning, "RESULT_ROWS", 50)
    demo_org.settings(bulk_page_rows=20)
    return connected_org


def everything(org) -> dict:
    return truth(org, "Name")


def same_as_the_org(org) -> None:
    """Nothing lost, nothing doubled, every name as it is (I-02)."""
    assert {key: row["Name"] for key, row in rows(org).items()} == {key: row["Name"] for key, row in everything(org).items()}
    kept = mirror(org)
    assert kept.rows == len(everything(org))
    assert kept.watermark is not None


def test_bulk_pages_in_parallel_bring_everything_once(bulk, demo_org):
    run = read(bulk)
    assert run.state == "success"
    same_as_the_org(bulk)
    total = len(ask(bulk, "SELECT Id FROM Account"))
    assert counts(run)["written"] == total
    assert mirror(bulk).last_way == "bulk"
    assert len(demo_org.calls("/results")) == -(-total // 20)
    assert not [call for call in demo_org.calls("/results") if "locator" not in call["query"]]
    kinds = set(LakeFile.objects.filter(table=mirror(bulk).table).values_list("kind", flat=True))
    assert kinds == {"base"}, "ids that rise need no comparison by later readers"


@pytest.mark.parametrize("hours", [-7, 7])
def test_i_05_a_bulk_read_too_goes_by_salesforces_clock(bulk, demo_org, hours):
    demo_org.clock(advance=hours * 3600)
    read(bulk)
    assert abs(mirror(bulk).watermark - timezone.now() - timedelta(hours=hours)) < timedelta(minutes=2)
    key = next(iter(rows(bulk)))
    demo_org.control("update", {"object": "Account", "id": key, "fields": {"Name": "Changed"}})
    assert counts(read(bulk))["written"] == 1
    same_as_the_org(bulk)


def test_a_result_of_one_page_needs_no_list_of_pages(bulk, demo_org, monkeypatch):
    monkeypatch.setattr(planning, "RESULT_ROWS", 100_000)
    demo_org.settings(bulk_page_rows=0)
    run = read(bulk)
    same_as_the_org(bulk)
    assert not demo_org.calls("/resultPages")
    assert run.calls <= 5, "describe, count, create, ask, fetch"


def test_pages_that_follow_each_other_where_nothing_is_offered_in_parallel(bulk, demo_org, monkeypatch):
    monkeypatch.setattr(planning, "RESULT_ROWS", 100_000)
    read(bulk)
    same_as_the_org(bulk)
    assert len(demo_org.calls("/results")) > 5


def test_an_org_without_parallel_pages_is_read_page_after_page(bulk, demo_org):
    demo_org.fault(path="/resultPages", times=9, status=404, body=[{"errorCode": "NOT_FOUND", "message": "no such resource"}])
    assert read(bulk).state == "success"
    same_as_the_org(bulk)


# --- what the line and the login do ------------------------------------------------------------------------------------------


def test_r_030_a_page_that_answers_500_twice_is_asked_again(bulk, demo_org):
    demo_org.settings(bulk_page_rows=4)
    demo_org.fault(path=RESULTS, after=36, times=2, status=500, body=[{"errorCode": "UNKNOWN_EXCEPTION", "message": "x"}])
    run = read(bulk)
    assert run.state == "success"
    same_as_the_org(bulk)
    assert counts(run)["written"] == len(ask(bulk, "SELECT Id FROM Account"))


@pytest.mark.parametrize("cut", [0, 60, 700])
def test_r_031_a_page_cut_in_mid_body_is_thrown_away_whole_and_asked_again(bulk, demo_org, cut):
    demo_org.fault(path=RESULTS, after=2, times=1, cut=cut)
    run = read(bulk)
    assert run.state == "success"
    same_as_the_org(bulk)
    assert counts(run)["written"] == len(ask(bulk, "SELECT Id FROM Account"))


def test_r_031_a_page_with_fewer_rows_than_announced_is_asked_again(bulk, demo_org):
    first = "Id,SystemModstamp,CreatedDate,IsDeleted,MasterRecordId,Name,Website,Industry,AnnualRevenue,NumberOfEmployees\n"
    demo_org.fault(
        path=RESULTS, times=1, status=200, body=first, headers={"Content-Type": "text/csv", "Sforce-NumberOfRecords": "20"}
    )
    assert read(bulk).state == "success"
    same_as_the_org(bulk)


def test_r_002_a_session_that_ends_in_mid_download_is_renewed_once(bulk, demo_org):
    demo_org.fault(path=RESULTS, after=3, times=1, action="expire_token")
    run = read(bulk)
    assert run.state == "success"
    same_as_the_org(bulk)
    assert len(demo_org.calls("/services/oauth2/token")) == 2, "one to connect, one renewal for all threads"
    assert counts(run)["written"] == len(ask(bulk, "SELECT Id FROM Account"))


def test_r_001_a_revoked_grant_in_mid_download_ends_the_run_and_keeps_the_watermark(bulk, demo_org):
    read(bulk)
    before = mirror(bulk).watermark
    demo_org.clock(advance=60)
    demo_org.fault(path=RESULTS, times=1, action="expire_token")
    demo_org.fault(path="/oauth2/token", times=9, status=400, body={"error": "invalid_grant", "error_description": "expired"})
    MirrorObject.objects.update(watermark=before - timedelta(days=3650))
    run = read(bulk)
    assert (run.state, run.reason_code) == ("failed", "reauth_required")
    assert mirror(bulk).watermark == before - timedelta(days=3650)
    bulk.refresh_from_db()
    assert bulk.state == "needs_reauthorization"


def test_r_066_a_peer_that_never_answers_is_left_after_the_deadline(bulk, demo_org, monkeypatch):
    monkeypatch.setattr(downloading, "DEADLINES", downloading.Deadlines(connect=1, read=0.3, overall=2))
    demo_org.fault(path=RESULTS, after=2, times=1, status=0, delay=3)
    began = time.monotonic()
    assert read(bulk).state == "success"
    assert time.monotonic() - began < 20
    same_as_the_org(bulk)


def test_r_066_the_deadlines_are_the_ones_asked_for():
    assert downloading.DEADLINES.connect <= 5
    assert downloading.DEADLINES.read <= 60


def test_r_061_retry_after_is_respected_and_a_long_one_defers(bulk, demo_org):
    began = time.monotonic()
    demo_org.fault(
        path=RESULTS, times=1, status=429, headers={"Retry-After": "1"}, body=[{"errorCode": "X", "message": "slow"}]
    )
    assert read(bulk).state == "success"
    assert time.monotonic() - began >= 1
    demo_org.fault(path=r"queryAll", times=1, status=503, headers={"Retry-After": "3000"}, body="busy")
    before = timezone.now()
    run = read(bulk)
    assert (run.state, run.reason_code) == ("deferred", "upstream")
    waiting = Run.objects.get(state="queued")
    assert waiting.not_before >= before + timedelta(seconds=3000)


def test_r_062_after_maintenance_there_is_one_run_and_not_one_a_slot(bulk, demo_org):
    demo_org.fault(path="/services/data/v", times=500, action="maintenance")
    run = read(bulk)
    assert (run.state, run.reason_code) == ("deferred", "upstream")
    for hour in range(3):
        runs.start_slot("mirror.read", now=timezone.now() + timedelta(hours=hour))
    assert Run.objects.filter(state="queued").count() == 1
    demo_org.no_faults()
    assert perform(run).state == "success"
    assert not Run.objects.filter(state="queued").exists()
    same_as_the_org(bulk)


def test_r_023_no_network_defers_and_the_next_turn_does_it_all(bulk, demo_org):
    demo_org.fault(path="/services/data/v", times=500, action="close")
    run = read(bulk)
    assert (run.state, run.reason_code) == ("deferred", "network")
    demo_org.no_faults()
    assert perform(run).state == "success"
    same_as_the_org(bulk)


# --- the allowance -------------------------------------------------------------------------------------------------------


def test_r_058_an_allowance_used_up_at_the_start_defers_for_at_least_15_minutes(bulk, demo_org):
    demo_org.fault(path="/services/data/v", times=500, action="daily_limit")
    before = timezone.now()
    run = read(bulk)
    assert (run.state, run.reason_code) == ("deferred", "api_limit")
    waiting = Run.objects.get(state="queued")
    assert waiting.not_before >= before + timedelta(minutes=15)
    assert waiting.resumed_from == run


def test_r_058_after_a_day_it_counts_as_a_failure(bulk, demo_org):
    demo_org.fault(path="/services/data/v", times=500, action="daily_limit")
    run = read(bulk)
    waiting = Run.objects.get(state="queued")
    waiting.checkpoint[reading.KEY]["began"] = (timezone.now() - timedelta(hours=25)).isoformat()
    waiting.save()
    again = perform(run)
    assert (again.state, again.reason_code) == ("failed", "api_limit")
    assert not Run.objects.filter(state="queued").exists()


def test_r_059_an_allowance_used_up_in_mid_run_resumes_at_the_page(bulk, demo_org):
    demo_org.fault(path=RESULTS, after=4, times=500, action="daily_limit")
    run = read(bulk)
    assert (run.state, run.reason_code) == ("deferred", "api_limit")
    assert mirror(bulk).watermark is None
    landed = run.checkpoint[reading.KEY]["reads"]["Account"]["landed"]
    assert 1 <= len(landed) <= 4
    demo_org.no_faults()
    demo_org.forget_calls()
    again = perform(run)
    assert again.state == "success"
    same_as_the_org(bulk)
    total = len(ask(bulk, "SELECT Id FROM Account"))
    assert counts(again)["written"] == total
    fetched = [call for call in demo_org.calls("/results") if call["status"] == 200]
    assert len(fetched) == -(-total // 20) - len(landed), "pages that had landed are not fetched again"
    assert not [call for call in demo_org.calls("/jobs/query") if call["method"] == "POST"], "the same job is collected"


# --- the job ---------------------------------------------------------------------------------------------------------------


def test_r_036_a_job_that_hangs_holds_no_worker_and_ends_with_job_timeout(bulk, demo_org):
    with bulk_jobs_that_hang(demo_org, reading):
        run = read(bulk)
        assert run.state == "queued", "the worker is free, the run waits"
        assert run.not_before > timezone.now()
        assert "Account" in run.sentence
        again = perform(run)
        assert again.pk == run.pk
        assert again.state == "queued"
        MirrorSettings.objects.create(org=bulk, job_minutes=1)
        run.refresh_from_db()
        run.checkpoint[reading.KEY]["reads"]["Account"]["asked_at"] = (timezone.now() - timedelta(minutes=2)).isoformat()
        run.save()
        ended = perform(run)
    assert (ended.state, ended.reason_code) == ("failed", "job_timeout")
    assert "1 minutes" in ended.sentence
    assert [call["method"] for call in demo_org.calls("/jobs/query/") if call["method"] == "PATCH"] == ["PATCH"]
    assert mirror(bulk).watermark is None


def test_r_036_a_job_that_ends_meanwhile_is_collected_by_the_next_turn(bulk, demo_org):
    with bulk_jobs_that_hang(demo_org, reading):
        run = read(bulk)
    ended = perform(run)
    assert (ended.pk, ended.state) == (run.pk, "success")
    same_as_the_org(bulk)
    assert len([call for call in demo_org.calls("/jobs/query") if call["method"] == "POST"]) == 1


def test_all_jobs_are_started_before_one_is_waited_for(bulk, demo_org, need):
    need(since_months=None, Account=ACCOUNT, Contact=("Email",), User=("Username",))
    with bulk_jobs_that_hang(demo_org, reading):
        run = read(bulk)
    assert run.state == "queued"
    assert len([call for call in demo_org.calls("/jobs/query") if call["method"] == "POST"]) == 3


def test_r_037_a_failed_job_is_tried_once_in_smaller_windows(bulk, demo_org, monkeypatch):
    """The first job fails; its window is read in parts, and the run says so."""
    fail_first(demo_org)
    run = read(bulk)
    assert run.state == "success", run.sentence
    same_as_the_org(bulk)
    posted = [call for call in demo_org.calls("/jobs/query") if call["method"] == "POST"]
    assert len(posted) == 1 + planning.SLICES
    assert "smaller windows" in mirror(bulk).note
    assert "out of time" in mirror(bulk).note


def fail_first(demo_org) -> None:
    """The first question about a job is answered with Failed."""
    demo_org.fault(path=JOB, method="GET", times=1, status=200, body={
        "id": "750000000000001AAA", "state": "Failed", "object": "Account", "operation": "queryAll",
        "errorMessage": "InternalServerError : out of time", "numberRecordsProcessed": 0,
    })  # fmt: skip


def test_r_037_a_job_that_fails_again_ends_the_run_with_salesforces_words(bulk, demo_org):
    demo_org.settings(extra={"bulk_fail": "InternalServerError : out of luck"})
    run = read(bulk)
    assert (run.state, run.reason_code) == ("failed", "job_failed")
    assert "out of luck" in run.sentence
    assert mirror(bulk).watermark is None


def test_r_053_a_job_that_fails_for_a_field_drops_that_field(bulk, demo_org):
    demo_org.settings(hidden_fields={"Account": ["Website"]})
    demo_org.fault(path=JOB, method="GET", times=1, status=200, body={
        "id": "750000000000001AAA", "state": "Failed", "object": "Account", "operation": "queryAll", "numberRecordsProcessed": 0,
        "errorMessage": "INVALID_FIELD: \nSELECT Id,Website\nERROR at Row:1:Column:11\nNo such column 'Website' on entity 'Account'",
    })  # fmt: skip
    run = read(bulk)
    assert run.state == "partial"
    same_as_the_org(bulk)


def test_r_038_a_job_aborted_in_salesforce_cancels_the_run_until_the_next_slot(bulk, demo_org):
    from integrations.orgs.connect import client_for

    with bulk_jobs_that_hang(demo_org, reading):
        run = read(bulk)
        job = run.checkpoint[reading.KEY]["reads"]["Account"]["job"]
        with client_for(bulk, domain="test") as client:
            client.request("PATCH", f"jobs/query/{job}", json={"state": "Aborted"})
    ended = perform(run)
    assert ended.state == "cancelled"
    assert ended.sentence.startswith("aborted in Salesforce")
    assert not Run.objects.filter(state="queued").exists()
    assert read(bulk).state == "success"
    same_as_the_org(bulk)


def test_r_035_a_job_that_is_gone_is_made_again_with_a_note(bulk, demo_org):
    with bulk_jobs_that_hang(demo_org, reading):
        run = read(bulk)
    state = run.checkpoint
    state[reading.KEY]["reads"]["Account"]["job"] = "750000000000009AAA"
    Run.objects.filter(pk=run.pk).update(checkpoint=state)
    ended = perform(run)
    assert ended.state == "success"
    assert "started again" in mirror(bulk).note
    same_as_the_org(bulk)


def test_r_035_results_that_are_gone_while_they_are_fetched(bulk, demo_org):
    gone = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
    demo_org.fault(path=RESULTS, after=3, times=1, status=404, body=gone)
    run = read(bulk)
    assert run.state == "success"
    same_as_the_org(bulk)
    assert counts(run)["written"] == len(ask(bulk, "SELECT Id FROM Account")), "the first job's pages count no more"


def test_r_034_a_locator_that_expired_starts_the_job_again_without_doubles(bulk, demo_org):
    expired = [{"errorCode": "INVALID_QUERY_LOCATOR", "message": "invalid query locator"}]
    demo_org.fault(path=RESULTS, after=3, times=1, status=400, body=expired)
    run = read(bulk)
    assert run.state == "success"
    same_as_the_org(bulk)
    assert counts(run)["read"] == len(ask(bulk, "SELECT Id FROM Account"))


def test_r_034_a_rest_cursor_that_expired_goes_on_behind_the_last_row(connected_org, demo_org, need):
    need(since_months=None, Account=ACCOUNT)
    demo_org.settings(query_page_size=80)
    expired = [{"errorCode": "INVALID_QUERY_LOCATOR", "message": "invalid query locator"}]
    demo_org.fault(path="/query/01g", times=1, status=400, body=expired)
    run = read(connected_org)
    assert run.state == "success"
    same_as_the_org(connected_org)
    assert counts(run)["written"] == counts(run)["read"] == len(ask(connected_org, "SELECT Id FROM Account"))


def test_r_035_results_that_never_stay_are_given_up(bulk, demo_org):
    gone = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
    demo_org.fault(path=RESULTS, times=500, status=404, body=gone)
    run = read(bulk)
    assert (run.state, run.reason_code) == ("failed", "job_gone")


def test_r_039_an_empty_result_is_a_success_and_moves_the_watermark(bulk, demo_org):
    read(bulk)
    before = mirror(bulk).watermark
    demo_org.clock(advance=7200)
    run = read(bulk)
    assert run.state == "success"
    assert counts(run)["read"] == 0
    assert mirror(bulk).watermark > before


def test_an_aborted_job_of_one_object_leaves_the_others_read(bulk, demo_org, need):
    need(since_months=None, Account=ACCOUNT, Contact=("Email",))
    demo_org.fault(path=JOB, method="GET", times=1, status=200, body={
        "id": "750000000000001AAA", "state": "Aborted", "object": "Account", "operation": "queryAll", "numberRecordsProcessed": 0,
    })  # fmt: skip
    run = read(bulk)
    assert run.state == "cancelled"
    assert sum(each.watermark is not None for each in MirrorObject.objects.all()) == 1


def test_i_17_a_disconnect_in_mid_download_stops_it(bulk, demo_org, monkeypatch):
    from integrations.orgs import connect
    from integrations.sync.mirror import session

    monkeypatch.setattr(connect, "RECHECK", 0.0)
    monkeypatch.setattr(session, "SIGN_OF_LIFE", 0.0)
    original = downloading.Downloads._note_calls

    def disconnect_after_some(self):
        if len(demo_org.calls("/results")) >= 3:
            type(bulk).objects.filter(pk=bulk.pk).update(generation=99, state="disconnected")
        original(self)

    monkeypatch.setattr(downloading.Downloads, "_note_calls", disconnect_after_some)
    run = read(bulk)
    assert run.state in ("cancelled", "failed")
    assert run.reason_code == "disconnected"
    assert mirror(bulk).watermark is None
