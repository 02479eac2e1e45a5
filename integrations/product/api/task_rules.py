"""API of task rules: write them, try them, switch them on, read the tasks that they made. Scope `product`."""

from dataclasses import replace
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
from integrations.api.runs import RunSerializer
from integrations.audit import address_of
from integrations.models import Run, SalesforceOrg
from integrations.product import use_cases
from integrations.product.api.health import StateIn
from integrations.product.health.scoring import BadParts
from integrations.product.models import CsmTask, Segment, TaskRule
from integrations.product.task_rules import checking, definitions, making, queries
from integrations.product.task_rules.definitions import Draft
from integrations.queries import find_runs, id_in
from integrations.sync import runs


class TaskRuleSerializer(serializers.ModelSerializer):
    """A rule. `conditions`: signal, op, value."""

    conditions = serializers.ListField(child=serializers.DictField())
    made = serializers.IntegerField(read_only=True, help_text="Tasks that it made")
    waiting = serializers.IntegerField(source="waits", read_only=True, help_text="Tasks that wait")

    class Meta:
        model = TaskRule
        fields = [
            "id", "org", "name", "segment", "match", "conditions", "subject", "description", "priority", "status",
            "due_in_days", "owner", "owner_id", "cooldown_days", "most_a_day", "state", "checked_at", "matching", "held_back",
            "made", "waiting",
        ]  # fmt: skip
        read_only_fields = fields


class TaskRuleIn(serializers.Serializer):
    """What may be written; with PATCH only what is to change. `org` cannot be changed later."""

    org = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all(), required=False)
    name = serializers.CharField(max_length=80, required=False)
    segment = serializers.PrimaryKeyRelatedField(queryset=Segment.objects.all(), required=False, allow_null=True)
    match = serializers.CharField(max_length=10, required=False, help_text="all (default) or any")
    conditions = serializers.ListField(child=serializers.DictField(), required=False)
    subject = serializers.CharField(max_length=200, required=False, help_text="{{customer}} and {{rule}} are filled in")
    description = serializers.CharField(max_length=8000, required=False, allow_blank=True)
    priority = serializers.CharField(max_length=40, required=False)
    status = serializers.CharField(max_length=40, required=False)
    due_in_days = serializers.IntegerField(required=False)
    owner = serializers.CharField(max_length=10, required=False, help_text="account (its owner) or user")
    owner_id = serializers.CharField(max_length=18, required=False, allow_blank=True)
    cooldown_days = serializers.IntegerField(required=False)
    most_a_day = serializers.IntegerField(required=False)


class CsmTaskSerializer(serializers.ModelSerializer):
    """One task; `code` and `message` say why it waits."""

    customer = serializers.CharField(source="customer.external_id", read_only=True)

    class Meta:
        model = CsmTask
        fields = [
            "id", "rule", "customer", "episode", "key", "reason", "state", "code", "message", "salesforce_id", "values",
            "opened_at", "ended_at", "made_at",
        ]  # fmt: skip
        read_only_fields = fields


class UseCaseIn(serializers.Serializer):
    """Which use case, and for which connection."""

    case = serializers.CharField(max_length=40)
    org = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all(), required=False)


