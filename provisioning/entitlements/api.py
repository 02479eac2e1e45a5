"""API of entitlements, `/api/v1/entitlements/`: may this customer use this feature, how much of it, and why.

Checks and lists carry an ETag and a max-age, and answer 304 to a known ETag. An unknown customer or feature is 404 with the
reason, unless the caller sends a fallback: nothing is guessed (ST-D19).
"""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from integrations.api.customers import ExactJson
from integrations.models import ApiKey, Customer
from integrations.paging import Pages
from provisioning.entitlements import promotions
from provisioning.entitlements.access import find_customer
from provisioning.entitlements.answers import Answer, answer_list, of_decision
from provisioning.entitlements.checking import access_of, decision_on
from provisioning.entitlements.deciding import CUSTOMER_NOT_FOUND, NOT_FOUND, instant_json
from provisioning.entitlements.reach import reach_of
from provisioning.entitlements.throttle import EntitlementThrottle
from provisioning.metering.api import UsageViewSet, failure
from provisioning.metering.asking import read_whole
from provisioning.metering.using import consume
from provisioning.models import PromotionalGrant
from provisioning.subscriptions.api import Amount, SubscriptionViewSet
from provisioning.subscriptions.resolving import BadTerms

KNOWN_KEY = "causeway.api_key"
"""Where the key that was accepted is left in the request's environment, for the fast front."""
WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
CUSTOMER = OpenApiParameter("customer", str, required=True, description="External id or alias of the customer")
AS_OF = OpenApiParameter("as_of", OpenApiTypes.DATETIME, description="The answer at this instant, with the usage of then")
ASKED = [
    CUSTOMER,
    OpenApiParameter("feature", str, required=True, description="Key of the feature"),
    OpenApiParameter("requested", int, description="May it use so much more? A whole number"),
    AS_OF,
    OpenApiParameter("fallback", bool, description="What counts for an unknown customer or feature; marked in the answer"),
]
MESSAGES = {
    "customer_not_found": "There is no customer with this external id or alias.",
    "feature_not_found": "There is no feature with this key.",
}


class PromotionGiven(serializers.Serializer):
    """What is granted; a feature of yes or no needs no limit."""

    customer = serializers.CharField(max_length=255)
    feature = serializers.CharField(max_length=120)
    limit = Amount(required=False, allow_null=True)
    unlimited = serializers.BooleanField(default=False)
    soft = serializers.BooleanField(default=False)
    starts_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Default: now.")
    ends_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Default: open.")
    reason = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")


class EntitlementViewSet(viewsets.GenericViewSet):
    """Checks and lists of one customer, and consuming."""

    scope, role, write_role = "entitlements", "member", "operator"
    bound_actions = ("list", "check", "consume")
    parser_classes = [ExactJson]
    throttle_classes = [EntitlementThrottle]
    filter_backends: list[Any] = []
    queryset = PromotionalGrant.objects.none()

    @extend_schema(operation_id="entitlements_list", parameters=[CUSTOMER, AS_OF], responses=OpenApiTypes.OBJECT)
    def list(self, request: Request) -> HttpResponseBase:
        """Everything that a customer has, or had taken away, by name of the feature."""
        now, given = timezone.now(), request.query_params
        as_of = _instant(given.get("as_of"))
        customer = _needed(given.get("customer"), "customer")
        access = access_of(customer, as_of=as_of, now=now, within=reach_of(request.auth))
        if access is None:
            return _unknown(CUSTOMER_NOT_FOUND)
        return _send(request, answer_list(access, now=as_of or now))

    @extend_schema(parameters=ASKED, responses=OpenApiTypes.OBJECT)
    @action(detail=False, methods=["get"])
    def check(self, request: Request) -> HttpResponseBase:
        """Whether a customer may use a feature, or so much more of it."""
        now, given = timezone.now(), request.query_params
        customer, feature = _needed(given.get("customer"), "customer"), _needed(given.get("feature"), "feature")
        as_of = _instant(given.get("as_of"))
        fallback = _word(given.get("fallback"))
        requested = _requested(given.get("requested"))
        access = access_of(customer, as_of=as_of, now=now, within=reach_of(request.auth))
        decision = decision_on(access, feature, requested=requested, fallback=fallback, at=as_of or now)
        if decision.reason in NOT_FOUND and not decision.fallback:
            return _unknown(decision.reason)
        return _send(request, of_decision(decision, access.external_id if access else customer, now=as_of or now))

    @extend_schema(request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT)
    @action(detail=False, methods=["post"])
    def consume(self, request: Request) -> Response:
        """Check and count in one step: {customer, feature, amount (default 1), idempotency_key}. Never more than was sold."""
        outcome = consume(request.data, now=timezone.now(), within=reach_of(request.auth))
        return failure(outcome) if outcome.status == "failed" else Response(outcome.answer)


