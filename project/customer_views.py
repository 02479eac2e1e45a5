"""Pages of customers and end users: lists, one record with its links, why a record did (not) match, contested records."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations.access import Refusal, access, has_role
from integrations.audit import address_of, record
from integrations.chosen_org import chosen_org
from integrations.exports import stream_csv
from integrations.fresh import ask_again, is_fresh
from integrations.lake.engine import one_engine
from integrations.models import Customer, EndUser, Entity, LinkEvent, SalesforceOrg
from integrations.sorting import sort_of
from integrations.sync.mapping import catalogue
from integrations.sync.matching import duplicates, explain, links
from project import customers
from project.timeline import reading

PAGE = 50
LARGE_EXPORT = 10_000  # rows; more need a fresh sign-in (S-060)
FILTERS = ("text", "link")
MODELS: dict[str, type[Customer] | type[EndUser]] = {Entity.CUSTOMER: Customer, Entity.END_USER: EndUser}
FINDERS: dict[str, Any] = {Entity.CUSTOMER: customers.find_customers, Entity.END_USER: customers.find_end_users}
DONE = {"link": "Linked.", "unlink": "Unlinked; no rule links it again.", "lock": "Locked: no match run changes it.",
        "unlock": "Unlocked."}  # fmt: skip


@require_safe
@access("member")
def customer_list(request: HttpRequest) -> HttpResponse:
    """Customers, filtered by what stands in the address."""
    return _show_list(request, Entity.CUSTOMER)


@require_safe
@access("member")
def end_user_list(request: HttpRequest) -> HttpResponse:
    """End users, filtered by what stands in the address."""
    return _show_list(request, Entity.END_USER)


def _find(request: HttpRequest, entity: str) -> tuple[QuerySet[Any], dict[str, str], str]:
    chosen = {name: request.GET.get(name, "") for name in FILTERS}
    sort = sort_of(request.GET.get("sort", ""), customers.COLUMNS)
    return FINDERS[entity](**chosen, org=chosen_org(request), sort=sort, user=request.user), chosen, sort


def _show_list(request: HttpRequest, entity: str) -> HttpResponse:
    found, chosen, sort = _find(request, entity)
    org = chosen_org(request)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    context = {
        "kind": entity, "chosen": chosen, "sort": sort, "page": page, "link_states": customers.LINK_STATES,
        "records": list(customers.hide_personal(page.object_list, request.user)),
        "counts": customers.count_links(entity, org), "contested": customers.count_contested(org),
    }  # fmt: skip
    return render(request, "customers/list.html", context)


@require_safe
@access("analyst")
def customers_csv(request: HttpRequest) -> HttpResponseBase:
    """The customers of the list, as filtered."""
    return _export(request, Entity.CUSTOMER, "customers")


@require_safe
@access("analyst")
def end_users_csv(request: HttpRequest) -> HttpResponseBase:
    """The end users of the list, as filtered."""
    return _export(request, Entity.END_USER, "end-users")


def _export(request: HttpRequest, entity: str, name: str) -> HttpResponseBase:
    found, _, _ = _find(request, entity)
    if not is_fresh(request) and found[LARGE_EXPORT:].exists():
        return ask_again(request, request.get_full_path())
    record(f"export.{name}", actor=request.user, target=name, address=address_of(request))
    header = [*customers.HEADERS[Entity(entity)], *customers.LINK_HEADER]
    return stream_csv(name, header, customers.export_lines(found, request.user))


@require_safe
@access("member")
def customer(request: HttpRequest, pk: int) -> HttpResponse:
    """One customer: who it is in both systems and how that came about."""
    found = get_object_or_404(Customer, pk=pk, erased_at=None)
    if found.merged_into_id:
        return redirect("customer", pk=found.merged_into_id)
    return _show_record(request, customers.read_customer(found, user=request.user))


@require_safe
@access("member")
def customer_timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """What happened with a customer in all domains, newest first; `?kind=` narrows it."""
    found = get_object_or_404(Customer, pk=pk, erased_at=None)
    if found.merged_into_id:
        return redirect("customer_timeline", pk=found.merged_into_id)
    kind = reading.known_kind(request.GET.get("kind", ""))
    with one_engine():
        page = reading.page_of(reading.timeline_of(found, user=request.user, kind=kind), request.GET.get("page"))
        context = {"customer": found, "page": page, "entries": list(page.object_list), "kind": kind, "kinds": reading.KINDS}
    return render(request, "customers/timeline.html", context)


@require_safe
@access("member")
def end_user(request: HttpRequest, pk: int) -> HttpResponse:
    """One end user."""
    found = get_object_or_404(EndUser.objects.select_related("customer"), pk=pk, erased_at=None)
    return _show_record(request, customers.read_end_user(found, user=request.user))


def _show_record(request: HttpRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    rights = {"may_change": has_role(request.user, "operator"), "may_ask": has_role(request.user, "analyst")}
    return render(request, "customers/detail.html", {**context, **rights}, status=status)


@require_POST
@access("operator")
def link_change(request: HttpRequest, entity: str, pk: int, org_pk: int) -> HttpResponse:
    """Link, unlink, lock or unlock one record in one connection."""
    found, org = _record_of(entity, pk), get_object_or_404(SalesforceOrg, pk=org_pk)
    verbs = {"unlink": links.unlink, "lock": links.lock, "unlock": links.unlock}
    verb, now, typed = request.POST.get("verb", ""), timezone.now(), request.POST.get("salesforce_id", "")
    if verb not in DONE:
        raise Http404
    try:
        if verb == "link":
            links.link(found, org=org, salesforce_id=customers.id_in(typed), actor=request.user, now=now)
        else:
            verbs[verb](found, org=org, actor=request.user, now=now)
    except Refusal as refusal:
        if verb == "link":
            return _show_again(request, found, org, typed, refusal.message)
        messages.error(request, refusal.message)
    else:
        messages.success(request, DONE[verb])
    return redirect(entity, pk=pk)


def _show_again(request: HttpRequest, found: Customer | EndUser, org: SalesforceOrg, typed: str, message: str) -> HttpResponse:
    """The record's page with what was typed and why it cannot be linked."""
    if isinstance(found, Customer):
        context = customers.read_customer(found, user=request.user)
    else:
        context = customers.read_end_user(found, user=request.user)
    words = message.removeprefix("salesforce_id: ")
    return _show_record(request, {**context, "refused_org": org.pk, "typed": typed, "refused": words}, status=400)


