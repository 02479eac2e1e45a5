"""Which help articles of a connection are shown, and to whom."""

from collections.abc import Callable

from django.db import models
from django.utils import timezone

from integrations.models import SalesforceOrg


class KnowledgeBase(models.Model):
    """A person's choice for one connection. Without a row the usual counts: shown, public articles, the org's language."""

    class Channel(models.TextChoices):
        PUBLIC = "IsVisibleInPkb", "Public knowledge base"
        CUSTOMERS = "IsVisibleInCsp", "Customers"
        PARTNERS = "IsVisibleInPrm", "Partners"
        STAFF = "IsVisibleInApp", "Internal app (staff only)"

    org_id: int
    get_channel_display: Callable[[], str]

    org = models.OneToOneField(SalesforceOrg, on_delete=models.CASCADE, related_name="knowledge_base")
    enabled = models.BooleanField("show articles", default=True)
    channel = models.CharField(max_length=20, choices=Channel.choices, default=Channel.PUBLIC)
    language = models.CharField(max_length=10, blank=True, help_text="Such as en_US; empty = the org's own default.")
    updated_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Knowledge of {self.org}"
