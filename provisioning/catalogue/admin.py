"""Back office of the catalogue: look, search, archive and restore. Everything else is done on the pages, which check it."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import display

from integrations.access import Refusal
from integrations.admin.runs import ReadOnlyAdmin
from provisioning.catalogue import archiving
from provisioning.models import Feature, Offer, OfferEntitlement, OfferVersion, Product, ProductMapping

STATES = {"on sale": "success", "draft": "info", "archived": "warning"}


class EntryAdmin(ReadOnlyAdmin):
    """Products, features, plans and add-ons."""

    list_display = ["key", "name", "state", "updated_at"]
    list_filter = ["archived_at"]
    search_fields = ["key", "name"]
    actions = ["archive", "restore"]

    @display(description="State", label=STATES)
    def state(self, entry: Any) -> tuple[str, str]:
        word = "archived" if entry.archived_at is not None else "on sale"
        return word, word.capitalize()

    @admin.action(description="Archive", permissions=["change"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """No longer sold; refused while in use."""
        self._each(request, queryset, archiving.archive, "archived")

    @admin.action(description="Restore", permissions=["change"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Sold again."""
        self._each(request, queryset, archiving.restore, "restored")

    def _each(self, request: HttpRequest, queryset: QuerySet[Any], verb: Any, word: str) -> None:
        done = 0
        for entry in queryset:
            try:
                verb(entry, actor=request.user, now=timezone.now())
                done += 1
            except Refusal as refusal:
                messages.error(request, refusal.message)
        messages.success(request, f"{done} {word}.")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser and obj is None


@admin.register(Product)
class ProductAdmin(EntryAdmin):
    """Products."""


@admin.register(Feature)
class FeatureAdmin(EntryAdmin):
    """Features."""

    list_display = ["key", "name", "kind", "unit", "event_name", "state", "updated_at"]
    list_filter = ["kind", "archived_at"]


@admin.register(Offer)
class OfferAdmin(EntryAdmin):
    """Plans and add-ons."""

    list_display = ["key", "name", "kind", "product", "state", "updated_at"]
    list_filter = ["kind", "product", "archived_at"]
    list_select_related = ["product"]


class EntitlementInline(TabularInline):
    """What a version gives."""

    model = OfferEntitlement
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(OfferVersion)
class OfferVersionAdmin(ReadOnlyAdmin):
    """Versions; number 0 is a draft."""

    list_display = ["offer", "which", "published_at", "published_by", "per_seat", "price", "currency", "note"]
    list_filter = ["offer__kind", "offer__product"]
    search_fields = ["offer__key", "offer__name", "note"]
    list_select_related = ["offer", "published_by"]
    inlines = [EntitlementInline]

    @display(description="Version", ordering="number")
    def which(self, version: OfferVersion) -> str:
        return str(version.number) if version.number else "Draft"


@admin.register(ProductMapping)
class ProductMappingAdmin(ReadOnlyAdmin):
    """What people wanted products to lead to."""

    list_display = ["name", "org", "product_id", "type", "ref", "unlimited", "wanted_by", "wanted_at", "written_at", "problem"]
    list_filter = ["org", "type"]
    search_fields = ["name", "product_id", "ref"]
    list_select_related = ["org", "wanted_by"]
