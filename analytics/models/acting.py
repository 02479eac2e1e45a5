"""Groups: the customers behind a number, kept, and what was sent to Salesforce about them (FZ-D14)."""

from collections.abc import Callable

from django.conf import settings
from django.db import models
from django.utils import timezone

from analytics.models.analyses import Analysis
from integrations.models import Customer, Run, SalesforceOrg
from integrations.product.models import Segment


class Group(models.Model):
    """Customers that somebody kept, as they were at that moment."""

    id: int
    org_id: int
    segment_id: int | None
    members: "models.Manager[GroupMember]"
    pushes: "models.Manager[GroupPush]"

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="analytics_groups")
    name = models.CharField(max_length=120)
    analysis = models.ForeignKey(Analysis, null=True, blank=True, on_delete=models.SET_NULL, related_name="groups")
    cell = models.JSONField(default=dict, help_text="Which number of the analysis.")
    words = models.CharField(max_length=500, blank=True, help_text="What they have in common, in words.")
    as_of = models.DateTimeField(null=True, blank=True)
    segment = models.ForeignKey(Segment, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class GroupMember(models.Model):
    """One of them: a customer of ours, an account of Salesforce, or both."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="members")
    subject = models.CharField(max_length=40)
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    account_id = models.CharField(max_length=18, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["group", "subject"], name="one_membership")]

    def __str__(self) -> str:
        return self.subject


class GroupPush(models.Model):
    """Where a group goes in Salesforce: members of a campaign, or a value in a field of its accounts.

    A draft is only previewed; an active one is what its records should hold; one that ends takes back what it wrote.
    """

    class Way(models.TextChoices):
        CAMPAIGN = "campaign", "Members of a campaign"
        FIELD = "field", "A field of the accounts"

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Sent"
        ENDING = "ending", "Being taken back"
        ENDED = "ended", "Ended"

    class People(models.TextChoices):
        ALL = "all", "All contacts of the accounts"
        USERS = "users", "Contacts who use the product"

    id: int
    group_id: int
    get_way_display: Callable[[], str]
    get_state_display: Callable[[], str]
    get_people_display: Callable[[], str]

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="pushes")
    way = models.CharField(max_length=8, choices=Way.choices)
    state = models.CharField(max_length=6, choices=State.choices, default=State.DRAFT)
    campaign_id = models.CharField(max_length=18, blank=True)
    campaign = models.CharField(max_length=80, blank=True, help_text="Its name when it was chosen.")
    people = models.CharField(max_length=5, choices=People.choices, default=People.ALL)
    status = models.CharField(max_length=40, blank=True, help_text="Of the members; empty: the campaign's default.")
    field = models.CharField(max_length=80, blank=True, help_text="API name, with the prefix of analytics.")
    value = models.CharField(max_length=255, blank=True)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    preview = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "group pushes"

    def __str__(self) -> str:
        return f"{self.group}: {self.where}"

    @property
    def where(self) -> str:
        """In words: "members of the campaign Spring tour", "CW_Group__c = At risk"."""
        if self.way == self.Way.CAMPAIGN:
            return f"members of the campaign {self.campaign or self.campaign_id}"
        return f"{self.field} = {self.value}"
