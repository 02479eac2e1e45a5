"""Retry of failed rows: only their reports are run again, and only where the list of them is whole."""

import pytest
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import RowOutcome, Run, RunObject
from integrations.sync import row_retries, runs
from okr.models import ReportLink

RUN = r"/analytics/reports/[0-9A-Za-z]{15,18}(\?|$)"


def said(code: str) -> list[dict[str, str]]:
    return [{"errorCode": code, "message": "No."}]


def make_run(org, job="okr.refresh", state="partial", *, failed=1, left=0, listed=None) -> Run:
    run = Run.objects.create(job=job, org=org, domain="okr", state=state)
    counts = RunObject.objects.create(run=run, name="key results", read=failed + left, failed=failed, not_attempted=left)
    classes = ["failed"] * failed + ["not_attempted"] * left
    for number, outcome in enumerate(classes[: len(classes) if listed is None else listed]):
        RowOutcome.objects.create(run_object=counts, key=str(number + 1), outcome=outcome, code="x")
    return run


def test_a_retry_of_rows_runs_only_the_reports_that_failed(desk):
    report = desk.clone(desk.find("Open pipeline by stage"), "Sometimes there")
    broken, fine = desk.link(report), desk.link("Average deal size", "a!AMOUNT")
    desk.demo.fault(path=RUN.replace("[0-9A-Za-z]{15,18}", report), status=400, body=said("BAD_REQUEST"))
    first = runs.request_run("okr.refresh", org=desk.org, now=timezone.now())
    assert first.state == "partial"
    assert row_retries.undone_rows(first) == 1
    checked = ReportLink.objects.get(pk=fine.pk).last_checked_at
    desk.demo.forget_calls()
    again = row_retries.retry_rows(first, user=desk.company.cast.ada, now=timezone.now())
    assert again.state == "success"
    assert [path.rsplit("/", 1)[1] for path in desk.runs()] == [report]
    assert ReportLink.objects.get(pk=broken.pk).status == "fresh"
    assert ReportLink.objects.get(pk=fine.pk).last_checked_at == checked
    counts = RunObject.objects.get(run=again)
    assert (counts.read, counts.failed) == (1, 0)


def test_the_ledger_keeps_salesforces_own_code_and_the_kind_of_request(desk):
    report = desk.clone(desk.find("Open pipeline by stage"), "Refused")
    desk.link(report)
    desk.demo.fault(path=RUN.replace("[0-9A-Za-z]{15,18}", report), status=403, body=said("FORBIDDEN"))
    run = runs.request_run("okr.refresh", org=desk.org, now=timezone.now())
    row = RowOutcome.objects.get(run_object__run=run)
    assert row.detail == {"request": "report_run", "salesforce_code": "FORBIDDEN", "http_status": 403}


def test_rows_that_nobody_came_to_are_retried_too(desk):
    desk.link()
    desk.demo.fault(path=RUN, status=403, body=said("REQUEST_LIMIT_EXCEEDED"))
    run = runs.request_run("okr.refresh", org=desk.org, now=timezone.now())
    row = RowOutcome.objects.get(run_object__run=run)
    assert (run.state, row.outcome, row.detail["salesforce_code"]) == ("deferred", "not_attempted", "REQUEST_LIMIT_EXCEEDED")
    again = row_retries.retry_rows(run, user=None, now=timezone.now())
    assert again.state == "success"


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"failed": 3, "left": 2}, 5),
        ({"failed": 0}, 0),
        ({"failed": 3, "listed": 2}, 0),  # the list is incomplete: nothing may be left out silently
        ({"failed": 2, "state": "running"}, 0),
        ({"failed": 2, "job": "okr.refresh_report"}, 0),  # this job does not know how
        ({"failed": 2, "job": "gone.job"}, 0),
    ],
)
def test_it_is_offered_only_where_it_means_something(org, about, expected):
    run = make_run(org, **about)
    assert row_retries.undone_rows(run) == expected
    if not expected:
        with pytest.raises(Refusal):
            row_retries.retry_rows(run, user=None, now=timezone.now())


def test_a_waiting_run_with_other_rows_is_not_taken_for_the_retry(org, settings):
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "sync": False}
    run = make_run(org)
    waiting = Run.objects.create(job="okr.refresh", org=org, domain="okr", state="queued")
    with pytest.raises(Refusal, match=f"Run #{waiting.pk}") as refusal:
        row_retries.retry_rows(run, user=None, now=timezone.now())
    assert refusal.value.code == "queued_already"


def test_api_retries_rows(client, cast, org):
    run = make_run(org, failed=0)
    client.force_login(cast.olga)
    answer = client.post(f"/api/v1/runs/{run.pk}/retry-rows/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_row_retry")
    client.force_login(cast.ana)
    assert client.post(f"/api/v1/runs/{run.pk}/retry-rows/").status_code == 403
