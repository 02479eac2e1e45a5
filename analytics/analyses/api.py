"""API of analyses, below `/api/v1/analytics/`: kinds, asking, results with their documents, the customers behind a number."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from analytics.analyses import asking, behind, kinds
from analytics.analyses.behind import Line
from analytics.analyses.kinds import AnalysisKind, Parameter
from analytics.models import Analysis, Result
from integrations.access import Refusal
from integrations.api.customers import ExactJson, org_in
from integrations.models import SalesforceOrg
from integrations.paging import Pages
from integrations.queries import id_in
from integrations.sorting import sort_of
from integrations.sync.mapping.problems import ProblemsFound

MOST_ROWS = 500
ASK = OpenApiExample(
    "Ask", value={"org": 1, "kind": "retention", "parameters": {"unit": "week", "mode": "n_day"}}, request_only=True
)  # fmt: skip
NAME = OpenApiExample("Save", value={"name": "Weekly retention"}, request_only=True)
ANSWER = OpenApiExample(
    "Result",
    value={"id": 31, "analysis": 12, "state": "done", "as_of": "2026-11-01T00:00:00+00:00", "problem": "",
           "document": {"title": "Retention", "population": 412, "excluded": [], "blocks": [{"key": "triangle", "rows": []}]}},
    response_only=True,
)  # fmt: skip
ORG = OpenApiParameter("org", int, description="The connection")
KIND_NAME = OpenApiParameter("id", str, OpenApiParameter.PATH, description="Name of the kind, such as retention")
CELL = OpenApiParameter("cell", str, required=True, description="A cell of the document (`behind` or `_behind`) as JSON.")


@extend_schema(tags=["analytics"])
class KindViewSet(viewsets.ViewSet):
    """`/api/v1/analytics/kinds/`: which analyses there are and what each can be asked; `?org=` tells choices and what lacks."""

    scope, role = "analytics", "member"

    @extend_schema(operation_id="analytics_kinds_list", parameters=[ORG], responses=OpenApiTypes.OBJECT)
    def list(self, request: Request) -> Response:
        """Every kind with its parameters."""
        org = org_in(request, needed=False)
        return Response({"results": [kind_json(kind, org) for kind in kinds.every()]})

    @extend_schema(parameters=[KIND_NAME, ORG], responses=OpenApiTypes.OBJECT)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One kind by its name."""
        return Response(kind_json(_kind_named(pk), org_in(request, needed=False)))


