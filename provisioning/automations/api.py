"""API of automations, of the preflight of open deals and of dry runs. Scope `provisioning`.

Secret header values can be written and are never given back.
"""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from integrations.access import Refusal
from integrations.api.customers import org_in
from integrations.models import SalesforceOrg
from integrations.queries import id_in
from integrations.salesforce.errors import SalesforceError
from provisioning.automations import authoring, finding
from provisioning.automations.authoring import BadAutomation, Draft
from provisioning.automations.conditions import KINDS, OPERATORS
from provisioning.automations.placeholders import CATALOGUE
from provisioning.automations.stages import Choices, read_choices
from provisioning.automations.words import words_of
from provisioning.intent import picking, preflight
from provisioning.intent.lines import DealGone, TooManyLines
from provisioning.models import Automation

ORG = OpenApiParameter("org", int, required=True, description="The connection")
FORECAST = inline_serializer(
    "ProvisioningForecast",
    {
        "opportunity_id": serializers.CharField(),
        "name": serializers.CharField(),
        "stage": serializers.CharField(),
        "close_date": serializers.DateField(allow_null=True),
        "account_id": serializers.CharField(),
        "account_name": serializers.CharField(),
        "state": serializers.CharField(help_text="ready, blocked or nothing"),
        "sentence": serializers.CharField(help_text="What would happen, or what stands against it"),
        "assumed_won_today": serializers.BooleanField(),
        "automation": serializers.CharField(),
        "problems": serializers.ListField(child=serializers.DictField(), help_text="line, name, code, message, fix"),
        "intent": serializers.DictField(allow_null=True),
        "request": serializers.DictField(allow_null=True, help_text="That would be sent, without secrets"),
        "request_problem": serializers.CharField(),
    },
)
PREFLIGHT = inline_serializer(
    "ProvisioningPreflight",
    {
        "looked_at": serializers.DateTimeField(),
        "ready": serializers.IntegerField(),
        "blocked": serializers.IntegerField(),
        "nothing": serializers.IntegerField(),
        "more": serializers.BooleanField(help_text="There are open deals beyond the limit"),
        "deals": serializers.ListField(child=serializers.DictField(), help_text="As a dry run gives them"),
    },
)


class HeaderIn(serializers.Serializer):
    """A header; a secret one with an empty value keeps the stored value."""

    name = serializers.CharField(max_length=100)
    value = serializers.CharField(max_length=4000, allow_blank=True, default="", trim_whitespace=False)
    secret = serializers.BooleanField(default=False)


class CalloutIn(serializers.Serializer):
    """The request before customer and subscription are made; an empty `url` means none."""

    url = serializers.CharField(max_length=2000, allow_blank=True)
    method = serializers.CharField(max_length=10, default="POST")
    headers = HeaderIn(many=True, default=list)
    body = serializers.CharField(max_length=20_000, allow_blank=True, default="", help_text="JSON with {{ placeholders }}")
    customer_path = serializers.CharField(max_length=255, allow_blank=True, default="", help_text="data.account.id")
    subscription_path = serializers.CharField(max_length=255, allow_blank=True, default="")


class AutomationIn(serializers.Serializer):
    """What may be written; with PATCH only what is to change. `org` cannot be changed later."""

    org = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all(), required=False)
    name = serializers.CharField(max_length=120, required=False)
    trigger = serializers.CharField(max_length=9, required=False, help_text="won, trial, amendment or renewal")
    stages = serializers.ListField(child=serializers.CharField(max_length=255), required=False)
    conditions = serializers.ListField(child=serializers.DictField(), required=False, help_text="field, operator, value")
    callout = CalloutIn(required=False)
    write_back = serializers.BooleanField(required=False)
    trial_days = serializers.IntegerField(required=False, allow_null=True)


class AutomationSerializer(serializers.ModelSerializer):
    """An automation; `words` says it in sentences."""

    trigger = serializers.CharField(read_only=True, help_text="won, trial, amendment or renewal")
    words = serializers.SerializerMethodField()

    class Meta:
        model = Automation
        fields = [
            "id", "org", "name", "trigger", "stages", "conditions", "callout", "write_back", "trial_days", "is_active",
            "is_template", "version", "created_at", "updated_at", "words",
        ]  # fmt: skip
        read_only_fields = fields

    def get_words(self, row: Automation) -> dict[str, Any]:
        """{when, only_if, steps}"""
        said = words_of(
            trigger=row.trigger, stages=row.stages, conditions=row.conditions, callout=row.callout, write_back=row.write_back,
            trial_days=row.trial_days,
        )  # fmt: skip
        return {"when": said.when, "only_if": list(said.only_if), "steps": list(said.steps)}


class CopyIn(serializers.Serializer):
    """Name of the copy; empty = the name with “(copy)”."""

    name = serializers.CharField(max_length=120, allow_blank=True, default="")


