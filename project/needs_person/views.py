"""The whole list as a page, counting anew, and putting the first steps away."""

from collections import Counter

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations.access import access
from project.first_steps import dismiss_first_steps
from project.needs_person.asking import Asker
from project.needs_person.listing import count_needs, read_needs
from project.needs_person.need import grouped

LABELS = {
    "okr": "Key results", "product": "Product", "billing": "Billing", "analytics": "Analytics", "provisioning": "Provisioning",
    "connections": "Connections", "operations": "Operations", "outbox": "Outbox", "mirror": "Mirror", "access": "Access",
    "configuration": "Configuration", "alerts": "Alerts",
}  # fmt: skip


@require_safe
@access("member")
def need_list(request: HttpRequest) -> HttpResponse:
    """Everything that this person can act on; `?domain=` narrows it."""
    asker = Asker(request.user, timezone.now())
    listing, chosen = read_needs(asker), request.GET.get("domain", "")
    counts = Counter(each.domain for each in listing.needs)
    chosen = chosen if chosen in counts else ""
    shown = grouped([each for each in listing.needs if not chosen or each.domain == chosen])
    domains = [(key, LABELS.get(key, key.capitalize()), n) for key, n in sorted(counts.items())]
    context = {"listing": listing, "shown": shown, "domains": domains, "chosen": chosen, "operates": asker.may_somewhere}
    return render(request, "needs/list.html", context)


@require_POST
@access("operator")
def needs_count(request: HttpRequest) -> HttpResponse:
    """Count now what the worker counts every ten minutes, after something was put right."""
    count_needs(now=timezone.now(), at_once=True)
    messages.success(request, "Counted again.")
    return redirect("needs")


@require_POST
@access("member")
def first_steps_dismiss(request: HttpRequest) -> HttpResponse:
    """This person does not want to see the first steps any more."""
    dismiss_first_steps(request.user, now=timezone.now())
    return redirect("home")
