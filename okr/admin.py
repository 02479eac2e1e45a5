"""Back office of key results: is every number fresh? Lists for looking; actions call the same verbs as the pages."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.decorators import display

from integrations.access import Refusal
from integrations.admin.access import UserAdmin
from okr import licenses, objectives, refresh
from okr.models import (
    Activity,
    CheckIn,
    Department,
    KeyResult,
    License,
    LicenseEvent,
    Objective,
    Period,
    Reading,
    ReportDescription,
    ReportLink,
    ReportSource,
)
from okr.progress import percent_of, progress_of

MOST_COUNTED = 10_000
FINE, REPAIRABLE, PASSING = "success", "danger", "warning"
COLORS = {
    status: FINE
    if status in {"fresh", "frozen"}
    else PASSING
    if status in {"limit", "upstream", "not_read", "timeout"}
    else REPAIRABLE
    for status in map(str, ReportLink.Status.values)
}


class ShortCount(Paginator):
    """Counts to 10,000 and no further: nobody leafs through more, and a full count of a big table takes seconds."""

    @cached_property
    def count(self) -> int:
        return self.object_list[:MOST_COUNTED].count()  # pyright: ignore[reportIndexIssue]


class LookOnly(ModelAdmin):
    """A list and a form to look at; what changes rows are verbs."""

    list_per_page = 50
    show_full_result_count = False
    paginator = ShortCount

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and request.user.is_superuser  # the list's actions, never the form

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ReportLink)
class ReportLinkAdmin(LookOnly):
    """Health at a glance: what does not update, since when, why."""

    list_display = [
        "key_result",
        "org",
        "report_name",
        "field_label",
        "status_label",
        "status_since",
        "last_checked_at",
        "failed_passes",
    ]
    list_filter = ["status", "org"]
    search_fields = ["report_name", "report_id", "key_result__title"]
    list_select_related = ["org", "key_result"]
    ordering = ["-failed_passes", "status_since", "pk"]
    actions = ["refresh_now"]

    @display(description="State", label=COLORS)
    def status_label(self, link: ReportLink) -> tuple[str, str]:
        return link.status, str(ReportLink.Status(link.status).label)

    @admin.action(description="Read the reports of the selected links now")
    def refresh_now(self, request: HttpRequest, chosen: QuerySet[ReportLink]) -> None:
        done, sources = 0, set()
        for link in chosen:
            if (link.org_id, link.source_key) in sources:
                continue
            sources.add((link.org_id, link.source_key))
            try:
                refresh.refresh_now(link, user=request.user, now=timezone.now())
                done += 1
            except Refusal as refusal:
                messages.warning(request, f"{link.report_name}: {refusal.message}")
        messages.success(request, f"{done} of {len(sources)} reports read.")


@admin.register(License)
class LicenseAdmin(LookOnly):
    """Who holds a seat of which connection."""

    list_display = ["user", "org", "granted_by", "granted_at", "last_used_at", "is_active"]
    list_filter = ["org"]
    search_fields = ["user__username", "user__first_name", "user__last_name", "user__email"]
    list_select_related = ["user", "org", "granted_by"]
    actions = ["release"]

    @display(description="Active person", boolean=True)
    def is_active(self, seat: License) -> bool:
        return seat.user.is_active

    @admin.action(description="Release the selected licenses")
    def release(self, request: HttpRequest, chosen: QuerySet[License]) -> None:
        by_org: dict[Any, list[Any]] = {}
        for seat in chosen.select_related("org", "user"):
            by_org.setdefault(seat.org, []).append(seat.user)
        freed = sum(
            licenses.release_licenses(org, users=users, actor=request.user, now=timezone.now()) for org, users in by_org.items()
        )
        messages.success(request, f"{freed} licenses released. Existing links keep refreshing.")


@admin.register(Objective)
class ObjectiveAdmin(LookOnly):
    """Objectives; archiving is an action."""

    list_display = ["title", "owner", "department", "period", "key_results_count", "archived_at"]
    list_filter = ["period", "department", ("archived_at", admin.EmptyFieldListFilter)]
    search_fields = ["title", "owner__username"]
    list_select_related = ["owner", "department", "period"]
    actions = ["archive"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Objective]:
        return super().get_queryset(request).annotate(key_results_count=Count("key_results"))

    @display(description="Key results", ordering="key_results_count")
    def key_results_count(self, objective: Objective) -> int:
        return objective.key_results_count  # pyright: ignore[reportAttributeAccessIssue]

    @admin.action(description="Archive the selected objectives")
    def archive(self, request: HttpRequest, chosen: QuerySet[Objective]) -> None:
        for objective in chosen.select_related("department"):
            objectives.archive_objective(objective, user=request.user, now=timezone.now())
        messages.success(request, f"{len(chosen)} objectives archived.")


@admin.register(KeyResult)
class KeyResultAdmin(LookOnly):
    """Key results with where they stand."""

    list_display = ["title", "objective", "owner", "current", "target", "progress", "confidence", "current_at"]
    list_filter = ["confidence", "unit", ("link", admin.EmptyFieldListFilter)]
    search_fields = ["title", "objective__title", "owner__username"]
    list_select_related = ["objective", "owner"]

    @display(description="Progress")
    def progress(self, key_result: KeyResult) -> str:
        share = percent_of(progress_of(start=key_result.start, target=key_result.target, current=key_result.current))
        return "-" if share is None else f"{share} %"


@admin.register(Reading)
class ReadingAdmin(LookOnly):
    """History; nobody edits it."""

    list_display = ["key_result", "value", "at", "source", "report_name", "read_as", "is_final"]
    list_filter = ["source", "is_final"]
    search_fields = ["=key_result__id", "=report_id"]
    list_select_related = ["key_result"]
    date_hierarchy = None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(CheckIn)
class CheckInAdmin(LookOnly):
    list_display = ["key_result", "author", "value", "confidence", "note", "at"]
    search_fields = ["note", "key_result__title"]
    list_select_related = ["key_result", "author"]


@admin.register(Activity)
class ActivityAdmin(LookOnly):
    list_display = ["at", "key_result", "verb", "text", "actor"]
    list_filter = ["verb"]
    search_fields = ["=key_result__id", "text"]
    list_select_related = ["key_result", "actor"]


@admin.register(LicenseEvent)
class LicenseEventAdmin(LookOnly):
    list_display = ["at", "org", "event", "user_name", "actor", "note"]
    list_filter = ["event", "org"]
    search_fields = ["user_name"]
    list_select_related = ["org", "actor"]


@admin.register(ReportSource)
class ReportSourceAdmin(LookOnly):
    """How reports run: how long, which are slow."""

    list_display = ["report_id", "org", "seconds", "slow_at", "instance_id", "last_run_at", "refreshed_at"]
    list_filter = ["org", ("slow_at", admin.EmptyFieldListFilter)]
    search_fields = ["report_id"]
    list_select_related = ["org"]


@admin.register(ReportDescription)
class ReportDescriptionAdmin(LookOnly):
    list_display = ["report_id", "org", "described_at", "confirmed_at", "is_outdated"]
    list_filter = ["org", "is_outdated"]
    search_fields = ["report_id"]
    list_select_related = ["org"]


@admin.register(Department)
class DepartmentAdmin(ModelAdmin):
    list_display = ["name", "lead"]
    search_fields = ["name"]
    list_select_related = ["lead"]
    autocomplete_fields = ["lead", "members"]


@admin.register(Period)
class PeriodAdmin(ModelAdmin):
    list_display = ["name", "starts_on", "ends_on", "time_zone"]
    search_fields = ["name"]


admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Deactivating a person frees their seats at once and says so in the seats' history (BW-D3)."""

    actions = ["deactivate"]

    @admin.action(description="Deactivate the selected people")
    def deactivate(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """Sign-in ends, seats are free; links they made go on."""
        if not request.user.is_superuser:  # pyright: ignore[reportAttributeAccessIssue]
            messages.error(request, "Only a super user deactivates people.")
            return
        freed = sum(licenses.deactivate_person(person, actor=request.user, now=timezone.now()) for person in people)
        messages.success(request, f"{len(people)} deactivated, {freed} licenses freed.")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """The form's tick works like the action."""
        super().save_model(request, obj, form, change)
        if change and not obj.is_active and "is_active" in form.changed_data:
            licenses.deactivate_person(obj, actor=request.user, now=timezone.now())
