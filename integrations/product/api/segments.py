"""API of segments: list, make, change, archive, count and read members; try conditions out; what conditions may name.

Scope `product`; analysts read and make their own, operators change all. Conditions are a tree of
`{"all": [...]}` or `{"any": [...]}` with conditions `{"field", "op", "value"}`, as docs/segments.md explains.
"""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import Refusal
from integrations.api.customers import ExactJson
from integrations.audit import address_of
from integrations.lake.failures import EngineError
from integrations.masking import hide_name, hide_people, may_see_people
from integrations.models import Customer, EndUser, Entity
from integrations.paging import Pages
from integrations.product.models.segments import Segment
from integrations.product.segments import asking, fresh, saving
from integrations.product.segments.asking import Question
from integrations.product.segments.conditions import CycleFound, read_tree, say_tree
from integrations.product.segments.counting import count_segment, problem_of
from integrations.product.segments.fieldtypes import OPS, Known
from integrations.product.segments.known import know, known_for, words_for
from integrations.product.segments.membership import matches, question_of
from integrations.sync.mapping.problems import ProblemsFound

ENTITY = OpenApiParameter("entity", str, enum=Entity.values, description="customer or end_user")
SAMPLE = 10


class SegmentSerializer(serializers.ModelSerializer):
    """A segment. `members` is as of `counted_at`; `problem` says why it cannot be counted."""

    conditions = serializers.JSONField(required=False)
    description = serializers.CharField(required=False, allow_blank=True, default="")
    in_words = serializers.SerializerMethodField()
    owner = serializers.CharField(source="owner.username", read_only=True, allow_null=True, default=None)
    archived = serializers.SerializerMethodField()

    class Meta:
        model = Segment
        fields = [
            "id", "name", "description", "entity", "conditions", "in_words", "owner", "archived", "members", "counted_at",
            "problem", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["members", "counted_at", "problem", "created_at", "updated_at"]
        extra_kwargs = {"name": {"validators": []}}

    @extend_schema_field(serializers.CharField())
    def get_in_words(self, segment: Segment) -> str:
        """The conditions as a sentence; empty when they cannot be used."""
        known: Known = self.context["know"](segment.entity)
        try:
            return words_for(self.context["request"].user, say_tree(read_tree(segment.conditions, known), known))
        except ProblemsFound:
            return ""

    @extend_schema_field(serializers.BooleanField())
    def get_archived(self, segment: Segment) -> bool:
        """Whether it is hidden from lists."""
        return segment.archived_at is not None


class SegmentPreviewGiven(serializers.Serializer):
    """Conditions to try out."""

    entity = serializers.ChoiceField(Entity.choices)
    conditions = serializers.JSONField()


class SegmentMemberSerializer(serializers.Serializer):
    """A member; names of end users are initials for roles that may not see people."""

    id = serializers.IntegerField()
    external_id = serializers.CharField()
    name = serializers.CharField()
    customer = serializers.CharField(allow_null=True)


class SegmentPreviewSerializer(serializers.Serializer):
    """How many fulfil the conditions, of how many, and the first by name."""

    members = serializers.IntegerField()
    of = serializers.IntegerField()
    in_words = serializers.CharField()
    sample = SegmentMemberSerializer(many=True)


class SegmentFieldSerializer(serializers.Serializer):
    """Something that conditions may name. `from_salesforce` marks attributes that hold a Salesforce value."""  # PX-34

    key = serializers.CharField()
    label = serializers.CharField()
    type = serializers.CharField()
    group = serializers.CharField()
    description = serializers.CharField()
    from_salesforce = serializers.BooleanField(source="pulled")
    operators = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_operators(self, field: Any) -> list[dict[str, str]]:
        """Names, words and shapes of values."""
        return [{"op": each.name, "label": each.label, "value": each.shape} for each in OPS[field.type]]


@extend_schema(tags=["segments"])
class SegmentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """`/api/v1/segments/`."""

    scope, role, write_role = "product", "analyst", "analyst"
    serializer_class = SegmentSerializer
    parser_classes = [ExactJson]
    pagination_class = Pages
    queryset = Segment.objects.select_related("owner").order_by("name", "id")
    filter_backends: list[Any] = []
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> Any:
        found, given = super().get_queryset(), self.request.query_params
        if self.action == "list":
            found = found.filter(archived_at__isnull=given.get("archived", "").lower() not in ("true", "1"))
            if given.get("entity") in Entity.values:
                found = found.filter(entity=given["entity"])
        return found

    def get_serializer_context(self) -> dict[str, Any]:
        """The usual context and `know`, which reads what may be named once a request."""
        known: dict[str, Known] = {}

        def once(entity: str) -> Known:
            if entity not in known:
                known[entity] = know(entity)
            return known[entity]

        return {**super().get_serializer_context(), "know": once}

    @extend_schema(parameters=[ENTITY, OpenApiParameter("archived", bool, description="Only archived ones")])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """By name, paged; archived ones on request."""
        return super().list(request, *args, **kwargs)

    @extend_schema(responses={201: SegmentSerializer})
    def create(self, request: Request) -> Response:
        """Make a segment. 400 tells everything that is wrong, each with its place."""
        return self._save(None, request, status.HTTP_201_CREATED)

    @extend_schema(responses=SegmentSerializer)
    def partial_update(self, request: Request, pk: str = "") -> Response:
        """Change name, description or conditions; the entity stays. With `updated_at` as you read it: 409 `changed_meanwhile`
        when somebody saved in between; without it the last one wins."""
        return self._save(self.get_object(), request, status.HTTP_200_OK)

    @extend_schema(responses=SegmentSerializer)
    def update(self, request: Request, pk: str = "") -> Response:
        """The same; what is left out stays."""
        return self._save(self.get_object(), request, status.HTTP_200_OK)

    def _save(self, segment: Segment | None, request: Request, done: int) -> Response:
        given = request.data
        if not isinstance(given, dict):
            raise ValidationError({"body": ["Send an object with name, entity and conditions."]})
        allowed = ("name", "description", "entity", "conditions", *(("updated_at",) if segment is not None else ()))
        if unknown := sorted(str(each)[:80] for each in set(given) - set(allowed)):
            raise ValidationError({each: [f"Unknown field. Known: {', '.join(allowed)}."] for each in unknown})
        if segment is not None and given.get("entity", segment.entity) != segment.entity:
            raise ValidationError({"entity": ["The entity of a segment does not change; make another segment."]})
        for name in ("name", "description", "entity", "updated_at"):
            if not isinstance(given.get(name, ""), str):
                raise ValidationError({name: ["Must be a text."]})
        try:
            saved = saving.save_segment(
                segment, name=given.get("name", segment.name if segment else ""), entity=given.get("entity", ""),
                description=given.get("description", segment.description if segment else ""),
                conditions=given.get("conditions", segment.conditions if segment else {"all": []}), user=request.user,
                now=timezone.now(), address=address_of(request._request), version=given.get("updated_at", ""),
            )  # fmt: skip
        except ProblemsFound as error:
            raise ValidationError(error.by_path()) from error
        return Response(self.get_serializer(saved).data, status=done)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str = "") -> Response:
        """Archive: lists hide it, what uses it goes on."""
        saving.archive(self.get_object(), user=request.user, now=timezone.now(), address=address_of(request._request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=SegmentSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str = "") -> Response:
        """Bring an archived segment back."""
        found = saving.restore(self.get_object(), user=request.user, now=timezone.now(), address=address_of(request._request))
        return Response(self.get_serializer(found).data)

    @extend_schema(request=None, responses=SegmentSerializer)
    @action(detail=True, methods=["post"])
    def count(self, request: Request, pk: str = "") -> Response:
        """Count the members now and keep the number for the day."""
        segment, now = self.get_object(), timezone.now()
        fresh.freshen(now=now)
        _usable(lambda: count_segment(segment, now=now))
        return Response(self.get_serializer(segment).data)

    @extend_schema(responses=SegmentMemberSerializer(many=True))
    @action(detail=True, methods=["get"])
    def members(self, request: Request, pk: str = "") -> Response:
        """The members by id, paged with `page` and `page_size`."""
        segment, now = self.get_object(), timezone.now()
        fresh.freshen(now=now)
        ids = _usable(lambda: asking.member_ids(question_of(segment), now=now)).column("id").to_pylist()
        page = self.paginate_queryset(ids)
        return self.get_paginated_response(members_of(segment.entity, page or [], people=self._people))

    @extend_schema(
        parameters=[OpenApiParameter("external_id", str, required=True, description="Of the customer or end user")],
        responses={200: OpenApiTypes.OBJECT},
    )
    @action(detail=True, methods=["get"])
    def check(self, request: Request, pk: str = "") -> Response:
        """Whether one record is in the segment now; a segment of customers may be asked about a customer only."""
        segment = self.get_object()
        model: Any = Customer if segment.entity == Entity.CUSTOMER else EndUser
        wanted = request.query_params.get("external_id", "").replace("\0", "")
        record = model.objects.filter(external_id=wanted).first()
        if record is None:
            raise ValidationError({"external_id": [f"There is no {segment.get_entity_display().lower()} with this id."]})
        return Response({"external_id": wanted, "member": matches(segment, record, now=timezone.now())})

    @extend_schema(request=SegmentPreviewGiven, responses=SegmentPreviewSerializer)
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Try conditions out: nothing is saved."""
        given = SegmentPreviewGiven(data=request.data)
        given.is_valid(raise_exception=True)
        entity, now = given.validated_data["entity"], timezone.now()
        known = known_for(request.user, entity)
        fresh.freshen(now=now)
        tree = _usable(lambda: saving.checked_tree(None, entity, given.validated_data["conditions"], known=known))
        page = _usable(
            lambda: asking.read_page(Question(know(entity), (tree,), sort="name"), (), first=0, rows=SAMPLE, now=now)
        )
        everyone = asking.count(Question(known), now=now)
        sample = members_of(entity, page.ids, people=self._people)
        return Response(
            {
                "members": page.total,
                "of": everyone,
                "in_words": words_for(request.user, say_tree(tree, known)),
                "sample": sample,
            }
        )

    @extend_schema(parameters=[ENTITY], responses=SegmentFieldSerializer(many=True))
    @action(detail=False, methods=["get"])
    def fields(self, request: Request) -> Response:
        """What conditions over an entity may name, with the operators of each."""
        entity = request.query_params.get("entity", Entity.CUSTOMER)
        if entity not in Entity.values:
            raise ValidationError({"entity": [f"Must be one of {', '.join(Entity.values)}."]})
        return Response(SegmentFieldSerializer(known_for(request.user, entity).fields.values(), many=True).data)

    @property
    def _people(self) -> bool:
        return may_see_people(self.request.user)


def members_of(entity: str, ids: Any, *, people: bool) -> list[dict[str, Any]]:
    """Records in the order of their ids, as the API gives them."""
    if entity == Entity.CUSTOMER:
        found: dict[int, Any] = Customer.objects.in_bulk(ids)
        rows = [(found[key], None) for key in ids if key in found]
    else:
        found = {each.pk: each for each in EndUser.objects.filter(pk__in=ids).select_related("customer")}
        rows = [(found[key], found[key].customer.external_id if found[key].customer else None) for key in ids if key in found]
    hides = entity == Entity.END_USER and not people
    return [
        {
            "id": each.pk, "external_id": hide_people(each.external_id) if hides else each.external_id,
            "name": hide_name(each.name) if hides else each.name, "customer": customer,
        }
        for each, customer in rows
    ]  # fmt: skip


def _usable(ask: Any) -> Any:
    """What `ask` gives; 400 with places for conditions that cannot be used, 409 when the engine cannot answer."""
    try:
        return ask()
    except ProblemsFound as error:
        raise ValidationError(error.by_path()) from error
    except CycleFound as error:
        raise ValidationError({"conditions": [problem_of(error)]}) from error
    except EngineError as error:
        raise Refusal("engine", str(error)) from error
