"""What the security review of a connection found last, and since when each finding stands."""

from typing import Any

from django.db import models
from django.utils import timezone

from integrations.models.orgs import SalesforceOrg


class SecurityReview(models.Model):
    """The latest review, of one connection or (`org` null) of the installation. Written by `project.security.review`."""

    org = models.OneToOneField(SalesforceOrg, null=True, blank=True, on_delete=models.CASCADE, related_name="security_review")
    at = models.DateTimeField(default=timezone.now)
    verdict = models.CharField(max_length=8, help_text="Worst state of the findings: ok, unknown, warn, bad.")
    body: Any = models.JSONField(default=dict, help_text="Rights line by line, secrets and addresses, as the page shows them.")

    class Meta:
        ordering = ["org"]

    def __str__(self) -> str:
        return f"{self.org or 'installation'}: {self.verdict}"


class SecurityFinding(models.Model):
    """Something that a review found, from the first review that had it to the first that no longer had."""

    org = models.ForeignKey(SalesforceOrg, null=True, blank=True, on_delete=models.CASCADE, related_name="security_findings")
    key = models.CharField(max_length=120)
    state = models.CharField(max_length=8)
    title = models.CharField(max_length=200)
    sentence = models.TextField(blank=True)
    since = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-since", "-id"]
        indexes = [models.Index(fields=["org", "ended_at"])]

    def __str__(self) -> str:
        return f"{self.title} since {self.since:%Y-%m-%d}"
