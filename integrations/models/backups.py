"""When this installation was backed up, for `/readyz`, metrics and people."""

from django.db import models
from django.utils import timezone


class Backup(models.Model):
    """One finished backup. A restored database knows of it too: the restore writes the row again."""

    name = models.CharField(max_length=60, unique=True, help_text="Name of its folder.")
    made_at = models.DateTimeField(default=timezone.now, help_text="Instant that its database shows.")
    finished_at = models.DateTimeField(default=timezone.now)
    bytes = models.PositiveBigIntegerField(default=0)
    files = models.PositiveIntegerField(default=0, help_text="Files of the lake.")
    missing = models.PositiveIntegerField(default=0, help_text="Registered files of the lake that were not there.")

    class Meta:
        ordering = ["-made_at"]

    def __str__(self) -> str:
        return self.name
