"""Plans with their prices, billable metrics with their usage, and CSV files."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing import importing, queries, usage
from billing.forms import ImportForm, PriceForm
from billing.importing import BadFile
from billing.incoming import PARTS, columns_of
from billing.models import BillableMetric, BillingCustomer, Plan, Price
from billing.objects import BY_KEY
from integrations import audit
from integrations.access import access
from integrations.exports import stream_csv

PAGE = 50
DAYS = 30
SHOWN_ERRORS = 200


@require_safe
@access("member")
def plans(request: HttpRequest) -> HttpResponse:
    """Plans with their prices."""
    now = timezone.now()
    found = [
        {"plan": each, "prices": list(queries.prices_of(each)), "customers": queries.customers_on(each, now=now)}
        for each in Plan.objects.filter(deleted_at=None)[:500]
    ]
    return render(request, "billing/plans.html", {"plans": found})


@require_safe
@access("member")
def plan(request: HttpRequest, pk: int) -> HttpResponse:
    """One plan."""
    found = get_object_or_404(Plan, pk=pk)
    metrics = {each.key: each for each in BillableMetric.objects.all()}
    prices = list(queries.prices_of(found))
    for each in prices:
        each.metric = metrics.get(each.metric_key)  # type: ignore[attr-defined]
        each.dialog = f"delete-{each.pk}"  # type: ignore[attr-defined]
    return render(request, "billing/plan.html", {"plan": found, "prices": prices})


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def price(request: HttpRequest, plan_id: int, pk: int | None = None) -> HttpResponse:
    """A new price, or another one; drafts follow at the next rating, final invoices never."""
    found = get_object_or_404(Plan, pk=plan_id)
    known = get_object_or_404(Price, pk=pk, plan_key=found.key) if pk else None
    lines = "\n".join(f"{tier.get('up_to') or '*'} ; {tier['unit']} ; {tier['flat']}" for tier in known.tiers) if known else ""
    form = PriceForm(request.POST or None, instance=known, initial={"tier_lines": lines})
    if request.method == "POST" and form.is_valid():
        before = {} if known is None else {name: str(form.initial.get(name, "")) for name in form.changed_data}
        made = form.save(commit=False)
        if known is None:
            made.key, made.plan_key = f"{found.key[:180]}:{get_random_string(8)}", found.key
            made.position = queries.prices_of(found).count()
        made.updated_at = timezone.now()
        made.save()
        after = {name: str(form.cleaned_data.get(name, "")) for name in form.changed_data}
        audit.record("billing.price", actor=request.user, target=made, before=before, after=after)
        messages.success(request, "Saved. Draft invoices follow at the next rating.")
        return redirect("billing:plan", pk=found.pk)
    status = 400 if form.errors else 200
    return render(request, "billing/price.html", {"plan": found, "form": form, "price": known}, status=status)


@require_POST
@access("operator")
def price_delete(request: HttpRequest, plan_id: int, pk: int) -> HttpResponse:
    """Take a price out of a plan."""
    found = get_object_or_404(Price.objects.filter(plan_key__in=Plan.objects.filter(pk=plan_id).values("key")), pk=pk)
    audit.record("billing.price_deleted", actor=request.user, target=found, before={"name": found.name, "model": found.model})
    found.delete()
    messages.success(request, "Deleted. Draft invoices follow at the next rating.")
    return redirect("billing:plan", pk=plan_id)


@require_safe
@access("member")
def metrics(request: HttpRequest) -> HttpResponse:
    """Billable metrics."""
    return render(request, "billing/metrics.html", {"metrics": BillableMetric.objects.filter(deleted_at=None)[:500]})


@require_safe
@access("member")
def metric(request: HttpRequest, pk: int) -> HttpResponse:
    """One metric: what it counts, and who used how much in the last 30 days."""
    found = get_object_or_404(BillableMetric, pk=pk)
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    period = usage.Period(today - timedelta(days=DAYS), today + timedelta(days=1))
    chart = usage.chart(found, period)
    ranked = sorted(chart.customers.items(), key=lambda each: (-each[1], each[0]))
    page = Paginator(ranked, PAGE).get_page(request.GET.get("page"))
    known = BillingCustomer.objects.filter(key__in=[key for key, _ in page.object_list]).in_bulk(field_name="key")
    rows = [{"customer": known.get(key), "key": key, "used": used} for key, used in page.object_list]
    most = max((n for _, n in chart.days), default=0)
    told = {"metric": found, "page": page, "rows": rows}
    return render(request, "billing/metric.html", {**told, "days": chart.days, "most": most, "meaning": chart.meaning})


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def import_file(request: HttpRequest) -> HttpResponse:
    """Try a CSV file out, look at what it would do, then save it."""
    form = ImportForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {"form": form, "columns": {key: columns_of(key) for key in PARTS}}
    if request.method != "POST" or not form.is_valid():
        return render(request, "billing/import.html", context, status=400 if form.errors else 200)
    key, dry = form.cleaned_data["object"], "save" not in request.POST
    try:
        sheet = importing.read_sheet(key, form.cleaned_data["file"].read())
    except BadFile as bad:
        form.add_error("file", str(bad))
        return render(request, "billing/import.html", context, status=400)
    report = importing.import_sheet(key, sheet, now=timezone.now(), dry_run=dry)
    if not dry:
        counts = {name: report.count(name) for name in ("created", "updated", "deleted", "failed")}
        audit.record("billing.import", actor=request.user, target=key, after=counts)
    errors = importing.error_lines(sheet, report)
    context |= {
        "report": report, "dry": dry, "object": BY_KEY[key], "errors": errors[:SHOWN_ERRORS],
        "more": len(errors) - SHOWN_ERRORS,
        "counts": [(name, report.count(name)) for name in ("created", "updated", "unchanged", "deleted", "stale", "failed")],
    }  # fmt: skip
    return render(request, "billing/import.html", context)


@require_safe
@access("member")
def template(request: HttpRequest, key: str) -> HttpResponseBase:
    """An empty CSV file with the columns of an object."""
    return stream_csv(f"{key}-template", columns_of(key) if key in PARTS else ["id"], [])
