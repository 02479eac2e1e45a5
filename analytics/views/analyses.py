"""Pages of analyses: ask one, see its newest result block by block, save it, download its numbers."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from analytics.analyses import asking, comparing, definitions, finding, forms, kinds
from analytics.analyses.asking import Standing
from analytics.analyses.drawing.blocks import draw_document, fold_note
from analytics.analyses.kinds import AnalysisKind
from analytics.models import Analysis, Result
from analytics.views.scope import is_started, org_of, orgs_of_analytics
from integrations.access import Refusal, access, has_role, may_change
from integrations.audit import address_of, record
from integrations.exports import stream_csv
from integrations.models import SalesforceOrg
from integrations.sync.mapping.problems import ProblemsFound

STOP_ASKING = 286  # htmx ends its polling


@require_http_methods(["GET", "HEAD", "POST"])
@access("member")
def analysis(request: HttpRequest, kind: str) -> HttpResponse:
    """One kind of analysis: its form, and the newest result for what the address asks. Sending the form computes it."""
    asked = _kind_named(kind)
    orgs = orgs_of_analytics()
    org = org_of(request, orgs)
    if org is None:
        return render(request, "analytics/analysis.html", {"kind": asked, "org": None, "kinds": kinds.every()})
    if request.method == "POST":
        return _ask(request, asked, org)
    parameters, errors = _read(asked, org, forms.data_of(asked, request.GET))
    found = asking.find(asked, org, parameters) if not errors else None
    if found is not None and not asking.shown_to(request.user).filter(pk=found.pk).exists():
        found = None
    context = _context(request, asked, org, found, values=parameters, errors=errors)
    return render(request, "analytics/analysis.html", context | {"orgs": orgs}, status=400 if errors else 200)


def _kind_named(name: str) -> AnalysisKind:
    try:
        return kinds.get(name)
    except KeyError as error:
        raise Http404(str(error.args[0])) from None


def _read(kind: AnalysisKind, org: SalesforceOrg, data: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, list[str]]]:
    """Complete parameters, or what was given with its errors."""
    try:
        return asking.read_parameters(kind, org, data), {}
    except ProblemsFound as error:
        return dict(data), error.by_path()


def _ask(request: HttpRequest, kind: AnalysisKind, org: SalesforceOrg) -> HttpResponse:
    """Store the question and queue its computation unless its result is there."""
    if not may_change(request.user, "analyst", "analytics"):
        return _refused(request, "Analysts ask new analyses; you can read the saved ones and those of every night.", status=403)
    now, data = timezone.now(), forms.data_of(kind, request.POST)
    try:
        found = asking.ask(kind, org, data, user=request.user, now=now)
        asking.request_result(found, user=request.user, now=now, again="again" in request.POST)
    except ProblemsFound as error:
        context = _context(request, kind, org, None, values=data, errors=error.by_path())
        return render(request, "analytics/analysis.html", context | {"orgs": orgs_of_analytics()}, status=400)
    except Refusal as refusal:
        return _refused(request, refusal.message, back=f"{reverse('analytics:analysis', args=[kind.name])}?org={org.pk}")
    if request.headers.get("HX-Request") and request.headers.get("HX-Target") == "answer":
        return render(request, "analytics/analysis_answer.html", _context(request, kind, org, found, values=found.parameters))
    return redirect(address_of_analysis(found, kind))


def _refused(request: HttpRequest, sentence: str, *, back: str = "", status: int = 409) -> HttpResponse:
    """A refusal within the page's own part, or as a message after going back."""
    if request.headers.get("HX-Request"):
        return render(request, "analytics/analysis_refused.html", {"sentence": sentence})
    if status == 403:
        return render(request, "403.html", status=403)
    messages.error(request, sentence)
    return redirect(back or "analytics:overview")


def address_of_analysis(found: Analysis, kind: AnalysisKind | None = None) -> str:
    """Where an analysis is shown: its kind's page with its parameters."""
    kind = kind or asking.kind_of(found)
    if kind is None:
        return reverse("analytics:overview")
    return f"{reverse('analytics:analysis', args=[kind.name])}?{forms.query_of(kind, found.parameters, found.org)}"


