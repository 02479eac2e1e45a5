"""The ledger: every job is a `Run`, every row it touched ends in exactly one class (I-01)."""

from collections.abc import Callable

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models.orgs import SalesforceOrg


class Run(models.Model):
    """One execution of a job for one connection (or for none)."""

    org_id: int | None
    objects_touched: "models.Manager[RunObject]"
    chunks: "models.Manager[RunChunk]"
    get_state_display: Callable[[], str]

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCESS = "success", "Succeeded"
        PARTIAL = "partial", "Finished with errors"
        FAILED = "failed", "Failed"
        DEFERRED = "deferred", "Deferred"
        CANCELLED = "cancelled", "Cancelled"
        INTERRUPTED = "interrupted", "Interrupted"

    ACTIVE = (State.QUEUED, State.RUNNING)

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", "Schedule"
        MANUAL = "manual", "Manual"
        API = "api", "API"
        RETRY = "retry", "Retry"
        SYSTEM = "system", "System"

    job = models.CharField(max_length=60, help_text="Name in the job registry, such as okr.refresh")
    org = models.ForeignKey(SalesforceOrg, null=True, blank=True, on_delete=models.CASCADE, related_name="runs")
    domain = models.CharField(max_length=20, default="other")
    trigger = models.CharField(max_length=10, choices=Trigger.choices, default=Trigger.SCHEDULE)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    arguments = models.JSONField(default=dict, blank=True)
    slot = models.DateTimeField(null=True, blank=True, help_text="The timetable's instant this run stands for.")

    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    reason_code = models.CharField(max_length=60, blank=True)
    sentence = models.TextField(blank=True, help_text="How it ended, for a person.")
    configuration = models.CharField(max_length=64, blank=True, help_text="Version pinned at the start.")
    checkpoint = models.JSONField(default=dict, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    org_generation = models.PositiveIntegerField(default=0)
    resumed_from = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="resumptions")

    queued_at = models.DateTimeField(default=timezone.now)
    enqueued_at = models.DateTimeField(null=True, blank=True, help_text="When a queue task was last made for it.")
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    total = models.PositiveIntegerField(null=True, blank=True, help_text="Rows expected, for the progress bar.")
    calls = models.PositiveIntegerField(default=0, help_text="Salesforce API calls made.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["job", "org"], condition=Q(state="running"), name="one_running_run"),
            models.UniqueConstraint(fields=["job", "org"], condition=Q(state="queued"), name="one_queued_run"),
            # NULLs never collide, so jobs without a connection need constraints of their own.
            models.UniqueConstraint(fields=["job"], condition=Q(state="running", org=None), name="one_running_run_without_org"),
            models.UniqueConstraint(fields=["job"], condition=Q(state="queued", org=None), name="one_queued_run_without_org"),
        ]
        indexes = [
            models.Index(fields=["state", "heartbeat_at"]),
            models.Index(fields=["queued_at"]),
            models.Index(fields=["org", "job", "-id"]),
            models.Index(fields=["domain", "-id"]),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.job}"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE


class RunObject(models.Model):
    """Counts of one run for one kind of thing; the five classes add up to `read`."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="objects_touched")
    name = models.CharField(max_length=80)
    read = models.PositiveIntegerField(default=0)
    written = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    not_attempted = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="one_count_row_an_object")]


class RowOutcome(models.Model):
    """A row that was written, skipped, failed or not attempted, with its reason (unchanged rows are only counted)."""

    class Outcome(models.TextChoices):
        WRITTEN = "written", "Written"
        SKIPPED = "skipped", "Skipped"
        FAILED = "failed", "Failed"
        NOT_ATTEMPTED = "not_attempted", "Not attempted"

    run_object = models.ForeignKey(RunObject, on_delete=models.CASCADE, related_name="rows")
    key = models.CharField(max_length=255, help_text="Our key of the row.")
    label = models.CharField(max_length=255, blank=True)
    salesforce_id = models.CharField(max_length=18, blank=True)
    outcome = models.CharField(max_length=14, choices=Outcome.choices)
    code = models.CharField(max_length=80, blank=True, help_text="Stable reason code.")
    message = models.TextField(blank=True)
    detail = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["run_object", "outcome", "code"])]
        constraints = [models.UniqueConstraint(fields=["run_object", "key"], name="one_outcome_a_row")]


class RunChunk(models.Model):
    """A bounded part of a long run: claimed by a lease, retried with back-off, resumed by any worker."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        CLAIMED = "claimed", "Claimed"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="chunks")
    position = models.PositiveIntegerField()
    payload = models.JSONField(default=dict)
    result = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="one_chunk_a_position")]
        indexes = [models.Index(fields=["state", "not_before"])]


class Lease(models.Model):
    """Who may write for a (connection, job) now. The fencing number only grows; a stale holder is refused (I-08)."""

    name = models.CharField(max_length=120, unique=True)
    holder = models.CharField(max_length=80, blank=True)
    fence = models.PositiveBigIntegerField(default=0)
    expires_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class WorkerHeartbeat(models.Model):
    """Proof of life of a worker, written each minute by a task that really went through the queue."""

    name = models.CharField(max_length=80, unique=True)
    beat_at = models.DateTimeField()
    started_at = models.DateTimeField(default=timezone.now)
