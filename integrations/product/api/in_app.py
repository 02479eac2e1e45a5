"""`/api/v1/in-app/`: what one end user is to see now, for the snippet and for apps that show messages themselves."""

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from integrations.product.api.browsers import BrowserView
from integrations.product.engagements import showing
from integrations.product.ingest import write_keys
from integrations.product.models import WriteKey

LONGEST = {"user": 255, "account": 255, "url": 2000, "signature": 200}
EXAMPLE = {
    "messages": [
        {
            "id": 7, "kind": "message", "title": "Your renewal is near, Jane",
            "body": [["p", "It is on ", ["strong", "31 January 2027"], "."], ["ul", ["li", ["a", "/plans", "See the plans"]]]],
            "button": {"label": "Talk to us", "url": "https://acme.example/renew"},
        }
    ]
}  # fmt: skip


@extend_schema(tags=["engagements"])
class InAppViewSet(BrowserView, ViewSet):
    """A write key may ask, or an API key with scope `product`; people need to be analysts."""

    scope, role, write_role = "product", "analyst", "operator"
    write_key_actions = ("list",)

    @extend_schema(
        parameters=[
            OpenApiParameter("user", str, required=True, description="The product's own id of the end user."),
            OpenApiParameter("account", str, description="The product's own id of their customer, until it is stored."),
            OpenApiParameter("url", str, description="Address of the page, without what should stay secret."),
            OpenApiParameter("signature", str, description="Of the user, for keys that require it; see the page on events."),
        ],
        responses=OpenApiTypes.OBJECT,
        examples=[OpenApiExample("One message", value=EXAMPLE, response_only=True)],
    )
    def list(self, request: Request) -> Response:
        """At most five messages, the most important first. `body` is a tree of nodes: a text, or `[tag, ...nodes]` with the
        tags p, ul, li, strong, em, br; a link is `["a", address, ...nodes]`. Say what happened to a message with an event of
        type engagement."""
        given = {name: request.query_params.get(name, "").strip() for name in LONGEST}
        _check(given)
        key = request.auth
        if isinstance(key, WriteKey) and not write_keys.may_speak_for(key, given["user"], given["account"], given["signature"]):
            raise PermissionDenied("This key needs the user's signature; see the page on events.")
        visitor = showing.visitor_of(given["user"], given["account"])
        return Response({"messages": showing.messages_for(visitor, url=given["url"], now=timezone.now())})


def _check(given: dict[str, str]) -> None:
    problems = {name: [f"At most {most} characters."] for name, most in LONGEST.items() if len(given[name]) > most}
    if not given["user"]:
        problems["user"] = ["Is required: the product's own id of the end user."]
    if problems:
        raise ValidationError(problems)
