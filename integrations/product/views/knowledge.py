"""Pages of Salesforce Knowledge: search, one article, and which articles are shown to whom."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations.access import Refusal, access, has_role
from integrations.audit import address_of
from integrations.chosen_org import chosen_org
from integrations.models import SalesforceOrg
from integrations.product.knowledge import reading, sources
from integrations.salesforce.errors import NotFound, SalesforceError

SHOWN = 25


@require_safe
@access("analyst")
def knowledge(request: HttpRequest) -> HttpResponse:
    """Search in the articles of the connection chosen in the top bar, else of the first that shows any."""
    text, language = request.GET.get("q", "")[: reading.LONGEST_TEXT], request.GET.get("language", "")[:10]
    context: dict[str, Any] = {"q": text, "language": language, "may_change": has_role(request.user, "operator", "product")}
    try:
        org = _org(request)
    except Refusal as refusal:
        return render(request, "product/knowledge/list.html", {**context, "trouble": refusal.message})
    base = sources.base_of(org)
    context |= {"org": org, "base": base, "channels": base.Channel.choices}
    try:
        found = reading.search_articles(org, text, language=language, limit=SHOWN, now=timezone.now())
        context |= {"hits": found.hits, "stale_since": found.stale_since, "shown_language": found.language}
        context["languages"] = found.languages
    except Refusal as refusal:
        context["trouble"] = refusal.message
    return render(request, "product/knowledge/list.html", context)


@require_safe
@access("analyst")
def knowledge_article(request: HttpRequest, article: str) -> HttpResponse:
    """One article as visitors read it."""
    try:
        org = _org(request)
        found = reading.read_one(org, article, language=request.GET.get("language", "")[:10], now=timezone.now())
    except NotFound:
        raise Http404 from None
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("product:knowledge")
    context = {"article": found.article, "stale_since": found.stale_since, "org": org}
    return render(request, "product/knowledge/article.html", context)


@require_POST
@access("operator")
def knowledge_settings(request: HttpRequest, org_pk: int) -> HttpResponse:
    """Which articles of a connection are shown; also asks Salesforce again whether it has Knowledge."""
    org, now = get_object_or_404(SalesforceOrg, pk=org_pk), timezone.now()
    changes = {"enabled": "enabled" in request.POST, "channel": request.POST.get("channel", ""),
               "language": request.POST.get("language", "")}  # fmt: skip
    try:
        base = sources.save_base(org, changes, user=request.user, now=now, address=address_of(request))
        if base.enabled:
            with sources.client_of(org) as client:
                sources.open_source(client, org, fresh=True)  # pyright: ignore[reportArgumentType]  its own client
    except (Refusal, SalesforceError) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Saved. What visitors see changes at once; answers that are cached, within five minutes.")
    return redirect(f"{reverse('product:knowledge')}?org={org.pk}")


def _org(request: HttpRequest) -> SalesforceOrg:
    """The connection of the address, of the top bar, or the first that shows articles; one that is switched off can be looked
    at only to switch it on again."""
    text = request.GET.get("org", "")
    chosen = chosen_org(request)
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else chosen.pk if chosen else None
    if number is None:
        return sources.choose_org()
    org = SalesforceOrg.objects.filter(pk=number, product_enabled=True).first()
    if org is None or org.state in (SalesforceOrg.State.NEW, SalesforceOrg.State.DISCONNECTED):
        raise Refusal("no_source", "This connection shows no articles: it is not connected, or its product sync is off.")
    return org
