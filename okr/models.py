"""Objectives, key results, the reports that feed them, what was read, and who may link (licenses)."""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from integrations.models import Run, SalesforceOrg


class Department(models.Model):
    """A part of the company; objectives can belong to one (BW-D17)."""

    lead_id: int | None
    name = models.CharField(max_length=80, unique=True)
    lead = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="departments_led",
        help_text="May edit every objective of the department.",
    )  # fmt: skip
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="departments")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Period(models.Model):
    """A span of days in which objectives are pursued; both days belong to it, in `time_zone`."""

    name = models.CharField(max_length=40, unique=True)
    starts_on = models.DateField()
    ends_on = models.DateField()
    time_zone = models.CharField(max_length=40, default="UTC")

    class Meta:
        ordering = ["-starts_on", "name"]
        constraints = [models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="period_ends_after_start")]

    def __str__(self) -> str:
        return self.name


class Objective(models.Model):
    """What we want; its progress is the weighted mean of its key results and child objectives."""

    owner_id: int
    department_id: int | None
    period_id: int
    parent_id: int | None
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="objectives")
    department = models.ForeignKey(Department, null=True, blank=True, on_delete=models.SET_NULL, related_name="objectives")
    period = models.ForeignKey(Period, on_delete=models.PROTECT, related_name="objectives")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children")
    weight = models.PositiveSmallIntegerField(default=1, help_text="Share in the parent objective's progress.")
    created_at = models.DateTimeField(default=timezone.now)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["title", "id"]

    def __str__(self) -> str:
        return self.title


class KeyResult(models.Model):
    """A number on its way from `start` to `target`. `current` is null until something was read or checked in."""

    objective_id: int
    owner_id: int
    link: "ReportLink"  # missing attribute when not linked

    class Unit(models.TextChoices):
        NUMBER = "number", "Number"
        PERCENT = "percent", "Percent"
        CURRENCY = "currency", "Money"
        CUSTOM = "custom", "Custom unit"

    class Confidence(models.TextChoices):
        ON_TRACK = "on_track", "On track"
        AT_RISK = "at_risk", "At risk"
        OFF_TRACK = "off_track", "Off track"

    objective = models.ForeignKey(Objective, on_delete=models.CASCADE, related_name="key_results")
    title = models.CharField(max_length=200)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="key_results")
    unit = models.CharField(max_length=8, choices=Unit.choices, default=Unit.NUMBER)
    unit_label = models.CharField(max_length=20, blank=True, help_text="Currency code (USD) or the custom unit's word.")
    start = models.DecimalField(default=Decimal(0), max_digits=24, decimal_places=6)
    start_from_first_reading = models.BooleanField(default=False)
    target = models.DecimalField(max_digits=24, decimal_places=6)
    current = models.DecimalField(null=True, blank=True, max_digits=24, decimal_places=6)
    current_at = models.DateTimeField(null=True, blank=True)
    weight = models.PositiveSmallIntegerField(default=1)
    confidence = models.CharField(max_length=9, choices=Confidence.choices, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["objective_id", "id"]
        constraints = [models.CheckConstraint(condition=~Q(target=F("start")), name="target_differs_from_start")]

    def __str__(self) -> str:
        return self.title


class ReportLink(models.Model):
    """Ties a key result to one summary value of a Salesforce report (BW-25..BW-33). Belongs to the organization."""

    org_id: int
    key_result_id: int
    linked_by_id: int | None

    class Status(models.TextChoices):
        FRESH = "fresh", "Up to date"
        NOT_READ = "not_read", "Not read yet"
        REPORT_GONE = "report_gone", "Report deleted"
        NO_ACCESS = "no_access", "Report not readable"
        FIELD_GONE = "field_gone", "Summary field gone"
        ROW_MISSING = "row_missing", "Row not in report"
        NO_VALUE = "no_value", "No value"
        FORMAT = "format", "Format not supported"
        TYPE_CHANGED = "type_changed", "Field type changed"
        CURRENCY_CHANGED = "currency_changed", "Currency changed"
        INCOMPLETE = "incomplete", "Run incomplete"
        FILTER_REFUSED = "filter_refused", "Filter refused"
        TIMEOUT = "timeout", "Report too slow"
        LIMIT = "limit", "Report limit reached"
        CONNECTION = "connection", "Connection down"
        UPSTREAM = "upstream", "Salesforce unavailable"
        FROZEN = "frozen", "Period closed"

    key_result = models.OneToOneField(KeyResult, on_delete=models.CASCADE, related_name="link")
    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="report_links")
    report_id = models.CharField(max_length=18)
    report_name = models.CharField(max_length=255)
    folder_name = models.CharField(max_length=255, blank=True)
    report_format = models.CharField(max_length=12, blank=True)
    field = models.CharField(max_length=255, help_text="Aggregate name, such as s!AMOUNT or RowCount.")
    field_label = models.CharField(max_length=255, blank=True)
    field_type = models.CharField(max_length=20, blank=True, help_text="currency, percent, int or double.")
    currency = models.CharField(max_length=3, blank=True)
    # Names and values of the groups, never their index (BW-D8): [{"field", "field_label", "value", "label", "across": bool}]
    group_path = models.JSONField(default=list, blank=True)
    # Added to the report's own filters with AND: [{"column", "operator", "value"}]; empty = the report as saved
    filters = models.JSONField(default=list, blank=True)
    source_key = models.CharField(max_length=64, help_text="Digest of (connection, report, filters): one report run each.")
    missing_row_is_zero = models.BooleanField(default=False)
    settle_days = models.PositiveSmallIntegerField(default=0, help_text="Days after the period's end for the last reading.")

    status = models.CharField(max_length=16, choices=Status.choices, default=Status.NOT_READ)
    status_reason = models.TextField(blank=True)
    status_since = models.DateTimeField(default=timezone.now)
    failed_passes = models.PositiveSmallIntegerField(default=0)
    last_checked_at = models.DateTimeField(null=True, blank=True)
    last_value_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(null=True, blank=True, help_text="Not before; null = next pass.")
    frozen_at = models.DateTimeField(null=True, blank=True)
    linked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    linked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["org", "source_key"]),
            models.Index(fields=["org", "report_id"]),
            models.Index(fields=["status"]),
        ]

    def __str__(self) -> str:
        return f"{self.report_name}: {self.field_label or self.field}"


