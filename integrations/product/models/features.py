"""Features of the product, how far the roll-up of events is, and of when the stored KPIs are."""

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from integrations.models import SalesforceOrg


class Feature(models.Model):
    """A part of the product that people use: the events that its rules name. With `as_kpi` each customer gets its nine
    figures."""

    id: int

    key = models.CharField(
        max_length=50, unique=True, help_text="Small letters, digits and _; part of keys such as feature_users_30d:KEY."
    )
    name = models.CharField(max_length=80)
    rules = models.JSONField(
        default=list, help_text='[{"event": "Report Created", "match": "is", "where": []}], any of which may fit.'
    )
    active = models.BooleanField(default=True, help_text="Counted in the roll-up.")
    as_kpi = models.BooleanField(default=False, help_text="Offered as KPI in mappings.")
    position = models.PositiveSmallIntegerField(unique=True, help_text="Its place in the roll-up, from 1; given once.")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class DailyState(models.Model):
    """The roll-up of one UTC day: when it was made and with which feature rules. A day without a row was never rolled up."""

    day = models.DateField(unique=True)
    rules = models.CharField(max_length=64, help_text="Digest of the feature rules that it was made with.")
    events = models.PositiveBigIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0, help_text="Rows of the roll-up: customers and end users with events.")
    computed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-day"]

    def __str__(self) -> str:
        return f"{self.day}"


class KpiState(models.Model):
    """The stored KPIs: of which instant they are, when they were computed and from what. One row."""

    as_of = models.DateTimeField(help_text="End of all windows, a midnight in UTC.")
    computed_at = models.DateTimeField(default=timezone.now)
    rules = models.CharField(max_length=64, help_text="Digest of the features that they were computed with.")
    customers = models.PositiveIntegerField(default=0)
    newest_customer = models.PositiveBigIntegerField(
        default=0, help_text="The highest number among them; later ones have no row."
    )
    changed = models.PositiveIntegerField(default=0, help_text="Customers of which a figure changed in the last computation.")

    def __str__(self) -> str:
        return f"as of {self.as_of:%Y-%m-%d %H:%M} UTC"


class KpiSettings(models.Model):
    """What a connection chose for its pushes: as of when, and in which time zone weeks, months and quarters begin."""

    class AsOf(models.TextChoices):
        DAY = "day", "Start of the UTC day: all pushes of a day agree"
        NOW = "now", "The instant of the push"

    org = models.OneToOneField(SalesforceOrg, on_delete=models.CASCADE, related_name="kpi_settings")
    as_of = models.CharField(max_length=3, choices=AsOf.choices, default=AsOf.DAY)
    time_zone = models.CharField(
        max_length=64, default="UTC", help_text="For calendar weeks, months and quarters, such as Europe/Berlin."
    )

    class Meta:
        verbose_name_plural = "KPI settings"

    def __str__(self) -> str:
        return f"KPIs of {self.org}"

    def clean(self) -> None:
        """Only time zones that exist."""
        if self.time_zone not in available_timezones():
            raise ValidationError({"time_zone": "Choose a time zone of the IANA list, such as UTC or Europe/Berlin."})
