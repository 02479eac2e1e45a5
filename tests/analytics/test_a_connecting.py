"""The one button: what it costs, what it reads first, how it goes on, pauses and stops; the daily sync."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from analytics.attributes.authoring import current_map
from analytics.attributes.body import fields_needed
from analytics.attributes.needs import needs_of
from analytics.connecting import daily, first_read, older, progress, starting
from analytics.connecting.estimate import estimate
from analytics.facts import syncing
from analytics.models import AnalyticsSettings
from integrations.access import Refusal
from integrations.lake import reading
from integrations.models import AuditEntry, Backfill, MirrorObject, Run, SalesforceOrg
from integrations.orgs import budget
from integrations.orgs.connect import client_for
from integrations.sync import runs
from integrations.sync.mirror import needs, planning, tables

pytestmark = pytest.mark.django_db
READ = ("Account", "Contact", "Opportunity", "OpportunityLineItem", "CampaignMember", "Campaign", "Case", "NPS_Response__c")


def now() -> datetime:
    return timezone.now()


def work_off(org, *, until_job: str = "") -> list[Run]:
    """What a worker and the sweeper do until nothing waits any more, or until a run of that job would begin. Facts and analyses
    are computed elsewhere: their runs are only counted."""
    done = []
    for _ in range(40):
        Run.objects.filter(org=org, job=syncing.JOB, state=Run.State.QUEUED).update(state=Run.State.SUCCESS)
        Run.objects.filter(org=org, state=Run.State.QUEUED).update(not_before=None)
        queued = Run.objects.filter(org=org, state=Run.State.QUEUED).order_by("-pk")
        waiting = min(queued, key=lambda run: sum(1 for each in done if each.pk == run.pk), default=None)
        if waiting is None or waiting.job == until_job:
            return done
        runs.perform_run(waiting.pk)
        done.append(waiting)
    raise AssertionError("Something goes on for ever.")


def mirror(org, name: str) -> MirrorObject:
    return MirrorObject.objects.get(org=org, name=name)


def ids_there(org, name: str) -> set[str]:
    with client_for(org, domain="test") as client:
        return {row["Id"] for row in client.query_all(f"SELECT Id FROM {name}")}


def ids_here(org, name: str) -> list[str]:
    return [row["Id"] for row in tables.sample(org, name, ["Id"], n=100_000)]


@pytest.fixture(autouse=True)
def _queue_with_a_worker(settings, monkeypatch):
    """Runs wait for `work_off`, as they wait for a worker."""
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "sync": False}
    monkeypatch.setattr("django_q.conf.Conf.SYNC", False)


@pytest.fixture
def started(connected_org, cast):
    starting.start(connected_org, actor=cast.olga, now=now())
    return connected_org


def test_fz_07_one_button_reads_everything_that_the_map_names(started, cast):
    work_off(started)
    for name in READ:
        assert set(ids_here(started, name)) == ids_there(started, name), name
        assert mirror(started, name).reads_from is None
    assert AuditEntry.objects.filter(action="analytics.started", actor=cast.olga).exists()
    assert not Run.objects.filter(org=started).exclude(state=Run.State.SUCCESS).exists()


def test_fz_09_the_four_groups_of_data_are_read(started):
    work_off(started)
    found = progress.read_progress(started, now=now())
    assert list(found.by_group) == [
        "Accounts and contacts", "Subscriptions and transactions", "Marketing campaigns", "Customer service"
    ]  # fmt: skip
    read = {line.object for lines in found.by_group.values() for line in lines if line.rows}
    assert {"Account", "Contact", "OpportunityLineItem", "CampaignMember", "Case"} <= read
    assert found.state == "ready"
    assert found.complete == len(found.lines)


def test_fz_d6_accounts_and_transactions_come_first_and_facts_are_computed_before_the_rest(started):
    first = Run.objects.get(org=started, job=first_read.JOB)
    assert first.arguments == {"objects": ["Account", "OpportunityLineItem", "Opportunity", "Product2"]}
    runs.perform_run(first.pk)
    assert set(MirrorObject.objects.filter(org=started, watermark__isnull=False).values_list("name", flat=True)) == set(
        first.arguments["objects"]
    )
    waiting = list(Run.objects.filter(org=started, state=Run.State.QUEUED).values_list("job", "arguments"))
    assert (syncing.JOB, {"read": False}) in waiting
    assert (first_read.JOB, {}) in waiting


def test_fz_d6_the_newest_year_is_here_before_older_ones(started):
    work_off(started, until_job="mirror.backfill")
    year_ago = planning.months_before(started.authorized_at, 12)
    account = mirror(started, "Account")
    assert account.reads_from == year_ago.replace(microsecond=0)
    stamps = [row["SystemModstamp"] for row in tables.sample(started, "Account", ["SystemModstamp"], n=100_000)]
    assert min(stamps) >= account.reads_from
    assert 0 < len(stamps) < len(ids_there(started, "Account"))
    order = list(
        Backfill.objects.filter(object__org=started, only_fields=[]).order_by("id").values_list("object__name", "until")
    )
    assert [until for _, until in order] == sorted((until for _, until in order), reverse=True)


def test_fz_d6_windows_go_back_year_after_year_without_a_gap_to_everything():
    reads_from, oldest = datetime(2026, 3, 1, tzinfo=UTC), datetime(2023, 7, 1, tzinfo=UTC)
    found = older.windows_back(reads_from, oldest)
    assert found[0] == (datetime(2025, 3, 1, tzinfo=UTC), reads_from)
    assert all(left[0] == right[1] for left, right in pairwise(found))
    assert found[-1] == (None, datetime(2024, 3, 1, tzinfo=UTC))
    assert older.windows_back(reads_from, None) == [(None, reads_from)]
    assert len(older.windows_back(reads_from, datetime(1950, 1, 1, tzinfo=UTC))) == older.MOST_YEARS + 1


def test_fz_d6_the_estimate_names_rows_calls_and_minutes_before_anything_is_read(connected_org, demo_org):
    body, _ = starting.map_to_start_with(connected_org)
    demo_org.forget_calls()
    found = estimate(connected_org, body, now=now())
    rows = {line.object: line.rows for line in found.lines}
    assert set(rows) == set(fields_needed(body))
    assert rows["Opportunity"] == len(ids_there(connected_org, "Opportunity"))
    assert found.calls >= len(found.lines)
    assert found.minutes >= 1
    assert found.left is not None
    assert not MirrorObject.objects.exists()
    before = len(demo_org.calls("/services/data/v"))
    estimate(connected_org, body, now=now())  # kept: costs nothing
    assert len(demo_org.calls("/services/data/v")) == before


def test_fz_d6_the_estimate_leaves_out_what_is_here_already(started):
    work_off(started)
    found = estimate(started, current_map(started)[0], now=now(), fresh=True)
    assert found.rows == 0
    assert all(line.why for line in found.lines)


def test_fz_d6_it_does_not_start_when_the_allowance_is_too_small(connected_org, cast, monkeypatch):
    left = budget.Allowance(0, 100, 0, 5, 5)
    monkeypatch.setattr(budget, "allowance", lambda org, *, now: left)
    with pytest.raises(Refusal, match="5 of today's are left"):
        starting.start(connected_org, actor=cast.olga, now=now())
    assert not AnalyticsSettings.objects.filter(started_at__isnull=False).exists()
    assert not Run.objects.exists()


def test_fz_d6_pausing_stops_and_resuming_goes_on_without_doubled_rows(started, cast):
    work_off(started, until_job="mirror.backfill")
    starting.pause(started, actor=cast.olga, now=now())
    assert not older.open_backfills(started) or {each.state for each in older.open_backfills(started)} == {"paused"}
    here = len(ids_here(started, "Account"))
    work_off(started)
    assert len(ids_here(started, "Account")) == here
    assert progress.read_progress(started, now=now()).state == "paused"
    starting.resume(started, actor=cast.olga, now=now())
    work_off(started)
    ids = ids_here(started, "Account")
    assert len(ids) == len(set(ids))
    assert set(ids) == ids_there(started, "Account")
    assert mirror(started, "Account").reads_from is None


def test_fz_d6_a_killed_run_goes_on_where_it_was(started):
    runs.perform_run(Run.objects.get(org=started, job=first_read.JOB).pk)
    second = Run.objects.get(org=started, job=first_read.JOB, state=Run.State.QUEUED)
    lost = now() - timedelta(hours=1)
    Run.objects.filter(pk=second.pk).update(state=Run.State.RUNNING, started_at=lost, heartbeat_at=lost)
    runs.sweep(now=now())
    work_off(started)
    assert set(ids_here(started, "Contact")) == ids_there(started, "Contact")


def test_r_235_a_backfill_that_is_asked_for_twice_changes_nothing(started):
    work_off(started)
    before = {name: sorted(ids_here(started, name)) for name in READ}
    stored = {name: reading.count_live(mirror(started, name).table) for name in READ}
    for name in READ:
        Backfill.objects.create(object=mirror(started, name), state="queued", requested_at=now())
    runs.request_run("mirror.backfill", org=started, now=now())
    work_off(started)
    assert set(Backfill.objects.filter(object__org=started).values_list("state", flat=True)) == {"done"}
    assert {name: sorted(ids_here(started, name)) for name in READ} == before
    assert {name: reading.count_live(mirror(started, name).table) for name in READ} == stored
    assert older.ask_for_older(started, now=now()) == []


def test_stopping_ends_all_reading_and_starting_again_reads_what_is_missing(started, cast):
    work_off(started, until_job="mirror.backfill")
    starting.stop(started, actor=cast.olga, now=now())
    work_off(started)
    assert list(needs_of(started)) == []
    assert mirror(started, "Account").reads_from is not None
    starting.start(started, actor=cast.olga, now=now() + timedelta(seconds=1))
    work_off(started)
    assert set(ids_here(started, "Account")) == ids_there(started, "Account")


def test_fz_08_new_data_arrives_by_itself_with_the_daily_sync(started, demo_org):
    work_off(started)
    AnalyticsSettings.objects.update(started_at=now() - timedelta(days=2), sync_hour=2)
    MirrorObject.objects.update(read_at=now() - timedelta(days=1))
    with client_for(started, domain="test") as client:
        made = client.request("POST", "sobjects/Account", json={"Name": "Came later"}).json()
    (run,) = daily.start_due(now=now())
    runs.perform_run(run.pk)
    assert made["id"] in ids_here(started, "Account")


def test_fz_d7_the_sync_is_due_at_its_hour_once_a_day(org):
    started_at = datetime(2026, 5, 1, tzinfo=UTC)
    AnalyticsSettings.objects.create(org=org, started_at=started_at)
    assert AnalyticsSettings.objects.get(org=org).sync_hour == 2
    at = datetime(2026, 5, 4, 2, 0, tzinfo=UTC)
    assert [run.slot for run in daily.start_due(now=at)] == [at]
    Run.objects.update(state=Run.State.SUCCESS)
    assert daily.start_due(now=at + timedelta(hours=1)) == []
    assert daily.start_due(now=at + timedelta(hours=23)) == []
    assert [run.slot for run in daily.start_due(now=at + timedelta(hours=27))] == [
        at + timedelta(days=1)
    ]  # missed: made up for


def test_fz_d7_each_connection_has_its_own_hour(org):
    other = SalesforceOrg.objects.create(name="Other", state=SalesforceOrg.State.CONNECTED)
    started_at = datetime(2026, 5, 1, tzinfo=UTC)
    AnalyticsSettings.objects.create(org=org, started_at=started_at, sync_hour=2)
    AnalyticsSettings.objects.create(org=other, started_at=started_at, sync_hour=21)
    morning = datetime(2026, 5, 4, 2, 0, tzinfo=UTC)
    Run.objects.create(job=syncing.JOB, org=other, state=Run.State.SUCCESS, slot=datetime(2026, 5, 3, 21, tzinfo=UTC))
    assert [run.org for run in daily.start_due(now=morning)] == [org]


@pytest.mark.parametrize("change", [{"paused_at": datetime(2026, 5, 2, tzinfo=UTC)}, {"started_at": None}])
def test_fz_d7_what_is_paused_or_not_started_is_not_synced(org, change):
    AnalyticsSettings.objects.create(org=org, **({"started_at": datetime(2026, 5, 1, tzinfo=UTC)} | change))
    assert daily.start_due(now=datetime(2026, 5, 4, 2, 0, tzinfo=UTC)) == []


def test_fz_d7_hard_deleted_campaign_members_are_found(started, demo_org):
    work_off(started)
    gone = sorted(ids_there(started, "CampaignMember"))[:2]
    with client_for(started, domain="test") as client:
        for each in gone:
            client.request("DELETE", f"sobjects/CampaignMember/{each}")
    assert set(gone) <= set(ids_here(started, "CampaignMember"))
    run = runs.request_run("mirror.reconcile", org=started, arguments={"objects": ["CampaignMember"]}, now=now())
    runs.perform_run(run.pk)
    assert set(ids_here(started, "CampaignMember")) == ids_there(started, "CampaignMember")
    assert not set(gone) & set(ids_here(started, "CampaignMember"))


def test_nothing_is_read_for_analytics_before_somebody_starts_it(connected_org, cast):
    assert list(needs_of(connected_org)) == []
    starting.start(connected_org, actor=cast.olga, now=now())
    wanted = {each.object for each in needs_of(connected_org)}
    assert set(READ) <= wanted
    assert {each.since_months for each in needs_of(connected_org)} == {12}
    assert "Email" not in needs.needs_of(connected_org)["Contact"].fields
    connected_org.analytics_enabled = False
    assert list(needs_of(connected_org)) == []


def test_starting_twice_or_without_a_connection_is_refused(started, org, cast):
    with pytest.raises(Refusal, match="started already"):
        starting.start(started, actor=cast.olga, now=now())
    org.state = SalesforceOrg.State.PAUSED
    with pytest.raises(Refusal, match="connect it first"):
        starting.start(org, actor=cast.olga, now=now())
    org.analytics_enabled = False
    with pytest.raises(Refusal, match="switched off"):
        starting.start(org, actor=cast.olga, now=now())
