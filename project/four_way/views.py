"""The page of the four-way audit: totals by kind, the list with its filters in the address, CSV."""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations.access import Refusal, access
from integrations.audit import address_of, record
from integrations.exports import stream_csv
from integrations.models import KnownFinding, SalesforceOrg
from integrations.sorting import sort_of, sort_rows
from project.account_owners import owners_of, words_of
from project.four_way import audit, known, trend, winning
from project.four_way.audit import LABELS, SEVERITIES, Finding
from project.four_way.positions import RANK

PAGE = 50
FILTERS = ("kind", "severity", "text", "customer")
COLUMNS = {
    "customer": lambda each: each.customer_name.casefold(), "amount": lambda each: each.amount,
    "severity": lambda each: RANK[each.severity], "kind": lambda each: each.label,
}  # fmt: skip
WON_HEADER = (
    "connection", "opportunity_id", "name", "customer_id", "customer", "amount", "currency", "closed_on", "owner",
)  # fmt: skip
HEADER = ("severity", "kind", "customer_id", "customer", "what", "finding", "amount_per_month", "currency", "rows", "owner")


def _chosen(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET.get(name, "").replace("\0", "") for name in FILTERS}


def _with_reasons(shown: Iterable[Finding], parts: known.Split) -> list[tuple[Finding, KnownFinding | None]]:
    """Findings with what somebody said of them."""
    rows = {id(each): row for each, row in parts.known}
    return [(each, rows.get(id(each))) for each in shown]


def _found(request: HttpRequest, listed: Iterable[Finding]) -> tuple[list[Finding], str]:
    sort = sort_of(request.GET.get("sort", ""), COLUMNS)
    return sort_rows(audit.narrow(listed, **_chosen(request)), sort, COLUMNS), sort


@require_safe
@access("analyst")
def four_way(request: HttpRequest) -> HttpResponse:
    """Where sold, granted, used and billed disagree."""
    shown = audit.read_audit(now=timezone.now())
    parts = known.split(shown.findings)
    is_known = bool(request.GET.get("known"))
    listed = [each for each, _ in parts.known] if is_known else parts.open
    found, sort = _found(request, listed)
    chosen = _chosen(request)
    others = audit.narrow(listed, **{**chosen, "kind": ""})
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    nights = trend.read_nights(kind=chosen["kind"])
    owners = owners_of(each.customer for each in page.object_list if each.customer)
    context: dict[str, Any] = {
        "at": shown.at, "all": len(shown.findings), "is_known": is_known, "known_count": len(parts.known), "nights": nights,
        "totals": audit.total_by_kind(others),
        "chosen": chosen, "sort": sort,
        "kinds": LABELS, "severities": SEVERITIES, "page": page,
        "lines": [
            (each, known.key_of(each), row, owners.get(each.customer or 0, ()))
            for each, row in _with_reasons(page.object_list, parts)
        ],
        "is_filtered": any(chosen.values()),
        "of_customer": next((each.customer_name for each in found), "") if chosen["customer"] else "",
    }  # fmt: skip
    return render(request, "audit/four_way.html", context)


@require_safe
@access("analyst")
def four_way_csv(request: HttpRequest) -> HttpResponseBase:
    """The findings of the list, as filtered and sorted."""
    parts = known.split(audit.read_audit(now=timezone.now()).findings)
    found, _ = _found(request, [each for each, _ in parts.known] if request.GET.get("known") else parts.open)
    record("export.four_way_audit", actor=request.user, target="four-way audit", address=address_of(request))
    owners = owners_of(each.customer for each in found if each.customer)
    return stream_csv("four-way-audit", HEADER, (_line(each, words_of(owners, each.customer)) for each in found))


def _line(each: Finding, owner: str) -> tuple[object, ...]:
    rows = "; ".join(f"{row.side}: {row.words}" for row in each.rows)
    return (
        each.severity, each.kind, each.customer, each.customer_name, each.subject, each.sentence, each.amount, each.currency,
        rows, owner,
    )  # fmt: skip


@require_POST
@access("analyst")
def four_way_compare(request: HttpRequest) -> HttpResponse:
    """Compare anew, now."""
    now = timezone.now()
    made = audit.compute_audit(now=now)
    trend.keep_night(made.findings, now=now)
    found = len(made.findings)
    messages.success(request, "Compared: nothing disagrees." if not found else f"Compared: {found:,} findings.")
    return redirect("four_way")


@require_POST
@access("operator")
def four_way_explain(request: HttpRequest) -> HttpResponse:
    """Take a finding out of the list with a reason, until it changes; or put it back (`undo`)."""
    key, now, address = request.POST.get("key", "")[:64], timezone.now(), address_of(request)
    try:
        if request.POST.get("undo"):
            known.forget(key, user=request.user, address=address)
            messages.success(request, "It is in the list again.")
        else:
            found = audit.read_audit(now=now).findings
            known.explain(found, key, reason=request.POST.get("reason", ""), user=request.user, now=now, address=address)
            messages.success(request, "Explained. It comes back when it changes or gets worse.")
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return redirect(f"{reverse('four_way')}?known=1" if request.POST.get("undo") else "four_way")


@require_safe
@access("analyst")
def four_way_won(request: HttpRequest) -> HttpResponse:
    """Won deals that provisioning never saw."""
    found = _won(request)
    chosen = request.GET.get("text", "").replace("\0", "")
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    return render(request, "audit/four_way_won.html", {"page": page, "text": chosen})


def _won(request: HttpRequest) -> list[winning.WonDeal]:
    word = request.GET.get("text", "").replace("\0", "").strip().casefold()
    found = winning.read_won_deals()
    return [each for each in found if word in f"{each.name}\n{each.customer_name}\n{each.owner}\n{each.id}".casefold()]


@require_safe
@access("analyst")
def four_way_won_csv(request: HttpRequest) -> HttpResponseBase:
    """The same as a file."""
    record("export.won_deals", actor=request.user, target="won deals never provisioned", address=address_of(request))
    rows = (
        (each.org.name, each.id, each.name, each.customer, each.customer_name, each.amount, each.currency, each.closed_on,
         each.owner)
        for each in _won(request)
    )  # fmt: skip
    return stream_csv("won-deals", WON_HEADER, rows)


@require_POST
@access("operator")
def four_way_take_over(request: HttpRequest, org_pk: int) -> HttpResponse:
    """Provision a deal that was won before provisioning, as if it had been won now."""
    org, opportunity = get_object_or_404(SalesforceOrg, pk=org_pk), request.POST.get("opportunity", "")[:18]
    try:
        words, pk = winning.take_over(
            org, opportunity, user=request.user, now=timezone.now(), address=address_of(request)
        )  # fmt: skip
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("four_way_won")
    messages.info(request, words)
    return redirect("provisioning:provision", pk=pk) if pk else redirect("four_way_won")
