"""What analytics may see and why: scopes, objects, personal data, erasure (FZ-10..FZ-14, FZ-D1, FZ-D13)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from analytics.connecting import access_asked
from integrations.access import access


@require_safe
@access("member")
def security(request: HttpRequest) -> HttpResponse:
    """One page for the people who must agree before a connection is made, and for those who check it afterwards."""
    context = {
        "scopes": access_asked.SCOPES, "never": access_asked.NEVER_ASKED, "about_scopes": access_asked.ABOUT_SCOPES,
        "places": access_asked.read_places(),
    }  # fmt: skip
    return render(request, "analytics/security.html", context)
