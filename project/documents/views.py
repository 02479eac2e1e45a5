"""The documents as pages, so that an installation without internet has them."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from integrations.access import access
from project.documents.library import INDEX, library


@require_safe
@access("member")
def documents(request: HttpRequest) -> HttpResponse:
    """The index by reader."""
    return _show(request, INDEX)


@require_safe
@access("member")
def document(request: HttpRequest, slug: str) -> HttpResponse:
    """One document."""
    return _show(request, slug)


def _show(request: HttpRequest, slug: str) -> HttpResponse:
    found = library().get(slug)
    if found is None:
        raise Http404
    return render(request, "documents/document.html", {"document": found, "is_index": slug == INDEX})
