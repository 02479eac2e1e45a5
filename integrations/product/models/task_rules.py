"""Tasks for customer success managers: when one is due, and each one that was made in Salesforce."""

from collections.abc import Callable

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models import Customer, SalesforceOrg
from integrations.product.models.segments import Segment


class TaskRule(models.Model):
    """When a customer needs attention, and what the task in Salesforce says (PX-41).

    `conditions` are what `task_rules.conditions.read_conditions` understands; with a segment, only its members count.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        ARCHIVED = "archived", "Archived"

    class Match(models.TextChoices):
        ALL = "all", "All conditions hold"
        ANY = "any", "At least one holds"

    class Owner(models.TextChoices):
        ACCOUNT = "account", "Owner of the account"
        USER = "user", "A certain user"

    id: int
    org_id: int
    segment_id: int | None
    tasks: "models.Manager[CsmTask]"
    get_state_display: Callable[[], str]
    get_owner_display: Callable[[], str]

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="task_rules")
    key = models.CharField(max_length=32, unique=True, help_text="Part of the key of its tasks in Salesforce; never changes.")
    name = models.CharField(max_length=80)
    segment = models.ForeignKey(Segment, null=True, blank=True, on_delete=models.PROTECT, related_name="task_rules")
    match = models.CharField(max_length=3, choices=Match.choices, default=Match.ALL)
    conditions = models.JSONField(default=list, blank=True)
    subject = models.CharField(max_length=200, help_text="May hold {{customer}} and {{rule}}.")
    description = models.TextField(blank=True, help_text="May hold {{customer}}, {{rule}} and {{reason}}.")
    priority = models.CharField(max_length=40, default="Normal", help_text="A value of the task's picklist in Salesforce.")
    status = models.CharField(max_length=40, default="Not Started", help_text="A value of the task's picklist in Salesforce.")
    due_in_days = models.PositiveSmallIntegerField(default=3, validators=[MaxValueValidator(365)])
    owner = models.CharField(max_length=7, choices=Owner.choices, default=Owner.ACCOUNT)
    owner_id = models.CharField(max_length=18, blank=True, help_text="Salesforce user who gets the tasks.")
    cooldown_days = models.PositiveSmallIntegerField(
        default=30, validators=[MaxValueValidator(3650)], help_text="Days before the same customer may get the next task."
    )
    most_a_day = models.PositiveSmallIntegerField(
        default=100, validators=[MinValueValidator(1), MaxValueValidator(2000)], help_text="New tasks of this rule a UTC day."
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    checked_at = models.DateTimeField(null=True, blank=True)
    matching = models.PositiveIntegerField(default=0, help_text="Customers that needed attention at the last check.")
    held_back = models.PositiveIntegerField(default=0, help_text="Of them, those that wait because of the daily limit.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["org", "name", "id"]

    def __str__(self) -> str:
        return self.name


class CsmTask(models.Model):
    """One task: a customer needed attention by a rule, for one episode. The unique key is what makes it one (I-04).

    `values` are the fields as they are sent; they are fixed before the first sending and never change, so that sending again
    writes the same and nothing that a person changed in Salesforce is overwritten.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        CREATED = "created", "Created"
        DROPPED = "dropped", "Not needed any more"

    id: int
    rule_id: int
    customer_id: int
    get_state_display: Callable[[], str]

    rule = models.ForeignKey(TaskRule, on_delete=models.CASCADE, related_name="tasks")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="csm_tasks")
    episode = models.PositiveIntegerField(help_text="Number of the episode of this customer and rule, from 1.")
    key = models.CharField(max_length=80, unique=True, help_text="External id of the task in Salesforce.")
    reason = models.TextField(blank=True, help_text="What held, in words.")
    values = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    code = models.CharField(max_length=80, blank=True, help_text="Why it waits.")
    message = models.TextField(blank=True)
    salesforce_id = models.CharField(max_length=18, blank=True)
    opened_at = models.DateTimeField(help_text="When the customer was found to need attention.")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When they were found not to need it any more.")
    made_at = models.DateTimeField(null=True, blank=True, help_text="When the task was found in Salesforce.")

    class Meta:
        ordering = ["-opened_at", "-id"]
        verbose_name = "CSM task"
        constraints = [
            models.UniqueConstraint(fields=["rule", "customer", "episode"], name="one_task_an_episode"),
            models.UniqueConstraint(fields=["rule", "customer"], condition=Q(ended_at=None), name="one_open_episode"),
        ]
        indexes = [models.Index(fields=["state", "id"]), models.Index(fields=["customer", "-opened_at"])]

    def __str__(self) -> str:
        return self.key
