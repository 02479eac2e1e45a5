"""What needs a person: one open alert per cause, one message per state change; where messages go besides mail."""

import datetime
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
    kind = models.CharField(max_length=60, blank=True, db_index=True, help_text="Entry of the catalog of alerts.")
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
    acknowledged_at = models.DateTimeField(null=True, blank=True, help_text="Quiet from then on, unless it gets worse.")
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    acknowledged_note = models.CharField(max_length=300, blank=True)

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
        SLACK = "slack", "Slack"
        TEAMS = "teams", "Microsoft Teams (workflow)"
        MATTERMOST = "mattermost", "Mattermost"
        GOOGLE = "google", "Google Chat"
        CHAT = "chat", "Other chat hook (plain text)"
        EMAIL = "email", "E-mail group"

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.WEBHOOK)
    mails = models.JSONField("addresses", default=list, blank=True, help_text="Of an e-mail group.")
    host = models.CharField(max_length=255, blank=True, help_text="Host of the address; the rest is a secret.")
    address = models.BinaryField(default=bytes)
    secret = models.BinaryField(default=bytes, blank=True)
    sends_warnings = models.BooleanField(
        "warnings too", default=False, help_text="Otherwise only what needs an action: warnings concern single key results."
    )
    by_default = models.BooleanField(
        "gets what no rule names", default=True, help_text="Off: only what a rule sends here, such as escalations."
    )
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def has_address(self) -> bool:
        """Whether it leads somewhere: one from a configuration file has no address until somebody enters it."""
        return bool(self.mails) if self.kind == self.Kind.EMAIL else bool(self.address)

    @property
    def is_ready(self) -> bool:
        """Whether it can be told something now."""
        return self.is_active and self.has_address


class AlertRule(models.Model):
    """Which alerts go where and when. Empty lists mean any. An alert that no rule matches goes where it goes without rules."""

    class Rhythm(models.TextChoices):
        NOW = "now", "At once"
        HOURLY = "hourly", "One message an hour"
        DAILY = "daily", "One message a day"

    name = models.CharField(max_length=80, unique=True)
    is_active = models.BooleanField("active", default=True)
    kinds = models.JSONField(default=list, blank=True)
    codes = models.JSONField(default=list, blank=True)
    severities = models.JSONField(default=list, blank=True)
    domains = models.JSONField(default=list, blank=True)
    environments = models.JSONField(default=list, blank=True)
    orgs: "models.ManyToManyField[SalesforceOrg, models.Model]" = models.ManyToManyField(
        SalesforceOrg, blank=True, related_name="alert_rules"
    )
    channels: "models.ManyToManyField[AlertChannel, models.Model]" = models.ManyToManyField(
        AlertChannel, blank=True, related_name="rules"
    )
    people = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="alert_rules")
    mails_usual = models.BooleanField(
        "mail to admins too", default=False, help_text="Those who get mail without rules: ALERT_EMAILS and all admins."
    )
    rhythm = models.CharField(max_length=8, choices=Rhythm.choices, default=Rhythm.NOW)
    daily_at = models.TimeField(default=datetime.time(8), help_text="For one message a day, in the zone of the rule.")
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_to = models.TimeField(null=True, blank=True)
    zone = models.CharField(max_length=64, default="UTC")
    repeat_hours = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Remind after so many hours while open.")
    escalate_minutes = models.PositiveSmallIntegerField(null=True, blank=True)
    escalate_to = models.ForeignKey(
        AlertChannel, null=True, blank=True, on_delete=models.SET_NULL, related_name="escalating_rules"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class AlertNotice(models.Model):
    """One alert told, or to be told, to one place. A recovery is told once to each place that was told of the alert."""

    class Event(models.TextChoices):
        RAISED = "raised", "Raised"
        REMINDER = "reminder", "Reminder"
        ESCALATED = "escalated", "Escalated"
        RECOVERED = "recovered", "Recovered"

    alert_id: int
    rule_id: int | None
    channel_id: int | None
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="notices")
    event = models.CharField(max_length=10, choices=Event.choices, default=Event.RAISED)
    rule = models.ForeignKey(AlertRule, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    channel = models.ForeignKey(AlertChannel, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    place = models.CharField(max_length=20, help_text="channel:3, usual, named or rule:2 (people of the rule).")
    mails = models.JSONField(default=list, blank=True, help_text="Addresses that were told.")
    note = models.CharField(max_length=300, blank=True)
    due_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["told_at", "due_at"])]

    def __str__(self) -> str:
        return f"{self.event} to {self.place}"


class AlertPreference(models.Model):
    """Whether a person gets mail about what concerns them in a domain; without a row they do."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="alert_preferences")
    domain = models.CharField(max_length=20)
    mail = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "domain"], name="one_alert_preference_a_domain")]

    def __str__(self) -> str:
        return f"{self.user}: {self.domain}"


class RunWatch(models.Model):
    """Raises an alert about runs: too many in a row with errors, or none that succeeded for too long."""

    get_what_display: Callable[[], str]

    class What(models.TextChoices):
        ERRORS = "errors", "Runs with errors in a row"
        LATE = "late", "No successful run for hours"

    name = models.CharField(max_length=80, unique=True)
    what = models.CharField(max_length=8, choices=What.choices, default=What.ERRORS)
    job = models.CharField(max_length=60, blank=True, help_text="Name of a job; empty: every job of the domain.")
    domain = models.CharField(max_length=20, blank=True)
    org = models.ForeignKey(SalesforceOrg, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    number = models.PositiveSmallIntegerField(default=3, help_text="Runs in a row, or hours.")
    severity = models.CharField(max_length=8, choices=Alert.Severity.choices, default=Alert.Severity.ACTION)
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "run watches"

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
