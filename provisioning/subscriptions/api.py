"""API of subscriptions, `/api/v1/subscriptions/`: read them, change their terms, end them. Salesforce deals make them."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.customers import ExactJson
from integrations.models import Customer
from integrations.paging import Pages
from provisioning.catalogue.finding import latest
from provisioning.entitlements.access import find_customer
from provisioning.models import OfferVersion, Product, Subscription
from provisioning.subscriptions import changes, endings
from provisioning.subscriptions.finding import STATES, subscriptions_like
from provisioning.subscriptions.resolving import BadTerms
from provisioning.subscriptions.showing import events_json, subscription_json, with_terms
from provisioning.subscriptions.spec import AddOnLine, OverrideLine, TermsSpec

SEARCH = [
    OpenApiParameter("customer", str, description="External id or alias of the customer"),
    OpenApiParameter("product", str, description="Key of the product"),
    OpenApiParameter("status", str, enum=STATES, description="The state now"),
    OpenApiParameter("opportunity_id", str, description="Of this Salesforce opportunity"),
    OpenApiParameter("search", str, description="Part of the key or of the customer's name or id"),
]


class Amount(serializers.DecimalField):
    """A number as JSON number or text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=38, decimal_places=12, **options)


class AddOnGiven(serializers.Serializer):
    """So many of an add-on."""

    key = serializers.CharField(max_length=120)
    quantity = Amount()


class OverrideGiven(serializers.Serializer):
    """A limit of its own: a number, unlimited, or revoked."""

    feature = serializers.CharField(max_length=120)
    limit = Amount(allow_null=True, default=None)
    unlimited = serializers.BooleanField(default=False)
    revoked = serializers.BooleanField(default=False)
    soft = serializers.BooleanField(allow_null=True, default=None)


class TermsGiven(serializers.Serializer):
    """What changes of the terms; what is left out stays. Lists replace the whole list."""

    plan = serializers.CharField(max_length=120, required=False)
    plan_version = serializers.IntegerField(required=False, min_value=1, help_text="Default: the one it has, or the latest.")
    seats = Amount(required=False)
    add_ons = AddOnGiven(many=True, required=False)
    overrides = OverrideGiven(many=True, required=False)

    def parts(self) -> dict[str, Any]:
        """As the verbs take them."""
        given: dict[str, Any] = dict(self.validated_data)
        plan, number = given.get("plan"), given.get("plan_version")
        found: dict[str, Any] = {"plan": plan, "seats": given.get("seats")}
        if number is not None:
            if not plan:
                raise ValidationError({"plan_version": ["Name the plan too."]})
            found["plan"] = _version(plan, number)
        for name, kind in (("add_ons", AddOnLine), ("overrides", OverrideLine)):
            found[name] = [kind(**dict(each)) for each in given[name]] if name in given else None
        return found


class StartGiven(TermsGiven):
    """A new subscription."""

    customer = serializers.CharField(max_length=255)
    plan = serializers.CharField(max_length=120)
    product = serializers.CharField(max_length=120, required=False, help_text="Default: the plan's.")
    key = serializers.CharField(max_length=120, required=False)
    starts_at = serializers.DateTimeField(required=False, help_text="Default: now.")
    ends_at = serializers.DateTimeField(required=False, allow_null=True)
    trial_ends_at = serializers.DateTimeField(required=False, allow_null=True)


class AmendGiven(TermsGiven):
    """A change from an instant on."""

    effective_at = serializers.DateTimeField(required=False, help_text="Default: now.")


class RenewGiven(TermsGiven):
    """A further period, from the old end."""

    starts_at = serializers.DateTimeField(required=False, help_text="Default: the old end.")
    ends_at = serializers.DateTimeField(allow_null=True)


class ConvertGiven(TermsGiven):
    """A trial becomes a subscription."""

    at = serializers.DateTimeField(required=False, help_text="Default: now.")
    ends_at = serializers.DateTimeField(required=False, allow_null=True)


class CancelGiven(serializers.Serializer):
    """When it stops: now, at an instant, or at the end of its period."""

    at = serializers.DateTimeField(required=False)
    at_period_end = serializers.BooleanField(default=False)
    reason = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")


class ExtendGiven(serializers.Serializer):
    """The new end of the trial."""

    trial_ends_at = serializers.DateTimeField()


ANSWER = OpenApiTypes.OBJECT
TIMELINE = inline_serializer("SubscriptionTimeline", {"events": serializers.ListField(child=serializers.DictField())})