class ActivateIn(serializers.Serializer):
    """`replacing`: deactivate those that could answer to the same deal in the same moment."""

    replacing = serializers.BooleanField(default=False)


class Unreachable(Refusal):
    """Salesforce cannot be asked now."""

    status = 503


def choices_of(org: SalesforceOrg, *, needed: bool = False) -> Choices | None:
    """Stages and fields of the org; None when it cannot be asked, unless they are `needed`."""
    try:
        return read_choices(org)
    except (SalesforceError, Refusal) as error:
        if needed:
            raise Unreachable("salesforce_unreachable", str(error)) from None
        return None


def forecast_of(org: SalesforceOrg, opportunity: str, automation: Automation | None = None) -> dict[str, Any]:
    """A dry run as JSON; 404 for a deal that is not there, 503 while Salesforce cannot be asked."""
    opportunity_id = picking.id_in(opportunity)
    if not opportunity_id:
        raise ValidationError({"opportunity": ["Name an opportunity by its id or address."]})
    try:
        return preflight.dry_run(org, opportunity_id, now=timezone.now(), automation=automation).as_dict()
    except DealGone as gone:
        raise NotFound(str(gone)) from None
    except TooManyLines as error:
        raise ValidationError({"opportunity": [str(error)]}) from None
    except SalesforceError as error:
        raise Unreachable("salesforce_unreachable", str(error)) from None


