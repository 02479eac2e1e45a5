"""The demo product: a small planning tool with the snippet in it, to try messages, surveys and help. Demonstrations only."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations.access import Refusal, access
from integrations.product.engagements import demo_product


@require_safe
@access("member")
def demo_page(request: HttpRequest, section: str = demo_product.FIRST) -> HttpResponse:
    """One page of it, as the person in `?as=` (the product's own id) sees it."""
    _only_in_demonstrations()
    if section not in demo_product.SECTIONS:
        raise Http404
    context: dict[str, Any] = {"sections": demo_product.SECTIONS, "section": section, "key": demo_product.find_key()}
    if context["key"] is None:
        return render(request, "product/demo/closed.html", context)
    people = demo_product.read_people()
    chosen = request.GET.get("as", "")[:255]
    person = demo_product.find_person(chosen) if chosen else (people[0] if people else None)
    if chosen and person is None:
        raise Http404
    context |= {"people": people, "person": person, "shown": demo_product.SECTIONS[section]}
    try:
        context["identity"] = demo_product.identity_of(person, context["key"]) if person else None
    except Refusal as refusal:  # the vault is locked: nobody can be signed
        messages.error(request, refusal.message)
        return redirect("product:overview")
    return render(request, "product/demo/page.html", context)


@require_POST
@access("operator")
def demo_open(request: HttpRequest) -> HttpResponse:
    """Give the demo product its write key."""
    _only_in_demonstrations()
    demo_product.open_demo_product(user=request.user, now=timezone.now())
    messages.success(request, "The demo product is open.")
    return redirect("product:demo")


def _only_in_demonstrations() -> None:
    if not settings.DEMO_MODE:
        raise Http404
