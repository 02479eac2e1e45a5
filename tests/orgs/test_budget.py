"""The ledger of API calls, our share of the allowance, and signs of a stolen token."""

from datetime import UTC, datetime, timedelta

import pytest

from integrations.models import Alert, ApiUsage
from integrations.orgs import budget
from integrations.orgs.connect import client_for, flush_usage
from integrations.orgs.usage import USAGE, UsageBuffer, hour_of

NOON = datetime(2026, 11, 22, 12, 15, tzinfo=UTC)


def use(org, hour: datetime, calls: int, **fields) -> ApiUsage:
    return ApiUsage.objects.create(org=org, hour=hour_of(hour), calls=calls, **fields)


def test_i_18_our_count_agrees_with_the_limit_header(web_org, demo_org, now):
    USAGE.flush()
    ApiUsage.objects.all().delete()
    client = client_for(web_org, domain="okr")
    client.count("SELECT COUNT() FROM Account")
    first = client.api_usage.used
    demo_org.forget_calls()
    for _ in range(40):
        client.count("SELECT COUNT() FROM Account")
    flush_usage()
    row = ApiUsage.objects.get(org=web_org, domain="okr")
    assert row.calls == 41
    assert row.limit_used - first == 40
    assert len(demo_org.calls("/query")) == 40
    assert row.objects_asked == ["Account"]


def test_i_18_tokens_and_versions_are_not_counted(web_org, demo_org):
    USAGE.flush()
    ApiUsage.objects.all().delete()
    client = client_for(web_org, domain="connection")
    client.versions()
    demo_org.control("sessions", method="DELETE")
    client.count("SELECT COUNT() FROM Account")
    flush_usage()
    # the refused call (401) and its repetition; neither the token call nor the versions
    assert ApiUsage.objects.get(org=web_org, domain="connection").calls == 2


def test_i_18_two_processes_add_up(org):
    one, two = UsageBuffer(), UsageBuffer()
    for buffer in (one, two):
        for _ in range(5):
            buffer.add(org.pk, "okr", counted=True, failed=False, limit=(7, 100))
    one.flush()
    two.flush()
    assert ApiUsage.objects.get(org=org).calls == 10


def test_i_18_report_runs_are_counted_by_kind(org):
    buffer = UsageBuffer()
    buffer.add(org.pk, "okr", counted=True, failed=False, report="sync", limit=None)
    buffer.add(org.pk, "okr", counted=True, failed=True, report="instance", limit=None)
    buffer.flush()
    row = ApiUsage.objects.get(org=org)
    assert (row.calls, row.report_runs, row.report_instances, row.errors) == (2, 1, 1, 1)


def test_usage_of_a_deleted_connection_is_dropped(org):
    buffer = UsageBuffer()
    buffer.add(org.pk, "okr", counted=True, failed=False, limit=None)
    org.delete()
    buffer.flush()
    assert not ApiUsage.objects.exists()


