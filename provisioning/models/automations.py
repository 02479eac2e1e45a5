"""Earlier states of an automation: a provision names the number that it followed."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from provisioning.models.provisions import Automation


class AutomationVersion(models.Model):
    """What an automation said in one version; secrets are not kept here."""

    automation = models.ForeignKey(Automation, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    content = models.JSONField(default=dict, help_text="Name, trigger, stages, conditions, request, days, write-back.")
    saved_at = models.DateTimeField(default=timezone.now)
    saved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["automation", "number"], name="one_automation_version")]

    def __str__(self) -> str:
        return f"{self.automation} v{self.number}"
