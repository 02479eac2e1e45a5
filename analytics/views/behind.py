"""The customers behind a number."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from analytics.analyses import asking, behind
from analytics.models import Result
from analytics.views.analyses import address_of_analysis
from integrations.access import Refusal, access
from integrations.audit import address_of, record
from integrations.exports import stream_csv
from integrations.fresh import ask_again, is_fresh
from integrations.lake.failures import EngineError
from integrations.sorting import sort_of

LARGE_EXPORT = 10_000  # rows; more need a fresh sign-in (S-060)
UNREADABLE = "The customers could not be read in the time or memory that there is; try again."


@require_safe
@access("analyst")
def people(request: HttpRequest, pk: int) -> HttpResponse:
    """Who is behind a number of a result: names, links to both systems, what they pay, how active they were."""
    result = _result(pk)
    text, sort = request.GET.get("cell", ""), sort_of(request.GET.get("sort", ""), behind.SORTS) or behind.USUAL
    context: dict[str, Any] = {
        "result": result, "analysis": result.analysis, "org": result.analysis.org, "kind": asking.kind_of(result.analysis),
        "address": address_of_analysis(result.analysis), "sort": sort, "cell": text,
        "currency": asking.currency_of(result.analysis.org), "days": behind.DAYS,
    }  # fmt: skip
    try:
        group = behind.open_cell(result, text)
        lines, total, number = behind.read_page(group, user=request.user, sort=sort, page=_page_number(request))
    except EngineError:
        return render(request, "analytics/behind.html", context | {"trouble": UNREADABLE}, status=503)
    except Refusal as refusal:
        return render(request, "analytics/behind.html", context | {"trouble": refusal.message}, status=404)
    page = Paginator(range(total), behind.ROWS).get_page(number)
    return render(request, "analytics/behind.html", context | {"group": group, "lines": lines, "total": total, "page": page})


@require_safe
@access("analyst")
def people_csv(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The same as a CSV, all of them, in the order of the page."""
    result = _result(pk)
    try:
        group = behind.open_cell(result, request.GET.get("cell", ""))
        large = behind.count_lines(group) > LARGE_EXPORT
    except EngineError:
        return HttpResponse(UNREADABLE, status=503, content_type="text/plain; charset=utf-8")
    except Refusal as refusal:
        return HttpResponse(refusal.message, status=404, content_type="text/plain; charset=utf-8")
    if large and not is_fresh(request):
        return ask_again(request, request.get_full_path())
    record("export.behind", actor=request.user, target=f"{result.analysis}: {group.words}"[:200], address=address_of(request))
    currency = asking.currency_of(result.analysis.org)
    rows = behind.stream_lines(group, user=request.user, sort=request.GET.get("sort", ""))
    return stream_csv("customers", behind.HEADER, (behind.csv_line(line, currency) for line in rows))


def _result(pk: int) -> Result:
    return get_object_or_404(Result.objects.select_related("analysis__org"), pk=pk)


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1
