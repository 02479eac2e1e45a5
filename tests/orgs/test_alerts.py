"""One message per change of state, one digest for many, one recovery note."""

from datetime import timedelta

import pytest

from integrations import alerts
from integrations.models import Alert


@pytest.fixture(autouse=True)
def _to_somebody(cast, settings):
    settings.ALERT_EMAILS = []


def test_d14_one_mail_per_state_change(now, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert alerts.raise_alert("link:1", code="gone", title="Report gone", now=now) is not None
    with django_capture_on_commit_callbacks(execute=True):
        assert alerts.raise_alert("link:1", code="gone", title="Report gone", now=now) is None
        assert alerts.raise_alert("link:1", code="no_access", title="No access", now=now) is not None
    assert [mail.subject for mail in mailoutbox] == ["[Causeway] Report gone", "[Causeway] No access"]
    assert mailoutbox[0].to == ["ada@acme.example"]
    assert Alert.objects.filter(recovered_at=None).count() == 1


def test_the_people_named_are_told_and_nobody_sees_the_others(now, cast, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        alerts.raise_alert("link:1", code="gone", title="Gone", people=[cast.jane, cast.marsha], now=now)
    assert sorted(mail.to[0] for mail in mailoutbox) == ["ada@acme.example", "jane@acme.example", "marsha@acme.example"]
    assert all(len(mail.to) == 1 for mail in mailoutbox)
    assert [alert.title for alert in alerts.open_alerts(cast.jane)] == ["Gone"]
    assert list(alerts.open_alerts(cast.olga)) == []


def test_recovery_is_told_once_to_those_who_were_told(now, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        alerts.raise_alert("link:1", code="gone", title="Gone", now=now)
    with django_capture_on_commit_callbacks(execute=True):
        assert alerts.recover_alert("link:1", now=now, note="Readable again.")
        assert not alerts.recover_alert("link:1", now=now)
    assert [mail.subject for mail in mailoutbox] == ["[Causeway] Gone", "[Causeway] Solved: Gone"]
    assert alerts.open_alerts().count() == 0


def test_a_gathered_alert_that_recovers_before_it_is_due_sends_nothing(now, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        alerts.raise_alert("connection:1", code="x", title="One", now=now, gather=True)
        alerts.recover_alert("connection:1", now=now)
        assert alerts.send_due_alerts(now=now + timedelta(minutes=5)) == 0
    assert mailoutbox == []


def test_r_001_a_single_connection_alert_is_one_mail_after_the_gathering(now, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        alerts.raise_alert("connection:1", code="x", title="One", now=now, gather=True)
        assert alerts.send_due_alerts(now=now) == 0
        assert alerts.send_due_alerts(now=now + timedelta(minutes=2)) == 1
        assert alerts.send_due_alerts(now=now + timedelta(minutes=3)) == 0
    assert [mail.subject for mail in mailoutbox] == ["[Causeway] One"]


def test_r_024_fifty_at_once_are_one_digest_and_one_recovery(now, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        for n in range(50):
            at = now + timedelta(seconds=n)
            alerts.raise_alert(f"connection:{n}", code="reauth", title=f"Org {n}", now=at, gather=True)
        assert alerts.send_due_alerts(now=now + timedelta(minutes=2)) == 1
        assert alerts.send_due_alerts(now=now + timedelta(minutes=3)) == 0
    assert [mail.subject for mail in mailoutbox] == ["[Causeway] 50 connections need attention"]
    assert "/connections/reauthorize/" in mailoutbox[0].body
    assert [alert.title for alert in alerts.open_alerts()] == ["50 connections need attention"]
    with django_capture_on_commit_callbacks(execute=True):
        for n in range(50):
            alerts.recover_alert(f"connection:{n}", now=now + timedelta(hours=1))
    assert [mail.subject for mail in mailoutbox[1:]] == ["[Causeway] Solved: 50 connections need attention"]
    assert alerts.open_alerts().count() == 0


def test_a_broken_mail_server_does_not_break_the_work(now, settings, django_capture_on_commit_callbacks):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 1, 1
    with django_capture_on_commit_callbacks(execute=True):
        assert alerts.raise_alert("link:1", code="gone", title="Gone", now=now) is not None
    assert Alert.objects.get().notified_at is not None


def test_s_110_a_title_with_a_line_break_cannot_add_mail_headers(now, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        alerts.raise_alert("link:1", code="gone", title="Gone\nBcc: evil@example.com", now=now)
    assert mailoutbox[0].subject == "[Causeway] Gone Bcc: evil@example.com"
