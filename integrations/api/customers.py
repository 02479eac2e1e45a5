"""API of customers and end users: send them in batches, find them, link them, and ask why they are linked or not.

`POST /api/v1/customers/` and `/end-users/` take up to 1,000 rows and may be repeated: rows are created or changed by
`external_id`, and each row has its own result. Numbers are kept digit by digit.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from django.core.paginator import Paginator
from django.utils import timezone
from django.utils.functional import cached_property
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, inline_serializer
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ParseError, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.audit import address_of
from integrations.masking import hide_name, hide_people, may_see_people
from integrations.models import Customer, EndUser, Entity, LinkEvent, RecordLink, SalesforceOrg
from integrations.paging import Pages
from integrations.queries import id_in
from integrations.sync.matching import explain, forgetting, links, queries, spine

MOST_ROWS = 1000
SEARCH = [
    OpenApiParameter("search", str, description="Part of external id, name, website or e-mail address"),
    OpenApiParameter("external_id", str, description="Exactly this external id"),
    OpenApiParameter("link", str, enum=queries.LINKS, description="With this kind of link"),
    OpenApiParameter("org", int, description="The connection that `link` is about"),
    OpenApiParameter("sort", str, description="A column; with a minus downwards"),
]
ORG = OpenApiParameter("org", int, required=True, description="The connection")
ROW_RESULT = inline_serializer(
    "RowResult",
    {
        "index": serializers.IntegerField(),
        "external_id": serializers.CharField(),
        "status": serializers.CharField(help_text="created, updated, unchanged or failed"),
        "id": serializers.IntegerField(allow_null=True),
        "errors": serializers.DictField(child=serializers.ListField(child=serializers.CharField())),
    },
    many=True,
)
SAVED = inline_serializer(
    "SaveReport",
    {
        "created": serializers.IntegerField(),
        "updated": serializers.IntegerField(),
        "unchanged": serializers.IntegerField(),
        "failed": serializers.IntegerField(),
        "attributes_made": serializers.ListField(child=serializers.CharField()),
        "rows": ROW_RESULT,
    },
)


class ExactJson(BaseParser):
    """JSON whose numbers keep every digit; NaN and Infinity are refused (R-072)."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """The body; 400 with the place of what is no JSON."""
        try:
            return json.loads(stream.read().decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is no JSON: {str(error)[:200]}") from error


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not a number.")


class RecordLinkSerializer(serializers.ModelSerializer):
    """A record's link in one connection."""

    connection = serializers.CharField(source="org.name", read_only=True)
    state = serializers.CharField(read_only=True, help_text="active, suspended or apart")
    ambiguous = serializers.SerializerMethodField()

    class Meta:
        model = RecordLink
        fields = [
            "org", "connection", "object", "salesforce_id", "rule", "state", "reason", "locked", "wins", "ambiguous",
            "candidates", "candidate_ids", "mapping_version", "linked_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.BooleanField())
    def get_ambiguous(self, link: RecordLink) -> bool:
        """Whether several records fitted (R-100)."""
        return link.candidates > 1


class CustomerSerializer(serializers.ModelSerializer):
    """A customer; `links` holds one entry a connection."""

    links = RecordLinkSerializer(many=True, read_only=True)

    class Meta:
        model = Customer
        fields = [
            "id", "external_id", "name", "website", "attributes", "first_seen_at", "last_seen_at", "created_at", "updated_at",
            "links",
        ]  # fmt: skip
        read_only_fields = fields


class EndUserSerializer(serializers.ModelSerializer):
    """An end user. Roles that may not see people get initials and the ends of addresses."""

    customer = serializers.CharField(source="customer.external_id", read_only=True, allow_null=True, default=None)
    links = RecordLinkSerializer(many=True, read_only=True)

    class Meta:
        model = EndUser
        fields = [
            "id", "external_id", "customer", "name", "email", "phone", "attributes", "first_seen_at", "last_seen_at",
            "created_at", "updated_at", "links",
        ]  # fmt: skip
        read_only_fields = fields

    def to_representation(self, instance: EndUser) -> dict[str, Any]:
        data = super().to_representation(instance)
        if self.context.get("people"):
            return data
        hidden = {key: hide_people(value) if isinstance(value, str) else value for key, value in data["attributes"].items()}
        data |= {name: hide_people(data[name]) for name in ("external_id", "email", "phone")}
        return {**data, "name": hide_name(data["name"]), "phone": data["phone"][-2:], "attributes": hidden}


class LinkEventSerializer(serializers.ModelSerializer):
    """An entry of the link journal."""

    connection = serializers.CharField(source="org.name", read_only=True)
    entity = serializers.CharField(read_only=True, help_text="customer or end_user")
    action = serializers.CharField(read_only=True)
    actor = serializers.CharField(source="actor.username", read_only=True, allow_null=True, default=None)
    external_id = serializers.SerializerMethodField()

    class Meta:
        model = LinkEvent
        fields = [
            "id", "at", "org", "connection", "entity", "external_id", "action", "before_id", "after_id", "rule", "candidates",
            "reason", "actor", "run", "undoes",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.CharField())
    def get_external_id(self, event: LinkEvent) -> str:
        """The product's id of the record."""
        record: Any = event.customer or event.end_user
        shown = event.entity == Entity.CUSTOMER or self.context.get("people")
        return record.external_id if shown else hide_people(record.external_id)


class OrgGiven(serializers.Serializer):
    """The connection that is meant."""

    org = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all())


