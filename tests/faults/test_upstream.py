"""Salesforce down, the database away, the disk full: what stays up, and what is left behind."""

import resource
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import Client

from integrations.models import WorkerHeartbeat
from integrations.orgs.connect import client_for
from integrations.salesforce import bulk
from integrations.sync import jobs, runs
from project import health, views


def test_r_272_with_salesforce_down_the_house_is_well_and_ready(connected_org, demo_org, client, cast, now):
    WorkerHeartbeat.objects.create(name="worker", beat_at=now)
    demo_org.fault(path="/services", status=503, body="down", times=500)
    client.force_login(cast.ada)
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
    for path in ("/", "/connections/", f"/connections/{connected_org.pk}/", "/okr/", "/runs/"):
        assert client.get(path).status_code == 200, path
    demo_org.no_faults()
    WorkerHeartbeat.objects.update(beat_at=now - timedelta(minutes=10))
    assert client.get("/readyz").status_code == 503, "our own queue is what readiness is about"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/accounts/login/", "/api/v1/runs/", "/runs/"])
def test_r_258_a_database_that_is_away_answers_503_and_says_when_to_come_back(path, cast, monkeypatch):
    client = Client(raise_request_exception=False)
    client.force_login(cast.ada)

    def away(*_args, **_options):
        raise OperationalError("connection to server at 10.0.0.5 failed")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", away)
    answer = client.get(path)
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert b"10.0.0.5" not in answer.content
    if path.startswith("/api/"):
        assert answer.json()["error"]["code"] == "unavailable"


def test_r_258_readiness_names_the_database(client, monkeypatch):
    def away():
        raise OperationalError("gone")

    monkeypatch.setattr(health.connection, "cursor", away)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["database"])
    monkeypatch.undo()


@pytest.mark.django_db
def test_s_092_a_500_says_a_number_and_nothing_else(cast, monkeypatch):
    client = Client(raise_request_exception=False)
    client.force_login(cast.ada)

    def broken(*_args, **_options):
        raise RuntimeError("secret inside 10.0.0.5")

    monkeypatch.setattr(views, "read_overview", broken)
    monkeypatch.setattr("integrations.queries.find_runs", broken)
    for path in ("/", "/runs/", "/api/v1/runs/"):
        answer = client.get(path)
        assert answer.status_code == 500
        for word in (b"Traceback", b"RuntimeError", b"10.0.0.5", b"Django", b"python"):
            assert word not in answer.content, path
    assert answer.json() == {"error": {"code": "unexpected", "message": "Something unexpected happened on our side."}}


class SmallDisk:
    """No file of this process grows beyond `size` bytes: writes fail as on a full disk."""

    def __init__(self, size: int) -> None:
        self.size, self.before = size, resource.getrlimit(resource.RLIMIT_FSIZE)

    def __enter__(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.before[1]))

    def __exit__(self, *_why: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


@pytest.mark.parametrize("page_rows", [50, None])
def test_r_261_a_full_disk_ends_a_download_cleanly_and_leaves_no_file(connected_org, tmp_path, monkeypatch, page_rows):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    client = client_for(connected_org, domain="test")
    job = bulk.wait_for(client, bulk.start_query(client, "SELECT Id, Name, StageName FROM Opportunity"), seconds=300)
    with SmallDisk(3000), pytest.raises(OSError, match=r"File too large|No space left"):
        bulk.download(client, job, tmp_path / "rows.csv", page_rows=page_rows)
    assert list(tmp_path.iterdir()) == []
    assert bulk.download(client, job, tmp_path / "rows.csv", page_rows=page_rows) > 50, "with room again it works"


@pytest.mark.django_db
def test_r_261_a_job_that_meets_a_full_disk_fails_with_a_word(monkeypatch, now):
    def perform(recorder):
        recorder.object("rows").unchanged(3)
        with open("/dev/full", "w") as full:
            full.write("x")

    monkeypatch.setitem(jobs._jobs, "test.disk", jobs.Job("test.disk", "Disk", "test", perform, per_org=False))
    run = runs.request_run("test.disk", now=now)
    assert (run.state, run.reason_code) == ("failed", "unexpected")
    assert run.objects_touched.get().unchanged == 3
