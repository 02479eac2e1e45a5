"""Back office of analytics: lists for looking; what changes rows are verbs."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from analytics.models import Analysis, AnalyticsSettings, AttributeMap, FactsState, Result
from integrations.admin.runs import ReadOnlyAdmin

STATES = {"Done": "success", "Failed": "danger", "Queued": "info"}


@admin.register(Analysis)
class AnalysisAdmin(ReadOnlyAdmin):
    """What was asked, by whom, and how often it is computed."""

    list_display = ["__str__", "kind", "org", "owner", "is_nightly", "asked_at"]
    list_filter = ["kind", "is_nightly", "org"]
    search_fields = ["name", "kind"]
    list_select_related = ["org", "owner"]


@admin.register(Result)
class ResultAdmin(ReadOnlyAdmin):
    """What came of it: state, the facts that it read, how long it took."""

    list_display = ["number", "analysis", "org_name", "state_label", "as_of", "computed_at", "seconds", "problem"]
    list_filter = ["state", "analysis__kind", "analysis__org"]
    search_fields = ["=id", "problem"]
    list_select_related = ["analysis__org"]
    fields = ["analysis", "state", "facts", "as_of", "problem", "seconds", "queued_at", "computed_at", "run"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without the documents, which lists do not need."""
        return super().get_queryset(request).defer("document")

    @display(description="Result")
    def number(self, result: Result) -> str:
        return f"#{result.pk}"

    @display(description="Connection")
    def org_name(self, result: Result) -> str:
        return result.analysis.org.name

    @display(description="State", label=STATES)
    def state_label(self, result: Result) -> str:
        return str(result.get_state_display())  # pyright: ignore[reportAttributeAccessIssue]


@admin.register(AnalyticsSettings)
class AnalyticsSettingsAdmin(ReadOnlyAdmin):
    """How analytics is set up in each connection."""

    list_display = ["org", "started_at", "paused_at", "sync_hour", "linking", "preference", "currency", "hash_contacts"]
    list_filter = ["linking", "preference"]
    list_select_related = ["org"]


@admin.register(AttributeMap)
class AttributeMapAdmin(ReadOnlyAdmin):
    """Versions of the attribute maps; the highest number of a connection is in force."""

    list_display = ["number", "org", "preset", "author", "created_at"]
    list_filter = ["org", "preset"]
    list_select_related = ["org", "author"]


@admin.register(FactsState)
class FactsStateAdmin(ReadOnlyAdmin):
    """Of which midnight the facts are, and from which map."""

    list_display = ["org", "as_of", "computed_at", "map_number"]
    list_select_related = ["org"]
