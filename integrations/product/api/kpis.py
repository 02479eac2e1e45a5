"""API of KPIs: definitions, values of one customer or of all, computing them now, and what a connection chose for its
pushes."""

from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from django.core.paginator import Paginator
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import audit
from integrations.models import Customer, Run, SalesforceOrg
from integrations.paging import Pages
from integrations.product.kpis import choosing, job, values
from integrations.product.models import KpiSettings, KpiState

MOST_SHOWN = 50


class KpiSerializer(serializers.Serializer):
    """One KPI: our key and definition, and what the reference's three lists call it."""

    key = serializers.CharField()
    label = serializers.CharField()
    definition = serializers.CharField()
    unit = serializers.CharField(help_text="count, percent, score or points")
    unit_label = serializers.CharField()
    window = serializers.CharField(help_text="7d, 30d, 90d, last_week, last_month, last_quarter, with _prev for the one before")
    feature = serializers.CharField(allow_null=True)
    list_a = serializers.ListField(child=serializers.CharField())
    list_b = serializers.ListField(child=serializers.CharField())
    list_c = serializers.ListField(child=serializers.CharField())


class KpiSettingsSerializer(serializers.ModelSerializer):
    """As of when, and in which time zone calendar periods begin, the pushes of a connection count."""

    org = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all())

    class Meta:
        model = KpiSettings
        fields = ["org", "as_of", "time_zone"]

    def validate_time_zone(self, name: str) -> str:
        if name not in available_timezones():
            raise serializers.ValidationError("Choose a time zone of the IANA list, such as UTC or Europe/Berlin.")
        return name


@extend_schema(tags=["kpis"])
class KpiViewSet(viewsets.GenericViewSet):
    """`/api/v1/kpis/`: scope `product`; members read, operators compute and change settings."""

    scope, role, write_role = "product", "member", "operator"
    serializer_class = KpiSerializer
    queryset = Customer.objects.none()
    filter_backends: list[Any] = []

    @extend_schema(responses=KpiSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Every KPI that exists now, those of features too (not paged)."""
        return Response([values.describe(each) for each in values.columns_now()])

    @extend_schema(
        parameters=[
            OpenApiParameter("customer", str, description="External id (or number) of a customer; all, paged, without it"),
            OpenApiParameter("keys", str, description="Only these, comma-separated"),
        ],
        responses=OpenApiTypes.OBJECT,
    )  # fmt: skip
    @action(detail=False, url_path="values", url_name="values")
    def values_of(self, request: Request) -> Response:
        """Values as of the last computation: percents rounded to one decimal in `values`, all digits in `exact`; null is
        blank."""
        keys = _keys(request)
        state = KpiState.objects.first()
        about = {"as_of": state and state.as_of, "computed_at": state and state.computed_at}
        name = request.query_params.get("customer", "").replace("\0", "").strip()
        if name:
            customer = values.customer_called(name)
            if customer is None:
                raise NotFound(f"No customer is called {name[:80]}.")
            return Response({**about, **_one(customer, values.of_some([customer.pk], keys).get(customer.pk, {}))})
        pages = Pages()
        size = pages.get_page_size(request) or MOST_SHOWN
        living = Customer.objects.filter(merged_into=None, erased_at=None).order_by("pk")
        page = Paginator(living, size).get_page(request.query_params.get("page"))
        found = values.of_some([each.pk for each in page.object_list], keys)
        results = [_one(each, found.get(each.pk, {})) for each in page.object_list]
        return Response({**about, "count": page.paginator.count, "page": page.number, "results": results})

    @extend_schema(request=None, responses={202: OpenApiTypes.OBJECT})
    @action(detail=False, methods=["post"])
    def compute(self, request: Request) -> Response:
        """Roll up what came and compute all KPIs now, as a run."""
        run = job.start(user=request.user, now=timezone.now(), trigger=Run.Trigger.API)
        audit.record(
            "run.started", actor=request.user, target=f"run {run.pk} ({job.JOB})", address=audit.address_of(request._request)
        )
        return Response({"run": run.pk, "state": run.state}, status=status.HTTP_202_ACCEPTED)

    @extend_schema(methods=["GET"], responses=KpiSettingsSerializer(many=True))
    @extend_schema(methods=["PUT"], request=KpiSettingsSerializer, responses=KpiSettingsSerializer)
    @action(detail=False, methods=["get", "put"], url_path="settings", url_name="settings")
    def settings_of(self, request: Request) -> Response:
        """What connections chose; those that are not listed count up to the start of the UTC day, in UTC."""
        if request.method == "GET":
            return Response(KpiSettingsSerializer(KpiSettings.objects.order_by("org_id"), many=True).data)
        asked = request.data.get("org") if isinstance(request.data, dict) else None
        found = KpiSettings.objects.filter(org_id=_number(asked)).first()
        given = KpiSettingsSerializer(found, data=request.data)
        given.is_valid(raise_exception=True)
        chosen = given.validated_data
        saved = choosing.choose_settings(
            chosen["org"], as_of=chosen.get("as_of", KpiSettings.AsOf.DAY), time_zone=chosen.get("time_zone", "UTC"),
            user=request.user, address=audit.address_of(request._request),
        )  # fmt: skip
        return Response(KpiSettingsSerializer(saved).data)


def _one(customer: Customer, found: dict[str, Decimal | int | None]) -> dict[str, Any]:
    shown = {key: _plain(values.rounded(value)) for key, value in found.items()}
    exact = {key: values.digits(value) for key, value in found.items()}
    return {"customer": customer.external_id, "customer_id": customer.pk, "values": shown, "exact": exact}


def _plain(value: Decimal | int | None) -> float | int | None:
    """A number of JSON: with one decimal it is exact enough to print."""
    return float(value) if isinstance(value, Decimal) else value


def _keys(request: Request) -> list[str]:
    keys = [each.strip() for each in request.query_params.get("keys", "").split(",") if each.strip()]
    known = {each.key for each in values.columns_now()} if keys else set()
    if unknown := [key for key in keys if key not in known]:
        raise ValidationError({"keys": [f"Unknown: {', '.join(unknown)[:200]}. GET /api/v1/kpis/ lists them."]})
    return keys


def _number(raw: object) -> int:
    text = str(raw)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
