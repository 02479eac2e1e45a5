"""Billing objects as the billing system (ours or another one) knows them, and how they hang on Salesforce.

Parents are named by their keys, not by foreign keys: objects may arrive in any order. The newer version of an object wins; a
deleted one stays as a tombstone, so that an older version does not bring it back.
"""

from collections.abc import Callable
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models import Customer, SalesforceOrg
from integrations.models.exact import ExactDecimalField

KEY_LENGTH = 255


class BillingRecord(models.Model):
    """What the eight objects have in common. `version_at` orders versions of one object, whoever sent them."""

    id: int
    key = models.CharField(max_length=KEY_LENGTH, unique=True, help_text="Id in the billing system.")
    version_at = models.DateTimeField(default=timezone.now, help_text="When this version arose in its source, UTC.")
    source = models.CharField(max_length=20, default="api", help_text="api, csv or rating.")
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return getattr(self, "name", "") or self.key


class Plan(BillingRecord):
    """A price plan (MT-21)."""

    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    currency = models.CharField(max_length=3, default="USD")
    period_months = models.PositiveSmallIntegerField(default=1, help_text="Length of a billing period.")

    class Meta:
        ordering = ["name", "key"]


class BillableMetric(BillingRecord):
    """What is counted (MT-15): events of the product, or usage that is reported."""

    class Aggregation(models.TextChoices):
        COUNT = "count", "Number of events"
        SUM = "sum", "Sum of a property"
        MAX = "max", "Largest value of a property"
        UNIQUE = "unique", "Different values of a property"
        LATEST = "latest", "Latest value of a property"

    name = models.CharField(max_length=255)
    event_name = models.CharField(max_length=200, blank=True, help_text="Event that is counted; blank for reported usage only.")
    aggregation = models.CharField(max_length=6, choices=Aggregation.choices, default=Aggregation.SUM)
    event_property = models.CharField(max_length=100, blank=True)
    filters = models.JSONField(default=dict, blank=True, help_text="Properties that an event must have, with their values.")
    unit = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["name", "key"]


class BillingCustomer(BillingRecord):
    """Somebody who is billed (MT-18), and the product's customer that it is."""

    links: "models.Manager[AccountLink]"
    customer_id: int | None
    name = models.CharField(max_length=255, blank=True)
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.SET_NULL, related_name="billing_customers")

    class Meta:
        ordering = ["name", "key"]


class IngestAlias(BillingRecord):
    """Another name under which usage of a customer arrives (MT-22)."""

    customer_key = models.CharField(max_length=KEY_LENGTH, db_index=True)
    alias = models.CharField(max_length=255)

    class Meta:
        verbose_name_plural = "ingest aliases"
        ordering = ["alias", "key"]


class CustomerPlan(BillingRecord):
    """A customer's plan for a time (MT-17); the end is exclusive, blank while it runs."""

    customer_key = models.CharField(max_length=KEY_LENGTH, db_index=True)
    plan_key = models.CharField(max_length=KEY_LENGTH, db_index=True)
    starting_on = models.DateTimeField()
    ending_on = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["customer_key", "starting_on", "key"]


class CreditGrant(BillingRecord):
    """Credit that usage burns down (MT-16). Amounts in major units of the credit type."""

    customer_key = models.CharField(max_length=KEY_LENGTH, db_index=True)
    name = models.CharField(max_length=255)
    credit_type = models.CharField(max_length=255, default="USD", help_text="A currency or a credit type of your own.")
    effective_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    initial_balance = ExactDecimalField()
    balance = ExactDecimalField(null=True, blank=True, help_text="Left after finalized and draft deductions.")
    paid_amount = ExactDecimalField(null=True, blank=True)
    paid_currency = models.CharField(max_length=255, blank=True)
    reason = models.CharField(max_length=255, blank=True)
    priority = models.PositiveIntegerField(default=100, help_text="Smaller numbers burn down first.")
    is_burned = models.BooleanField(default=False, help_text="Our invoices took from it once: we keep its balance.")
    opening = ExactDecimalField(null=True, blank=True, help_text="What was left when our invoices first took from it.")

    class Meta:
        ordering = ["customer_key", "priority", "effective_at", "key"]

    @property
    def start_of_burning(self) -> Decimal:
        """What our invoices may take in all: what the source said was left before the first of them, else the whole grant."""
        if self.is_burned:
            return self.initial_balance if self.opening is None else self.opening
        return self.initial_balance if self.balance is None else self.balance


