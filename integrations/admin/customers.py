"""Back office of customers, end users and links: look, search, lock and unlink. Records come by API, import or match runs."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from integrations.access import Refusal
from integrations.admin.runs import ReadOnlyAdmin
from integrations.models import Customer, CustomerAlias, EndUser, LinkEvent, MatchState, RecordLink
from integrations.sync.matching import links

COLORS = {"active": "success", "suspended": "warning", "apart": "info"}


class RecordAdmin(ReadOnlyAdmin):
    """Product records. `erased` ones are empty rows that others may still refer to."""

    list_filter = ["last_seen_at", "erased_at"]

    @display(description="Erased", boolean=True)
    def erased(self, record: Customer | EndUser) -> bool:
        return record.erased_at is not None


@admin.register(Customer)
class CustomerAdmin(RecordAdmin):
    """Companies that use the product."""

    list_display = ["external_id", "name", "website", "last_seen_at", "updated_at", "erased"]
    search_fields = ["external_id", "name", "website"]


@admin.register(EndUser)
class EndUserAdmin(RecordAdmin):
    """Persons at customers."""

    list_display = ["external_id", "name", "email", "customer", "last_seen_at", "updated_at", "erased"]
    search_fields = ["external_id", "name", "email"]
    list_select_related = ["customer"]


@admin.register(CustomerAlias)
class CustomerAliasAdmin(ReadOnlyAdmin):
    """Other names of customers."""

    list_display = ["value", "kind", "customer"]
    search_fields = ["value"]
    list_select_related = ["customer"]


@admin.register(RecordLink)
class RecordLinkAdmin(ReadOnlyAdmin):
    """Links with the actions that a person may need."""

    list_display = ["record", "org", "object", "salesforce_id", "rule", "state_label", "locked", "candidates", "linked_at"]
    list_filter = ["state", "entity", "rule", "locked", "wins", "org"]
    search_fields = ["=salesforce_id", "customer__external_id", "end_user__external_id"]
    list_select_related = ["org", "customer", "end_user"]
    actions = ["lock", "unlock", "unlink"]

    @display(description="Record")
    def record(self, link: RecordLink) -> str:
        return str(link.customer or link.end_user)

    @display(description="State", label=COLORS)
    def state_label(self, link: RecordLink) -> tuple[str, str]:
        return link.state, link.get_state_display()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and request.user.is_superuser  # the list's actions, never the form

    @admin.action(description="Lock the selected links")
    def lock(self, request: HttpRequest, chosen: QuerySet[RecordLink]) -> None:
        self._each(request, chosen, links.lock, "locked")

    @admin.action(description="Unlock the selected links")
    def unlock(self, request: HttpRequest, chosen: QuerySet[RecordLink]) -> None:
        self._each(request, chosen, links.unlock, "unlocked")

    @admin.action(description="Unlink the selected and keep them apart")
    def unlink(self, request: HttpRequest, chosen: QuerySet[RecordLink]) -> None:
        self._each(request, chosen, links.unlink, "unlinked")

    def _each(self, request: HttpRequest, chosen: QuerySet[RecordLink], act: Any, word: str) -> None:
        done = 0
        for link in chosen.select_related("org", "customer", "end_user"):
            try:
                act(link.customer or link.end_user, org=link.org, actor=request.user, now=timezone.now())
                done += 1
            except Refusal as refused:
                messages.error(request, f"{link.customer or link.end_user}: {refused.message}")
        messages.success(request, f"{done} of {len(chosen)} links {word}.")


@admin.register(LinkEvent)
class LinkEventAdmin(ReadOnlyAdmin):
    """The journal of links; it is only ever added to."""

    list_display = ["at", "org", "entity", "customer", "end_user", "action", "before_id", "after_id", "rule", "actor", "run"]
    list_filter = ["action", "entity", "rule", "org"]
    search_fields = ["=before_id", "=after_id", "customer__external_id", "end_user__external_id"]
    list_select_related = ["org", "customer", "end_user", "actor", "run"]


@admin.register(MatchState)
class MatchStateAdmin(ReadOnlyAdmin):
    """How far matching has come."""

    list_display = ["org", "entity", "waiting", "matched_at", "run"]
    list_select_related = ["org", "run"]
