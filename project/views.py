"""Home, sign-in and error pages."""

import sys
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from integrations import audit
from integrations.access import access
from integrations.chosen_org import chosen_org, know_orgs
from integrations.fresh import mark_fresh
from integrations.orgs.oauth import sign_in_orgs
from project.home import read_overview
from project.needs_person.need import grouped

NEEDS_SHOWN = 12


@require_safe
@access("member")
def home(request: HttpRequest) -> HttpResponse:
    """Is everything fine? Problems first, then what runs next and what ran last."""
    overview = read_overview(request.user, now=timezone.now(), org=chosen_org(request))
    know_orgs(request, overview.orgs)
    needs = overview.listing.needs
    context = {"overview": overview, "headings": grouped(needs[:NEEDS_SHOWN]), "more_needs": len(needs) > NEEDS_SHOWN}
    return render(request, "home.html", context)


@require_safe
@access("anonymous")
def favicon(request: HttpRequest) -> HttpResponse:
    """Where browsers look for the icon of pages that name none: the back office, the API reference."""
    return redirect(static("favicon.svg"))


class SignIn(LoginView):
    """Name and password, or Salesforce; returns only to addresses of this site (S-051)."""

    redirect_authenticated_user = True

    def get_redirect_url(self) -> str:
        """Only addresses that begin at our root; Django has checked the host."""
        target = super().get_redirect_url()
        return target if target.startswith("/") else ""

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Signed in: what needs a fresh sign-in may be done for the next minutes (S-060), and the audit knows (S-110)."""
        response = super().form_valid(form)
        mark_fresh(self.request)
        audit.record("login.succeeded", actor=self.request.user, address=audit.address_of(self.request))
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """The form again. A name that nobody has is not kept: people type passwords into the wrong field."""
        if not getattr(self.request, "axes_locked_out", False):  # the lock bounds how many entries a stranger can cause
            name = str(form.data.get("username", ""))[:150]
            known = get_user_model().objects.filter(username=name).exists() if "\0" not in name else False
            target = name if known else "unknown account"
            audit.record("login.failed", target=target, address=audit.address_of(self.request))
        return super().form_invalid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, salesforce_url=_salesforce_url())


def _salesforce_url() -> str:
    """Where "Sign in with Salesforce" starts; nothing while no connection can vouch for people."""
    return reverse("integrations:signin_salesforce") if sign_in_orgs() else ""


def admin_sign_in(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """The back office has no door of its own: strangers go to the sign-in page, members are refused."""
    if request.user.is_authenticated:
        raise PermissionDenied
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"))


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: the request could not be understood."""
    if request.path.startswith("/api/"):
        return JsonResponse({"error": {"code": "bad_request", "message": "The request could not be understood."}}, status=400)
    return render(request, "400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: signed in, but not allowed. Who tries doors is in the audit (S-110)."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        audit.record("access.denied", actor=user, target=request.path[:200], address=audit.address_of(request))
    reason = str(exception)[:300] if isinstance(exception, PermissionDenied) else ""
    return render(request, "403.html", {"reason": reason}, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: nothing here."""
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: our fault; 503 while the database is away. Rendered without person and database, which may be what broke."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    status, code = (503, "unavailable") if away else (500, "unexpected")
    if request.path.startswith("/api/"):
        message = "The database is away for a moment; try again." if away else "Something unexpected happened on our side."
        answer: HttpResponse = JsonResponse({"error": {"code": code, "message": message}}, status=status)
    else:
        answer = HttpResponse(render_to_string("500.html"), status=status)
    if away:
        answer["Retry-After"] = "10"
    return answer
