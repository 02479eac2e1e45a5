"""API of health scores: definitions, a preview, the customers with their scores, why one is what it is. Scope `product`."""

from dataclasses import replace
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.runs import RunSerializer
from integrations.audit import address_of
from integrations.models import Customer, Run, SalesforceOrg
from integrations.product.health import compute, definitions, queries
from integrations.product.health.definitions import Draft
from integrations.product.health.scoring import BadParts, PartResult
from integrations.product.models import HealthDay, HealthScore
from integrations.queries import find_runs
from integrations.sync import runs

MOST = 500
PAGED = [
    OpenApiParameter("text", str, description="Part of the customer's name or id."),
    OpenApiParameter("band", str, enum=list(queries.BANDS)), OpenApiParameter("sort", str, enum=["score", "-score"]),
    OpenApiParameter("page", int),
]  # fmt: skip


class HealthScoreSerializer(serializers.ModelSerializer):
    """A definition. `parts`: signal, weight, worst and best (or best_values), missing (leave_out, worst or best)."""

    parts = serializers.ListField(child=serializers.DictField())

    class Meta:
        model = HealthScore
        fields = [
            "id", "name", "key", "org", "parts", "good_from", "fair_from", "least_known", "state", "version", "computed_at",
            "computed_version",
        ]  # fmt: skip
        read_only_fields = fields


class HealthScoreIn(serializers.Serializer):
    """What may be written; with PATCH only what is to change."""

    name = serializers.CharField(max_length=80, required=False)
    key = serializers.CharField(max_length=60, required=False, help_text="Attribute of customers that holds the score")
    org = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all(), required=False, allow_null=True)
    parts = serializers.ListField(child=serializers.DictField(), required=False)
    good_from = serializers.IntegerField(required=False)
    fair_from = serializers.IntegerField(required=False)
    least_known = serializers.IntegerField(required=False, help_text="Percent of the weights that must be known")


class StateIn(serializers.Serializer):
    """The next state."""

    state = serializers.CharField(help_text="active or paused")


class PartSerializer(serializers.Serializer):
    """What one part came to; `points` null: it was left out."""

    signal = serializers.CharField()
    value = serializers.CharField(allow_blank=True)
    points = serializers.DecimalField(max_digits=6, decimal_places=2, allow_null=True)
    weight = serializers.IntegerField()
    share = serializers.DecimalField(max_digits=6, decimal_places=2, help_text="Percent of the weights that counted")
    contribution = serializers.DecimalField(max_digits=6, decimal_places=2)
    lost = serializers.DecimalField(max_digits=6, decimal_places=2)


class CustomerScoreSerializer(serializers.Serializer):
    """A customer's newest score; null when too little is known."""

    customer = serializers.CharField(source="external_id")
    name = serializers.CharField()
    score = serializers.IntegerField(allow_null=True)
    band = serializers.CharField(help_text="good, fair, poor or unknown")
    change = serializers.IntegerField(allow_null=True, help_text="Against 30 days earlier")
    known = serializers.DecimalField(max_digits=6, decimal_places=2)
    salesforce_id = serializers.CharField(allow_blank=True)
    parts = serializers.SerializerMethodField()

    @extend_schema_field(PartSerializer(many=True))
    def get_parts(self, row: queries.Row) -> list[dict[str, Any]]:
        """What made the score."""
        return [plain(part) for part in row.parts]


class CustomerScores(serializers.Serializer):
    """One page."""

    count = serializers.IntegerField()
    day = serializers.DateField(allow_null=True)
    results = CustomerScoreSerializer(many=True)


class HealthDaySerializer(serializers.ModelSerializer):
    """All customers on one UTC day."""

    class Meta:
        model = HealthDay
        fields = ["day", "average", "good", "fair", "poor", "unknown", "version"]


def plain(part: PartResult) -> dict[str, Any]:
    """One part as the API gives it; numbers with two decimals as text."""

    def text(value: Any) -> str | None:
        return None if value is None else f"{value:.2f}"

    return {
        "signal": part.signal, "value": part.value, "points": text(part.points), "weight": part.weight,
        "share": text(part.share), "contribution": text(part.contribution), "lost": text(part.lost),
    }  # fmt: skip