@extend_schema(tags=["product"])
class TaskRuleViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """`/api/v1/product/task-rules/`: filter by `org`, `state` and `text`. A new rule is a draft until it is switched on."""

    scope, role, write_role = "product", "member", "operator"
    serializer_class = TaskRuleSerializer
    queryset = TaskRule.objects.none()
    filter_backends: list[Any] = []

    def get_queryset(self) -> QuerySet[TaskRule]:
        given = self.request.query_params if self.action == "list" else {}
        if self.action != "list":
            return queries.find_rules(every=True)
        found = queries.find_rules(text=given.get("text", ""), state=given.get("state", ""))
        if given.get("org", "").strip():
            found = found.filter(org_id=id_in(given["org"]) or 0)
        return found.order_by("org", "name", "pk")

    @extend_schema(
        parameters=[OpenApiParameter("org", int), OpenApiParameter("text", str),
                    OpenApiParameter("state", str, enum=TaskRule.State.values)]
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(request=TaskRuleIn, responses={201: TaskRuleSerializer})
    def create(self, request: Request) -> Response:
        """Make a rule, as a draft; 400 names every condition and field that cannot be used."""
        rule = self._save(None, self._draft(request, None), request)
        return Response(self._shown(rule), status=status.HTTP_201_CREATED)

    @extend_schema(request=TaskRuleIn, responses=TaskRuleSerializer)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Change a rule; tasks that it made stay as they are."""
        rule = self.get_object()
        return Response(self._shown(self._save(rule, self._draft(request, rule), request)))

    @extend_schema(request=StateIn, responses=TaskRuleSerializer)
    @action(detail=True, methods=["post"])
    def state(self, request: Request, pk: str | None = None) -> Response:
        """Switch on (active), pause (paused) or archive (archived, for good)."""
        rule, given = self.get_object(), StateIn(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            definitions.set_state(
                rule, given.validated_data["state"], user=request.user, now=timezone.now(), address=address_of(request._request)
            )
        except BadParts as error:
            raise ValidationError(error.errors) from None
        return Response(self._shown(rule))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, url_path="dry-run")
    def dry_run(self, request: Request, pk: str | None = None) -> Response:
        """What checking the rule now would do; nothing is stored and nothing is sent."""
        try:
            trial = checking.try_rule(self.get_object(), now=timezone.now())
        except BadParts as error:
            raise Refusal("rule_unusable", str(error)) from None
        rows = [{"customer": each.external_id, "name": each.name, "reason": reason, "new_task": fresh}
                for each, reason, fresh in trial.rows]  # fmt: skip
        steps = trial.steps
        return Response({
            "looked_at": trial.looked_at, "matching": trial.matching, "new_tasks": len(steps.open), "have_one": steps.going_on,
            "cooling": steps.cooling, "beyond_limit": steps.held, "customers": rows,
        })  # fmt: skip

    @extend_schema(
        parameters=[OpenApiParameter("text", str), OpenApiParameter("state", str, enum=CsmTask.State.values)],
        responses=CsmTaskSerializer(many=True),
    )
    @action(detail=True)
    def tasks(self, request: Request, pk: str | None = None) -> Response:
        """The tasks of a rule, newest first, in pages."""
        given = request.query_params
        found = queries.find_tasks(rule=self.get_object(), text=given.get("text", ""), state=given.get("state", ""))
        return self.get_paginated_response(CsmTaskSerializer(self.paginate_queryset(found), many=True).data)

    @extend_schema(request=None, responses={202: RunSerializer})
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: str | None = None) -> Response:
        """Check the rules of this rule's connection now and make the tasks that are due."""
        org = self.get_object().org
        if not org.is_connected:
            raise Refusal("not_connected", f"{org.name} is {org.get_state_display().lower()}; connect it first.")
        run = runs.request_run(making.JOB, org=org, trigger=Run.Trigger.API, user=request.user, now=timezone.now())
        return Response(RunSerializer(find_runs(number=str(run.pk)).get()).data, status=status.HTTP_202_ACCEPTED)

    def _draft(self, request: Request, rule: TaskRule | None) -> Draft:
        given = TaskRuleIn(data=request.data)
        given.is_valid(raise_exception=True)
        if unknown := sorted(set(request.data) - set(given.fields)):
            raise ValidationError({name: ["There is no such field."] for name in unknown})
        values = dict(given.validated_data)
        if rule is None and "org" not in values:
            raise ValidationError({"org": ["Is required: the connection in which the tasks are made."]})
        known = definitions.draft_of(rule) if rule is not None else Draft(values.pop("org"), "", "")
        return replace(known, **values)

    def _save(self, rule: TaskRule | None, draft: Draft, request: Request) -> TaskRule:
        try:
            return definitions.save_rule(
                rule, draft, user=request.user, now=timezone.now(), address=address_of(request._request)
            )
        except BadParts as error:
            raise ValidationError(error.errors) from None

    def _shown(self, rule: TaskRule) -> Any:
        return TaskRuleSerializer(queries.find_rules(every=True).get(pk=rule.pk)).data


@extend_schema(tags=["product"])
class UseCaseViewSet(viewsets.GenericViewSet):
    """`/api/v1/product/use-cases/`: ready-made segments with engagements, task rules and scores."""

    scope, role, write_role = "product", "member", "operator"
    queryset = TaskRule.objects.none()
    serializer_class = UseCaseIn

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def list(self, request: Request) -> Response:
        """What can be made."""
        cards = use_cases.read_gallery(SalesforceOrg.objects.order_by("pk").first())
        return Response([
            {"case": card.case.key, "label": card.case.label, "about": card.case.about, "makes": card.case.kind,
             "made": [each.pk for each in card.made], "trouble": card.trouble}
            for card in cards
        ])  # fmt: skip

    @extend_schema(request=UseCaseIn, responses={201: OpenApiTypes.OBJECT})
    def create(self, request: Request) -> Response:
        """Make one, as a draft; 409 says why it cannot be."""
        given = UseCaseIn(data=request.data)
        given.is_valid(raise_exception=True)
        org = given.validated_data.get("org") or SalesforceOrg.objects.order_by("pk").first()
        key = given.validated_data["case"]
        try:
            made = use_cases.make_use_case(
                key, org=org, user=request.user, now=timezone.now(), address=address_of(request._request)
            )
        except BadParts as error:
            raise ValidationError(error.errors) from None
        return Response({"makes": use_cases.CASES[key].kind, "id": made.pk, "name": made.name}, status=status.HTTP_201_CREATED)
