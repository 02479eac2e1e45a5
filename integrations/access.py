"""Who may do what: one word per role, one decorator per view, one exception for what we understood and will not do."""

import functools
from collections.abc import Callable
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Person = AbstractBaseUser | AnonymousUser
# Roles from least to most. "licensed" is not here: a seat is asked of okr, not of a page.
ROLES = ("anonymous", "member", "analyst", "operator", "admin")
GROUPS = {"analyst": "Analysts", "operator": "Operators"}

SCOPES = {
    "okr:read": "Read objectives, key results and readings",
    "okr:write": "Change objectives and key results, link reports, refresh",
    "connections:read": "Read connections and their health",
    "connections:write": "Test, pause and resume connections",
    "runs:read": "Read runs and row outcomes",
    "runs:write": "Start, cancel and retry runs",
    "customers:read": "Read customers, end users and their links to Salesforce",
    "customers:write": "Send customers and end users; link, unlink and lock them",
    "mappings:read": "Read match rules, field mappings and the mirror's state",
    "mappings:write": "Change match rules and field mappings, start backfills",
    "billing:read": "Read billing objects, their accounts and settings",
    "billing:write": "Send billing objects, link their accounts, change settings",
    "provisioning:read": "Read the catalogue, automations, provisions and subscriptions",
    "provisioning:write": "Change the catalogue and subscriptions, resume provisions",
    "entitlements:read": "Ask what a customer may do",
    "entitlements:write": "Consume and report usage, give promotional grants",
    "analytics:read": "Read analyses, the customers behind them and the state of facts",
    "analytics:write": "Ask for analyses, keep groups of customers",
    "outbox:read": "Read what waits to be written to Salesforce and why",
    "outbox:write": "Retry, edit and dismiss waiting rows; undo runs; allow mass changes",
    "product:read": "Read segments, engagements, KPIs and knowledge articles",
    "product:write": "Change segments, engagements and features",
    "events:read": "Read NPS answers and how events came in",
    "events:write": "Send product events and NPS answers",
}


def role_of(user: Person) -> str:
    """The highest role of `user`: super users are admins, groups make operators and analysts, the rest are members."""
    if not user.is_authenticated or not user.is_active:
        return "anonymous"
    if user.is_superuser:  # pyright: ignore[reportAttributeAccessIssue]
        return "admin"
    groups = set(user.groups.values_list("name", flat=True))  # pyright: ignore[reportAttributeAccessIssue]
    for role in ("operator", "analyst"):
        if GROUPS[role] in groups:
            return role
    return "member"


def has_role(user: Person, role: str) -> bool:
    """Whether `user` has at least `role`."""
    return ROLES.index(role_of(user)) >= ROLES.index(role)


def access(role: str) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """View decorator: strangers are sent to the sign-in page, people with too small a role get 403."""

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if role != "anonymous" and not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not has_role(request.user, role):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        guarded.required_role = role  # type: ignore[attr-defined]
        return guarded

    return decorate


class Refusal(Exception):
    """A request we understood and will not do: `code` is stable, `message` names the fix; the API answers 409."""

    status = 409

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message
