"""Back office of product events: what waits, what was put aside, each day's counts, write keys. Keys are made on the page
Data health, where their secret is shown once."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from unfold.decorators import display

from integrations.admin.runs import ReadOnlyAdmin
from integrations.product.ingest import write_keys
from integrations.product.models import DirtyDay, EventBatch, IngestDay, KeyDay, QuarantinedEvent, UnjoinedUser, WriteKey


@admin.register(WriteKey)
class WriteKeyAdmin(ReadOnlyAdmin):
    """Public keys of pages and apps; here they are only looked at and revoked."""

    list_display = [
        "name", "key", "origins", "require_signature", "most_new_people", "created_at", "last_used_at", "revoked_at",
    ]  # fmt: skip
    list_filter = ["require_signature", "revoked_at"]
    search_fields = ["name", "key"]
    exclude = ["secret"]
    actions = ["revoke"]

    @display(description="Allowed origins")
    def origins(self, key: WriteKey) -> str:
        """One after the other."""
        return ", ".join(key.allowed_origins) or "apps only"

    @admin.action(description="Revoke the selected keys at once", permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[WriteKey]) -> None:
        """Refused from the next request on."""
        count = sum(write_keys.revoke(key, actor=request.user, now=timezone.now()) for key in chosen)
        messages.success(request, f"{count} revoked.")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Super users only."""
        return request.user.is_active and request.user.is_superuser  # pyright: ignore


@admin.register(KeyDay)
class KeyDayAdmin(ReadOnlyAdmin):
    """Unknown people and companies that each key brought on each UTC day."""

    list_display = ["write_key", "day", "named", "refused"]
    list_filter = ["day"]
    list_select_related = ["write_key"]


@admin.register(EventBatch)
class EventBatchAdmin(ReadOnlyAdmin):
    """Requests that wait for the flush."""

    list_display = ["id", "received_at", "rows", "rejected", "stored_size", "write_key", "broken"]
    list_filter = ["broken"]
    list_select_related = ["write_key"]
    exclude = ["body"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[EventBatch]:
        return super().get_queryset(request).defer("body")

    @display(description="Size", ordering="size")
    def stored_size(self, batch: EventBatch) -> str:
        """Bytes before compression, in words."""
        return filesizeformat(batch.size)


@admin.register(QuarantinedEvent)
class QuarantinedEventAdmin(ReadOnlyAdmin):
    """Events that cannot be true."""

    list_display = ["event_id", "reason", "user", "account", "received_at"]
    list_filter = ["reason"]
    search_fields = ["event_id", "user", "account"]


@admin.register(IngestDay)
class IngestDayAdmin(ReadOnlyAdmin):
    """How each day of receiving went."""

    list_display = ["day", "accepted", "late", "duplicates", "quarantined", "rejected", "refused"]
    date_hierarchy = "day"


@admin.register(DirtyDay)
class DirtyDayAdmin(ReadOnlyAdmin):
    """Days whose roll-up is computed anew next."""

    list_display = ["day", "since"]


@admin.register(UnjoinedUser)
class UnjoinedUserAdmin(ReadOnlyAdmin):
    """End users whose events have no customer yet."""

    list_display = ["end_user", "first_day", "last_day"]
    list_select_related = ["end_user"]
    search_fields = ["end_user__external_id"]
