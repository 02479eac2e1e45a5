"""The mirror's state per connection and object: what is read, how far, how fresh, how true."""

from collections.abc import Callable

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from integrations.models.lake import LakeTable
from integrations.models.orgs import SalesforceOrg
from integrations.models.runs import Run


class MirrorSettings(models.Model):
    """How the mirror of one connection reads; without a row, the defaults."""

    org = models.OneToOneField(SalesforceOrg, on_delete=models.CASCADE, related_name="mirror_settings")
    first_months = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Months that first reads go back, 0 = all; empty: what the domains ask, usually six.",
    )
    overlap_minutes = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(10)], help_text="How far a read goes back behind the last one."
    )
    job_minutes = models.PositiveSmallIntegerField(
        default=120, validators=[MinValueValidator(1)], help_text="How long a Bulk job may take before it is aborted."
    )
    formula_days = models.PositiveSmallIntegerField(
        default=7, validators=[MinValueValidator(1)], help_text="How often calculated fields of all records are compared."
    )

    class Meta:
        verbose_name_plural = "mirror settings"

    def __str__(self) -> str:
        return f"Mirror of {self.org}"


class MirrorObject(models.Model):
    """One Salesforce object of one connection, read once for all domains."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        NO_ACCESS = "no_access", "No access"
        GONE = "gone", "No longer in Salesforce"
        UNNEEDED = "unneeded", "No longer needed"

    class Way(models.TextChoices):
        REST = "rest", "REST"
        BULK = "bulk", "Bulk 2.0"

    org_id: int
    fields: "models.Manager[MirrorField]"
    get_state_display: Callable[[], str]

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="mirror_objects")
    name = models.CharField(max_length=80, help_text="API name in Salesforce's spelling.")
    label = models.CharField(max_length=120, blank=True)
    table = models.OneToOneField(LakeTable, null=True, blank=True, on_delete=models.SET_NULL, related_name="mirror_object")
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    reason = models.TextField(blank=True, help_text="Why it is not read, for a person.")
    note = models.TextField(blank=True, help_text="What its last read had to do otherwise than usual, for a person.")
    needed_by = models.JSONField(default=list, blank=True, help_text="Names of the domains that ask for it.")

    watermark = models.DateTimeField(null=True, blank=True, help_text="Start (UTC) of the last fully landed read.")
    watermark_field = models.CharField(max_length=80, default="SystemModstamp", blank=True, help_text="Empty: full compare.")
    reads_from = models.DateTimeField(null=True, blank=True, help_text="Older records are not mirrored; empty: all are.")
    first_months = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Months that the first read goes back, 0 = all; empty: as the connection says."
    )
    deleted_watermark = models.DateTimeField(null=True, blank=True, help_text="Deletions are known until here.")
    read_at = models.DateTimeField(null=True, blank=True)
    last_run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    last_way = models.CharField(max_length=4, choices=Way.choices, blank=True)
    last_rows = models.PositiveBigIntegerField(default=0)

    rows = models.PositiveBigIntegerField(default=0, help_text="Live rows in the mirror.")
    deleted_rows = models.PositiveBigIntegerField(default=0)
    parity_at = models.DateTimeField(null=True, blank=True, help_text="Last count-and-id reconciliation.")
    parity_theirs = models.PositiveBigIntegerField(null=True, blank=True)
    parity_ours = models.PositiveBigIntegerField(null=True, blank=True)
    parity_repaired = models.PositiveBigIntegerField(default=0, help_text="Rows put right by that reconciliation.")
    parity_erased = models.PositiveIntegerField(default=0, help_text="Records there that must stay forgotten here.")
    ids_at = models.DateTimeField(null=True, blank=True, help_text="Last time that every id was compared.")
    told_number = models.PositiveBigIntegerField(default=0, help_text="Files up to this number were searched for news.")
    formulas_at = models.DateTimeField(null=True, blank=True, help_text="Last full compare of formula fields.")
    describe_digest = models.CharField(max_length=64, blank=True)
    described_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["org", "name"]
        constraints = [models.UniqueConstraint(fields=["org", "name"], name="one_mirror_an_object")]

    def __str__(self) -> str:
        return f"{self.name} of {self.org}"


class MirrorField(models.Model):
    """One field that is mirrored, with the Salesforce type that it was last described with."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        BACKFILLING = "backfilling", "Filling older records"
        GONE = "gone", "Gone or hidden"
        LEFT_OUT = "left_out", "Left out"

    object = models.ForeignKey(MirrorObject, on_delete=models.CASCADE, related_name="fields")
    name = models.CharField(max_length=80)
    type = models.CharField(max_length=30)
    scale = models.PositiveSmallIntegerField(default=0)
    calculated = models.BooleanField(default=False)
    choices = models.JSONField(default=list, blank=True, help_text="Active picklist values, as last described.")
    state = models.CharField(max_length=12, choices=State.choices, default=State.ACTIVE)
    reason = models.TextField(blank=True, help_text="Why it is left out, for a person.")
    needed_by = models.JSONField(default=list, blank=True)
    hashed = models.BooleanField(default=False, help_text="Only a keyed digest of its values is kept.")
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["object", "name"]
        constraints = [models.UniqueConstraint(fields=["object", "name"], name="one_mirror_field")]

    def __str__(self) -> str:
        return f"{self.object.name}.{self.name}"


