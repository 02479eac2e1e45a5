"""The page of KPIs: every definition with the reference's names, the values of one customer, and what connections chose."""

from typing import Any
from zoneinfo import available_timezones

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations import audit
from integrations.access import Refusal, access, has_role
from integrations.lake.failures import EngineError
from integrations.models import Run, SalesforceOrg
from integrations.product.kpis import choosing, job, values
from integrations.product.models import DirtyDay, KpiSettings, KpiState

HIDDEN = (SalesforceOrg.State.NEW, SalesforceOrg.State.DISCONNECTED)


@require_safe
@access("member")
def kpi_list(request: HttpRequest) -> HttpResponse:
    """Definitions; with `?customer=` the values of that customer beside them."""
    name = request.GET.get("customer", "").replace("\0", "").strip()
    customer = values.customer_called(name) if name else None
    found, trouble = {}, ""
    try:
        found = values.of_customer(customer.pk) if customer else {}
    except EngineError as error:
        trouble = error.message
    rows = [
        {
            **values.describe(each),
            "parts": each.key.split("_"),
            "others": [name for name in each.kpi.names if name.casefold() != each.label.casefold()],
            "value": values.rounded(found.get(each.key)),
            "is_blank": found.get(each.key) is None,
        }
        for each in values.columns_now()
    ]
    context: dict[str, Any] = {
        "rows": rows, "customer": customer, "name": name, "has_values": bool(found), "trouble": trouble,
        "state": KpiState.objects.first(), "waiting": DirtyDay.objects.values("day").distinct().count(),
        "going": Run.objects.filter(job=job.JOB, state__in=Run.ACTIVE).first(),
        "may_change": has_role(request.user, "operator", "product"), "may_see_runs": has_role(request.user, "analyst"),
    }  # fmt: skip
    if context["may_change"]:
        context |= {"choices": _choices(), "instants": KpiSettings.AsOf.choices, "zones": sorted(available_timezones())}
    return render(request, "product/kpis.html", context)


def _choices() -> list[tuple[SalesforceOrg, str, str]]:
    """Connections with what they chose."""
    chosen = {each.org.pk: each for each in KpiSettings.objects.select_related("org")}
    orgs = SalesforceOrg.objects.exclude(state__in=HIDDEN).order_by("name")
    usual = KpiSettings(**choosing.USUAL)
    return [(org, chosen.get(org.pk, usual).as_of, chosen.get(org.pk, usual).time_zone) for org in orgs]


@require_POST
@access("operator")
def kpi_compute(request: HttpRequest) -> HttpResponse:
    """Compute now, as a run."""
    run = job.start(user=request.user, now=timezone.now())
    audit.record("run.started", actor=request.user, target=f"run {run.pk} ({job.JOB})", address=audit.address_of(request))
    messages.success(request, f"Run #{run.pk} computes the KPIs of all customers.")
    return redirect("product:kpis")


@require_POST
@access("operator")
def kpi_settings(request: HttpRequest, org_pk: int) -> HttpResponse:
    """Keep what a connection counts up to, and its time zone."""
    org = get_object_or_404(SalesforceOrg, pk=org_pk)
    try:
        saved = choosing.choose_settings(
            org, as_of=request.POST.get("as_of", ""), time_zone=request.POST.get("time_zone", ""), user=request.user,
            address=audit.address_of(request),
        )  # fmt: skip
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{org.name}: {saved.get_as_of_display().lower()}; calendar periods in {saved.time_zone}.")  # pyright: ignore
    return redirect("product:kpis")
