"""The one door to Salesforce: targets, the batches of a push, the rows that need attention, and what a person must allow."""

from collections.abc import Callable

from django.conf import settings
from django.db import models
from django.utils import timezone

from integrations.models.lake import LakeTable
from integrations.models.orgs import SalesforceOrg
from integrations.models.runs import Run


class OutboxTarget(models.Model):
    """Desired rows of one kind for one object of one connection, and what Salesforce accepted of them last."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"

    org_id: int
    settled_by_id: int | None
    rows: "models.Manager[OutboxRow]"
    pushes: "models.Manager[OutboxPush]"
    human_edits: "models.Manager[HumanEdit]"
    get_state_display: Callable[[], str]

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="outbox_targets")
    kind = models.CharField(max_length=60, help_text="Name in the outbox registry, such as mapping.customer.")
    object = models.CharField(max_length=80)
    key_field = models.CharField(max_length=80, help_text="Id, or the external id that rows are upserted by.")
    accepted = models.OneToOneField(LakeTable, null=True, blank=True, on_delete=models.SET_NULL, related_name="outbox_target")
    state = models.CharField(max_length=6, choices=State.choices, default=State.ACTIVE)
    reason = models.TextField(blank=True)
    pushed_at = models.DateTimeField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True, help_text="Last full compare with live values.")
    last_run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    restored_at = models.DateTimeField(null=True, blank=True, help_text="When this installation was restored; until settled.")
    restored_from = models.DateTimeField(null=True, blank=True, help_text="Instant that the restored backup shows.")
    settled_by = models.ForeignKey(
        Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="Compared with live values since."
    )

    class Meta:
        ordering = ["org", "kind", "object"]
        constraints = [models.UniqueConstraint(fields=["org", "kind", "object"], name="one_outbox_target")]

    def __str__(self) -> str:
        return f"{self.kind} to {self.object} of {self.org}"


class OutboxPush(models.Model):
    """One push of one target in one run: the rows that differ stand in its lake tables, its counts here."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waits for its turn"
        PLANNED = "planned", "At work"
        DONE = "done", "Done"
        LEFT = "left", "Left by its run"

    id: int
    run_id: int
    batches: "models.Manager[OutboxBatch]"

    target = models.ForeignKey(OutboxTarget, on_delete=models.CASCADE, related_name="pushes")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="pushes")
    name = models.CharField(max_length=40, blank=True, help_text="Tells pushes of one run to one target apart.")
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    is_dry = models.BooleanField(default=False)
    fields = models.JSONField(default=list, help_text="Fields in the order of the masks of the sent rows.")
    sent = models.OneToOneField(LakeTable, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    answers = models.OneToOneField(LakeTable, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    rows = models.PositiveBigIntegerField(default=0, help_text="Desired rows.")
    changed = models.PositiveBigIntegerField(default=0, help_text="Rows that differed.")
    counts = models.JSONField(default=dict, blank=True)
    refused = models.JSONField(default=dict, blank=True, help_text="Fields that the door refused, with the reason.")
    warnings = models.JSONField(default=list, blank=True, help_text="What a person should look at, in sentences.")
    calls = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["run", "target", "name"], name="one_push_a_name")]
        indexes = [models.Index(fields=["target", "state"])]


