"""What needs a person: one open alert per cause, one message per state change."""

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
