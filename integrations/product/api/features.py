"""API of features: list, make, change, delete, and try rules out. Scope `product`; analysts read, operators change."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.audit import address_of
from integrations.product.kpis import defining
from integrations.product.kpis.defining import FeatureProblems
from integrations.product.kpis.registry import KPIS, SEPARATOR
from integrations.product.kpis.rules import RuleProblem, Wanted, read_rules
from integrations.product.models import Feature


class FeatureSerializer(serializers.ModelSerializer):
    """A feature; `kpis` are the keys of its figures while it is offered as KPI."""

    key = serializers.CharField(max_length=50)
    name = serializers.CharField(max_length=80)
    rules = serializers.JSONField(
        help_text='[{"event": "Report Created", "match": "is", "where": [...]}], any of which may fit.'
    )
    kpis = serializers.SerializerMethodField()

    class Meta:
        model = Feature
        fields = ["id", "key", "name", "rules", "active", "as_kpi", "kpis", "created_at", "updated_at"]
        read_only_fields = ["created_at", "updated_at"]

    def get_kpis(self, feature: Feature) -> list[str]:
        """Keys that mappings may name."""
        offered = feature.active and feature.as_kpi
        return [f"{each.key}{SEPARATOR}{feature.key}" for each in KPIS if each.of_feature] if offered else []


class RulesGiven(serializers.Serializer):
    """Rules to try out."""

    rules = serializers.JSONField()


class TriedSerializer(serializers.Serializer):
    """What rules fit among recent events."""

    first = serializers.DateField(allow_null=True)
    last = serializers.DateField(allow_null=True)
    days = serializers.IntegerField()
    events = serializers.IntegerField()
    users = serializers.IntegerField()
    customers = serializers.IntegerField()
    names = serializers.DictField(child=serializers.IntegerField())


@extend_schema(tags=["kpis"])
class FeatureViewSet(viewsets.ModelViewSet):
    """`/api/v1/features/`: parts of the product, by the events that show their use.

    `rules` is a list of `{"event", "match": is, starts_with or matches, "where": [{"property", "op", "value"}]}`; any may fit.
    A key cannot be changed, because mappings name it; a feature that a mapping pushes cannot be deleted (409).
    """

    scope, role, write_role = "product", "analyst", "operator"
    serializer_class = FeatureSerializer
    queryset = Feature.objects.order_by("name", "id")
    filter_backends: list[Any] = []
    lookup_value_regex = "[0-9]{1,18}"
    http_method_names = ["get", "head", "options", "post", "put", "patch", "delete"]

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = self._save(serializer, None)

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = self._save(serializer, serializer.instance)

    def _save(self, serializer: Any, feature: Feature | None) -> Feature:
        given = serializer.validated_data
        wanted = Wanted(**{
            name: given.get(name, getattr(feature, name) if feature else default)
            for name, default in (("key", ""), ("name", ""), ("rules", []), ("active", True), ("as_kpi", False))
        })  # fmt: skip
        try:
            return defining.save_feature(
                wanted, feature=feature, user=self.request.user, now=timezone.now(), address=address_of(self.request._request)
            )
        except FeatureProblems as error:
            raise ValidationError(error.problems) from error

    def perform_destroy(self, instance: Feature) -> None:
        defining.delete_feature(instance, user=self.request.user, now=timezone.now(), address=address_of(self.request._request))

    @extend_schema(request=RulesGiven, responses=TriedSerializer)
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Count what rules fit among the events of the last 30 days; nothing is saved."""
        given = RulesGiven(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            rules = read_rules(given.validated_data["rules"])
        except RuleProblem as error:
            raise ValidationError({error.path: [error.message]}) from error
        tried = defining.try_rules(rules, now=timezone.now())
        return Response(TriedSerializer({**vars(tried), "names": dict(tried.names)}).data, status=status.HTTP_200_OK)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=False, url_path="event-names")
    def event_names(self, request: Request) -> Response:
        """Names of events of the last 30 days with how many there were."""
        return Response(dict(defining.known_events(now=timezone.now())))
