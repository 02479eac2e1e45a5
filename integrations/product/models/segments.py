"""Segments: named conditions over customers or end users, and how many members each had on which day."""

from collections.abc import Callable

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from integrations.models import Entity


class Segment(models.Model):
    """Customers or end users that fulfil conditions. `conditions` is the tree that `segments.conditions` reads."""

    id: int
    owner_id: int | None
    get_entity_display: Callable[[], str]

    name = models.CharField(max_length=120)
    description = models.CharField(max_length=500, blank=True)
    entity = models.CharField(max_length=8, choices=Entity.choices)
    conditions = models.JSONField(default=dict)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    archived_at = models.DateTimeField(null=True, blank=True, help_text="Hidden from lists; what uses it goes on.")
    members = models.PositiveIntegerField(null=True, blank=True, help_text="When they were last counted.")
    counted_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=500, blank=True, help_text="Why it could not be counted, for a person.")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(Lower("name"), condition=models.Q(archived_at=None), name="one_segment_a_name")]

    def __str__(self) -> str:
        return self.name


class SegmentCount(models.Model):
    """Members of a segment on a UTC day, as last counted on it."""

    segment_id: int

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="counts")
    day = models.DateField()
    members = models.PositiveIntegerField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["segment", "day"]
        constraints = [models.UniqueConstraint(fields=["segment", "day"], name="one_count_a_day")]

    def __str__(self) -> str:
        return f"{self.segment_id} on {self.day}: {self.members}"
