"""Which connection the pages of analytics speak of: one at a time, because its facts stand apart from those of others."""

from collections.abc import Sequence

from django.http import HttpRequest

from integrations.chosen_org import chosen_org
from integrations.models import SalesforceOrg


def orgs_of_analytics() -> Sequence[SalesforceOrg]:
    """Connections that analytics may be used for: those with facts or set up first, then the others."""
    without = (SalesforceOrg.State.NEW, SalesforceOrg.State.DISCONNECTED)
    known = SalesforceOrg.objects.exclude(state__in=without).filter(analytics_enabled=True)
    orgs = list(known.select_related("facts_state", "analytics_settings"))
    return sorted(orgs, key=lambda org: (not hasattr(org, "facts_state"), not is_started(org), org.name.lower(), org.pk))


def org_of(request: HttpRequest, orgs: Sequence[SalesforceOrg] | None = None) -> SalesforceOrg | None:
    """The connection of the address (`?org=`), else the one of the top bar, else the first with facts; None without any."""
    known = orgs_of_analytics() if orgs is None else orgs
    wanted = request.POST.get("org") or request.GET.get("org", "")
    by_address = next((org for org in known if str(org.pk) == wanted), None)
    if by_address is not None:
        return by_address
    chosen = chosen_org(request)
    return next((org for org in known if chosen is not None and org.pk == chosen.pk), known[0] if known else None)


def is_started(org: SalesforceOrg) -> bool:
    """Whether somebody set analytics up for this connection."""
    found = getattr(org, "analytics_settings", None)
    return found is not None and found.started_at is not None