@extend_schema(tags=["provisioning"])
class AutomationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """`/api/v1/automations/`: filter by `org` and `trigger`. A new one answers to no deal until it is activated."""

    scope, role, write_role = "provisioning", "analyst", "operator"
    serializer_class = AutomationSerializer
    queryset = Automation.objects.none()
    filter_backends: list[Any] = []

    def get_queryset(self) -> QuerySet[Automation]:
        found = Automation.objects.select_related("org").order_by("org", "trigger", "name")
        if self.action != "list" or getattr(self, "swagger_fake_view", False):
            return found
        given = self.request.query_params
        if (org := org_in(self.request, needed=False)) is not None:
            found = found.filter(org=org)
        return found.filter(trigger=given["trigger"].replace("\0", "")) if given.get("trigger") else found

    @extend_schema(parameters=[OpenApiParameter("org", int), OpenApiParameter("trigger", str, enum=Automation.Trigger.values)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All automations, templates included."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=AutomationIn, responses={201: AutomationSerializer})
    def create(self, request: Request) -> Response:
        """Make an automation; 400 names every field and condition that cannot be used."""
        given = self._given(request)
        if given.get("org") is None:
            raise ValidationError({"org": ["Name the connection."]})
        made = self._save(None, Draft(**{"name": "", "trigger": "", **_without_org(given)}), given["org"], request)
        return Response(self._shown(made), status=status.HTTP_201_CREATED)

    @extend_schema(request=AutomationIn, responses=AutomationSerializer)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Change an automation: a new version. Templates are copied first (409)."""
        row, given = self.get_object(), self._given(request)
        if given.get("org") not in (None, row.org):
            raise ValidationError({"org": ["An automation stays in its connection."]})
        draft = authoring.draft_of(row)
        for name, value in _without_org(given).items():
            setattr(draft, name, value)
        return Response(self._shown(self._save(row, draft, row.org, request)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str | None = None) -> Response:
        """Delete one that is not active and no template."""
        authoring.delete_automation(self.get_object(), actor=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=CopyIn, responses={201: AutomationSerializer})
    @action(detail=True, methods=["post"])
    def copy(self, request: Request, pk: str | None = None) -> Response:
        """An inactive copy."""  # ST-37
        given = CopyIn(data=request.data)
        given.is_valid(raise_exception=True)
        made = _or_errors(
            lambda: authoring.copy_automation(
                self.get_object(), name=given.validated_data["name"], actor=request.user, now=timezone.now()
            )
        )
        return Response(self._shown(made), status=status.HTTP_201_CREATED)

    @extend_schema(request=ActivateIn, responses=AutomationSerializer)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, pk: str | None = None) -> Response:
        """Let it answer to deals; 409 names the one that could answer to the same deal."""  # ST-38
        row, given = self.get_object(), ActivateIn(data=request.data)
        given.is_valid(raise_exception=True)
        made = authoring.activate(
            row,
            choices=choices_of(row.org),
            replacing=given.validated_data["replacing"],
            actor=request.user,
            now=timezone.now(),
        )
        return Response(self._shown(made))

    @extend_schema(request=None, responses=AutomationSerializer)
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, pk: str | None = None) -> Response:
        """It answers to no deal any more; what it provisioned stays."""
        return Response(self._shown(authoring.deactivate(self.get_object(), actor=request.user, now=timezone.now())))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def versions(self, request: Request, pk: str | None = None) -> Response:
        """Earlier states, newest first."""
        rows = finding.versions_of(self.get_object())[:200]
        return Response([{"number": each.number, "saved_at": each.saved_at, "content": each.content} for each in rows])

    @extend_schema(
        parameters=[OpenApiParameter("opportunity", str, required=True, description="Its id or address")], responses=FORECAST
    )
    @action(detail=True, url_path="dry-run")
    def dry_run(self, request: Request, pk: str | None = None) -> Response:
        """What this automation would do with a deal, active or not; nothing is written or sent."""
        row = self.get_object()
        return Response(forecast_of(row.org, request.query_params.get("opportunity", ""), row))

    @extend_schema(parameters=[ORG], responses=OpenApiTypes.OBJECT)
    @action(detail=False)
    def choices(self, request: Request) -> Response:
        """What an automation can be made of: stages, fields with their operators, placeholders."""
        org = org_in(request)
        assert org is not None
        found = choices_of(org, needed=True)
        assert found is not None
        return Response({
            "stages": [{"name": each.name, "is_won": each.is_won, "is_closed": each.is_closed} for each in found.stages],
            "fields": [
                {"name": each.name, "label": each.label, "type": each.type, "operators": OPERATORS[KINDS[each.type]]}
                for each in found.fields
            ],
            "placeholders": [{"name": name, "meaning": meaning} for name, meaning in CATALOGUE],
        })  # fmt: skip

    def _given(self, request: Request) -> dict[str, Any]:
        given = AutomationIn(data=request.data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)

    def _save(self, row: Automation | None, draft: Draft, org: SalesforceOrg, request: Request) -> Automation:
        return _or_errors(
            lambda: authoring.save_automation(
                row, draft, org=org, choices=choices_of(org), actor=request.user, now=timezone.now()
            )
        )

    def _shown(self, row: Automation) -> dict[str, Any]:
        return dict(AutomationSerializer(row, context=self.get_serializer_context()).data)


def _or_errors(write: Any) -> Automation:
    """The automation, or 400 with a sentence for each field."""
    try:
        return write()
    except BadAutomation as bad:
        raise ValidationError({name: [sentence] for name, sentence in bad.errors.items()}) from None


def _without_org(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name != "org"}


@extend_schema(tags=["provisioning"])
class PreflightViewSet(viewsets.GenericViewSet):
    """`/api/v1/provisions/preflight/`: what each open deal would provision if it were won today (ST-D4)."""

    scope, role, write_role = "provisioning", "analyst", "operator"
    serializer_class: Any = serializers.Serializer
    queryset = Automation.objects.none()
    pagination_class = None
    filter_backends: list[Any] = []

    @extend_schema(
        parameters=[ORG, OpenApiParameter("limit", int, description=f"At most so many deals, 1 to {preflight.MOST_DEALS}"),
                    OpenApiParameter("opportunity", str, many=True, description="Only these open deals, by id")],
        responses=PREFLIGHT,
    )  # fmt: skip
    def list(self, request: Request) -> Response:
        """Open deals, soonest close date first. Nothing is written."""
        org = org_in(request)
        assert org is not None
        text = request.query_params.get("limit", "")
        most = id_in(text) if text else preflight.MOST_DEALS
        if not most or most > preflight.MOST_DEALS:
            raise ValidationError({"limit": [f"Enter a number from 1 to {preflight.MOST_DEALS}."]})
        asked = request.query_params.getlist("opportunity")
        ids = [picking.id_in(each) for each in asked]
        if not all(ids):
            raise ValidationError({"opportunity": ["Name opportunities by their ids."]})
        try:
            found = preflight.check_open_deals(org, now=timezone.now(), most=most, opportunity_ids=ids)
        except SalesforceError as error:
            raise Unreachable("salesforce_unreachable", str(error)) from None
        counts = {state: found.count(state) for state in ("ready", "blocked", "nothing")}
        deals = [each.as_dict() for each in found.forecasts]
        return Response({"looked_at": found.looked_at, **counts, "more": found.more, "deals": deals})


@extend_schema(tags=["provisioning"])
class DryRunViewSet(viewsets.GenericViewSet):
    """`/api/v1/provisions/dry-run/`: any deal, open or closed, by the same code as the real thing."""

    scope, role, write_role = "provisioning", "analyst", "operator"
    serializer_class: Any = serializers.Serializer
    queryset = Automation.objects.none()
    pagination_class = None
    filter_backends: list[Any] = []

    @extend_schema(
        parameters=[ORG, OpenApiParameter("opportunity", str, required=True, description="Its id or address")],
        responses=FORECAST,
    )
    def list(self, request: Request) -> Response:
        """What the deal would provision now. Nothing is written."""
        org = org_in(request)
        assert org is not None
        return Response(forecast_of(org, request.query_params.get("opportunity", "")))


def register_automations(router: SimpleRouter) -> None:
    """Add the addresses; before those of provisions, whose detail address would swallow them."""
    router.register("automations", AutomationViewSet, basename="automation")
    router.register("provisions/preflight", PreflightViewSet, basename="provision-preflight")
    router.register("provisions/dry-run", DryRunViewSet, basename="provision-dry-run")
