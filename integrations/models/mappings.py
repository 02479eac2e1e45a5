"""How one entity of the product stands to one Salesforce object: match rules and field pairs, in numbered versions."""

from collections.abc import Callable

from django.conf import settings
from django.db import models
from django.utils import timezone

from integrations.models.customers import Entity
from integrations.models.orgs import SalesforceOrg


class Mapping(models.Model):
    """The mapping of customers or of end users in one connection (PX-45: one Salesforce object each, PX-D12)."""

    class State(models.TextChoices):
        DRAFT = "draft", "Not set up"
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"

    id: int
    org_id: int
    versions: "models.Manager[MappingVersion]"
    get_state_display: Callable[[], str]
    get_entity_display: Callable[[], str]

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="mappings")
    entity = models.CharField(max_length=8, choices=Entity.choices)
    state = models.CharField(max_length=6, choices=State.choices, default=State.DRAFT)
    reason = models.TextField(blank=True, help_text="Why it is paused, for a person (drift, a person's choice).")
    paused_by_drift = models.BooleanField(default=False, help_text="Goes on by itself once the shape fits again.")
    set_aside = models.JSONField(
        default=list, blank=True, help_text="Fields and rules that no longer fit the object: [{what, code, message}, ...]."
    )
    version = models.PositiveIntegerField(default=0, help_text="Number of the version in force.")
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["org", "entity"]
        constraints = [models.UniqueConstraint(fields=["org", "entity"], name="one_mapping_an_entity")]

    def __str__(self) -> str:
        return f"{self.get_entity_display()} mapping of {self.org}"


class MappingVersion(models.Model):
    """One saved body (see `integrations.sync.mapping.body`); never changed, pinned by runs (I-13)."""

    mapping_id: int

    mapping = models.ForeignKey(Mapping, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    body = models.JSONField()
    note = models.CharField(max_length=255, blank=True)
    saved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    saved_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["mapping", "-number"]
        constraints = [models.UniqueConstraint(fields=["mapping", "number"], name="one_body_a_version")]

    def __str__(self) -> str:
        return f"{self.mapping} v{self.number}"
