"""API of alerts: list and acknowledge; channels (addresses and secrets are only ever written); rules; the catalog."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError as BadValues
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import alert_pages, alerts, audit
from integrations.access import Refusal
from integrations.alert_rules import catalogue, saving
from integrations.fresh import is_fresh
from integrations.models import Alert, AlertChannel, AlertDelivery, AlertRule, SalesforceOrg
from integrations.paging import Pages

STATES = ("open", "recovered")


class AlertSerializer(serializers.ModelSerializer):
    """One alert."""

    kind = serializers.SerializerMethodField(help_text="Entry of the catalog, `/api/v1/alert-kinds/`.")
    domain = serializers.SerializerMethodField()
    severity = serializers.CharField(read_only=True, help_text="warning or action.")
    connection = serializers.CharField(source="org.name", default=None, read_only=True)
    acknowledged_by = serializers.CharField(source="acknowledged_by.username", default=None, read_only=True)

    class Meta:
        model = Alert
        fields = [
            "id", "key", "kind", "domain", "code", "severity", "org", "connection", "title", "body", "url", "since",
            "recovered_at", "acknowledged_at", "acknowledged_by", "acknowledged_note",
        ]  # fmt: skip
        read_only_fields = fields

    def get_kind(self, alert: Alert) -> str:
        return alert.kind or catalogue.kind_of(alert.key)

    def get_domain(self, alert: Alert) -> str:
        return catalogue.domain_of(self.get_kind(alert))


class NoteSerializer(serializers.Serializer):
    """Body of an acknowledgement."""

    note = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class ChannelSerializer(serializers.ModelSerializer):
    """A channel. `url` is written and never read; of it only the host is shown."""

    name = serializers.CharField(max_length=80)
    url = serializers.CharField(max_length=2000, write_only=True, required=False, allow_blank=True, default="")
    mails = serializers.ListField(child=serializers.CharField(max_length=254), required=False)

    class Meta:
        model = AlertChannel
        fields = ["id", "name", "kind", "host", "url", "mails", "sends_warnings", "by_default", "is_active", "created_at"]
        read_only_fields = ["host", "created_at"]


class DeliverySerializer(serializers.ModelSerializer):
    """One message to a channel."""

    class Meta:
        model = AlertDelivery
        fields = [
            "id", "key", "alert", "event", "state", "attempts", "next_attempt_at", "status", "error", "created_at", "ended_at",
        ]  # fmt: skip
        read_only_fields = fields


class RuleSerializer(serializers.ModelSerializer):
    """A rule. Empty lists mean any; `people` are user names, the others numbers."""

    name = serializers.CharField(max_length=80)
    kinds = serializers.ListField(child=serializers.CharField(max_length=60), required=False)
    codes = serializers.ListField(child=serializers.CharField(max_length=80), required=False)
    severities = serializers.ListField(child=serializers.CharField(max_length=8), required=False)
    domains = serializers.ListField(child=serializers.CharField(max_length=20), required=False)
    environments = serializers.ListField(child=serializers.CharField(max_length=12), required=False)
    orgs = serializers.PrimaryKeyRelatedField(many=True, required=False, queryset=SalesforceOrg.objects.all())
    channels = serializers.PrimaryKeyRelatedField(many=True, required=False, queryset=AlertChannel.objects.all())
    people = serializers.SlugRelatedField(
        slug_field="username", many=True, required=False, queryset=get_user_model().objects.filter(is_active=True)
    )

    class Meta:
        model = AlertRule
        fields = ["id", *saving.RULE_PARTS, *saving.RULE_LISTS]


class KindSerializer(serializers.Serializer):
    """One entry of the catalog."""

    name = serializers.CharField()
    domain = serializers.CharField()
    label = serializers.CharField()
    severity = serializers.CharField()
    meaning = serializers.CharField()
    fix = serializers.CharField()
    codes = serializers.ListField(child=serializers.CharField())


SECRET = inline_serializer("AlertChannelSecret", {"secret": serializers.CharField(help_text="Shown this once.")})
MADE = inline_serializer(
    "AlertChannelMade", {"id": serializers.IntegerField(), "name": serializers.CharField(), "secret": serializers.CharField()}
)
TRIED = inline_serializer(
    "AlertTestAnswer",
    {"place": serializers.CharField(), "taken": serializers.BooleanField(), "answer": serializers.CharField()},
    many=True,
)


class AlertView(viewsets.GenericViewSet):
    """Scope `alerts`."""

    scope, role, write_role = "alerts", "operator", "admin"
    pagination_class = Pages
    filter_backends: list[Any] = []
    lookup_value_regex = "[0-9]{1,18}"

    def by(self) -> dict[str, Any]:
        """Who asks, for verbs that note it."""
        return {"user": self.request.user, "address": audit.address_of(self.request)}

    def ask_fresh(self) -> None:
        """Channels change only shortly after signing in, or with a key. Refusal `sign_in_again`."""
        if self.request.auth is None and not is_fresh(self.request._request):
            raise Refusal("sign_in_again", "Sign in again first, or use a key: an address is a password.")

    def checked(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a verb; what it finds wrong becomes 400 by field."""
        try:
            return verb(*args, **kwargs, **self.by())
        except BadValues as error:
            raise ValidationError(error.message_dict) from None

    def values(self, *, partial: bool) -> dict[str, Any]:
        """The checked body."""
        found = self.get_serializer(data=self.request.data, partial=partial)
        found.is_valid(raise_exception=True)
        given = self.request.data
        return {name: value for name, value in found.validated_data.items() if name in given or not partial}


