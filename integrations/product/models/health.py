"""The health score: how it is made up, and how it went on each day. Scores of customers stand in the lake and as attribute."""

from collections.abc import Callable

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from integrations.models import SalesforceOrg

PERCENT = (MinValueValidator(0), MaxValueValidator(100))


class HealthScore(models.Model):
    """One weighted score from 0 to 100 for every customer (PX-42), written to the attribute `key`.

    `parts` are what `health.scoring.read_parts` understands. `version` grows with each change of the definition.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"

    id: int
    org_id: int | None
    days: "models.Manager[HealthDay]"
    get_state_display: Callable[[], str]

    name = models.CharField(max_length=80, unique=True)
    key = models.SlugField(max_length=80, unique=True, help_text="Attribute of customers that holds the score.")
    org = models.ForeignKey(
        SalesforceOrg, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        help_text="Connection whose cases count as support data.",
    )  # fmt: skip
    parts = models.JSONField(default=list)
    good_from = models.PositiveSmallIntegerField(default=70, validators=PERCENT)
    fair_from = models.PositiveSmallIntegerField(default=40, validators=PERCENT)
    least_known = models.PositiveSmallIntegerField(
        default=50, validators=PERCENT, help_text="Percent of the weights that must be known; with less there is no score."
    )
    state = models.CharField(max_length=6, choices=State.choices, default=State.ACTIVE)
    version = models.PositiveIntegerField(default=1)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    changed_at = models.DateTimeField(default=timezone.now)
    computed_at = models.DateTimeField(null=True, blank=True)
    computed_version = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class HealthDay(models.Model):
    """How a score stood over all customers after the computation of one UTC day."""

    score_id: int

    score = models.ForeignKey(HealthScore, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    average = models.DecimalField(max_digits=5, decimal_places=2, null=True, help_text="Of the customers that have a score.")
    good = models.PositiveIntegerField(default=0)
    fair = models.PositiveIntegerField(default=0)
    poor = models.PositiveIntegerField(default=0)
    unknown = models.PositiveIntegerField(default=0, help_text="Customers of whom too little is known.")
    version = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-day"]
        constraints = [models.UniqueConstraint(fields=["score", "day"], name="one_health_a_day")]

    def __str__(self) -> str:
        return f"{self.score} on {self.day}"
