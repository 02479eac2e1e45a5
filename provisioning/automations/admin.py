"""Back office of automations: look, search, activate and deactivate; they are written on their pages, which check them."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from integrations.access import Refusal
from integrations.admin.runs import ReadOnlyAdmin
from provisioning.automations import authoring
from provisioning.models import Automation, AutomationVersion


@admin.register(Automation)
class AutomationAdmin(ReadOnlyAdmin):
    """Automations; sealed header values are not shown."""

    list_display = ["name", "org", "trigger", "is_active", "is_template", "version", "updated_at", "page"]
    list_filter = ["trigger", "is_active", "is_template", "org"]
    search_fields = ["name", "org__name"]
    list_select_related = ["org"]
    exclude = ["callout_secrets"]
    actions = ["activate", "deactivate"]

    @display(description="Page")
    def page(self, row: Automation) -> str:
        return format_html('<a href="{}">Open</a>', reverse("provisioning:automation", args=[row.pk]))

    @admin.action(description="Activate")
    def activate(self, request: HttpRequest, rows: QuerySet[Automation]) -> None:
        self._each(request, rows, lambda row: authoring.activate(row, actor=request.user, now=timezone.now()))

    @admin.action(description="Deactivate")
    def deactivate(self, request: HttpRequest, rows: QuerySet[Automation]) -> None:
        self._each(request, rows, lambda row: authoring.deactivate(row, actor=request.user, now=timezone.now()))

    def _each(self, request: HttpRequest, rows: QuerySet[Automation], act: Callable[[Automation], Any]) -> None:
        done = 0
        for row in rows.select_related("org"):
            try:
                act(row)
                done += 1
            except Refusal as refusal:
                messages.error(request, f"{row}: {refusal.message}")
        if done:
            messages.success(request, f"Done for {done}.")


@admin.register(AutomationVersion)
class AutomationVersionAdmin(ReadOnlyAdmin):
    """Earlier states of automations."""

    list_display = ["automation", "number", "saved_at", "saved_by"]
    search_fields = ["automation__name"]
    list_select_related = ["automation", "saved_by"]
