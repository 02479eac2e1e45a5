"""Seats of each connection: who holds one, who gets one, what happened (BW-02, BW-25, BW-D1..D3)."""

import re
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations.access import Refusal, access, has_role
from integrations.audit import address_of, record
from integrations.chosen_org import chosen_org
from integrations.exports import stream_csv
from integrations.models import SalesforceOrg
from integrations.sorting import sort_of
from integrations.undo import offer_undo
from okr import licenses, queries, undoing
from okr.forms import GrantForm, PoolForm
from okr.models import LicenseEvent

PAGE = 50
NUMBER = re.compile(r"[0-9]{1,17}")
HISTORY = 20
EVENTS = {
    licenses.GRANTED: "License assigned",
    licenses.RELEASED: "License released",
    licenses.FREED: "License freed",
    licenses.POOL_CHANGED: "Pool changed",
}


def _chosen_org(request: HttpRequest) -> SalesforceOrg | None:
    orgs = SalesforceOrg.objects.exclude(state=SalesforceOrg.State.DISCONNECTED)
    number = request.GET.get("org", "")
    named = orgs.filter(pk=int(number)).first() if NUMBER.fullmatch(number) else None
    return named or chosen_org(request) or orgs.first()


@require_safe
@access("member")
def show(request: HttpRequest) -> HttpResponse:
    """The pool of one connection; everybody may see who can link, operators change it."""
    org = _chosen_org(request)
    context: dict[str, Any] = {"org": org, "orgs": SalesforceOrg.objects.exclude(state=SalesforceOrg.State.DISCONNECTED)}
    if org is not None:
        text = request.GET.get("q", "").strip()[:100]
        sort = sort_of(request.GET.get("sort", ""), queries.SEAT_COLUMNS)
        history = [
            {"label": EVENTS.get(event.event, event.event), "event": event}
            for event in LicenseEvent.objects.filter(org=org).select_related("actor", "user")[:HISTORY]
        ]
        context |= {
            "seats": licenses.seats_of(org),
            "page": Paginator(queries.seats_held(org, q=text, sort=sort), PAGE).get_page(request.GET.get("page")),
            "q": text,
            "sort": sort,
            "history": history,
            "may_assign": has_role(request.user, "operator", "okr"),
            "may_resize": has_role(request.user, "admin", "okr"),
            "has_own": licenses.has_seat(request.user, org),
            "grant_form": GrantForm(),
            "pool_form": PoolForm(initial={"seats": org.seats}),
        }
        context["grant_form"].fields["person"].queryset = _without_seat(org)
    return render(request, "okr/licenses.html", context)


def _without_seat(org: SalesforceOrg) -> Any:
    people = GrantForm.base_fields["person"].queryset  # pyright: ignore[reportAttributeAccessIssue]
    return people.exclude(licenses__org=org)


def _back(org: SalesforceOrg) -> HttpResponse:
    return redirect(f"{reverse('okr:licenses')}?org={org.pk}")


@require_POST
@access("operator")
def grant(request: HttpRequest, org_id: int) -> HttpResponse:
    """Assign a seat; the 31st is refused with a way out (BW-D1)."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    form = GrantForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose a person first.")
        return _back(org)
    person = form.cleaned_data["person"]
    try:
        licenses.grant_license(org, user=person, actor=request.user, now=timezone.now())
        messages.success(request, f"{person.get_full_name() or person.get_username()} can link key results now.")
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return _back(org)


@require_POST
@access("operator")
def release(request: HttpRequest, org_id: int) -> HttpResponse:
    """Take back the seats of the ticked people (or of one); their links stay (BW-D3)."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    chosen = [int(number) for number in request.POST.getlist("user") if NUMBER.fullmatch(number)]
    people, now = get_user_model().objects.filter(pk__in=chosen), timezone.now()
    kept = licenses.kept_seats(org, users=people)
    try:
        freed = licenses.release_licenses(org, users=people, actor=request.user, now=now)
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return _back(org)
    if freed:
        text = f"{freed} license{'' if freed == 1 else 's'} released. Existing links keep refreshing."
        back = f"{reverse('okr:licenses')}?org={org.pk}"
        offer_undo(request, text, verb=undoing.RELEASE, data={"org": org.pk, "seats": kept}, back=back, now=now)
    else:
        messages.info(request, "Nobody was ticked." if not chosen else "They held no license any more.")
    return _back(org)


@require_POST
@access("admin")
def resize(request: HttpRequest, org_id: int) -> HttpResponse:
    """Change the size of the pool, never below its use."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    form = PoolForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Give a whole number of licenses.")
        return _back(org)
    try:
        seats = licenses.change_pool(org, seats=form.cleaned_data["seats"], actor=request.user, now=timezone.now())
        messages.success(request, f"{org.name} has {seats.total} licenses now.")
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return _back(org)


@require_safe
@access("operator")
def export(request: HttpRequest, org_id: int) -> HttpResponse:
    """Who holds a seat, as CSV."""
    org = get_object_or_404(SalesforceOrg, pk=org_id)
    header = ["username", "name", "email", "departments", "granted_at", "granted_by", "linked_key_results", "last_used_at"]
    rows = (
        [
            seat.user.get_username(),
            seat.user.get_full_name(),
            seat.user.email,
            "; ".join(each.name for each in seat.user.departments.all()),
            seat.granted_at.isoformat(),
            seat.granted_by.get_username() if seat.granted_by else "",
            seat.links,  # pyright: ignore[reportAttributeAccessIssue]
            seat.last_used_at.isoformat() if seat.last_used_at else "",
        ]
        for seat in queries.seats_held(org).iterator(500)
    )
    record("export.licenses", actor=request.user, target=org, address=address_of(request))
    return stream_csv("licenses", header, rows)  # pyright: ignore[reportReturnType]
