"""Data health: match rate by Linking ID, unlinked accounts, duplicates, last sync, late and quarantined events, coverage."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from analytics.connecting import data_health
from analytics.views.set_up import connected_org
from integrations import audit
from integrations.access import access, has_role
from integrations.audit import address_of
from integrations.exports import stream_csv
from integrations.fresh import ask_again, is_fresh
from integrations.product.ingest import health as ingest

LARGE_EXPORT = 10_000  # rows; more need a fresh sign-in (S-060)
DAYS = 7


@require_safe
@access("analyst")
def health(request: HttpRequest, org_id: int) -> HttpResponse:
    """How far the data can be relied on, and what would make it better."""
    org, now = connected_org(org_id), timezone.now()
    context = {
        "org": org, "health": data_health.read_health(org, now=now), "days": ingest.read_days(now=now, days=DAYS),
        "is_operator": has_role(request.user, "operator", "analytics"),
    }  # fmt: skip
    return render(request, "analytics/health.html", context)


@require_safe
@access("analyst")
def unlinked_csv(request: HttpRequest, org_id: int) -> HttpResponseBase:
    """Every account that leads to no customer."""
    org = connected_org(org_id)
    found = data_health.read_health(org, now=timezone.now())
    if found.linked.get("unlinked_accounts", 0) > LARGE_EXPORT and not is_fresh(request):
        return ask_again(request, request.get_full_path())
    audit.record("export.unlinked", actor=request.user, target=org, address=address_of(request))
    rows = (
        (each.account_id, each.name, "" if each.mrr is None else each.mrr, each.started_at.date() if each.started_at else "")
        for each in data_health.stream_unlinked(org)
    )
    return stream_csv("unlinked-accounts", ("Account ID", "Name", "MRR", "Started on"), rows)
