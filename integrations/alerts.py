"""Tells people what needs them: one message per change of state, one digest when many connections fail, one recovery note.

A row per cause stays open until it recovers; the message is mail to `ALERT_EMAILS`, all admins and the people named, and a
delivery to each alert channel (webhook, chat hook) that admins configured.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from integrations import hook_bodies
from integrations.models import Alert, AlertChannel, AlertDelivery, SalesforceOrg

log = structlog.get_logger(__name__)
DIGEST_KEY = "connections"
DIGEST_FROM = 3  # so many connection alerts at once become one message
GATHER = timedelta(seconds=60)


def open_alerts(user: Any = None) -> QuerySet[Alert]:
    """Alerts to show: open, and not spoken for by a digest; with `user`, only those naming them or nobody."""
    alerts = Alert.objects.filter(recovered_at=None, part_of=None).select_related("org")
    if user is None or user.is_superuser:
        return alerts
    return alerts.filter(Q(people=user) | Q(people=None)).distinct()


def raise_alert(
    key: str,
    *,
    code: str,
    title: str,
    body: str = "",
    url: str = "",
    org: SalesforceOrg | None = None,
    people: Iterable[Any] = (),
    severity: str = "action",
    now: datetime,
    gather: bool = False,
) -> Alert | None:
    """Open (or change) the alert `key`. Returns None, and sends nothing, when it is already open with the same `code`.

    With `gather` the message waits a minute for others like it, so that 50 failing connections make one digest (R-024).
    """
    fields = {"code": code, "title": title[:200], "body": body, "url": url, "severity": severity, "org": org, "since": now}
    fields |= {"notified_at": None, "gather_until": now + GATHER if gather else None}
    with transaction.atomic():
        alert = Alert.objects.select_for_update().filter(key=key, recovered_at=None).first()
        if alert is not None and alert.code == code:
            return None
        if alert is None:
            alert = _open_alert(key, fields)
            if alert is None:
                return None
        else:
            Alert.objects.filter(pk=alert.pk).update(**fields, part_of=None)
            alert.refresh_from_db()
        alert.people.set(people)
        if not gather:
            transaction.on_commit(lambda: _notify([alert], now=now))
    return alert


def _open_alert(key: str, fields: dict[str, Any]) -> Alert | None:
    """The new row; None when another worker opened it in the same moment."""
    try:
        with transaction.atomic():
            return Alert.objects.create(key=key, **fields)
    except IntegrityError:
        return None


def recover_alert(key: str, *, now: datetime, note: str = "") -> bool:
    """Close the alert `key` and tell those who were told; returns whether one was open."""
    with transaction.atomic():
        alert = Alert.objects.select_for_update().filter(key=key, recovered_at=None).first()
        if alert is None:
            return False
        Alert.objects.filter(pk=alert.pk).update(recovered_at=now)
        if alert.notified_at is not None and alert.part_of_id is None:
            transaction.on_commit(lambda: _send_recovery(alert, note, now=now))
        digest = alert.part_of
    if digest is not None and not digest.parts.filter(recovered_at=None).exists():
        recover_alert(digest.key, now=now, note="All of them are connected again.")
    return True


def send_due_alerts(*, now: datetime) -> int:
    """Send what waited long enough; connection alerts that came together go out as one digest. Returns messages sent."""
    ready = list(Alert.objects.filter(recovered_at=None, notified_at=None, gather_until__lte=now))
    if not ready:
        return 0
    # Once one is due, those that are still gathering belong to the same message.
    waiting = list(Alert.objects.filter(recovered_at=None, notified_at=None, gather_until__isnull=False).order_by("title"))
    if len(waiting) < DIGEST_FROM:
        return sum(_notify([alert], now=now) for alert in waiting)
    digest = _digest_of(waiting, now=now)
    return _notify([digest], now=now, covering=waiting)


def _digest_of(parts: Sequence[Alert], *, now: datetime) -> Alert:
    """One open alert that speaks for all open `parts`."""
    keys = [part.pk for part in parts]
    with transaction.atomic():
        digest, _ = Alert.objects.get_or_create(
            key=DIGEST_KEY, recovered_at=None, defaults={"code": "many", "since": now, "url": "/connections/reauthorize/"}
        )
        Alert.objects.filter(pk__in=keys).update(part_of=digest)
        everything = Alert.objects.filter(part_of=digest, recovered_at=None).order_by("title")
        digest.title = f"{len(everything)} connections need attention"
        digest.body = "\n".join(part.title for part in everything)
        digest.save(update_fields=["title", "body"])
    return digest


def _recipients(alerts: Iterable[Alert]) -> list[str]:
    """Addresses told about `alerts`: those set for the installation, active admins, and the people named.

    A warning that names people goes to them alone: it reaches admins by an alert of its own when it lasts (BW-D9).
    """
    named = get_user_model().objects.filter(alerts__in=list(alerts), is_active=True)
    if named.exists() and all(alert.severity == Alert.Severity.WARNING for alert in alerts):
        return list(dict.fromkeys(mail for mail in named.values_list("email", flat=True) if mail))
    admins = get_user_model().objects.filter(is_superuser=True, is_active=True)
    mails = [*settings.ALERT_EMAILS, *admins.values_list("email", flat=True), *named.values_list("email", flat=True)]
    return list(dict.fromkeys(mail for mail in mails if mail))


def _claim(alerts: Sequence[Alert], now: datetime) -> int:
    """Mark as told, once: of two workers with the same alerts only one sends."""
    return Alert.objects.filter(pk__in=[alert.pk for alert in alerts], notified_at=None).update(notified_at=now)


def _notify(alerts: Sequence[Alert], *, now: datetime, covering: Sequence[Alert] = ()) -> int:
    claimed = _claim(covering or alerts, now)
    if not claimed:
        return 0
    _claim(alerts, now)
    for alert in alerts:
        _mail(
            f"[Causeway] {alert.title}", "\n\n".join(part for part in (alert.body, _link(alert)) if part), _recipients(alerts)
        )
        _queue(hook_bodies.RAISED, alert, now=now)
    return len(alerts)


def _send_recovery(alert: Alert, note: str, *, now: datetime) -> None:
    note = note or "This works again; nothing needs to be done."
    _mail(f"[Causeway] Solved: {alert.title}", note, _recipients([alert]))
    _queue(hook_bodies.RECOVERED, alert, now=now, note=note)


def _link(alert: Alert) -> str:
    """Absolute address of the page where it can be fixed."""
    return f"{settings.BASE_URL}{alert.url}" if alert.url.startswith("/") else alert.url


def _queue(event: str, alert: Alert, *, now: datetime, note: str = "") -> int:
    """One waiting delivery for each channel that wants it; the task of the next minute sends them (`hooks.deliver_due`)."""
    channels = AlertChannel.objects.filter(is_active=True)
    if alert.severity == Alert.Severity.WARNING:
        channels = channels.filter(sends_warnings=True)
    facts = {
        "title": alert.title, "body": alert.body, "url": _link(alert), "severity": alert.severity, "code": alert.code,
        "key": alert.key, "connection": alert.org.name if alert.org else "", "since": alert.since.isoformat(),
        "at": now.isoformat(), "note": note,
    }  # fmt: skip
    made = AlertDelivery.objects.bulk_create(
        AlertDelivery(
            channel=channel, alert=alert, event=event, body=hook_bodies.body_of(channel.kind, event, facts), next_attempt_at=now
        )
        for channel in channels
    )
    return len(made)


def _mail(subject: str, body: str, recipients: list[str]) -> None:
    """One mail a recipient, so that addresses stay private. A broken mail server never breaks the work."""
    for address in recipients:
        try:
            send_mail(subject.replace("\n", " "), body, settings.DEFAULT_FROM_EMAIL, [address])
        except OSError as error:  # SMTPException is one, too
            log.warning("alert mail not sent", error=type(error).__name__)
