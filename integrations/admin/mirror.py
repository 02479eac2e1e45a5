"""Back office of the mirror: its objects, settings and backfills, and what changed in Salesforce."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from integrations import audit
from integrations.access import Refusal
from integrations.admin.runs import ReadOnlyAdmin
from integrations.models import Backfill, Drift, MirrorField, MirrorObject, MirrorSettings, RecordMerge
from integrations.sync.mirror import backfill, objects

COLORS = {
    "active": "success", "paused": "warning", "no_access": "danger", "gone": "danger", "unneeded": "info", "estimated": "info",
    "queued": "info", "running": "info", "done": "success", "failed": "danger", "cancelled": "info",
}  # fmt: skip


class ActionsOnly(ReadOnlyAdmin):
    """A list whose rows are changed by its actions, never by a form."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and request.user.is_superuser

    def perform(self, request: HttpRequest, chosen: QuerySet[Any], verb: Any) -> None:
        """Call `verb` for each chosen row and say what came of it."""
        for each in chosen:
            try:
                verb(each, user=request.user, now=timezone.now())
            except Refusal as refusal:
                messages.error(request, refusal.message)
            else:
                each.refresh_from_db()
                messages.success(request, f"{each}: {each.get_state_display().lower()}.")


class FieldInline(TabularInline):
    """The mirrored fields of an object."""

    model = MirrorField
    fields = readonly_fields = ["name", "type", "state", "reason", "needed_by", "since"]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(MirrorObject)
class MirrorObjectAdmin(ActionsOnly):
    """Every mirrored object with its watermark, counts and parity."""

    list_display = [
        "name", "org", "state_label", "rows", "deleted_rows", "watermark", "read_at", "last_way", "last_rows", "parity_at",
        "reason",
    ]  # fmt: skip
    list_filter = ["state", "org"]
    search_fields = ["name"]
    list_select_related = ["org"]
    inlines = [FieldInline]
    actions = ["pause", "resume"]

    @display(description="State", label=COLORS)
    def state_label(self, item: MirrorObject) -> tuple[str, str]:
        return item.state, item.get_state_display()

    @admin.action(description="Pause reading the selected objects")
    def pause(self, request: HttpRequest, chosen: QuerySet[MirrorObject]) -> None:
        self.perform(request, chosen, objects.pause_reading)

    @admin.action(description="Read the selected objects again")
    def resume(self, request: HttpRequest, chosen: QuerySet[MirrorObject]) -> None:
        self.perform(request, chosen, objects.resume_reading)


@admin.register(Backfill)
class BackfillAdmin(ActionsOnly):
    """Backfills with their numbers; the actions are those of the page."""

    list_display = [
        "id", "object", "state_label", "since", "until", "estimated_rows", "estimated_calls", "estimated_seconds", "done_rows",
        "requested_by", "requested_at", "sentence",
    ]  # fmt: skip
    list_filter = ["state", "object__org"]
    list_select_related = ["object__org", "requested_by"]
    exclude = ["checkpoint"]
    actions = ["start", "pause", "resume", "cancel"]

    @display(description="State", label=COLORS)
    def state_label(self, item: Backfill) -> tuple[str, str]:
        return item.state, item.get_state_display()

    @admin.action(description="Start the selected backfills")
    def start(self, request: HttpRequest, chosen: QuerySet[Backfill]) -> None:
        self.perform(request, chosen, backfill.start)

    @admin.action(description="Pause the selected backfills")
    def pause(self, request: HttpRequest, chosen: QuerySet[Backfill]) -> None:
        self.perform(request, chosen, backfill.pause)

    @admin.action(description="Resume the selected backfills")
    def resume(self, request: HttpRequest, chosen: QuerySet[Backfill]) -> None:
        self.perform(request, chosen, backfill.resume)

    @admin.action(description="Cancel the selected backfills")
    def cancel(self, request: HttpRequest, chosen: QuerySet[Backfill]) -> None:
        self.perform(request, chosen, backfill.cancel)


@admin.register(MirrorSettings)
class MirrorSettingsAdmin(ModelAdmin):
    """How each connection's mirror reads."""

    list_display = ["org", "first_months", "overlap_minutes", "job_minutes"]
    list_select_related = ["org"]

    def save_model(self, request: HttpRequest, obj: MirrorSettings, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        after = {name: getattr(obj, name) for name in form.changed_data if name != "org"}
        audit.record("mirror.settings_changed", actor=request.user, target=obj.org, after=after)


@admin.register(Drift)
class DriftAdmin(ReadOnlyAdmin):
    """Changes of objects' shapes in Salesforce."""

    list_display = ["object", "field", "kind", "before", "after", "seen_at", "settled_at"]
    list_filter = ["kind", "object__org"]
    list_select_related = ["object__org"]
    search_fields = ["field", "object__name"]


@admin.register(RecordMerge)
class RecordMergeAdmin(ReadOnlyAdmin):
    """Records that Salesforce merged into others."""

    list_display = ["org", "object", "loser", "winner", "seen_at", "run"]
    list_filter = ["object", "org"]
    list_select_related = ["org", "run"]
    search_fields = ["=loser", "=winner"]
