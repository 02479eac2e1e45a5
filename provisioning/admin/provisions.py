"""Back office of deals: provisions with their steps, incoming calls, settings of connections. Read-only, with actions."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.decorators import display

from integrations.access import Refusal
from integrations.admin.runs import ReadOnlyAdmin
from provisioning.models import Delivery, Provision, ProvisioningSettings, ProvisionStep
from provisioning.provision import steps
from provisioning.provision.queries import VERDICTS

COLORS = {
    "waiting": "info", "running": "info", "blocked": "danger", "stopped": "danger", "incomplete": "warning", "done": "success",
    "skipped": "info",
}  # fmt: skip


class StepInline(TabularInline):
    """The steps below a provision."""

    model = ProvisionStep
    fields = ["position", "name", "state", "attempts", "started_at", "ended_at", "reason_code", "sentence"]
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Provision)
class ProvisionAdmin(ReadOnlyAdmin):
    """Deals; resuming calls the same verb as the page."""

    list_display = ["name", "org", "kind", "shown_state", "customer", "flag", "attempts", "opened_at", "finished_at"]
    list_filter = ["state", "kind", "source", "flag", "org"]
    search_fields = ["name", "opportunity_id", "account_id", "account_name"]
    list_select_related = ["org", "customer"]
    exclude = ["facts", "intent", "result"]  # the page tells them in words
    readonly_fields = ["page"]
    inlines = [StepInline]
    actions = ["resume"]

    @display(description="State", label=COLORS)
    def shown_state(self, provision: Provision) -> tuple[str, str]:
        return provision.state, provision.get_state_display()

    @display(description="Page")
    def page(self, provision: Provision) -> str:
        return format_html('<a href="{}">Open</a>', reverse("provisioning:provision", args=[provision.pk]))

    @admin.action(description="Resume the selected deals", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Provision]) -> None:
        """Each goes on at the step where it stands, within a minute."""
        done = 0
        for each in queryset:
            try:
                steps.resume(each, actor=request.user, now=timezone.now())
                done += 1
            except Refusal as refusal:
                messages.error(request, f"{each}: {refusal.message}")
        messages.success(request, f"{done} go on within a minute.")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser and obj is None


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Incoming calls and what became of them."""

    list_display = ["received_at", "org", "source", "outcome", "status", "milliseconds", "waiting", "address"]
    list_filter = ["verdict", "source", "waiting", "org"]
    search_fields = ["sentence"]
    list_select_related = ["org"]

    @display(description="Outcome", ordering="verdict")
    def outcome(self, delivery: Delivery) -> str:
        return VERDICTS.get(delivery.verdict, ("Refused",))[0]


@admin.register(ProvisioningSettings)
class ProvisioningSettingsAdmin(ReadOnlyAdmin):
    """Settings of connections; they are changed on their page. Digests of keys are not shown."""

    list_display = ["org", "callout_key_prefix", "polled_at", "poll_trouble", "last_callout_at", "removed_at"]
    list_select_related = ["org"]
    exclude = ["callout_key_digest", "old_key_digest", "signing_keys"]
