"""Back office of mappings: state and versions. They are changed on their pages, where everything is checked."""

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from integrations.access import Refusal
from integrations.admin.runs import ReadOnlyAdmin
from integrations.models import Mapping, MappingVersion
from integrations.sync.mapping import versions

COLORS = {"draft": "info", "active": "success", "paused": "warning"}


@admin.register(Mapping)
class MappingAdmin(ReadOnlyAdmin):
    """Mappings with the two actions that stop and start them."""

    list_display = ["__str__", "org", "entity", "state_label", "reason", "version", "updated_at"]
    list_filter = ["state", "entity", "org"]
    list_select_related = ["org"]
    actions = ["pause", "resume"]

    @display(description="State", label=COLORS)
    def state_label(self, mapping: Mapping) -> tuple[str, str]:
        return mapping.state, mapping.get_state_display()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and request.user.is_superuser  # the list's actions, never the form

    @admin.action(description="Pause the selected mappings")
    def pause(self, request: HttpRequest, chosen: QuerySet[Mapping]) -> None:
        self._set(request, chosen, Mapping.State.PAUSED)

    @admin.action(description="Resume the selected mappings")
    def resume(self, request: HttpRequest, chosen: QuerySet[Mapping]) -> None:
        self._set(request, chosen, Mapping.State.ACTIVE)

    def _set(self, request: HttpRequest, chosen: QuerySet[Mapping], state: str) -> None:
        for mapping in chosen:
            try:
                versions.set_state(mapping, state, user=request.user, now=timezone.now())
                messages.success(request, f"{mapping}: {mapping.get_state_display().lower()}.")
            except Refusal as refusal:
                messages.error(request, f"{mapping}: {refusal.message}")


@admin.register(MappingVersion)
class MappingVersionAdmin(ReadOnlyAdmin):
    """Every version that was ever saved."""

    list_display = ["__str__", "number", "note", "saved_by", "saved_at"]
    list_filter = ["mapping__org", "mapping__entity"]
    list_select_related = ["mapping__org", "saved_by"]
    fields = ["mapping", "number", "note", "saved_by", "saved_at", "body_text"]

    @display(description="Body")
    def body_text(self, version: MappingVersion) -> str:
        return json.dumps(version.body, indent=1, ensure_ascii=False)
