"""Back office of engagements: state and figures, with the actions that stop and end them. They are written on their pages."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from integrations.access import Refusal
from integrations.admin.runs import ReadOnlyAdmin
from integrations.product.engagements import authoring, queries
from integrations.product.models import Engagement, EngagementView

COLORS = {"draft": "info", "scheduled": "info", "live": "success", "paused": "warning", "ended": "info"}


@admin.register(Engagement)
class EngagementAdmin(ReadOnlyAdmin):
    """Engagements with how many people saw, clicked and answered them."""

    list_display = ["name", "kind", "state_label", "segment", "shown", "clicked", "answered", "priority", "updated_at"]
    list_filter = ["state", "kind", "segment"]
    search_fields = ["name", "title"]
    list_select_related = ["segment"]
    actions = ["pause", "end"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Engagement]:
        return queries.with_counts(super().get_queryset(request))

    @display(description="State", label=COLORS)
    def state_label(self, engagement: Engagement) -> tuple[str, str]:
        state = engagement.state_at(timezone.now())
        return state, state.capitalize()

    @display(description="Shown to", ordering="shown")
    def shown(self, engagement: Engagement) -> int:
        return engagement.shown  # pyright: ignore[reportAttributeAccessIssue]

    @display(description="Clicked", ordering="clicked")
    def clicked(self, engagement: Engagement) -> int:
        return engagement.clicked  # pyright: ignore[reportAttributeAccessIssue]

    @display(description="Answered", ordering="answered")
    def answered(self, engagement: Engagement) -> int:
        return engagement.answered  # pyright: ignore[reportAttributeAccessIssue]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and request.user.is_superuser  # the list's actions, never the form

    @admin.action(description="Pause the selected engagements")
    def pause(self, request: HttpRequest, chosen: QuerySet[Engagement]) -> None:
        self._set(request, chosen, Engagement.State.PAUSED)

    @admin.action(description="End the selected engagements")
    def end(self, request: HttpRequest, chosen: QuerySet[Engagement]) -> None:
        self._set(request, chosen, Engagement.State.ENDED)

    def _set(self, request: HttpRequest, chosen: QuerySet[Engagement], state: str) -> None:
        for engagement in Engagement.objects.filter(pk__in=[each.pk for each in chosen]):
            try:
                authoring.set_state(engagement, state, user=request.user, now=timezone.now())
            except Refusal as refusal:
                messages.error(request, f"{engagement}: {refusal.message}")
            else:
                messages.success(request, f"{engagement}: {state}.")


@admin.register(EngagementView)
class EngagementViewAdmin(ReadOnlyAdmin):
    """Who did what, when."""

    list_display = ["engagement", "end_user", "customer", "shown_at", "clicked_at", "dismissed_at", "answered_at"]
    list_filter = ["engagement"]
    search_fields = ["end_user__external_id", "end_user__name", "engagement__name"]
    list_select_related = ["engagement", "end_user", "customer"]
