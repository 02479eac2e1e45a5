"""Who did what, when, from where: append-only and chained, so that tampering shows (I-24)."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


class AuditEntry(models.Model):
    """One security-relevant action. Written only by `integrations.audit.record`."""

    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=150, blank=True, help_text="Kept when the account is gone.")
    action = models.CharField(max_length=60, help_text="noun.verb, such as connection.disconnected")
    target = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=100, blank=True, help_text="app.model:number of the row that it is about, if any.")
    connection = models.PositiveBigIntegerField(null=True, blank=True, help_text="Number of the connection that it concerns.")
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    previous_digest = models.CharField(max_length=64, blank=True, unique=True, help_text="Unique, so the chain cannot fork.")
    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["action", "-id"]),
            models.Index(fields=["at"]),
            models.Index(fields=["connection", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor_name or 'system'} {self.action} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert only."""
        if self.pk is not None:
            raise TypeError("Audit entries are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Refused: the chain would break."""
        raise TypeError("Audit entries are never deleted.")


class AuditCheck(models.Model):
    """One verification of the chain: what it found, and the newest digest of the moment (the anchor), signed with the key."""

    at = models.DateTimeField(default=timezone.now)
    checked = models.PositiveBigIntegerField(default=0, help_text="Entries that hold.")
    broken_id = models.PositiveBigIntegerField(null=True, blank=True, help_text="First entry that does not fit.")
    why = models.CharField(max_length=200, blank=True)
    last_id = models.PositiveBigIntegerField(null=True, blank=True, help_text="Newest entry of the moment.")
    last_digest = models.CharField(max_length=64, blank=True)
    signature = models.CharField(max_length=64, help_text="Keyed, so that a row made by hand is not believed.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {'holds' if self.broken_id is None else f'broken at {self.broken_id}'}"
