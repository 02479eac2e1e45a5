"""Analyses that people or the nightly run ask for, and their results."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from integrations.models import Run, SalesforceOrg


class Analysis(models.Model):
    """A question with its parameters. The same question of a connection is stored once."""

    id: int
    org_id: int
    owner_id: int | None
    results: "models.Manager[Result]"

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="analyses")
    kind = models.CharField(max_length=20, help_text="Name in the registry of kinds, such as retention.")
    name = models.CharField(max_length=120, blank=True, help_text="Given by the person who saved it; empty: only looked at.")
    parameters = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, help_text="Of kind and parameters.")
    seed = models.PositiveIntegerField(default=0, help_text="Of every random number in it; stored, so that it can be redone.")
    is_nightly = models.BooleanField(default=False, help_text="Computed after each sync.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    asked_at = models.DateTimeField(default=timezone.now, help_text="When somebody looked at it last.")

    class Meta:
        ordering = ["-asked_at"]
        verbose_name_plural = "analyses"
        constraints = [models.UniqueConstraint(fields=["org", "kind", "digest"], name="one_analysis_a_question")]

    def __str__(self) -> str:
        return self.name or f"{self.kind} {self.pk}"


class Result(models.Model):
    """What an analysis found on the facts of one midnight. `document`: see `analyses.documents`."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    id: int
    analysis_id: int

    analysis = models.ForeignKey(Analysis, on_delete=models.CASCADE, related_name="results")
    state = models.CharField(max_length=6, choices=State.choices, default=State.QUEUED)
    facts = models.CharField(max_length=64, blank=True, help_text="Digest of the facts that it read.")
    as_of = models.DateTimeField(null=True, blank=True)
    document = models.JSONField(default=dict)
    problem = models.CharField(max_length=500, blank=True, help_text="Why it failed, for a person.")
    seconds = models.FloatField(default=0)
    queued_at = models.DateTimeField(default=timezone.now)
    computed_at = models.DateTimeField(null=True, blank=True)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["analysis", "facts"], name="one_result_of_the_same_facts")]

    def __str__(self) -> str:
        return f"{self.analysis} as of {self.as_of}"
