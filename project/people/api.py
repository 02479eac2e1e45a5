"""`/api/v1/people/`: people, their roles and domains. The same verbs as the pages, so the same refusals (S-072)."""

from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import DOMAINS
from integrations.audit import address_of
from integrations.fresh import is_fresh
from integrations.models import ApiKey
from project.people import changing
from project.people.changing import NotAllowed, WrongField
from project.people.finding import Person, described, find_people
from project.people.rights import GIVEN, Rights
from project.people.views import STATE, rights_named

FILTERS = [
    OpenApiParameter("search", str, description="Part of a name, username or e-mail address"),
    OpenApiParameter("role", str, enum=[*GIVEN, "domain"]),
    OpenApiParameter("state", str, enum=["", "off", "all"], description="Active people unless said otherwise"),
]


class RightsSerializer(serializers.Serializer):
    """A role, and the domains where the person is an operator besides."""

    role = serializers.ChoiceField(choices=GIVEN)
    domains = serializers.ListField(child=serializers.ChoiceField(choices=list(DOMAINS)), required=False)


class InviteSerializer(RightsSerializer):
    """A new person; other fields are not taken."""

    username = serializers.CharField(max_length=150)
    email = serializers.EmailField(required=False, allow_blank=True)
    first_name = serializers.CharField(max_length=150, required=False, allow_blank=True)
    last_name = serializers.CharField(max_length=150, required=False, allow_blank=True)


class PersonSerializer(serializers.Serializer):
    """What is told about a person."""

    id = serializers.IntegerField(source="user.pk")
    username = serializers.CharField(source="user.username")
    email = serializers.CharField(source="user.email")
    name = serializers.CharField(source="user.get_full_name")
    role = serializers.ChoiceField(choices=GIVEN, source="rights.role")
    domains = serializers.ListField(child=serializers.CharField(), source="rights.domains")
    is_active = serializers.BooleanField(source="user.is_active")
    licenses = serializers.ListField(child=serializers.CharField(), source="seats")
    signs_in_with = serializers.ListField(child=serializers.CharField(), source="ways")
    api_keys = serializers.IntegerField(source="keys")
    last_login = serializers.DateTimeField(source="user.last_login", allow_null=True)
    date_joined = serializers.DateTimeField(source="user.date_joined")


class PasswordLinkSerializer(serializers.Serializer):
    """Where a password is chosen; told once."""

    link = serializers.URLField()


@extend_schema(tags=["people"])
class PeopleViewSet(viewsets.GenericViewSet):
    """Scope `people`, for keys of admins: list, read, invite, change rights, switch off and on, make a link."""

    scope, role, write_role = "people", "admin", "admin"
    queryset = User.objects.none()
    serializer_class = PersonSerializer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """A session proves itself anew before it changes people, as on the pages (S-060); a key does so by being one."""
        super().initial(request, *args, **kwargs)
        changes = request.method not in ("GET", "HEAD", "OPTIONS")
        if changes and not isinstance(request.auth, ApiKey) and not is_fresh(request._request):
            raise NotAllowed("fresh_sign_in_needed", "Sign in again before you change people, or use an API key.")

    def get_queryset(self) -> Any:
        given = self.request.query_params
        if self.action != "list":
            return find_people()
        role = given.get("role", "")
        if role and role not in (*GIVEN, "domain"):
            raise ValidationError({"role": f"Known roles: {', '.join(GIVEN)}, domain."})
        return find_people(text=given.get("search", ""), role=role, active=STATE.get(given.get("state", ""), True))

    @extend_schema(parameters=FILTERS, responses=PersonSerializer(many=True))
    def list(self, request: Request) -> Response:
        """People, by name."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(PersonSerializer(described(page or []), many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        """One person."""
        return Response(PersonSerializer(self._person()).data)

    @extend_schema(request=InviteSerializer, responses={201: PersonSerializer})
    def create(self, request: Request) -> Response:
        """Invite somebody: an account without a password. `link` gives the address at which they choose one."""
        data = _valid(InviteSerializer(data=request.data))
        texts = {name: data.get(name, "") for name in ("username", "email", "first_name", "last_name")}
        try:
            user = changing.invite_person(**texts, rights=_rights(data), now=timezone.now(), **self._who())
        except WrongField as refusal:
            raise ValidationError({refusal.field: refusal.message}) from refusal
        return Response(PersonSerializer(described([find_people().get(pk=user.pk)])[0]).data, status=201)

    @extend_schema(request=RightsSerializer, responses=PersonSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change role and domains. A `role` alone takes the domains away."""
        data = _valid(RightsSerializer(data=request.data))
        try:
            changing.change_rights(self._person().user, _rights(data), **self._who())
        except WrongField as refusal:
            raise ValidationError({refusal.field: refusal.message}) from refusal
        return Response(PersonSerializer(self._person()).data)

    @extend_schema(request=None, responses=PersonSerializer)
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, pk: str) -> Response:
        """Switch the account off: sessions end, keys stop, licenses are free."""
        changing.switch_off(self._person().user, now=timezone.now(), **self._who())
        return Response(PersonSerializer(self._person()).data)

    @extend_schema(request=None, responses=PersonSerializer)
    @action(detail=True, methods=["post"])
    def reactivate(self, request: Request, pk: str) -> Response:
        """Switch the account on again."""
        changing.switch_on(self._person().user, **self._who())
        return Response(PersonSerializer(self._person()).data)

    @extend_schema(request=None, responses=PasswordLinkSerializer)
    @action(detail=True, methods=["post"])
    def link(self, request: Request, pk: str) -> Response:
        """An address that works once, for three days, at which the person chooses a password."""
        return Response({"link": changing.make_link(self._person().user, **self._who())})

    def _person(self) -> Person:
        return described([self.get_object()])[0]

    def _who(self) -> dict[str, Any]:
        return {"actor": self.request.user, "address": address_of(self.request._request)}


def _valid(serializer: serializers.Serializer) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _rights(data: dict[str, Any]) -> Rights:
    return rights_named(data["role"], data.get("domains", []))
