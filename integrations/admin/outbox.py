"""Back office of the outbox: targets, pushes and their batches, waiting rows, questions of the guard, edits by people."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from integrations.access import Refusal
from integrations.admin.runs import ReadOnlyAdmin
from integrations.models import GuardRequest, HumanEdit, OutboxBatch, OutboxPush, OutboxRow, OutboxTarget, Undo
from integrations.sync.outbox import rows, targets, verify

STATE_COLORS = {
    "active": "success", "paused": "warning", "retrying": "info", "waiting_parent": "info", "parked": "warning",
    "conflict": "danger", "unfit": "danger", "dismissed": "default", "edited": "success", "waiting": "info", "planned": "info",
    "done": "success", "left": "warning",
    "staged": "info", "created": "info", "sent": "info", "collected": "success", "failed": "danger", "abandoned": "warning",
}  # fmt: skip


class OutboxAdmin(ReadOnlyAdmin):
    """Lists with actions; nothing is typed in here."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and bool(self.actions) and request.user.is_superuser  # pyright: ignore[reportAttributeAccessIssue]

    @display(description="State", label=STATE_COLORS)
    def state_label(self, item: Any) -> tuple[str, str]:
        return item.state, item.get_state_display()


@admin.register(OutboxTarget)
class OutboxTargetAdmin(OutboxAdmin):
    """Where rows go."""

    list_display = ["__str__", "org", "kind", "object", "key_field", "state_label", "pushed_at", "verified_at"]
    list_filter = ["state", "kind", "org"]
    list_select_related = ["org"]
    actions = ["pause", "resume", "compare"]

    @admin.action(description="Pause the selected targets")
    def pause(self, request: HttpRequest, chosen: QuerySet[OutboxTarget]) -> None:
        for target in chosen:
            targets.pause_target(target, reason="Paused in the back office.", user=request.user, now=timezone.now())

    @admin.action(description="Resume the selected targets")
    def resume(self, request: HttpRequest, chosen: QuerySet[OutboxTarget]) -> None:
        for target in chosen:
            targets.resume_target(target, user=request.user, now=timezone.now())

    @admin.action(description="Compare the selected targets with live values")
    def compare(self, request: HttpRequest, chosen: QuerySet[OutboxTarget]) -> None:
        for target in chosen.select_related("org"):
            try:
                run = verify.verify(target.org, target=target, user=request.user, now=timezone.now())
                messages.success(request, f"{target}: run #{run.pk}.")
            except Refusal as refusal:
                messages.error(request, refusal.message)


@admin.register(OutboxRow)
class OutboxRowAdmin(OutboxAdmin):
    """Rows that wait."""

    list_display = ["key", "label", "target", "state_label", "code", "tries", "last_failed_at"]
    list_filter = ["state", "code", "target__kind", "target__org"]
    search_fields = ["key", "label", "salesforce_id"]
    list_select_related = ["target__org"]
    actions = ["retry", "dismiss"]

    @admin.action(description="Try the selected rows again")
    def retry(self, request: HttpRequest, chosen: QuerySet[OutboxRow]) -> None:
        for row in chosen.select_related("target__org"):
            try:
                rows.retry_row(row, user=request.user, now=timezone.now())
            except Refusal as refusal:
                messages.error(request, refusal.message)
                return

    @admin.action(description="Leave the selected rows alone until they change")
    def dismiss(self, request: HttpRequest, chosen: QuerySet[OutboxRow]) -> None:
        for row in chosen.select_related("target__org"):
            rows.dismiss_row(row, user=request.user, now=timezone.now())


@admin.register(OutboxPush)
class OutboxPushAdmin(OutboxAdmin):
    """What each run compared and sent."""

    list_display = ["id", "run", "target", "state_label", "is_dry", "rows", "changed", "calls", "started_at", "finished_at"]
    list_filter = ["state", "is_dry", "target__kind", "target__org"]
    list_select_related = ["run", "target__org"]


@admin.register(OutboxBatch)
class OutboxBatchAdmin(OutboxAdmin):
    """Jobs and series of calls."""

    list_display = [
        "__str__", "target", "way", "operation", "state_label", "rows", "accepted_rows", "failed_rows", "unprocessed_rows",
        "job_id",
    ]  # fmt: skip
    list_filter = ["state", "way", "operation", "target__org"]
    search_fields = ["job_id"]
    list_select_related = ["run", "target__org"]


@admin.register(GuardRequest)
class GuardRequestAdmin(ReadOnlyAdmin):
    """Mass changes and who allowed them; they are answered on their page."""

    list_display = ["subject", "org", "effect", "rows", "of_rows", "answer", "answered_by", "asked_at"]
    list_filter = ["effect", "answer", "org"]
    list_select_related = ["org", "answered_by"]


@admin.register(HumanEdit)
class HumanEditAdmin(ReadOnlyAdmin):
    """Values of ours that people changed."""

    list_display = ["key", "field", "target", "decision", "seen_at", "decided_by"]
    list_filter = ["decision", "target__kind", "target__org"]
    list_select_related = ["target__org", "decided_by"]


@admin.register(Undo)
class UndoAdmin(ReadOnlyAdmin):
    """Runs that were taken back."""

    list_display = ["run", "done_by_run", "asked_by", "asked_at", "delete_created"]
    list_select_related = ["run", "done_by_run", "asked_by"]