class Drift(models.Model):
    """A change of an object's shape in Salesforce that concerns something of ours (R-053, R-055..R-057)."""

    class Kind(models.TextChoices):
        FIELD_GONE = "field_gone", "Field gone or hidden"
        FIELD_BACK = "field_back", "Field back"
        TYPE_CHANGED = "type_changed", "Type changed"
        PICKLIST_CHANGED = "picklist_changed", "Picklist values changed"
        OBJECT_GONE = "object_gone", "Object gone or hidden"
        OBJECT_BACK = "object_back", "Object back"

    object = models.ForeignKey(MirrorObject, on_delete=models.CASCADE, related_name="drifts")
    field = models.CharField(max_length=80, blank=True)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    before = models.CharField(max_length=255, blank=True)
    after = models.CharField(max_length=255, blank=True)
    seen_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True, help_text="When the domains had all been told.")

    class Meta:
        ordering = ["-seen_at"]


class RecordMerge(models.Model):
    """A record that Salesforce merged into another (ids of 18 characters); chains are followed when asked."""

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="record_merges")
    object = models.CharField(max_length=80)
    loser = models.CharField(max_length=18)
    winner = models.CharField(max_length=18)
    seen_at = models.DateTimeField(default=timezone.now)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["org", "loser"], name="one_merge_a_loser")]
        indexes = [models.Index(fields=["org", "winner"])]


class Backfill(models.Model):
    """Reading older records, or the older values of new fields, on demand: estimated, paused, resumed, cancelled."""

    class State(models.TextChoices):
        ESTIMATED = "estimated", "Estimated"
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    get_state_display: Callable[[], str]

    object = models.ForeignKey(MirrorObject, on_delete=models.CASCADE, related_name="backfills")
    since = models.DateTimeField(null=True, blank=True, help_text="Oldest record to read; empty: all.")
    until = models.DateTimeField(null=True, blank=True)
    only_fields = models.JSONField(default=list, blank=True, help_text="Empty: all mirrored fields.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.ESTIMATED)
    estimated_rows = models.PositiveBigIntegerField(default=0)
    estimated_calls = models.PositiveIntegerField(default=0)
    estimated_seconds = models.PositiveIntegerField(default=0)
    done_rows = models.PositiveBigIntegerField(default=0)
    checkpoint = models.JSONField(default=dict, blank=True)
    sentence = models.TextField(blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    requested_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