@extend_schema(tags=["analytics"])
class AnalysisViewSet(viewsets.GenericViewSet):
    """`/api/v1/analytics/analyses/`: questions. Sending one computes it, unless its result on the newest facts is there."""

    scope, role, write_role = "analytics", "member", "analyst"
    parser_classes = [ExactJson]
    filter_backends: list[Any] = []
    pagination_class = Pages
    queryset = Analysis.objects.none()

    def get_queryset(self) -> QuerySet[Analysis]:
        """Those that the person may read, last asked first."""
        return asking.shown_to(self.request.user).order_by("-asked_at", "-pk")

    @extend_schema(
        operation_id="analytics_analyses_list",
        parameters=[ORG, OpenApiParameter("kind", str), OpenApiParameter("saved", bool)],
        responses=OpenApiTypes.OBJECT,
    )
    def list(self, request: Request) -> Response:
        """Analyses, filtered by connection, kind, and whether they are saved."""
        org, found = org_in(request, needed=False), self.get_queryset()
        found = found if org is None else found.filter(org=org)
        if kind := request.query_params.get("kind", ""):
            found = found.filter(kind=_kind_named(kind).name)
        if request.query_params.get("saved", "") in ("1", "true"):
            found = found.exclude(name="")
        page = self.paginate_queryset(found) or []
        return self.get_paginated_response([analysis_json(each) for each in page])

    @extend_schema(
        request=OpenApiTypes.OBJECT, examples=[ASK, ANSWER], responses={200: OpenApiTypes.OBJECT, 202: OpenApiTypes.OBJECT}
    )  # fmt: skip
    def create(self, request: Request) -> Response:
        """Ask: 200 with the finished result, 202 while it is computed (then read `/analytics/results/<id>/`)."""
        data = _body(request, ("org", "kind", "parameters"))
        org = SalesforceOrg.objects.filter(pk=id_in(str(data.get("org", ""))) or 0).first()
        if org is None:
            raise ValidationError({"org": ["Name an existing connection by its number."]})
        parameters = data.get("parameters") or {}
        if not isinstance(parameters, dict):
            raise ValidationError({"parameters": ["Send an object of parameters."]})
        now = timezone.now()
        try:
            found = asking.ask(_kind_named(data.get("kind")), org, parameters, user=request.user, now=now)
        except ProblemsFound as error:
            raise ValidationError(error.by_path()) from None
        result = asking.request_result(found, user=request.user, now=now)
        done = result.state != Result.State.QUEUED
        return Response(result_json(result, whole=True), status=200 if done else 202)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One analysis with its newest finished result."""
        found = self.get_object()
        newest = asking.result_of(found)
        return Response(analysis_json(found) | {"result": result_json(newest, whole=True) if newest is not None else None})

    @extend_schema(request=OpenApiTypes.OBJECT, examples=[NAME], responses=OpenApiTypes.OBJECT)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Save it under a name; an empty name takes it off the saved ones."""
        name = _body(request, ("name",)).get("name")
        if not isinstance(name, str):
            raise ValidationError({"name": ["Send a text; an empty one takes the analysis off the saved ones."]})
        return Response(analysis_json(asking.name_analysis(self.get_object(), name, user=request.user, now=timezone.now())))


