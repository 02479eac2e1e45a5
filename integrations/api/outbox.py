"""API of the outbox: targets, waiting rows by cause, questions of the guard, values that people changed, dry runs and undo."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import Refusal
from integrations.api.outbox_shapes import (
    Answer,
    Decide,
    EditSerializer,
    EditValues,
    GroupSerializer,
    GuardSerializer,
    OneGroup,
    Pause,
    StartDryRun,
    StartedRun,
    StartUndo,
    TargetSerializer,
    WaitingRowSerializer,
)
from integrations.models import GuardRequest, HumanEdit, OutboxRow, OutboxTarget, Run, SalesforceOrg
from integrations.salesforce.errors import SalesforceError
from integrations.sync import guard
from integrations.sync.outbox import preview, rows, targets, undo, verify

BY_ORG = OpenApiParameter("org", int, description="Number of a connection.")


class OutboxView(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """Scope `outbox`; analysts read, operators change."""

    scope, role, write_role = "outbox", "analyst", "operator"
    filter_backends: list[Any] = []
    lookup_value_regex = "[0-9]{1,18}"
    org_path = "org"

    def get_queryset(self) -> Any:
        org = self.number("org")
        found = super().get_queryset()
        return found if org is None else found.filter(**{self.org_path: org})

    def number(self, name: str) -> int | None:
        """A whole number of the address; 400 for anything else."""
        text = self.request.query_params.get(name, "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 19):
            raise ValidationError({name: ["A whole number is needed."]})
        return int(text) if text else None

    def handle_exception(self, exc: Exception) -> Response:
        """What Salesforce refuses becomes 409 with its words."""
        if isinstance(exc, SalesforceError) and not isinstance(exc, Refusal):
            exc = Refusal(exc.code or "salesforce", f"Salesforce could not be asked: {exc.message}")
        return super().handle_exception(exc)

    def given(self, kind: type[serializers.Serializer]) -> dict[str, Any]:
        """The checked body."""
        found = kind(data=self.request.data)
        found.is_valid(raise_exception=True)
        return found.validated_data

    def started(self, run: Run) -> Response:
        return Response({"run": run.pk, "state": run.state}, status=status.HTTP_202_ACCEPTED)


@extend_schema(tags=["outbox"])
class OutboxTargetViewSet(OutboxView):
    """`/api/v1/outbox/targets/`: where rows go; dry run, compare, undo, pause."""

    serializer_class = TargetSerializer
    queryset = OutboxTarget.objects.select_related("org").order_by("org__name", "kind", "object")

    @extend_schema(parameters=[BY_ORG])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All targets, or those of one connection."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=None, responses={202: StartedRun})
    @action(detail=True, methods=["post"])
    def verify(self, request: Request, pk: str | None = None) -> Response:
        """Compare what was accepted with what stands in Salesforce now."""
        target = self.get_object()
        return self.started(verify.verify(target.org, target=target, user=request.user, now=timezone.now()))

    @extend_schema(request=Pause, responses=TargetSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str | None = None) -> Response:
        """Push nothing to it until it is resumed."""
        target, reason = self.get_object(), self.given(Pause).get("reason", "")
        targets.pause_target(target, reason=reason, user=request.user, now=timezone.now())
        return Response(self.get_serializer(target).data)

    @extend_schema(request=None, responses=TargetSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str | None = None) -> Response:
        """Push to it again."""
        target = self.get_object()
        targets.resume_target(target, user=request.user, now=timezone.now())
        return Response(self.get_serializer(target).data)

    @extend_schema(request=StartDryRun, responses={202: StartedRun})
    @action(detail=False, methods=["post"], url_path="dry-run")
    def dry_run(self, request: Request) -> Response:
        """What pushes would do now, stored as a run; nothing is written."""
        given = self.given(StartDryRun)
        if not given["org"].is_connected:
            raise Refusal("not_connected", f"{given['org'].name} is not connected.")
        found = preview.dry_run(given["org"], *given.get("kinds", []), user=request.user, now=timezone.now())
        return self.started(found.run)

    @extend_schema(request=StartUndo, responses={202: StartedRun})
    @action(detail=False, methods=["post"])
    def undo(self, request: Request) -> Response:
        """Take back what a run wrote, where the values are still ours; 409 says why not."""
        given = self.given(StartUndo)
        return self.started(
            undo.undo_run(given["run"], user=request.user, now=timezone.now(), delete_created=given["delete_created"])
        )


@extend_schema(tags=["outbox"])
class OutboxRowViewSet(OutboxView):
    """`/api/v1/outbox/rows/`: rows that wait; edit, retry, dismiss."""

    serializer_class = WaitingRowSerializer
    queryset = OutboxRow.objects.select_related("target__org").order_by("-last_failed_at", "-pk")
    org_path = "target__org"

    def get_queryset(self) -> "QuerySet[OutboxRow]":
        found = super().get_queryset()
        target, code = self.number("target"), self.request.query_params.get("code", "").replace("\0", "")
        state = self.request.query_params.get("state", "")
        if state and state not in OutboxRow.State.values:
            raise ValidationError({"state": [f"One of {', '.join(OutboxRow.State.values)}."]})
        if self.action == "list":
            found = found.filter(state=state) if state else found.filter(state__in=rows.WAITING)
        found = found if target is None else found.filter(target=target)
        return found.filter(code=code) if code else found

    @extend_schema(parameters=[BY_ORG, *(OpenApiParameter(name, str) for name in ("target", "state", "code"))])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Waiting rows, newest failure first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=EditValues, responses=WaitingRowSerializer)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Set other values for the next try; 409 names every value that does not fit."""
        row = rows.edit_row(self.get_object(), self.given(EditValues)["values"], user=request.user, now=timezone.now())
        return Response(self.get_serializer(row).data)

    @extend_schema(request=None, responses={202: StartedRun})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str | None = None) -> Response:
        """Try it again now, with its edited values."""
        return self.started(rows.retry_row(self.get_object(), user=request.user, now=timezone.now()))

    @extend_schema(request=None, responses=WaitingRowSerializer)
    @action(detail=True, methods=["post"])
    def dismiss(self, request: Request, pk: str | None = None) -> Response:
        """Leave it alone until it changes at the source."""
        return Response(self.get_serializer(rows.dismiss_row(self.get_object(), user=request.user, now=timezone.now())).data)

    @extend_schema(responses=GroupSerializer(many=True), parameters=[BY_ORG])
    @action(detail=False)
    def groups(self, request: Request) -> Response:
        """Waiting rows by target, cause and state, with what to do about each."""
        number = self.number("org")
        org = None if number is None else SalesforceOrg.objects.filter(pk=number).first()
        found = rows.groups(org) if number is None or org is not None else []
        return Response(GroupSerializer(found, many=True, context=self.get_serializer_context()).data)

    @extend_schema(request=OneGroup, responses={202: StartedRun})
    @action(detail=False, methods=["post"], url_path="retry-group")
    def retry_group(self, request: Request) -> Response:
        """Try all rows of a cause again now."""
        given = self.given(OneGroup)
        return self.started(rows.retry_group(**given, user=request.user, now=timezone.now()))

    @extend_schema(request=OneGroup, responses=OpenApiTypes.OBJECT)
    @action(detail=False, methods=["post"], url_path="dismiss-group")
    def dismiss_group(self, request: Request) -> Response:
        """Leave all rows of a cause alone until they change."""
        given = self.given(OneGroup)
        return Response({"rows": rows.dismiss_group(**given, user=request.user, now=timezone.now())})


