"""Back office of the ledger: is it healthy? Read-only, with actions that call the verbs."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from integrations.models import Lease, RowOutcome, Run, WorkerHeartbeat
from integrations.sync import runs

COLORS = {
    "queued": "info", "running": "info", "success": "success", "partial": "warning",
    "failed": "danger", "deferred": "warning", "cancelled": "info", "interrupted": "danger",
}  # fmt: skip


class ReadOnlyAdmin(ModelAdmin):
    """Looks, never touches: the ledger is written by jobs only."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """Runs with state, sentence and the two actions."""

    list_display = ["number", "job", "org", "state_label", "sentence", "started_at", "finished_at", "attempts", "calls"]
    list_filter = ["state", "domain", "org", "trigger"]
    search_fields = ["=id", "job", "reason_code"]
    list_select_related = ["org"]
    actions = ["cancel", "retry"]

    @display(description="Run")
    def number(self, run: Run) -> str:
        return f"#{run.pk}"

    @display(description="State", label=COLORS)
    def state_label(self, run: Run) -> tuple[str, str]:
        return run.state, run.get_state_display()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and request.user.is_superuser  # the list's actions, never the form

    @admin.action(description="Cancel the selected runs")
    def cancel(self, request: HttpRequest, chosen: QuerySet[Run]) -> None:
        stopped = sum(runs.cancel_run(run, user=request.user, now=timezone.now()) for run in chosen)
        messages.success(request, f"{stopped} of {len(chosen)} runs stop; the others had ended.")

    @admin.action(description="Run the selected again")
    def retry(self, request: HttpRequest, chosen: QuerySet[Run]) -> None:
        again = {runs.retry_run(run, user=request.user, now=timezone.now()).pk for run in chosen}
        messages.success(request, f"{len(again)} runs queued.")


@admin.register(RowOutcome)
class RowOutcomeAdmin(ReadOnlyAdmin):
    """What became of single rows."""

    list_display = ["run_object", "key", "label", "outcome", "code", "message", "at"]
    list_filter = ["outcome", "code"]
    search_fields = ["key", "code"]
    list_select_related = ["run_object__run"]


@admin.register(Lease)
class LeaseAdmin(ReadOnlyAdmin):
    """Who may write now."""

    list_display = ["name", "holder", "fence", "expires_at"]


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(ReadOnlyAdmin):
    """Whether the worker lives."""

    list_display = ["name", "beat_at", "started_at"]