@require_POST
@access("operator")
def link_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one change of a link back."""
    event = get_object_or_404(LinkEvent.objects.select_related("customer", "end_user", "org"), pk=pk)
    try:
        links.undo(event, actor=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, "Undone.")
    found = event.customer or event.end_user
    return redirect(event.entity, pk=found.pk) if found else redirect("customers")


@require_safe
@access("analyst")
def match_trace(request: HttpRequest, entity: str, pk: int, org_pk: int) -> HttpResponse:
    """Why this record did or did not find its Salesforce record: each rule, what it compared, what it found."""
    found, org = _record_of(entity, pk), get_object_or_404(SalesforceOrg, pk=org_pk)
    try:
        trace = explain.explain_match(found, org=org)
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect(entity, pk=pk)
    shows = has_role(request.user, "operator") or entity == Entity.CUSTOMER
    labels = {each.key: each.label for each in catalogue.source_fields(org, entity)}
    context = {"record": found, "entity": entity, "org": org, "trace": trace, "shows_values": shows, "labels": labels}
    return render(request, "customers/trace.html", context)


@require_safe
@access("analyst")
def conflicts(request: HttpRequest) -> HttpResponse:
    """Salesforce records that several of our records claim: none is written until somebody says which one wins (PX-D9)."""
    found = customers.find_contests(chosen_org(request))
    context = {"contests": found, "undecided": sum(each.conflict.winner is None for each in found)}
    return render(request, "customers/conflicts.html", context)


@require_POST
@access("operator")
def link_wins(request: HttpRequest, entity: str, pk: int, org_pk: int) -> HttpResponse:
    """This record is the one that is written to the contested Salesforce record."""
    found, org = _record_of(entity, pk), get_object_or_404(SalesforceOrg, pk=org_pk)
    try:
        duplicates.choose_winner(found, org=org, actor=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{found} is written from the next push on; the others are not.")
    return redirect("customer_conflicts")


def _record_of(entity: str, pk: int) -> Customer | EndUser:
    if entity not in MODELS:
        raise Http404
    return get_object_or_404(MODELS[entity], pk=pk, erased_at=None)
