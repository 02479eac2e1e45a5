"""The page of one driver: its four groups of accounts, dose and response, segments, and what could make it wrong."""

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from analytics.analyses import asking, finding, writing
from analytics.analyses.drawing.blocks import draw_block
from analytics.models import Result
from analytics.views.analyses import address_of_analysis
from integrations.access import access, has_role
from integrations.audit import address_of, record
from integrations.exports import stream_csv

KIND = "drivers"
CELLS = (("yes_had", "yes_not"), ("no_had", "no_not"))


@require_safe
@access("member")
def driver(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """One behavior of a stored result of drivers."""
    result, detail = _find(request, pk, key)
    document = result.document
    may_open = has_role(request.user, "analyst", "analytics")
    is_money = document["extra"].get("outcome") == "revenue"
    context = {
        "result": result, "document": document, "extra": document["extra"], "detail": detail, "key": key,
        "org": result.analysis.org, "kind": asking.kind_of(result.analysis), "address": address_of_analysis(result.analysis),
        "blocks": [draw_block(each) for each in detail["blocks"]], "groups": _groups(detail),
        "behind": reverse("analytics:behind", args=[result.pk]) if may_open else "",
        "had": "Grew" if is_money else "With the outcome", "lacked": "Did not grow" if is_money else "Without it",
        "caveats": (finding.block_of(document, "caveats") or {}).get("notes", ()),
        "wrong": f"{reverse('analytics:definitions')}#what-could-make-this-wrong",
    }  # fmt: skip
    return render(request, "analytics/driver.html", context)


@require_safe
@access("member")
def driver_csv(request: HttpRequest, pk: int, key: str, block: str) -> HttpResponseBase:
    """The table of one part of that page: its numbers to the same digits."""
    result, detail = _find(request, pk, key)
    part = next((each for each in detail["blocks"] if each["key"] == block), None)
    if part is None:
        raise Http404
    record("export.analysis", actor=request.user, target=f"{result.analysis} {block}", address=address_of(request))
    name = f"{KIND}-{key}-{block}-{str(result.document.get('as_of', ''))[:10]}"
    return stream_csv(name, finding.csv_header(part), finding.csv_rows(part))


def _find(request: HttpRequest, pk: int, key: str) -> tuple[Result, Mapping[str, Any]]:
    """A result that this person may read, and what it says about the behavior."""
    result = get_object_or_404(
        Result.objects.select_related("analysis__org"), pk=pk, analysis__kind=KIND, state=Result.State.DONE
    )
    if not asking.shown_to(request.user).filter(pk=result.analysis_id).exists():
        raise Http404
    detail = (result.document.get("extra") or {}).get("behaviors", {}).get(key)
    if detail is None:
        raise Http404
    return result, detail


def _groups(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The 2x2 table by row: who did it, who did not."""
    rows = []
    labels = ("Has this value", "Has another") if detail["is_value"] else ("Did it", "Did not")
    for label, names in zip(labels, CELLS, strict=True):
        cells = [detail["cells"][name] for name in names]
        total = sum(each["n"] for each in cells)
        rows.append({
            "label": label, "total": total, "share_text": writing.write(cells[0]["n"] / total if total else None, "rate"),
            "cells": [{"n": each["n"], "cell": finding.cell_text(each["behind"])} for each in cells],
        })  # fmt: skip
    return rows