@extend_schema(tags=["analytics"])
class ResultViewSet(viewsets.GenericViewSet):
    """`/api/v1/analytics/results/`: what was found, newest first; the customers behind each number."""

    scope, role = "analytics", "member"
    filter_backends: list[Any] = []
    pagination_class = Pages
    queryset = Result.objects.none()

    def get_queryset(self) -> QuerySet[Result]:
        """Results of analyses that the person may read."""
        found = Result.objects.filter(analysis__in=asking.shown_to(self.request.user).order_by().values("pk"))
        return found.select_related("analysis__org").order_by("-pk")

    @extend_schema(
        operation_id="analytics_results_list",
        parameters=[ORG, OpenApiParameter("analysis", int), OpenApiParameter("kind", str)],
        responses=OpenApiTypes.OBJECT,
    )
    def list(self, request: Request) -> Response:
        """Results without their documents, filtered by connection, analysis, kind."""
        org, found = org_in(request, needed=False), self.get_queryset().defer("document")
        found = found if org is None else found.filter(analysis__org=org)
        if number := request.query_params.get("analysis", ""):
            found = found.filter(analysis=id_in(number) or 0)
        if kind := request.query_params.get("kind", ""):
            found = found.filter(analysis__kind=_kind_named(kind).name)
        page = self.paginate_queryset(found) or []
        return self.get_paginated_response([result_json(each) for each in page])

    @extend_schema(examples=[ANSWER], responses=OpenApiTypes.OBJECT)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One result with its document: typed blocks with every number that the pages show, unrounded."""
        return Response(result_json(self.get_object(), whole=True))

    @extend_schema(
        parameters=[CELL, OpenApiParameter("sort", str, enum=[*behind.SORTS, *(f"-{each}" for each in behind.SORTS)]),
                    OpenApiParameter("page", int), OpenApiParameter("page_size", int)],
        responses=OpenApiTypes.OBJECT,
    )  # fmt: skip
    @action(detail=True, role="analyst")
    def behind(self, request: Request, pk: str) -> Response:
        """The customers behind a number, by pages of at most 500."""
        result, given = self.get_object(), request.query_params
        rows = min(max(id_in(given.get("page_size", "")) or behind.ROWS, 1), MOST_ROWS)
        number = id_in(given.get("page", "")) or 1
        try:
            group = behind.open_cell(result, given.get("cell", ""))
        except Refusal as refusal:
            raise NotFound(refusal.message) from None
        sort = sort_of(given.get("sort", ""), behind.SORTS)
        lines, total, page = behind.read_page(group, user=request.user, sort=sort, page=min(number, 10**6), rows=rows)
        currency = asking.currency_of(result.analysis.org)
        return Response({
            "count": total, "page": page, "page_size": rows, "words": group.words, "currency": currency,
            "is_of_current_facts": group.is_of_current_facts, "results": [line_json(line) for line in lines],
        })  # fmt: skip


def _kind_named(name: Any) -> AnalysisKind:
    try:
        return kinds.get(str(name or ""))
    except KeyError as error:
        raise ValidationError({"kind": [str(error.args[0])]}) from None


def _body(request: Request, known: tuple[str, ...]) -> dict[str, Any]:
    data = request.data
    if not isinstance(data, dict):
        raise ValidationError({"body": ["Send a JSON object."]})
    if unknown := sorted(set(data) - set(known)):
        raise ValidationError({name: [f"There is no such key; known: {', '.join(known)}."] for name in unknown})
    return data


def kind_json(kind: AnalysisKind, org: SalesforceOrg | None) -> dict[str, Any]:
    """A kind; with a connection also what it lacks there and the choices of its parameters."""
    return {
        "name": kind.name, "label": kind.label, "question": kind.question,
        "lacks": kind.lacks(org) if org is not None else None, "lists_customers": kind.behind is not None,
        "parameters": [_parameter_json(each, org) for each in kind.parameters],
    }  # fmt: skip


def _parameter_json(parameter: Parameter, org: SalesforceOrg | None) -> dict[str, Any]:
    choices = parameter.choices(org) if parameter.choices is not None and org is not None else None
    listed = None if choices is None else [{"value": each.value, "label": each.label} for each in choices]
    return {
        "key": parameter.key, "label": parameter.label, "type": parameter.kind, "many": parameter.many, "help": parameter.help,
        "default": parameter.default, "choices": listed,
    }  # fmt: skip


def analysis_json(analysis: Analysis) -> dict[str, Any]:
    """A question."""
    return {
        "id": analysis.pk, "org": analysis.org_id, "kind": analysis.kind, "name": analysis.name,
        "parameters": analysis.parameters, "seed": analysis.seed, "is_nightly": analysis.is_nightly,
        "asked_at": analysis.asked_at.isoformat(),
    }  # fmt: skip


def result_json(result: Result, *, whole: bool = False) -> dict[str, Any]:
    """A result; `whole`: with its document."""
    made = result.computed_at.isoformat() if result.computed_at is not None else None
    found = {
        "id": result.pk, "analysis": result.analysis_id, "kind": result.analysis.kind, "org": result.analysis.org_id,
        "state": result.state, "as_of": result.as_of.isoformat() if result.as_of is not None else None, "computed_at": made,
        "seconds": result.seconds, "problem": result.problem,
    }  # fmt: skip
    return found | ({"document": result.document or None} if whole else {})


def line_json(line: Line) -> dict[str, Any]:
    """One customer behind a number."""
    return {
        "subject": line.subject, "customer": line.customer or None, "name": line.name, "account_id": line.account_id or None,
        "accounts": line.accounts, "owner_id": line.owner_id or None, "mrr": None if line.mrr is None else f"{line.mrr:.2f}",
        "seats": None if line.seats is None else float(line.seats), "open_opportunities": line.open_opportunities,
        "tickets": line.tickets, "last_seen_at": line.last_seen_at.isoformat() if line.last_seen_at else None,
        "active_days": line.active_days,
    }  # fmt: skip


def register_analyses(router: SimpleRouter) -> None:
    """Add kinds, analyses and results to the API's router."""
    router.register("analytics/kinds", KindViewSet, basename="analytics-kind")
    router.register("analytics/analyses", AnalysisViewSet, basename="analytics-analysis")
    router.register("analytics/results", ResultViewSet, basename="analytics-result")
