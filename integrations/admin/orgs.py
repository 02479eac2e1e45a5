"""Back office of connections: look, adjust switches, test and pause. Credentials are entered on the connection's own pages."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display

from integrations import disconnect
from integrations.access import Refusal
from integrations.admin.runs import ReadOnlyAdmin
from integrations.audit import address_of
from integrations.connection_pages import state_of
from integrations.models import ApiUsage, SalesforceIdentity, SalesforceOrg
from integrations.orgs import lifecycle, posture

EDITABLE = ("name", "environment", "seats", "okr_enabled", "product_enabled", "billing_enabled", "sign_in_enabled")
SHOWN = (
    "login_method", "login_url", "instance_url", "org_id", "org_name", "user_name", "scope", "state", "state_reason",
    "state_code", "state_since", "authorized_by", "authorized_at", "token_issued_at", "posture_at", "revocation_pending",
)  # fmt: skip
COLORS = {"healthy": "success", "degraded": "warning", "action": "danger", "paused": "info"}


@admin.register(SalesforceOrg)
class SalesforceOrgAdmin(ModelAdmin):
    """Connections. Made and removed in the product, never here."""

    list_per_page = 50
    list_display = ["name", "environment", "state_label", "org_name", "user_name", "authorized_at", "page"]
    list_filter = ["state", "environment", "login_method"]
    search_fields = ["name", "org_name", "=org_id"]
    fields = [*EDITABLE, *SHOWN]
    readonly_fields = SHOWN
    actions = ["test", "pause", "resume"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_active and request.user.is_superuser  # pyright: ignore

    def save_model(self, request: HttpRequest, obj: SalesforceOrg, form: Any, change: bool) -> None:
        """Through the verb, so that the change is in the audit."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data if name in EDITABLE}
        lifecycle.change_connection(
            SalesforceOrg.objects.get(pk=obj.pk), changes, actor=request.user, address=address_of(request)
        )

    @display(description="State", label=COLORS)
    def state_label(self, org: SalesforceOrg) -> tuple[str, str]:
        """Word and color, `locked` included."""
        shown = state_of(org)
        return shown.tone, shown.label

    @display(description="")
    def page(self, org: SalesforceOrg) -> str:
        """Link to the health card."""
        return format_html('<a href="{}">Open</a>', reverse("integrations:connection", kwargs={"pk": org.pk}))

    @admin.action(description="Test the selected connections")
    def test(self, request: HttpRequest, chosen: QuerySet[SalesforceOrg]) -> None:
        """Ask Salesforce now."""
        for org in chosen:
            found = lifecycle.check_connection(org, actor=request.user, address=address_of(request), now=timezone.now())
            missing = [each for each in found if each.ok is False]
            if posture.is_ready(found):
                messages.success(request, f"{org.name} works.")
            else:
                messages.error(request, f"{org.name}: {missing[0].sentence} {missing[0].fix}")

    @admin.action(description="Pause the selected connections")
    def pause(self, request: HttpRequest, chosen: QuerySet[SalesforceOrg]) -> None:
        """Stop their work."""
        self._each(request, chosen, disconnect.pause, "paused")

    @admin.action(description="Resume the selected connections (after a test)")
    def resume(self, request: HttpRequest, chosen: QuerySet[SalesforceOrg]) -> None:
        """Go on."""
        self._each(request, chosen, lifecycle.resume, "resumed")

    def _each(self, request: HttpRequest, chosen: QuerySet[SalesforceOrg], verb: Any, word: str) -> None:
        for org in chosen:
            try:
                verb(org, actor=request.user, address=address_of(request), now=timezone.now())
                messages.success(request, f"{org.name} is {word}.")
            except Refusal as error:
                messages.error(request, error.message)


@admin.register(ApiUsage)
class ApiUsageAdmin(ReadOnlyAdmin):
    """Calls by UTC hour and domain."""

    list_display = ["org", "hour", "domain", "calls", "errors", "report_runs", "report_instances", "limit_used", "limit_max"]
    list_filter = ["org", "domain"]
    list_select_related = ["org"]
    ordering = ["-hour"]


@admin.register(SalesforceIdentity)
class SalesforceIdentityAdmin(ModelAdmin):
    """Which account belongs to which Salesforce user; people with more rights are linked here, never by e-mail."""

    list_per_page = 50
    list_display = ["user", "username", "org_id", "salesforce_user_id", "linked_at"]
    search_fields = ["user__username", "username"]
    autocomplete_fields = ["user"]
    list_select_related = ["user"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser  # pyright: ignore

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request)
