"""The customer's page: what it may do and has used, where each right comes from, a check to try, grants, and what happened."""

from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations.access import Refusal, access
from integrations.audit import address_of, record
from integrations.exports import stream_csv
from integrations.models import Customer
from provisioning.entitlements import promotions
from provisioning.entitlements.access import load_access
from provisioning.entitlements.deciding import CustomerAccess, Decision, decide, decide_all
from provisioning.entitlements.wording import has_words, reason_words, source_words
from provisioning.metering import charting
from provisioning.models import Feature, PromotionalGrant, Provision, Subscription, SubscriptionEvent
from provisioning.subscriptions.forms import GrantForm, TryForm
from provisioning.subscriptions.naming import Zones
from provisioning.subscriptions.resolving import BadTerms
from provisioning.subscriptions.showing import shown, with_terms

MOST_EVENTS, MOST_GRANTS = 100, 200


class Line(NamedTuple):
    """One entitlement as the page shows it."""

    decision: Decision
    words: str
    reason: str
    sources: list[str]
    tone: str


@require_safe
@access("member")
def customer(request: HttpRequest, pk: int) -> HttpResponse:
    """Entitlements of one customer."""
    found = get_object_or_404(Customer, pk=pk, erased_at=None)
    now = timezone.now()
    facts = load_access([found.pk], now=now)[found.pk]
    rows = with_terms(Subscription.objects.filter(customer=found).order_by("-id"))
    events = SubscriptionEvent.objects.filter(subscription__customer=found).select_related("subscription", "actor")
    listed = list(events.order_by("-id")[:MOST_EVENTS])
    provisions = Provision.objects.in_bulk([each.provision_id for each in listed if each.provision_id])
    grants = PromotionalGrant.objects.filter(customer=found).select_related("feature", "granted_by")[:MOST_GRANTS]
    zones = Zones()
    context = {
        "customer": found, "lines": [_line(each) for each in decide_all(facts, now)],
        "subscriptions": [shown(each, now=now, zones=zones) for each in rows],
        "grants": [(each, _is_in_force(each, now)) for each in grants],
        "events": [(each, provisions.get(each.provision_id or 0)) for each in listed],
        "features": Feature.objects.order_by("name"), "grant": GrantForm(), "now": now, **_tried(request, found, facts, now),
        **_drawn(request, found, facts, now),
    }  # fmt: skip
    return render(request, "provisioning/customer.html", context)


def _drawn(request: HttpRequest, found: Customer, facts: CustomerAccess, now: datetime) -> dict[str, Any]:
    """The chart of the feature and the span that stand in the address, else of the first one that was used."""
    given = [each.feature.key for each in decide_all(facts, now)]
    features = charting.charted(found.pk, given)
    days = _span(request)
    wanted = request.GET.get("usage", "")
    chosen = next((each for each in features if each.key == wanted), None)
    if chosen is None and features:
        used = {key for key, _ in facts.usage}
        chosen = next((each for each in features if each.key in used), features[0])
    over_time = charting.usage_over_time(found.pk, chosen, days=days, now=now) if chosen is not None else None
    return {"metered": features, "over_time": over_time, "span": days, "spans": charting.SPANS}


def _span(request: HttpRequest) -> int:
    given = request.GET.get("days", "")
    return int(given) if given in {str(each) for each in charting.SPANS} else charting.SPANS[1]


@require_safe
@access("analyst")
def usage_csv(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What the chart shows: the days of one feature."""
    found = get_object_or_404(Customer, pk=pk, erased_at=None)
    feature = get_object_or_404(Feature, key=request.GET.get("usage", "").replace("\0", ""), kind=Feature.Kind.METERED)
    record("export.usage", actor=request.user, target=f"customer {found.pk}, {feature.key}", address=address_of(request))
    shown = charting.usage_over_time(found.pk, feature, days=_span(request), now=timezone.now())
    rows = ((found.external_id, feature.key, each.day, each.used, each.count) for each in shown.days)
    return stream_csv("usage", ["customer_id", "feature", "day_utc", "used", "count_of_window"], rows)


def _line(decision: Decision) -> Line:
    tone = "bad" if not decision.granted else "warn" if decision.over_limit or _is_near(decision) else "ok"
    sources = [source_words(each) for each in decision.sources]
    return Line(decision, has_words(decision), reason_words(decision.reason), sources, tone)


def _is_near(decision: Decision) -> bool:
    """Whether nine tenths of a limit are used."""
    return bool(decision.limit) and decision.usage is not None and decision.usage * 10 >= (decision.limit or 0) * 9


def _is_in_force(grant: PromotionalGrant, now: datetime) -> bool:
    return grant.revoked_at is None and (grant.ends_at is None or now < grant.ends_at)


def _tried(request: HttpRequest, found: Customer, facts: CustomerAccess, now: datetime) -> dict[str, Any]:
    """The check that stands in the address, and its answer."""
    if "feature" not in request.GET:
        return {"attempt": TryForm()}
    form = TryForm(request.GET)
    if not form.is_valid():
        return {"attempt": form}
    data = form.cleaned_data
    as_of = data["as_of"]
    then = load_access([found.pk], as_of=as_of)[found.pk] if as_of else facts
    decision = decide(then, data["feature"], requested=data["requested"], now=as_of or now)
    return {"attempt": form, "answer": _line(decision), "answer_json": {"customer": found.external_id, **decision.as_dict()}}


@require_POST
@access("operator")
def promotion_grant(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a feature outside of any plan."""
    found, form = get_object_or_404(Customer, pk=pk, erased_at=None), GrantForm(request.POST)
    if not form.is_valid():
        problems = (f"{form[name].label}: {errors[0]}" for name, errors in form.errors.items())
        messages.error(request, " ".join(problems))
        return redirect("provisioning:customer", pk=pk)
    data = dict(form.cleaned_data)
    try:
        promotions.grant(found, feature=data.pop("feature").key, **data, actor=request.user, now=timezone.now())
    except BadTerms as bad:
        messages.error(request, " ".join(message for _, message in bad.problems))
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, "Granted. It is in force everywhere within a second.")
    return redirect("provisioning:customer", pk=pk)


@require_POST
@access("operator")
def promotion_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a grant back."""
    row = get_object_or_404(PromotionalGrant, pk=pk)
    promotions.revoke(row, actor=request.user, now=timezone.now())
    messages.success(request, "Taken back.")
    return redirect("provisioning:customer", pk=row.customer_id)
