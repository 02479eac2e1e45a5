"""The page of the four-way audit: totals by kind, the list with its filters in the address, CSV."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations.access import access
from integrations.audit import address_of, record
from integrations.exports import stream_csv
from integrations.sorting import sort_of, sort_rows
from project.four_way import audit
from project.four_way.audit import LABELS, SEVERITIES, Finding
from project.four_way.positions import RANK

PAGE = 50
FILTERS = ("kind", "severity", "text", "customer")
COLUMNS = {
    "customer": lambda each: each.customer_name.casefold(), "amount": lambda each: each.amount,
    "severity": lambda each: RANK[each.severity], "kind": lambda each: each.label,
}  # fmt: skip
HEADER = ("severity", "kind", "customer_id", "customer", "what", "finding", "amount_per_month", "currency", "rows")


def _chosen(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET.get(name, "").replace("\0", "") for name in FILTERS}


def _found(request: HttpRequest, shown: audit.Audit) -> tuple[list[Finding], str]:
    sort = sort_of(request.GET.get("sort", ""), COLUMNS)
    return sort_rows(audit.narrow(shown.findings, **_chosen(request)), sort, COLUMNS), sort


@require_safe
@access("analyst")
def four_way(request: HttpRequest) -> HttpResponse:
    """Where sold, granted, used and billed disagree."""
    shown = audit.read_audit(now=timezone.now())
    found, sort = _found(request, shown)
    chosen = _chosen(request)
    others = audit.narrow(shown.findings, **{**chosen, "kind": ""})
    context: dict[str, Any] = {
        "at": shown.at, "all": len(shown.findings), "totals": audit.total_by_kind(others), "chosen": chosen, "sort": sort,
        "kinds": LABELS, "severities": SEVERITIES, "page": Paginator(found, PAGE).get_page(request.GET.get("page")),
        "is_filtered": any(chosen.values()),
        "of_customer": next((each.customer_name for each in found), "") if chosen["customer"] else "",
    }  # fmt: skip
    return render(request, "audit/four_way.html", context)


@require_safe
@access("analyst")
def four_way_csv(request: HttpRequest) -> HttpResponseBase:
    """The findings of the list, as filtered and sorted."""
    found, _ = _found(request, audit.read_audit(now=timezone.now()))
    record("export.four_way_audit", actor=request.user, target="four-way audit", address=address_of(request))
    return stream_csv("four-way-audit", HEADER, (_line(each) for each in found))


def _line(each: Finding) -> tuple[object, ...]:
    rows = "; ".join(f"{row.side}: {row.words}" for row in each.rows)
    return (
        each.severity, each.kind, each.customer, each.customer_name, each.subject, each.sentence, each.amount, each.currency,
        rows,
    )  # fmt: skip


@require_POST
@access("analyst")
def four_way_compare(request: HttpRequest) -> HttpResponse:
    """Compare anew, now."""
    found = len(audit.compute_audit(now=timezone.now()).findings)
    messages.success(request, "Compared: nothing disagrees." if not found else f"Compared: {found:,} findings.")
    return redirect("four_way")
