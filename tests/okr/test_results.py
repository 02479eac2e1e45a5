"""What an answer does to links: values, reasons, history, messages. Real database, answers built in the API's shape."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.utils import timezone

from integrations.models import Alert, RowOutcome, Run, RunObject
from integrations.sync.tally import Tally
from okr import notices, results, rounds
from okr.models import Activity, KeyResult, Reading, ReportLink
from okr.readings import Broken
from tests.okr.reports import by_region, report, step


def source(*links: ReportLink) -> rounds.DueSource:
    return rounds.DueSource(links[0].source_key, links[0].report_id, [link.pk for link in links])


def answer(links, body, org, at=None, **options):
    told = results.told_by(body, org, at=at or timezone.now(), run=None)
    results.write_answer(source(*links), body, told, **options)
    return [ReportLink.objects.select_related("key_result").get(pk=link.pk) for link in links]


def refuse(links, status, org, at=None):
    results.write_refusal(source(*links), Broken(status, "Because."), results.Told(org, at or timezone.now()))
    return [ReportLink.objects.select_related("key_result").get(pk=link.pk) for link in links]


def test_bw_01_a_linked_key_result_gets_its_value_with_provenance(org, make_link):
    link = make_link(value=None, status="not_read", last_value_at=None)
    (after,) = answer([link], by_region({"APAC": 5.0, "EMEA": 510.0}), org)
    assert (after.key_result.current, after.status, after.failed_passes) == (510, "fresh", 0)
    reading = Reading.objects.get(key_result=link.key_result)
    assert (reading.value, reading.report_name, reading.field) == (510, "Pipeline", "s!AMOUNT")
    assert reading.read_as == "integration@acme.example"
    assert reading.group_path[0]["value"] == "EMEA"


def test_r_227_an_unchanged_value_makes_no_point_but_moves_last_checked(org, make_link):
    link = make_link(value=510)
    at = timezone.now() + timedelta(minutes=1)
    (after,) = answer([link], by_region({"EMEA": 510.0}), org, at)
    assert not Reading.objects.exists()
    assert (after.last_checked_at, after.last_value_at) == (at, at)
    assert not Activity.objects.exists()


def test_i_21_a_link_that_cannot_be_read_keeps_its_value_and_says_why_and_since_when(org, make_link):
    link = make_link(value=510)
    at = timezone.now()
    (first,) = answer([link], by_region({"APAC": 5.0}), org, at)
    (second,) = answer([link], by_region({"APAC": 5.0}), org, at + timedelta(hours=1))
    assert (second.key_result.current, second.status, second.status_since) == (510, "row_missing", at)
    assert (first.failed_passes, second.failed_passes) == (1, 2)
    assert second.last_value_at == link.last_value_at
    assert not Reading.objects.exists()
    assert Activity.objects.filter(verb="stopped").count() == 1


@pytest.mark.parametrize("empty", [None, "-", ""])
def test_r_213_i_21_a_summary_without_value_keeps_the_last_one_and_says_so(org, make_link, client, cast, empty):
    link = make_link(value=510)
    at = timezone.now()
    (after,) = answer([link], by_region({"EMEA": empty, "APAC": 5.0}), org, at)
    assert (after.key_result.current, after.status, after.status_since) == (510, "no_value", at)
    assert after.last_value_at == link.last_value_at
    assert not Reading.objects.exists()
    client.force_login(cast.jane)
    page = client.get(f"/okr/key-results/{after.key_result.pk}/").content.decode()
    assert "510" in page
    (back,) = answer([link], by_region({"EMEA": 0, "APAC": 5.0}), org, at + timedelta(hours=1))
    assert (back.key_result.current, back.status) == (0, "fresh"), "0 itself is a value"


def test_i_10_a_bad_link_fails_alone(org, make_link):
    good, gone, field = make_link(value=1), make_link(group_path=[step("REGION", "Mars")]), make_link(field="s!NOPE")
    after = answer([good, gone, field], by_region({"EMEA": 7.0}), org)
    assert [each.status for each in after] == ["fresh", "row_missing", "field_gone"]
    assert after[0].key_result.current == 7


def test_bw_d8_missing_row_as_zero_is_the_links_own_choice(org, make_link):
    plain, zero = make_link(value=9), make_link(value=9, missing_row_is_zero=True)
    after = answer([plain, zero], by_region({"APAC": 5.0}), org)
    assert [(each.status, each.key_result.current) for each in after] == [("row_missing", 9), ("fresh", 0)]


def test_bw_d9_owner_and_creator_hear_once_per_change_never_per_pass(
    org, make_link, company, django_capture_on_commit_callbacks
):
    link = make_link(value=5)
    for hour in range(3):
        with django_capture_on_commit_callbacks(execute=True):
            refuse([link], "report_gone", org, timezone.now() + timedelta(hours=hour))
    alert = Alert.objects.get(recovered_at=None)
    assert alert.code == "report_gone"
    assert set(alert.people.all()) == {company.cast.marsha, company.cast.jane}
    told = [message for message in mail.outbox if message.to == ["marsha@acme.example"]]
    assert len(told) == 1
    assert "Pipeline" in told[0].subject


def test_bw_d9_a_new_state_is_a_new_message_and_recovery_closes_it(org, make_link):
    link = make_link(value=5)
    refuse([link], "report_gone", org)
    answer([link], by_region({"APAC": 5.0}), org)
    assert list(Alert.objects.filter(recovered_at=None).values_list("code", flat=True)) == ["row_missing"]
    answer([link], by_region({"EMEA": 5.0}), org)
    assert not Alert.objects.filter(recovered_at=None).exists()
    assert Activity.objects.filter(key_result=link.key_result, verb="recovered").exists()


def test_bw_d9_many_links_of_one_report_are_one_message(org, make_link, company):
    links = [make_link(f"Number {index}", value=1, owner=company.cast.ana) for index in range(12)]
    refuse(links, "no_access", org)
    alert = Alert.objects.get()
    assert "Number 0" in alert.body
    assert "and 2 more" in alert.body
    assert set(alert.people.all()) == {company.cast.ana, company.cast.jane}


def test_bw_d9_a_passing_outage_of_salesforce_alerts_nobody(org, make_link):
    refuse([make_link(value=1)], "upstream", org)
    assert not Alert.objects.exists()


def test_bw_d9_three_failed_passes_are_raised_to_the_admins_once(org, make_link, now):
    link = make_link(value=5)
    for passes in range(1, 6):
        refuse([link], "field_gone", org, now + timedelta(hours=passes))
        assert notices.tell_admins(org, now=now) is (passes == 3)
    assert Alert.objects.get(key=f"okr-stuck:{org.pk}").people.get().is_superuser
    answer([link], by_region({"EMEA": 5.0}), org, now + timedelta(hours=9))
    notices.tell_admins(org, now=now)
    assert not Alert.objects.filter(recovered_at=None).exists()


def test_r_214_lost_access_is_checked_once_a_day(org, make_link, now):
    (after,) = refuse([make_link(value=5)], "no_access", org, now)
    assert timedelta(hours=23) < after.next_check_at - now <= timedelta(hours=24)
    hourly = rounds.due_sources(org, round_start=now + timedelta(hours=1), everything=False, now=now + timedelta(hours=1))
    assert hourly == []
    daily = rounds.due_sources(org, round_start=now + timedelta(hours=24), everything=False, now=now + timedelta(hours=24))
    assert [each.link_ids for each in daily] == [[after.pk]]


def test_bw_d16_a_closed_period_is_read_once_more_then_frozen(org, make_link, closed_period, now):
    link = make_link(value=5, period=closed_period)
    (after,) = answer([link], by_region({"EMEA": 7.0}), org, now)
    assert (after.status, after.frozen_at, after.key_result.current) == ("frozen", now, 7)
    assert Reading.objects.get().is_final
    later = now + timedelta(hours=2)
    assert rounds.due_sources(org, round_start=later, everything=True, now=later) == []


def test_bw_d16_an_unchanged_last_value_marks_the_newest_point_final(org, make_link, closed_period, now):
    link = make_link(value=7, period=closed_period)
    Reading.objects.create(key_result=link.key_result, value=7, source="report", at=now - timedelta(days=20))
    answer([link], by_region({"EMEA": 7.0}), org, now)
    assert Reading.objects.get().is_final


def test_bw_d16_between_end_and_settle_offset_a_link_rests(org, make_link, closed_period, now):
    make_link(value=5, period=closed_period, settle_days=20)
    assert rounds.due_sources(org, round_start=now, everything=True, now=now) == []
    later = now + timedelta(days=15)
    assert len(rounds.due_sources(org, round_start=later, everything=False, now=later)) == 1


def test_i_07_an_older_answer_never_overwrites_a_newer_one(org, make_link, now):
    link = make_link(value=9, last_checked_at=now)
    (after,) = answer([link], by_region({"EMEA": 1.0}), org, now - timedelta(minutes=1))
    assert (after.key_result.current, after.last_checked_at) == (9, now)


def test_i_13_a_link_re_pointed_during_the_run_is_left_alone(org, make_link, now):
    link = make_link(value=9)
    due = source(link)
    ReportLink.objects.filter(pk=link.pk).update(source_key="another", field="RowCount")
    body = by_region({"EMEA": 1.0})
    tally = tally_of(org)
    results.write_answer(due, body, results.told_by(body, org, at=now, run=None), tally=tally)
    tally.flush()
    link.refresh_from_db()
    assert link.key_result.current == 9
    assert RowOutcome.objects.get().code == "link_changed"


def tally_of(org) -> Tally:
    return Tally(Run.objects.create(job="okr.refresh", org=org, state="running"), "key results")


def test_i_01_every_link_ends_in_exactly_one_class(org, make_link, now):
    links = [
        make_link(value=7),
        make_link(value=1),
        make_link(group_path=[step("REGION", "x")]),
        make_link(last_checked_at=now + timedelta(1)),
    ]
    tally = tally_of(org)
    answer(links, by_region({"EMEA": 7.0}), org, now, tally=tally)
    tally.flush()
    counts = RunObject.objects.get()
    assert (counts.read, counts.unchanged, counts.written, counts.failed, counts.skipped) == (4, 1, 1, 1, 1)


def test_bw_d11_the_first_reading_becomes_the_start_when_so_chosen(org, make_link, now):
    link = make_link(value=None, status="not_read", last_value_at=None)
    KeyResult.objects.filter(pk=link.key_result_id).update(start_from_first_reading=True)
    answer([link], by_region({"EMEA": 100.0}), org, now)
    answer([link], by_region({"EMEA": 200.0}), org, now + timedelta(hours=1))
    result = KeyResult.objects.get(pk=link.key_result_id)
    assert (result.start, result.current) == (100, 200)


def test_bw_d11_a_first_reading_equal_to_the_target_does_not_become_the_start(org, make_link, now):
    link = make_link(value=None, status="not_read", last_value_at=None)
    KeyResult.objects.filter(pk=link.key_result_id).update(start_from_first_reading=True)
    (after,) = answer([link], by_region({"EMEA": 590.0}), org, now)
    assert (after.key_result.start, after.key_result.current) == (0, 590)


def test_bw_d9_a_currency_that_is_named_for_the_first_time_must_stay(org, make_link, now):
    link = make_link(value=1)
    (after,) = answer([link], by_region({"EMEA": 2.0}, currency="USD"), org, now)
    assert after.currency == "USD"
    (after,) = answer([link], by_region({"EMEA": 3.0}, currency="EUR"), org, now + timedelta(hours=1))
    assert (after.status, after.key_result.current) == ("currency_changed", 2)


def test_i_22_money_is_kept_to_the_last_digit(org, make_link, now):
    link = make_link(value=1)
    body = report({"T!T": [Decimal("123456789012.345"), 1]})
    link.group_path = []
    link.save()
    (after,) = answer([link], body, org, now)
    assert after.key_result.current == Decimal("123456789012.345")


@pytest.mark.parametrize("number", [10, 60])
def test_l_06_writing_costs_the_same_queries_for_ten_and_for_sixty_links(
    org, make_link, now, django_assert_max_num_queries, number
):
    links = [make_link(value=index) for index in range(number)]
    with django_assert_max_num_queries(16):
        answer_only(links, by_region({"EMEA": 1e6}), org, now)


def answer_only(links, body, org, at):
    results.write_answer(source(*links), body, results.told_by(body, org, at=at, run=None))


def test_archived_objectives_are_not_refreshed(org, make_link, company, now):
    make_link(value=1)
    company.objective.archived_at = now
    company.objective.save()
    assert rounds.due_sources(org, round_start=now, everything=True, now=now) == []


def test_bw_d7_links_to_one_report_and_filters_are_one_source(org, make_link, now):
    filters = [{"column": "TYPE", "operator": "equals", "value": "New"}]
    first, second, third = make_link(), make_link(field="RowCount"), make_link(filters=filters)
    due = rounds.due_sources(org, round_start=now, everything=False, now=now)
    assert sorted(sorted(each.link_ids) for each in due) == [[first.pk, second.pk], [third.pk]]
    assert next(each for each in due if third.pk in each.link_ids).filters == filters


def test_bw_d7_a_round_near_500_reports_is_spread_over_the_hour():
    assert rounds.slice_size(300) == 300
    assert rounds.slice_size(900) == 90


def test_r_226_rounds_follow_utc_so_dst_changes_nothing(settings):
    from datetime import UTC, datetime

    settings.REFRESH_MINUTE = 0
    begin = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)  # Berlin's long day has 25 hours
    slots = {rounds.slot_of(begin + timedelta(minutes=10 * count)) for count in range(25 * 6)}
    assert len(slots) == 26
    assert all(slot.minute == 0 for slot in slots)
