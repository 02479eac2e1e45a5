"""Billing customers, invoices and credit grants."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from billing import queries, rating
from billing.models import BillingCustomer, CreditGrant, Invoice
from integrations.access import Refusal, access
from integrations.audit import address_of, record
from integrations.chosen_org import chosen_org
from integrations.exports import stream_csv
from integrations.sorting import sort_of

PAGE = 50
STATUSES = {"DRAFT": "Draft", "FINALIZED": "Finalized", "VOID": "Void"}


@require_safe
@access("member")
def customers(request: HttpRequest) -> HttpResponse:
    """Billing customers, filtered by what stands in the address."""
    text, link = request.GET.get("text", ""), request.GET.get("link", "")
    sort = sort_of(request.GET.get("sort", ""), queries.CUSTOMER_COLUMNS)
    found = queries.find_customers(text=text, link=link, org=chosen_org(request), sort=sort)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "chosen": {"text": text, "link": link}, "sort": sort, "filters": queries.LINK_FILTERS}
    return render(request, "billing/customers.html", context)


@require_safe
@access("member")
def customer(request: HttpRequest, pk: int) -> HttpResponse:
    """One billing customer: accounts, plans, invoices, credit, and what Salesforce holds."""
    found = get_object_or_404(BillingCustomer.objects.select_related("customer"), pk=pk)
    return render(request, "billing/customer.html", queries.read_customer(found))


def _invoices(request: HttpRequest) -> tuple[dict[str, str], str]:
    chosen = {name: request.GET.get(name, "") for name in ("text", "status", "customer")}
    return chosen, sort_of(request.GET.get("sort", ""), queries.INVOICE_COLUMNS)


@require_safe
@access("member")
def invoices(request: HttpRequest) -> HttpResponse:
    """Invoices, newest first."""
    chosen, sort = _invoices(request)
    page = Paginator(queries.find_invoices(**chosen, sort=sort), PAGE).get_page(request.GET.get("page"))
    queries.name_customers(list(page.object_list))
    context = {"page": page, "chosen": chosen, "sort": sort, "statuses": STATUSES}
    return render(request, "billing/invoices.html", context)


@require_safe
@access("analyst")
def invoices_csv(request: HttpRequest) -> HttpResponseBase:
    """The invoices of the list, as filtered."""
    chosen, sort = _invoices(request)
    record("export.invoices", actor=request.user, target="invoices", address=address_of(request))
    rows = queries.find_invoices(**chosen, sort=sort).iterator(2000)
    header = ["id", "number", "customer_id", "plan_id", "status", "starts_at", "ends_at", "currency", "total"]
    lines = (
        [each.key, each.number, each.customer_key, each.plan_key, each.status, each.starts_at, each.ends_at, each.currency,
         each.total]
        for each in rows
    )  # fmt: skip
    return stream_csv("invoices", header, lines)


@require_safe
@access("member")
def invoice(request: HttpRequest, pk: int) -> HttpResponse:
    """One invoice, readable and printable."""
    found = get_object_or_404(Invoice, pk=pk)
    return render(request, "billing/invoice.html", queries.read_invoice(found, page=request.GET.get("page")))


@require_POST
@access("operator")
def void(request: HttpRequest, pk: int) -> HttpResponse:
    """Void an invoice; for one of ours a new one may be made."""
    found = get_object_or_404(Invoice, pk=pk)
    try:
        rating.void_invoice(found, actor=request.user, now=timezone.now(), again=bool(request.POST.get("again")))
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, "Voided. The next push tells Salesforce.")
    return redirect("billing:invoice", pk=pk)


@require_safe
@access("member")
def credits(request: HttpRequest) -> HttpResponse:  # noqa: A001
    """Credit grants."""
    found = CreditGrant.objects.filter(deleted_at=None)
    if text := request.GET.get("text", "").replace("\0", "").strip():
        named = BillingCustomer.objects.filter(name__icontains=text).values("key")
        found = found.filter(name__icontains=text) | found.filter(customer_key__in=named) | found.filter(key__icontains=text)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    queries.name_customers(list(page.object_list))
    return render(request, "billing/credits.html", {"page": page, "text": text, "now": timezone.now()})


@require_safe
@access("member")
def credit(request: HttpRequest, pk: int) -> HttpResponse:
    """One grant and how it burned down."""
    found = get_object_or_404(CreditGrant, pk=pk)
    queries.name_customers([found])
    steps = queries.burn_down(found)
    stamp = [int(moment.timestamp() * 1000) for moment, _, _ in steps]
    end = found.expires_at or max(timezone.now(), steps[-1][0])
    points = {
        "points": [{"t": at, "v": float(left), "manual": False} for at, (_, left, _) in zip(stamp, steps, strict=True)],
        "begin": stamp[0], "end": int(end.timestamp() * 1000), "now": int(timezone.now().timestamp() * 1000),
        "start": float(found.initial_balance), "target": 0, "unit": "number", "unit_label": found.credit_type,
    }  # fmt: skip
    return render(request, "billing/credit.html", {"grant": found, "steps": steps, "points": points})
