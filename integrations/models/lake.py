"""What is registered of the lake: its tables, their files, and whom it must forget. A file that is not here does not exist."""

from django.db import models
from django.utils import timezone

from integrations.models.orgs import SalesforceOrg
from integrations.models.runs import Run


class LakeTable(models.Model):
    """One table of the lake: typed columns, a key, and a version by which the newest row of a key is found (I-07)."""

    id: int
    org_id: int | None
    files: "models.Manager[LakeFile]"

    name = models.CharField(max_length=200, unique=True, help_text="Such as mirror/3/Account or product/events.")
    subjects = models.JSONField(default=dict, blank=True, help_text="Id column -> whom it names, as erasures call them.")
    org = models.ForeignKey(SalesforceOrg, null=True, blank=True, on_delete=models.CASCADE, related_name="lake_tables")
    columns = models.JSONField(default=list, help_text="[[name, kind], ...]; kinds: see integrations.lake.types.")
    key = models.CharField(max_length=80, blank=True, help_text="Column that names a row; empty: rows are only appended.")
    version = models.CharField(max_length=80, blank=True, help_text="Column whose larger value is the newer row.")
    removed = models.CharField(max_length=80, blank=True, help_text="Flag column that marks a row as deleted.")
    day = models.CharField(max_length=80, blank=True, help_text="Column whose UTC day partitions the files.")
    next_number = models.PositiveBigIntegerField(default=1, help_text="Number of the next file; the larger wins a tie.")
    keep_days = models.PositiveIntegerField(null=True, blank=True, help_text="Retention of partitioned tables.")
    compacted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class LakeFile(models.Model):
    """One immutable Parquet file. Registered in the transaction that moves the watermark (I-03)."""

    class Kind(models.TextChoices):
        BASE = "base", "Base: each key once"
        DELTA = "delta", "Delta: changes"

    table_id: int
    table = models.ForeignKey(LakeTable, on_delete=models.CASCADE, related_name="files")
    number = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=5, choices=Kind.choices, default=Kind.DELTA)
    path = models.CharField(max_length=300, unique=True, help_text="Below LAKE_URL.")
    rows = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    columns = models.JSONField(default=list, help_text="Columns that this file really has.")
    day = models.DateField(null=True, blank=True)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    registered_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True, blank=True, help_text="Replaced by a newer file; deleted after a grace time.")

    class Meta:
        ordering = ["table", "number"]
        constraints = [
            # Of the live ones: a file that an erasure rewrote takes the place of the one that it replaces.
            models.UniqueConstraint(fields=["table", "number"], condition=models.Q(retired_at=None), name="one_file_a_number")
        ]
        indexes = [models.Index(fields=["table", "retired_at", "number"]), models.Index(fields=["retired_at"])]

    def __str__(self) -> str:
        return self.path


class Erasure(models.Model):
    """A person or company that must stay forgotten (I-23, S-112): what matches the digest is never stored again."""

    org = models.ForeignKey(SalesforceOrg, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=80, help_text="Object or table family, such as Contact or end_user.")
    digest = models.CharField(max_length=64, help_text="Keyed SHA-256 of the id, so that the list itself names nobody.")
    key_mark = models.CharField(max_length=8, blank=True, help_text="Which SECRET_KEY made the digest.")
    asked_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True, blank=True, help_text="When the last file with it was rewritten.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "digest"], name="one_erasure_a_subject")]

    def __str__(self) -> str:
        return f"{self.kind} {self.digest[:8]}"
