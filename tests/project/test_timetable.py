"""The timetable is one table; the queue's schedules follow it; UTC knows no clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from django.utils.module_loading import import_string
from django_q.models import Schedule

from integrations.sync import jobs
from project import timetable


def slots_between(cron: str, start: datetime, end: datetime) -> list[datetime]:
    """Every instant of `cron` in [start, end)."""
    times, moment = [], start - timedelta(seconds=1)
    while (moment := timetable.next_time(cron, after=moment)) < end:
        times.append(moment)
    return times


@pytest.mark.django_db
def test_schedules_follow_the_table():
    Schedule.objects.create(name="causeway: left the table", func="x.y")
    Schedule.objects.create(name="somebody else's", func="x.y")
    count = timetable.write_schedules()
    names = set(Schedule.objects.values_list("name", flat=True))
    assert names == {timetable.PREFIX + slot.name for slot in timetable.timetable()} | {"somebody else's"}
    assert timetable.write_schedules() == count
    assert Schedule.objects.count() == count + 1


@pytest.mark.django_db
def test_r_152_restart_does_not_skip_a_slot_that_is_due(now):
    timetable.write_schedules()
    due = now - timedelta(minutes=5)
    Schedule.objects.filter(name="causeway: okr refresh").update(next_run=due)
    timetable.write_schedules()
    assert Schedule.objects.get(name="causeway: okr refresh").next_run == due


def test_bw_34_key_results_refresh_once_an_hour(settings):
    settings.REFRESH_MINUTE = 17
    slot = next(each for each in timetable.timetable() if each.job == "okr.refresh")
    day = datetime(2026, 3, 1, tzinfo=UTC)
    assert [time.minute for time in slots_between(slot.cron, day, day + timedelta(days=1))] == [17] * 24


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)])
def test_r_226_hourly_refresh_on_a_day_with_a_clock_change(day, hours):
    slot = next(each for each in timetable.timetable() if each.job == "okr.refresh")
    zone = ZoneInfo("Europe/Berlin")
    start = datetime.fromisoformat(day).replace(tzinfo=zone)
    end = (start + timedelta(days=1)).replace(tzinfo=zone)
    times = slots_between(slot.cron, start.astimezone(UTC), end.astimezone(UTC))
    assert len(times) == len(set(times)) == hours


def test_r_273_daily_jobs_run_once_on_each_day():
    for slot in timetable.timetable():
        hours = slot.cron.split()[1]
        if hours == "*":
            continue
        for day in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
            assert len(slots_between(slot.cron, day, day + timedelta(days=1))) == len(hours.split(",")), slot.name


def test_every_line_can_be_called():
    for slot in timetable.timetable():
        assert croniter.is_valid(slot.cron), slot.name
        assert bool(slot.job) != bool(slot.call), slot.name
        if slot.job:
            assert jobs.get(slot.job)
        else:
            assert callable(import_string(slot.call))


def test_r_253_the_queue_never_delivers_again_while_a_task_runs(settings):
    cluster = settings.Q_CLUSTER
    assert cluster["timeout"] < cluster["retry"]
    assert cluster["max_attempts"] == 1
    assert cluster["ack_failures"] is True


def test_r_255_three_days_off_give_one_catch_up(settings):
    """django-q2 then fires a missed schedule once and moves on to the next future slot."""
    assert settings.Q_CLUSTER["catch_up"] is False