class SubscriptionViewSet(viewsets.GenericViewSet):
    """Subscriptions, addressed by their key."""

    scope, role, write_role = "provisioning", "member", "operator"
    parser_classes = [ExactJson]
    pagination_class = Pages
    filter_backends: list[Any] = []
    queryset = Subscription.objects.none()
    lookup_field, lookup_value_regex = "key", "[^/]+"

    def handle_exception(self, exc: Exception) -> Response:
        """Terms that cannot be given are told by field."""
        return super().handle_exception(ValidationError(exc.fields) if isinstance(exc, BadTerms) else exc)

    def get_object(self) -> Subscription:
        found = with_terms(Subscription.objects.filter(key=self.kwargs["key"].replace("\0", ""))).first()
        if found is None:
            raise NotFound("There is no subscription with this key.")
        return found

    def _read(self, serializer: type[serializers.Serializer]) -> Any:
        given = serializer(data=self.request.data)
        given.is_valid(raise_exception=True)
        return given

    def _told(self, row: Subscription, code: int = status.HTTP_200_OK) -> Response:
        fresh = with_terms(Subscription.objects.filter(pk=row.pk)).get()
        return Response(subscription_json(fresh, now=timezone.now()), status=code)

    @extend_schema(operation_id="subscriptions_list", parameters=SEARCH, responses=ANSWER)
    def list(self, request: Request) -> Response:
        """Subscriptions, newest first."""
        given, now = request.query_params, timezone.now()
        if (state := given.get("status")) and state not in STATES:
            raise ValidationError({"status": [f"is one of {', '.join(STATES)}."]})
        found = subscriptions_like(given, now=now)
        page = self.paginate_queryset(with_terms(found)) or []
        return self.get_paginated_response([subscription_json(each, now=now) for each in page])

    @extend_schema(responses=ANSWER)
    def retrieve(self, request: Request, key: str = "") -> Response:
        """One subscription with all its terms."""
        return Response(subscription_json(self.get_object(), now=timezone.now()))

    @extend_schema(request=StartGiven, responses={201: ANSWER})
    def create(self, request: Request) -> Response:
        """Begin a subscription by hand, for a self-service sale. Refused while one of the product runs."""  # ST-04
        given = self._read(StartGiven)
        values, parts, now = given.validated_data, given.parts(), timezone.now()
        terms = TermsSpec(values["plan"], parts["seats"], tuple(parts["add_ons"] or ()), tuple(parts["overrides"] or ()))
        version = parts["plan"] if isinstance(parts["plan"], OfferVersion) else None
        made = changes.start(
            _customer(values["customer"]), product=values.get("product") or _product_of(values["plan"]), terms=terms,
            plan=version, starts_at=values.get("starts_at") or now, ends_at=values.get("ends_at"),
            trial_ends_at=values.get("trial_ends_at"), key=values.get("key"), actor=request.user, now=now,
        )  # fmt: skip
        return self._told(made, status.HTTP_201_CREATED)

    @extend_schema(request=AmendGiven, responses=ANSWER)
    @action(detail=True, methods=["post"])
    def amend(self, request: Request, key: str = "") -> Response:
        """Change what it gives from an instant on."""  # ST-D12
        given, now = self._read(AmendGiven), timezone.now()
        at = given.validated_data.get("effective_at") or now
        return self._told(changes.amend(self.get_object(), **given.parts(), effective_at=at, actor=request.user, now=now))

    @extend_schema(request=RenewGiven, responses=ANSWER)
    @action(detail=True, methods=["post"])
    def renew(self, request: Request, key: str = "") -> Response:
        """Let it go on from its old end, with its terms or changed ones."""
        given, now, row = self._read(RenewGiven), timezone.now(), self.get_object()
        values = given.validated_data
        done = changes.renew(
            row, **given.parts(), starts_at=values.get("starts_at"), ends_at=values["ends_at"], actor=request.user, now=now
        )
        return self._told(done)

    @extend_schema(request=ConvertGiven, responses=ANSWER)
    @action(detail=True, methods=["post"])
    def convert(self, request: Request, key: str = "") -> Response:
        """Make a trial a subscription, with its terms or changed ones."""
        given, now, row = self._read(ConvertGiven), timezone.now(), self.get_object()
        values = given.validated_data
        done = changes.convert(
            row, **given.parts(), at=values.get("at") or now, ends_at=values.get("ends_at"), actor=request.user, now=now
        )
        return self._told(done)

    @extend_schema(request=CancelGiven, responses=ANSWER)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, key: str = "") -> Response:
        """Stop it now, at an instant, or at the end of its period."""
        values = self._read(CancelGiven).validated_data
        if values.get("at") and values["at_period_end"]:
            raise ValidationError({"at": ["Give an instant or at_period_end, not both."]})
        return self._told(endings.cancel(self.get_object(), **values, actor=request.user, now=timezone.now()))

    @extend_schema(request=None, responses=ANSWER)
    @action(detail=True, methods=["post"])
    def reactivate(self, request: Request, key: str = "") -> Response:
        """Take a cancellation back."""
        return self._told(endings.reactivate(self.get_object(), actor=request.user, now=timezone.now()))

    @extend_schema(request=ExtendGiven, responses=ANSWER)
    @action(detail=True, methods=["post"], url_path="extend-trial")
    def extend_trial(self, request: Request, key: str = "") -> Response:
        """Let a trial last longer."""
        values = self._read(ExtendGiven).validated_data
        return self._told(endings.extend_trial(self.get_object(), **values, actor=request.user, now=timezone.now()))

    @extend_schema(responses=TIMELINE)
    @action(detail=True, methods=["get"])
    def timeline(self, request: Request, key: str = "") -> Response:
        """What happened to it, newest first."""
        return Response({"events": events_json(list(self.get_object().events.select_related("actor")[:1000]))})


def _customer(name: str) -> Customer:
    found = find_customer(name.replace("\0", ""))
    if found is None:
        raise ValidationError({"customer": ["There is no customer with this external id; send it to customers/ first."]})
    return found


def _product_of(plan: str) -> Product:
    version = latest(plan)
    if version is None:
        raise ValidationError({"plan": [f"There is no published plan “{plan[:120]}”."]})
    return version.offer.product


def _version(plan: str, number: int) -> OfferVersion:
    found = OfferVersion.objects.filter(offer__key=plan.replace("\0", ""), number=number).exclude(published_at=None)
    version = found.select_related("offer__product").first()
    if version is None:
        raise ValidationError({"plan_version": [f"“{plan[:120]}” has no published version {number}."]})
    return version
