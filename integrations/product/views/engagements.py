"""Pages of engagements: the list, the editor with its preview, one engagement with who saw it, starting and ending (PX-03)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.access import Refusal, access
from integrations.audit import address_of, record
from integrations.exports import stream_csv
from integrations.form_tokens import sent_once
from integrations.masking import hide_name, hide_people, may_see_people
from integrations.product.engagements import authoring, facts, markup, queries, rules, showing, templates
from integrations.product.engagements.forms import EngagementFilter, EngagementForm, ViewFilter
from integrations.product.models import Engagement, EngagementView, WriteKey
from integrations.sorting import sort_of
from integrations.sync.mapping.problems import ProblemsFound

PAGE = 50
LABELS = {
    rules.DRAFT: ("Draft", "quiet", "pencil"), rules.SCHEDULED: ("Scheduled", "info", "clock"),
    rules.LIVE: ("Live", "ok", "play"), rules.PAUSED: ("Paused", "quiet", "pause"),
    rules.ENDED: ("Ended", "quiet", "circle-stop"),
}  # fmt: skip


def _labelled(engagement: Engagement, now: datetime) -> Engagement:
    """With its state as people read it, for templates."""
    state = engagement.state_at(now)
    engagement.now = dict(zip(("state", "label", "tone", "icon"), (state, *LABELS[state]), strict=True))  # pyright: ignore
    return engagement


@require_safe
@access("analyst")
def engagement_list(request: HttpRequest) -> HttpResponse:
    """All engagements, as filtered by the address."""
    now, filter_form = timezone.now(), EngagementFilter(request.GET)
    sort = sort_of(request.GET.get("sort", ""), queries.COLUMNS)
    found = queries.find_engagements(now=now, sort=sort, **filter_form.chosen())
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    for each in page:
        _labelled(each, now)
    context = {
        "page": page, "filter": filter_form, "sort": sort, "is_filtered": bool(filter_form.chosen()),
        "templates": templates.TEMPLATES.values(),
    }  # fmt: skip
    return render(request, "product/engagements/list.html", context)


@require_safe
@access("analyst")
def engagements_csv(request: HttpRequest) -> HttpResponse:
    """The list as CSV, as filtered."""
    now, filter_form = timezone.now(), EngagementFilter(request.GET)
    sort = sort_of(request.GET.get("sort", ""), queries.COLUMNS)
    found = queries.find_engagements(now=now, sort=sort, **filter_form.chosen())
    header = ["name", "kind", "title", "state", "segment", "starts_at", "ends_at", "priority", *queries.ACTIONS]
    record("export.engagements", actor=request.user, target="engagements", address=address_of(request))
    rows = (
        [
            each.name, each.kind, each.title, each.state_at(now), each.segment.name if each.segment else "",
            _text(each.starts_at), _text(each.ends_at), each.priority, *(getattr(each, name) for name in queries.ACTIONS),
        ]
        for each in found.iterator(500)
    )  # fmt: skip
    return stream_csv("engagements", header, rows)  # pyright: ignore[reportReturnType]


@require_safe
@access("analyst")
def engagement(request: HttpRequest, pk: int) -> HttpResponse:
    """One engagement: what it says, how it goes, and who saw it."""
    now = timezone.now()
    found = _labelled(get_object_or_404(Engagement.objects.select_related("segment", "created_by"), pk=pk), now)
    filter_form = ViewFilter(request.GET)
    sort = sort_of(request.GET.get("sort", ""), queries.VIEW_COLUMNS)
    page = Paginator(queries.find_views(found, sort=sort, **filter_form.chosen()), PAGE).get_page(request.GET.get("page"))
    context = {
        "engagement": found, "counts": queries.counts_of(found), "message": _example(found), "page": page, "sort": sort,
        "filter": filter_form, "is_filtered": bool(filter_form.chosen()), "sees_people": may_see_people(request.user),
        "moves": rules.MOVES[found.state], "exposed": _exposed(found), **_sliced(found, request.GET.get("by", "")),
    }  # fmt: skip
    for view in page:
        view.person = _person(view, bool(context["sees_people"]))
    return render(request, "product/engagements/detail.html", context)


@require_safe
@access("analyst")
def engagement_views_csv(request: HttpRequest, pk: int) -> HttpResponse:
    """Who did what with it, as CSV, as filtered."""
    found, sees = get_object_or_404(Engagement, pk=pk), may_see_people(request.user)
    views = queries.find_views(found, sort=request.GET.get("sort", ""), **ViewFilter(request.GET).chosen())
    header = ["user", "name", "customer", "first_shown_at", "last_shown_at", "clicked_at", "dismissed_at", "answered_at"]
    record("export.engagement_views", actor=request.user, target=f"engagement {pk}", address=address_of(request))
    return stream_csv(f"engagement-{pk}", header, _lines(views.iterator(500), sees))  # pyright: ignore[reportReturnType]


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def engagement_create(request: HttpRequest) -> HttpResponse:
    """A new draft."""
    if request.method != "POST":
        kind = request.GET.get("kind", "")
        initial = {"kind": kind} if kind in Engagement.Kind.values else {}
        return _form_page(request, EngagementForm(initial=initial), None)
    form = EngagementForm(request.POST)
    if form.is_valid():
        with sent_once(request) as sending:
            if sending.is_repeat:
                return redirect(sending.url or "product:engagements")
            try:
                made = authoring.create_engagement(form.cleaned_data, user=request.user, now=timezone.now())
            except ProblemsFound as problems:
                sending.give_back()
                form.take_problems(problems)
            else:
                sending.led_to(reverse("product:engagement", args=[made.pk]))
                messages.success(request, "Draft saved. Nobody sees it before you start it.")
                return redirect(sending.url)
    return _form_page(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def engagement_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change one."""
    found = get_object_or_404(Engagement.objects.select_related("segment"), pk=pk)
    if request.method != "POST":
        return _form_page(request, EngagementForm(engagement=found), found)
    form = EngagementForm(request.POST, engagement=found)
    if form.is_valid():
        try:
            authoring.update_engagement(found, form.cleaned_data, user=request.user, now=timezone.now())
        except ProblemsFound as problems:
            form.take_problems(problems)
        except Refusal as refusal:
            form.add_error(None, refusal.message)
        else:
            messages.success(request, "Saved.")
            return redirect("product:engagement", pk=pk)
    found.refresh_from_db()
    return _form_page(request, form, found)