def test_i_18_our_share_is_20_percent_and_others_keep_10(org, settings):
    settings.API_BUDGET_SHARE = 0.2
    use(org, NOON - timedelta(hours=30), 5000)
    use(org, NOON - timedelta(hours=3), 1500)
    use(org, NOON, 200, domain="x", limit_used=40_000, limit_max=100_000, limit_at=NOON)
    found = budget.allowance(org, now=NOON)
    assert (found.used, found.limit, found.ours, found.our_share, found.remaining_for_us) == (
        40_000,
        100_000,
        1700,
        20_000,
        18_300,
    )
    kept = 5 * (20_000 // 10 // 6)  # a tenth of the share, for each of the five other domains
    assert budget.may_spend(org, calls=16_300 - kept, domain="okr", now=NOON)
    assert not budget.may_spend(org, calls=16_301 - kept, domain="okr", now=NOON)
    assert budget.may_spend(org, calls=18_300 - kept, domain="okr", interactive=True, now=NOON)
    ApiUsage.objects.filter(limit_max=100_000).update(limit_used=89_500)
    assert budget.allowance(org, now=NOON).remaining_for_us == 500
    ApiUsage.objects.filter(limit_max=100_000).update(limit_used=95_000)
    assert budget.allowance(org, now=NOON).remaining_for_us == 0
    assert not budget.may_spend(org, calls=1, interactive=True, now=NOON)


def test_before_the_first_answer_nothing_is_refused(org):
    assert budget.may_spend(org, calls=50, domain="okr", now=NOON)
    assert budget.allowance(org, now=NOON).percent == 0


def test_r_221_report_runs_left_count_the_last_60_minutes(org):
    use(org, NOON, 0, report_runs=100)
    use(org, NOON - timedelta(hours=1), 0, report_runs=200)
    left = budget.report_runs_left(org, now=NOON)  # a quarter past: three quarters of the hour before still count
    assert left.sync == 350 - 100 - 150
    assert budget.report_runs_left(org, now=NOON, interactive=True).sync == 450 - 100 - 150
    assert left.instances == 900


def test_hours_without_calls_are_zero(org):
    use(org, NOON, 3)
    hours = budget.by_hour(org, now=NOON)
    assert len(hours) == 24
    assert [hour["calls"] for hour in hours][-2:] == [0, 3]


@pytest.fixture
def quiet_week(org):
    for day in range(1, 9):
        use(org, NOON - timedelta(days=day), 100, objects_asked=["Account"])
    return org


def test_s_011_growth_that_is_not_ours_is_noticed(quiet_week):
    use(quiet_week, NOON - timedelta(hours=1), 10, limit_used=1000, limit_max=100_000, limit_at=NOON - timedelta(minutes=40))
    row = use(quiet_week, NOON, 10, limit_used=21_000, limit_max=100_000, limit_at=NOON)
    assert budget.suspicions(quiet_week, now=NOON) == []
    ApiUsage.objects.filter(pk=row.pk).update(limit_used=21_200)
    assert [each.code for each in budget.suspicions(quiet_week, now=NOON)] == ["usage_by_others"]


def test_s_011_more_than_three_times_the_usual_is_noticed(quiet_week):
    row = use(quiet_week, NOON, 300)
    assert budget.suspicions(quiet_week, now=NOON) == []
    ApiUsage.objects.filter(pk=row.pk).update(calls=301)
    assert [each.code for each in budget.suspicions(quiet_week, now=NOON)] == ["unusual_volume"]


def test_s_011_an_object_never_asked_for_is_noticed(quiet_week):
    use(quiet_week, NOON, 1, objects_asked=["Account", "Payroll__c"])
    found = budget.suspicions(quiet_week, now=NOON)
    assert [each.code for each in found] == ["new_objects"]
    assert "Payroll__c" in found[0].sentence


def test_s_011_a_new_connection_is_not_suspicious(org):
    use(org, NOON, 5000, objects_asked=["Account"])
    assert budget.suspicions(org, now=NOON) == []


def test_s_011_the_alert_has_a_revoke_link_and_closes_by_itself(
    web_org, now, cast, mailoutbox, django_capture_on_commit_callbacks
):
    for day in range(1, 9):
        use(web_org, now - timedelta(days=day), 100, objects_asked=["Account", "Report", "Organization", "User"])
    use(web_org, now, 5000, domain="x")
    with django_capture_on_commit_callbacks(execute=True):
        assert budget.watch_usage(now=now) == 1
        assert budget.watch_usage(now=now) == 0
    alert = Alert.objects.get(key=f"usage:{web_org.pk}")
    assert alert.url == f"/connections/{web_org.pk}/#disconnect"
    assert len(mailoutbox) == 1
    ApiUsage.objects.filter(org=web_org).delete()
    budget.watch_usage(now=now)
    alert.refresh_from_db()
    assert alert.recovered_at is not None
