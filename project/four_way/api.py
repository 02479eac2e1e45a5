"""API of the four-way audit: the findings of the latest comparison."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.audit import address_of
from integrations.models import Customer
from integrations.paging import Pages
from project.account_owners import owners_of, words_of
from project.four_way import audit, known
from project.four_way.audit import Finding, Kind, Severity

FILTERS = [
    OpenApiParameter("kind", str, enum=[each.value for each in Kind], description="Only this kind"),
    OpenApiParameter("severity", str, enum=[each.value for each in Severity], description="Only this severity"),
    OpenApiParameter("customer", int, description="Only this customer, by number"),
    OpenApiParameter("known", bool, description="Those that somebody has explained instead of the others"),
    OpenApiParameter("text", str, description="Part of customer, plan or sentence"),
]


class FoundInSerializer(serializers.Serializer[Any]):
    """A row behind a finding."""

    side = serializers.ChoiceField(["sold", "granted", "used", "billed"])
    words = serializers.CharField()
    url = serializers.CharField(help_text="Path of its page; empty without one.")


class DisagreementSerializer(serializers.Serializer[Finding]):
    """One disagreement between what was sold, granted, used and billed."""

    key = serializers.SerializerMethodField(help_text="Stands for it over the nights; `explain/` asks for it.")
    kind = serializers.ChoiceField([(each.value, each.value) for each in Kind])
    severity = serializers.ChoiceField([(each.value, each.value) for each in Severity])
    customer = serializers.IntegerField(
        allow_null=True, help_text="Number of the customer; null while an account leads to none."
    )
    customer_name = serializers.CharField()
    subject = serializers.CharField(help_text="Plan, add-on, feature or deal that it is about.")
    sentence = serializers.CharField()
    amount = serializers.DecimalField(None, None, allow_null=True, help_text="A month's worth at list price; null = unknown.")
    currency = serializers.CharField()
    rows = FoundInSerializer(many=True)
    owner = serializers.SerializerMethodField(help_text="Owner of the customer's account in Salesforce; empty while unknown.")

    def get_owner(self, finding: Finding) -> str:
        return words_of(self.context.get("owners", {}), finding.customer)

    def get_key(self, finding: Finding) -> str:
        return known.key_of(finding)


class ExplainSerializer(serializers.Serializer[Any]):
    """Why a finding is right as it is; an empty reason puts it back."""

    key = serializers.CharField(max_length=64)
    reason = serializers.CharField(max_length=300, allow_blank=True)


class FourWayAuditViewSet(viewsets.GenericViewSet):
    """Where sold, granted, used and billed disagree, as of the latest comparison (each night, or by the page's button)."""

    scope, role, write_role = "billing", "analyst", "operator"
    serializer_class = DisagreementSerializer
    pagination_class = Pages
    filter_backends: list[Any] = []
    queryset = Customer.objects.none()  # only for the API's description: findings are kept, not stored as rows

    @extend_schema(parameters=FILTERS, responses=DisagreementSerializer(many=True))
    def list(self, request: Request) -> Response:
        """The findings, the most urgent and most expensive first."""
        given = {
            name: request.query_params.get(name, "").replace("\0", "") for name in ("kind", "severity", "text", "customer")
        }
        parts = known.split(audit.read_audit(now=timezone.now()).findings)
        is_known = request.query_params.get("known", "") in ("1", "true")
        found = audit.narrow([each for each, _ in parts.known] if is_known else parts.open, **given)
        page = self.paginate_queryset(found)  # type: ignore[arg-type]
        owners = owners_of(each.customer for each in page or () if each.customer)
        return self.get_paginated_response(DisagreementSerializer(page, many=True, context={"owners": owners}).data)

    @extend_schema(request=ExplainSerializer, responses={204: None})
    @action(detail=False, methods=["post"])
    def explain(self, request: Request) -> Response:
        """Take a finding out of the list until it changes or gets worse; 409 `no_finding` when it is not there any more."""
        given = ExplainSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        key, reason, now = given.validated_data["key"], given.validated_data["reason"], timezone.now()
        if reason:
            found = audit.read_audit(now=now).findings
            known.explain(found, key, reason=reason, user=request.user, now=now, address=address_of(request))
        else:
            known.forget(key, user=request.user, address=address_of(request))
        return Response(status=204)
