"""How analytics is set up in a connection: settings, the versions of its attribute map, and how its facts stand."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from integrations.models import Run, SalesforceOrg


class AnalyticsSettings(models.Model):
    """Settings of one connection. Without `started_at` nothing is read for analytics."""

    org_id: int

    class Linking(models.TextChoices):
        FIELD = "field", "By the Linking ID"
        LINKS = "links", "By the links of customers"
        BOTH = "both", "By the Linking ID, else by links"

    class Preference(models.TextChoices):
        FIELD = "field", "The mapped field, derived where it is blank"
        DERIVED = "derived", "Derived, the mapped field where nothing is derived"

    org = models.OneToOneField(SalesforceOrg, on_delete=models.CASCADE, related_name="analytics_settings")
    started_at = models.DateTimeField(null=True, blank=True, help_text="When somebody pressed the one button.")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    paused_at = models.DateTimeField(null=True, blank=True, help_text="Since when a person keeps it from reading.")
    sync_hour = models.PositiveSmallIntegerField(default=2, help_text="Hour of the daily sync, UTC.")
    linking = models.CharField(
        max_length=5, choices=Linking.choices, default=Linking.BOTH, help_text="How an account finds its customer."
    )
    preference = models.CharField(
        max_length=7, choices=Preference.choices, default=Preference.FIELD, help_text="Which of two values counts."
    )
    grace_days = models.PositiveSmallIntegerField(default=30, help_text="Same product again within so many days: renewal.")
    currency = models.CharField(max_length=3, blank=True, help_text="Of reports; empty: the org's own.")
    hash_contacts = models.BooleanField(default=False, help_text="Contact e-mail and phone are hashed on arrival.")
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "analytics settings"

    def __str__(self) -> str:
        return f"Analytics of {self.org}"


class AttributeMap(models.Model):
    """One version of the attribute map of a connection; the highest number is in force (I-13). `body`: see
    `attributes.body`."""

    org_id: int

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="attribute_maps")
    number = models.PositiveIntegerField()
    preset = models.CharField(max_length=20, blank=True, help_text="Preset that it began with.")
    body = models.JSONField(default=dict)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["org", "-number"]
        constraints = [models.UniqueConstraint(fields=["org", "number"], name="one_attribute_map_a_number")]

    def __str__(self) -> str:
        return f"Version {self.number}"


class FactsState(models.Model):
    """How the facts of a connection stand: of which midnight, from which versions, with which counts (`health`)."""

    org_id: int

    org = models.OneToOneField(SalesforceOrg, on_delete=models.CASCADE, related_name="facts_state")
    as_of = models.DateTimeField(help_text="A midnight in UTC: nothing later is in a window.")
    computed_at = models.DateTimeField(default=timezone.now)
    digest = models.CharField(max_length=64, help_text="Of everything that went in; equal digests mean equal facts.")
    map_number = models.PositiveIntegerField(default=0)
    seen = models.JSONField(default=dict, help_text="Number of the last lake file taken in, by table.")
    health = models.JSONField(default=dict, help_text="Counts for the data-health page.")
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"Facts of {self.org} as of {self.as_of:%Y-%m-%d}"
