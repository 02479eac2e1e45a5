"""The connection that a person works with just now: chosen in the top bar, kept in their session, asked by every list.

Pages call `chosen_org(request)`: None means all connections, which is the default.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from django.http import HttpRequest, QueryDict

from integrations.access import Refusal
from integrations.models import SalesforceOrg

_KEY, _READ = "connection", "_orgs_to_choose"
_DROPPED = ("org", "page")  # what an address says of connection and page must not stand against the new choice


def orgs_to_choose(request: HttpRequest) -> Sequence[SalesforceOrg]:
    """Connections that have, or had, something to show, by name; one query a request."""
    known: Sequence[SalesforceOrg] | None = getattr(request, _READ, None)
    if known is None:
        without = (SalesforceOrg.State.NEW, SalesforceOrg.State.DISCONNECTED)
        known = list(SalesforceOrg.objects.exclude(state__in=without).only("id", "name", "environment", "state"))
        setattr(request, _READ, known)
    return known


def know_orgs(request: HttpRequest, orgs: Sequence[SalesforceOrg]) -> None:
    """Let the top bar show connections that a page has read, all of them and by name, in place of reading them again."""
    without = (SalesforceOrg.State.NEW, SalesforceOrg.State.DISCONNECTED)
    setattr(request, _READ, [each for each in orgs if each.state not in without])


def chosen_org(request: HttpRequest) -> SalesforceOrg | None:
    """The connection chosen in the top bar; None for all, and when the chosen one is gone."""
    wanted = request.session.get(_KEY)
    if wanted is None:
        return None
    return next((org for org in orgs_to_choose(request) if org.pk == wanted), None)


def choose_org(request: HttpRequest, number: int | None) -> SalesforceOrg | None:
    """Keep the choice in the session; None = all connections. Refuses a connection that cannot be chosen."""
    if number is None:
        request.session.pop(_KEY, None)
        return None
    org = next((each for each in orgs_to_choose(request) if each.pk == number), None)
    if org is None:
        raise Refusal("unknown_connection", "This connection does not exist any more.")
    request.session[_KEY] = org.pk
    return org


def scope_of(request: HttpRequest) -> str:
    """The `org` filter of a list as text: what the address says (also "" for any), else the choice of the top bar."""
    if "org" in request.GET:
        return request.GET["org"]
    org = chosen_org(request)
    return str(org.pk) if org else ""


def address_after_choice(request: HttpRequest) -> str:
    """Where to go after choosing: the same page, its first page, without a connection filter of its own."""
    if request.method not in ("GET", "HEAD"):
        return "/"
    query: QueryDict = request.GET.copy()
    for name in _DROPPED:
        query.pop(name, None)
    path = urlsplit(request.get_full_path()).path
    return f"{path}?{query.urlencode()}" if query else path
