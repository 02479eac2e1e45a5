"""JSON shapes of the outbox's API: what goes out, and what bodies must hold."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from integrations.masking import hide_people, may_see_people
from integrations.models import GuardRequest, HumanEdit, OutboxRow, OutboxTarget, Run, SalesforceOrg
from integrations.sync.outbox import kinds
from integrations.sync.outbox.rows import WAITING, Group, fix_of

HIDDEN = "***"


class TargetSerializer(serializers.ModelSerializer):
    """Where rows of one kind go."""

    connection = serializers.CharField(source="org.name", read_only=True)
    label = serializers.SerializerMethodField(help_text="What the rows are, for a person.")
    waiting = serializers.SerializerMethodField(help_text="Rows that were not accepted and wait.")

    class Meta:
        model = OutboxTarget
        fields = [
            "id", "org", "connection", "kind", "label", "object", "key_field", "state", "reason", "pushed_at", "verified_at",
            "last_run", "waiting",
        ]  # fmt: skip
        read_only_fields = fields

    def get_label(self, target: OutboxTarget) -> str:
        return next((kind.label for kind in kinds.every() if kind.name == target.kind), target.kind)

    def get_waiting(self, target: OutboxTarget) -> int:
        return target.rows.filter(state__in=WAITING).count()


class WaitingRowSerializer(serializers.ModelSerializer):
    """One row that waits. Values are hidden from roles that need causes but not people."""  # S-115

    org = serializers.IntegerField(source="target.org_id", read_only=True)
    object = serializers.CharField(source="target.object", read_only=True)
    fix = serializers.SerializerMethodField(help_text="What a person can do about it.")
    label = serializers.SerializerMethodField()
    message = serializers.SerializerMethodField()
    values = serializers.SerializerMethodField(help_text="What we wanted to write, by field.")
    edited = serializers.SerializerMethodField(help_text="Values that a person set instead.")

    class Meta:
        model = OutboxRow
        fields = [
            "id", "org", "target", "object", "key", "label", "salesforce_id", "state", "code", "message", "fix", "fields",
            "tries", "values", "edited", "asked_at", "first_failed_at", "last_failed_at", "run",
        ]  # fmt: skip
        read_only_fields = fields

    def get_fix(self, row: OutboxRow) -> str:
        return fix_of(row)

    def get_label(self, row: OutboxRow) -> str:
        return row.label if self._sees_people else hide_people(row.label)

    def get_message(self, row: OutboxRow) -> str:
        return row.message if self._sees_people else hide_people(row.message)

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_values(self, row: OutboxRow) -> dict[str, Any]:
        return row.values if self._sees_people else dict.fromkeys(row.values, HIDDEN)

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_edited(self, row: OutboxRow) -> dict[str, Any]:
        return row.edited if self._sees_people else dict.fromkeys(row.edited, HIDDEN)

    @property
    def _sees_people(self) -> bool:
        return may_see_people(self.context["request"].user)


class GroupSerializer(serializers.Serializer):
    """Rows of one target that wait for the same cause."""

    target = serializers.IntegerField(source="target.pk")
    org = serializers.IntegerField(source="target.org_id")
    object = serializers.CharField(source="target.object")
    code = serializers.CharField()
    state = serializers.CharField()
    rows = serializers.IntegerField()
    message = serializers.SerializerMethodField()
    named_fields = serializers.ListField(source="fields", child=serializers.CharField())
    fix = serializers.CharField()
    since = serializers.DateTimeField()
    last = serializers.DateTimeField()

    def get_message(self, group: Group) -> str:
        return group.message if may_see_people(self.context["request"].user) else hide_people(group.message)


class GuardSerializer(serializers.ModelSerializer):
    """A change so large that a person must allow it."""  # I-11

    connection = serializers.CharField(source="org.name", read_only=True)
    examples = serializers.SerializerMethodField()

    class Meta:
        model = GuardRequest
        fields = [
            "id", "org", "connection", "run", "subject", "effect", "rows", "of_rows", "examples", "asked_at", "answer",
            "answered_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_examples(self, asked: GuardRequest) -> list[str]:
        seen = may_see_people(self.context["request"].user)
        return [str(each) if seen else hide_people(str(each)) for each in asked.examples]


class EditSerializer(serializers.ModelSerializer):
    """A value of ours that somebody changed in Salesforce."""

    ours = serializers.SerializerMethodField()
    theirs = serializers.SerializerMethodField()

    class Meta:
        model = HumanEdit
        fields = ["id", "target", "key", "salesforce_id", "field", "ours", "theirs", "decision", "seen_at", "decided_at"]
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.ANY)
    def get_ours(self, edit: HumanEdit) -> Any:
        return edit.ours if may_see_people(self.context["request"].user) else HIDDEN

    @extend_schema_field(OpenApiTypes.ANY)
    def get_theirs(self, edit: HumanEdit) -> Any:
        return edit.theirs if may_see_people(self.context["request"].user) else HIDDEN


class EditValues(serializers.Serializer):
    """Other values for the next try, by field; null clears a field, {} takes all back."""

    values = serializers.DictField()


class OneGroup(serializers.Serializer):
    """A group of waiting rows."""

    target = serializers.PrimaryKeyRelatedField(queryset=OutboxTarget.objects.select_related("org"))
    code = serializers.CharField(allow_blank=True, max_length=80)
    state = serializers.CharField(required=False, allow_blank=True, max_length=14)


class Answer(serializers.Serializer):
    """What a person says about a mass change."""

    yes = serializers.BooleanField()


class Decide(serializers.Serializer):
    """Whose value counts."""

    decision = serializers.ChoiceField([HumanEdit.Decision.OURS.value, HumanEdit.Decision.THEIRS.value])


class Pause(serializers.Serializer):
    """Why nothing should be pushed."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=500)


class StartUndo(serializers.Serializer):
    """The run to take back."""

    run = serializers.PrimaryKeyRelatedField(queryset=Run.objects.select_related("org"))
    delete_created = serializers.BooleanField(default=False, help_text="Also delete records that it created.")


class StartDryRun(serializers.Serializer):
    """The connection, and the kinds to compare (all of them if left out)."""

    org = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all())
    kinds = serializers.ListField(child=serializers.CharField(), required=False)

    def validate_kinds(self, names: list[str]) -> list[str]:
        known = {kind.name for kind in kinds.every()}
        if unknown := [name for name in names if name not in known]:
            raise serializers.ValidationError(f"No outbox kind is called {unknown[0]!r}; known: {', '.join(sorted(known))}.")
        return names


class StartedRun(serializers.Serializer):
    """The run that does it."""

    run = serializers.IntegerField()
    state = serializers.CharField()
