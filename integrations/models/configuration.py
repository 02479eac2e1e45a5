"""Files with which this installation was configured: what they said, and what was there right afterwards."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone


class AppliedConfiguration(models.Model):
    """One file that was applied. `state` is what its entries were afterwards, to see what changed since."""

    id: int
    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    digest = models.CharField(max_length=64, help_text="Of the text.")
    text = models.TextField()
    renames = models.JSONField(default=dict, blank=True, help_text="Connections of the file that stand for another one here.")
    counts = models.JSONField(default=dict, blank=True)
    state = models.JSONField(default=list, blank=True, encoder=DjangoJSONEncoder)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} UTC {self.digest[:12]}"
