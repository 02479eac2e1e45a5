"""The hourly pass and "refresh now" against a running org."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import Alert, ApiUsage, Run, RunObject, SalesforceOrg
from integrations.orgs import budget
from integrations.sync import runs
from okr import passes, refresh, rounds, running
from okr.models import KeyResult, Reading, ReportDescription, ReportLink, ReportSource
from okr.rights import NotAllowed

OPEN = "SELECT SUM(Amount) FROM Opportunity WHERE IsClosed = false"
RUN = r"/analytics/reports/[0-9A-Za-z]{15,18}(\?|$)"


def pass_over(desk, *, trigger=Run.Trigger.MANUAL) -> Run:
    """One pass, as the worker performs it."""
    return runs.request_run("okr.refresh", org=desk.org, trigger=trigger, now=timezone.now())


def again(link: ReportLink) -> ReportLink:
    return ReportLink.objects.select_related("key_result").get(pk=link.pk)


def raise_deal(desk, by: int = 1000) -> None:
    """Somebody makes an open deal bigger."""
    (deal,) = desk.salesforce.query_all("SELECT Id, Amount FROM Opportunity WHERE IsClosed = false AND Amount > 0 LIMIT 1")
    desk.salesforce.request("PATCH", f"sobjects/Opportunity/{deal['Id']}", json={"Amount": float(deal["Amount"]) + by})


def test_bw_34_bw_01_the_pass_updates_key_results_by_itself(desk):
    link = desk.link()
    raise_deal(desk)
    run = pass_over(desk)
    after = again(link)
    assert after.key_result.current == link.key_result.current + 1000 == desk.truth(OPEN)
    assert (run.state, run.calls) == ("success", 1)
    assert Reading.objects.filter(run=run).get().value == after.key_result.current


def test_bw_d7_r_221_links_to_one_report_share_one_run(desk):
    report = desk.find("Open pipeline by stage")
    for number in range(6):
        desk.link(report, "s!AMOUNT" if number % 2 else "RowCount")
    desk.link("Average deal size", "a!AMOUNT")
    desk.demo.forget_calls()
    run = pass_over(desk)
    assert len(desk.runs()) == 2
    assert desk.demo.calls("/describe") == []
    counts = RunObject.objects.get(run=run)
    assert (counts.read, counts.unchanged) == (7, 7)


def test_r_227_an_unchanged_value_moves_only_last_checked(desk):
    link = desk.link()
    pass_over(desk)
    after = again(link)
    assert after.last_checked_at > link.last_checked_at
    assert Reading.objects.count() == 1


def test_bw_34_a_scheduled_pass_reads_each_link_once_an_hour(desk):
    desk.link()
    start = timezone.now().replace(minute=0, second=3) + timedelta(hours=1)
    desk.demo.forget_calls()
    with time_machine.travel(start, tick=True):
        pass_over(desk, trigger=Run.Trigger.SCHEDULE)
        pass_over(desk, trigger=Run.Trigger.SCHEDULE)
        assert len(desk.runs()) == 1
    with time_machine.travel(start + timedelta(minutes=59, seconds=58), tick=True):
        pass_over(desk, trigger=Run.Trigger.SCHEDULE)
    assert len(desk.runs()) == 2


def test_r_210_a_deleted_report_keeps_the_last_value_and_says_so(desk):
    report = desk.clone(desk.find("Open pipeline by stage"), "Soon gone")
    link, other = desk.link(report), desk.link("Average deal size", "a!AMOUNT")
    desk.delete(report)
    run = pass_over(desk)
    after = again(link)
    assert (after.status, after.key_result.current) == ("report_gone", link.key_result.current)
    assert again(other).status == "fresh"
    assert run.state == "partial"
    assert Alert.objects.get(recovered_at=None).code == "report_gone"
    pass_over(desk)
    assert Alert.objects.count() == 1
    pass_over(desk)
    assert Alert.objects.filter(key=f"okr-stuck:{desk.org.pk}").exists()


def test_r_211_a_removed_summary_field_breaks_only_the_links_that_use_it(desk):
    report = desk.clone(desk.find("Open pipeline by stage"), "Changing")
    amount, count = desk.link(report, "s!AMOUNT"), desk.link(report, "RowCount")
    desk.change(report, aggregates=["RowCount"])
    pass_over(desk)
    assert (again(amount).status, again(count).status) == ("field_gone", "fresh")
    assert again(amount).key_result.current == amount.key_result.current


def test_r_225_a_report_that_became_tabular_is_not_supported(desk):
    report = desk.clone(desk.find("Open pipeline by stage"), "Changing")
    link = desk.link(report, "s!AMOUNT")
    desk.change(report, reportFormat="TABULAR", groupingsDown=[])
    pass_over(desk)
    assert again(link).status == "format"


def test_r_216_a_group_that_vanished_is_never_the_grand_total(desk):
    stage = rarest_stage(desk)
    link = desk.link(group_path=[{"field": "STAGE_NAME", "value": stage}])
    for row in desk.salesforce.query_all(f"SELECT Id FROM Opportunity WHERE IsClosed = false AND StageName = '{stage}'"):
        desk.salesforce.request("PATCH", f"sobjects/Opportunity/{row['Id']}", json={"StageName": "Closed Lost"})
    pass_over(desk)
    after = again(link)
    assert (after.status, after.key_result.current) == ("row_missing", link.key_result.current)


def rarest_stage(desk) -> str:
    rows = desk.salesforce.query_all(
        "SELECT StageName, COUNT(Id) n FROM Opportunity WHERE IsClosed = false GROUP BY StageName ORDER BY COUNT(Id)"
    )
    return rows[0]["StageName"]


def test_r_214_lost_folder_access(desk):
    link = desk.link()
    desk.demo.fault(path=RUN, status=403, body=[{"errorCode": "FORBIDDEN", "message": "You don't have sufficient privileges."}])
    pass_over(desk)
    after = again(link)
    assert (after.status, after.key_result.current) == ("no_access", link.key_result.current)
    assert after.next_check_at > timezone.now() + timedelta(hours=23)
    pass_over(desk)
    assert again(link).status == "fresh"
    assert not Alert.objects.filter(recovered_at=None).exists()


def test_r_222_a_slow_report_takes_the_asynchronous_path_and_is_remembered(desk):
    link = desk.link()
    too_slow = {"errorCode": "TIMEOUT", "message": "Your report took too long to run and has timed out."}
    desk.demo.fault(path=RUN, status=400, body=[too_slow])
    desk.demo.forget_calls()
    raise_deal(desk)
    pass_over(desk)
    assert again(link).key_result.current == desk.truth(OPEN)
    desk.demo.forget_calls()
    pass_over(desk)
    assert desk.runs() == []
    assert len([call for call in desk.demo.calls("/instances") if call["method"] == "POST"]) == 1


def test_r_222_an_asynchronous_run_that_takes_long_is_collected_by_a_follow_up(desk, monkeypatch):
    monkeypatch.setattr(passes, "COLLECT_SECONDS", 0.1)
    link = desk.link()
    ReportSource.objects.update(slow_at=timezone.now())
    desk.demo.settings(report_seconds=600)
    raise_deal(desk)
    first = pass_over(desk, trigger=Run.Trigger.MANUAL)
    assert first.state == "success"
    assert again(link).key_result.current == link.key_result.current
    follow_up = Run.objects.get(state="queued")
    assert follow_up.not_before is not None
    desk.demo.clock(advance=700)
    with time_machine.travel(follow_up.not_before + timedelta(seconds=1), tick=True):
        runs.sweep(now=timezone.now())
    assert again(link).key_result.current == desk.truth(OPEN)
    assert len([call for call in desk.demo.calls("/instances") if call["method"] == "POST"]) == 1
    assert not Run.objects.filter(state="queued").exists()


def test_bw_d9_an_asynchronous_run_that_fails_is_incomplete(desk):
    link = desk.link()
    ReportSource.objects.update(slow_at=timezone.now())
    desk.demo.fault(path="/instances/", status=200, body={"attributes": {"status": "Error", "id": "x"}, "factMap": {}})
    pass_over(desk)
    assert again(link).status == "incomplete"


def test_bw_d9_filters_that_salesforce_refuses(desk):
    filters = [{"column": "AMOUNT", "operator": "greaterThan", "value": "5"}]
    link = desk.link(filters=filters)
    desk.demo.fault(
        path=RUN, method="POST", status=400, body=[{"errorCode": "BAD_REQUEST", "message": "The filter is not valid."}]
    )
    pass_over(desk)
    assert again(link).status == "filter_refused"


def test_i_06_filtered_links_follow_the_reports_own_filters(desk):
    report = desk.find("Lost deals by reason")
    link = desk.link(report, "RowCount", filters=[{"column": "AMOUNT", "operator": "greaterThan", "value": "1000"}])
    desk.demo.forget_calls()
    pass_over(desk)
    assert desk.demo.calls("/describe") == []
    desk.change(report, reportFilters=[{"column": "STAGE_NAME", "operator": "equals", "value": "Closed Won"}])
    desk.demo.forget_calls()
    pass_over(desk)
    assert len(desk.demo.calls("/describe")) == 1
    soql = "SELECT COUNT(Id) FROM Opportunity WHERE StageName = 'Closed Won' AND CloseDate = LAST_N_DAYS:365 AND Amount > 1000"
    assert again(link).key_result.current == desk.truth(soql)


def test_i_21_a_connection_that_fails_in_mid_pass_leaves_values_and_says_so(desk):
    links = [desk.link(), desk.link("Average deal size", "a!AMOUNT"), desk.link("Lost deals by reason", "RowCount")]
    SalesforceOrg.objects.filter(pk=desk.org.pk).update(state="needs_reauthorization", state_reason="Revoked.")
    run = pass_over(desk)
    assert run.state == "failed"
    for link in links:
        after = again(link)
        assert (after.status, after.key_result.current) == ("connection", link.key_result.current)
    counts = RunObject.objects.get(run=run)
    assert (counts.read, counts.not_attempted) == (3, 3)
    SalesforceOrg.objects.filter(pk=desk.org.pk).update(state="connected", state_reason="")
    assert pass_over(desk).state == "success"
    assert again(links[0]).status == "fresh"


def test_i_21_links_of_paused_connections_say_so_without_a_pass(desk):
    link = desk.link()
    SalesforceOrg.objects.update(state="paused")
    assert refresh.mark_unreachable(now=timezone.now()) == 1
    assert again(link).status == "connection"


def test_r_058_the_daily_allowance_defers_the_pass(desk):
    link = desk.link()
    desk.demo.fault(path=RUN, action="daily_limit")
    run = pass_over(desk)
    assert (run.state, run.reason_code) == ("deferred", "api_limit")
    assert (again(link).status, again(link).failed_passes) == ("limit", 0)
    assert not Alert.objects.filter(recovered_at=None).exists()


def test_r_023_salesforce_away_defers_and_the_next_pass_needs_nobody(desk, monkeypatch):
    links = [
        desk.link(name, "RowCount")
        for name in ("Average deal size", "Lost deals by reason", "Open pipeline by stage", "Campaign ROI")
    ]
    monkeypatch.setattr(passes, "UPSTREAM_STOP", 2)
    desk.demo.fault(path=RUN, status=503, body="", times=40)
    run = pass_over(desk)
    assert (run.state, run.reason_code) == ("deferred", "upstream")
    assert {again(link).status for link in links} == {"upstream"}
    desk.demo.no_faults()
    assert pass_over(desk).state == "success"
    assert {again(link).status for link in links} == {"fresh"}


def test_bw_d7_when_others_used_the_synchronous_runs_up_the_asynchronous_path_goes_on(desk):
    link = desk.link()
    raise_deal(desk)
    message = "You can't run more than 500 reports synchronously every 60 minutes. Try again later."
    desk.demo.fault(path=RUN, status=403, body=[{"errorCode": "FORBIDDEN", "message": message}])
    pass_over(desk)
    assert again(link).key_result.current == desk.truth(OPEN)


def test_bw_d7_a_pass_keeps_within_our_part_of_the_hours_runs(desk):
    links = [desk.link(name, "RowCount") for name in ("Average deal size", "Lost deals by reason", "Open pipeline by stage")]
    left = budget.report_runs_left(desk.org, now=timezone.now(), interactive=False)
    hour = budget.hour_of(timezone.now())
    ApiUsage.objects.filter(org=desk.org, hour=hour).delete()
    ApiUsage.objects.create(
        org=desk.org, hour=hour, domain="other", report_runs=left.sync + 2, report_instances=left.instances - 1
    )
    left = budget.report_runs_left(desk.org, now=timezone.now(), interactive=False)
    desk.demo.forget_calls()
    run = pass_over(desk)
    started = [call for call in desk.demo.calls("/instances") if call["method"] == "POST"]
    assert len(desk.runs()) == left.sync
    assert len(started) == left.instances < 3
    assert (run.state, run.reason_code) == ("deferred", "report_limit")
    assert Run.objects.filter(state="queued", not_before__isnull=False).exists()
    assert sorted(again(link).status for link in links)[-1] == "limit"


def test_bw_d7_a_round_near_500_reports_goes_in_slices(desk, monkeypatch):
    for name in ("Average deal size", "Lost deals by reason", "Open pipeline by stage", "Campaign ROI"):
        desk.link(name, "RowCount")
    monkeypatch.setattr(rounds, "SPREAD_ABOVE", 2)
    monkeypatch.setattr(rounds, "SLICES", 2)
    desk.demo.forget_calls()
    start = timezone.now().replace(minute=0, second=3) + timedelta(hours=1)
    with time_machine.travel(start, tick=True):
        assert pass_over(desk, trigger=Run.Trigger.SCHEDULE).state == "success"
    assert len(desk.runs()) == 2
    follow_up = Run.objects.get(state="queued")
    assert start + timedelta(minutes=4) < follow_up.not_before < start + timedelta(minutes=6)
    with time_machine.travel(follow_up.not_before + timedelta(seconds=1), tick=True):
        runs.sweep(now=timezone.now())
    assert len(desk.runs()) == 4
    assert not Run.objects.filter(state="queued").exists()


def test_r_044_a_pass_that_was_killed_goes_on_with_what_is_unread(desk, monkeypatch):
    for name in ("Average deal size", "Lost deals by reason", "Open pipeline by stage"):
        desk.link(name, "RowCount")
    ReportLink.objects.update(last_checked_at=timezone.now() - timedelta(hours=2))
    desk.demo.forget_calls()
    real, count = running.run_now, []

    def dies_later(client, source):
        count.append(source)
        if len(count) == 2:
            raise KeyboardInterrupt
        return real(client, source)

    monkeypatch.setattr(running, "run_now", dies_later)
    with pytest.raises(KeyboardInterrupt):
        pass_over(desk)
    monkeypatch.setattr(running, "run_now", real)
    run = Run.objects.get(state="running")
    with time_machine.travel(timezone.now() + timedelta(minutes=10), tick=True):
        runs.sweep(now=timezone.now())
    run.refresh_from_db()
    assert run.state == "interrupted"
    assert len(desk.runs()) == 3
    assert Run.objects.filter(resumed_from=run).get().state == "success"


def test_seats_of_people_deactivated_elsewhere_are_freed_by_each_pass(desk):
    link = desk.link()
    desk.company.cast.jane.is_active = False
    desk.company.cast.jane.save()
    assert pass_over(desk).state == "success"
    assert not desk.org.licenses.exists()
    assert again(link).status == "fresh"  # the link belongs to the organization


def test_structure_changes_mark_the_description_outdated(desk):
    report = desk.clone(desk.find("Open pipeline by stage"), "Changing")
    desk.link(report)
    desk.change(report, aggregates=["s!AMOUNT", "RowCount", "a!AMOUNT"])
    pass_over(desk)
    assert ReportDescription.objects.get().is_outdated


# --- Refresh now ---------------------------------------------------------------------------------------------------------


def test_bw_d7_refresh_now_reads_for_all_links_of_the_report(desk):
    link, other = desk.link(), desk.link(field="RowCount")
    raise_deal(desk)
    desk.demo.forget_calls()
    outcome = refresh.refresh_now(link.key_result, user=desk.company.cast.marsha, now=timezone.now())
    assert outcome.link.key_result.current == desk.truth(OPEN)
    assert not outcome.pending
    assert len(desk.runs()) == 1
    assert again(other).last_checked_at == again(link).last_checked_at
    run = Run.objects.get(job="okr.refresh_report")
    assert (run.state, run.requested_by) == ("success", desk.company.cast.marsha)
    assert Reading.objects.filter(run=run).exists()


def test_bw_d7_refresh_now_is_possible_once_in_five_minutes_a_report(desk):
    link, other = desk.link(), desk.link(field="RowCount")
    now = timezone.now()
    refresh.refresh_now(link, user=desk.company.cast.jane, now=now)
    for target in (link, other):
        with pytest.raises(Refusal, match="possible again at") as refusal:
            refresh.refresh_now(target, user=desk.company.cast.jane, now=now + timedelta(minutes=4))
        assert refusal.value.code == "refreshed_recently"
    refresh.refresh_now(other, user=desk.company.cast.jane, now=now + timedelta(minutes=5, seconds=1))


def test_refresh_now_is_for_editors_and_license_holders(desk):
    link = desk.link()
    with pytest.raises(NotAllowed):
        refresh.refresh_now(link, user=desk.company.cast.ana, now=timezone.now())
    with pytest.raises(Refusal) as refusal:
        refresh.refresh_now(desk.company.key_result, user=desk.company.cast.ada, now=timezone.now())
    assert refusal.value.code == "not_linked"


def test_i_21_refresh_now_of_a_connection_that_is_down_says_so_and_keeps_the_value(desk):
    link = desk.link()
    SalesforceOrg.objects.update(state="paused")
    with pytest.raises(Refusal):
        refresh.refresh_now(link, user=desk.company.cast.jane, now=timezone.now())
    assert again(link).key_result.current == link.key_result.current
    SalesforceOrg.objects.update(state="connected")
    refresh.refresh_now(link, user=desk.company.cast.jane, now=timezone.now())  # the five minutes had not begun


def test_refresh_now_tells_what_is_wrong_with_the_report(desk):
    report = desk.clone(desk.find("Open pipeline by stage"), "Soon gone")
    link = desk.link(report)
    desk.delete(report)
    outcome = refresh.refresh_now(link, user=desk.company.cast.jane, now=timezone.now())
    assert outcome.link.status == "report_gone"


def test_r_222_refresh_now_of_a_slow_report_follows_by_itself(desk, monkeypatch):
    monkeypatch.setattr(refresh, "COLLECT_SECONDS", 0.1)
    link = desk.link()
    ReportSource.objects.update(slow_at=timezone.now())
    desk.demo.settings(report_seconds=600)
    outcome = refresh.refresh_now(link, user=desk.company.cast.jane, now=timezone.now())
    assert outcome.pending
    follow_up = Run.objects.get(job="okr.refresh_report", state="queued")
    raise_deal(desk)
    desk.demo.clock(advance=700)
    with time_machine.travel(follow_up.not_before + timedelta(seconds=1), tick=True):
        runs.sweep(now=timezone.now())
    assert again(link).key_result.current == desk.truth(OPEN)
    assert not Run.objects.filter(state="queued").exists()


def test_i_12_an_asynchronous_run_that_never_ends_is_given_up_and_said(desk, monkeypatch):
    monkeypatch.setattr(passes, "COLLECT_SECONDS", 0.1)
    link = desk.link()
    desk.demo.settings(report_seconds=10**6)
    ReportSource.objects.update(slow_at=timezone.now())
    pass_over(desk)
    with time_machine.travel(timezone.now() + timedelta(minutes=40), tick=True):
        runs.sweep(now=timezone.now())
    after = again(link)
    assert (after.status, after.key_result.current) == ("timeout", link.key_result.current)
    assert ReportSource.objects.get().instance_id == ""


def test_a_retried_run_reads_everything_again(desk):
    desk.link()
    first = pass_over(desk)
    desk.demo.forget_calls()
    assert runs.retry_run(first, user=desk.company.cast.ada, now=timezone.now()).state == "success"
    assert len(desk.runs()) == 1


def test_r_224_a_pass_that_is_still_running_is_not_started_twice(desk):
    desk.link()
    running_run = Run.objects.create(job="okr.refresh", org=desk.org, state="running", heartbeat_at=timezone.now())
    desk.demo.forget_calls()
    assert pass_over(desk, trigger=Run.Trigger.SCHEDULE).state == "queued"
    assert pass_over(desk, trigger=Run.Trigger.SCHEDULE).state == "queued"
    assert Run.objects.filter(job="okr.refresh").exclude(pk=running_run.pk).count() == 1
    assert desk.runs() == []


def test_bw_36_nothing_is_ever_written_to_salesforce(desk):
    link = desk.link()
    desk.demo.forget_calls()
    pass_over(desk)
    refresh.refresh_now(link, user=desk.company.cast.jane, now=timezone.now())
    linking_calls = [call for call in desk.demo.calls("/sobjects") if call["method"] != "GET"]
    assert linking_calls == []
    assert {call["method"] for call in desk.demo.calls("/services/data")} == {"GET"}


def test_bw_d16_next_refresh_is_the_next_slot_or_the_last_reading(desk, closed_period, settings):
    settings.REFRESH_MINUTE = 0
    link = desk.link()
    now = timezone.now()
    upcoming = refresh.next_refresh_at(link, now=now)
    assert now < upcoming <= now + timedelta(hours=1)
    link.key_result.objective.period = closed_period
    link.settle_days = 20
    last = refresh.next_refresh_at(link, now=now)
    assert last - now > timedelta(days=8)
    link.frozen_at = now
    assert refresh.next_refresh_at(link, now=now) is None


def test_two_connections_do_not_touch_each_other(desk):
    link = desk.link()
    other = SalesforceOrg.objects.create(name="Other", login_url="https://login.salesforce.com", state="needs_reauthorization")
    key_result = KeyResult.objects.create(
        objective=desk.company.objective, title="x", owner=desk.company.cast.ana, target=Decimal(5)
    )
    foreign = ReportLink.objects.create(key_result=key_result, org=other, report_id=link.report_id, report_name="x", field="RowCount",
                                        source_key="x", status="fresh")  # fmt: skip
    runs.request_run("okr.refresh", org=other, now=timezone.now())
    assert (again(foreign).status, again(link).status) == ("connection", "fresh")