@require_POST
@access("operator")
def engagement_preview(request: HttpRequest) -> HttpResponse:
    """What the form would show, with invented values; asked for while somebody types."""
    values = {name: request.POST.get(name, "")[:most] for name, most in authoring.TEXTS.items()}
    kind = request.POST.get("kind", "")
    draft = Engagement(kind=kind if kind in Engagement.Kind.values else Engagement.Kind.MESSAGE, **values)
    return render(request, "product/engagements/preview.html", {"message": _example(draft)})


@require_POST
@access("operator")
def engagement_state(request: HttpRequest, pk: int) -> HttpResponse:
    """Start, pause, go on with or end it."""
    found, now = get_object_or_404(Engagement, pk=pk), timezone.now()
    try:
        changed = authoring.set_state(found, request.POST.get("state", ""), user=request.user, now=now)
        messages.success(request, f"{changed.name}: {LABELS[changed.state_at(now)][0].lower()}.")
    except ProblemsFound as problems:
        messages.error(request, " ".join(each.message for each in problems.problems))
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return redirect("product:engagement", pk=pk)


@require_POST
@access("operator")
def engagement_copy(request: HttpRequest, pk: int) -> HttpResponse:
    """A new draft with the same content."""
    found = get_object_or_404(Engagement.objects.select_related("segment"), pk=pk)
    try:
        made = authoring.copy_engagement(found, user=request.user, now=timezone.now())
    except ProblemsFound as problems:
        messages.error(request, " ".join(each.message for each in problems.problems))
        return redirect("product:engagement", pk=pk)
    messages.success(request, "Copied. This is the new draft.")
    return redirect("product:engagement_edit", pk=made.pk)


@require_POST
@access("operator")
def engagement_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a draft."""
    found = get_object_or_404(Engagement, pk=pk)
    try:
        authoring.delete_engagement(found, user=request.user)
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("product:engagement", pk=pk)
    messages.success(request, f"{found.name} was deleted.")
    return redirect("product:engagements")


@require_POST
@access("operator")
def engagement_from_template(request: HttpRequest) -> HttpResponse:
    """A draft and its segment from a template."""  # PX-40
    key, attribute = request.POST.get("template", ""), request.POST.get("attribute", "")
    try:
        made = templates.from_template(key, attribute=attribute, user=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    except ProblemsFound as problems:
        messages.error(request, " ".join(each.message for each in problems.problems))
    else:
        messages.success(request, "A draft and its segment are ready. Look at them, then start it.")
        return redirect("product:engagement_edit", pk=made.pk)
    return redirect("product:engagements")


def _form_page(request: HttpRequest, form: EngagementForm, found: Engagement | None) -> HttpResponse:
    draft = found or Engagement(kind=form["kind"].value() or Engagement.Kind.MESSAGE)
    values = {name: str(form[name].value() or "")[:most] for name, most in authoring.TEXTS.items()}
    shown = Engagement(kind=draft.kind, **values)
    context = {"form": form, "engagement": found, "message": _example(shown), "variables": facts.known_names()}
    return render(request, "product/engagements/form.html", context, status=400 if form.errors else 200)


def _example(found: Engagement) -> dict[str, Any]:
    """The message with invented values, its body as HTML."""
    example = facts.example_facts(showing.names_of(found), attributes=facts.known_attributes())
    message = showing.message_of(found, facts={name: value or "…" for name, value in example.items()}) or {}
    return {**message, "html": markup.html_of(message.get("body", [])), "scores": range(11)}


def _exposed(found: Engagement) -> bool:
    """Whether its personal texts could be asked for by anybody who knows a user id: a key without signatures."""
    names = showing.names_of(found)
    return bool(names) and WriteKey.objects.filter(revoked_at=None, require_signature=False).exists()


def _sliced(found: Engagement, key: str) -> dict[str, Any]:
    """The figures by an attribute of the customer: the one that was asked for, else none (PX-34)."""
    attributes = queries.attributes_to_slice_by()
    chosen = next((each for each in attributes if each.key == key), None)
    return {"attributes": attributes, "by": chosen, "parts": queries.slice_by(found, chosen) if chosen else []}


def _person(view: EngagementView, sees_people: bool) -> str:
    user = view.end_user
    name = user.name or user.external_id
    return name if sees_people else (hide_name(user.name) or hide_people(user.external_id))


def _lines(views: Iterator[EngagementView], sees_people: bool) -> Iterator[list[object]]:
    for view in views:
        user = view.end_user
        times = (view.shown_at, view.last_shown_at, view.clicked_at, view.dismissed_at, view.answered_at)
        who = [user.external_id, user.name] if sees_people else [hide_people(user.external_id), hide_name(user.name)]
        yield [*who, user.customer.external_id if user.customer else "", *(_text(each) for each in times)]


def _text(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
