"""Serializers: what goes out, and which fields may come in. Fields that are not named here cannot be set (S-072)."""

from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from integrations.models import SalesforceOrg
from okr import reports_metadata as metadata
from okr.models import Activity, CheckIn, Department, KeyResult, License, LicenseEvent, Objective, Period, Reading, ReportLink
from okr.periods import MOST_SETTLE_DAYS
from okr.progress import progress_of
from okr.queries import ObjectiveRow

User = get_user_model()
MONEY: dict[str, Any] = {"max_digits": 24, "decimal_places": 6}
PLACES = 6


class ActivePerson(serializers.PrimaryKeyRelatedField):
    """An active user, by id."""

    def get_queryset(self) -> Any:
        return User.objects.filter(is_active=True)


class Step(serializers.Serializer):
    """One step of a row: a grouping's name and the value of the group (never its index)."""

    field = serializers.CharField(max_length=255)
    value = serializers.JSONField(allow_null=True)
    field_label = serializers.CharField(max_length=255, required=False, allow_blank=True)
    label = serializers.CharField(max_length=255, required=False, allow_blank=True)
    across = serializers.BooleanField(required=False, default=False)
    granularity = serializers.CharField(max_length=20, required=False, allow_blank=True)


class Filter(serializers.Serializer):
    """A condition added to the report's own filters."""

    column = serializers.CharField(max_length=255)
    operator = serializers.CharField(max_length=40)
    value = serializers.CharField(max_length=metadata.MOST_VALUE, allow_blank=True)