class LinkGiven(OrgGiven):
    """The connection and the record to link."""

    salesforce_id = serializers.CharField(max_length=18)


class ChoiceGiven(OrgGiven):
    """Which record wins among those that are linked to one Salesforce record."""

    entity = serializers.ChoiceField(Entity.choices)
    external_id = serializers.CharField(max_length=255)


class ErasureGiven(serializers.Serializer):
    """`confirm` repeats the external id: an erasure cannot be undone."""

    confirm = serializers.CharField(max_length=255)
    end_users = serializers.BooleanField(default=False, help_text="Also erase the customer's end users.")


def org_in(request: Request, *, needed: bool = True) -> SalesforceOrg | None:
    """The connection that the address names; 400 when it is missing or does not exist."""
    text = request.query_params.get("org", "")
    if not text and not needed:
        return None
    found = SalesforceOrg.objects.filter(pk=id_in(text) or 0).first()
    if found is None:
        raise ValidationError({"org": ["Name an existing connection by its number."]})
    return found


class KnownCount(Paginator):
    """A paginator that was told how many rows there are: counting a million of them takes longer than showing fifty."""

    total: int | None = None

    @cached_property
    def count(self) -> int:
        """All rows."""
        return super().count if self.total is None else self.total


class RecordPages(Pages):
    """Pages of a view that may know its total."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        total = view.known_total() if hasattr(view, "known_total") else None
        self.django_paginator_class = type("Known", (KnownCount,), {"total": total})
        return super().paginate_queryset(queryset, request, view)


class PeopleMixin:
    """Tells serializers whether the caller may see people; asked once a request."""

    request: Request

    def get_serializer_context(self) -> dict[str, Any]:
        """The usual context and `people`."""
        context = super().get_serializer_context()  # pyright: ignore[reportAttributeAccessIssue]
        return {**context, "people": may_see_people(self.request.user)}


class RecordViewSet(PeopleMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """What customers and end users share. Records are addressed by their external id, percent-encoded; one that holds a
    slash is found by `?external_id=`."""

    scope = "customers"
    parser_classes = [ExactJson]
    pagination_class = RecordPages
    filter_backends: list[Any] = []
    lookup_field, lookup_value_regex = "external_id", "[^/]+"
    entity, plural = Entity.CUSTOMER, "customers"

    def get_object(self) -> Any:
        record = self.get_queryset().filter(external_id=self.kwargs["external_id"].replace("\0", "")).first()
        if record is None:
            raise NotFound("There is no record with this external id.")
        return record

    def save_rows(self, rows: list[Any], *, create_attributes: bool) -> spine.SaveReport:
        """The verb."""
        raise NotImplementedError

    def known_total(self) -> int | None:
        """How many records a list without filters has; None for any other list."""
        given = self.request.query_params
        if self.action != "list" or any(given.get(name) for name in ("search", "link", "external_id", "customer")):
            return None
        return queries.count_records(self.entity)

    @extend_schema(request=OpenApiTypes.OBJECT, responses={200: SAVED, 207: SAVED, 400: SAVED})
    def create(self, request: Request) -> Response:
        """Create or change rows by external id. 207 when some rows failed, 400 when all did; the others are saved."""
        rows, create_attributes = self._rows(request.data)
        report = self.save_rows(rows, create_attributes=create_attributes)
        counts = {name: report.count(name) for name in ("created", "updated", "unchanged", "failed")}
        body = {**counts, "attributes_made": report.attributes_made, "rows": [asdict(each) for each in report.rows]}
        if counts["failed"] == len(rows):
            error = {"code": "rows_failed", "message": "No row could be saved; see the errors of each row."}
            return Response({"error": error, **body}, status=status.HTTP_400_BAD_REQUEST)
        return Response(body, status=status.HTTP_207_MULTI_STATUS if counts["failed"] else status.HTTP_200_OK)

    def _rows(self, data: Any) -> tuple[list[Any], bool]:
        """The rows of a body: a list, one object, or `{"customers": [...], "create_attributes": true}`."""
        options: dict[str, Any] = {}
        if isinstance(data, dict) and self.plural in data:
            options = {key: value for key, value in data.items() if key != self.plural}
            data = data[self.plural]
        elif isinstance(data, dict):
            data = [data]
        if not isinstance(data, list) or not data:
            raise ValidationError({self.plural: ["Send a list of rows, each with an external_id."]})
        if len(data) > MOST_ROWS:
            raise ValidationError({self.plural: [f"Send at most {MOST_ROWS:,} rows a call, not {len(data):,}."]})
        if unknown := sorted(set(options) - {"create_attributes"}):
            raise ValidationError({name: ["Unknown field."] for name in unknown})
        create = options.get("create_attributes", False)
        if not isinstance(create, bool):
            raise ValidationError({"create_attributes": ["Must be true or false."]})
        return data, create

    @extend_schema(request=LinkGiven, responses=RecordLinkSerializer)
    @action(detail=True, methods=["post"])
    def link(self, request: Request, external_id: str = "") -> Response:
        """Link by hand; this wins over all rules."""
        given = _valid(LinkGiven, request)
        made = links.link(
            self.get_object(), org=given["org"], salesforce_id=given["salesforce_id"], actor=request.user, now=timezone.now()
        )
        return Response(RecordLinkSerializer(made).data)

    @extend_schema(request=OrgGiven, responses={204: None})
    @action(detail=True, methods=["post"])
    def unlink(self, request: Request, external_id: str = "") -> Response:
        """Take the link away; rules make no new one until the record is linked or unlocked."""
        links.unlink(self.get_object(), org=_valid(OrgGiven, request)["org"], actor=request.user, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=OrgGiven, responses=RecordLinkSerializer)
    @action(detail=True, methods=["post"])
    def lock(self, request: Request, external_id: str = "") -> Response:
        """Keep the link as it is."""
        held = links.lock(self.get_object(), org=_valid(OrgGiven, request)["org"], actor=request.user, now=timezone.now())
        return Response(RecordLinkSerializer(held).data)

    @extend_schema(request=OrgGiven, responses={200: RecordLinkSerializer, 204: None})
    @action(detail=True, methods=["post"])
    def unlock(self, request: Request, external_id: str = "") -> Response:
        """Let match runs change it again; a record that was kept apart may be matched again (204: it has no link)."""
        freed = links.unlock(self.get_object(), org=_valid(OrgGiven, request)["org"], actor=request.user, now=timezone.now())
        return Response(RecordLinkSerializer(freed).data) if freed else Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(parameters=[ORG], responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def explain(self, request: Request, external_id: str = "") -> Response:
        """Why it is linked or not: each rule, what was compared, how many records fitted."""
        org = org_in(request)
        assert org is not None
        return Response(explain.explain_match(self.get_object(), org=org).to_json())

    @extend_schema(responses=LinkEventSerializer(many=True))
    @action(detail=True)
    def journal(self, request: Request, external_id: str = "") -> Response:
        """What happened to its links, newest first."""
        page = self.paginate_queryset(queries.journal(record=self.get_object()))
        return self.get_paginated_response(LinkEventSerializer(page, many=True, context=self.get_serializer_context()).data)

    @extend_schema(request=ErasureGiven, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def erase(self, request: Request, external_id: str = "") -> Response:
        """Erase for good, everywhere; the same external id is refused from then on."""
        record, given = self.get_object(), _valid(ErasureGiven, request)
        if given["confirm"] != record.external_id:
            raise ValidationError({"confirm": ["Repeat the external id to confirm; this cannot be undone."]})
        gone = forgetting.erase(
            record,
            actor=request.user,
            now=timezone.now(),
            with_end_users=given["end_users"],
            address=address_of(request._request),
        )
        return Response(asdict(gone))


def _valid(kind: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    given = kind(data=request.data)
    given.is_valid(raise_exception=True)
    return given.validated_data


@extend_schema(tags=["customers"])
class CustomerViewSet(RecordViewSet):
    """`/api/v1/customers/`: scope `customers`; members read, operators write, admins erase."""

    serializer_class = CustomerSerializer
    queryset = Customer.objects.none()

    @property
    def role(self) -> str:
        """Who may read."""
        return "member"

    @property
    def write_role(self) -> str:
        """Who may write."""
        return "admin" if self.action == "erase" else "operator"

    def get_queryset(self) -> Any:
        given = self.request.query_params
        org = org_in(self.request, needed=False) if self.action == "list" else None
        texts = ("search", "link", "external_id", "sort") if self.action == "list" else ()
        found = queries.find_customers(org=org, **{name: given.get(name, "") for name in texts})
        return found.prefetch_related("links__org")

    @extend_schema(parameters=SEARCH)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """By id, paged."""
        return super().list(request, *args, **kwargs)

    def save_rows(self, rows: Iterable[Any], *, create_attributes: bool) -> spine.SaveReport:
        return spine.save_customers(rows, now=timezone.now(), create_attributes=create_attributes)


@extend_schema(tags=["end-users"])
class EndUserViewSet(RecordViewSet):
    """`/api/v1/end-users/`: scope `customers`; analysts read with people hidden, operators see and write, admins erase."""

    entity, plural = Entity.END_USER, "end_users"
    serializer_class = EndUserSerializer
    queryset = EndUser.objects.none()

    @property
    def role(self) -> str:
        """Who may read; a trace shows what was compared, which is personal."""
        return "operator" if self.action == "explain" else "analyst"

    @property
    def write_role(self) -> str:
        """Who may write."""
        return "admin" if self.action == "erase" else "operator"

    def get_queryset(self) -> Any:
        given = self.request.query_params
        org = org_in(self.request, needed=False) if self.action == "list" else None
        texts = ("search", "link", "external_id", "customer", "sort") if self.action == "list" else ()
        found = queries.find_end_users(org=org, **{name: given.get(name, "") for name in texts})
        return found.prefetch_related("links__org")

    @extend_schema(parameters=[*SEARCH, OpenApiParameter("customer", str, description="External id of their customer")])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """By id, paged."""
        return super().list(request, *args, **kwargs)

    def save_rows(self, rows: Iterable[Any], *, create_attributes: bool) -> spine.SaveReport:
        return spine.save_end_users(rows, now=timezone.now(), create_attributes=create_attributes)
