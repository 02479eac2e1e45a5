"""Back office of subscriptions, grants and usage: read-only, with the verbs as actions."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import display

from integrations.access import Refusal
from integrations.admin.runs import ReadOnlyAdmin
from provisioning.entitlements import promotions
from provisioning.models import PromotionalGrant, Subscription, SubscriptionEvent, Term, UsageReport, UsageWindow
from provisioning.subscriptions import endings
from provisioning.subscriptions.finding import STATES, in_state
from provisioning.subscriptions.showing import status_label
from provisioning.subscriptions.terms import status_of

COLORS = {"scheduled": "info", "trial": "info", "active": "success", "cancelled": "warning", "expired": "danger"}


class StateFilter(admin.SimpleListFilter):
    """By state; it follows the clock, so it is no column."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(each, each.replace("_", " ").capitalize()) for each in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(in_state(chosen, timezone.now())) if chosen in STATES else queryset


class ReadOnlyInline(TabularInline):
    """Rows below a subscription."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TermInline(ReadOnlyInline):
    """Its terms."""

    model = Term
    fields = ["effective_at", "plan", "seats", "resets_usage", "recorded_at"]


class EventInline(ReadOnlyInline):
    """Its timeline."""

    model = SubscriptionEvent
    fields = ["at", "action", "effective_at", "sentence", "actor", "provision_id"]


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    """Subscriptions; cancelling and reactivating call the same verbs as the pages."""

    list_display = ["key", "customer", "product", "state", "starts_at", "ends_at", "trial_ends_at", "cancelled_at"]
    list_filter = [StateFilter, "product", "org"]
    search_fields = ["key", "customer__name", "customer__external_id", "opportunity_id", "account_id"]
    list_select_related = ["customer", "product"]
    inlines = [TermInline, EventInline]
    actions = ["cancel_now", "cancel_at_end", "take_back"]

    @display(description="State", label=COLORS)
    def state(self, row: Subscription) -> tuple[str, str]:
        now = timezone.now()
        return status_of(row, now), status_label(row, now)

    @admin.action(description="Cancel now", permissions=["change"])
    def cancel_now(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """Access stops at once."""
        now = timezone.now()
        self._do(request, queryset, lambda row: endings.cancel(row, actor=request.user, now=now), "cancelled")

    @admin.action(description="Cancel at the end of the period", permissions=["change"])
    def cancel_at_end(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """Access stops at the end of the period."""
        now = timezone.now()
        self._do(
            request, queryset, lambda row: endings.cancel(row, at_period_end=True, actor=request.user, now=now), "cancelled"
        )

    @admin.action(description="Take the cancellation back", permissions=["change"])
    def take_back(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """They run on."""
        now = timezone.now()
        self._do(request, queryset, lambda row: endings.reactivate(row, actor=request.user, now=now), "reactivated")

    def _do(
        self, request: HttpRequest, queryset: QuerySet[Subscription], verb: Callable[[Subscription], object], word: str
    ) -> None:
        done = 0
        for row in queryset:
            try:
                verb(row)
                done += 1
            except Refusal as refusal:
                messages.error(request, f"{row}: {refusal.message}")
        messages.success(request, f"{done} {word}.")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser and obj is None


@admin.register(PromotionalGrant)
class PromotionalGrantAdmin(ReadOnlyAdmin):
    """Promotional grants."""

    list_display = ["customer", "feature", "limit", "unlimited", "starts_at", "ends_at", "revoked_at", "granted_by"]
    list_filter = ["feature", "unlimited"]
    search_fields = ["customer__name", "customer__external_id", "reason"]
    list_select_related = ["customer", "feature", "granted_by"]
    actions = ["take_back"]

    @admin.action(description="Take back", permissions=["change"])
    def take_back(self, request: HttpRequest, queryset: QuerySet[PromotionalGrant]) -> None:
        """They give nothing any more."""
        for row in queryset:
            promotions.revoke(row, actor=request.user, now=timezone.now())
        messages.success(request, "Taken back.")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser and obj is None


@admin.register(UsageWindow)
class UsageWindowAdmin(ReadOnlyAdmin):
    """Counts of usage."""

    list_display = ["customer", "feature", "window_start", "used", "updated_at"]
    list_filter = ["feature"]
    search_fields = ["customer__name", "customer__external_id"]
    list_select_related = ["customer", "feature"]
    show_full_result_count = False


@admin.register(UsageReport)
class UsageReportAdmin(ReadOnlyAdmin):
    """Reports and consumptions by their idempotency key."""

    list_display = ["key", "customer", "feature", "action", "amount", "used_after", "at", "created_at"]
    list_filter = ["action", "feature"]
    search_fields = ["key", "customer__external_id"]
    list_select_related = ["customer", "feature"]
    show_full_result_count = False
