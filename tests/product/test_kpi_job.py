"""The job: its place in the timetable, its ledger, a worker that dies between two saves, and who starts it when events come late."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from integrations.lake import upkeep
from integrations.lake.engine import open_engine
from integrations.models import Customer, EndUser, LakeFile, Run, RunObject
from integrations.product.kpis import job as kpi_job
from integrations.product.kpis import rollup, tables, values
from integrations.product.kpis.catalog import read_counted
from integrations.product.kpis.tasks import catch_up
from integrations.product.kpis.windows import start_of_day
from integrations.product.models import DailyState, DirtyDay, KpiState
from integrations.sync import jobs, runs
from integrations.sync.mapping.schedule import PUSH_HOURS
from project.timetable import next_time, timetable
from tests.product.kpi_world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Customer:
    return Customer.objects.create(external_id="acme")


def spread(customer: Customer, days: int, *, first: int = 1) -> None:
    """One event of one person on each of so many days that are over."""
    user, _ = EndUser.objects.get_or_create(external_id="u", customer=customer)
    world, today = World(), start_of_day(timezone.now())
    for day in range(first, first + days):
        world.event(user.pk, customer.pk, today - timedelta(days=day, hours=-8))
    world.store(now=timezone.now())


def counts(run: Run) -> dict[str, dict[str, int]]:
    return {
        each.name: {name: getattr(each, name) for name in ("written", "unchanged") if getattr(each, name)}
        for each in RunObject.objects.filter(run=run)
    }


def test_px_43_kpis_are_computed_before_the_first_push_of_the_day():
    slot = next(each for each in timetable() if each.job == kpi_job.JOB)
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    at = next_time(slot.cron, after=midnight)
    assert at == midnight.replace(hour=2, minute=30)
    assert at < midnight.replace(hour=min(PUSH_HOURS))
    assert any(each.call == "integrations.product.kpis.tasks.catch_up" for each in timetable())
    assert not jobs.get(kpi_job.JOB).per_org


def test_the_ledger_counts_days_and_customers(acme):
    spread(acme, 3)
    Customer.objects.create(external_id="idle")
    run = runs.request_run(kpi_job.JOB, now=timezone.now())
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS, run.sentence
    assert counts(run) == {"Days rolled up": {"written": 3}, "Customers": {"written": 2}}
    again = runs.request_run(kpi_job.JOB, now=timezone.now())
    assert counts(again) == {"Days rolled up": {}, "Customers": {"unchanged": 2}}
    assert KpiState.objects.get().as_of == start_of_day(timezone.now())


def test_i_02_a_killed_run_goes_on_behind_its_last_save(acme, monkeypatch):
    monkeypatch.setattr(rollup, "PIECE_DAYS", 2)
    spread(acme, 6)
    done: list[tuple] = []
    roll_up = rollup.roll_up

    def dies(engine, days, counted):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(tuple(days))
        return roll_up(engine, days, counted)

    monkeypatch.setattr(rollup, "roll_up", dies)
    with pytest.raises(KeyboardInterrupt):
        kpi_job.bring_up_to_date(now=timezone.now())
    assert DailyState.objects.count() == 4
    assert DirtyDay.objects.count() == 2
    monkeypatch.setattr(rollup, "roll_up", roll_up)
    kpi_job.bring_up_to_date(now=timezone.now())
    with open_engine() as engine:
        engine.bind("daily", tables.daily())
        assert engine.rows("SELECT count(*), sum(events) FROM daily") == [(6, 6)]
    assert values.of_customer(acme.pk)["active_users_7d"] == 1


def test_i_03_marks_that_come_while_a_day_is_rolled_up_stay(acme):
    spread(acme, 1)
    counted, now = read_counted(), timezone.now()
    due = rollup.find_due(counted, now=now)
    spread(acme, 1)  # a flush meanwhile
    with open_engine() as engine:
        done = rollup.roll_up(engine, due.days, counted)
    from django.db import transaction

    with transaction.atomic():
        rollup.publish(done, counted, due.marks_of(due.days), run=None, now=now)
    assert DirtyDay.objects.count() == 1
    assert rollup.find_due(counted, now=now).days == due.days


def test_r_114_late_events_start_the_job_and_todays_do_so_once_an_hour(acme):
    now = timezone.now()
    today = now.astimezone(UTC).date()
    assert catch_up() is False  # nothing was ever sent
    spread(acme, 1)
    assert catch_up() is True
    state = KpiState.objects.get()
    assert kpi_job.is_current(now=now)
    assert not kpi_job.is_due(now=now)
    DirtyDay.objects.create(day=today)
    assert kpi_job.is_due(now=now)  # today was never rolled up
    DailyState.objects.create(day=today, rules="x", computed_at=now - timedelta(minutes=50))
    assert not kpi_job.is_due(now=now)
    assert kpi_job.is_due(now=now + timedelta(minutes=20))
    mark = DirtyDay.objects.create(day=today - timedelta(days=3))
    assert kpi_job.is_due(now=now)
    assert not kpi_job.is_current(now=now)
    mark.delete()
    Customer.objects.create(external_id="new")
    assert not kpi_job.is_current(now=now)
    assert not kpi_job.is_due(now=now)  # a page may wait, a push does not
    assert kpi_job.is_due(now=state.computed_at + timedelta(minutes=61))


def test_a_daily_run_that_did_not_come_is_made_up_for(acme):
    now = start_of_day(timezone.now())
    spread(acme, 1)
    kpi_job.bring_up_to_date(now=now)
    tomorrow = now + timedelta(days=1)
    assert not kpi_job.is_due(now=tomorrow + timedelta(hours=2))  # its time is 02:30
    assert kpi_job.is_due(now=tomorrow + timedelta(hours=3))


def test_days_without_a_roll_up_are_due_although_nothing_marks_them(acme):
    spread(acme, 2)
    DirtyDay.objects.all().delete()
    due = rollup.find_due(read_counted(), now=timezone.now())
    assert len(due.days) == 2
    assert rollup.find_due(read_counted(), now=timezone.now(), until=due.days[0]).days == due.days[:1]


def test_pieces_are_bounded_by_days_and_events(acme, monkeypatch):
    spread(acme, 5)
    days = rollup.find_due(read_counted(), now=timezone.now()).days
    monkeypatch.setattr(rollup, "PIECE_DAYS", 3)
    assert [len(each) for each in rollup.pieces_of(days)] == [3, 2]
    monkeypatch.setattr(rollup, "PIECE_EVENTS", 2)
    assert [len(each) for each in rollup.pieces_of(days)] == [2, 2, 1]
    monkeypatch.setattr(rollup, "PIECE_EVENTS", 0)
    assert [len(each) for each in rollup.pieces_of(days)] == [1] * 5  # a day is never cut


def test_i_23_who_is_erased_leaves_the_roll_up_too(acme):
    spread(acme, 2)
    other = EndUser.objects.create(external_id="other", customer=acme)
    world = World()
    world.event(other.pk, acme.pk, start_of_day(timezone.now()) - timedelta(hours=3))
    world.store(now=timezone.now())
    kpi_job.bring_up_to_date(now=timezone.now())
    assert values.of_customer(acme.pk)["active_users_7d"] == 2
    upkeep.erase("end_user.id", str(other.pk), now=timezone.now())
    with open_engine() as engine:
        engine.bind("daily", tables.daily())
        engine.bind("daily_events", tables.daily_events())
        assert engine.rows("SELECT count(*) FROM daily") == [(2,)]
        assert engine.rows("SELECT count(*) FROM daily_events") == [(2,)]
    kpi_job.bring_up_to_date(now=timezone.now())
    assert values.of_customer(acme.pk)["active_users_7d"] == 1


def test_a_day_whose_events_are_gone_has_no_rows_any_more(acme):
    spread(acme, 1)
    kpi_job.bring_up_to_date(now=timezone.now())
    assert values.of_customer(acme.pk)["active_users_7d"] == 1
    LakeFile.objects.filter(table__name="product/events").update(retired_at=timezone.now())
    DirtyDay.objects.create(day=DailyState.objects.get().day)
    kpi_job.bring_up_to_date(now=timezone.now())
    assert values.of_customer(acme.pk)["active_users_7d"] == 0
    assert (DailyState.objects.get().events, DailyState.objects.get().rows) == (0, 0)
