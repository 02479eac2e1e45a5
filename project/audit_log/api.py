"""API of the audit: read-only, for admins with a key of the scope audit:read."""

from datetime import UTC
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import audit_keeping
from integrations.models import AuditEntry
from integrations.paging import Pages
from project.audit_log.finding import find_entries, read_wanted

FILTERS = [
    OpenApiParameter("q", str, description="Words that stand anywhere in the entry"),
    OpenApiParameter("person", str, description="User name; system for entries without a person"),
    OpenApiParameter("kind", str, description="A noun (connection) or a whole action (connection.created)"),
    OpenApiParameter("object", str, description="Part of the target, or app.model:number"),
    OpenApiParameter("org", int, description="Number of the connection"),
    OpenApiParameter("since", str, description="First day, YYYY-MM-DD in UTC"),
    OpenApiParameter("until", str, description="Last day, YYYY-MM-DD in UTC, included"),
]


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    """One entry; the digests let the receiver check that nothing is missing between two entries."""

    person = serializers.CharField(source="actor_name", help_text="User name; empty for the system.")

    class Meta:
        model = AuditEntry
        fields = [
            "id", "at", "person", "action", "target", "subject", "connection", "before", "after", "address",
            "previous_digest", "digest",
        ]  # fmt: skip


class AuditCheckSerializer(serializers.Serializer[Any]):
    """The latest verification of the chain."""

    verified_at = serializers.DateTimeField(allow_null=True)
    holds = serializers.BooleanField(allow_null=True, help_text="null before the first verification")
    entries = serializers.IntegerField()
    broken_entry = serializers.IntegerField(allow_null=True)
    why = serializers.CharField()
    anchor = serializers.CharField(help_text="Newest digest, to keep outside.")


class AuditViewSet(mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """Who did what, when, from where; newest first."""

    scope, role = "audit", "admin"
    serializer_class = AuditEntrySerializer
    pagination_class = Pages
    filter_backends: list[Any] = []
    queryset = AuditEntry.objects.order_by("-id")

    @extend_schema(parameters=FILTERS, responses=AuditEntrySerializer(many=True))
    def list(self, request: Request) -> Response:
        """Entries that the filters let through."""
        wanted, problems = read_wanted(request.query_params)
        if problems:
            raise serializers.ValidationError({name: [text] for name, text in problems.items()})
        page = self.paginate_queryset(find_entries(wanted, zone=UTC))
        return self.get_paginated_response(AuditEntrySerializer(page, many=True).data)


class AuditCheckViewSet(viewsets.GenericViewSet):
    """Whether the audit can be believed."""

    scope, role = "audit", "admin"
    serializer_class = AuditCheckSerializer
    pagination_class = None
    filter_backends: list[Any] = []
    queryset = AuditEntry.objects.none()

    @extend_schema(responses=AuditCheckSerializer)
    def list(self, request: Request) -> Response:
        """The outcome of the latest verification, made each night and by the page's button."""
        check = audit_keeping.latest_check()
        found = {
            "verified_at": check.at if check else None, "holds": check.broken_id is None if check else None,
            "entries": check.checked if check else 0, "broken_entry": check.broken_id if check else None,
            "why": check.why if check else "", "anchor": str(audit_keeping.anchor_of(check) or ""),
        }  # fmt: skip
        return Response(AuditCheckSerializer(found).data)
