"""API of fields that a mapping is missing in Salesforce: list them with proposals, validate, create."""

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import Refusal
from integrations.audit import address_of
from integrations.models import Mapping, Run
from integrations.salesforce.errors import SalesforceError
from integrations.sync.fields.proposing import TYPES_OF, Proposal
from integrations.sync.fields.requesting import missing_fields, request_fields
from integrations.sync.mapping import versions
from integrations.sync.mapping.problems import ProblemsFound

SHOWN = ("name", "label", "type", "length", "precision", "scale", "help_text", "description")


class CreateFields(serializers.Serializer):
    """Fields to create. Each names its product field (`source`); what is left out is as `missing-fields/` proposes it."""

    fields = serializers.ListField(  # type: ignore[assignment]  the name that the API has
        child=serializers.DictField(),
        help_text="[{source, name, label, type, length, precision, scale, help_text, values, restricted, accept_lossy}, ...]",
    )
    check_only = serializers.BooleanField(default=False, help_text="Let Salesforce validate; nothing is changed.")
    add_lines = serializers.BooleanField(default=True, help_text="Add a line to the mapping for each field afterwards.")


@extend_schema(tags=["mappings"])
class MappingFieldViewSet(viewsets.GenericViewSet):
    """`/api/v1/mappings/ID/missing-fields/` and `create-fields/`: scope `mappings`; analysts read, operators create."""

    scope, role, write_role = "mappings", "analyst", "operator"
    serializer_class = CreateFields
    queryset = Mapping.objects.select_related("org").order_by("pk")
    filter_backends: list[Any] = []
    lookup_value_regex = "[0-9]{1,18}"

    def handle_exception(self, exc: Exception) -> Response:
        """Problems of wishes become 400 with their paths; what Salesforce refuses becomes 409 with its words."""
        if isinstance(exc, ProblemsFound):
            error = {"code": "invalid", "message": "The fields have problems; nothing was created.", "fields": exc.by_path()}
            return Response({"error": {**error, "problems": versions.list_problems(exc)}}, status=status.HTTP_400_BAD_REQUEST)
        if isinstance(exc, SalesforceError) and not isinstance(exc, Refusal):
            exc = Refusal(exc.code or "salesforce", f"Salesforce could not be asked: {exc.message}")
        return super().handle_exception(exc)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, url_path="missing-fields", url_name="missing")
    def missing(self, request: Request, pk: str | None = None) -> Response:
        """Product fields that no line writes yet, each with the field that could be created for it."""
        mapping = self.get_object()
        body = versions.body_of(mapping)
        found = [_shown(each) for each in missing_fields(mapping)]
        return Response({"object": body.object, "prefix": body.prefix, "fields": found})

    @extend_schema(request=CreateFields, responses={202: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["post"], url_path="create-fields", url_name="create")
    def create_fields(self, request: Request, pk: str | None = None) -> Response:
        """Create them with the permission set; the run says what came of each. 409 while another creation is going on."""
        mapping = self.get_object()
        given = CreateFields(data=request.data)
        given.is_valid(raise_exception=True)
        data: dict[str, Any] = given.validated_data  # pyright: ignore[reportAssignmentType]
        run = request_fields(
            mapping, data["fields"], check_only=data["check_only"], add_lines=data["add_lines"], user=request.user,
            now=timezone.now(), trigger=Run.Trigger.API, address=address_of(request._request),
        )  # fmt: skip
        return Response({"run": run.pk, "state": run.state}, status=status.HTTP_202_ACCEPTED)


def _shown(proposal: Proposal) -> dict[str, Any]:
    field = asdict(proposal.field)
    return {
        "source": proposal.source.key, "source_label": proposal.source.label, "source_type": proposal.source.type,
        "group": proposal.source.group, **{key: field[key] for key in SHOWN}, "types": list(TYPES_OF[proposal.source.type]),
        "existing": proposal.existing, "clash": proposal.clash, "pulled": proposal.pulled,
    }  # fmt: skip
