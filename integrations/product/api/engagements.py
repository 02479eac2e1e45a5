"""API of engagements: write them, start and end them, read who saw them."""

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.masking import hide_name, hide_people, may_see_people
from integrations.product.engagements import authoring, facts, queries, showing, templates
from integrations.product.models import Engagement, EngagementView, Segment
from integrations.sync.mapping.problems import ProblemsFound

FILTERS = [
    OpenApiParameter("q", str, description="Part of name or title."),
    OpenApiParameter("kind", str, enum=Engagement.Kind.values),
    OpenApiParameter("state", str, enum=queries.STATES, description="As it is now: a live one may be scheduled or over."),
    OpenApiParameter("segment", int),
    OpenApiParameter("sort", str, enum=sorted(queries.COLUMNS), description="With a minus downwards."),
]
WHO = [
    OpenApiParameter("q", str, description="Part of the end user's name or id, or of the customer's name."),
    OpenApiParameter("action", str, enum=queries.ACTIONS),
]


class EngagementSerializer(serializers.ModelSerializer):
    """An engagement with its figures."""

    kind = serializers.CharField(read_only=True, help_text="message, nps or guide")
    state = serializers.CharField(read_only=True, help_text="draft, live, paused or ended")
    frequency = serializers.CharField(read_only=True, help_text="until_closed, once, daily, weekly or quarterly")
    state_now = serializers.SerializerMethodField(help_text="state, or scheduled, or ended because its end has passed")
    counts = serializers.SerializerMethodField(help_text="People who were shown, clicked, dismissed and answered it")

    class Meta:
        model = Engagement
        fields = [
            "id", "kind", "name", "title", "body", "button_label", "button_url", "survey", "segment", "url_match", "frequency",
            "priority", "starts_at", "ends_at", "state", "state_now", "template", "created_at", "updated_at", "counts",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.CharField())
    def get_state_now(self, engagement: Engagement) -> str:
        """The state as people read it."""
        return engagement.state_at(self.context["now"])

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_counts(self, engagement: Engagement) -> dict[str, int]:
        """The four figures."""
        return {each: getattr(engagement, each, 0) for each in queries.ACTIONS}


class EngagementIn(serializers.Serializer):
    """What may be written. Texts are plain, with `**bold**`, `*italic*`, `[label](address)` and lists of `- ` lines."""

    kind = serializers.CharField(max_length=20, required=False, help_text="message (default), nps or guide")
    name = serializers.CharField(max_length=120)
    title = serializers.CharField(max_length=200)
    body = serializers.CharField(max_length=4000, required=False, allow_blank=True, trim_whitespace=False)
    button_label = serializers.CharField(max_length=60, required=False, allow_blank=True)
    button_url = serializers.CharField(max_length=500, required=False, allow_blank=True)
    survey = serializers.CharField(max_length=60, required=False, allow_blank=True)
    segment = serializers.PrimaryKeyRelatedField(queryset=Segment.objects.all(), required=False, allow_null=True)
    url_match = serializers.CharField(max_length=500, required=False, allow_blank=True)
    frequency = serializers.CharField(max_length=20, required=False)
    priority = serializers.IntegerField(required=False)
    starts_at = serializers.DateTimeField(required=False, allow_null=True)
    ends_at = serializers.DateTimeField(required=False, allow_null=True)


class EngagementStateIn(serializers.Serializer):
    """The next state."""

    state = serializers.CharField(max_length=20, help_text="live, paused or ended")


class EngagementFromTemplateIn(serializers.Serializer):
    """Which template, and the attribute that holds its date."""

    template = serializers.CharField(max_length=40)
    attribute = serializers.CharField(max_length=80, required=False, allow_blank=True)


class EngagementSeenSerializer(serializers.ModelSerializer):
    """What one end user did. Roles that may not see people get initials and the ends of ids."""

    user = serializers.CharField(source="end_user.external_id", read_only=True)
    name = serializers.CharField(source="end_user.name", read_only=True)
    customer = serializers.CharField(source="end_user.customer.external_id", read_only=True, allow_null=True, default=None)

    class Meta:
        model = EngagementView
        fields = ["user", "name", "customer", "shown_at", "last_shown_at", "clicked_at", "dismissed_at", "answered_at"]
        read_only_fields = fields

    def to_representation(self, instance: EngagementView) -> dict[str, Any]:
        data = super().to_representation(instance)
        if self.context.get("people"):
            return data
        return {**data, "user": hide_people(data["user"]), "name": hide_name(data["name"])}


