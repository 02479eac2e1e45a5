"""`/api/v1/me/keys/`: one's own API keys. The same verbs as one's own page, so the same refusals (S-076)."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.audit import address_of
from integrations.fresh import is_fresh
from integrations.models import ApiKey
from integrations.paging import Pages
from project.people import own_keys
from project.people.changing import NotAllowed


class OwnKeySerializer(serializers.ModelSerializer):
    """A key without its secret."""

    expires = serializers.DateTimeField(source="expiry_date", allow_null=True)
    idle_scopes = serializers.SerializerMethodField(help_text="Scopes that open nothing now, because the person lost a role.")

    class Meta:
        model = ApiKey
        fields = ["prefix", "name", "scopes", "idle_scopes", "created", "expires", "last_used_at", "bound"]

    def get_idle_scopes(self, key: ApiKey) -> list[str]:
        """In the order of the key."""
        return [each for each in key.scopes if each not in self.context.get("usable", ())]


class NewKeySerializer(serializers.Serializer[Any]):
    """A new key. Other fields are not taken."""

    name = serializers.CharField(max_length=own_keys.LONGEST_NAME)
    scopes = serializers.ListField(child=serializers.CharField(max_length=60), max_length=100)
    expires = serializers.DateTimeField(help_text="At most 366 days from now; not later than the end of the key that asks.")


class MadeKeySerializer(OwnKeySerializer):
    """A new key with its clear text, told this once."""

    key = serializers.CharField(source="secret", help_text="For `Authorization: Api-Key ...`; told this once.")

    class Meta(OwnKeySerializer.Meta):
        fields = [*OwnKeySerializer.Meta.fields, "key"]


@extend_schema(tags=["keys"])
class OwnKeyViewSet(viewsets.GenericViewSet):
    """Scope `keys`: list, make and revoke one's own keys."""

    scope, role, write_role = "keys", "viewer", "member"
    queryset = ApiKey.objects.none()
    serializer_class = OwnKeySerializer
    pagination_class = Pages
    filter_backends: list[Any] = []
    lookup_field = "prefix"
    lookup_value_regex = "[A-Za-z0-9]{1,16}"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """A session proves itself anew before it changes keys, as on the page (S-060)."""
        super().initial(request, *args, **kwargs)
        changes = request.method not in ("GET", "HEAD", "OPTIONS")
        if changes and not isinstance(request.auth, ApiKey) and not is_fresh(request._request):
            raise NotAllowed("fresh_sign_in_needed", "Sign in again before you change keys, or use an API key.")

    @extend_schema(responses=OwnKeySerializer(many=True))
    def list(self, request: Request) -> Response:
        """One's usable keys, newest first."""
        page = self.paginate_queryset(own_keys.keys_of(request.user, now=timezone.now()))  # type: ignore[arg-type]
        return self.get_paginated_response(OwnKeySerializer(page, many=True, context=self._context(request)).data)

    @extend_schema(request=NewKeySerializer, responses={201: MadeKeySerializer})
    def create(self, request: Request) -> Response:
        """Make a key with at most the rights of its person, and of the key that asks; 409 names what is too much."""
        given = NewKeySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asking = request.auth if isinstance(request.auth, ApiKey) else None
        person: Any = request.user
        key, secret = own_keys.make_key(
            person, **given.validated_data, with_key=asking, now=timezone.now(), address=address_of(request._request)
        )
        key.secret = secret  # type: ignore[attr-defined]
        answer = Response(MadeKeySerializer(key, context=self._context(request)).data, status=201)
        answer["Cache-Control"] = "no-store"
        return answer

    @extend_schema(request=None, responses={204: None})
    def destroy(self, request: Request, prefix: str) -> Response:
        """Revoke a key of one's own; it is refused from the next request on."""
        if own_keys.revoke_key(request.user, prefix, address=address_of(request._request)) is None:  # type: ignore[arg-type]
            raise NotFound
        return Response(status=204)

    def _context(self, request: Request) -> dict[str, Any]:
        return {"usable": own_keys.usable_scopes(request.user)}  # type: ignore[arg-type]
