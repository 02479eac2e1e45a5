"""A recent sign-in (15 minutes) is asked for before connections, keys or secrets change (S-060), and the way back from it."""

import functools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

_KEY = "signed_in_at"


def own_path(request: HttpRequest, target: str | None, default: str) -> str:
    """`target` when it is a path on this host, else `default` (S-051)."""
    host = {request.get_host()}
    safe = url_has_allowed_host_and_scheme(target or "", allowed_hosts=host, require_https=request.is_secure())
    return target if target and safe and target.startswith("/") else default


def mark_fresh(request: HttpRequest) -> None:
    """Remember in the session that its person has just proved who they are."""
    request.session[_KEY] = timezone.now().isoformat()


def is_fresh(request: HttpRequest) -> bool:
    """Whether the person of this session signed in at most `FRESH_LOGIN_MINUTES` ago."""
    marked = request.session.get(_KEY)
    instant = datetime.fromisoformat(marked) if marked else request.user.last_login  # pyright: ignore
    return instant is not None and timezone.now() - instant <= timedelta(minutes=settings.FRESH_LOGIN_MINUTES)


def ask_again(request: HttpRequest, back_to: str) -> HttpResponse:
    """Send the person to the confirmation page, from where they return to `back_to`."""
    messages.info(request, "Please confirm that it is you. This is asked before a connection or a secret changes.")
    return HttpResponseRedirect(f"{reverse('integrations:confirm_login')}?{urlencode({'next': back_to})}")


def fresh_login(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """View decorator; a POST from a stale session returns to the page that sent it, with nothing done."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_fresh(request):
            return view(request, *args, **kwargs)
        pk = kwargs.get("pk")
        page = reverse("integrations:connection", kwargs={"pk": pk}) if pk else reverse("integrations:connections")
        return ask_again(request, request.get_full_path() if request.method == "GET" else page)

    return guarded