class LookAt(serializers.Serializer):
    """What to look at in a report."""

    connection = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all())
    field = serializers.CharField(max_length=255, required=False, allow_blank=True, default="", help_text="Such as s!AMOUNT.")
    group_path = Step(many=True, required=False, help_text="Empty: the grand total.")
    filters = Filter(many=True, required=False)
    missing_row_is_zero = serializers.BooleanField(required=False, default=False)

    def validate_group_path(self, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
        try:
            return metadata.checked_path([dict(step) for step in steps])
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


class LinkTo(LookAt):
    """What to link a key result to."""

    report = serializers.CharField(max_length=18)
    field = serializers.CharField(max_length=255, help_text="Such as s!AMOUNT.")
    settle_days = serializers.IntegerField(required=False, default=0, min_value=0, max_value=MOST_SETTLE_DAYS)
    start_from_first_reading = serializers.BooleanField(required=False, allow_null=True, default=None)
    unit = serializers.ChoiceField(KeyResult.Unit.choices, required=False, allow_null=True, default=None)
    unit_label = serializers.CharField(max_length=20, required=False, allow_blank=True, default="")


class LinkSerializer(serializers.ModelSerializer):
    """A link with its state."""

    connection = serializers.IntegerField(source="org_id")
    group_path = Step(many=True)
    row = serializers.SerializerMethodField()
    filters = Filter(many=True)
    linked_by = serializers.CharField(source="linked_by.username", default=None, allow_null=True)

    class Meta:
        model = ReportLink
        fields = [
            "connection",
            "report_id",
            "report_name",
            "folder_name",
            "report_format",
            "field",
            "field_label",
            "field_type",
            "currency",
            "group_path",
            "row",
            "filters",
            "missing_row_is_zero",
            "settle_days",
            "status",
            "status_reason",
            "status_since",
            "failed_passes",
            "last_checked_at",
            "last_value_at",
            "frozen_at",
            "linked_by",
            "linked_at",
        ]

    def get_row(self, link: ReportLink) -> str:
        return metadata.path_label(link.group_path)


class KeyResultSerializer(serializers.ModelSerializer):
    """A key result with its progress and, when it is linked, its link."""

    owner_name = serializers.CharField(source="owner.username", read_only=True)
    progress = serializers.SerializerMethodField(help_text="0.86 means 86 %; may pass 1; null without a value.")
    link = serializers.SerializerMethodField()

    class Meta:
        model = KeyResult
        fields = [
            "id",
            "objective",
            "title",
            "owner",
            "owner_name",
            "unit",
            "unit_label",
            "start",
            "start_from_first_reading",
            "target",
            "current",
            "current_at",
            "progress",
            "weight",
            "confidence",
            "created_at",
            "link",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.DecimalField(max_digits=30, decimal_places=PLACES, allow_null=True))
    def get_progress(self, key_result: KeyResult) -> str | None:
        return share_text(progress_of(start=key_result.start, target=key_result.target, current=key_result.current))

    @extend_schema_field(LinkSerializer(allow_null=True))
    def get_link(self, key_result: KeyResult) -> dict[str, Any] | None:
        link = getattr(key_result, "link", None)
        return LinkSerializer(link).data if link else None


class KeyResultIn(serializers.ModelSerializer):
    """What may be set when a key result is created or changed."""

    owner = ActivePerson()
    objective = serializers.PrimaryKeyRelatedField(queryset=Objective.objects.select_related("department"))
    target = serializers.DecimalField(**MONEY)
    start = serializers.DecimalField(**MONEY, required=False, default=Decimal(0))

    class Meta:
        model = KeyResult
        fields = ["objective", "title", "owner", "unit", "unit_label", "start", "start_from_first_reading", "target", "weight"]


class KeyResultChange(KeyResultIn):
    """As for creating, but it stays in its objective."""

    start = serializers.DecimalField(**MONEY)

    class Meta:
        model = KeyResult
        fields = [
            "title", "owner", "unit", "unit_label", "start", "start_from_first_reading", "target", "weight", "confidence",
        ]  # fmt: skip

    def get_fields(self) -> dict[str, serializers.Field]:
        return {name: each for name, each in super().get_fields().items() if name != "objective"}


class ObjectiveSerializer(serializers.Serializer):
    """An objective with rolled-up progress and its key results."""

    id = serializers.IntegerField(source="objective.pk")
    title = serializers.CharField(source="objective.title")
    description = serializers.CharField(source="objective.description")
    owner = serializers.IntegerField(source="objective.owner_id")
    owner_name = serializers.CharField(source="objective.owner.username")
    department = serializers.IntegerField(source="objective.department_id", allow_null=True)
    period = serializers.IntegerField(source="objective.period_id")
    parent = serializers.IntegerField(source="objective.parent_id", allow_null=True)  # pyright: ignore[reportAssignmentType]
    weight = serializers.IntegerField(source="objective.weight")
    created_at = serializers.DateTimeField(source="objective.created_at")
    archived_at = serializers.DateTimeField(source="objective.archived_at", allow_null=True)
    progress = serializers.SerializerMethodField(help_text="Weighted mean; null when nothing below has a value.")
    unknown = serializers.IntegerField(help_text="Direct parts without a value yet; they count as nothing achieved.")
    key_results = KeyResultSerializer(many=True)

    @extend_schema_field(serializers.DecimalField(max_digits=30, decimal_places=PLACES, allow_null=True))
    def get_progress(self, row: ObjectiveRow) -> str | None:
        return share_text(row.progress)


class ObjectiveIn(serializers.ModelSerializer):
    """What may be set on an objective."""

    owner = ActivePerson()
    parent = serializers.PrimaryKeyRelatedField(  # pyright: ignore[reportAssignmentType]
        queryset=Objective.objects.filter(archived_at=None), required=False, allow_null=True, default=None
    )
    department = serializers.PrimaryKeyRelatedField(
        queryset=Department.objects.all(), required=False, allow_null=True, default=None
    )

    class Meta:
        model = Objective
        fields = ["title", "description", "owner", "department", "period", "parent", "weight"]


class DepartmentSerializer(serializers.ModelSerializer):
    lead = ActivePerson(required=False, allow_null=True)

    class Meta:
        model = Department
        fields = ["id", "name", "lead"]


class PeriodSerializer(serializers.ModelSerializer):
    class Meta:
        model = Period
        fields = ["id", "name", "starts_on", "ends_on", "time_zone"]


class ReadingSerializer(serializers.ModelSerializer):
    """A value with its provenance."""

    group_path = Step(many=True)

    class Meta:
        model = Reading
        fields = [
            "id",
            "value",
            "at",
            "source",
            "run",
            "report_id",
            "report_name",
            "field",
            "group_path",
            "read_as",
            "all_data",
            "is_final",
        ]


class CheckInSerializer(serializers.ModelSerializer):
    author = serializers.CharField(source="author.username", default=None, allow_null=True, read_only=True)

    class Meta:
        model = CheckIn
        fields = ["id", "author", "value", "confidence", "note", "at"]
        read_only_fields = fields


class CheckInIn(serializers.Serializer):
    """How it goes."""

    value = serializers.DecimalField(**MONEY, required=False, allow_null=True, default=None)
    confidence = serializers.ChoiceField(KeyResult.Confidence.choices, required=False, allow_blank=True, default="")
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=5000)


class ActivitySerializer(serializers.ModelSerializer):
    actor = serializers.CharField(source="actor.username", default=None, allow_null=True)

    class Meta:
        model = Activity
        fields = ["id", "verb", "text", "actor", "at"]


