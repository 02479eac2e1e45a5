"""What people know of disagreements that comparisons find, and how many there were night by night."""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.utils import timezone

from integrations.models.customers import Customer


class KnownFinding(models.Model):
    """A finding that somebody explained. It stays out of the list until it changes (`fingerprint`) or gets worse."""

    key = models.CharField(max_length=64, unique=True, help_text="Digest of kind, customer and subject.")
    kind = models.CharField(max_length=40)
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    subject = models.CharField(max_length=200)
    severity = models.CharField(max_length=8)
    amount = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=10, blank=True)
    words = models.TextField(help_text="The sentence without its numbers.")
    reason = models.CharField(max_length=300)
    known_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    known_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"


class FindingsNight(models.Model):
    """Findings of one kind and currency on one day (UTC), as last compared."""

    day = models.DateField()
    kind = models.CharField(max_length=40)
    currency = models.CharField(max_length=10, blank=True)
    count = models.PositiveIntegerField(default=0)
    amount = models.DecimalField(max_digits=20, decimal_places=2, default=Decimal(0))

    class Meta:
        ordering = ["-day", "kind"]
        constraints = [models.UniqueConstraint(fields=["day", "kind", "currency"], name="one_night_a_kind_and_currency")]

    def __str__(self) -> str:
        return f"{self.day} {self.kind}"
