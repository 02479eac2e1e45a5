"""Alert hooks: where alerts go besides mail, and bringing them there with bounded retries (one task a minute).

Addresses and signing secrets are encrypted like the secrets of connections: the address of a chat hook is a password, too.
"""

import json
import secrets
import time
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import F

from integrations import hook_bodies, outgoing
from integrations.access import Refusal
from integrations.alert_rules import telling
from integrations.models import AlertChannel, AlertDelivery
from integrations.orgs import vault

log = structlog.get_logger(__name__)
# Minutes before the second to the fifth attempt; then the delivery has failed.
WAITS = (1, 5, 15, 60)
ATTEMPTS = len(WAITS) + 1
AT_ONCE = 20  # deliveries in one minute's task
TASK_SECONDS = 50.0
KEPT = timedelta(days=30)
MAY_HELP = frozenset((408, 409, 425, 429))  # refusals of the 400 kind after which trying again can work
State = AlertDelivery.State


def inner_origins() -> list[str]:
    """Origins inside the own network that hooks may call: a setting of the installation, empty unless set."""
    return list(settings.ALERT_HOOK_INTERNAL_ORIGINS)


def check_address(url: str, *, look_up: bool = True) -> outgoing.Target:
    """The target of a hook when it may be called; `Refusal` `address_refused` otherwise. Also resolves the name (S-025)."""
    try:
        target = outgoing.check_target(url, inner_origins=inner_origins())
        if look_up:
            outgoing.check_addresses(target, outgoing.addresses_of(target))
    except (outgoing.TargetRefused, outgoing.CallFailed) as error:
        raise Refusal("address_refused", str(error)) from None
    return target


def set_address(channel: AlertChannel, url: str) -> None:
    """Check and encrypt the address of a saved channel; only the host stays readable."""
    target = check_address(url)
    channel.address, channel.host = vault.seal(_label(channel, "address"), url.strip()), target.host[:255]
    channel.save(update_fields=["address", "host"])


def new_secret(channel: AlertChannel) -> str:
    """Give a webhook a new signing secret; returned this once, stored encrypted."""
    secret = secrets.token_urlsafe(32)
    channel.secret = vault.seal(_label(channel, "secret"), secret)
    channel.save(update_fields=["secret"])
    return secret


def send_test(channel: AlertChannel, *, by: str, now: datetime) -> AlertDelivery:
    """Send a test alert at once, in one attempt; the delivery says what came of it."""
    facts = {
        "title": f"Test alert from Causeway, asked for by {by}", "body": "Nothing is wrong. Alerts will look like this one.",
        "url": f"{settings.BASE_URL}/", "severity": "warning", "code": "test", "key": "test", "connection": "",
        "since": now.isoformat(), "at": now.isoformat(), "note": "",
    }  # fmt: skip
    body = hook_bodies.body_of(channel.kind, hook_bodies.TEST, facts)
    delivery = AlertDelivery.objects.create(channel=channel, event=hook_bodies.TEST, body=body, attempts=1)
    _attempt(delivery, now=now)
    delivery.refresh_from_db()
    return delivery


def deliver_due(*, now: datetime) -> int:
    """Send what waits and is due, oldest first; returns how many arrived. Others' slowness cannot hold the worker for long."""
    ends, sent = time.monotonic() + TASK_SECONDS, 0
    due = AlertDelivery.objects.filter(state=State.WAITING, next_attempt_at__lte=now, channel__is_active=True)
    for delivery in due.select_related("channel").order_by("next_attempt_at", "pk")[:AT_ONCE]:
        if time.monotonic() > ends:
            break
        if _claim(delivery, now):
            sent += _attempt(delivery, now=now)
    return sent


def send_again(delivery: AlertDelivery, *, now: datetime) -> bool:
    """Put an ended delivery back into the queue, with all its attempts; False when it still waits."""
    ended = AlertDelivery.objects.filter(pk=delivery.pk).exclude(state=State.WAITING)
    return bool(ended.update(state=State.WAITING, attempts=0, next_attempt_at=now, error="", ended_at=None))


def send_sooner(delivery: AlertDelivery, *, now: datetime) -> bool:
    """Make the next attempt of a waiting delivery due now; False when it has ended."""
    return bool(AlertDelivery.objects.filter(pk=delivery.pk, state=State.WAITING).update(next_attempt_at=now))


def purge(*, now: datetime) -> int:
    """Forget deliveries after 30 days; returns how many."""
    return AlertDelivery.objects.filter(created_at__lt=now - KEPT).delete()[0]


def _claim(delivery: AlertDelivery, now: datetime) -> bool:
    """One worker makes this attempt. Should it die, the next one follows after the usual wait."""
    wait = timedelta(minutes=WAITS[min(delivery.attempts, len(WAITS) - 1)])
    rows = AlertDelivery.objects.filter(pk=delivery.pk, state=State.WAITING, attempts=delivery.attempts)
    return rows.update(attempts=F("attempts") + 1, next_attempt_at=now + wait) == 1


def _attempt(delivery: AlertDelivery, *, now: datetime) -> bool:
    """One attempt and its record; True when the receiver took it (2xx)."""
    status, error, final = 0, "", False
    try:
        status = _send(delivery, now)
    except (outgoing.TargetRefused, Refusal) as refused:
        error, final = str(refused), True
    except outgoing.CallFailed as failed:
        error = str(failed)
    arrived = 200 <= status < 300
    if not arrived and status:
        error, final = f"The receiver answered {status}.", 400 <= status < 500 and status not in MAY_HELP
    _note(delivery, arrived=arrived, status=status, error=error, final=final, now=now)
    return arrived


def _send(delivery: AlertDelivery, now: datetime) -> int:
    channel = delivery.channel
    if channel.kind == AlertChannel.Kind.EMAIL:
        return _send_mail(delivery)
    if not channel.address:
        raise Refusal("no_address", "The channel has no address yet.")
    url = vault.unseal(_label(channel, "address"), bytes(channel.address))
    secret = vault.unseal(_label(channel, "secret"), bytes(channel.secret)) if channel.secret else ""
    target = outgoing.check_target(url, inner_origins=inner_origins())
    body = delivery.body.encode()
    headers = hook_bodies.headers_of(
        event=delivery.event, delivery=str(delivery.key), timestamp=int(now.timestamp()), body=body, secret=secret
    )
    return outgoing.post(target, body=body, headers=headers)


def _send_mail(delivery: AlertDelivery) -> int:
    """To every address of a group, one mail each; 250 as a mail server says it."""
    mails = [str(each) for each in delivery.channel.mails]
    if not mails:
        raise Refusal("no_address", "The group has no address.")
    told = json.loads(delivery.body)
    if not telling.mail(told["subject"], told["text"], mails):
        raise outgoing.CallFailed("The mail server did not take the message.")
    return 250


def _note(delivery: AlertDelivery, *, arrived: bool, status: int, error: str, final: bool, now: datetime) -> None:
    row = AlertDelivery.objects.filter(pk=delivery.pk)
    if arrived:
        row.update(state=State.SENT, status=status, error="", ended_at=now, next_attempt_at=None)
        return
    attempts = row.values_list("attempts", flat=True).first() or 0
    over = final or attempts >= ATTEMPTS or delivery.event == hook_bodies.TEST
    row.update(status=status, error=error[:300])
    if over:
        row.update(state=State.FAILED, ended_at=now, next_attempt_at=None)
        log.warning("alert hook not reached", channel=delivery.channel.pk, status=status, attempts=attempts)


def _label(channel: AlertChannel, what: str) -> str:
    return f"channel:{channel.pk}:{what}"
