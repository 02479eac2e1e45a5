"""What needs a person: one open alert per cause, one message per state change; where messages go besides mail."""

import uuid
from collections.abc import Callable

from django.conf import settings
from django.db import models
from django.utils import timezone

from integrations.models.orgs import SalesforceOrg


class Alert(models.Model):
    """Open while `recovered_at` is null. `key` names the cause, such as connection:3 or link:77."""

    class Severity(models.TextChoices):
        WARNING = "warning", "Warning"
        ACTION = "action", "Action needed"

    key = models.CharField(max_length=120)
    code = models.CharField(max_length=80, help_text="State that the message is about; a new one is a new message.")
    severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.ACTION)
    org = models.ForeignKey(SalesforceOrg, null=True, blank=True, on_delete=models.CASCADE, related_name="alerts")
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    url = models.CharField(max_length=300, blank=True, help_text="Page where it can be fixed.")
    people = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="alerts")
    part_of_id: int | None
    part_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="parts", help_text="Digest that speaks for it."
    )
    since = models.DateTimeField(default=timezone.now)
    gather_until = models.DateTimeField(null=True, blank=True, help_text="Waits this long for others like it (digest).")
    notified_at = models.DateTimeField(null=True, blank=True)
    recovered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-since"]
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=models.Q(recovered_at=None), name="one_open_alert_a_cause")
        ]
        indexes = [models.Index(fields=["recovered_at", "-since"])]

    def __str__(self) -> str:
        return self.title


class AlertChannel(models.Model):
    """A place that alerts are sent to besides mail. Address and secret are encrypted; only `hooks` reads them (I-14)."""

    get_kind_display: Callable[[], str]

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "Webhook (signed JSON)"
        CHAT = "chat", "Chat hook (Slack, Teams, Mattermost)"

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.WEBHOOK)
    host = models.CharField(max_length=255, blank=True, help_text="Host of the address; the rest is a secret.")
    address = models.BinaryField(default=bytes)
    secret = models.BinaryField(default=bytes, blank=True)
    sends_warnings = models.BooleanField(
        "warnings too", default=False, help_text="Otherwise only what needs an action: warnings concern single key results."
    )
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class AlertDelivery(models.Model):
    """One message to one channel: waiting, sent, or given up after its last attempt. `key` lets a receiver drop repeats."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="deliveries")
    alert = models.ForeignKey(Alert, null=True, blank=True, on_delete=models.SET_NULL, related_name="deliveries")
    event = models.CharField(max_length=20)
    body = models.TextField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(default=0, help_text="HTTP status of the last answer; 0 = none came.")
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "alert deliveries"
        indexes = [models.Index(fields=["state", "next_attempt_at"])]

    def __str__(self) -> str:
        return f"{self.event} to {self.channel_id}"  # pyright: ignore[reportAttributeAccessIssue]
