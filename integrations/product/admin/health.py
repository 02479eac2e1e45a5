"""Back office of health scores and task rules. They are changed on their pages, where everything is checked."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from integrations.access import Refusal
from integrations.admin.runs import ReadOnlyAdmin
from integrations.product.health import definitions as health
from integrations.product.health.scoring import BadParts
from integrations.product.models import CsmTask, HealthDay, HealthScore, TaskRule
from integrations.product.task_rules import definitions as tasks

COLORS = {"draft": "info", "active": "success", "paused": "warning", "created": "success", "waiting": "warning"}


@admin.register(HealthScore)
class HealthScoreAdmin(ReadOnlyAdmin):
    """Definitions with the two actions that stop and start them."""

    list_display = ["name", "key", "org", "state_label", "version", "computed_at", "changed_by", "changed_at"]
    list_filter = ["state", "org"]
    list_select_related = ["org", "changed_by"]
    actions = ["pause", "resume"]

    @display(description="State", label=COLORS)
    def state_label(self, score: HealthScore) -> tuple[str, str]:
        return score.state, score.get_state_display()

    def has_change_permission(self, request: HttpRequest, obj: HealthScore | None = None) -> bool:
        return obj is None and request.user.is_superuser  # pyright: ignore[reportAttributeAccessIssue]

    @admin.action(description="Pause the selected scores")
    def pause(self, request: HttpRequest, chosen: QuerySet[HealthScore]) -> None:
        self._set(request, chosen, HealthScore.State.PAUSED)

    @admin.action(description="Go on with the selected scores")
    def resume(self, request: HttpRequest, chosen: QuerySet[HealthScore]) -> None:
        self._set(request, chosen, HealthScore.State.ACTIVE)

    def _set(self, request: HttpRequest, chosen: QuerySet[HealthScore], state: str) -> None:
        for score in chosen:
            health.set_state(score, state, user=request.user, now=timezone.now())
            messages.success(request, f"{score}: {score.get_state_display().lower()}.")


@admin.register(HealthDay)
class HealthDayAdmin(ReadOnlyAdmin):
    """How scores stood on each day."""

    list_display = ["score", "day", "average", "good", "fair", "poor", "unknown", "version"]
    list_filter = ["score"]
    list_select_related = ["score"]


@admin.register(TaskRule)
class TaskRuleAdmin(ReadOnlyAdmin):
    """Rules with the actions that stop and start them."""

    list_display = ["name", "org", "state_label", "segment", "matching", "held_back", "checked_at"]
    list_filter = ["state", "org"]
    list_select_related = ["org", "segment"]
    actions = ["pause", "switch_on"]

    @display(description="State", label=COLORS)
    def state_label(self, rule: TaskRule) -> tuple[str, str]:
        return rule.state, rule.get_state_display()

    def has_change_permission(self, request: HttpRequest, obj: TaskRule | None = None) -> bool:
        return obj is None and request.user.is_superuser  # pyright: ignore[reportAttributeAccessIssue]

    @admin.action(description="Pause the selected rules")
    def pause(self, request: HttpRequest, chosen: QuerySet[TaskRule]) -> None:
        self._set(request, chosen, TaskRule.State.PAUSED)

    @admin.action(description="Switch the selected rules on")
    def switch_on(self, request: HttpRequest, chosen: QuerySet[TaskRule]) -> None:
        self._set(request, chosen, TaskRule.State.ACTIVE)

    def _set(self, request: HttpRequest, chosen: QuerySet[TaskRule], state: str) -> None:
        for rule in chosen.select_related("org", "segment"):
            try:
                tasks.set_state(rule, state, user=request.user, now=timezone.now())
                messages.success(request, f"{rule}: {rule.get_state_display().lower()}.")
            except (Refusal, BadParts) as error:
                messages.error(request, f"{rule}: {error}")


@admin.register(CsmTask)
class CsmTaskAdmin(ReadOnlyAdmin):
    """Every task that was made or waits."""

    list_display = ["key", "rule", "customer", "state_label", "code", "salesforce_id", "opened_at", "ended_at", "made_at"]
    list_filter = ["state", "code", "rule"]
    list_select_related = ["rule", "customer"]
    search_fields = ["key", "salesforce_id", "customer__name"]

    @display(description="State", label=COLORS)
    def state_label(self, task: CsmTask) -> tuple[str, str]:
        return task.state, task.get_state_display()