class Invoice(BillingRecord):
    """An invoice (MT-20). Its period is [starts_at, ends_at), in UTC; amounts in major units of the currency."""

    class Status(models.TextChoices):
        DRAFT = "DRAFT", "Draft"
        FINALIZED = "FINALIZED", "Finalized"
        VOID = "VOID", "Void"

    get_status_display: Callable[[], str]
    customer_key = models.CharField(max_length=KEY_LENGTH, db_index=True)
    plan_key = models.CharField(max_length=KEY_LENGTH, blank=True, db_index=True)
    number = models.CharField(max_length=80, blank=True, help_text="Number on the invoice; blank for a draft.")
    currency = models.CharField(max_length=255, default="USD")
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(
        max_length=20, default=Status.DRAFT, help_text="As the source calls it; unknown words are not sent."
    )
    issued_at = models.DateTimeField(null=True, blank=True, help_text="When it was sent to the customer.")
    total = ExactDecimalField(null=True, blank=True)
    replaced_at = models.DateTimeField(null=True, blank=True, help_text="Voided so that its period is rated again.")
    customer_plan_key = models.CharField(
        max_length=KEY_LENGTH, blank=True, db_index=True, help_text="The customer's plan that rating made it for."
    )

    class Meta:
        ordering = ["-starts_at", "key"]
        indexes = [models.Index(fields=["status", "ends_at"])]


class LineItem(BillingRecord):
    """One line of an invoice (MT-19)."""

    invoice_key = models.CharField(max_length=KEY_LENGTH, db_index=True)
    name = models.CharField(max_length=255)
    quantity = ExactDecimalField(null=True, blank=True)
    unit_price = ExactDecimalField(null=True, blank=True, help_text="Shown only; the total counts.")
    total = ExactDecimalField(null=True, blank=True)
    credit_type = models.CharField(max_length=255, blank=True)
    metric_key = models.CharField(max_length=KEY_LENGTH, blank=True)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["invoice_key", "position", "key"]


# --- Salesforce -----------------------------------------------------------------------------------------------------------


class BillingSettings(models.Model):
    """How billing objects go to one connection."""

    class Scope(models.TextChoices):
        ALL = "all", "All customers"
        LINKED = "linked", "Customers linked to an account"

    class ManyAccounts(models.TextChoices):
        ROWS = "rows", "An extra customer row for each further account"
        JUNCTION = "junction", "Records of an object of our own"

    get_scope_display: Callable[[], str]
    org = models.OneToOneField(SalesforceOrg, on_delete=models.CASCADE, related_name="billing")
    prefix = models.CharField(max_length=17, blank=True, help_text="Namespace prefix of the objects, such as NOME__.")
    prefix_known = models.BooleanField(default=False, help_text="The org was asked, or a person chose it.")
    scope = models.CharField(max_length=6, choices=Scope.choices, default=Scope.LINKED)
    current_wording = models.BooleanField(default=False, help_text="Drafts of the running period are called Current.")
    pending_wording = models.BooleanField(default=False, help_text="Finalized invoices not issued yet are called Pending.")
    last_included_day = models.BooleanField(default=False, help_text="Invoice ends show the last included day.")
    many_accounts = models.CharField(max_length=8, choices=ManyAccounts.choices, default=ManyAccounts.ROWS)
    missing = models.JSONField(default=list, blank=True, help_text="What the preflight did not find in the org.")
    checked_at = models.DateTimeField(null=True, blank=True)
    caught_up_on = models.DateField(null=True, blank=True, help_text="Day of the latest catch-up push.")

    class Meta:
        verbose_name_plural = "billing settings"

    def __str__(self) -> str:
        return f"Billing in {self.org}"