@extend_schema(tags=["engagements"])
class EngagementViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """`/api/v1/engagements/`: scope `product`; analysts read, operators write."""

    scope, role, write_role = "product", "analyst", "operator"
    serializer_class = EngagementSerializer
    queryset = Engagement.objects.none()

    def get_queryset(self) -> Any:
        given = self.request.query_params
        if self.action != "list":
            return queries.find_engagements(now=timezone.now())
        text = {name: given.get(name, "")[:100] for name in ("q", "kind", "state", "sort")}
        number = given.get("segment", "")
        segment = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None
        return queries.find_engagements(now=timezone.now(), segment=segment, **text)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "now": timezone.now(), "people": may_see_people(self.request.user)}

    def handle_exception(self, exc: Exception) -> Response:
        """What does not fit is a 400 that names each field."""
        if isinstance(exc, ProblemsFound):
            exc = ValidationError(exc.by_path())
        return super().handle_exception(exc)

    @extend_schema(parameters=FILTERS)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Engagements with their figures, the most important first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=EngagementIn, responses={201: EngagementSerializer})
    def create(self, request: Request) -> Response:
        """A new draft. Start it with `state/`."""
        given = EngagementIn(data=request.data)
        given.is_valid(raise_exception=True)
        made = authoring.create_engagement(given.validated_data, user=request.user, now=timezone.now())
        return self._answer(made, status.HTTP_201_CREATED)

    @extend_schema(request=EngagementIn, responses=EngagementSerializer)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Change the given fields."""
        engagement = self.get_object()
        given = EngagementIn(data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        changed = authoring.update_engagement(engagement, given.validated_data, user=request.user, now=timezone.now())
        return self._answer(changed)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str | None = None) -> Response:
        """Delete a draft; others are ended instead."""
        authoring.delete_engagement(self.get_object(), user=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=EngagementStateIn, responses=EngagementSerializer)
    @action(detail=True, methods=["post"])
    def state(self, request: Request, pk: str | None = None) -> Response:
        """Start, pause, go on with or end it."""
        engagement = self.get_object()
        given = EngagementStateIn(data=request.data)
        given.is_valid(raise_exception=True)
        return self._answer(
            authoring.set_state(engagement, given.validated_data["state"], user=request.user, now=timezone.now())
        )

    @extend_schema(request=None, responses={201: EngagementSerializer})
    @action(detail=True, methods=["post"])
    def copy(self, request: Request, pk: str | None = None) -> Response:
        """A new draft with the same content."""
        made = authoring.copy_engagement(self.get_object(), user=request.user, now=timezone.now())
        return self._answer(made, status.HTTP_201_CREATED)

    @extend_schema(parameters=WHO, responses=EngagementSeenSerializer(many=True))
    @action(detail=True, methods=["get"])
    def views(self, request: Request, pk: str | None = None) -> Response:
        """Who saw it, and what they did."""
        given = {name: request.query_params.get(name, "")[:100] for name in ("q", "action")}
        page = self.paginate_queryset(queries.find_views(self.get_object(), **given))
        rows = EngagementSeenSerializer(page, many=True, context=self.get_serializer_context())
        return self.get_paginated_response(rows.data)

    @extend_schema(
        parameters=[OpenApiParameter("by", str, required=True, description="Key of an attribute of customers")],
        responses=OpenApiTypes.OBJECT,
    )
    @action(detail=True, methods=["get"])
    def slice(self, request: Request, pk: str | None = None) -> Response:
        """The figures by an attribute of the customer, such as one pulled from Salesforce; at most 50 values."""  # PX-34
        engagement, known = self.get_object(), {each.key: each for each in queries.attributes_to_slice_by()}
        attribute = known.get(request.query_params.get("by", ""))
        if attribute is None:
            raise ValidationError({"by": [f"Must be the key of an attribute of customers: {', '.join(known) or 'none yet'}."]})
        parts = queries.slice_by(engagement, attribute)
        return Response({"by": attribute.key, "results": [{"value": each.value, **asdict(each.counts)} for each in parts]})

    @extend_schema(request=EngagementIn, responses=OpenApiTypes.OBJECT)
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """What the browser would get, with invented values; nothing is saved."""
        given = EngagementIn(data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        engagement = Engagement(**given.validated_data)
        example = facts.example_facts(showing.names_of(engagement), attributes=facts.known_attributes())
        return Response({"message": showing.message_of(engagement, facts=example)})

    @extend_schema(request=EngagementFromTemplateIn, responses={201: EngagementSerializer})
    @action(detail=False, methods=["post"], url_path="from-template")
    def from_template(self, request: Request) -> Response:
        """A draft and its segment from a template."""  # PX-40
        given = EngagementFromTemplateIn(data=request.data)
        given.is_valid(raise_exception=True)
        made = templates.from_template(
            given.validated_data["template"], attribute=given.validated_data.get("attribute", ""), user=request.user,
            now=timezone.now(),
        )  # fmt: skip
        return self._answer(made, status.HTTP_201_CREATED)

    def _answer(self, engagement: Engagement, code: int = status.HTTP_200_OK) -> Response:
        found = queries.with_counts(Engagement.objects.filter(pk=engagement.pk)).get()
        return Response(EngagementSerializer(found, context=self.get_serializer_context()).data, status=code)
