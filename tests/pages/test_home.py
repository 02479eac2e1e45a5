"""The overview: problems first, one click to the fix; newcomers are led into the wizard."""

from datetime import timedelta

import pytest

from integrations.models import Alert, ApiUsage, WorkerHeartbeat
from okr.models import ReportLink
from project.needs_person.listing import count_needs

pytestmark = pytest.mark.django_db


@pytest.fixture
def working(now):
    WorkerHeartbeat.objects.create(name="worker", beat_at=now)


def test_a_newcomer_is_led_into_the_wizard(client, cast):
    client.force_login(cast.ada)
    html = client.get("/").content.decode()
    assert "Connect your first Salesforce org" in html
    assert 'href="/connections/new/"' in html
    client.force_login(cast.marsha)
    html = client.get("/").content.decode()
    assert "An administrator connects Salesforce first." in html
    assert "/connections/new/" not in html


def test_everything_is_fine_once_everything_was_counted(client, world, cast, working, now):
    client.force_login(cast.ada)
    html = client.get("/").content.decode()
    assert "Nothing needs a person so far." in html
    assert "Everything is fine." not in html
    count_needs(now=now)
    html = client.get("/").content.decode()
    assert "Everything is fine." in html
    assert "1 of 1" in html


def test_problems_come_first_with_one_click_to_the_fix(client, world, cast, working, now):
    Alert.objects.create(
        key="connection:1", code="x", title="Acme needs re-authorization", url=f"/connections/{world.org.pk}/", org=world.org
    )
    client.force_login(cast.ada)
    html = client.get("/").content.decode()
    assert html.index("Acme needs re-authorization") < html.index("Recent runs")
    assert f'href="/connections/{world.org.pk}/">Fix connection' in html
    assert "1 thing needs a person." in html


def test_people_see_only_alerts_that_concern_them(client, world, cast, now):
    alert = Alert.objects.create(key="link:1", code="x", title="Only for Marsha", url="/okr/")
    alert.people.add(cast.marsha)
    client.force_login(cast.ana)
    assert "Only for Marsha" not in client.get("/").content.decode()
    client.force_login(cast.marsha)
    assert "Only for Marsha" in client.get("/").content.decode()


def test_a_silent_worker_is_a_problem(client, world, cast, now):
    WorkerHeartbeat.objects.create(name="worker", beat_at=now - timedelta(minutes=10))
    client.force_login(cast.olga)
    assert "The background worker is not running" in client.get("/").content.decode()
    client.force_login(cast.marsha)
    assert "The background worker" not in client.get("/").content.decode()


def test_api_use_and_runs_are_for_people_who_operate(client, world, cast, now, working):
    ApiUsage.objects.create(
        org=world.org, hour=now.replace(minute=0, second=0, microsecond=0), domain="okr", limit_used=18_611, limit_max=100_000
    )
    client.force_login(cast.ana)
    html = client.get("/").content.decode()
    assert "18,611" in html
    assert "of 100,000 in 24 hours" in html
    assert f'href="/runs/{world.run.pk}/"' in html
    assert "1 with errors" in html
    client.force_login(cast.marsha)
    assert "18,611" not in client.get("/").content.decode()


def test_key_results_that_need_attention(client, world, cast):
    ReportLink.objects.update(status="report_gone")
    client.force_login(cast.marsha)
    html = client.get("/").content.decode()
    assert "Key results that need attention" in html
    assert "Report deleted" in html
    client.force_login(cast.ana)
    assert "Key results that need attention" in client.get("/").content.decode()
