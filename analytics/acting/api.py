"""API of groups, `/api/v1/analytics/groups/`: customers kept from a number, made a segment, sent to Salesforce (FZ-D14)."""

from typing import Any

from django.db.models import Count, QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from analytics.acting import groups, sending
from analytics.analyses import behind, finding
from analytics.models import Group, GroupMember, GroupPush, Result
from integrations.api.customers import ExactJson, org_in
from integrations.paging import Pages

TEXTS = ("way", "campaign_id", "people", "status", "field", "value")
KEEP = OpenApiExample(
    "Keep", value={"result": 12, "cell": {"block": "triangle", "row": "2026-03", "column": 2}, "name": "Left in month 2"},
    request_only=True,
)  # fmt: skip
SEND = OpenApiExample("Send", value={"way": "field", "field": "CW_Group__c", "value": "At risk"}, request_only=True)


@extend_schema(tags=["analytics"])
class GroupViewSet(viewsets.GenericViewSet):
    """Customers behind a number, kept as they were."""

    scope, role, write_role = "analytics", "member", "analyst"
    parser_classes = [ExactJson]
    filter_backends: list[Any] = []
    pagination_class = Pages
    queryset = Group.objects.none()

    def get_queryset(self) -> QuerySet[Group]:
        """Those that nobody archived, the youngest first."""
        found = Group.objects.filter(archived_at=None).select_related("org", "segment").annotate(size=Count("members"))
        return found.order_by("-pk")

    @extend_schema(
        operation_id="analytics_groups_list", parameters=[OpenApiParameter("org", int, description="The connection")],
        responses=OpenApiTypes.OBJECT,
    )  # fmt: skip
    def list(self, request: Request) -> Response:
        """Groups with their size."""
        org = org_in(request, needed=False)
        found = self.get_queryset() if org is None else self.get_queryset().filter(org=org)
        page = self.paginate_queryset(found) or []
        return self.get_paginated_response([group_json(each) for each in page])

    @extend_schema(request=OpenApiTypes.OBJECT, examples=[KEEP], responses={201: OpenApiTypes.OBJECT})
    def create(self, request: Request) -> Response:
        """Keep the customers behind a cell of a result under a name."""
        data = _body(request, ("result", "cell", "name"))
        number, cell = data.get("result"), data.get("cell")
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(cell, dict):
            raise ValidationError({"result": ["Send the number of a result and one of its cells."]})
        result = Result.objects.select_related("analysis__org").filter(pk=number).first()
        if result is None:
            raise ValidationError({"result": [f"There is no result {number}."]})
        opened = behind.open_cell(result, finding.cell_text(cell))
        lines = behind.stream_lines(opened, user=request.user)
        rows = [{"subject": each.subject, "customer_id": each.customer_id, "account_id": each.account_id} for each in lines]
        group = groups.keep_group(
            result, opened.cell, rows, name=str(data.get("name") or ""), words=opened.words, actor=request.user,
            now=timezone.now(),
        )  # fmt: skip
        return Response(group_json(self.get_queryset().get(pk=group.pk)), status=201)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One group with where it goes."""
        group = self.get_object()
        pushes = group.pushes.select_related("run", "preview")
        return Response(group_json(group) | {"pushes": [push_json(each) for each in pushes]})

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["get"])
    def members(self, request: Request, pk: str) -> Response:
        """Who is in it, by pages."""
        members = self.get_object().members.select_related("customer")
        page: Any = self.paginate_queryset(members) or []
        return self.get_paginated_response([member_json(each) for each in page])

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def segment(self, request: Request, pk: str) -> Response:
        """Make a segment of its customers; asking again gives the same one."""
        group = self.get_object()
        groups.make_segment(group, actor=request.user, now=timezone.now())
        return Response(group_json(self.get_queryset().get(pk=group.pk)))

    @extend_schema(request=OpenApiTypes.OBJECT, examples=[SEND], responses={201: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["post"], write_role="operator")
    def send(self, request: Request, pk: str) -> Response:
        """A draft of sending it, with its preview started. `pushes/<id>/send/` writes it, `.../take-back/` removes it."""
        data = _body(request, TEXTS)
        if wrong := [name for name, value in data.items() if not isinstance(value, str)]:
            raise ValidationError({name: ["Send a text."] for name in wrong})
        now = timezone.now()
        push = sending.draft_push(self.get_object(), **({"way": ""} | data), actor=request.user, now=now)
        sending.preview_push(push, actor=request.user, now=now)
        return Response(push_json(push), status=201)

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT)
    @action(
        detail=True, methods=["post"], write_role="operator",
        url_path=r"pushes/(?P<push>\d+)/(?P<act>[a-z0-9-]+)",
    )  # fmt: skip
    def push(self, request: Request, pk: str, push: str, act: str) -> Response:
        """Preview again, write, or take back what was written: `act` is preview, send or take-back."""
        verbs = {"preview": sending.preview_push, "send": sending.send_push, "take-back": sending.take_back}
        if act not in verbs:
            raise ValidationError({"act": [f"There is no {act}; known: {', '.join(verbs)}."]})
        found = self.get_object().pushes.select_related("group__org", "preview").filter(pk=push).first()
        if found is None:
            raise ValidationError({"push": [f"This group has no push {push}."]})
        now = timezone.now()
        verbs[act](found, actor=request.user, now=now)
        found.refresh_from_db()
        return Response(push_json(found))


def _body(request: Request, known: tuple[str, ...]) -> dict[str, Any]:
    data = request.data
    if not isinstance(data, dict):
        raise ValidationError({"body": ["Send a JSON object."]})
    if unknown := sorted(set(data) - set(known)):
        raise ValidationError({name: [f"There is no such key; known: {', '.join(known)}."] for name in unknown})
    return data


def group_json(group: Group) -> dict[str, Any]:
    """A group, with its size where it was counted."""
    return {
        "id": group.pk, "org": group.org_id, "name": group.name, "words": group.words, "members": getattr(group, "size", None),
        "analysis": group.analysis.pk if group.analysis else None, "cell": group.cell,
        "as_of": group.as_of.isoformat() if group.as_of else None, "segment": group.segment_id,
        "created_at": group.created_at.isoformat(),
    }  # fmt: skip


def member_json(member: GroupMember) -> dict[str, Any]:
    """One of a group."""
    return {
        "subject": member.subject, "customer": member.customer.external_id if member.customer else None,
        "account_id": member.account_id or None,
    }  # fmt: skip


def push_json(push: GroupPush) -> dict[str, Any]:
    """Where a group goes, and how far that is."""
    return {
        "id": push.pk, "way": push.way, "state": push.state, "where": push.where, "campaign_id": push.campaign_id or None,
        "people": push.people, "status": push.status or None, "field": push.field or None, "value": push.value or None,
        "preview_run": push.preview.pk if push.preview else None, "run": push.run.pk if push.run else None,
    }  # fmt: skip


def register_groups(router: SimpleRouter) -> None:
    """Add groups to the API's router."""
    router.register("analytics/groups", GroupViewSet, basename="analytics-group")
