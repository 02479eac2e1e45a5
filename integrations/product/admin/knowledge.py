"""Back office of Knowledge: what was chosen. It is changed on its page, where Salesforce is asked at once."""

from django.contrib import admin

from integrations.admin.runs import ReadOnlyAdmin
from integrations.product.models import KnowledgeBase


@admin.register(KnowledgeBase)
class KnowledgeBaseAdmin(ReadOnlyAdmin):
    """Which articles of each connection are shown."""

    list_display = ["org", "enabled", "channel", "language", "updated_at"]
    list_select_related = ["org"]
