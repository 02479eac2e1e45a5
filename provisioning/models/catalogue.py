"""What is sold: products, their plans and add-ons (offers) in versions, and the features that they give (ST-20, ST-21)."""

from collections.abc import Callable

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models import SalesforceOrg
from integrations.models.exact import ExactDecimalField

KEY_LENGTH = 120


class Reset(models.TextChoices):
    """When counted usage starts again; empty = never."""

    NEVER = "", "Never"
    HOUR = "hour", "Hourly"
    DAY = "day", "Daily"
    WEEK = "week", "Weekly"
    MONTH = "month", "Monthly"
    YEAR = "year", "Yearly"


class CatalogueEntry(models.Model):
    """What products, features and offers have in common."""

    id: int
    key = models.CharField(max_length=KEY_LENGTH, unique=True, help_text="Stable id that Salesforce and API clients use.")
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    archived_at = models.DateTimeField(null=True, blank=True, help_text="Archived entries stay where they are used.")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name or self.key


class Product(CatalogueEntry):
    """A product: a customer has at most one running subscription of it."""

    class Meta:
        ordering = ["name", "key"]


class Feature(CatalogueEntry):
    """Something that a plan or add-on gives; keys start with feature- (ST-21)."""

    class Kind(models.TextChoices):
        BOOLEAN = "boolean", "Yes or no"
        NUMERIC = "numeric", "A number"
        METERED = "metered", "Counted against a limit"

    get_kind_display: Callable[[], str]
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.BOOLEAN)
    unit = models.CharField(max_length=40, blank=True, help_text="What is counted, in the plural: calls, seats, GB.")
    event_name = models.CharField(max_length=255, blank=True, help_text="Counted from these product events, not by reports.")

    class Meta:
        ordering = ["name", "key"]


class Offer(CatalogueEntry):
    """A plan (plan-...) or an add-on (addon-...) of a product. What it gives stands in its versions."""

    class Kind(models.TextChoices):
        PLAN = "plan", "Plan"
        ADDON = "addon", "Add-on"

    get_kind_display: Callable[[], str]
    product_id: int
    versions: "models.Manager[OfferVersion]"
    kind = models.CharField(max_length=5, choices=Kind.choices)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="offers")

    class Meta:
        ordering = ["product__name", "kind", "name", "key"]


class OfferVersion(models.Model):
    """One published state of an offer; never changed after publication, so what customers have stays as it was sold."""

    id: int
    offer_id: int
    entitlements: "models.Manager[OfferEntitlement]"
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField(default=0, help_text="1, 2, 3 ... within the offer; 0 while it is a draft.")
    per_seat = models.BooleanField(default=False, help_text="The quantity of a plan line is its number of seats.")
    trial_days = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Length of a trial of this plan.")
    price = ExactDecimalField(null=True, blank=True, help_text="For one period, information only.")
    currency = models.CharField(max_length=3, blank=True)
    period_months = models.PositiveSmallIntegerField(null=True, blank=True)
    note = models.CharField(max_length=255, blank=True, help_text="What changed.")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    published_at = models.DateTimeField(null=True, blank=True, help_text="Empty = draft.")
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["offer", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["offer", "number"], name="one_version_a_number"),
            models.UniqueConstraint(fields=["offer"], condition=Q(published_at=None), name="one_draft_an_offer"),
        ]

    def __str__(self) -> str:
        return f"{self.offer} v{self.number}" if self.number else f"{self.offer} (draft)"


class OfferEntitlement(models.Model):
    """One feature of a version. Numeric and metered: `limit`, or unlimited; an add-on's limit counts per unit (ST-D17)."""

    feature_id: int
    version_id: int
    version = models.ForeignKey(OfferVersion, on_delete=models.CASCADE, related_name="entitlements")
    feature = models.ForeignKey(Feature, on_delete=models.PROTECT, related_name="+")
    limit = ExactDecimalField(null=True, blank=True)
    per_seat = models.BooleanField(default=False, help_text="The limit counts for each seat.")
    unlimited = models.BooleanField(default=False)
    soft = models.BooleanField(default=False, help_text="Access goes on above the limit; the answer says so.")
    reset = models.CharField(max_length=5, choices=Reset.choices, default=Reset.NEVER, blank=True)

    class Meta:
        ordering = ["feature__name"]
        constraints = [models.UniqueConstraint(fields=["version", "feature"], name="one_entitlement_a_feature")]

    def __str__(self) -> str:
        return str(self.feature)


class ProductMapping(models.Model):
    """What a person wants a Salesforce product to lead to, until Salesforce has it (ST-20, ST-21, ST-24).

    The truth stays in Salesforce: a row is handed to the outbox once, and is no longer looked at after it was written.
    """

    class Type(models.TextChoices):
        NONE = "", "Nothing"
        PLAN = "Plan", "Plan"
        ADDON = "Add-on", "Add-on"
        ENTITLEMENT = "Entitlement", "Entitlement"

    id: int
    org_id: int
    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="product_mappings")
    product_id = models.CharField(max_length=18, help_text="Id of the Product2.")
    name = models.CharField(max_length=255, blank=True)
    type = models.CharField(max_length=11, choices=Type.choices, default=Type.NONE, blank=True)
    ref = models.CharField(max_length=KEY_LENGTH, blank=True, help_text="plan-..., addon-... or feature-...; empty = cleared.")
    unlimited = models.BooleanField(default=False, help_text="The feature without limit.")
    wanted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    wanted_at = models.DateTimeField(default=timezone.now)
    written_at = models.DateTimeField(null=True, blank=True, help_text="Empty = waits.")
    problem = models.CharField(max_length=500, blank=True, help_text="Why Salesforce did not take it.")

    class Meta:
        ordering = ["org", "name", "product_id"]
        constraints = [models.UniqueConstraint(fields=["org", "product_id"], name="one_wish_a_product")]

    def __str__(self) -> str:
        return f"{self.name or self.product_id}: {self.ref or 'nothing'}"
