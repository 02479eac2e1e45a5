"""API of the ledger: runs with their counts, row outcomes; start, cancel, retry."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import queries
from integrations.access import Refusal
from integrations.audit import address_of, record
from integrations.models import RowOutcome, Run, SalesforceOrg
from integrations.sync import jobs, row_retries, runs


class RunSerializer(serializers.ModelSerializer):
    """A run and the five classes of its rows."""

    rows = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = [
            "id", "job", "domain", "org", "trigger", "state", "reason_code", "sentence", "configuration", "attempts", "calls",
            "queued_at", "started_at", "finished_at", "total", "rows", "resumed_from",
        ]  # fmt: skip

    def get_rows(self, run: Run) -> dict[str, int]:
        """`read` is the sum of the other five."""  # I-01
        return {name: getattr(run, f"rows_{name}", 0) for name in queries.CLASSES}


class RowSerializer(serializers.ModelSerializer):
    """What became of one row."""

    object = serializers.CharField(source="run_object.name")
    request = serializers.SerializerMethodField(help_text="Kind of the request that was refused, such as report_run.")
    salesforce_code = serializers.SerializerMethodField(help_text="Salesforce's own error code.")
    http_status = serializers.SerializerMethodField(help_text="HTTP status of Salesforce's answer.")

    class Meta:
        model = RowOutcome
        fields = [
            "object", "key", "label", "salesforce_id", "outcome", "code", "message", "request", "salesforce_code",
            "http_status", "at",
        ]  # fmt: skip

    def get_request(self, row: RowOutcome) -> str:
        return queries.said_of(row)["request"]

    def get_salesforce_code(self, row: RowOutcome) -> str:
        return queries.said_of(row)["salesforce_code"]

    def get_http_status(self, row: RowOutcome) -> str:
        return queries.said_of(row)["http_status"]


class StartRun(serializers.Serializer):
    """Which job to run for which connection."""

    job = serializers.CharField()
    org = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all())

    def validate_job(self, name: str) -> str:
        try:
            return jobs.get(name).name
        except KeyError as error:
            raise serializers.ValidationError(str(error.args[0])) from error


def _demand(request: Request, domain: str) -> None:
    """403 for whoever may not act on runs of jobs of this domain."""
    if reason := queries.denial_of_job(request.user, domain):
        raise PermissionDenied(reason)


@extend_schema(tags=["runs"])
class RunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """`/api/v1/runs/`: newest first; filter by `state`, `domain`, `org`, `job`. Admins of a domain have those of its jobs."""

    scope, role, write_role = "runs", "analyst", "operator"
    each_domain = True
    serializer_class = RunSerializer
    queryset = Run.objects.none()
    filter_backends: list[Any] = []

    def get_queryset(self) -> Any:
        given = self.request.query_params
        if given.get("state", "") not in ("", *Run.State.values):
            raise serializers.ValidationError({"state": f"Choose one of {', '.join(Run.State.values)}."})
        found = queries.find_runs(**{name: given.get(name, "") for name in ("state", "domain", "org", "job")})
        return queries.runs_shown_to(self.request.user, found)

    def _own(self) -> Run:
        """The run, for operators and admins of its domain."""
        run = self.get_object()
        _demand(self.request, run.domain)
        return run

    @extend_schema(parameters=[OpenApiParameter(name, str) for name in ("state", "domain", "org", "job")])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(request=StartRun, responses={202: RunSerializer})
    def create(self, request: Request) -> Response:
        """Queue a run (or get the one that is queued already)."""
        given = StartRun(data=request.data)
        given.is_valid(raise_exception=True)
        org, job = given.validated_data["org"], given.validated_data["job"]
        _demand(request, jobs.get(job).domain)
        if not org.is_connected:
            raise Refusal("not_connected", f"{org.name} is {org.get_state_display().lower()}; connect it first.")
        run = runs.request_run(job, org=org, trigger=Run.Trigger.API, user=request.user, now=timezone.now())
        record("run.started", actor=request.user, target=f"run {run.pk} ({job}, {org.name})", address=address_of(request))
        return self._answer(run.pk, status.HTTP_202_ACCEPTED)

    @extend_schema(
        responses=RowSerializer(many=True), parameters=[OpenApiParameter("outcome", str), OpenApiParameter("code", str)]
    )
    @action(detail=True)
    def rows(self, request: Request, pk: str | None = None) -> Response:
        """Row outcomes, paged."""
        given = request.query_params
        rows = queries.rows_of(self.get_object(), outcome=given.get("outcome", ""), code=given.get("code", ""))
        page = list(queries.shown_to(request.user, self.paginate_queryset(rows) or []))
        return self.get_paginated_response(RowSerializer(page, many=True).data)

    @extend_schema(request=None, responses=RunSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str | None = None) -> Response:
        """Stop at the next step."""
        run = self._own()
        if not runs.cancel_run(run, user=request.user, now=timezone.now()):
            raise Refusal("ended", f"Run {run.pk} had already ended.")
        record("run.cancelled", actor=request.user, target=f"run {run.pk}", address=address_of(request))
        return self._answer(run.pk)

    @extend_schema(request=None, responses={202: RunSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str | None = None) -> Response:
        """A new run of the same job."""
        again = runs.retry_run(self._own(), user=request.user, now=timezone.now())
        record("run.retried", actor=request.user, target=f"run {pk} as {again.pk}", address=address_of(request))
        return self._answer(again.pk, status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: RunSerializer})
    @action(detail=True, methods=["post"], url_path="retry-rows")
    def retry_rows(self, request: Request, pk: str | None = None) -> Response:
        """A new run for the rows that failed or were not attempted, and no others; not every job can."""
        again = row_retries.retry_rows(self._own(), user=request.user, now=timezone.now())
        record("run.rows_retried", actor=request.user, target=f"run {pk} as {again.pk}", address=address_of(request))
        return self._answer(again.pk, status.HTTP_202_ACCEPTED)

    def _answer(self, pk: int, code: int = status.HTTP_200_OK) -> Response:
        return Response(RunSerializer(queries.find_runs(number=str(pk)).get()).data, status=code)
