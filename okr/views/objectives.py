"""Objectives: the list with filters and roll-up, one objective, create, edit, archive (BW-26, BW-33, BW-D17)."""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.access import Refusal, access
from integrations.audit import address_of, record
from integrations.chosen_org import chosen_org
from integrations.exports import stream_csv
from integrations.form_tokens import sent_once
from integrations.sorting import sort_of
from integrations.undo import offer_undo
from okr import objectives, periods, rights, undoing
from okr.forms import ObjectiveFilter, ObjectiveForm
from okr.models import KeyResult, Objective, Period
from okr.progress import percent_of, progress_of
from okr.queries import KEY_RESULT_COLUMNS, ObjectiveRow, all_rows, find_objectives, in_order, link_of, rows_of

PAGE = 25
FIELDS = ("title", "description", "owner", "department", "period", "parent", "weight")


def _found(request: HttpRequest) -> tuple[ObjectiveFilter, dict[str, Any]]:
    filter_form = ObjectiveFilter(request.GET)
    chosen = filter_form.chosen()
    if request.GET.get("attention"):
        chosen["attention"] = True
    org = chosen_org(request)
    return filter_form, chosen | ({"org": org} if org else {})


@require_safe
@access("member")
def show_all(request: HttpRequest) -> HttpResponse:
    """All objectives with their key results, as filtered by the address."""
    filter_form, chosen = _found(request)
    found = in_order(find_objectives(**chosen), filter_form.order_in_use)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    sort = sort_of(request.GET.get("sort", ""), KEY_RESULT_COLUMNS)
    rows = rows_of(page.object_list, sort=sort, org=chosen.get("org"))
    context = {
        "sort": sort,
        "filter": filter_form,
        "page": page,
        "rows": rows,
        "is_filtered": bool(chosen),
        "attention": chosen.get("attention"),
    }
    return render(request, "okr/objectives.html", context)


@require_safe
@access("member")
def export(request: HttpRequest) -> HttpResponse:
    """One line for each key result of the list, as filtered."""
    filter_form, chosen = _found(request)
    found = in_order(find_objectives(**chosen), filter_form.order_in_use)
    sort = sort_of(request.GET.get("sort", ""), KEY_RESULT_COLUMNS)
    header = [
        "objective", "objective_owner", "department", "period", "objective_progress", "key_result", "owner", "start", "current",
        "target", "unit", "progress", "confidence", "report", "link_status", "last_checked_at",
    ]  # fmt: skip
    record("export.objectives", actor=request.user, target="objectives", address=address_of(request))
    lines = (line for row in all_rows(found, sort=sort, org=chosen.get("org")) for line in _lines(row))
    return stream_csv("objectives", header, lines)  # pyright: ignore[reportReturnType]


def _lines(row: ObjectiveRow) -> Iterator[list[object]]:
    objective = row.objective
    department = objective.department.name if objective.department else ""
    share = percent_of(row.progress)
    start = [objective.title, objective.owner.get_username(), department, objective.period.name, "" if share is None else share]
    for key_result in row.key_results:
        yield [*start, *_cells(key_result)]
    if not row.key_results:
        yield [*start, *[""] * 11]


def _cells(key_result: KeyResult) -> list[object]:
    link = link_of(key_result)
    share = percent_of(progress_of(start=key_result.start, target=key_result.target, current=key_result.current))
    checked = link.last_checked_at.isoformat() if link and link.last_checked_at else ""
    return [
        key_result.title,
        key_result.owner.get_username(),
        objectives.plain(key_result.start),
        "" if key_result.current is None else objectives.plain(key_result.current),
        objectives.plain(key_result.target),
        key_result.unit_label or key_result.unit,
        "" if share is None else share,
        key_result.confidence,
        link.report_name if link else "",
        link.status if link else "",
        checked,
    ]


def _read(pk: int) -> Objective:
    return get_object_or_404(Objective.objects.select_related("owner", "department", "period", "parent"), pk=pk)


@require_safe
@access("member")
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """One objective with its key results and the objectives below it."""
    objective = _read(pk)
    below = list(Objective.objects.filter(parent=objective, archived_at=None).select_related("owner", "department", "period"))
    sort = sort_of(request.GET.get("sort", ""), KEY_RESULT_COLUMNS)
    own, *children = rows_of([objective, *below], sort=sort)
    context = {
        "sort": sort,
        "objective": objective,
        "progress": own.progress,
        "key_results": own.key_results,
        "children": children,
        "may_edit": rights.may_edit_objective(request.user, objective),
    }
    return render(request, "okr/objective.html", context)


def _form_page(request: HttpRequest, form: ObjectiveForm, objective: Objective | None) -> HttpResponse:
    no_periods = not Period.objects.exists()
    return render(request, "okr/objective_form.html", {"form": form, "objective": objective, "no_periods": no_periods})


@require_http_methods(["GET", "HEAD", "POST"])
@access("member", changes=True)
def create(request: HttpRequest) -> HttpResponse:
    """Anybody may create one, for themselves or for a department (BW-05)."""
    if request.method != "POST":
        current = periods.current_of(list(Period.objects.all()), now=timezone.now())
        initial = {"owner": request.user.pk, "period": current, "parent": request.GET.get("parent", "")[:18]}
        return _form_page(request, ObjectiveForm(initial=initial), None)
    form = ObjectiveForm(request.POST)
    if form.is_valid():
        with sent_once(request) as sending:
            if sending.is_repeat:
                return redirect(sending.url or "okr:objectives")
            try:
                made = objectives.create_objective(**form.cleaned_data, user=request.user, now=timezone.now())
            except Refusal as refusal:
                sending.give_back()
                form.add_error(None, refusal.message)
            else:
                sending.led_to(reverse("okr:objective", args=[made.pk]))
                messages.success(request, "Objective created. Add the numbers that show whether it is reached.")
                return redirect(sending.url)
    return _form_page(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@access("member", changes=True)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change an objective, hand it to a person or a department."""
    objective = _read(pk)
    if not rights.may_edit_objective(request.user, objective):
        raise PermissionDenied
    if request.method != "POST":
        return _form_page(request, ObjectiveForm(objective=objective), objective)
    form = ObjectiveForm(request.POST, objective=objective)
    if form.is_valid():
        changes = {name: form.cleaned_data[name] for name in FIELDS if form.cleaned_data[name] != getattr(objective, name)}
        try:
            if changes:
                objectives.update_objective(objective, changes=changes, user=request.user, now=timezone.now())
        except Refusal as refusal:
            form.add_error(None, refusal.message)
        else:
            messages.success(request, "Objective saved.")
            return redirect("okr:objective", pk=pk)
    return _form_page(request, form, objective)


@require_POST
@access("member")
def archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Take it out of the lists; its links stop refreshing."""
    objective, now = _read(pk), timezone.now()
    page = reverse("okr:objective", args=[pk])
    try:
        objectives.archive_objective(objective, user=request.user, now=now)
        text = f"{objective.title} is archived: it left the lists and its key results are no longer refreshed."
        offer_undo(request, text, verb=undoing.ARCHIVE, data={"objective": pk}, back=page, now=now)
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return redirect(page)


@require_POST
@access("member")
def restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Bring it back."""
    objective = _read(pk)
    try:
        objectives.restore_objective(objective, user=request.user, now=timezone.now())
        messages.success(request, f"{objective.title} is back.")
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return redirect("okr:objective", pk=pk)
