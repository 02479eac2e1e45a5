"""The spine: customers (companies that use the product), their end users, and the links to Salesforce records."""

from collections.abc import Callable

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models.orgs import SalesforceOrg
from integrations.models.runs import Run


class Entity(models.TextChoices):
    """The two kinds of product record that are matched with Salesforce."""

    CUSTOMER = "customer", "Customer"
    END_USER = "end_user", "End user"


class Attribute(models.Model):
    """A typed product attribute of customers or end users (PX-26..PX-29); values stand in their `attributes`."""

    class Type(models.TextChoices):
        STRING = "STRING", "Text"
        NUMBER = "NUMBER", "Number"
        BOOLEAN = "BOOLEAN", "Yes or no"
        DATE_TIME = "DATE_TIME", "Date and time"

    entity = models.CharField(max_length=8, choices=Entity.choices)
    key = models.CharField(max_length=80)
    label = models.CharField(max_length=120)
    type = models.CharField(max_length=9, choices=Type.choices, default=Type.STRING)
    description = models.TextField(blank=True)
    pulled = models.BooleanField(default=False, help_text="Made to hold a value that comes from Salesforce.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["entity", "label"]
        constraints = [models.UniqueConstraint(fields=["entity", "key"], name="one_attribute_a_key")]

    def __str__(self) -> str:
        return self.label


class ProductRecord(models.Model):
    """What customers and end users have in common. `attributes` are JSON: text, number as text, true/false, ISO instant."""

    external_id = models.CharField(max_length=255, unique=True, help_text="The product's own id of it.")
    name = models.CharField(max_length=255, blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    first_seen_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now, db_index=True, help_text="Moves with each change of any column.")
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        indexes = [models.Index(fields=["erased_at"], name="%(class)s_erased", condition=Q(erased_at__isnull=False))]


class Customer(ProductRecord):
    """A company that uses the product ("product account")."""

    id: int
    merged_into_id: int | None
    end_users: "models.Manager[EndUser]"
    aliases: "models.Manager[CustomerAlias]"
    links: "models.Manager[RecordLink]"
    website = models.CharField(max_length=255, blank=True)
    merged_into = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="merged")

    def __str__(self) -> str:
        return self.name or self.external_id


class CustomerAlias(models.Model):
    """Another name by which other systems know a customer; each value leads to one customer."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="aliases")
    kind = models.CharField(max_length=40, default="external_id")
    value = models.CharField(max_length=255)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "customer aliases"
        constraints = [models.UniqueConstraint(fields=["kind", "value"], name="one_customer_an_alias")]


class EndUser(ProductRecord):
    """A person at a customer who uses the product ("product user")."""

    id: int
    customer_id: int | None
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.SET_NULL, related_name="end_users")
    email = models.CharField(max_length=254, blank=True, db_index=True)
    phone = models.CharField(max_length=60, blank=True)

    def __str__(self) -> str:
        return self.name or self.external_id


class RecordLink(models.Model):
    """A customer or end user and its one Salesforce record in one connection."""

    class State(models.TextChoices):
        ACTIVE = "active", "Linked"
        SUSPENDED = "suspended", "Suspended"
        APART = "apart", "Kept apart"  # a person unlinked it: rules leave it alone until a person links or unlocks it

    id: int
    org_id: int
    customer_id: int | None
    end_user_id: int | None
    get_state_display: Callable[[], str]

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="record_links")
    entity = models.CharField(max_length=8, choices=Entity.choices)
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.CASCADE, related_name="links")
    end_user = models.ForeignKey(EndUser, null=True, blank=True, on_delete=models.CASCADE, related_name="links")
    object = models.CharField(max_length=80, help_text="Salesforce object of the record.")
    salesforce_id = models.CharField(max_length=18, blank=True, help_text="18 characters; empty when kept apart.")
    rule = models.CharField(max_length=30, help_text="Match rule that found it, or manual.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.ACTIVE)
    reason = models.CharField(max_length=255, blank=True, help_text="Why it is suspended, for a person.")
    locked = models.BooleanField(default=False, help_text="Never changed by a match run.")
    candidates = models.PositiveIntegerField(default=1, help_text="Records that fitted; above 1 the link is ambiguous.")
    candidate_ids = models.JSONField(default=list, blank=True, help_text="Their ids, the chosen one first.")
    wins = models.BooleanField(default=False, help_text="Chosen among several records with this Salesforce id.")
    mapping_version = models.PositiveIntegerField(default=0)
    linked_at = models.DateTimeField(default=timezone.now)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["org", "customer"], name="one_link_a_customer"),
            models.UniqueConstraint(fields=["org", "end_user"], name="one_link_an_end_user"),
            models.CheckConstraint(
                condition=Q(entity="customer", customer__isnull=False, end_user=None)
                | Q(entity="end_user", end_user__isnull=False, customer=None),
                name="link_has_its_entity",
            ),
        ]
        indexes = [
            models.Index(fields=["org", "salesforce_id"]),
            models.Index(fields=["org", "entity", "state", "salesforce_id"]),  # finds duplicates without the rows (PX-07)
        ]

    def __str__(self) -> str:
        return f"{self.entity} {self.customer_id or self.end_user_id} = {self.salesforce_id}"


class LinkEvent(models.Model):
    """The journal of links: who or which rule did what, when, among which candidates; an undo is an entry too."""

    class Action(models.TextChoices):
        LINKED = "linked", "Linked"
        MOVED = "moved", "Moved to another record"
        UNLINKED = "unlinked", "Unlinked"
        SUSPENDED = "suspended", "Suspended"
        REVIVED = "revived", "Revived"
        LOCKED = "locked", "Locked"
        UNLOCKED = "unlocked", "Unlocked"
        CHOSEN = "chosen", "Chosen among several"

    id: int
    org_id: int
    customer_id: int | None
    end_user_id: int | None
    get_action_display: Callable[[], str]

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="link_events")
    entity = models.CharField(max_length=8, choices=Entity.choices)
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.CASCADE, related_name="link_events")
    end_user = models.ForeignKey(EndUser, null=True, blank=True, on_delete=models.CASCADE, related_name="link_events")
    action = models.CharField(max_length=9, choices=Action.choices)
    before_id = models.CharField(max_length=18, blank=True)
    after_id = models.CharField(max_length=18, blank=True)
    rule = models.CharField(max_length=30, blank=True)
    candidates = models.JSONField(default=list, blank=True)
    reason = models.CharField(max_length=255, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    undoes = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="undone_by")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["org", "-id"]), models.Index(fields=["customer", "-id"]),
                   models.Index(fields=["end_user", "-id"])]  # fmt: skip


class MatchState(models.Model):
    """How far matching has come for one entity of a connection, so that the next run looks only at what changed."""

    run_id: int | None

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="match_states")
    entity = models.CharField(max_length=8, choices=Entity.choices)
    digest = models.CharField(max_length=64, help_text="Of the rules and fields; another one means starting anew.")
    seen = models.JSONField(default=dict, help_text="Number of the last lake file taken in, by table.")
    last_event = models.PositiveBigIntegerField(default=0, help_text="Last entry of the link journal taken in.")
    waiting = models.PositiveIntegerField(default=0, help_text="Records without a match.")
    matched_at = models.DateTimeField(null=True, blank=True)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["org", "entity"], name="one_match_state")]

    def __str__(self) -> str:
        return f"{self.entity} of {self.org}"
