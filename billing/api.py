"""API of the billing objects, `/api/v1/billing/<object>/`: send them in batches, read them, take them away; and their accounts.

`POST` takes up to 1,000 rows and may be repeated in any order: the version with the later `updated_at` stays, and each row has
its own result. Amounts are texts in major units, so that no digit is lost.
"""

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from billing.api_connections import AccountLinkViewSet, BillingSettingsViewSet
from billing.incoming import PARTS
from billing.models import BillingRecord, Price, UsageRecord
from billing.objects import OBJECTS
from billing.pricing import problems_of
from billing.rating import terms_of, void_invoice
from billing.records import MODELS
from billing.saving import Report, save_rows
from billing.usage import take_usage
from integrations import audit
from integrations.api.customers import ExactJson
from integrations.models.exact import plain
from integrations.paging import Pages

MOST_ROWS = 1_000
TERMS = ("model", "amount", "included", "size", "minimum", "tiers")
STATUSES = ("created", "updated", "unchanged", "deleted", "stale", "failed")
SAVED = inline_serializer(
    "BillingSaveReport",
    {
        **{name: serializers.IntegerField() for name in STATUSES},
        "rows": inline_serializer(
            "BillingRowResult",
            {
                "index": serializers.IntegerField(),
                "id": serializers.CharField(),
                "status": serializers.CharField(help_text=", ".join(STATUSES)),
                "errors": serializers.DictField(child=serializers.CharField()),
            },
            many=True,
        ),
    },
)
RECORDS = inline_serializer(
    "BillingRecord",
    {
        "id": serializers.CharField(),
        "updated_at": serializers.DateTimeField(),
        "deleted": serializers.BooleanField(help_text="The fields of the object stand beside these, see docs/billing.md."),
    },
    many=True,
)
REPORTS = inline_serializer(
    "UsageReport",
    {
        "id": serializers.CharField(),
        "customer_id": serializers.CharField(),
        "metric_id": serializers.CharField(),
        "quantity": serializers.CharField(),
        "unique_value": serializers.CharField(),
        "at": serializers.DateTimeField(),
        "received_at": serializers.DateTimeField(),
    },
    many=True,
)
SEARCH = [
    OpenApiParameter("search", str, description="Part of an id or name"),
    OpenApiParameter("customer_id", str, description="Of this billing customer"),
    OpenApiParameter("invoice_id", str, description="Of this invoice"),
    OpenApiParameter("status", str, description="Invoices with this status"),
    OpenApiParameter("deleted", bool, description="Deleted records instead of the present ones"),
]