class AccountLink(models.Model):
    """A billing customer and one of its Salesforce accounts in one connection (MT-12, MT-D1).

    `ordinal` is 0 for the account whose row has the bare key, and 1 to 99, kept for the life of the link, for each other one.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "Linked"
        SUSPENDED = "suspended", "Account deleted"
        REMOVED = "removed", "Unlinked"

    class Source(models.TextChoices):
        MANUAL = "manual", "By hand"
        MATCH = "match", "By matching"
        API = "api", "By the API"

    id: int
    customer_id: int
    org_id: int
    get_state_display: Callable[[], str]
    get_source_display: Callable[[], str]
    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="account_links")
    customer = models.ForeignKey(BillingCustomer, on_delete=models.CASCADE, related_name="links")
    account_id = models.CharField(max_length=18)
    is_primary = models.BooleanField(default=False)
    ordinal = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=9, choices=State.choices, default=State.ACTIVE)
    source = models.CharField(max_length=6, choices=Source.choices, default=Source.MANUAL)
    reason = models.CharField(max_length=255, blank=True)
    linked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    linked_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["customer", "-is_primary", "ordinal"]
        constraints = [
            models.UniqueConstraint(fields=["org", "customer", "account_id"], name="one_billing_link_an_account"),
            models.UniqueConstraint(fields=["org", "customer", "ordinal"], name="one_billing_link_an_ordinal"),
            models.UniqueConstraint(
                fields=["org", "customer"], condition=Q(is_primary=True, state="active"), name="one_primary_account"
            ),
        ]
        indexes = [models.Index(fields=["org", "account_id"])]

    def __str__(self) -> str:
        return f"{self.customer} and {self.account_id}"


# --- rating -----------------------------------------------------------------------------------------------------------------


class Price(models.Model):
    """What a plan asks for a metric, or as a fee (no metric). Read by `pricing.Terms`."""

    class Model(models.TextChoices):
        FIXED = "fixed", "Fee for the period"
        PER_UNIT = "per_unit", "Per unit"
        TIERED = "tiered", "Tiered: each tier at its own price"
        VOLUME = "volume", "Volume: all units at the price of the tier reached"
        PACKAGE = "package", "Per package"

    id: int
    get_model_display: Callable[[], str]
    key = models.CharField(max_length=KEY_LENGTH, unique=True)
    plan_key = models.CharField(max_length=KEY_LENGTH, db_index=True)
    metric_key = models.CharField(max_length=KEY_LENGTH, blank=True)
    name = models.CharField(max_length=255)
    model = models.CharField(max_length=8, choices=Model.choices, default=Model.PER_UNIT)
    amount = ExactDecimalField(default=0, help_text="Fee, price of a unit, or price of a package.")
    included = ExactDecimalField(default=0, help_text="Units that cost nothing.")
    size = ExactDecimalField(default=1, help_text="Units in a package.")
    minimum = ExactDecimalField(default=0, help_text="Least that is charged for a whole period.")
    tiers = models.JSONField(default=list, blank=True, help_text="List of {up_to, unit, flat}; the last up_to is null.")
    position = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["plan_key", "position", "key"]

    def __str__(self) -> str:
        return self.name


class UsageRecord(models.Model):
    """Usage that was reported, once for each key (I-04)."""

    key = models.CharField(max_length=KEY_LENGTH, unique=True, help_text="Given by the sender; the same key counts once.")
    customer_key = models.CharField(max_length=KEY_LENGTH)
    metric_key = models.CharField(max_length=KEY_LENGTH)
    quantity = ExactDecimalField()
    unique_value = models.CharField(max_length=255, blank=True, help_text="What a metric of different values counts.")
    at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["metric_key", "customer_key", "at"]),  # one customer, as rating asks
            models.Index(fields=["metric_key", "at"]),  # all of them, as the chart asks
        ]

    def __str__(self) -> str:
        return self.key


class Deduction(models.Model):
    """What one invoice took from one grant."""

    grant_key = models.CharField(max_length=KEY_LENGTH)
    invoice_key = models.CharField(max_length=KEY_LENGTH, db_index=True)
    amount = ExactDecimalField()
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["grant_key", "invoice_key"], name="one_deduction")]

    def __str__(self) -> str:
        return f"{self.grant_key} on {self.invoice_key}"


class InvoiceCounter(models.Model):
    """The last invoice number of a year; numbers have no gaps."""

    year = models.PositiveSmallIntegerField(unique=True)
    last = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.year}: {self.last}"