def _context(
    request: HttpRequest, kind: AnalysisKind, org: SalesforceOrg, found: Analysis | None, *, values: Mapping[str, Any],
    errors: Mapping[str, list[str]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    errors, standing = errors or {}, asking.standing_of(found, org)
    lacks = kind.lacks(org) if standing.state is not None else ""  # without facts everything lacks, which is said once
    fields = forms.fields_of(kind, org, values, errors)
    may_ask = may_change(request.user, "analyst", "analytics")
    return {
        "kind": kind, "kinds": kinds.every(), "org": org, "lacks": lacks, "is_started": is_started(org), "standing": standing,
        "fields": [each for each in fields if not each.parameter.advanced],
        "more_fields": [each for each in fields if each.parameter.advanced],
        "more_open": any(each.errors or _differs(each) for each in fields if each.parameter.advanced),
        "problems": forms.other_errors(kind, errors), "errors": errors, "may_ask": may_ask, "analysis": found,
        "starts_itself": may_ask and not errors and not lacks and (standing.needs_computing),
        "hidden": _hidden(kind, values), "setup_url": f"/analytics/connections/{org.pk}/",
    } | result_context(request, standing.done)  # fmt: skip


def _differs(field: forms.Field) -> bool:
    return field.text != forms.text_of(field.parameter.default) and field.value not in (None, "", [], ())


def _hidden(kind: AnalysisKind, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the button that computes sends along: the parameters as they are."""
    found = [("flags", "1")]
    for parameter in kind.parameters:
        value = values.get(parameter.key, parameter.default)
        listed = value if isinstance(value, list | tuple) else [value]
        found += [(parameter.key, forms.text_of(each)) for each in listed] or [(parameter.key, "")]
    return found


def result_context(request: HttpRequest, result: Result | None) -> dict[str, Any]:
    """What the template of a document needs; `blocks` are drawn here."""
    if result is None:
        return {"result": None}
    kind = asking.kind_of(result.analysis)
    may_open = has_role(request.user, "analyst", "analytics") and kind is not None and kind.behind is not None
    before = asking.result_before(result, other_day=True)
    changes = comparing.changes_between(before.document, result.document) if before is not None else []
    return {
        "result": result, "document": result.document, "blocks": draw_document(result.document), "before": before,
        "changes": changes, "changes_are_all": len(changes) < comparing.MOST, "notes": notes_of(result.document),
        "behind": reverse("analytics:behind", args=[result.pk]) if may_open else "",
        "definition": _definition(result.document),
        "left_out": sum(each.get("n") or 0 for each in result.document.get("excluded") or ()),
    }  # fmt: skip


def notes_of(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know before reading, long lists folded."""
    return [fold_note(str(each)) for each in document.get("notes") or ()]


def _definition(document: Mapping[str, Any]) -> str:
    """Where the definition of what is shown stands."""
    anchor = str(document.get("definition") or "").rpartition("#")[2]
    return f"{reverse('analytics:definitions')}#{anchor}" if anchor else reverse("analytics:definitions")


@require_safe
@access("member")
def result(request: HttpRequest, pk: int) -> HttpResponse:
    """One stored result as it was, with the way to the newest one."""
    found = _result(request, pk)
    kind = asking.kind_of(found.analysis)
    if found.state != Result.State.DONE or kind is None:
        return redirect(address_of_analysis(found.analysis, kind))
    newest = asking.result_of(found.analysis)
    context = result_context(request, found) | {
        "kind": kind, "kinds": kinds.every(), "org": found.analysis.org, "analysis": found.analysis, "newest": newest,
        "address": address_of_analysis(found.analysis, kind),
        "words": forms.words_of(kind, found.analysis.parameters, found.analysis.org),
        "standing": Standing(found.analysis, found, found, None),
    }  # fmt: skip
    return render(request, "analytics/analysis_result.html", context)


def _result(request: HttpRequest, pk: int) -> Result:
    """A result that this person may read."""
    known = Result.objects.select_related("analysis__org", "analysis__owner", "run")
    found = get_object_or_404(known, pk=pk)
    if not asking.shown_to(request.user).filter(pk=found.analysis_id).exists():
        raise Http404
    return found


@require_safe
@access("member")
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The part that waits for a result, asked for each 2 s; the whole answer with status 286 once it is there."""
    found = _result(request, pk)
    kind = asking.kind_of(found.analysis)
    standing = asking.standing_of(found.analysis, found.analysis.org)
    if kind is None or standing.is_waiting:
        return render(request, "analytics/analysis_waiting.html", {"standing": standing, "kind": kind})
    context = _context(request, kind, found.analysis.org, found.analysis, values=found.analysis.parameters)
    response = render(request, "analytics/analysis_answer.html", context, status=STOP_ASKING)
    response["HX-Retarget"], response["HX-Reswap"] = "#answer", "outerHTML"
    return response


@require_safe
@access("member")
def block_csv(request: HttpRequest, pk: int, block: str) -> HttpResponseBase:
    """The table of one block: the numbers of the page to the same digits."""
    found = _result(request, pk)
    part = finding.block_of(found.document, block)
    if part is None or not part.get("columns"):
        raise Http404
    record("export.analysis", actor=request.user, target=f"{found.analysis} {block}", address=address_of(request))
    name = f"{found.analysis.kind}-{block}-{str(found.document.get('as_of', ''))[:10]}"
    return stream_csv(name, finding.csv_header(part), finding.csv_rows(part))


@require_POST
@access("analyst")
def name_analysis(request: HttpRequest, pk: int) -> HttpResponse:
    """Save an analysis under a name, rename it, or (with an empty name) take it off the saved ones."""
    found = get_object_or_404(Analysis.objects.select_related("org"), pk=pk)
    name = request.POST.get("name", "")
    try:
        asking.name_analysis(found, name, user=request.user, now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        record("analysis.saved" if found.name else "analysis.unsaved", actor=request.user, target=f"analysis {found.pk}",
               after={"name": found.name}, address=address_of(request))  # fmt: skip
        words = (
            f"Saved as {found.name}. It is computed anew after each sync." if found.name else "No longer among the saved ones."
        )
        messages.success(request, words)
    back = request.POST.get("next", "")
    if back and url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        return redirect(back)
    return redirect(address_of_analysis(found))


@require_safe
@access("member")
def definitions_page(request: HttpRequest) -> HttpResponse:
    """How everything is counted: docs/analytics.md."""
    return render(request, "analytics/definitions.html", {"text": definitions.definitions()})
