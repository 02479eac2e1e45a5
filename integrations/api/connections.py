"""API of connections: list, health, API usage; test, pause, resume. Connecting and disconnecting need a browser."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field, inline_serializer
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import audit, disconnect
from integrations.connection_pages import state_of
from integrations.models import SalesforceOrg
from integrations.orgs import budget, lifecycle, posture

FINDING = inline_serializer(
    "Finding",
    {
        "key": serializers.CharField(),
        "label": serializers.CharField(),
        "ok": serializers.BooleanField(allow_null=True),
        "sentence": serializers.CharField(),
        "fix": serializers.CharField(),
        "advice": serializers.BooleanField(),
        "code": serializers.CharField(),
    },
)
TEST = inline_serializer("ConnectionTest", {"ready": serializers.BooleanField(), "findings": FINDING})
HOUR = inline_serializer(
    "UsageHour",
    {"hour": serializers.DateTimeField(), "calls": serializers.IntegerField(), "errors": serializers.IntegerField()},
)
USAGE = inline_serializer(
    "ApiUsage",
    {
        "used": serializers.IntegerField(allow_null=True),
        "limit": serializers.IntegerField(allow_null=True),
        "at": serializers.DateTimeField(allow_null=True),
        "ours": serializers.IntegerField(),
        "our_share": serializers.IntegerField(allow_null=True),
        "remaining_for_us": serializers.IntegerField(allow_null=True),
        "report_runs_left": serializers.IntegerField(),
        "report_instances_left": serializers.IntegerField(),
        "hours": HOUR,
    },
)


class ConnectionSerializer(serializers.ModelSerializer):
    """A connection. Nothing of its credentials is here, not even their ends."""

    state = serializers.SerializerMethodField()
    state_label = serializers.SerializerMethodField()

    class Meta:
        model = SalesforceOrg
        fields = [
            "id", "name", "environment", "login_method", "login_url", "instance_url", "org_id", "org_name", "user_name",
            "state", "state_label", "state_code", "state_reason", "state_since", "scope", "authorized_at",
            "token_issued_at", "posture_at", "revocation_pending", "okr_enabled", "product_enabled",
            "billing_enabled", "seats",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.CharField())
    def get_state(self, org: SalesforceOrg) -> str:
        """The stored state, or `locked` while the encryption key is missing."""
        return state_of(org).code

    @extend_schema_field(serializers.CharField())
    def get_state_label(self, org: SalesforceOrg) -> str:
        """The state in words."""
        return state_of(org).label


@extend_schema(tags=["connections"])
class ConnectionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """`/api/v1/connections/`: by name. Scope `connections`; tests, pauses and resumptions need an operator."""

    scope, role, write_role = "connections", "member", "operator"
    serializer_class = ConnectionSerializer
    queryset = SalesforceOrg.objects.order_by("name", "id")
    filter_backends: list[Any] = []

    def _who(self, request: Request) -> dict[str, Any]:
        return {"actor": request.user, "address": audit.address_of(request._request)}

    @extend_schema(request=None, responses=TEST)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str | None = None) -> Response:
        """Ask Salesforce now; each finding has a sentence and a fix."""
        findings = lifecycle.check_connection(self.get_object(), now=timezone.now(), **self._who(request))
        return Response({"ready": posture.is_ready(findings), "findings": [vars(each) for each in findings]})

    @extend_schema(request=None, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str | None = None) -> Response:
        """Stop using the connection; its runs are cancelled."""
        org = self.get_object()
        disconnect.pause(org, now=timezone.now(), **self._who(request))
        return Response(ConnectionSerializer(org).data)

    @extend_schema(request=None, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str | None = None) -> Response:
        """Go on, if a test passes; 409 with the reason otherwise."""
        org = self.get_object()
        lifecycle.resume(org, now=timezone.now(), **self._who(request))
        return Response(ConnectionSerializer(org).data)

    @extend_schema(responses=USAGE)
    @action(detail=True, url_path="api-usage")
    def api_usage(self, request: Request, pk: str | None = None) -> Response:
        """Calls of the rolling day: Salesforce's count, ours, our share, and ours by UTC hour."""
        org, now = self.get_object(), timezone.now()
        use, reports = budget.allowance(org, now=now), budget.report_runs_left(org, now=now)
        return Response(
            {
                "used": use.used,
                "limit": use.limit,
                "at": use.at,
                "ours": use.ours,
                "our_share": use.our_share,
                "remaining_for_us": use.remaining_for_us,
                "report_runs_left": reports.sync,
                "report_instances_left": reports.instances,
                "hours": budget.by_hour(org, now=now),
            }
        )