def record_json(object_key: str, record: BillingRecord) -> dict[str, Any]:
    """A record as the API and the CSV files show it."""
    values = {part.name: _plain(getattr(record, part.attribute)) for part in PARTS[object_key]}
    return {"id": record.key, **values, "updated_at": _plain(record.version_at), "deleted": record.deleted_at is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{plain(value):f}"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value


class VoidGiven(serializers.Serializer):
    """`again`: make a new invoice for the period."""

    again = serializers.BooleanField(default=False)


class BillingViewSet(viewsets.GenericViewSet):
    """One object. Records are addressed by their id, percent-encoded."""

    scope, role, write_role = "billing", "member", "operator"
    parser_classes = [ExactJson]
    pagination_class = Pages
    filter_backends: list[Any] = []
    lookup_field, lookup_value_regex = "key", "[^/]+"
    object_key = ""

    def get_queryset(self) -> Any:
        """What the query asks for, by id."""
        given = self.request.query_params
        model = MODELS[self.object_key]
        names = {field.name for field in model._meta.concrete_fields}
        found = (
            model._default_manager.exclude(deleted_at=None)
            if given.get("deleted") in ("1", "true")
            else (model._default_manager.filter(deleted_at=None))
        )
        if word := given.get("search", "").replace("\0", ""):
            found = found.filter(Q(key__icontains=word) | (Q(name__icontains=word) if "name" in names else Q()))
        for name, column in (("customer_id", "customer_key"), ("invoice_id", "invoice_key"), ("status", "status")):
            if (value := given.get(name)) and column in names:
                found = found.filter(**{column: value.replace("\0", "")})
        return found.order_by("key")

    def get_object(self) -> BillingRecord:
        found = MODELS[self.object_key]._default_manager.filter(key=self.kwargs["key"].replace("\0", "")).first()
        if found is None:
            raise NotFound("There is no record with this id.")
        return found

    @extend_schema(parameters=SEARCH, responses=RECORDS)
    def list(self, request: Request) -> Response:
        """Records by id."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response([record_json(self.object_key, each) for each in page or []])

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def retrieve(self, request: Request, key: str = "") -> Response:
        """One record."""
        return Response(record_json(self.object_key, self.get_object()))

    @extend_schema(request=OpenApiTypes.OBJECT, responses={200: SAVED, 207: SAVED, 400: SAVED})
    def create(self, request: Request) -> Response:
        """Create, change or delete rows by id. 207 when some rows failed, 400 when all did; the others are saved."""
        rows = rows_in(request.data)
        return told(save_rows(self.object_key, rows, source="api", now=timezone.now()))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, key: str = "") -> Response:
        """Take a record away; older versions do not bring it back."""
        record = self.get_object()
        row = {"id": record.key, "deleted": True}
        report = save_rows(self.object_key, [row], source="api", now=max(timezone.now(), record.version_at))
        if report.failed:
            raise ValidationError(report.failed[0].errors)
        return Response(status=status.HTTP_204_NO_CONTENT)


def rows_in(data: Any) -> list[Any]:
    """The rows of a body: a list, one object, or `{"rows": [...]}`."""
    if isinstance(data, dict):
        data = data["rows"] if set(data) == {"rows"} else [data]
    if not isinstance(data, list) or not data:
        raise ValidationError({"rows": ["Send a list of rows, each with an id."]})
    if len(data) > MOST_ROWS:
        raise ValidationError({"rows": [f"Send at most {MOST_ROWS:,} rows a call, not {len(data):,}."]})
    return data


def told(report: Report) -> Response:
    """A report as an answer."""
    counts = {name: report.count(name) for name in STATUSES}
    body: dict[str, Any] = {**counts, "rows": [asdict(each) for each in report.rows]}
    if counts["failed"] == len(report.rows):
        error = {"code": "rows_failed", "message": "No row could be saved; see the errors of each row."}
        return Response({"error": error, **body}, status=status.HTTP_400_BAD_REQUEST)
    return Response(body, status=status.HTTP_207_MULTI_STATUS if counts["failed"] else status.HTTP_200_OK)


class InvoiceViewSet(BillingViewSet):
    """Invoices, which can be voided as well."""

    @extend_schema(request=VoidGiven, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def void(self, request: Request, key: str = "") -> Response:
        """Void it; `again` lets the next rating make a new invoice for its period."""  # MT-D10
        given = VoidGiven(data=request.data)
        given.is_valid(raise_exception=True)
        record: Any = self.get_object()
        void_invoice(record, actor=request.user, now=timezone.now(), again=given.validated_data["again"])
        return Response(record_json(self.object_key, self.get_object()))


class UsageViewSet(viewsets.GenericViewSet):
    """Usage of billable metrics, reported in batches; the same `id` counts once."""

    scope, role, write_role = "billing", "analyst", "operator"
    parser_classes = [ExactJson]
    pagination_class = Pages
    filter_backends: list[Any] = []
    queryset = UsageRecord.objects.none()

    @extend_schema(parameters=SEARCH[1:2], responses=REPORTS)
    def list(self, request: Request) -> Response:
        """Reports, newest first."""
        found = UsageRecord.objects.all()
        if key := request.query_params.get("customer_id"):
            found = found.filter(customer_key=key.replace("\0", ""))
        page = self.paginate_queryset(found) or []
        return self.get_paginated_response([
            {"id": each.key, "customer_id": each.customer_key, "metric_id": each.metric_key, "quantity": _plain(each.quantity),
             "unique_value": each.unique_value, "at": _plain(each.at), "received_at": _plain(each.received_at)}
            for each in page
        ])  # fmt: skip

    @extend_schema(request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT)
    def create(self, request: Request) -> Response:
        """Report usage: `id`, `customer_id` (or an ingest alias), `metric_id`, `at`, `quantity`. 207 when some rows failed."""
        taken = take_usage(rows_in(request.data), now=timezone.now())
        rejected = [{"index": index, "errors": errors} for index, errors in sorted(taken.errors.items())]
        body: dict[str, Any] = {"accepted": taken.accepted, "repeated": taken.repeated, "rejected": rejected}
        if rejected and not taken.accepted and not taken.repeated:
            body = {
                "error": {"code": "rows_failed", "message": "No report could be taken; see the errors of each row."},
                **body,
            }
            return Response(body, status=status.HTTP_400_BAD_REQUEST)
        return Response(body, status=status.HTTP_207_MULTI_STATUS if rejected else status.HTTP_200_OK)


class PriceSerializer(serializers.ModelSerializer):
    """A price of a plan; `tiers` is a list of {up_to, unit, flat} as texts, the last `up_to` null."""

    id = serializers.CharField(source="key", max_length=255)
    plan_id = serializers.CharField(source="plan_key", max_length=255)
    metric_id = serializers.CharField(source="metric_key", max_length=255, allow_blank=True, default="")
    amount = serializers.DecimalField(38, 12, default=Decimal(0), normalize_output=True)
    included = serializers.DecimalField(38, 12, default=Decimal(0), normalize_output=True)
    size = serializers.DecimalField(38, 12, default=Decimal(1), normalize_output=True)
    minimum = serializers.DecimalField(38, 12, default=Decimal(0), normalize_output=True)
    tiers = serializers.ListField(child=serializers.DictField(), default=list)

    class Meta:
        model = Price
        fields = ["id", "plan_id", "metric_id", "name", "model", "amount", "included", "size", "minimum", "tiers", "position"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is not None and attrs.get("key", self.instance.key) != self.instance.key:
            raise ValidationError({"id": ["Cannot be changed: lines of invoices are named by it. Make another price."]})
        kept = {name: getattr(self.instance, name) for name in TERMS} if self.instance else {}
        price = Price(**{name: value for name, value in {**kept, **attrs}.items() if name in TERMS})
        try:
            problems = problems_of(terms_of(price))
        except (ArithmeticError, TypeError, AttributeError) as error:
            raise ValidationError({"tiers": ["Each tier is {up_to, unit, flat} with decimal numbers as text."]}) from error
        if problems:
            found: dict[str, list[str]] = {}
            for problem in problems:
                name, _, words = problem.partition(": ")
                found.setdefault(name, []).append(words)
            raise ValidationError(found)
        return attrs


class PriceViewSet(viewsets.ModelViewSet):
    """Prices of plans, addressed by their id."""

    scope, role, write_role = "billing", "member", "operator"
    serializer_class = PriceSerializer
    queryset = Price.objects.all()
    lookup_field, lookup_value_regex = "key", "[^/]+"
    filter_backends: list[Any] = []

    def get_queryset(self) -> Any:
        found = super().get_queryset()
        plan = self.request.query_params.get("plan_id") if self.request else None
        return found.filter(plan_key=plan.replace("\0", "")) if plan else found

    def perform_create(self, serializer: Any) -> None:
        self._save(serializer, before={})

    def perform_update(self, serializer: Any) -> None:
        self._save(serializer, before=PriceSerializer(serializer.instance).data)

    def perform_destroy(self, instance: Any) -> None:
        before = PriceSerializer(instance).data
        audit.record("billing.price_deleted", actor=self.request.user, target=instance, before=before)
        instance.delete()

    def _save(self, serializer: Any, *, before: Any) -> None:
        saved = serializer.save(updated_at=timezone.now())
        after = PriceSerializer(saved).data
        audit.record("billing.price", actor=self.request.user, target=saved, before=before, after=after)


def register_billing(router: SimpleRouter) -> None:
    """Add this domain's resources to the API's router."""
    for each in OBJECTS:
        name = "".join(word.title() for word in each.key.split("-"))
        base = InvoiceViewSet if each.key == "invoices" else BillingViewSet
        about = {"object_key": each.key, "queryset": MODELS[each.key]._default_manager.none()}
        view: Any = type(f"{name}BillingViewSet", (base,), about)
        router.register(f"billing/{each.key}", view, basename=f"billing-{each.key}")
    router.register("billing/usage", UsageViewSet, basename="billing-usage")
    router.register("billing/prices", PriceViewSet, basename="billing-price")
    router.register("billing/links", AccountLinkViewSet, basename="billing-link")
    router.register("billing/settings", BillingSettingsViewSet, basename="billing-settings")
