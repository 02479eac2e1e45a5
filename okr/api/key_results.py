"""API of key results: what they are, what feeds them, what was read, what people said."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import Refusal
from okr import check_ins, linking, objectives, queries, refresh
from okr.api.shapes import (
    ActivitySerializer,
    CheckInIn,
    CheckInSerializer,
    KeyResultChange,
    KeyResultIn,
    KeyResultSerializer,
    LinkSerializer,
    LinkTo,
    ReadingSerializer,
    RefreshedSerializer,
)
from okr.api.views import OkrViewSet, numbers_in
from okr.models import KeyResult

FILTERS = [
    OpenApiParameter("q", str), OpenApiParameter("owner", int), OpenApiParameter("objective", int),
    OpenApiParameter("department", int), OpenApiParameter("period", int),
    OpenApiParameter("status", str, description="A confidence, a link status, or stale, linked, manual."),
]  # fmt: skip


@extend_schema(tags=["key results"])
class KeyResultViewSet(OkrViewSet):
    """`/api/v1/key-results/`"""

    serializer_class = KeyResultSerializer
    queryset = KeyResult.objects.none()

    def get_queryset(self) -> Any:
        return KeyResult.objects.select_related(
            "objective__department", "objective__period", "owner", "link__org", "link__linked_by"
        )

    @extend_schema(parameters=FILTERS, responses=KeyResultSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Key results of objectives that are not archived."""
        given = request.query_params
        numbers = numbers_in(request, "owner", "objective", "department", "period")
        found = queries.find_key_results(q=given.get("q", "")[:200], status=given.get("status", ""), **numbers)
        page = self.paginate_queryset(found) or []
        for key_result in page:
            queries.show_connection(queries.link_of(key_result))
        return self.get_paginated_response(KeyResultSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str | None = None) -> Response:
        """One key result."""
        return self._answer(self.get_object())

    @extend_schema(request=KeyResultIn, responses={201: KeyResultSerializer})
    def create(self, request: Request) -> Response:
        """A new key result below an objective."""
        given = KeyResultIn(data=request.data)
        given.is_valid(raise_exception=True)
        values = dict(given.validated_data)
        made = objectives.create_key_result(values.pop("objective"), **values, user=request.user, now=timezone.now())
        return self._answer(made, status.HTTP_201_CREATED)

    @extend_schema(request=KeyResultChange, responses=KeyResultSerializer)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Change the given fields; assigning is changing `owner`, who needs no license."""
        key_result = self.get_object()
        given = KeyResultChange(key_result, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        changes = {name: value for name, value in given.validated_data.items() if name in request.data}
        return self._answer(objectives.update_key_result(key_result, changes=changes, user=request.user, now=timezone.now()))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str | None = None) -> Response:
        """Remove it with its readings; who may edit the objective."""
        objectives.delete_key_result(self.get_object(), user=request.user, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    # --- the link ---

    @extend_schema(responses=LinkSerializer)
    @action(detail=True, methods=["get"])
    def link(self, request: Request, pk: str | None = None) -> Response:
        """What feeds it."""
        return Response(LinkSerializer(self._link()).data)

    @extend_schema(request=LinkTo, responses={201: LinkSerializer})
    @link.mapping.post
    def create_link(self, request: Request, pk: str | None = None) -> Response:
        """Link it to a value of a report; needs a license of the connection."""  # BW-25
        made = linking.link(self.get_object(), **self._choice(request), user=request.user, now=timezone.now())
        return Response(LinkSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=LinkTo, responses=LinkSerializer)
    @link.mapping.put
    def change_link(self, request: Request, pk: str | None = None) -> Response:
        """Point it at another report, field or row; readings so far stay. Needs a license."""
        made = linking.repoint(self.get_object(), **self._choice(request), user=request.user, now=timezone.now())
        return Response(LinkSerializer(made).data)

    @extend_schema(request=None, responses={204: None})
    @link.mapping.delete
    def delete_link(self, request: Request, pk: str | None = None) -> Response:
        """Cut the link; history stays. Needs edit rights only."""
        linking.unlink(self.get_object(), user=request.user, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=RefreshedSerializer)
    @action(detail=True, methods=["post"])
    def refresh(self, request: Request, pk: str | None = None) -> Response:
        """Read the report now; at most once in five minutes and report."""  # BW-D7
        outcome = refresh.refresh_now(self.get_object(), user=request.user, now=timezone.now())
        return Response(RefreshedSerializer(outcome).data)

    # --- what was read and said ---

    @extend_schema(responses=ReadingSerializer(many=True))
    @action(detail=True)
    def readings(self, request: Request, pk: str | None = None) -> Response:
        """History with provenance, newest first."""
        page = self.paginate_queryset(queries.readings_of(self.get_object()))
        return self.get_paginated_response(ReadingSerializer(page, many=True).data)

    @extend_schema(responses=CheckInSerializer(many=True))
    @action(detail=True, url_path="check-ins")
    def check_ins(self, request: Request, pk: str | None = None) -> Response:
        """What people said, newest first."""
        page = self.paginate_queryset(queries.check_ins_of(self.get_object()))
        return self.get_paginated_response(CheckInSerializer(page, many=True).data)

    @extend_schema(request=CheckInIn, responses={201: CheckInSerializer})
    @check_ins.mapping.post
    def create_check_in(self, request: Request, pk: str | None = None) -> Response:
        """A note, a confidence and, where no report speaks, a value."""  # BW-D15
        given = CheckInIn(data=request.data)
        given.is_valid(raise_exception=True)
        made = check_ins.check_in(self.get_object(), **given.validated_data, user=request.user, now=timezone.now())
        return Response(CheckInSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=ActivitySerializer(many=True))
    @action(detail=True)
    def activity(self, request: Request, pk: str | None = None) -> Response:
        """The story: linked, re-pointed, stopped, recovered, changed."""
        page = self.paginate_queryset(queries.activity_of(self.get_object()))
        return self.get_paginated_response(ActivitySerializer(page, many=True).data)

    # --- inside ---

    def _answer(self, key_result: KeyResult, code: int = status.HTTP_200_OK) -> Response:
        found = get_object_or_404(self.get_queryset(), pk=key_result.pk)
        queries.show_connection(queries.link_of(found))
        return Response(KeyResultSerializer(found).data, status=code)

    def _link(self) -> Any:
        found = queries.show_connection(queries.link_of(self.get_object()))
        if found is None:
            raise Refusal("not_linked", "This key result is not linked to a report.")
        return found

    def _choice(self, request: Request) -> dict[str, Any]:
        given = LinkTo(data=request.data)
        given.is_valid(raise_exception=True)
        values = dict(given.validated_data)
        return {"org": values.pop("connection"), "report_id": values.pop("report"), "field_name": values.pop("field"), **values}
