"""Back office of features and KPIs: features are edited on their page, the roll-up and the figures' state are only shown."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from integrations.admin.runs import ReadOnlyAdmin
from integrations.product.models import DailyState, Feature, KpiSettings, KpiState


@admin.register(Feature)
class FeatureAdmin(ReadOnlyAdmin):
    """Features with their rules."""

    list_display = ["name", "key", "active", "as_kpi", "position", "updated_at"]
    list_filter = ["active", "as_kpi"]
    search_fields = ["name", "key"]


@admin.register(DailyState)
class DailyStateAdmin(ReadOnlyAdmin):
    """The roll-up day by day."""

    list_display = ["day", "events", "rows", "computed_at", "short_rules"]
    date_hierarchy = "day"

    @admin.display(description="Rules")
    def short_rules(self, state: DailyState) -> str:
        return state.rules[:8]


@admin.register(KpiState)
class KpiStateAdmin(ReadOnlyAdmin):
    """Of when the stored figures are."""

    list_display = ["as_of", "computed_at", "customers", "changed"]


@admin.register(KpiSettings)
class KpiSettingsAdmin(ModelAdmin):
    """What connections chose."""

    list_display = ["org", "as_of", "time_zone"]
    list_select_related = ["org"]
