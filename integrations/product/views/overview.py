"""The overview of product experience: the integration cards with their schedule, the counters, and Synchronize."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations.access import Refusal, access, has_role
from integrations.audit import address_of
from integrations.chosen_org import chosen_org
from integrations.models import Run, SalesforceOrg
from integrations.product import overview as reading
from integrations.sync.mapping import synchronize
from integrations.sync.mapping.schedule import explain_timing


@require_safe
@access("member")
def overview(request: HttpRequest) -> HttpResponse:
    """How the sync stands, when it runs next, and what the product knows."""
    now, org = timezone.now(), chosen_org(request)
    context = {
        "cards": reading.read_cards(org=org, now=now), "timing": explain_timing(now=now), "days": reading.DAYS,
        "figures": reading.read_figures(org=org, now=now), "sees_runs": has_role(request.user, "analyst"),
        **reading.read_health(), "places": reading.read_places(now=now, analyst=has_role(request.user, "analyst", "product")),
        "kpis": reading.read_kpis(),
    }  # fmt: skip
    return render(request, "product/overview.html", context)


@require_safe
@access("member")
def progress(request: HttpRequest, org_pk: int) -> HttpResponse:
    """How far a synchronization has come, asked for each 2 s; 286 tells htmx to stop."""
    org = get_object_or_404(SalesforceOrg, pk=org_pk)
    run = Run.objects.filter(org=org, job=synchronize.JOB).order_by("-pk").first()
    context = {"org": org, "progress": reading.read_progress(run) if run else None}
    context["sees_runs"] = has_role(request.user, "analyst")
    status = 200 if run is not None and run.is_active else 286
    return render(request, "product/parts/sync_progress.html", context, status=status)


@require_POST
@access("operator")
def synchronize_now(request: HttpRequest, org_pk: int) -> HttpResponse:
    """Fetch, map and push in a row (PX-17); the page then shows how far it has come."""
    org = get_object_or_404(SalesforceOrg, pk=org_pk)
    try:
        synchronize.synchronize(org, user=request.user, now=timezone.now(), address=address_of(request))
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return redirect("product:overview")
