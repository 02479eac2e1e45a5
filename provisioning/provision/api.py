"""API of deals, `/api/v1/provisions/`: what was provisioned for which opportunity, where it stands; resume, decide."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from integrations.paging import Pages
from integrations.sync import runs
from provisioning.models import Automation, Provision
from provisioning.provision import advancing, flags, queries, steps, turns, write_back

TEXTS = serializers.ListField(child=serializers.CharField())
PROBLEM = inline_serializer(
    "ProvisionProblem",
    {
        "line": serializers.IntegerField(help_text="Number of the deal's line, 0 = the whole deal."),
        "name": serializers.CharField(),
        "code": serializers.CharField(),
        "message": serializers.CharField(),
        "fix": serializers.CharField(),
    },
    many=True,
)
LISTED: dict[str, Any] = {
    "id": serializers.IntegerField(),
    "connection": serializers.IntegerField(),
    "opportunity_id": serializers.CharField(),
    "name": serializers.CharField(),
    "account_id": serializers.CharField(),
    "account_name": serializers.CharField(),
    "kind": serializers.ChoiceField(Automation.Trigger.choices),
    "slot": serializers.ChoiceField(Provision.Slot.choices),
    "version": serializers.IntegerField(),
    "source": serializers.ChoiceField(Provision.Source.choices),
    "state": serializers.ChoiceField(Provision.State.choices),
    "reason_code": serializers.CharField(),
    "sentence": serializers.CharField(),
    "problems": PROBLEM,
    "flag": serializers.CharField(help_text="reopened, lost, deleted or merged; empty without."),
    "flag_answer": serializers.CharField(help_text="What a person decided: keep, cancel_at_end or cancel_now."),
    "automation": serializers.CharField(),
    "automation_version": serializers.IntegerField(),
    "customer_id": serializers.CharField(),
    "customer_url": serializers.CharField(),
    "subscription_ids": TEXTS,
    "subscription_urls": TEXTS,
    "opened_at": serializers.DateTimeField(),
    "finished_at": serializers.DateTimeField(allow_null=True),
    "next_try_at": serializers.DateTimeField(allow_null=True),
}
STEP = inline_serializer(
    "ProvisionStep",
    {
        "name": serializers.ChoiceField([(name, name) for name in turns.NAMES]),
        "state": serializers.CharField(),
        "attempts": serializers.IntegerField(),
        "started_at": serializers.DateTimeField(allow_null=True),
        "ended_at": serializers.DateTimeField(allow_null=True),
        "reason_code": serializers.CharField(),
        "sentence": serializers.CharField(),
    },
    many=True,
)
MANY = inline_serializer("ProvisionListed", LISTED, many=True)
ONE = inline_serializer("ProvisionShown", {**LISTED, "intent": serializers.DictField(), "steps": STEP})
FILTERS = [
    OpenApiParameter("state", str, description="A state, or `needs` for deals that need a person."),
    OpenApiParameter("kind", str, description="won, trial, amendment or renewal."),
    OpenApiParameter("connection", int),
    OpenApiParameter("search", str, description="Part of a name, or an opportunity or account id."),
]


class StepGiven(serializers.Serializer):
    """The step to resume at; empty = where it stands."""

    step = serializers.ChoiceField([(name, name) for name in turns.NAMES], required=False, default="")


class AnswerGiven(serializers.Serializer):
    """What to do about a deal that was undone in Salesforce."""

    answer = serializers.ChoiceField([(name, name) for name in flags.ANSWERS])


@extend_schema(tags=["provisions"])
class ProvisionViewSet(viewsets.GenericViewSet):
    """Deals, newest first."""

    scope, role, write_role = "provisioning", "member", "operator"
    pagination_class = Pages
    filter_backends: list[Any] = []
    queryset = Provision.objects.none()
    lookup_value_regex = r"\d{1,18}"

    def _find(self, pk: str) -> Provision:
        found = Provision.objects.select_related("org", "customer", "automation").filter(pk=int(pk)).first()
        if found is None:
            raise NotFound("There is no provision with this id.")
        return found

    @extend_schema(parameters=FILTERS, responses=MANY)
    def list(self, request: Request) -> Response:
        """Deals with their state and what they gave."""
        given = request.query_params
        org, state, kind, search = (given.get(name, "") for name in ("connection", "state", "kind", "search"))
        rows = queries.provisions(org=org, state=state, kind=kind, search=search)
        page = self.paginate_queryset(rows) or []
        return self.get_paginated_response([queries.as_json(each) for each in page])

    @extend_schema(responses=ONE)
    def retrieve(self, request: Request, pk: str = "") -> Response:
        """One deal with steps, intent and problems."""
        return Response(queries.as_json(self._find(pk), whole=True))

    @extend_schema(request=StepGiven, responses=ONE)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str = "") -> Response:
        """Try again at the step where it stands; 409 when there is nothing to resume."""  # ST-D9, ST-D10
        given = StepGiven(data=request.data)
        given.is_valid(raise_exception=True)
        found, now = self._find(pk), timezone.now()
        steps.resume(found, step=given.validated_data["step"], actor=request.user, now=now)
        found = self._find(pk)
        job = write_back.JOB if found.state == Provision.State.INCOMPLETE else advancing.JOB
        runs.request_run(job, org=found.org, trigger="api", user=request.user, now=now)
        return Response(queries.as_json(self._find(pk), whole=True))

    @extend_schema(request=AnswerGiven, responses=ONE)
    @action(detail=True, methods=["post"])
    def answer(self, request: Request, pk: str = "") -> Response:
        """Decide about a deal that was reopened, lost or deleted after it was won."""  # ST-D13
        given = AnswerGiven(data=request.data)
        given.is_valid(raise_exception=True)
        flags.answer(self._find(pk), given.validated_data["answer"], actor=request.user, now=timezone.now())
        return Response(queries.as_json(self._find(pk), whole=True))


def register_provisions(router: SimpleRouter) -> None:
    """Add the resource to the API."""
    router.register("provisions", ProvisionViewSet, basename="provision")