@extend_schema(tags=["outbox"])
class GuardViewSet(OutboxView):
    """`/api/v1/outbox/guards/`: mass changes that wait for a yes or no; `?all=true` lists answered ones too."""

    serializer_class = GuardSerializer
    queryset = GuardRequest.objects.select_related("org", "run").order_by("-pk")

    def get_queryset(self) -> "QuerySet[GuardRequest]":
        found = super().get_queryset()
        everything = self.action != "list" or self.request.query_params.get("all") == "true"
        return found if everything else found.filter(answer=None)

    @extend_schema(parameters=[BY_ORG, OpenApiParameter("all", bool)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Open questions, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=Answer, responses=GuardSerializer)
    @action(detail=True, methods=["post"])
    def answer(self, request: Request, pk: str | None = None) -> Response:
        """Allow or refuse exactly this change; after a yes the job runs again."""
        asked = self.get_object()
        if asked.answer is not None:
            raise Refusal("answered", "Somebody has decided already.")
        guard.answer(asked, yes=self.given(Answer)["yes"], user=request.user, now=timezone.now())
        asked.refresh_from_db()
        return Response(self.get_serializer(asked).data)


@extend_schema(tags=["outbox"])
class HumanEditViewSet(OutboxView):
    """`/api/v1/outbox/edits/`: values of ours that people changed in Salesforce."""

    serializer_class = EditSerializer
    queryset = HumanEdit.objects.select_related("target__org").order_by("-seen_at", "-pk")
    org_path = "target__org"

    def get_queryset(self) -> "QuerySet[HumanEdit]":
        found, decision = super().get_queryset(), self.request.query_params.get("decision", "")
        if decision and decision not in HumanEdit.Decision.values:
            raise ValidationError({"decision": [f"One of {', '.join(HumanEdit.Decision.values)}."]})
        return found.filter(decision=decision) if decision else found

    @extend_schema(parameters=[BY_ORG, OpenApiParameter("decision", str)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All of them, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=Decide, responses=EditSerializer)
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, pk: str | None = None) -> Response:
        """Say whose value counts."""
        edit = verify.decide_edit(self.get_object(), self.given(Decide)["decision"], user=request.user, now=timezone.now())
        return Response(self.get_serializer(edit).data)
