"""The first page of analytics: how the facts stand, headline figures, every kind of analysis, the saved ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from analytics.analyses import asking, forms, headlines, kinds
from analytics.analyses.drawing.blocks import draw_figures
from analytics.analyses.kinds import AnalysisKind
from analytics.models import Analysis, FactsState, Result
from analytics.views.analyses import address_of_analysis
from analytics.views.scope import is_started, org_of, orgs_of_analytics
from integrations.access import access, has_role
from integrations.models import SalesforceOrg

SAVED = 100
COUNTED = {
    "accounts": "Accounts in Salesforce", "customers": "Customers of the product", "linked": "Linked with a customer",
    "unlinked_accounts": "Not linked",
}  # fmt: skip
"""Counts of the facts on the first page, in words of people; all others stand on the data-health page."""


@dataclass(frozen=True, slots=True)
class Card:
    """One kind of analysis on the first page."""

    kind: AnalysisKind
    lacks: str
    result: Result | None
    figures: Sequence[Mapping[str, Any]]
    problem: str


@require_safe
@access("member")
def overview(request: HttpRequest) -> HttpResponse:
    """State, headlines, kinds of analyses with what each lacks, saved analyses."""
    orgs = orgs_of_analytics()
    org = org_of(request, orgs)
    context: dict[str, Any] = {"orgs": orgs, "org": org, "is_analyst": has_role(request.user, "analyst", "analytics")}
    if org is not None:
        state = FactsState.objects.filter(org=org).first()
        newest = _newest_of_kinds(org)
        context |= {
            "state": state, "is_started": is_started(org), "saved": _saved(org), "health": _health(state),
            "setup_url": f"/analytics/connections/{org.pk}/",
            "cards": [_card(kind, org, newest.get(kind.name), has_facts=state is not None) for kind in kinds.every()],
        }  # fmt: skip
    return render(request, "analytics/overview.html", context)


def _newest_of_kinds(org: SalesforceOrg) -> dict[str, Result]:
    """The newest result, finished or failed, of the first nightly analysis of each kind."""
    first: dict[str, int] = {}
    for pk, kind in Analysis.objects.filter(org=org, is_nightly=True).order_by("id").values_list("pk", "kind"):
        first.setdefault(kind, pk)
    found: dict[str, Result] = {}
    wanted = Result.objects.filter(analysis__in=first.values()).exclude(state=Result.State.QUEUED)
    for result in wanted.select_related("analysis").order_by("as_of", "id").defer("document"):
        found[result.analysis.kind] = result
    done = [each.pk for each in found.values() if each.state == Result.State.DONE]
    documents = dict(Result.objects.filter(pk__in=done).values_list("pk", "document"))  # of the newest only: they are large
    for result in found.values():
        result.document = documents.get(result.pk, {})
    return found


def _card(kind: AnalysisKind, org: SalesforceOrg, result: Result | None, *, has_facts: bool) -> Card:
    done = result is not None and result.state == Result.State.DONE
    figures: list[Any] = []
    if result is not None and done:
        figures = draw_figures({"figures": headlines.headline_of(kind.name, result.document)})["figures"]
    return Card(
        kind,
        kind.lacks(org) if has_facts else "",
        result if done else None,
        figures,
        result.problem if result and not done else "",
    )


def _saved(org: SalesforceOrg) -> list[dict[str, Any]]:
    """Saved analyses with their newest result and where they are shown."""
    done = Result.objects.filter(analysis=OuterRef("pk"), state=Result.State.DONE).order_by("-as_of", "-id")
    saved = Analysis.objects.filter(org=org).exclude(name="").select_related("org", "owner").order_by("name")
    analyses = list(saved.annotate(newest=Subquery(done.values("pk")[:1]))[:SAVED])
    newest: dict[int, int | None] = {each.pk: each.newest for each in analyses}  # pyright: ignore[reportAttributeAccessIssue]
    results = Result.objects.defer("document").in_bulk([each for each in newest.values() if each])
    found = []
    for each in analyses:
        kind = asking.kind_of(each)
        if kind is not None:
            words = forms.words_of(kind, each.parameters, org)
            found.append({
                "analysis": each, "kind": kind, "url": address_of_analysis(each, kind), "words": words,
                "result": results.get(newest[each.pk] or 0),
            })  # fmt: skip
    return found


def _health(state: FactsState | None) -> list[tuple[str, Any]]:
    """Counts of the facts for the first page."""
    if state is None:
        return []
    health = dict(state.health) if isinstance(state.health, dict) else {}
    by = [health.get(name) for name in ("linked_by_linking_id", "linked_by_link")]
    if any(type(each) is int for each in by):
        health["linked"] = sum(each for each in by if type(each) is int)
    return [(words, health[name]) for name, words in COUNTED.items() if type(health.get(name)) is int]
