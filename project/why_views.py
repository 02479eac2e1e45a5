"""The page that starts from Salesforce: why a record there belongs, or does not belong, to one of ours."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from integrations.access import Refusal, access, has_role
from integrations.chosen_org import chosen_org, orgs_to_choose
from integrations.models import Customer, EndUser, Entity, SalesforceOrg
from integrations.salesforce.ids import is_id
from integrations.sync.mapping import catalogue
from integrations.sync.matching import explain
from integrations.sync.matching.explain import Trace
from project.customers import id_in

MOST_TYPED = 2_000
TELLING = ("merged", "deleted")
"""Reasons that say more than that a place does not know the id."""


@dataclass(frozen=True)
class Answer:
    """A trace with the connection that it is about, or why there is none."""

    org: SalesforceOrg | None = None
    trace: Trace | None = None
    sentence: str = ""


@require_safe
@access("analyst")
def record_why(request: HttpRequest) -> HttpResponse:
    """Paste the id or the address of a Salesforce record: each rule, what it compared, which of our records fit."""
    typed = request.GET.get("record", "")[:MOST_TYPED].strip()
    chosen = request.GET.get("org", "")
    context: dict[str, Any] = {"typed": typed, "chosen": chosen, "orgs": orgs_to_choose(request)}
    if typed:
        answer = _answer(typed, _orgs(request, typed, chosen))
        context |= {"answer": answer, **_facts(request, answer)}
    return render(request, "customers/record_why.html", context)


def _orgs(request: HttpRequest, typed: str, chosen: str) -> list[SalesforceOrg]:
    """Where to look: the connection that was chosen, the one whose address was pasted, else all of them."""
    known = list(SalesforceOrg.objects.filter(pk__in=[each.pk for each in orgs_to_choose(request)]).order_by("name"))
    if chosen.isascii() and chosen.isdigit() and len(chosen) < 19:
        return [each for each in known if each.pk == int(chosen)]
    host = _domain_of(typed)
    of_address = [each for each in known if host and host == _domain_of(each.instance_url)]
    scope = chosen_org(request)
    return of_address or [each for each in known if scope is None or each.pk == scope.pk]


def _domain_of(address: str) -> str:
    """What the addresses of one org have in common: `acme` of acme.my.salesforce.com and acme.lightning.force.com."""
    try:
        parts = urlsplit(address.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    for ending in (".my.salesforce.com", ".lightning.force.com"):
        host = host.removesuffix(ending)
    return f"{host}:{port}" if port else host


def _answer(typed: str, orgs: Iterable[SalesforceOrg]) -> Answer:
    """The first connection and kind of record that knows the id; else the most telling reason why none does."""
    if not is_id(id_in(typed)):
        return Answer(sentence="This is no id of a Salesforce record and no address with one: ids have 15 or 18 characters.")
    refusals: list[tuple[SalesforceOrg, Refusal]] = []
    for org, entity in _places(orgs):
        try:
            return Answer(org, explain.explain_match(id_in(typed), org=org, entity=entity))
        except Refusal as refusal:
            refusals.append((org, refusal))
    if not refusals:
        return Answer(sentence="There is no connection to look in yet.")
    telling = [each for each in refusals if each[1].code in TELLING] or refusals
    return Answer(telling[0][0], sentence=" ".join(dict.fromkeys(refusal.message for _, refusal in telling)))


def _places(orgs: Iterable[SalesforceOrg]) -> Iterator[tuple[SalesforceOrg, str]]:
    return ((org, entity) for org in orgs for entity in Entity.values)


def _facts(request: HttpRequest, answer: Answer) -> dict[str, Any]:
    """Names for what the trace tells by key, and what this person may see of it (S-115)."""
    trace, org = answer.trace, answer.org
    if trace is None or org is None:
        return {}
    shows = has_role(request.user, "operator") or trace.entity == Entity.CUSTOMER
    labels = {each.key: each.label for each in catalogue.source_fields(org, trace.entity)}
    named = {each for step in trace.steps for each in step.candidates} | {each["external_id"] for each in trace.links}
    return {"shows_values": shows, "labels": labels, "ours": _pages_of(trace.entity, named) if shows else {}}


def _pages_of(entity: str, external_ids: set[str]) -> dict[str, dict[str, str]]:
    """Name and page of our records by external id."""
    model: Any = Customer if entity == Entity.CUSTOMER else EndUser
    found = model.objects.filter(external_id__in=external_ids, erased_at=None)
    return {each.external_id: {"name": str(each), "page": reverse(entity, args=[each.pk])} for each in found}
