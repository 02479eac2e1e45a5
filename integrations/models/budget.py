"""How a connection's API allowance is shared, and what a person has put out of their sight."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from integrations.models.orgs import SalesforceOrg


class BudgetSettings(models.Model):
    """Our part of one connection's API calls and how it is divided; without a row, the defaults (I-18)."""

    org_id: int

    org = models.OneToOneField(SalesforceOrg, on_delete=models.CASCADE, related_name="budget_settings")
    share_percent = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(90)],
        help_text="Of the org's daily allowance; empty: as the installation says, usually 20.",
    )  # fmt: skip
    people_percent = models.PositiveSmallIntegerField(
        default=10, validators=[MaxValueValidator(50)], help_text="Of our share; schedules leave so much for clicks."
    )
    weights = models.JSONField(default=dict, blank=True, help_text="Domain -> weight of what is kept for it, 0 to 9; usual: 1.")
    caps = models.JSONField(default=dict, blank=True, help_text="Domain -> most of our share that its schedules use, percent.")
    updated_at = models.DateTimeField(default=timezone.now)
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name_plural = "budget settings"

    def __str__(self) -> str:
        return f"API budget of {self.org}"


class Dismissed(models.Model):
    """Something that a person does not want to see any more, such as the first steps."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="dismissed")
    what = models.CharField(max_length=40)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "dismissed"
        constraints = [models.UniqueConstraint(fields=["user", "what"], name="dismissed_once")]

    def __str__(self) -> str:
        return self.what
