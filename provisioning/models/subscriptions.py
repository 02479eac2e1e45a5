"""Who has what since when: subscriptions with their terms, add-ons, own limits, and grants outside of any plan."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models import Customer, SalesforceOrg
from integrations.models.exact import ExactDecimalField
from provisioning.models.catalogue import Feature, OfferVersion, Product


class Subscription(models.Model):
    """One customer's right to one product, from `starts_at`. Its status follows from these instants and the clock.

    scheduled before `starts_at`; cancelled from `cancelled_at`; trial until `trial_ends_at`, unless it was converted; expired
    from `ends_at` (or from the end of a trial that nobody converted). All instants are UTC.
    """

    id: int
    customer_id: int
    product_id: int
    org_id: int | None
    terms: "models.Manager[Term]"
    events: "models.Manager[SubscriptionEvent]"

    key = models.CharField(max_length=120, unique=True, help_text="sub-... as Salesforce and API clients see it.")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="subscriptions")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="subscriptions")
    running_key = models.CharField(
        max_length=60, null=True, blank=True, unique=True,
        help_text="customer:product while it runs or will run: the database refuses a second one.",
    )  # fmt: skip
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Empty = open.")
    trial_ends_at = models.DateTimeField(null=True, blank=True)
    converted_at = models.DateTimeField(null=True, blank=True, help_text="From when the trial is a paid subscription.")
    cancelled_at = models.DateTimeField(null=True, blank=True, help_text="From when access stops; may be in the future.")
    cancel_reason = models.CharField(max_length=255, blank=True)
    org = models.ForeignKey(SalesforceOrg, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    account_id = models.CharField(max_length=18, blank=True, help_text="Salesforce account that it was sold to.")
    opportunity_id = models.CharField(max_length=18, blank=True, db_index=True, help_text="Opportunity that started it.")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["customer", "product"]), models.Index(fields=["ends_at"])]

    def __str__(self) -> str:
        return self.key


class Term(models.Model):
    """What a subscription gives from `effective_at` until the next term takes effect. Never changed: a change is a new term.

    In force at an instant: the term with the latest `effective_at` not after it; of equal ones the last recorded.
    """

    id: int
    subscription_id: int
    plan_id: int
    add_ons: "models.Manager[TermAddOn]"
    overrides: "models.Manager[TermOverride]"

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="terms")
    effective_at = models.DateTimeField()
    plan = models.ForeignKey(OfferVersion, on_delete=models.PROTECT, related_name="+")
    seats = ExactDecimalField(null=True, blank=True, help_text="Of a per-seat plan.")
    resets_usage = models.BooleanField(default=False, help_text="A change of plan starts usage windows anew.")
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["subscription", "effective_at", "id"]

    def __str__(self) -> str:
        return f"from {self.effective_at:%Y-%m-%d %H:%M} UTC"


class TermAddOn(models.Model):
    """So many of an add-on in a term."""

    version_id: int
    term = models.ForeignKey(Term, on_delete=models.CASCADE, related_name="add_ons")
    version = models.ForeignKey(OfferVersion, on_delete=models.PROTECT, related_name="+")
    quantity = ExactDecimalField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["term", "version"], name="one_add_on_a_term")]


class TermOverride(models.Model):
    """A limit of its own for one feature in a term (ST-D6): a number, unlimited, or revoked. It takes the plan's place."""

    feature_id: int
    term = models.ForeignKey(Term, on_delete=models.CASCADE, related_name="overrides")
    feature = models.ForeignKey(Feature, on_delete=models.PROTECT, related_name="+")
    limit = ExactDecimalField(null=True, blank=True)
    unlimited = models.BooleanField(default=False)
    revoked = models.BooleanField(default=False)
    soft = models.BooleanField(null=True, blank=True, help_text="Empty = as the plan says.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["term", "feature"], name="one_override_a_term")]


class SubscriptionEvent(models.Model):
    """The timeline of a subscription: what happened, when it takes effect, who or which provision did it."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="events")
    action = models.CharField(max_length=30, help_text="started, trial_started, converted, amended, renewed, cancelled ...")
    at = models.DateTimeField(default=timezone.now)
    effective_at = models.DateTimeField()
    detail = models.JSONField(default=dict, blank=True, help_text="Before and after, in plain values.")
    sentence = models.CharField(max_length=500)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    provision_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.action.replace("_", " ")


class PromotionalGrant(models.Model):
    """A feature given to a customer outside of any plan, with an end."""

    id: int
    customer_id: int
    feature_id: int
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="promotional_grants")
    feature = models.ForeignKey(Feature, on_delete=models.PROTECT, related_name="+")
    limit = ExactDecimalField(null=True, blank=True)
    unlimited = models.BooleanField(default=False)
    soft = models.BooleanField(default=False)
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=255, blank=True)
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=models.F("starts_at")), name="grant_ends_after_start"
            )
        ]

    def __str__(self) -> str:
        return f"{self.feature} for {self.customer}"


class UsageWindow(models.Model):
    """Usage of one feature by one customer in one window; windows start at `window_start` (UTC, the epoch when never reset)."""

    id: int
    customer_id: int
    feature_id: int
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    feature = models.ForeignKey(Feature, on_delete=models.CASCADE, related_name="+")
    window_start = models.DateTimeField()
    used = ExactDecimalField(default=0)
    updated_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer", "feature", "window_start"], name="one_usage_window")]

    def __str__(self) -> str:
        return f"{self.feature} of {self.customer} from {self.window_start:%Y-%m-%d %H:%M} UTC"


class UsageReport(models.Model):
    """A report of usage or a consumption, by its idempotency key, with the answer that it got (ST-D20, R-197, R-198)."""

    id: int
    customer_id: int
    feature_id: int
    key = models.CharField(max_length=255, unique=True)
    digest = models.CharField(max_length=64, help_text="Of what was asked: the same key with other content is refused.")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    feature = models.ForeignKey(Feature, on_delete=models.CASCADE, related_name="+")
    action = models.CharField(max_length=8, help_text="delta, set or consume")
    amount = ExactDecimalField()
    used_after = ExactDecimalField(null=True)
    window_start = models.DateTimeField()
    at = models.DateTimeField(help_text="When the usage happened, UTC.")
    answer = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        indexes = [
            models.Index(fields=["customer", "feature", "window_start", "at"]), models.Index(fields=["feature", "at"]),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.key


class EventCount(models.Model):
    """How far usage was counted from product events: one row for each feature that is counted so."""

    feature = models.OneToOneField(Feature, on_delete=models.CASCADE, related_name="+")
    event_name = models.CharField(max_length=255, help_text="Another name than the feature's now means counting anew.")
    last_file = models.PositiveBigIntegerField(default=0, help_text="Number of the last lake file of events taken in.")
    counted_at = models.DateTimeField(default=timezone.now)


class AccessChange(models.Model):
    """Written in the transaction of every change of what a customer may do; processes drop what they remember of it.

    `customer_id` 0 means everybody (the catalogue or the keys changed). Not a foreign key: it outlives what it names.
    """

    id = models.BigAutoField(primary_key=True)
    customer_id = models.BigIntegerField(default=0)
    at = models.DateTimeField(default=timezone.now, db_index=True)