class OutboxBatch(models.Model):
    """Rows that travel together: one Bulk job, or one series of composite calls. Stored before anything is sent (R-135)."""

    class State(models.TextChoices):
        STAGED = "staged", "Staged"
        CREATED = "created", "Job created"
        SENT = "sent", "Sent"
        COLLECTED = "collected", "Answers collected"
        FAILED = "failed", "Failed"
        ABANDONED = "abandoned", "Abandoned"

    class Way(models.TextChoices):
        COMPOSITE = "composite", "Composite"
        BULK = "bulk", "Bulk 2.0"

    OPEN = (State.STAGED, State.CREATED, State.SENT)
    push_id: int
    run_id: int

    push = models.ForeignKey(OutboxPush, on_delete=models.CASCADE, related_name="batches")
    target = models.ForeignKey(OutboxTarget, on_delete=models.CASCADE, related_name="batches")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="batches")
    number = models.PositiveIntegerField(help_text="Order in which the run made it.")
    first_place = models.PositiveIntegerField(help_text="Place of its first row among the sent rows of the push.")
    last_place = models.PositiveIntegerField(help_text="Place of its last row.")
    way = models.CharField(max_length=9, choices=Way.choices)
    operation = models.CharField(max_length=10)
    state = models.CharField(max_length=9, choices=State.choices, default=State.STAGED)
    job_id = models.CharField(max_length=18, blank=True, help_text="Salesforce's id of the Bulk job.")
    rows = models.PositiveIntegerField(default=0)
    done_rows = models.PositiveIntegerField(default=0, help_text="Composite: places answered so far.")
    sent_rows = models.PositiveIntegerField(default=0, help_text="Composite: places that may have been sent so far.")
    accepted_rows = models.PositiveIntegerField(default=0)
    failed_rows = models.PositiveIntegerField(default=0)
    unprocessed_rows = models.PositiveIntegerField(default=0)
    attempt = models.PositiveSmallIntegerField(default=1, help_text="2 and more: rows tried again in the same run.")
    without = models.JSONField(default=list, blank=True, help_text="Fields left out because Salesforce refused them.")
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    collected_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["run", "number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="one_batch_a_number")]
        indexes = [models.Index(fields=["target", "state"])]

    def __str__(self) -> str:
        return f"Batch {self.number} of run #{self.run_id}"

    @property
    def places(self) -> int:
        """Places from its first to its last row; more than rows where somebody had to be forgotten."""
        return self.last_place - self.first_place + 1


class OutboxRow(models.Model):
    """A row that Salesforce did not accept, or that must not be sent yet: it explains itself and waits for its cure."""

    class State(models.TextChoices):
        RETRYING = "retrying", "Tried again by itself"
        WAITING_PARENT = "waiting_parent", "Waiting for its parent"
        PARKED = "parked", "Needs a person"
        CONFLICT = "conflict", "Several rows or records share its key"
        UNFIT = "unfit", "A value does not fit its field"
        DISMISSED = "dismissed", "Dismissed"
        EDITED = "edited", "Accepted with a person's values"

    target_id: int
    run_id: int | None
    get_state_display: Callable[[], str]

    target = models.ForeignKey(OutboxTarget, on_delete=models.CASCADE, related_name="rows")
    key = models.CharField(max_length=255)
    label = models.CharField(max_length=255, blank=True)
    parent_key = models.CharField(max_length=255, blank=True)
    salesforce_id = models.CharField(max_length=18, blank=True)
    values = models.JSONField(default=dict, help_text="What we wanted to write, by field.")
    digest = models.CharField(max_length=64, blank=True, help_text="Of `values`: a changed row starts anew.")
    state = models.CharField(max_length=14, choices=State.choices, default=State.RETRYING)
    code = models.CharField(max_length=80, blank=True)
    message = models.TextField(blank=True)
    fields = models.JSONField(default=list, blank=True, help_text="Fields that Salesforce named.")
    tries = models.PositiveIntegerField(default=0, help_text="Runs that tried it unchanged.")
    edited = models.JSONField(default=dict, blank=True, help_text="Values a person set instead, until the row changes.")
    edited_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When a person asked to try it again.")
    first_failed_at = models.DateTimeField(default=timezone.now)
    last_failed_at = models.DateTimeField(default=timezone.now)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-last_failed_at"]
        constraints = [models.UniqueConstraint(fields=["target", "key"], name="one_waiting_row_a_key")]
        indexes = [models.Index(fields=["target", "state", "code"]), models.Index(fields=["target", "asked_at"])]

    def __str__(self) -> str:
        return f"{self.key}: {self.code or self.state}"


class HumanEdit(models.Model):
    """A value of ours that somebody changed in Salesforce (R-154), and what was decided about it."""

    class Decision(models.TextChoices):
        OPEN = "open", "Open"
        OURS = "ours", "Written over by ours"
        THEIRS = "theirs", "Left as it is in Salesforce"

    decided_by_id: int | None

    target = models.ForeignKey(OutboxTarget, on_delete=models.CASCADE, related_name="human_edits")
    key = models.CharField(max_length=255)
    salesforce_id = models.CharField(max_length=18, blank=True)
    field = models.CharField(max_length=80)
    ours = models.JSONField(null=True)
    theirs = models.JSONField(null=True)
    decision = models.CharField(max_length=6, choices=Decision.choices, default=Decision.OPEN)
    lost = models.BooleanField(
        default=False, db_default=False, help_text="Written after the backup that this installation was restored from."
    )
    seen_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-seen_at"]
        constraints = [models.UniqueConstraint(fields=["target", "key", "field"], name="one_human_edit_a_cell")]


class GuardRequest(models.Model):
    """A run that would clear, unlink or delete too much waits here for a person's yes (I-11)."""

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="guard_requests")
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    subject = models.CharField(max_length=120, help_text="What is guarded, such as mapping.customer/Account.")
    digest = models.CharField(max_length=64, help_text="Of the change asked for; a yes counts for this change only.")
    effect = models.CharField(max_length=20, help_text="clear, unlink or delete.")
    rows = models.PositiveIntegerField()
    of_rows = models.PositiveIntegerField()
    examples = models.JSONField(default=list, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    answer = models.BooleanField(null=True, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]


class Undo(models.Model):
    """Taking back what a run wrote, from its before-images."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="undo", help_text="The run that is taken back.")
    done_by_run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    delete_created = models.BooleanField(default=False, help_text="Also delete the records that the run created.")
