"""Pages of groups: customers that somebody kept from a number, made a segment, sent to Salesforce and taken back (FZ-D14)."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from analytics.acting import groups, kinds, places, sending
from analytics.analyses import behind
from analytics.models import Group, GroupPush, Result
from integrations.access import Refusal, access
from integrations.audit import address_of, record
from integrations.chosen_org import chosen_org
from integrations.exports import stream_csv
from integrations.form_tokens import sent_once
from integrations.masking import hide_people, may_see_people

PAGE = 50
HEADER = ("subject", "customer", "name", "account_id")


@require_safe
@access("member")
def group_list(request: HttpRequest) -> HttpResponse:
    """The groups of all connections or of the chosen one, the youngest first."""
    found = Group.objects.filter(archived_at=None).select_related("org", "owner", "segment").annotate(
        size=Count("members", distinct=True),
        sent=Count("pushes", filter=Q(pushes__state__in=kinds.SENT), distinct=True),
    )  # fmt: skip
    org = chosen_org(request)
    found = (found if org is None else found.filter(org=org)).order_by("-pk")
    return render(request, "analytics/groups/list.html", {"page": Paginator(found, PAGE).get_page(request.GET.get("page"))})


@require_safe
@access("member")
def group_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One group: who is in it, where it goes, and the forms to send it."""
    group = _find(pk)
    members = group.members.select_related("customer").order_by("customer__name", "account_id")
    way = request.GET.get("send", "")
    context: dict[str, Any] = {
        "group": group, "page": Paginator(members, PAGE).get_page(request.GET.get("page")), "way": way, "ways": GroupPush.Way,
        "linked": members.exclude(account_id="").count(), "customers": members.exclude(customer=None).count(),
        "pushes": list(group.pushes.select_related("run", "preview", "created_by")), "people": GroupPush.People.choices,
        "prefix": places.PREFIX, "sees_people": may_see_people(request.user), "states": GroupPush.State,
    }  # fmt: skip
    if way == GroupPush.Way.CAMPAIGN:
        context["campaigns"] = sending.offered_campaigns(group.org)
    elif way == GroupPush.Way.FIELD:
        context["fields"] = sending.offered_fields(group.org)
    return render(request, "analytics/groups/detail.html", context)


@require_safe
@access("analyst")
def group_csv(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Everybody in the group."""
    group = _find(pk)
    record("export.analytics_group", actor=request.user, target=group, address=address_of(request))
    sees = may_see_people(request.user)
    rows = group.members.select_related("customer").iterator(chunk_size=2_000)
    return stream_csv(
        "group",
        HEADER,
        (
            [
                each.subject, each.customer.external_id if each.customer else "",
                _name(str(each.customer) if each.customer else "", sees), each.account_id,
            ]
            for each in rows
        ),
    )  # fmt: skip


def _name(name: str, sees: bool) -> str:
    return name if sees else hide_people(name)


@require_POST
@access("analyst")
def group_keep(request: HttpRequest, result_pk: int) -> HttpResponse:
    """Keep the customers behind a number under a name."""
    result = get_object_or_404(Result.objects.select_related("analysis__org"), pk=result_pk)
    with sent_once(request) as sending_:
        if sending_.is_repeat:
            return redirect(sending_.url or "analytics:groups")
        try:
            opened = behind.open_cell(result, request.POST.get("cell", ""))
            lines = behind.stream_lines(opened, user=request.user)
            rows = [{"subject": each.subject, "customer_id": each.customer_id, "account_id": each.account_id} for each in lines]
            group = groups.keep_group(
                result, opened.cell, rows, name=request.POST.get("name", ""), words=opened.words, actor=request.user,
                now=timezone.now(),
            )  # fmt: skip
        except Refusal as refusal:
            sending_.give_back()
            messages.error(request, refusal.message)
            return redirect(
                f"{reverse('analytics:behind', args=[result.pk])}?{urlencode({'cell': request.POST.get('cell', '')})}"
            )
        sending_.led_to(f"/analytics/groups/{group.pk}/")
    messages.success(request, f"“{group.name}” is kept. Make a segment of it, or send it to Salesforce.")
    return redirect("analytics:group", pk=group.pk)


@require_POST
@access("analyst")
def group_segment(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a segment of the group's customers."""
    group = _find(pk)
    try:
        segment = groups.make_segment(group, actor=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"The segment “{segment.name}” holds the group's customers.")
    return redirect("analytics:group", pk=pk)


@require_POST
@access("operator")
def group_push(request: HttpRequest, pk: int) -> HttpResponse:
    """A draft of sending the group, with its preview started."""
    group, given = _find(pk), request.POST
    try:
        push = sending.draft_push(
            group, way=given.get("way", ""), campaign_id=given.get("campaign_id", ""), people=given.get("people", ""),
            status=given.get("status", "").strip(), field=given.get("field", ""), value=given.get("value", ""),
            actor=request.user, now=timezone.now(),
        )  # fmt: skip
        sending.preview_push(push, actor=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
        if refusal.code == "missing_fields":
            messages.info(request, "The button “Create the fields in Salesforce” on this page makes them.")
        return redirect(f"/analytics/groups/{pk}/?send={given.get('way', '')}")
    messages.success(request, "The preview is being made. Look at it, then send.")
    return redirect("analytics:group", pk=pk)


@require_POST
@access("operator")
def group_push_act(request: HttpRequest, pk: int, push_pk: int) -> HttpResponse:
    """Preview again, send, or take back."""
    push = get_object_or_404(GroupPush.objects.select_related("group__org", "preview"), pk=push_pk, group_id=pk)
    act, now = request.POST.get("act", ""), timezone.now()
    try:
        if act == "preview":
            sending.preview_push(push, actor=request.user, now=now)
        elif act == "send":
            run = sending.send_push(push, actor=request.user, now=now)
            messages.success(request, f"Run #{run.pk} writes it.")
        elif act == "back":
            run = sending.take_back(push, actor=request.user, now=now)
            messages.success(request, f"Run #{run.pk} takes it back." if run else "The draft is gone.")
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return redirect("analytics:group", pk=pk)


@require_POST
@access("operator")
def group_fields(request: HttpRequest, pk: int) -> HttpResponse:
    """Create the fields that groups are written to."""
    group = _find(pk)
    try:
        run = sending.request_fields(group.org, actor=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("analytics:group", pk=pk)
    return redirect("integrations:run", pk=run.pk)


@require_POST
@access("analyst")
def group_archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Hide the group."""
    group = _find(pk)
    try:
        groups.archive(group, actor=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("analytics:group", pk=pk)
    messages.success(request, f"“{group.name}” is archived.")
    return redirect("analytics:groups")


def _find(pk: int) -> Group:
    return get_object_or_404(Group.objects.select_related("org", "owner", "segment", "analysis"), pk=pk)
