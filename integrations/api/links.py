"""API around links: all of them, their journal with undo, contested Salesforce records, traces of Salesforce records."""

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.customers import ORG, ChoiceGiven, LinkEventSerializer, PeopleMixin, RecordLinkSerializer, org_in
from integrations.masking import hide_people
from integrations.models import Customer, EndUser, Entity, LinkEvent, RecordLink
from integrations.sync.matching import duplicates, explain, links, queries

ENTITY = OpenApiParameter("entity", str, enum=list(Entity.values), description="customer (default) or end_user")


def entity_in(request: Request) -> str:
    """The entity that the address names."""
    entity = request.query_params.get("entity", "") or Entity.CUSTOMER
    if entity not in Entity.values:
        raise ValidationError({"entity": ["Must be customer or end_user."]})
    return entity


class FoundRecordLink(RecordLinkSerializer):
    """A link with the record that it belongs to."""

    entity = serializers.CharField(read_only=True)
    external_id = serializers.SerializerMethodField()

    class Meta(RecordLinkSerializer.Meta):
        fields = ["id", "entity", "external_id", *RecordLinkSerializer.Meta.fields]
        read_only_fields = fields

    def get_external_id(self, link: RecordLink) -> str:
        """The product's id of the record."""
        record: Any = link.customer or link.end_user
        shown = link.entity == Entity.CUSTOMER or self.context.get("people")
        return record.external_id if shown else hide_people(record.external_id)


@extend_schema(tags=["links"])
class LinkViewSet(PeopleMixin, mixins.ListModelMixin, viewsets.GenericViewSet):
    """`/api/v1/links/`: links of all records; filter by `org`, `entity`, `state`, `rule`, `salesforce_id`."""

    scope, role, write_role = "customers", "analyst", "operator"
    serializer_class = FoundRecordLink
    queryset = RecordLink.objects.none()
    filter_backends: list[Any] = []

    def get_queryset(self) -> Any:
        given = self.request.query_params
        names = ("entity", "state", "rule", "salesforce_id")
        return queries.find_links(org=org_in(self.request, needed=False), **{name: given.get(name, "") for name in names})

    @extend_schema(parameters=[OpenApiParameter(name, str) for name in ("org", "entity", "state", "rule", "salesforce_id")])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """By id, paged."""
        return super().list(request, *args, **kwargs)


@extend_schema(tags=["links"])
class LinkEventViewSet(PeopleMixin, mixins.ListModelMixin, viewsets.GenericViewSet):
    """`/api/v1/link-events/`: the journal, newest first; an entry can be undone while it is the newest of its record."""

    scope, role, write_role = "customers", "analyst", "operator"
    serializer_class = LinkEventSerializer
    queryset = LinkEvent.objects.none()
    filter_backends: list[Any] = []
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> Any:
        return queries.journal(org=org_in(self.request, needed=False))

    @extend_schema(parameters=[OpenApiParameter("org", int)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Newest first, paged."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=None, responses=LinkEventSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str | None = None) -> Response:
        """Put back what the entry changed; 409 with the reason when that is not possible."""
        made = links.undo(self.get_object(), actor=request.user, now=timezone.now())
        return Response(LinkEventSerializer(made, context=self.get_serializer_context()).data)


@extend_schema(tags=["links"])
class DuplicateViewSet(viewsets.ViewSet):
    """`/api/v1/duplicates/?org=`: Salesforce records that several records are linked to; none is sent before one is chosen."""

    scope, role, write_role = "customers", "operator", "operator"

    @extend_schema(parameters=[ORG, ENTITY], responses=OpenApiTypes.OBJECT)
    def list(self, request: Request) -> Response:
        """Conflicts with their claims, most recently active first, and the winner if there is one."""
        org = org_in(request)
        assert org is not None
        found = duplicates.conflicts(org, entity_in(request))
        return Response({"count": len(found), "results": [asdict(each) for each in found]})

    @extend_schema(request=ChoiceGiven, responses=OpenApiTypes.OBJECT)
    def create(self, request: Request) -> Response:
        """Choose the record that wins."""
        given = ChoiceGiven(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        model = Customer if data["entity"] == Entity.CUSTOMER else EndUser
        record = model.objects.filter(external_id=data["external_id"], erased_at=None).first()
        if record is None:
            raise ValidationError({"external_id": ["There is no record with this external id."]})
        chosen = duplicates.choose_winner(record, org=data["org"], actor=request.user, now=timezone.now())
        return Response(asdict(chosen))


@extend_schema(tags=["links"])
class ExplainViewSet(viewsets.ViewSet):
    """`/api/v1/explain/?org=&salesforce_id=`: which of our records fit a Salesforce record, rule by rule."""

    scope, role, write_role = "customers", "operator", "operator"

    @extend_schema(
        parameters=[ORG, ENTITY, OpenApiParameter("salesforce_id", str, required=True)], responses=OpenApiTypes.OBJECT
    )
    def list(self, request: Request) -> Response:
        """The trace."""
        org, salesforce_id = org_in(request), request.query_params.get("salesforce_id", "")
        if not salesforce_id:
            raise ValidationError({"salesforce_id": ["Is required."]})
        assert org is not None
        return Response(explain.explain_match(salesforce_id, org=org, entity=entity_in(request)).to_json())
