"""Health answers: this process, the database and the queue, numbers for operators."""

from datetime import timedelta

import pytest

from integrations.models import WorkerHeartbeat

pytestmark = pytest.mark.django_db


def test_r_272_healthz_looks_at_nothing_else(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/healthz").json() == {"status": "ok"}


def test_readyz_waits_for_the_worker(client, now):
    assert client.get("/readyz").status_code == 503
    WorkerHeartbeat.objects.create(name="worker", beat_at=now)
    assert client.get("/readyz").json() == {"status": "ready", "missing": []}
    WorkerHeartbeat.objects.update(beat_at=now - timedelta(minutes=4))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["worker"])


def test_readyz_of_the_demonstration_waits_for_its_data(client, now, settings, tmp_path):
    settings.DEMO_MODE, settings.DATA_DIR = True, tmp_path
    WorkerHeartbeat.objects.create(name="worker", beat_at=now)
    assert client.get("/readyz").json()["missing"] == ["demo data"]
    (tmp_path / "demo.json").write_text("{}")
    assert client.get("/readyz").status_code == 200


def test_s_099_metrics_are_not_public(client, cast, settings):
    assert client.get("/metrics").status_code == 404
    settings.METRICS_TOKEN = "m" * 20
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 404
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {'m' * 20}"})
    assert b"causeway_queue_tasks 0" in answer.content
    client.force_login(cast.marsha)
    assert client.get("/metrics").status_code == 404
    client.force_login(cast.olga)
    assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/", "/runs/", "/connections/", "/admin/"])
def test_s_099_strangers_are_sent_to_the_sign_in_page(client, path):
    answer = client.get(path)
    assert answer.status_code == 302
    assert "login" in answer["Location"]
