"""API of the reports of a connection: search, fields, rows, a live look. All need a license of the connection."""

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from okr import linking
from okr.api.shapes import FieldsSerializer, FoundSerializer, LookAt, PreviewSerializer
from okr.api.views import OkrViewSet, connection_in, number_in

CONNECTION = OpenApiParameter("connection", int, required=True, description="Number of the connection.")
REPORT = OpenApiParameter("id", OpenApiTypes.STR, OpenApiParameter.PATH, description="Salesforce id of the report.")


@extend_schema(tags=["reports"])
class ReportViewSet(OkrViewSet):
    """`/api/v1/reports/`"""

    lookup_value_regex = "[0-9A-Za-z]{15,18}"
    serializer_class = FoundSerializer
    pagination_class = None

    @extend_schema(
        operation_id="reports_search",
        parameters=[CONNECTION, OpenApiParameter("search", str), OpenApiParameter("page", int)],
        responses=FoundSerializer,
    )
    def list(self, request: Request) -> Response:
        """Reports with the text in name or folder, any case, 20 a page; without a text the latest run first."""
        # BW-28, BW-D13
        text = request.query_params.get("search", "")[:200]
        page = number_in(request, "page") or 1
        return Response(FoundSerializer(linking.search(connection_in(request), text, user=request.user, page=page)).data)

    @extend_schema(parameters=[CONNECTION, REPORT], responses=FieldsSerializer)
    @action(detail=True)
    def fields(self, request: Request, pk: str = "") -> Response:
        """Summary fields with their units, or why there is none. Costs no report run."""  # BW-29, BW-35
        found = linking.describe(connection_in(request), pk, user=request.user, now=timezone.now())
        return Response(FieldsSerializer(found).data)

    @extend_schema(parameters=[CONNECTION, REPORT], responses=PreviewSerializer)
    @action(detail=True)
    def groups(self, request: Request, pk: str = "") -> Response:
        """Rows and columns of the report as it is now. Costs one report run."""  # BW-31
        found = linking.preview(connection_in(request), pk, user=request.user, now=timezone.now())
        return Response(PreviewSerializer(found).data)

    @extend_schema(request=LookAt, parameters=[REPORT], responses=PreviewSerializer)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, pk: str = "") -> Response:
        """The value that a link would read, before linking. Costs one report run."""  # BW-D12
        given = LookAt(data=request.data)
        given.is_valid(raise_exception=True)
        values = dict(given.validated_data)
        found = linking.preview(
            values.pop("connection"), pk, user=request.user, now=timezone.now(), field_name=values.pop("field"), **values
        )
        return Response(PreviewSerializer(found).data)
