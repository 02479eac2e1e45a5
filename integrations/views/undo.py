"""Takes back what a toast offered to."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from integrations import undo
from integrations.access import Refusal, access


@require_POST
@access("member")
def undo_last(request: HttpRequest) -> HttpResponse:
    """Rights are asked by the inverse verb, as if the person did it by hand."""
    try:
        done = undo.undo(request, request.POST.get("token", "")[:40], now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return HttpResponseRedirect("/")
    messages.success(request, done.sentence)
    return HttpResponseRedirect(done.back)
