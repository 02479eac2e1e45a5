"""Back office of billing: look, search, void, unlink. Records come by the API, CSV files or rating."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from billing import linking, preflight, rating
from billing.models import (
    AccountLink,
    BillableMetric,
    BillingCustomer,
    BillingSettings,
    CreditGrant,
    CustomerPlan,
    Deduction,
    IngestAlias,
    Invoice,
    LineItem,
    Plan,
    Price,
    UsageRecord,
)
from integrations.access import Refusal
from integrations.admin.runs import ReadOnlyAdmin
from integrations.salesforce.errors import SalesforceError

STATUS_COLORS = {"DRAFT": "info", "FINALIZED": "success", "VOID": "warning"}
LINK_COLORS = {"active": "success", "suspended": "warning", "removed": "info"}


class BillingRecordAdmin(ReadOnlyAdmin):
    """One of the eight objects; deleted ones stay as tombstones."""

    list_filter = ["source", "deleted_at"]
    show_full_result_count = False

    @display(description="Deleted", boolean=True)
    def is_deleted(self, record: Any) -> bool:
        return record.deleted_at is not None

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Say where files are imported; the page tries a file before it saves it."""
        if request.method == "GET" and not request.GET:
            words = format_html('CSV files are imported on the <a href="{}">import page</a>.', reverse("billing:import"))
            messages.info(request, words)
        return super().changelist_view(request, extra_context)


@admin.register(Plan)
class PlanAdmin(BillingRecordAdmin):
    """Plans."""

    list_display = ["key", "name", "currency", "period_months", "updated_at", "is_deleted"]
    search_fields = ["key", "name"]


@admin.register(Price)
class PriceAdmin(ReadOnlyAdmin):
    """Prices; changed on the page of their plan, which checks them."""

    list_display = ["name", "plan_key", "metric_key", "model", "amount", "included", "updated_at"]
    list_filter = ["model"]
    search_fields = ["key", "name", "plan_key"]


@admin.register(BillableMetric)
class MetricAdmin(BillingRecordAdmin):
    """Metrics."""

    list_display = ["key", "name", "aggregation", "event_name", "updated_at", "is_deleted"]
    search_fields = ["key", "name", "event_name"]


@admin.register(BillingCustomer)
class BillingCustomerAdmin(BillingRecordAdmin):
    """Who is billed; without an account is a filter away."""

    list_display = ["key", "name", "customer", "accounts", "updated_at", "is_deleted"]
    search_fields = ["key", "name"]
    list_select_related = ["customer"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillingCustomer]:
        return super().get_queryset(request).prefetch_related("links")

    @display(description="Accounts")
    def accounts(self, customer: BillingCustomer) -> str:
        active = [each.account_id for each in customer.links.all() if each.state == AccountLink.State.ACTIVE]
        return ", ".join(active) or "none"


@admin.register(IngestAlias)
class AliasAdmin(BillingRecordAdmin):
    """Aliases."""

    list_display = ["alias", "customer_key", "updated_at", "is_deleted"]
    search_fields = ["key", "alias", "customer_key"]


@admin.register(CustomerPlan)
class CustomerPlanAdmin(BillingRecordAdmin):
    """Plans of customers."""

    list_display = ["key", "customer_key", "plan_key", "starting_on", "ending_on", "is_deleted"]
    search_fields = ["key", "customer_key", "plan_key"]


@admin.register(CreditGrant)
class CreditGrantAdmin(BillingRecordAdmin):
    """Credit."""

    list_display = ["key", "name", "customer_key", "initial_balance", "balance", "credit_type", "expires_at", "is_deleted"]
    search_fields = ["key", "name", "customer_key"]


@admin.register(Invoice)
class InvoiceAdmin(BillingRecordAdmin):
    """Invoices, with the action to void them."""

    list_display = ["key", "number", "customer_key", "status_label", "starts_at", "ends_at", "total", "currency"]
    list_filter = ["status", "source", "deleted_at"]
    search_fields = ["key", "number", "customer_key"]
    actions = ["void"]

    @display(description="Status", label=STATUS_COLORS, ordering="status")
    def status_label(self, invoice: Invoice) -> tuple[str, str]:
        return invoice.status, invoice.status.capitalize()

    @admin.action(description="Void the selected invoices", permissions=["change"])
    def void(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> None:
        """Their status goes to Salesforce, credit is given back."""
        done = 0
        for invoice in queryset:
            try:
                rating.void_invoice(invoice, actor=request.user, now=timezone.now())
                done += 1
            except Refusal as refusal:
                messages.error(request, f"{invoice}: {refusal.message}")
        messages.success(request, f"{done} voided. The next push tells Salesforce.")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser and obj is None


@admin.register(LineItem)
class LineItemAdmin(BillingRecordAdmin):
    """Lines."""

    list_display = ["key", "invoice_key", "name", "quantity", "total", "is_deleted"]
    search_fields = ["key", "invoice_key", "name"]


@admin.register(UsageRecord)
class UsageAdmin(ReadOnlyAdmin):
    """Reported usage."""

    list_display = ["key", "customer_key", "metric_key", "quantity", "at", "received_at"]
    search_fields = ["key", "customer_key"]
    list_filter = ["metric_key"]
    show_full_result_count = False


@admin.register(Deduction)
class DeductionAdmin(ReadOnlyAdmin):
    """What invoices took from grants."""

    list_display = ["grant_key", "invoice_key", "amount", "made_at"]
    search_fields = ["grant_key", "invoice_key"]


@admin.register(AccountLink)
class AccountLinkAdmin(ReadOnlyAdmin):
    """Accounts of billing customers."""

    list_display = ["customer", "org", "account_id", "is_primary", "ordinal", "state_label", "source", "linked_at"]
    list_filter = ["state", "source", "is_primary", "org"]
    search_fields = ["customer__key", "customer__name", "account_id"]
    list_select_related = ["customer", "org"]
    actions = ["unlink"]

    @display(description="State", label=LINK_COLORS, ordering="state")
    def state_label(self, link: AccountLink) -> tuple[str, str]:
        return link.state, link.get_state_display()

    @admin.action(description="Unlink", permissions=["change"])
    def unlink(self, request: HttpRequest, queryset: QuerySet[AccountLink]) -> None:
        """The next push clears them in Salesforce."""
        for link in queryset:
            linking.unlink_account(link, actor=request.user, now=timezone.now())
        messages.success(request, "Unlinked.")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser and obj is None


@admin.register(BillingSettings)
class BillingSettingsAdmin(ReadOnlyAdmin):
    """Connections: is billing healthy there?"""

    list_display = ["org", "prefix", "scope", "health", "checked_at"]
    list_select_related = ["org"]
    actions = ["check_objects"]

    @display(description="Health", label={"ok": "success", "missing": "danger", "unknown": "warning"})
    def health(self, settings: BillingSettings) -> tuple[str, str]:
        if settings.missing:
            return "missing", f"{len(settings.missing)} missing"
        return ("ok", "Ready") if settings.prefix_known and settings.checked_at else ("unknown", "Not checked")

    @admin.action(description="Check the objects again", permissions=["change"])
    def check_objects(self, request: HttpRequest, queryset: QuerySet[BillingSettings]) -> None:
        """Ask the orgs."""
        for each in queryset.select_related("org"):
            try:
                lacks = preflight.check_now(each.org, now=timezone.now())
            except (SalesforceError, Refusal) as error:
                messages.error(request, f"{each.org}: {error}")
            else:
                messages.success(request, f"{each.org}: {len(lacks)} missing.")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser and obj is None
