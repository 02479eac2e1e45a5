"""Back office of the lake: what it holds, how large it is, when it was tidied last. Read-only."""

from django.contrib import admin
from django.db.models import Count, Max, Q, QuerySet, Sum
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from unfold.decorators import display

from integrations.admin.runs import ReadOnlyAdmin
from integrations.models import Erasure, LakeFile, LakeTable

LIVE = Q(files__retired_at=None)


@admin.register(LakeTable)
class LakeTableAdmin(ReadOnlyAdmin):
    """Tables with their live files, stored rows and bytes, in one query."""

    list_display = ["name", "org", "rows", "files_now", "deltas", "size", "newest", "compacted_at", "keep_days"]
    list_filter = ["org"]
    search_fields = ["name"]
    list_select_related = ["org"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[LakeTable]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                rows_stored=Sum("files__rows", filter=LIVE),
                bytes_stored=Sum("files__bytes", filter=LIVE),
                files_live=Count("files", filter=LIVE),
                deltas_live=Count("files", filter=LIVE & Q(files__kind=LakeFile.Kind.DELTA)),
                newest_file=Max("files__registered_at", filter=LIVE),
            )
        )

    @display(description="Stored rows", ordering="rows_stored")
    def rows(self, table: LakeTable) -> str:
        return f"{getattr(table, 'rows_stored', 0) or 0:,}"

    @display(description="Files", ordering="files_live")
    def files_now(self, table: LakeTable) -> int:
        return getattr(table, "files_live", 0)

    @display(description="Of them deltas", ordering="deltas_live")
    def deltas(self, table: LakeTable) -> int:
        return getattr(table, "deltas_live", 0)

    @display(description="Size", ordering="bytes_stored")
    def size(self, table: LakeTable) -> str:
        return filesizeformat(getattr(table, "bytes_stored", 0) or 0)

    @display(description="Newest file", ordering="newest_file")
    def newest(self, table: LakeTable) -> object:
        return getattr(table, "newest_file", None)


@admin.register(LakeFile)
class LakeFileAdmin(ReadOnlyAdmin):
    """Files, live and retired."""

    list_display = ["table", "number", "kind", "day", "rows", "size", "run", "registered_at", "retired_at"]
    list_filter = ["kind", "table"]
    search_fields = ["path"]
    list_select_related = ["table", "run"]

    @display(description="Size", ordering="bytes")
    def size(self, file: LakeFile) -> str:
        return filesizeformat(file.bytes)


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    """Who was erased when; the digest names nobody."""

    list_display = ["kind", "short_digest", "org", "asked_at", "done_at"]
    list_filter = ["kind", "org"]
    list_select_related = ["org"]

    @display(description="Digest")
    def short_digest(self, erasure: Erasure) -> str:
        return erasure.digest[:12]
