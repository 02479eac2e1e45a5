"""Pages of alerts: open ones, history, one alert with what became of it, the catalog, one's own messages."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations import alert_pages, alerts, audit
from integrations.access import Refusal, access, has_role
from integrations.alert_rules import catalogue, saving
from integrations.exports import stream_csv
from integrations.models import Alert

PAGE = 50
HEADER = ("kind", "domain", "severity", "code", "connection", "title", "raised_at", "acknowledged_at", "recovered_at")


@require_safe
@access("member")
def alert_list(request: HttpRequest) -> HttpResponse:
    """Open alerts."""
    return render(request, "alerts/open.html", {"alerts": alert_pages.open_of(request.user), "tab": "open"})


def _chosen(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET.get(name, "").replace("\0", "") for name in alert_pages.HISTORY_FILTERS}


@require_safe
@access("member")
def alert_history(request: HttpRequest) -> HttpResponse:
    """Every alert with when it was raised and when it recovered."""
    chosen = _chosen(request)
    page = Paginator(alert_pages.find(request.user, chosen), PAGE).get_page(request.GET.get("page"))
    alert_pages.dress(page.object_list)  # type: ignore[arg-type]
    context: dict[str, Any] = {
        "page": page, "chosen": chosen, "is_filtered": any(chosen.values()), "kinds": catalogue.every(),
        "domains": catalogue.DOMAINS, "severities": Alert.Severity.choices, "tab": "history",
    }  # fmt: skip
    return render(request, "alerts/history.html", context)


@require_safe
@access("member")
def alert_history_csv(request: HttpRequest) -> HttpResponseBase:
    """The history, as filtered."""
    audit.record("export.alerts", actor=request.user, target="alerts", address=audit.address_of(request))
    rows = alert_pages.find(request.user, _chosen(request)).iterator(2_000)
    return stream_csv("alerts", HEADER, (_line(each) for each in rows))


def _line(each: Alert) -> tuple[object, ...]:
    return (
        each.kind, catalogue.domain_of(each.kind), each.severity, each.code, each.org.name if each.org else "", each.title,
        each.since, each.acknowledged_at, each.recovered_at,
    )  # fmt: skip


@require_safe
@access("member")
def alert_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One alert: what, why, the fix, and what became of it."""
    alert = get_object_or_404(alert_pages.seen_by(request.user), pk=pk)
    alert_pages.dress([alert])
    sees = has_role(request.user, "operator")
    context: dict[str, Any] = {
        "alert": alert, "kind": catalogue.KINDS.get(alert.kind or catalogue.kind_of(alert.key)), "sees_more": sees,
        "story": alert_pages.story_of(alert, sees_addresses=sees),
        "may_acknowledge": alert.recovered_at is None and alert_pages.may_acknowledge(request.user, alert),
        "parts": alert_pages.dress(list(alert.parts.order_by("title"))),  # type: ignore[attr-defined]
        "deliveries": list(alert.deliveries.select_related("channel")[:20]) if sees else [],  # type: ignore[attr-defined]
    }  # fmt: skip
    return render(request, "alerts/detail.html", context)


@require_POST
@access("member")
def alert_acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    """Take care of an alert, or give it back (`undo=1`)."""
    alert = get_object_or_404(alert_pages.seen_by(request.user), pk=pk)
    if not alert_pages.may_acknowledge(request.user, alert):
        raise PermissionDenied
    about: dict[str, Any] = {"user": request.user, "now": timezone.now(), "address": audit.address_of(request)}
    try:
        if request.POST.get("undo"):
            alerts.reopen_alert(alert, **about)
            messages.success(request, "Nobody takes care of it now: reminders and escalations go on.")
        else:
            alerts.acknowledge_alert(alert, note=request.POST.get("note", ""), **about)
            messages.success(request, "Acknowledged. It stays quiet unless it gets worse.")
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return redirect("integrations:alert", pk=pk) if request.POST.get("back") == "alert" else redirect("integrations:alerts")


@require_safe
@access("member")
def alert_kinds(request: HttpRequest) -> HttpResponse:
    """The catalog: every kind of alert with its meaning and fix."""
    groups = [
        (label, [each for each in catalogue.every() if each.domain == domain]) for domain, label in catalogue.DOMAINS.items()
    ]
    return render(request, "alerts/kinds.html", {"groups": [each for each in groups if each[1]], "tab": "kinds"})


@require_http_methods(["GET", "HEAD", "POST"])
@access("member")
def alert_preferences(request: HttpRequest) -> HttpResponse:
    """About what a person wants mail when an alert names them."""
    if request.method == "POST":
        wanted = set(request.POST.getlist("mail"))
        silent = [each for each in catalogue.DOMAINS if each not in wanted]
        saving.save_preferences(request.user, silent=silent, address=audit.address_of(request))
        messages.success(request, "Saved.")
        return redirect("integrations:alert_preferences")
    silent_now = saving.silent_domains(request.user)
    rows = [(name, label, name not in silent_now) for name, label in catalogue.DOMAINS.items()]
    return render(request, "alerts/preferences.html", {"rows": rows, "tab": "preferences"})