@extend_schema(tags=["alerts"])
class AlertViewSet(mixins.RetrieveModelMixin, mixins.ListModelMixin, AlertView):
    """`/api/v1/alerts/`: what needs somebody, and what did."""

    role, write_role = "member", "operator"
    serializer_class = AlertSerializer
    queryset = Alert.objects.none()

    def get_queryset(self) -> QuerySet[Alert]:
        chosen = {name: self.request.query_params.get(name, "") for name in alert_pages.HISTORY_FILTERS}
        if chosen["state"] and chosen["state"] not in STATES:
            raise ValidationError({"state": [f"Choose one of {', '.join(STATES)}."]})
        return alert_pages.find(self.request.user, chosen)

    @extend_schema(
        parameters=[
            OpenApiParameter("state", str, enum=STATES), OpenApiParameter("kind", str), OpenApiParameter("domain", str),
            OpenApiParameter("severity", str, enum=Alert.Severity.values), OpenApiParameter("q", str),
        ]
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Alerts that the caller may see, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NoteSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, pk: str | None = None) -> Response:
        """Take care of it: no reminder and no escalation until it gets worse. 409 `not_open` when it is over."""
        given = NoteSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        alert = self.get_object()
        alerts.acknowledge_alert(alert, note=given.validated_data["note"], now=timezone.now(), **self.by())
        return Response(self.get_serializer(alert).data)

    @extend_schema(request=None, responses=AlertSerializer)
    @action(detail=True, methods=["post"], url_path="take-back")
    def take_back(self, request: Request, pk: str | None = None) -> Response:
        """Nobody takes care of it after all."""
        alert = self.get_object()
        alerts.reopen_alert(alert, now=timezone.now(), **self.by())
        return Response(self.get_serializer(alert).data)


@extend_schema(tags=["alerts"])
class AlertChannelViewSet(mixins.RetrieveModelMixin, mixins.ListModelMixin, AlertView):
    """`/api/v1/alert-channels/`: places that are told besides mail to admins."""

    serializer_class = ChannelSerializer
    queryset = AlertChannel.objects.order_by("name")

    @extend_schema(responses={201: MADE})
    def create(self, request: Request) -> Response:
        """A new channel; the signing secret of a webhook is in this answer and never again."""
        self.ask_fresh()
        given = self.values(partial=False)
        made, secret = self.checked(saving.save_channel, None, given, url=given.pop("url", ""))
        return Response({"id": made.pk, "name": made.name, "secret": secret}, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Change what is named; without `url` the address stays."""
        self.ask_fresh()
        given, row = self.values(partial=True), self.get_object()
        made, _ = self.checked(saving.save_channel, row, given, url=given.pop("url", ""))
        return Response(self.get_serializer(made).data)

    def destroy(self, request: Request, pk: str | None = None) -> Response:
        """Take it away with its deliveries."""
        saving.delete_channel(self.get_object(), **self.by())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=DeliverySerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str | None = None) -> Response:
        """Send one test alert at once; the answer says what came of it."""
        return Response(DeliverySerializer(saving.try_channel(self.get_object(), now=timezone.now(), **self.by())).data)

    @extend_schema(request=None, responses=SECRET)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: str | None = None) -> Response:
        """A new signing secret; the old one is void at once."""
        self.ask_fresh()
        return Response({"secret": saving.rotate_secret(self.get_object(), **self.by())})

    @extend_schema(responses=DeliverySerializer(many=True))
    @action(detail=True, methods=["get"])
    def deliveries(self, request: Request, pk: str | None = None) -> Response:
        """Messages of the last 30 days, newest first."""
        page = self.paginate_queryset(AlertDelivery.objects.filter(channel=self.get_object()))
        return self.get_paginated_response(DeliverySerializer(page, many=True).data)


@extend_schema(tags=["alerts"])
class AlertRuleViewSet(mixins.RetrieveModelMixin, mixins.ListModelMixin, AlertView):
    """`/api/v1/alert-rules/`: which alerts go where, and when."""

    serializer_class = RuleSerializer
    queryset = AlertRule.objects.prefetch_related("orgs", "channels", "people").order_by("name")

    def create(self, request: Request) -> Response:
        """A new rule; parts that are left out are as usual."""
        made = self.checked(saving.save_rule, None, self.values(partial=False))
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Change what is named."""
        return Response(self.get_serializer(self.checked(saving.save_rule, self.get_object(), self.values(partial=True))).data)

    def destroy(self, request: Request, pk: str | None = None) -> Response:
        """Take it away; what it holds back is told within a minute."""
        saving.delete_rule(self.get_object(), **self.by())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=TRIED)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str | None = None) -> Response:
        """Send a test to each place of the rule at once."""
        found = saving.try_rule(self.get_object(), now=timezone.now(), **self.by())
        return Response([{"place": place, "taken": taken, "answer": answer} for place, taken, answer in found])


@extend_schema(tags=["alerts"])
class AlertKindViewSet(AlertView):
    """`/api/v1/alert-kinds/`: the catalog."""

    role, write_role = "member", "member"
    serializer_class = KindSerializer
    queryset = Alert.objects.none()

    @extend_schema(responses=KindSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Every kind of alert that can be raised, by domain."""
        return self.get_paginated_response(KindSerializer(self.paginate_queryset(catalogue.every()), many=True).data)  # type: ignore[arg-type]
