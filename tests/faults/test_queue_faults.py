"""The queue: bounded attempts, one catch-up, a long queue that hurts nobody, settings that would start things twice."""

import time
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import override_settings
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

from integrations.models import Run, SalesforceOrg
from integrations.sync import endings, retrying, runs
from project import timetable
from project.checks import check_queue

pytestmark = pytest.mark.django_db


@pytest.fixture
def org() -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")


@pytest.fixture
def real_queue(monkeypatch, settings):
    """Tasks become queue rows instead of being performed at once."""
    monkeypatch.setattr(Conf, "SYNC", False)
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "sync": False}


def test_r_252_a_task_that_raises_every_time_ends_as_failed_at_once(org, job):
    tries = []

    def perform(recorder):
        tries.append(1)
        raise ZeroDivisionError

    job(perform)
    run = runs.request_run("test.job", org=org, now=timezone.now())
    assert (run.state, run.reason_code, len(tries)) == ("failed", "unexpected", 1)
    assert runs.sweep(now=timezone.now() + timedelta(hours=1)) == {"interrupted": 0, "requeued": 0}


def test_r_252_a_database_that_goes_away_every_time_is_given_up_after_five(org, job, monkeypatch):
    monkeypatch.setattr(retrying, "is_away", lambda error: True)
    tries = []

    def perform(recorder):
        tries.append(1)
        raise OperationalError("server closed the connection unexpectedly")

    job(perform)
    runs.request_run("test.job", org=org, now=timezone.now())
    for _ in range(10):
        runs.sweep(now=timezone.now() + timedelta(minutes=10))
    states = list(Run.objects.order_by("id").values_list("state", flat=True))
    assert states == ["interrupted"] * 4 + ["failed"]
    assert len(tries) == runs.ATTEMPTS == 5


def test_r_252_i_12_a_job_nobody_knows_ends_and_stops_no_other(org, job, now):
    job(lambda recorder: None)
    Run.objects.create(job="gone.job", org=org, domain="test", enqueued_at=None)
    Run.objects.create(job="gone.job", org=None, domain="test", state="running", heartbeat_at=now - timedelta(hours=1))
    waiting = Run.objects.create(job="test.job", org=org, domain="test", enqueued_at=None)
    runs.sweep(now=now)
    waiting.refresh_from_db()
    assert waiting.state == "success"
    assert sorted(Run.objects.filter(job="gone.job").values_list("state", "reason_code")) == [
        ("failed", "unknown_job"),
        ("interrupted", "worker_lost"),
    ]


@pytest.mark.parametrize(("change", "found"), [({}, []), ({"retry": 300}, ["project.E001"]), ({"timeout": None}, ["project.E001"]),
                                               ({"max_attempts": 0}, ["project.E002"]), ({"ack_failures": False}, ["project.E002"])])  # fmt: skip
def test_r_253_start_up_refuses_a_queue_that_delivers_twice_or_for_ever(settings, change, found):
    with override_settings(Q_CLUSTER={**settings.Q_CLUSTER, **change}):
        assert [each.id for each in check_queue()] == found


@pytest.mark.django_db(transaction=True)  # the scheduler opens its connection anew
def test_r_255_r_062_after_three_days_off_each_schedule_fires_once(real_queue, now):
    timetable.write_schedules()
    Schedule.objects.update(next_run=now - timedelta(days=3))
    scheduler()
    scheduler()
    schedules = Schedule.objects.all()
    assert OrmQ.objects.count() == schedules.count() == len(timetable.timetable())
    assert all(schedule.next_run > now for schedule in schedules)


def test_r_270_asking_200_times_is_one_task(org, job, real_queue, now):
    job(lambda recorder: None)
    for _ in range(200):
        runs.request_run("test.job", org=org, now=now)
    assert OrmQ.objects.count() == 1


def test_r_270_with_10_000_tasks_waiting_pages_stay_quick(client, cast, real_queue, now):
    OrmQ.objects.bulk_create((OrmQ(key="causeway", payload="x" * 500, lock=now) for _ in range(10_000)), batch_size=2000)
    client.force_login(cast.ada)
    for path in ("/", "/runs/", "/connections/", "/okr/", "/metrics"):
        client.get(path)  # templates are compiled once
        assert min(seconds_of(client, path) for _ in range(5)) < 0.5, path


def seconds_of(client, path):
    began = time.monotonic()
    assert client.get(path).status_code == 200
    return time.monotonic() - began


def test_r_285_the_badge_after_a_crash_reads_interrupted_within_five_minutes(org, client, cast, now):
    died = now - timedelta(minutes=5)
    run = Run.objects.create(
        job="okr.refresh", org=org, domain="okr", state="running", started_at=died, heartbeat_at=died, attempts=5
    )
    client.force_login(cast.ana)
    assert b"Running" in client.get(f"/runs/{run.pk}/").content
    lost_at = died + runs.LOST_AFTER + timedelta(minutes=1)  # the sweeper comes each minute
    assert lost_at <= now
    runs.sweep(now=lost_at)
    page = client.get(f"/runs/{run.pk}/progress/")
    assert page.status_code == 286, "the page stops asking"
    assert b"Failed" in page.content
    assert b"5 times" in page.content


def test_every_ending_has_a_word_and_a_sentence():
    for error in (endings.RunStopped("a", "b"), endings.Defer("a", "b"), ValueError("x")):
        state, code, sentence = endings.ending_of(error)
        assert state in Run.State.values
        assert code
        assert sentence


def test_s_043_nobody_types_a_program_into_the_back_office(client, cast):
    client.force_login(cast.ada)
    form = {"name": "x", "func": "os.system", "args": "('id',)", "schedule_type": "I", "minutes": "1", "repeats": "-1",
            "next_run_0": "2026-01-01", "next_run_1": "00:00"}  # fmt: skip
    client.post("/admin/django_q/schedule/add/", form)
    assert not Schedule.objects.filter(func="os.system").exists()
