"""Know before closing: what each open deal would provision today, and a dry run of any deal."""

from typing import Any

from django.core.cache import cache
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from integrations.access import access
from integrations.audit import address_of, record
from integrations.exports import stream_csv
from integrations.models import SalesforceOrg
from integrations.orgs.states import NotConnected
from integrations.orgs.vault import VaultLocked
from integrations.salesforce.errors import SalesforceError
from provisioning.intent import preflight as preflights
from provisioning.views.automations import org_asked, orgs_to_show, try_deal

STATES = {"blocked": "Would fail", "ready": "Would provision", "nothing": "Nothing to do"}
KEPT_SECONDS, PAGE = 60, 25


def _checked(org: SalesforceOrg, *, fresh: bool) -> tuple[preflights.Preflight | None, str]:
    """The open deals, looked at most once a minute; or why the org cannot be asked."""
    key = f"provisioning:preflight:{org.pk}:{org.generation}"
    known: preflights.Preflight | None = None if fresh else cache.get(key)
    if known is not None:
        return known, ""
    try:
        known = preflights.check_open_deals(org, now=timezone.now())
    except (SalesforceError, NotConnected, VaultLocked) as error:
        return None, str(error)
    cache.set(key, known, KEPT_SECONDS)
    return known, ""


def _shown(found: preflights.Preflight | None, chosen: dict[str, str]) -> list[preflights.Forecast]:
    """As filtered: those that would fail first, then by close date."""
    word, order = chosen["text"].casefold(), list(STATES)
    rows = [
        each for each in (found.forecasts if found else ())
        if (not chosen["state"] or each.state == chosen["state"])
        and (not word or word in f"{each.deal.name} {each.deal.account_name} {each.deal.id}".casefold())
    ]  # fmt: skip
    return sorted(rows, key=lambda each: order.index(each.state))


@require_safe
@access("analyst")
def preflight(request: HttpRequest) -> HttpResponse:
    """The open deals of a connection."""
    org = org_asked(request)
    chosen = {name: request.GET.get(name, "").replace("\0", "") for name in ("text", "state")}
    found, trouble = _checked(org, fresh=request.GET.get("again") == "1") if org else (None, "")
    counts = [(state, label, found.count(state)) for state, label in STATES.items()] if found else []
    page = Paginator(_shown(found, chosen), PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "obstacles": found.obstacles[:10] if found else [], "page": page, "org": org,
        "orgs": orgs_to_show(request), "found": found, "trouble": trouble,
        "counts": counts, "total": len(found.forecasts) if found else 0, "chosen": chosen, "most": preflights.MOST_DEALS,
    }  # fmt: skip
    return render(request, "provisioning/preflight/list.html", context)


@require_safe
@access("analyst")
def preflight_csv(request: HttpRequest) -> HttpResponseBase:
    """What the list shows."""
    org = org_asked(request)
    chosen = {name: request.GET.get(name, "").replace("\0", "") for name in ("text", "state")}
    found, _ = _checked(org, fresh=False) if org else (None, "")
    record("export.preflight", actor=request.user, target=f"open deals of {org}", address=address_of(request))
    header = ["opportunity_id", "name", "account", "stage", "close_date", "state", "automation", "sentence"]
    rows = (
        [each.deal.id, each.deal.name, each.deal.account_name, each.deal.stage, each.deal.close_date, each.state,
         each.automation.name if each.automation else "", each.sentence]
        for each in _shown(found, chosen)
    )  # fmt: skip
    return stream_csv("preflight", header, rows)


@require_safe
@access("analyst")
def dry_run(request: HttpRequest) -> HttpResponse:
    """Any deal by id, address or name: what it would provision. Nothing is written."""
    org, text = org_asked(request), request.GET.get("opportunity", "").replace("\0", "").strip()
    tried = try_deal(org, text, None) if org else {}
    context = {"org": org, "orgs": orgs_to_show(request), "text": text, **tried}
    return render(request, "provisioning/preflight/dry_run.html", context)
