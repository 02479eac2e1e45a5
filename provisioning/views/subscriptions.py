"""Pages of subscriptions: the list, one with its terms and timeline, and the ways to change it."""

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.access import Refusal, access
from integrations.audit import address_of, record
from integrations.exports import stream_csv
from integrations.sorting import sort_of
from provisioning.models import Product, Provision, Subscription
from provisioning.subscriptions import changes, endings
from provisioning.subscriptions.finding import SORTS, STATES, subscriptions_like
from provisioning.subscriptions.forms import CancelForm, ExtendForm, TermsForm
from provisioning.subscriptions.naming import Zones
from provisioning.subscriptions.previewing import Difference, preview
from provisioning.subscriptions.resolving import BadTerms, resolved_of
from provisioning.subscriptions.showing import shown, terms_in_force, with_terms
from provisioning.subscriptions.terms import RUNNING, end_of, status_of

PAGE = 50
WAYS = {
    "amend": ("Change", "Changes what it gives from that moment. Usage is kept; another plan starts usage windows anew."),
    "renew": ("Renew", "Lets it go on from its old end with these terms."),
    "convert": ("Convert to paid", "Makes the trial a subscription without a gap."),
}
MOST_EVENTS = 200


CSV_HEADER = ["key", "customer_id", "customer", "product", "state", "gives", "starts_at", "ends_at", "trial_ends_at",
              "cancelled_at", "account_id", "opportunity_id"]  # fmt: skip


def _found(key: str) -> Subscription:
    return get_object_or_404(with_terms(Subscription.objects.all()), key=key.replace("\0", ""))


@require_safe
@access("member")
def subscriptions(request: HttpRequest) -> HttpResponse:
    """Subscriptions, filtered by what stands in the address."""
    now = timezone.now()
    chosen = {name: request.GET.get(name, "") for name in ("search", "status", "product", "customer")}
    sort = sort_of(request.GET.get("sort", ""), SORTS)
    page = Paginator(with_terms(subscriptions_like({**chosen, "sort": sort}, now=now)), PAGE).get_page(request.GET.get("page"))
    zones = Zones()
    context = {
        "page": page, "rows": [shown(each, now=now, zones=zones) for each in page.object_list], "chosen": chosen, "sort": sort,
        "states": {each: each.replace("_", " ").capitalize() for each in STATES}, "products": Product.objects.all(),
    }  # fmt: skip
    return render(request, "provisioning/subscriptions/list.html", context)


@require_safe
@access("analyst")
def subscriptions_csv(request: HttpRequest) -> HttpResponseBase:
    """The subscriptions of the list, as filtered."""
    now = timezone.now()
    chosen = {name: request.GET.get(name, "") for name in ("search", "status", "product", "customer")}
    sort = sort_of(request.GET.get("sort", ""), SORTS)
    record("export.subscriptions", actor=request.user, target="subscriptions", address=address_of(request))
    rows = with_terms(subscriptions_like({**chosen, "sort": sort}, now=now)).iterator(chunk_size=500)
    zones = Zones()
    lines = (
        [row.key, row.customer.external_id, row.customer.name, row.product.key, one.status, one.terms, row.starts_at,
         row.ends_at, row.trial_ends_at, row.cancelled_at, row.account_id, row.opportunity_id]
        for row in rows if (one := shown(row, now=now, zones=zones))
    )  # fmt: skip
    return stream_csv("subscriptions", CSV_HEADER, lines)


