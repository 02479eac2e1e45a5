"""API of objectives, departments and periods."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from okr import objectives, queries
from okr.api.shapes import DepartmentSerializer, ObjectiveIn, ObjectiveSerializer, PeriodSerializer
from okr.api.views import OkrViewSet, numbers_in
from okr.models import Department, Objective, Period

FILTERS = [
    OpenApiParameter("q", str, description="Text in the title of the objective or of a key result."),
    OpenApiParameter("owner", int), OpenApiParameter("department", int), OpenApiParameter("period", int),
    OpenApiParameter("status", str, enum=["on_track", "at_risk", "off_track", "stale", "linked", "manual", "archived"]),
]  # fmt: skip


@extend_schema(tags=["objectives"])
class ObjectiveViewSet(OkrViewSet):
    """`/api/v1/objectives/`: with key results and rolled-up progress."""

    serializer_class = ObjectiveSerializer
    queryset = Objective.objects.none()

    def get_queryset(self) -> Any:
        return Objective.objects.select_related("owner", "department", "period", "parent")

    @extend_schema(parameters=FILTERS, responses=ObjectiveSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Objectives that are not archived (unless `status=archived`), by title."""
        given = request.query_params
        numbers: dict[str, Any] = numbers_in(request, "owner", "department", "period")
        found = queries.find_objectives(q=given.get("q", "")[:200], status=given.get("status", ""), **numbers)
        rows = queries.rows_of(self.paginate_queryset(found) or [])
        return self.get_paginated_response(ObjectiveSerializer(rows, many=True).data)

    def retrieve(self, request: Request, pk: str | None = None) -> Response:
        """One objective."""
        return self._answer(self.get_object())

    @extend_schema(request=ObjectiveIn, responses={201: ObjectiveSerializer})
    def create(self, request: Request) -> Response:
        """A new objective, for a person or a department."""
        given = ObjectiveIn(data=request.data)
        given.is_valid(raise_exception=True)
        made = objectives.create_objective(**given.validated_data, user=request.user, now=timezone.now())
        return self._answer(made, status.HTTP_201_CREATED)

    @extend_schema(request=ObjectiveIn, responses=ObjectiveSerializer)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Change the given fields; assigning is changing `owner` or `department`."""
        objective = self.get_object()
        given = ObjectiveIn(objective, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        changes = {name: value for name, value in given.validated_data.items() if name in request.data}
        return self._answer(objectives.update_objective(objective, changes=changes, user=request.user, now=timezone.now()))

    @extend_schema(request=None, responses=ObjectiveSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str | None = None) -> Response:
        """Take it out of the lists; its links stop refreshing."""
        return self._answer(objectives.archive_objective(self.get_object(), user=request.user, now=timezone.now()))

    @extend_schema(request=None, responses=ObjectiveSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str | None = None) -> Response:
        """Bring it back."""
        return self._answer(objectives.restore_objective(self.get_object(), user=request.user, now=timezone.now()))

    def _answer(self, objective: Objective, code: int = status.HTTP_200_OK) -> Response:
        found = get_object_or_404(self.get_queryset(), pk=objective.pk)
        return Response(ObjectiveSerializer(queries.rows_of([found])[0]).data, status=code)


@extend_schema(tags=["objectives"])
class DepartmentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OkrViewSet):
    """`/api/v1/departments/`"""

    serializer_class = DepartmentSerializer
    queryset = Department.objects.all()
    write_role = "operator"

    @extend_schema(request=DepartmentSerializer, responses={201: DepartmentSerializer})
    def create(self, request: Request) -> Response:
        """A new department; operators and admins."""
        given = DepartmentSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        made = objectives.create_department(**given.validated_data, user=request.user)
        return Response(DepartmentSerializer(made).data, status=status.HTTP_201_CREATED)


@extend_schema(tags=["objectives"])
class PeriodViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OkrViewSet):
    """`/api/v1/periods/`"""

    serializer_class = PeriodSerializer
    queryset = Period.objects.all()
    write_role = "operator"

    @extend_schema(request=PeriodSerializer, responses={201: PeriodSerializer})
    def create(self, request: Request) -> Response:
        """A new period; operators and admins."""
        given = PeriodSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        made = objectives.create_period(**given.validated_data, user=request.user)
        return Response(PeriodSerializer(made).data, status=status.HTTP_201_CREATED)
