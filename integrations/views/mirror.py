"""Pages of the mirror: every object with its freshness, one object with its fields, drift and backfills."""

from datetime import UTC, date, datetime, time
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations import mirror_pages
from integrations.access import Refusal, access
from integrations.audit import address_of, record
from integrations.chosen_org import chosen_org, orgs_to_choose
from integrations.models import Backfill, MirrorObject
from integrations.salesforce.errors import SalesforceError
from integrations.sync.mirror import backfill

State = Backfill.State
OFFERS: dict[str, tuple[tuple[str, str], ...]] = {
    State.ESTIMATED: (("start", "Start"), ("cancel", "Discard")),
    State.QUEUED: (("pause", "Pause"), ("cancel", "Cancel")),
    State.RUNNING: (("pause", "Pause"), ("cancel", "Cancel")),
    State.PAUSED: (("resume", "Resume"), ("cancel", "Cancel")),
    State.FAILED: (("start", "Try again"), ("cancel", "Discard")),
}
VERBS = {"start": backfill.start, "pause": backfill.pause, "resume": backfill.resume, "cancel": backfill.cancel}


@require_safe
@access("analyst")
def mirror_list(request: HttpRequest) -> HttpResponse:
    """Every mirrored object; those in trouble first."""
    org, orgs = chosen_org(request), orgs_to_choose(request)
    context = {
        "rows": mirror_pages.read_objects(org=org, now=timezone.now()),
        "backfills": mirror_pages.backfills_under_way(org),
        "orgs": orgs,
        "readable": org or (orgs[0] if len(orgs) == 1 else None),
    }
    return render(request, "mirror/list.html", context)


@require_safe
@access("analyst")
def mirror_object(request: HttpRequest, pk: int) -> HttpResponse:
    """One object."""
    return _show(request, _object_of(pk))


def _show(request: HttpRequest, item: MirrorObject, *, status: int = 200, **extra: Any) -> HttpResponse:
    context = mirror_pages.read_object_page(item, now=timezone.now())
    context["backfills"] = list(context["backfills"])
    for each in context["backfills"]:
        each.offers = OFFERS.get(each.state, ())
    return render(request, "mirror/detail.html", {**context, **extra}, status=status)


@require_POST
@access("operator")
def mirror_backfill(request: HttpRequest, pk: int) -> HttpResponse:
    """Estimate reading older records; nothing is read before a person starts it."""
    item, text = _object_of(pk), request.POST.get("since", "").strip()
    try:
        since = datetime.combine(date.fromisoformat(text), time(), UTC) if text else None
    except ValueError:
        return _show(
            request, item, status=400, since=text, since_error="Write a day as YYYY-MM-DD, or nothing for all records."
        )
    try:
        made = backfill.estimate(item, since=since, user=request.user, now=timezone.now())
    except (Refusal, SalesforceError) as error:
        return _show(request, item, status=400, since=text, since_error=str(error))
    messages.success(request, f"About {made.estimated_rows:,} records and {made.estimated_calls:,} API calls. Start it below.")
    return redirect("integrations:mirror_object", pk=pk)


@require_POST
@access("operator")
def mirror_backfill_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Start, pause, resume or cancel a backfill."""
    item = get_object_or_404(Backfill.objects.select_related("object", "object__org"), pk=pk)
    verb = VERBS.get(request.POST.get("verb", ""))
    if verb is None:
        raise Http404
    try:
        verb(item, user=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        item.refresh_from_db()
        messages.success(request, f"Backfill of {item.object.name}: {item.get_state_display().lower()}.")
    return redirect("integrations:mirror_object", pk=item.object.pk)


@require_POST
@access("operator")
def mirror_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop reading this object until somebody resumes it."""
    return _switch(request, pk, MirrorObject.State.ACTIVE, MirrorObject.State.PAUSED, "Paused by a person.")


@require_POST
@access("operator")
def mirror_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Read this object again; what was missed comes with the next read."""
    return _switch(request, pk, MirrorObject.State.PAUSED, MirrorObject.State.ACTIVE, "")


def _switch(request: HttpRequest, pk: int, before: str, after: str, reason: str) -> HttpResponse:
    item = _object_of(pk)
    if MirrorObject.objects.filter(pk=pk, state=before).update(state=after, reason=reason):
        record(f"mirror.{after}", actor=request.user, target=str(item), address=address_of(request))
        messages.success(request, f"{item.name}: {MirrorObject.State(after).label.lower()}.")
    else:
        messages.info(request, f"{item.name} is {item.get_state_display().lower()}; nothing was changed.")
    return redirect("integrations:mirror_object", pk=pk)


def _object_of(pk: int) -> MirrorObject:
    return get_object_or_404(MirrorObject.objects.select_related("org", "last_run"), pk=pk)
