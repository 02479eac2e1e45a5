"""Back office of segments: look and search; changes go through the builder, which checks them."""

from django.contrib import admin

from integrations.admin.runs import ReadOnlyAdmin
from integrations.product.models.segments import Segment, SegmentCount


@admin.register(Segment)
class SegmentAdmin(ReadOnlyAdmin):
    """Segments with their last count."""

    list_display = ["name", "entity", "owner", "members", "counted_at", "archived_at", "problem"]
    list_filter = ["entity", "archived_at"]
    search_fields = ["name", "description"]
    list_select_related = ["owner"]


@admin.register(SegmentCount)
class SegmentCountAdmin(ReadOnlyAdmin):
    """Members by day."""

    list_display = ["segment", "day", "members", "at"]
    list_filter = ["segment"]
    list_select_related = ["segment"]