class LicenseSerializer(serializers.ModelSerializer):
    """A seat and who holds it."""

    connection = serializers.IntegerField(source="org_id")
    username = serializers.CharField(source="user.username")
    name = serializers.CharField(source="user.get_full_name")
    granted_by = serializers.CharField(source="granted_by.username", default=None, allow_null=True)
    links = serializers.IntegerField(default=0)

    class Meta:
        model = License
        fields = ["id", "connection", "user", "username", "name", "granted_by", "granted_at", "last_used_at", "links"]


class LicenseEventSerializer(serializers.ModelSerializer):
    actor = serializers.CharField(source="actor.username", default=None, allow_null=True)

    class Meta:
        model = LicenseEvent
        fields = ["id", "event", "user", "user_name", "actor", "note", "at"]


class Grant(serializers.Serializer):
    """Who gets a seat of which connection."""

    connection = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all())
    user = serializers.PrimaryKeyRelatedField(queryset=User.objects.all())


class Release(serializers.Serializer):
    """Whose seats of which connection are taken back."""

    connection = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all())
    users = serializers.PrimaryKeyRelatedField(queryset=User.objects.all(), many=True, allow_empty=False)


class Pool(serializers.Serializer):
    """The new size of a pool."""

    connection = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all())
    seats = serializers.IntegerField(min_value=0)


class SeatsSerializer(serializers.Serializer):
    """Use of a pool."""

    used = serializers.IntegerField()
    total = serializers.IntegerField()
    free = serializers.IntegerField()


class FieldSerializer(serializers.Serializer):
    """A summary field that can be chosen."""

    name = serializers.CharField()
    label = serializers.CharField()
    type = serializers.CharField()
    unit = serializers.CharField()
    unit_label = serializers.CharField()
    zero_is_true = serializers.BooleanField(help_text="Whether a missing row may count as zero.")
    level = serializers.CharField(help_text="Grouping that a formula is defined at; empty = everywhere.")


class FieldsSerializer(serializers.Serializer):
    """The fields of a report, or the reason why there is none."""

    reason = serializers.CharField(allow_blank=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        """With `fields`, a name that a serializer cannot declare."""
        return {"fields": FieldSerializer(many=True), **super().get_fields()}


class GroupRowSerializer(serializers.Serializer):
    """A row or column of a report that a link can point at."""

    label = serializers.CharField(source="full_label")
    path = Step(many=True)


class FoundReportSerializer(serializers.Serializer):
    """One search result."""

    id = serializers.CharField()
    name = serializers.CharField()
    folder = serializers.CharField()
    format = serializers.CharField()
    last_run = serializers.DateTimeField(allow_null=True)
    usable = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)


class FoundSerializer(serializers.Serializer):
    """A page of search results, 20 a page."""

    count = serializers.IntegerField(source="total")
    page = serializers.IntegerField()
    pages = serializers.IntegerField()
    results = FoundReportSerializer(many=True, source="reports")


class ValueSerializer(serializers.Serializer):
    """A live value."""

    amount = serializers.DecimalField(max_digits=24, decimal_places=6)
    type = serializers.CharField()
    currency = serializers.CharField()
    is_assumed_zero = serializers.BooleanField()


class BrokenSerializer(serializers.Serializer):
    """Why there is no value."""

    status = serializers.CharField()
    reason = serializers.CharField()


class PreviewSerializer(serializers.Serializer):
    """What a link would read, and with whose access."""

    report_id = serializers.CharField()
    report_name = serializers.CharField()
    folder = serializers.CharField()
    format = serializers.CharField()
    url = serializers.CharField()
    read_as = serializers.CharField()
    read_at = serializers.DateTimeField()
    notice = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    rows = serializers.SerializerMethodField()
    columns = serializers.SerializerMethodField()
    group_path = Step(many=True)
    value = ValueSerializer(allow_null=True)
    broken = BrokenSerializer(allow_null=True)
    all_data = serializers.BooleanField()

    def get_fields(self) -> dict[str, serializers.Field]:
        """With `fields`, a name that a serializer cannot declare."""
        return {**super().get_fields(), "fields": FieldSerializer(many=True)}

    @extend_schema_field(GroupRowSerializer(many=True))
    def get_rows(self, preview: Any) -> Any:
        return GroupRowSerializer(metadata.flatten(preview.groups.down), many=True).data

    @extend_schema_field(GroupRowSerializer(many=True))
    def get_columns(self, preview: Any) -> Any:
        return GroupRowSerializer(metadata.flatten(preview.groups.across), many=True).data


class RefreshedSerializer(serializers.Serializer):
    """Outcome of a manual refresh."""

    pending = serializers.BooleanField()
    sentence = serializers.CharField()
    link = LinkSerializer()


def share_text(share: Decimal | None) -> str | None:
    """A share as text with six decimals, as all decimals of the API."""
    return None if share is None else f"{share:.{PLACES}f}"