class PromotionViewSet(viewsets.GenericViewSet):
    """Promotional grants: given outside of any plan."""

    scope, role, write_role = "entitlements", "member", "operator"
    parser_classes = [ExactJson]
    pagination_class = Pages
    filter_backends: list[Any] = []
    queryset = PromotionalGrant.objects.none()
    lookup_value_regex = "[0-9]{1,18}"

    def handle_exception(self, exc: Exception) -> Response:
        """What cannot be granted is told by field."""
        return super().handle_exception(ValidationError(exc.fields) if isinstance(exc, BadTerms) else exc)

    @extend_schema(
        operation_id="entitlements_promotions_list",
        parameters=[OpenApiParameter("customer", str), OpenApiParameter("feature", str)],
        responses=OpenApiTypes.OBJECT,
    )
    def list(self, request: Request) -> Response:
        """Grants, newest first; those that ended or were taken back too."""
        found = PromotionalGrant.objects.select_related("customer", "feature", "granted_by")
        if name := request.query_params.get("customer"):
            found = found.filter(customer=_customer(name))
        if feature := request.query_params.get("feature"):
            found = found.filter(feature__key=feature.replace("\0", ""))
        page = self.paginate_queryset(found) or []
        return self.get_paginated_response([promotion_json(each) for each in page])

    @extend_schema(request=PromotionGiven, responses={201: OpenApiTypes.OBJECT})
    def create(self, request: Request) -> Response:
        """Grant a feature to a customer."""
        given = PromotionGiven(data=request.data)
        given.is_valid(raise_exception=True)
        values = dict(given.validated_data)
        made = promotions.grant(_customer(values.pop("customer")), **values, actor=request.user, now=timezone.now())
        return Response(promotion_json(made), status=status.HTTP_201_CREATED)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def retrieve(self, request: Request, pk: str = "") -> Response:
        """One grant."""
        return Response(promotion_json(self._found(pk)))

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str = "") -> Response:
        """Take it back now."""
        return Response(promotion_json(promotions.revoke(self._found(pk), actor=request.user, now=timezone.now())))

    def _found(self, pk: str) -> PromotionalGrant:
        found = PromotionalGrant.objects.select_related("customer", "feature", "granted_by").filter(pk=int(pk)).first()
        if found is None:
            raise NotFound("There is no grant with this id.")
        return found


def promotion_json(row: PromotionalGrant) -> dict[str, Any]:
    """A grant; its limit is text, so that no digit is lost."""
    return {
        "id": row.pk,
        "customer": row.customer.external_id,
        "feature": row.feature.key,
        "limit": None if row.limit is None else f"{row.limit.normalize():f}",
        "unlimited": row.unlimited,
        "soft": row.soft,
        "starts_at": instant_json(row.starts_at),
        "ends_at": instant_json(row.ends_at),
        "revoked_at": instant_json(row.revoked_at),
        "reason": row.reason,
        "granted_by": row.granted_by.get_username() if row.granted_by else None,
    }


def register_entitlements(router: SimpleRouter) -> None:
    """Add entitlements, promotions, usage and subscriptions to the API's router."""
    router.register("entitlements/promotions", PromotionViewSet, basename="promotion")
    router.register("entitlements", EntitlementViewSet, basename="entitlement")
    router.register("usage", UsageViewSet, basename="usage")
    router.register("subscriptions", SubscriptionViewSet, basename="subscription")


def _send(request: Request, answer: Answer) -> HttpResponseBase:
    """The bytes of an answer, or 304 when the caller has them."""
    response = HttpResponse(answer.body, content_type="application/json")
    response["ETag"], response["Cache-Control"] = answer.etag, answer.cache_control
    if isinstance(request.auth, ApiKey) and not request.auth.bound:  # the front knows keys that may ask about everybody
        request._request.environ[KNOWN_KEY] = request.auth  # pyright: ignore[reportAttributeAccessIssue]
    found = get_conditional_response(request._request, etag=answer.etag, response=response)
    return response if found is None else found


def _unknown(reason: str) -> Response:
    body = {"error": {"code": reason, "message": MESSAGES[reason]}, "granted": False, "reason": reason}
    return Response(body, status=status.HTTP_404_NOT_FOUND)


def _customer(name: str) -> Customer:
    found = find_customer(name.replace("\0", ""))
    if found is None:
        raise NotFound("There is no customer with this external id or alias.")
    return found


def _needed(value: str | None, name: str) -> str:
    if not value:
        raise ValidationError({name: ["is needed."]})
    if len(value) > 255:
        raise ValidationError({name: ["has at most 255 characters."]})
    return value


def _requested(text: str | None) -> int | None:
    try:
        return read_whole(text, "requested")
    except ValueError as error:
        raise ValidationError({"requested": [str(error)]}) from None


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
        return at.astimezone(UTC) if at.tzinfo else _bad_instant()
    except (ValueError, OverflowError):
        return _bad_instant()


def _bad_instant() -> datetime:
    raise ValidationError({"as_of": ["must be an instant with its offset, such as 2026-03-10T12:00:00Z."]})


def _word(text: str | None) -> bool | None:
    if text is None or text == "":
        return None
    if text.lower() not in WORDS:
        raise ValidationError({"fallback": ["is true or false."]})
    return WORDS[text.lower()]