@extend_schema(tags=["product"])
class HealthScoreViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """`/api/v1/product/health-scores/`: definitions of scores; computed before each push, or now with `compute`."""

    scope, role, write_role = "product", "member", "operator"
    serializer_class = HealthScoreSerializer
    queryset = HealthScore.objects.none()
    filter_backends: list[Any] = []

    def get_queryset(self) -> QuerySet[HealthScore]:
        return HealthScore.objects.order_by("pk")

    @extend_schema(request=HealthScoreIn, responses={201: HealthScoreSerializer})
    def create(self, request: Request) -> Response:
        """Make a definition; 400 names every part and field that cannot be used."""
        score = self._save(None, self._draft(request, None), request)
        return Response(HealthScoreSerializer(score).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=HealthScoreIn, responses=HealthScoreSerializer)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Change a definition; it counts from the next computation on."""
        score = self.get_object()
        return Response(HealthScoreSerializer(self._save(score, self._draft(request, score), request)).data)

    def destroy(self, request: Request, pk: str | None = None) -> Response:
        """Delete a definition with its history; the attribute keeps its last values."""
        definitions.delete_score(self.get_object(), user=request.user, now=timezone.now(), address=address_of(request._request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=StateIn, responses=HealthScoreSerializer)
    @action(detail=True, methods=["post"])
    def state(self, request: Request, pk: str | None = None) -> Response:
        """Pause (values stay) or go on."""
        score, given = self.get_object(), StateIn(data=request.data)
        given.is_valid(raise_exception=True)
        definitions.set_state(
            score, given.validated_data["state"], user=request.user, now=timezone.now(), address=address_of(request._request)
        )
        return Response(HealthScoreSerializer(score).data)

    @extend_schema(request=HealthScoreIn, responses=OpenApiTypes.OBJECT)
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """What a definition would give for up to 1,000 customers, those seen last; nothing is stored."""
        try:
            found = definitions.preview(self._draft(request, None), now=timezone.now())
        except BadParts as error:
            raise ValidationError(error.errors) from None
        rows = [
            {"customer": each.external_id, "name": each.name, "score": made.value, "band": band,
             "parts": [plain(part) for part in made.parts]}
            for each, made, band in found.rows[:100]
        ]  # fmt: skip
        return Response({"customers": found.customers, "bands": found.bands, "buckets": found.buckets, "lowest": rows})

    @extend_schema(parameters=PAGED, responses=CustomerScores)
    @action(detail=True)
    def customers(self, request: Request, pk: str | None = None) -> Response:
        """Customers with their newest score, worst first; 50 a page."""
        given = request.query_params
        number = int(given["page"]) if given.get("page", "").isascii() and given.get("page", "").isdigit() else 1
        wanted = queries.Wanted(given.get("text", ""), given.get("band", ""), given.get("sort", ""))
        page = queries.find_scores(self.get_object(), wanted, number=min(number, 10**6))
        rows = CustomerScoreSerializer(page.rows, many=True).data
        return Response({"count": page.total, "day": page.day, "results": rows})

    @extend_schema(parameters=[OpenApiParameter("customer", str, required=True)], responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def explain(self, request: Request, pk: str | None = None) -> Response:
        """One customer (the product's id): the score with its parts, and the last 90 days."""
        score = self.get_object()
        customer = get_object_or_404(Customer, external_id=request.query_params.get("customer", ""), erased_at=None)
        row, days = queries.explain(score, customer)
        history = [{"day": day.isoformat(), "score": value} for day, value in days]
        return Response({"score": CustomerScoreSerializer(row).data if row else None, "days": history})

    @extend_schema(responses=HealthDaySerializer(many=True))
    @action(detail=True)
    def history(self, request: Request, pk: str | None = None) -> Response:
        """All customers by day, oldest first, at most a year."""
        return Response(HealthDaySerializer(queries.history_of(self.get_object(), days=366), many=True).data)

    @extend_schema(request=None, responses={202: RunSerializer})
    @action(detail=False, methods=["post"])
    def compute(self, request: Request) -> Response:
        """Compute all active scores now (or get the run that is queued already)."""
        run = runs.request_run(compute.JOB, trigger=Run.Trigger.API, user=request.user, now=timezone.now())
        return Response(RunSerializer(find_runs(number=str(run.pk)).get()).data, status=status.HTTP_202_ACCEPTED)

    def _draft(self, request: Request, score: HealthScore | None) -> Draft:
        given = HealthScoreIn(data=request.data)
        given.is_valid(raise_exception=True)
        if unknown := sorted(set(request.data) - set(given.fields)):
            raise ValidationError({name: ["There is no such field."] for name in unknown})
        known = definitions.draft_of(score) if score is not None else Draft("", parts=[])
        return replace(known, **given.validated_data)

    def _save(self, score: HealthScore | None, draft: Draft, request: Request) -> HealthScore:
        try:
            return definitions.save_score(
                score, draft, user=request.user, now=timezone.now(), address=address_of(request._request)
            )
        except BadParts as error:
            raise ValidationError(error.errors) from None
