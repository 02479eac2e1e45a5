"""Pages of the outbox: what waits to be written and why, one row, questions of the guard, edits by people, undo."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations import outbox_pages
from integrations.access import Refusal, access
from integrations.chosen_org import chosen_org
from integrations.models import GuardRequest, HumanEdit, OutboxRow, OutboxTarget, Run
from integrations.salesforce.errors import SalesforceError
from integrations.sync import guard
from integrations.sync.outbox import rows, undo, verify

LISTED = 200
FILTERS = ("target", "code", "state")


@require_safe
@access("analyst")
def outbox(request: HttpRequest) -> HttpResponse:
    """What waits, grouped by cause, with the fix."""
    return render(request, "outbox/overview.html", outbox_pages.read_overview(org=chosen_org(request)))


@require_safe
@access("analyst")
def outbox_rows(request: HttpRequest) -> HttpResponse:
    """Waiting rows, filtered by what stands in the address."""
    chosen = {name: request.GET.get(name, "") for name in FILTERS}
    found = outbox_pages.find_rows(org=chosen_org(request), **chosen)
    page = outbox_pages.page_of_rows(found, request.GET.get("page"), request.user)
    return render(request, "outbox/rows.html", {"page": page, "chosen": chosen, "states": OutboxRow.State.choices})


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def outbox_row(request: HttpRequest, pk: int) -> HttpResponse:
    """One waiting row: what it wants to write, and other values to try instead."""
    row = get_object_or_404(OutboxRow.objects.select_related("target", "target__org", "run"), pk=pk)
    if request.method != "POST":
        return render(request, "outbox/row.html", outbox_pages.read_row(row))
    typed = {name.removeprefix("field-"): text for name, text in request.POST.items() if name.startswith("field-")}
    wanted = {name: str(text) for name, text in typed.items() if name in row.values or name in row.fields}
    changed = {name: text for name, text in wanted.items() if text != outbox_pages.text_of(row.values.get(name))}
    verb = request.POST.get("verb", "save")
    try:
        row = rows.edit_row(row, changed, user=request.user, now=timezone.now())
        if verb == "retry":
            run = rows.retry_row(row, user=request.user, now=timezone.now())
            return redirect("integrations:run", pk=run.pk)
    except (Refusal, SalesforceError) as error:
        context = outbox_pages.read_row(row)
        for field in context["fields"]:
            field["text"], field["is_edited"] = wanted.get(field["name"], ""), True
        return render(request, "outbox/row.html", {**context, "trouble": str(error)}, status=400)
    messages.success(request, "Kept for the next try." if changed else "The values of the product count again.")
    return redirect("integrations:outbox_row", pk=pk)


@require_POST
@access("operator")
def outbox_retry(request: HttpRequest) -> HttpResponse:
    """Try one row, or all rows of a cause, again now."""
    now = timezone.now()
    try:
        if request.POST.get("row"):
            row = get_object_or_404(OutboxRow.objects.select_related("target", "target__org"), pk=_number(request, "row"))
            run = rows.retry_row(row, user=request.user, now=now)
        else:
            target, code, state = _group_in(request)
            run = rows.retry_group(target, code, state=state, user=request.user, now=now)
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("integrations:outbox")
    return redirect("integrations:run", pk=run.pk)


@require_POST
@access("operator")
def outbox_dismiss(request: HttpRequest) -> HttpResponse:
    """Leave one row, or all rows of a cause, alone until they change at the source."""
    now = timezone.now()
    if request.POST.get("row"):
        row = get_object_or_404(OutboxRow.objects.select_related("target", "target__org"), pk=_number(request, "row"))
        rows.dismiss_row(row, user=request.user, now=now)
        number = 1
    else:
        target, code, state = _group_in(request)
        number = rows.dismiss_group(target, code, state=state, user=request.user, now=now)
    what = "1 row is" if number == 1 else f"{number:,} rows are"
    messages.success(request, f"{what} left alone until the product changes them.")
    return redirect("integrations:outbox")


@require_POST
@access("operator")
def guard_answer(request: HttpRequest, pk: int) -> HttpResponse:
    """Say yes or no to a mass change (I-11)."""
    asked = get_object_or_404(GuardRequest.objects.select_related("org", "run"), pk=pk)
    yes = request.POST.get("answer") == "yes"
    try:
        run = guard.answer(asked, yes=yes, user=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("integrations:outbox")
    if run is not None:
        return redirect("integrations:run", pk=run.pk)
    messages.success(request, "Allowed; the next run does it." if yes else "Refused; nothing is changed.")
    return redirect("integrations:outbox")


@require_safe
@access("analyst")
def human_edits(request: HttpRequest) -> HttpResponse:
    """Values of ours that people changed in Salesforce (R-154)."""
    org = chosen_org(request)
    found = outbox_pages.open_edits(org).order_by("-seen_at")
    context = {"edits": found[:LISTED], "count": found.count(), "decided": outbox_pages.decided_edits(org)[:LISTED]}
    return render(request, "outbox/edits.html", context)


@require_POST
@access("operator")
def human_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Decide whose value counts."""
    edit = get_object_or_404(HumanEdit.objects.select_related("target", "target__org"), pk=pk)
    try:
        verify.decide_edit(edit, request.POST.get("decision", ""), user=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, "Decided.")
    return redirect("integrations:human_edits")


@require_POST
@access("operator")
def outbox_verify(request: HttpRequest, pk: int) -> HttpResponse:
    """Compare what was accepted with what stands in Salesforce now."""
    target = get_object_or_404(OutboxTarget.objects.select_related("org"), pk=pk)
    try:
        run = verify.verify(target.org, target=target, user=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("integrations:outbox")
    return redirect("integrations:run", pk=run.pk)


@require_POST
@access("operator")
def run_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take back what a run wrote to Salesforce."""
    run = get_object_or_404(Run.objects.select_related("org"), pk=pk)
    try:
        done_by = undo.undo_run(run, user=request.user, now=timezone.now(), delete_created="delete_created" in request.POST)
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("integrations:run", pk=pk)
    return redirect("integrations:run", pk=done_by.pk)


def _group_in(request: HttpRequest) -> tuple[OutboxTarget, str, str]:
    target = get_object_or_404(OutboxTarget.objects.select_related("org"), pk=_number(request, "target"))
    return target, request.POST.get("code", ""), request.POST.get("state", "")


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Http404
    return int(text)