class ReportSource(models.Model):
    """What was learned about running one (report, filters): is it slow, does a run go on, when did a person refresh it."""

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="+")
    source_key = models.CharField(max_length=64)
    report_id = models.CharField(max_length=18)
    slow_at = models.DateTimeField(null=True, blank=True, help_text="Was too slow to wait for; runs asynchronously.")
    seconds = models.FloatField(null=True, blank=True, help_text="How long the last synchronous run took.")
    instance_id = models.CharField(max_length=18, blank=True, help_text="Asynchronous run whose result is to be collected.")
    instance_at = models.DateTimeField(null=True, blank=True)
    last_run_at = models.DateTimeField(null=True, blank=True)
    refreshed_at = models.DateTimeField(null=True, blank=True, help_text="Last refresh that a person asked for.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["org", "source_key"], name="one_source_a_report_and_filters")]
        indexes = [models.Index(fields=["org", "report_id"])]

    def __str__(self) -> str:
        return self.report_id


class ReportDescription(models.Model):
    """What a report looked like when last described; saves a describe while nothing changed."""

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="+")
    report_id = models.CharField(max_length=18)
    digest = models.CharField(max_length=64)
    described_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True, help_text="When a run last showed the same structure.")
    is_outdated = models.BooleanField(default=False, help_text="A run showed another structure: describe anew when needed.")
    modified_at = models.CharField(max_length=40, blank=True, help_text="The report's SystemModstamp when described.")
    body = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["org", "report_id"], name="one_description_a_report")]

    def __str__(self) -> str:
        return self.report_id


class Reading(models.Model):
    """A value with its provenance: a new one only if it changed; `last_checked_at` moves on the link (R-227)."""

    key_result_id: int
    run_id: int | None

    class Source(models.TextChoices):
        REPORT = "report", "Salesforce report"
        CHECK_IN = "check_in", "Check-in"

    key_result = models.ForeignKey(KeyResult, on_delete=models.CASCADE, related_name="readings")
    value = models.DecimalField(max_digits=24, decimal_places=6)
    at = models.DateTimeField(default=timezone.now, help_text="When it was read.")
    source = models.CharField(max_length=8, choices=Source.choices)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    report_id = models.CharField(max_length=18, blank=True)
    report_name = models.CharField(max_length=255, blank=True)
    field = models.CharField(max_length=255, blank=True)
    group_path = models.JSONField(default=list, blank=True)
    read_as = models.CharField(max_length=255, blank=True, help_text="Salesforce user whose access was used.")
    all_data = models.BooleanField(default=True, help_text="False when Salesforce cut the detail rows (totals stay exact).")
    is_final = models.BooleanField(default=False)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["key_result", "-at"])]

    def __str__(self) -> str:
        return f"{self.value} at {self.at:%Y-%m-%d %H:%M}"


class CheckIn(models.Model):
    """A note by a person, with a value where the key result is not linked (BW-D15)."""

    key_result = models.ForeignKey(KeyResult, on_delete=models.CASCADE, related_name="check_ins")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    value = models.DecimalField(null=True, blank=True, max_digits=24, decimal_places=6)
    confidence = models.CharField(max_length=9, choices=KeyResult.Confidence.choices, blank=True)
    note = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.note[:40]}"


class Activity(models.Model):
    """What happened to a key result: linked, re-pointed, settle offset changed, status changed, unlinked."""

    key_result = models.ForeignKey(KeyResult, on_delete=models.CASCADE, related_name="activity")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    verb = models.CharField(max_length=40)
    text = models.TextField()

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name_plural = "activity"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.verb}"


class License(models.Model):
    """A seat: this person may link key results of this connection (BW-02, BW-25). Deleted when released."""

    org_id: int
    user_id: int
    granted_by_id: int | None
    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="licenses")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="licenses")
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    granted_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["org", "user"], name="one_license_a_person")]

    def __str__(self) -> str:
        return f"{self.org_id}: {self.user_id}"


class LicenseEvent(models.Model):
    """History of a seat: granted, released, freed by deactivation, pool changed."""

    org = models.ForeignKey(SalesforceOrg, on_delete=models.CASCADE, related_name="license_events")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    user_name = models.CharField(max_length=150, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    event = models.CharField(max_length=20)
    note = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.event} {self.user_name}"
