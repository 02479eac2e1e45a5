"""News of provisioned deals: told where a rule names them, nowhere else, and over by itself."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations import alerts
from integrations.models import Alert, AlertRule
from tests.provisioning.conftest import WON

pytestmark = pytest.mark.django_db


def provision_a_deal(office, capture) -> Alert:
    with capture(execute=True):
        answer = office.call(office.deal(("plan-pro", 3), stage=WON)).json()
        office.run("provisioning.write_back")
    assert answer["status"] in ("done", "incomplete"), answer
    return Alert.objects.get(kind="provisioning.granted")


def test_a_provisioned_deal_is_news_in_the_history_and_no_open_alert(
    office, mailoutbox, settings, client, cast, django_capture_on_commit_callbacks
):
    settings.ALERT_EMAILS = ["ops@example.com"]
    alert = provision_a_deal(office, django_capture_on_commit_callbacks)
    assert alert.title.endswith("is provisioned")
    assert alert.body.endswith(" has what the deal sold: CRM: Pro.")
    assert mailoutbox == []
    assert list(alerts.open_alerts()) == []
    client.force_login(cast.olga)
    assert alert.title in client.get("/alerts/history/").content.decode().replace("&#x27;", "'")
    assert "A won deal is provisioned" in client.get("/alerts/kinds/").content.decode()

    assert alerts.send_due_alerts(now=alert.since + timedelta(days=2)) == 0
    alert.refresh_from_db()
    assert alert.recovered_at is not None
    assert mailoutbox == []


def test_a_rule_that_names_the_news_tells_its_people_once_and_never_reminds(
    office, mailoutbox, cast, django_capture_on_commit_callbacks
):
    rule = AlertRule.objects.create(name="Deals", kinds=["provisioning.granted"], repeat_hours=1)
    rule.people.add(cast.marsha)
    type(cast.marsha).objects.filter(pk=cast.marsha.pk).update(email="marsha@example.com")
    provision_a_deal(office, django_capture_on_commit_callbacks)
    assert [each.to for each in mailoutbox] == [["marsha@example.com"]]
    assert "is provisioned" in mailoutbox[0].subject
    alerts.send_due_alerts(now=timezone.now() + timedelta(hours=5))
    alerts.send_due_alerts(now=timezone.now() + timedelta(days=3))
    assert len(mailoutbox) == 1
