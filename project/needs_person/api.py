"""API of what needs a person: the same list as the home page's, for whom the key or session stands for."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.models import SalesforceOrg
from project.needs_person.asking import Asker
from project.needs_person.listing import read_needs
from project.needs_person.need import WORDS, Need

FILTERS = [
    OpenApiParameter("domain", str, description="Only this domain"),
    OpenApiParameter("urgency", str, enum=list(WORDS.values()), description="Only this urgency"),
]


class NeedSerializer(serializers.Serializer[Need]):
    """One thing that needs a person."""

    kind = serializers.CharField(help_text="Stable code, such as outbox.parked.")
    domain = serializers.CharField()
    urgency = serializers.SerializerMethodField(
        help_text="now (stands still), today (waits for a decision), soon (has a date)."
    )
    title = serializers.CharField()
    body = serializers.CharField()
    count = serializers.IntegerField(help_text="How many things.")
    since = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True, help_text="Date by which it must be done.")
    connection = serializers.CharField(help_text="Name of the connection; empty for none.")
    url = serializers.CharField(help_text="Path of the page of the fix, filtered to the cause.")
    action = serializers.CharField(help_text="What is done there, in words.")

    def get_urgency(self, need: Need) -> str:
        """In one word."""
        return WORDS[need.urgency]


class ListingSerializer(serializers.Serializer[Any]):
    """The list, and how old its counted part is."""

    count = serializers.IntegerField()
    counted_at = serializers.DateTimeField(allow_null=True, help_text="When large tables were counted; null: not yet.")
    failed = serializers.ListField(child=serializers.CharField(), help_text="Sources that could not be asked.")
    results = NeedSerializer(many=True)


@extend_schema(tags=["needs"])
class NeedViewSet(viewsets.GenericViewSet):
    """`/api/v1/needs/`: what this person can act on, the most urgent first."""

    scope, role = "connections", "member"
    serializer_class = ListingSerializer
    filter_backends: list[Any] = []
    pagination_class = None
    queryset = SalesforceOrg.objects.none()  # only for the API's description

    @extend_schema(parameters=FILTERS, responses=ListingSerializer)
    def list(self, request: Request) -> Response:
        """Everything at once: the list is short by nature."""
        listing = read_needs(Asker(request.user, timezone.now()))
        domain, urgency = (request.query_params.get(name, "") for name in ("domain", "urgency"))
        found = [
            each for each in listing.needs
            if (not domain or each.domain == domain) and (not urgency or WORDS[each.urgency] == urgency)
        ]  # fmt: skip
        whole = {"count": len(found), "counted_at": listing.counted_at, "failed": listing.failed, "results": found}
        return Response(ListingSerializer(whole).data)
