"""API of one connection's budget: how its calls are shared, and changing that."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations.access import Refusal
from integrations.audit import address_of
from integrations.models import SalesforceOrg
from integrations.orgs.budget_settings import change_budget
from project.budget import read_detail


class BudgetDomainSerializer(serializers.Serializer[Any]):
    """One domain."""

    domain = serializers.CharField(source="key")
    used = serializers.IntegerField(help_text="Calls in the last 24 hours.")
    kept = serializers.IntegerField(source="floor", help_text="Calls that nobody else can take.")
    cap = serializers.IntegerField(allow_null=True, help_text="Most that its schedules use in 24 hours; null: none.")
    schedules_may_use = serializers.IntegerField(source="schedules")
    people_may_use = serializers.IntegerField(source="people")


class BudgetSettingsSerializer(serializers.Serializer[Any]):
    """What an administrator chose. Weights and caps are given whole."""

    share_percent = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=90)
    people_percent = serializers.IntegerField(required=False, min_value=0, max_value=50)
    weights = serializers.DictField(child=serializers.IntegerField(min_value=0, max_value=9), required=False)
    caps = serializers.DictField(child=serializers.IntegerField(min_value=1, max_value=100), required=False)


class BudgetSerializer(serializers.Serializer[Any]):
    """How the API calls of a connection stand, all in the last 24 hours."""

    connection = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True, help_text="The org's; null before Salesforce has named it.")
    used_by_all = serializers.IntegerField(allow_null=True)
    used_by_us = serializers.IntegerField()
    used_by_others = serializers.IntegerField(allow_null=True)
    share = serializers.IntegerField(allow_null=True, help_text="Calls that are ours.")
    left = serializers.IntegerField(allow_null=True)
    kept_for_people = serializers.IntegerField(allow_null=True)
    percent = serializers.IntegerField(help_text="How near we are to the stop.")
    runs_out = serializers.DateTimeField(allow_null=True, help_text="At the usual pace; null: not within a day.")
    all_free = serializers.DateTimeField(allow_null=True, help_text="When all our calls are free again if nothing is used.")
    report_runs_left = serializers.IntegerField()
    report_instances_left = serializers.IntegerField()
    bulk_jobs_left = serializers.IntegerField()
    domains = BudgetDomainSerializer(many=True)
    settings = BudgetSettingsSerializer()


class BudgetView(APIView):
    """`/api/v1/connections/<id>/budget/`."""

    scope, role, write_role = "connections", "analyst", "admin"

    @extend_schema(operation_id="connections_budget_retrieve", tags=["connections"], responses=BudgetSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """How the calls are shared, what is left, and when they free again."""
        return Response(self._shown(get_object_or_404(SalesforceOrg, pk=pk)))

    @extend_schema(
        operation_id="connections_budget_change",
        tags=["connections"],
        request=BudgetSettingsSerializer,
        responses=BudgetSerializer,
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Change some settings; what is not named stays. Needs an admin."""
        org = get_object_or_404(SalesforceOrg, pk=pk)
        unknown = sorted(set(request.data) - set(BudgetSettingsSerializer().fields))
        if unknown:
            raise serializers.ValidationError({name[:40]: ["There is no such setting."] for name in unknown})
        form = BudgetSettingsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            change_budget(
                org, form.validated_data, actor=request.user, now=timezone.now(), address=address_of(request._request)
            )
        except Refusal as refusal:
            raise serializers.ValidationError({"settings": [refusal.message]}) from refusal
        return Response(self._shown(org))

    def _shown(self, org: SalesforceOrg) -> dict[str, Any]:
        now = timezone.now()
        detail = read_detail(org, span="24h", now=now)
        found = detail.budget
        standing = found.standing
        return BudgetSerializer(
            {
                "connection": org.pk, "limit": standing.limit if standing else None,
                "used_by_all": standing.used if standing else None, "used_by_us": found.ours, "used_by_others": found.others,
                "share": found.share, "left": found.left, "kept_for_people": found.reserve, "percent": found.percent,
                "runs_out": detail.forecast.runs_out, "all_free": detail.all_free,
                "report_runs_left": detail.reports.people.sync, "report_instances_left": detail.reports.people.instances,
                "bulk_jobs_left": detail.bulk_jobs_left, "domains": found.domains, "settings": found.settings,
            }
        ).data  # fmt: skip