@require_safe
@access("member")
def subscription(request: HttpRequest, key: str) -> HttpResponse:
    """One subscription."""
    now, row = timezone.now(), _found(key)
    held = terms_in_force(row, now)
    status = status_of(row, now)
    events = list(row.events.select_related("actor")[:MOST_EVENTS])
    terms = list(row.terms.all())
    replaced = {one.pk for one, following in pairwise(terms) if one.effective_at == following.effective_at}
    provisions = Provision.objects.in_bulk([each.provision_id for each in events if each.provision_id])
    context = {
        "row": shown(row, now=now), "subscription": row, "status": status, "runs": status in RUNNING,
        "held": resolved_of(held) if held else None, "held_term": held,
        "terms": [(each, resolved_of(each), each.pk in replaced) for each in terms],
        "events": [(each, provisions.get(each.provision_id or 0)) for each in events],
        "is_trial": row.trial_ends_at is not None and row.converted_at is None, "end": end_of(row),
        "cancel": CancelForm(), "extend": ExtendForm(initial={"trial_ends_at": row.trial_ends_at}),
    }  # fmt: skip
    return render(request, "provisioning/subscriptions/one.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access("operator")
def subscription_change(request: HttpRequest, key: str, way: str) -> HttpResponse:
    """Amend, renew or convert: the form, what it would change, and then the change."""
    if way not in WAYS:
        raise Http404
    now, row = timezone.now(), _found(key)
    held = terms_in_force(row, now)
    if held is None:
        raise Http404
    form = TermsForm(request.POST or None, product=row.product, spec=resolved_of(held).spec, until=way != "amend",
                     initial={"effective_at": row.ends_at if way == "renew" else None})  # fmt: skip
    differences: list[Difference] | None = None
    if request.method == "POST" and form.is_valid():
        do = _change(row, way, form, now=now)
        try:
            if "confirm" in request.POST:
                do(request.user)
                messages.success(request, "Saved. It is in force everywhere within a second of its moment.")
                return redirect("provisioning:subscription", key=row.key)
            at = max(form.cleaned_data.get("effective_at") or now, row.starts_at)
            differences = preview(lambda: do(None), customer_id=row.customer_id, at=at)
        except BadTerms as bad:
            form.add_problems(bad)
        except Refusal as refusal:
            form.add_error(None, refusal.message)
    title, effect = WAYS[way]
    context = {"form": form, "subscription": row, "way": way, "title": title, "effect": effect, "differences": differences}
    return render(request, "provisioning/subscriptions/change.html", context, status=400 if form.errors else 200)


def _change(row: Subscription, way: str, form: TermsForm, *, now: datetime) -> Callable[[Any], object]:
    """The verb with what was typed; called with who does it."""
    spec, at, ends_at = form.spec(), form.cleaned_data.get("effective_at"), form.cleaned_data.get("ends_at")
    if way == "renew":
        return lambda actor: changes.renew(row, terms=spec, starts_at=at, ends_at=ends_at, actor=actor, now=now)
    if way == "convert":
        return lambda actor: changes.convert(row, terms=spec, at=at or now, ends_at=ends_at, actor=actor, now=now)
    return lambda actor: changes.amend(row, terms=spec, effective_at=at or now, actor=actor, now=now)


@require_POST
@access("operator")
def subscription_cancel(request: HttpRequest, key: str) -> HttpResponse:
    """Stop it."""
    row, form = _found(key), CancelForm(request.POST)

    def do() -> None:
        data = form.cleaned_data
        at = data["at"] if data["when"] == "date" else None
        endings.cancel(row, at=at, at_period_end=data["when"] == "end", reason=data["reason"], actor=request.user,
                       now=timezone.now())  # fmt: skip

    return _answer(request, row, form, do, "Cancelled.")


@require_POST
@access("operator")
def subscription_reactivate(request: HttpRequest, key: str) -> HttpResponse:
    """Take the cancellation back."""
    row = _found(key)
    done = lambda: endings.reactivate(row, actor=request.user, now=timezone.now())  # noqa: E731
    return _answer(request, row, None, done, "It runs again.")


@require_POST
@access("operator")
def subscription_extend(request: HttpRequest, key: str) -> HttpResponse:
    """Let the trial last longer."""
    row, form = _found(key), ExtendForm(request.POST)

    def do() -> None:
        at = form.cleaned_data["trial_ends_at"]
        endings.extend_trial(row, trial_ends_at=at, actor=request.user, now=timezone.now())

    return _answer(request, row, form, do, "The trial was extended.")


def _answer(
    request: HttpRequest, row: Subscription, form: forms.Form | None, do: Callable[[], object], done: str
) -> HttpResponse:
    """Do it if the form is right, say what became of it, and go back to the subscription."""
    if form is not None and not form.is_valid():
        messages.error(request, " ".join(f"{error}" for errors in form.errors.values() for error in errors))
        return redirect("provisioning:subscription", key=row.key)
    try:
        do()
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, done)
    return redirect("provisioning:subscription", key=row.key)
