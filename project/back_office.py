"""The back office: its door, its models by role and domain, and the content security policy that its scripts work under.

Registered admins say what super admins may do; here stands who else may look. It holds for every model of every app, so that
a new one is closed to admins of domains until its app says which domain it is. Unfold evaluates expressions, writes styles;
our own pages never do.
"""

from collections.abc import Callable
from typing import Any

from csp.decorators import csp_update
from django.contrib.admin import AdminSite, ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from integrations.access import READ_ONLY, SAFE_METHODS, Person, domain_of, domains_of, has_role, role_of

# Scripts from elsewhere and inline scripts stay forbidden there, too (S-035).
NEEDS = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}
SECRETS = frozenset({
    "auth.user", "auth.group", "integrations.apikey", "integrations.orgsecret", "integrations.alertchannel",
    "integrations.salesforceidentity", "product.writekey",
})  # fmt: skip
"""Models that only super admins open: people, what lets them in, and keys."""
PERSONAL = frozenset({
    "integrations.enduser", "integrations.rowoutcome", "integrations.outboxrow", "integrations.outboxbatch",
    "integrations.humanedit", "integrations.undo", "integrations.recordlink", "integrations.linkevent", "integrations.erasure",
    "integrations.auditentry", "product.engagementview", "product.eventbatch", "product.quarantinedevent", "product.csmtask",
})  # fmt: skip
"""Models whose rows name people, unmasked: viewers, who read as analysts do, do not open them (S-115)."""


def widen_policy(site: AdminSite) -> None:
    """Every view of `site`, and nothing else, is answered with a policy that its own scripts can work under."""
    plain = site.admin_view

    def admin_view(view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        return csp_update(NEEDS)(plain(view, cacheable))

    site.admin_view = admin_view  # type: ignore[method-assign]


def may_open(user: Person) -> bool:
    """The door: staff, whoever operates anything, and viewers."""
    if role_of(user) == "anonymous":
        return False
    if user.is_staff or has_role(user, "operator") or domains_of(user):  # pyright: ignore[reportAttributeAccessIssue]
        return True
    return role_of(user) == "viewer"


def may_look(user: Person, model: type[Any]) -> bool:
    """Whether somebody sees the rows of `model`: operators of all but secrets, admins of a domain of its own, viewers of what
    names no people."""
    label = model._meta.label_lower
    if has_role(user, "superadmin"):
        return True
    if label in SECRETS or role_of(user) == "anonymous":
        return False
    if role_of(user) == "viewer":
        return label not in PERSONAL
    return has_role(user, "operator", domain_of(model.__module__))


def guard(site: AdminSite) -> None:
    """Close `site`: the door, every registered model, and every unsafe request of a viewer."""
    site.has_permission = lambda request: may_open(request.user)  # type: ignore[method-assign]
    plain = site.admin_view

    def admin_view(view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        def only_reading(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if request.method not in SAFE_METHODS and role_of(request.user) == "viewer":
                raise PermissionDenied(READ_ONLY)
            return view(request, *args, **kwargs)

        only_reading.__name__ = getattr(view, "__name__", "view")
        return plain(only_reading, cacheable)

    site.admin_view = admin_view  # type: ignore[method-assign]
    for model, model_admin in site._registry.items():
        _guard_model(model, model_admin)


def _guard_model(model: type[Any], model_admin: ModelAdmin) -> None:
    """Who may look may look; actions are for whoever may change. Adding, changing and deleting stay with super admins."""
    names = ("has_add_permission", "has_change_permission", "has_delete_permission")
    own = {name: getattr(model_admin, name) for name in names}

    def look(request: HttpRequest, obj: Any = None) -> bool:
        return may_look(request.user, model)

    def module(request: HttpRequest) -> bool:
        return may_look(request.user, model)

    def only_top(name: str) -> Callable[..., bool]:
        def allowed(request: HttpRequest, *args: Any) -> bool:
            return has_role(request.user, "superadmin") and own[name](request, *args)

        return allowed

    actions = model_admin.get_actions

    def get_actions(request: HttpRequest) -> Any:
        return actions(request) if has_role(request.user, "superadmin") else {}

    model_admin.has_view_permission = look  # type: ignore[method-assign]
    model_admin.has_module_permission = module  # type: ignore[method-assign]
    model_admin.get_actions = get_actions  # type: ignore[method-assign]
    for name in own:
        setattr(model_admin, name, only_top(name))
