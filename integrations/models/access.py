"""API keys: hashed, scoped, expiring, shown once (S-076). A key acts as its owner, within its scopes and customers (S-079)."""

from django.conf import settings
from django.db import models
from rest_framework_api_key.models import AbstractAPIKey

from integrations.models.customers import Customer


class ApiKey(AbstractAPIKey):
    """`scopes` holds words such as okr:read or connections:write; see `integrations.access.SCOPES`.

    A `bound` key asks and counts for `customers` only. The flag stays when they go: a key never gets wider by itself.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    scopes = models.JSONField(default=list)
    bound = models.BooleanField(default=False, editable=False)
    customers = models.ManyToManyField(
        Customer, blank=True, related_name="api_keys", help_text="Bound to these customers only; empty: not bound."
    )
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta(AbstractAPIKey.Meta):
        verbose_name = "API key"
        verbose_name_plural = "API keys"
