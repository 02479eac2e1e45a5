"""Tells people what needs them: one message per change of state, one digest when many connections fail, one recovery note.

A row per cause stays open until it recovers. Without rules the message is mail to `ALERT_EMAILS`, all admins and the people
named, and a delivery to each alert channel; rules (`alert_rules`) say otherwise.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from integrations import audit
from integrations.access import Refusal, has_role
from integrations.alert_rules import catalogue, telling
from integrations.models import Alert, AlertNotice, SalesforceOrg

DIGEST_KEY = "connections"
DIGEST_FROM = 3  # so many connection alerts at once become one message
GATHER = timedelta(seconds=60)
NEWS_LASTS = timedelta(days=2)  # longer than any digest and quiet hours hold it back
TAKEN_BACK = {"acknowledged_at": None, "acknowledged_by": None, "acknowledged_note": ""}


def open_alerts(user: Any = None) -> QuerySet[Alert]:
    """Alerts to show: open, no news, and not spoken for by a digest; with `user`, only those naming them or nobody."""
    alerts = Alert.objects.filter(recovered_at=None, part_of=None).select_related("org").exclude(kind__in=catalogue.news())
    if user is None or has_role(user, "admin"):
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
    fields |= {"notified_at": None, "gather_until": now + GATHER if gather else None, "kind": catalogue.kind_of(key)}
    with transaction.atomic():
        alert = Alert.objects.select_for_update().filter(key=key, recovered_at=None).first()
        if alert is not None and alert.code == code:
            return None
        if alert is not None and alert.acknowledged_at is not None and not _is_worse(alert, severity, code):
            keep = {name: fields[name] for name in ("code", "title", "body", "url", "severity")}
            Alert.objects.filter(pk=alert.pk).update(**keep)
            return None
        if alert is None:
            alert = _open_alert(key, fields)
            if alert is None:
                return None
        else:
            Alert.objects.filter(pk=alert.pk).update(**fields, part_of=None, **TAKEN_BACK)
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


def _is_worse(alert: Alert, severity: str, code: str) -> bool:
    return catalogue.is_worse(catalogue.kind_of(alert.key), (alert.severity, alert.code), (severity, code))


def recover_alert(key: str, *, now: datetime, note: str = "") -> bool:
    """Close the alert `key` and tell those who were told; returns whether one was open."""
    with transaction.atomic():
        alert = Alert.objects.select_for_update().filter(key=key, recovered_at=None).first()
        if alert is None:
            return False
        Alert.objects.filter(pk=alert.pk).update(recovered_at=now)
        if alert.notified_at is not None and alert.part_of_id is None:
            transaction.on_commit(lambda: telling.tell_recovered(alert, note, now=now))
        digest = alert.part_of
    if digest is not None and not digest.parts.filter(recovered_at=None).exists():
        recover_alert(digest.key, now=now, note="All of them are connected again.")
    return True


def send_due_alerts(*, now: datetime) -> int:
    """Send what waited long enough; connection alerts that came together go out as one digest. Returns messages sent."""
    Alert.objects.filter(recovered_at=None, kind__in=catalogue.news(), since__lte=now - NEWS_LASTS).update(recovered_at=now)
    later = telling.send_due(now=now)
    ready = list(Alert.objects.filter(recovered_at=None, notified_at=None, gather_until__lte=now))
    if not ready:
        return later
    # Once one is due, those that are still gathering belong to the same message.
    waiting = list(Alert.objects.filter(recovered_at=None, notified_at=None, gather_until__isnull=False).order_by("title"))
    if len(waiting) < DIGEST_FROM:
        return later + sum(_notify([alert], now=now) for alert in waiting)
    digest = _digest_of(waiting, now=now)
    return later + _notify([digest], now=now, covering=waiting)


def _digest_of(parts: Sequence[Alert], *, now: datetime) -> Alert:
    """One open alert that speaks for all open `parts`."""
    keys = [part.pk for part in parts]
    with transaction.atomic():
        digest, _ = Alert.objects.get_or_create(
            key=DIGEST_KEY,
            recovered_at=None,
            defaults={"code": "many", "kind": "connection.many", "since": now, "url": "/connections/reauthorize/"},
        )
        Alert.objects.filter(pk__in=keys).update(part_of=digest)
        everything = Alert.objects.filter(part_of=digest, recovered_at=None).order_by("title")
        digest.title = f"{len(everything)} connections need attention"
        digest.body = "\n".join(part.title for part in everything)
        digest.save(update_fields=["title", "body"])
    return digest


def _claim(alerts: Sequence[Alert], now: datetime) -> int:
    """Mark as told, once: of two workers with the same alerts only one sends."""
    return Alert.objects.filter(pk__in=[alert.pk for alert in alerts], notified_at=None).update(notified_at=now)


def _notify(alerts: Sequence[Alert], *, now: datetime, covering: Sequence[Alert] = ()) -> int:
    claimed = _claim(covering or alerts, now)
    if not claimed:
        return 0
    _claim(alerts, now)
    for alert in alerts:
        telling.tell_raised(alert, covering, now=now)
    return len(alerts)


def acknowledge_alert(alert: Alert, *, user: Any, note: str = "", now: datetime, address: str | None = None) -> None:
    """Somebody takes care of it: no reminder and no escalation until it gets worse. Refusal `not_open` when it is over."""
    changes = {"acknowledged_at": now, "acknowledged_by": user, "acknowledged_note": note.strip()[:300]}
    if not Alert.objects.filter(pk=alert.pk, recovered_at=None).update(**changes):
        raise Refusal("not_open", "This alert is over already.")
    AlertNotice.objects.filter(alert=alert, told_at=None).exclude(event=AlertNotice.Event.RECOVERED).delete()
    after = {"key": alert.key, "note": note.strip()[:300]}
    audit.record("alert.acknowledged", actor=user, target=alert.title, after=after, address=address)
    alert.refresh_from_db()


def reopen_alert(alert: Alert, *, user: Any, now: datetime, address: str | None = None) -> None:
    """Nobody takes care of it after all: reminders and escalations go on. Refusal `not_open` when it is over."""
    changes = {"acknowledged_at": None, "acknowledged_by": None, "acknowledged_note": ""}
    if not Alert.objects.filter(pk=alert.pk, recovered_at=None).update(**changes):
        raise Refusal("not_open", "This alert is over already.")
    audit.record("alert.taken_back", actor=user, target=alert.title, after={"key": alert.key}, address=address)
    alert.refresh_from_db()
