"""Who may do what: one word per role, one decorator per view, one exception for what we understood and will not do."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Person = AbstractBaseUser | AnonymousUser
# Roles from least to most. "licensed" is not here: a seat is asked of okr, not of a page.
ROLES = ("anonymous", "viewer", "member", "analyst", "operator", "admin", "superadmin")
GROUPS = {"viewer": "Viewers", "analyst": "Analysts", "operator": "Operators", "admin": "Admins"}
"""Role: the group that makes somebody one. Super admins are Django's super users; who is in no group is a member."""
ROLE_LABELS = {
    "anonymous": "Nobody signed in", "viewer": "Viewer", "member": "Member", "analyst": "Analyst", "operator": "Operator",
    "admin": "Admin", "superadmin": "Super admin",
}  # fmt: skip
DOMAINS = {
    "okr": "Key results", "product": "Product experience", "billing": "Billing", "analytics": "Analytics",
    "provisioning": "Provisioning",
}  # fmt: skip
DOMAIN_GROUPS = {domain: f"Admins of {label.lower()}" for domain, label in DOMAINS.items()}
"""Domain: the group whose people have an operator's rights there, and elsewhere what their other groups say."""
READ_ONLY = "Viewers read and change nothing."
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
_READS_AS = "analyst"  # a viewer reads what an analyst reads
_KEPT = "_causeway_groups"  # names of the groups, on the user object, which lives as long as its request

SCOPES = {
    "audit:read": "Read who did what, when and from where",
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
    "alerts:read": "Read alerts, their rules and channels",
    "alerts:write": "Acknowledge alerts; change rules and channels",
    "configuration:read": "Export the configuration as a file",
    "configuration:write": "Plan and apply a file of configuration",
    "outbox:read": "Read what waits to be written to Salesforce and why",
    "outbox:write": "Retry, edit and dismiss waiting rows; undo runs; allow mass changes",
    "product:read": "Read segments, engagements, KPIs and knowledge articles",
    "product:write": "Change segments, engagements and features",
    "events:read": "Read NPS answers and how events came in",
    "events:write": "Send product events and NPS answers",
    "people:read": "Read people, their roles and seats",
    "people:write": "Invite people, change their roles, switch them off and on",
    "keys:read": "Read one's own API keys: names, scopes, last use",
    "keys:write": "Make API keys with scopes of this key, and revoke one's own",
}


def role_of(user: Person, domain: str = "") -> str:
    """The role of `user`, in a domain where one is given: an admin of billing is an operator there.

    Viewers are viewers whatever else they are (unless a super user): the group takes away, so that one look tells who changes
    nothing. Asks the database for the groups once for each user object, which is once a request.
    """
    if not user.is_authenticated or not user.is_active:
        return "anonymous"
    if user.is_superuser:  # pyright: ignore[reportAttributeAccessIssue]
        return "superadmin"
    groups = groups_of(user)
    for role in ("viewer", "admin", "operator"):
        if GROUPS[role] in groups:
            return role
    if domain and DOMAIN_GROUPS[domain] in groups:
        return "operator"
    return "analyst" if GROUPS["analyst"] in groups else "member"


def is_admin() -> Q:
    """The active people who are admins or super admins, as a filter of users; with `distinct()` where it joins."""
    return Q(is_active=True) & (Q(is_superuser=True) | Q(groups__name=GROUPS["admin"]))


def domains_of(user: Person) -> tuple[str, ...]:
    """The domains that `user` is an admin of by group; empty for whoever is more, or less, everywhere."""
    if role_of(user) not in ("member", "analyst"):
        return ()
    return tuple(domain for domain, group in DOMAIN_GROUPS.items() if group in groups_of(user))


def groups_of(user: Person) -> frozenset[str]:
    """Names of the groups of `user`, remembered on the object."""
    kept = getattr(user, _KEPT, None)
    if kept is None:
        kept = frozenset(user.groups.values_list("name", flat=True))  # pyright: ignore[reportAttributeAccessIssue]
        setattr(user, _KEPT, kept)
    return kept


def remember_groups(user: Person, names: Iterable[str]) -> None:
    """The groups of `user`, read already with those of others."""
    setattr(user, _KEPT, frozenset(names))


def forget_groups(user: Person) -> None:
    """After the groups of `user` changed in this process: ask again."""
    if hasattr(user, _KEPT):
        delattr(user, _KEPT)


def has_role(user: Person, role: str, domain: str = "") -> bool:
    """Whether `user` may look at what needs `role` (in `domain`). Whether they may change it too, `may_change` says."""
    own = role_of(user, domain)
    return ROLES.index(_READS_AS if own == "viewer" else own) >= ROLES.index(role)


def may_change(user: Person, role: str = "member", domain: str = "") -> bool:
    """Whether `user` may do what needs `role` (in `domain`): like `has_role`, but never for viewers."""
    return has_role(user, role, domain) and role_of(user) != "viewer"


def denial_of(user: Person, role: str, domain: str = "", *, changes: bool) -> str:
    """Why `user` may not do what needs `role`, in a sentence; empty when they may. What needs no more than a viewer, such as
    one's own preferences, viewers change too."""
    if changes and role not in ("anonymous", "viewer") and role_of(user) == "viewer":
        return READ_ONLY
    if not has_role(user, role, domain):
        scoped = f" or an admin of {DOMAINS[domain].lower()}" if domain and role in ("analyst", "operator") else ""
        return f"This needs {_with_article(role)}{scoped}; you are {_with_article(role_of(user, domain))}."
    return ""


def denial_somewhere(user: Person, role: str, *, changes: bool) -> str:
    """Like `denial_of` for what belongs now to this domain, now to that (runs): an admin of any domain is let in, and what is
    behind the address asks whether the thing itself is theirs."""
    reason = denial_of(user, role, changes=changes)
    if reason and any(not denial_of(user, role, each, changes=changes) for each in domains_of(user)):
        return ""
    return reason


def _with_article(role: str) -> str:
    label = ROLE_LABELS[role].lower()
    return label if role == "anonymous" else f"{'an' if label[0] in 'aeiou' else 'a'} {label}"


def domain_of(module: str) -> str:
    """The domain that a module of ours belongs to, by its app; empty for the ground floor and the whole."""
    first, *rest = module.split(".")
    name = rest[0] if first == "integrations" and rest else first
    return name if name in DOMAINS else ""


def access(
    role: str, *, changes: bool = False, each_domain: bool = False
) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """View decorator: strangers are sent to the sign-in page, people with too small a role get 403 with the reason.

    The domain is that of the module in which the view is declared. `changes`: the page is only there to change something (a
    form), so that viewers are refused although they just open it. `each_domain`: see `denial_somewhere`; the view asks further.
    """

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        domain = domain_of(view.__module__)

        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if role != "anonymous" and not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            acts = changes or request.method not in SAFE_METHODS
            denied = denial_somewhere(request.user, role, changes=acts) if each_domain else ""
            if reason := denied if each_domain else denial_of(request.user, role, domain, changes=acts):
                raise PermissionDenied(reason)
            return view(request, *args, **kwargs)

        guarded.required_role = role  # type: ignore[attr-defined]
        guarded.domain = domain  # type: ignore[attr-defined]
        return guarded

    return decorate


class Refusal(Exception):
    """A request we understood and will not do: `code` is stable, `message` names the fix; the API answers 409."""

    status = 409

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message
