"""API of mappings: read, save, compare, take back, try out; fields and objects to choose from; pause; synchronize now.

`PUT /api/v1/mappings/ID/` takes the JSON that `export/` gives, so that a mapping can be carried from one connection to another;
whatever does not fit is answered with 400, all problems at once, each with its path (R-281).
"""

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import Refusal
from integrations.audit import address_of
from integrations.models import Entity, Mapping, Run, SalesforceOrg
from integrations.salesforce.errors import SalesforceError
from integrations.sync.mapping import catalogue, facts, files, objects, preview, synchronize, versions
from integrations.sync.mapping.body import PULL, PUSH, MappingBody, read_body, write_body
from integrations.sync.mapping.problems import ProblemsFound
from integrations.sync.mapping.schedule import explain_timing
from integrations.sync.mapping.suggest import suggest_pairs
from integrations.sync.mapping.targets import offered, target_fields

VERSION = OpenApiParameter("version", int, description="Number of a version; the one in force if left out.")
DIRECTION = OpenApiParameter("direction", str, enum=[PULL, PUSH], description="pull (default) or push")


class RawJson(BaseParser):
    """The body as sent, so that malformed JSON is answered with its place."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> bytes:
        return stream.read(files.MOST_BYTES + 1)


class MappingSerializer(serializers.ModelSerializer):
    """A mapping without its body."""

    connection = serializers.CharField(source="org.name", read_only=True)
    entity = serializers.CharField(read_only=True)
    state = serializers.CharField(read_only=True, help_text="draft, active or paused")
    object = serializers.SerializerMethodField()

    class Meta:
        model = Mapping
        fields = [
            "id", "org", "connection", "entity", "object", "state", "reason", "paused_by_drift", "set_aside", "version",
            "updated_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.CharField())
    def get_object(self, mapping: Mapping) -> str:
        """The Salesforce object that stands for the entity."""
        bodies: dict[int, str] = self.context.get("objects", {})
        return bodies[mapping.pk] if mapping.pk in bodies else versions.body_of(mapping).object


class MappingDetail(MappingSerializer):
    """A mapping with the body in force."""

    body = serializers.SerializerMethodField()
    timing = serializers.SerializerMethodField()

    class Meta(MappingSerializer.Meta):
        fields = [*MappingSerializer.Meta.fields, "body", "timing"]
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_body(self, mapping: Mapping) -> dict[str, Any]:
        """Rules and field pairs."""
        return write_body(versions.body_of(mapping))

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_timing(self, mapping: Mapping) -> dict[str, Any]:
        """Next fetch, mapping and push (UTC), and when what is fetched next is first pushed."""  # PX-D1
        return asdict(explain_timing(now=timezone.now()))


class OpenMapping(serializers.Serializer):
    """Whose mapping to begin."""

    org = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all())
    entity = serializers.ChoiceField(Entity.choices)


class ChangeState(serializers.Serializer):
    """Pause or resume."""

    state = serializers.CharField(help_text="active or paused")
    reason = serializers.CharField(required=False, allow_blank=True, max_length=500)

    def validate_state(self, state: str) -> str:
        if state not in (Mapping.State.ACTIVE, Mapping.State.PAUSED):
            raise serializers.ValidationError("Must be active or paused.")
        return state


class ChangeObject(serializers.Serializer):
    """Another object for the entity; without `confirmed` the answer is 409 with what it would reset."""

    object = serializers.CharField(max_length=80)
    confirmed = serializers.BooleanField(default=False)


class Revert(serializers.Serializer):
    """The version whose body comes back."""

    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class Synchronize(serializers.Serializer):
    """The connection to synchronize."""

    org = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all())


@extend_schema(tags=["mappings"])
class MappingViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """`/api/v1/mappings/`: scope `mappings`; analysts read, operators change."""

    scope, role, write_role = "mappings", "analyst", "operator"
    serializer_class = MappingDetail
    queryset = Mapping.objects.select_related("org").order_by("org__name", "entity")
    filter_backends: list[Any] = []
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> Any:
        found = super().get_queryset()
        org = self.request.query_params.get("org", "")
        if org and not (org.isascii() and org.isdigit() and len(org) < 19):
            raise ValidationError({"org": ["A whole number is needed."]})
        return found.filter(org_id=int(org)) if org else found

    def handle_exception(self, exc: Exception) -> Response:
        """Problems of a body become 400 with their paths; what Salesforce refuses becomes 409 with its words."""
        if isinstance(exc, ProblemsFound):
            error = {"code": "invalid", "message": "The mapping has problems; nothing was changed.", "fields": exc.by_path()}
            return Response({"error": {**error, "problems": versions.list_problems(exc)}}, status=status.HTTP_400_BAD_REQUEST)
        if isinstance(exc, SalesforceError) and not isinstance(exc, Refusal):
            exc = Refusal(exc.code or "salesforce", f"Salesforce could not be asked: {exc.message}")
        return super().handle_exception(exc)

    def get_serializer_class(self) -> Any:
        return MappingSerializer if self.action == "list" else MappingDetail

    @extend_schema(parameters=[OpenApiParameter("org", int, description="Number of a connection.")])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All mappings, or those of one connection."""
        page = self.paginate_queryset(self.get_queryset()) or []
        found = {each.mapping_id: each.body.get("object", "") for each in facts.newest_versions(page)}
        return self.get_paginated_response(MappingSerializer(page, many=True, context={"objects": found}).data)

    @extend_schema(request=OpenMapping, responses={200: MappingDetail, 201: MappingDetail})
    def create(self, request: Request) -> Response:
        """The mapping of an entity: 200 with the one that there is, or 201 with a new draft."""
        given = OpenMapping(data=request.data)
        given.is_valid(raise_exception=True)
        org, entity = given.validated_data["org"], given.validated_data["entity"]
        mapping, is_new = versions.begin_mapping(org, entity, now=timezone.now())
        return Response(MappingDetail(mapping).data, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)

    @extend_schema(
        request=OpenApiTypes.OBJECT, responses=MappingDetail,
        parameters=[OpenApiParameter("note", str), OpenApiParameter("expected_version", int)],
    )  # fmt: skip
    def update(self, request: Request, pk: str | None = None) -> Response:
        """Save the body as the next version and put it in force. 400 names every problem, 409 a version saved meanwhile."""
        mapping = self.get_object()
        body = files.read_file(_raw(request), entity=mapping.entity)
        versions.save_version(
            mapping, body, user=request.user, now=timezone.now(), note=request.query_params.get("note", ""),
            expected=number_in(request, "expected_version"), address=address_of(request),
        )  # fmt: skip
        return Response(MappingDetail(mapping).data)

    def get_parsers(self) -> Any:
        """A file is read as it was sent."""
        asked = getattr(self, "request", None)
        return [RawJson()] if asked is not None and asked.method == "PUT" else super().get_parsers()

    @extend_schema(parameters=[VERSION], responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def export(self, request: Request, pk: str | None = None) -> Response:
        """The body as a file that `PUT` takes."""
        return Response(files.export_mapping(self.get_object(), number_in(request, "version")))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def versions(self, request: Request, pk: str | None = None) -> Response:
        """All versions, newest first, each with what it changed."""
        mapping = self.get_object()
        rows = versions.versions_of(mapping)
        bodies: dict[int, MappingBody] = {row.number: read_body(row.body, entity=mapping.entity) for row in rows}
        page = self.paginate_queryset(rows) or []  # pyright: ignore[reportArgumentType]
        return self.get_paginated_response([_version(row, bodies, mapping) for row in page])

    @extend_schema(request=Revert, responses=MappingDetail)
    @action(detail=True, methods=["post"])
    def revert(self, request: Request, pk: str | None = None) -> Response:
        """Put an earlier body in force again, as a new version."""
        given = Revert(data=request.data)
        given.is_valid(raise_exception=True)
        mapping = self.get_object()
        number = given.validated_data["version"]
        versions.revert(mapping, number, user=request.user, now=timezone.now(), address=address_of(request))
        return Response(MappingDetail(mapping).data)

    @extend_schema(request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT, parameters=[OpenApiParameter("rows", int)])
    @action(detail=True, methods=["post"], parser_classes=[RawJson])
    def preview(self, request: Request, pk: str | None = None) -> Response:
        """What the body (or, with an empty request, the one in force) does to a few real rows. Saves nothing."""
        mapping = self.get_object()
        raw = _raw(request)
        body = files.read_file(raw, entity=mapping.entity) if raw.strip() else versions.body_of(mapping)
        rows = number_in(request, "rows") or preview.USUAL
        return Response(asdict(preview.preview(mapping, body, rows, now=timezone.now())))

    @extend_schema(
        parameters=[DIRECTION, OpenApiParameter("source", str), OpenApiParameter("all", bool)], responses=OpenApiTypes.OBJECT
    )
    @action(detail=True)
    def targets(self, request: Request, pk: str | None = None) -> Response:
        """Salesforce fields to choose from for a direction (and a product field); `all=true` adds the others and why not."""
        _, body, known = self._known()
        source = _source_in(request, known)
        fields = target_fields(known.info, prefix=body.prefix, direction=_direction_in(request), source=source)
        if request.query_params.get("all") != "true":
            fields = offered(fields)
        return Response([asdict(each) for each in fields])

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def sources(self, request: Request, pk: str | None = None) -> Response:
        """Product fields: columns, attributes, KPIs."""
        mapping = self.get_object()
        return Response([asdict(each) for each in catalogue.source_fields(mapping.org, mapping.entity)])

    @extend_schema(parameters=[DIRECTION], responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def suggest(self, request: Request, pk: str | None = None) -> Response:
        """New pairs by name for a direction; nothing is saved."""
        _, body, known = self._known()
        pairs = suggest_pairs(
            known.sources.values(), known.info, prefix=body.prefix, direction=_direction_in(request), existing=body.pairs
        )
        return Response([{**vars(each), "values": {}} for each in pairs])

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def objects(self, request: Request, pk: str | None = None) -> Response:
        """Objects that may stand for the entity: the standard one and custom objects."""
        mapping = self.get_object()
        found = facts.objects_for(mapping.org, mapping.entity)
        return Response([{"name": name, "label": label} for name, label in found])

    @extend_schema(request=ChangeObject, responses=MappingDetail)
    @action(detail=True, methods=["post"], url_path="object")
    def change_object(self, request: Request, pk: str | None = None) -> Response:
        """Let another object stand for the entity; resets rules, pairs and links."""  # PX-D12
        given = ChangeObject(data=request.data)
        given.is_valid(raise_exception=True)
        mapping = self.get_object()
        objects.change_object(
            mapping, given.validated_data["object"], confirmed=given.validated_data["confirmed"], user=request.user,
            now=timezone.now(), address=address_of(request),
        )  # fmt: skip
        return Response(MappingDetail(mapping).data)

    @extend_schema(request=ChangeState, responses=MappingDetail)
    @action(detail=True, methods=["post"])
    def state(self, request: Request, pk: str | None = None) -> Response:
        """Pause or resume."""
        given = ChangeState(data=request.data)
        given.is_valid(raise_exception=True)
        mapping, reason = self.get_object(), given.validated_data.get("reason", "")
        versions.set_state(
            mapping, given.validated_data["state"], user=request.user, now=timezone.now(), reason=reason,
            address=address_of(request),
        )  # fmt: skip
        return Response(MappingDetail(mapping).data)

    @extend_schema(request=Synchronize, responses={202: OpenApiTypes.OBJECT})
    @action(detail=False, methods=["post"])
    def synchronize(self, request: Request) -> Response:
        """Fetch, map and push in a row; 409 while that is going on."""  # PX-17
        given = Synchronize(data=request.data)
        given.is_valid(raise_exception=True)
        run = synchronize.synchronize(
            given.validated_data["org"], user=request.user, now=timezone.now(), trigger=Run.Trigger.API,
            address=address_of(request),
        )  # fmt: skip
        return Response({"run": run.pk, "state": run.state}, status=status.HTTP_202_ACCEPTED)

    def _known(self) -> tuple[Mapping, MappingBody, Any]:
        """Mapping, body in force and what exists; 409 when the object cannot be seen."""
        mapping = self.get_object()
        body = versions.body_of(mapping)
        known = facts.know_object(mapping.org, mapping.entity, body.object)
        if known.info is None:
            raise Refusal("unknown_object", f"Salesforce has no object {body.object}, or the connected user cannot see it.")
        return mapping, body, known


def _raw(request: Request) -> bytes:
    """The body as sent; nothing at all is an empty one."""
    data: Any = request.data
    return data if isinstance(data, bytes) else b""


def _version(row: Any, bodies: dict[int, MappingBody], mapping: Mapping) -> dict[str, Any]:
    before = bodies.get(row.number - 1) or versions.body_of(mapping, 0)
    return {
        "number": row.number, "note": row.note, "saved_at": row.saved_at,
        "saved_by": row.saved_by.get_username() if row.saved_by else "",
        "changes": [asdict(each) for each in versions.compare(before, bodies[row.number])],
    }  # fmt: skip


def _direction_in(request: Request) -> str:
    direction = request.query_params.get("direction") or PULL
    if direction not in (PULL, PUSH):
        raise ValidationError({"direction": ["Must be pull or push."]})
    return direction


def _source_in(request: Request, known: Any) -> Any:
    key = request.query_params.get("source", "")
    if key and key not in known.sources:
        raise ValidationError({"source": [f"There is no product field {key[:80]}."]})
    return known.sources.get(key)


def number_in(request: Request, name: str) -> int | None:
    """A whole number of the query string; None when it is not given, 400 when it is something else (R-282)."""
    text = request.query_params.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise ValidationError({name: ["A whole number is needed."]})
    return int(text)
