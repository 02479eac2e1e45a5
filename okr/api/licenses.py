"""API of seats: the same limits and the same refusals as the page (S-074)."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from okr import licenses, queries
from okr.api.shapes import Grant, LicenseEventSerializer, LicenseSerializer, Pool, Release, SeatsSerializer
from okr.api.views import OkrViewSet, connection_in
from okr.models import License, LicenseEvent

CONNECTION = OpenApiParameter("connection", int, required=True, description="Number of the connection.")


@extend_schema(tags=["licenses"])
class LicenseViewSet(OkrViewSet):
    """`/api/v1/licenses/`: everybody sees who can link; operators assign and release; admins size the pool."""

    serializer_class = LicenseSerializer
    queryset = License.objects.none()
    write_role = "operator"

    def get_queryset(self) -> Any:
        return License.objects.select_related("org", "user", "granted_by")

    @extend_schema(parameters=[CONNECTION, OpenApiParameter("q", str)], responses=LicenseSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Seats that active people hold."""
        held = queries.seats_held(connection_in(request), q=request.query_params.get("q", "")[:100])
        return self.get_paginated_response(LicenseSerializer(self.paginate_queryset(held), many=True).data)

    @extend_schema(request=Grant, responses={201: LicenseSerializer})
    def create(self, request: Request) -> Response:
        """Assign a seat; without a free one 409 `no_seat_left`."""  # BW-D1
        given = Grant(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        made = licenses.grant_license(values["connection"], user=values["user"], actor=request.user, now=timezone.now())
        return Response(LicenseSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str | None = None) -> Response:
        """Take one seat back; links made with it keep refreshing."""  # BW-D3
        held = self.get_object()
        licenses.release_license(held.org, user=held.user, actor=request.user, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=Release, responses=SeatsSerializer)
    @action(detail=False, methods=["post"])
    def release(self, request: Request) -> Response:
        """Take several seats back at once."""
        given = Release(data=request.data)
        given.is_valid(raise_exception=True)
        org = given.validated_data["connection"]
        licenses.release_licenses(org, users=given.validated_data["users"], actor=request.user, now=timezone.now())
        return Response(SeatsSerializer(licenses.seats_of(org)).data)

    @extend_schema(parameters=[CONNECTION], responses=SeatsSerializer)
    @action(detail=False, methods=["get"])
    def pool(self, request: Request) -> Response:
        """Use of the pool."""
        return Response(SeatsSerializer(licenses.seats_of(connection_in(request))).data)

    @extend_schema(request=Pool, responses=SeatsSerializer)
    @pool.mapping.put
    def change_pool(self, request: Request) -> Response:
        """Size the pool; admins only, never below its use."""
        given = Pool(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        seats = licenses.change_pool(values["connection"], seats=values["seats"], actor=request.user, now=timezone.now())
        return Response(SeatsSerializer(seats).data)

    @extend_schema(parameters=[CONNECTION], responses=LicenseEventSerializer(many=True))
    @action(detail=False)
    def history(self, request: Request) -> Response:
        """Granted, released, freed, pool changed; newest first."""
        events = LicenseEvent.objects.filter(org=connection_in(request)).select_related("actor")
        return self.get_paginated_response(LicenseEventSerializer(self.paginate_queryset(events), many=True).data)
