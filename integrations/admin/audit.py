"""Back office of the audit: who did what, when, from where; and whether the chain holds."""

import json

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from integrations.admin.runs import ReadOnlyAdmin
from integrations.audit import verify
from integrations.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Entries, newest first; append-only."""

    list_display = ["at", "who", "action", "target", "address"]
    list_filter = ["action"]
    search_fields = ["actor_name", "action", "target"]
    date_hierarchy = "at"
    actions = ["verify_chain"]
    fields = ["at", "actor_name", "action", "target", "before_text", "after_text", "address", "digest"]
    readonly_fields = fields

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return obj is None and request.user.is_superuser  # type: ignore[union-attr]  # the list's action, never the form

    @display(description="Who")
    def who(self, entry: AuditEntry) -> str:
        """The person's name, also when the account is gone."""
        return entry.actor_name or "system"

    @display(description="Before")
    def before_text(self, entry: AuditEntry) -> str:
        """Values before."""
        return json.dumps(entry.before, indent=1) if entry.before else "–"

    @display(description="After")
    def after_text(self, entry: AuditEntry) -> str:
        """Values after."""
        return json.dumps(entry.after, indent=1) if entry.after else "–"

    @admin.action(description="Verify the whole chain (the selection does not matter)")
    def verify_chain(self, request: HttpRequest, chosen: QuerySet[AuditEntry]) -> None:
        """Say whether anything was changed or removed."""
        found = verify()
        if found.holds:
            messages.success(request, f"The chain holds: {found.checked:,} entries.")
        else:
            messages.error(request, f"Entry {found.broken_id} does not fit. {found.why} {found.checked:,} before it hold.")
