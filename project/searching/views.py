"""Search everywhere: the page, the suggestions under the box of the top bar, and the same as JSON."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from integrations.access import access
from project.searching.finding import LONGEST, count, find_everywhere
from project.searching.places import Group


@require_safe
@never_cache
@access("member")
def search(request: HttpRequest) -> HttpResponse:
    """`?q=` in all places; `&format=json` as data; asked by htmx only the hits."""
    text = request.GET.get("q", "")[:LONGEST].strip()
    groups = find_everywhere(text, user=request.user)
    if request.GET.get("format") == "json":
        return JsonResponse({"q": text, "groups": [_json(each) for each in groups]})
    context = {"text": text, "groups": groups, "count": count(groups)}
    is_part = bool(getattr(request, "htmx", False))
    return render(request, "search/suggestions.html" if is_part else "search/page.html", context)


def _json(group: Group) -> dict[str, Any]:
    hits = [hit._asdict() for hit in group.hits]
    return {"key": group.key, "title": group.title, "more": group.more, "url": group.url, "hits": hits}
