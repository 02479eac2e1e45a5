"""What every page's shell shows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from integrations.access import ROLE_LABELS, domains_of, has_role, may_change, role_of
from project.back_office import may_open


def shell(request: HttpRequest) -> dict[str, Any]:
    """Role of the person, on pages of a domain their role there, and whether this is the demonstration."""
    user = getattr(request, "user", None)
    if user is None:
        return {"demo_mode": settings.DEMO_MODE}
    domain = getattr(getattr(request.resolver_match, "func", None), "domain", "")
    return {
        "demo_mode": settings.DEMO_MODE,
        "role": role_of(user),
        "role_label": ROLE_LABELS[role_of(user)],
        "own_domains": domains_of(user),
        "is_operator": has_role(user, "operator", domain),
        "is_analyst": has_role(user, "analyst", domain),
        "is_admin": has_role(user, "admin", domain),
        "is_superadmin": has_role(user, "superadmin"),
        "may_write": may_change(user, domain=domain),
        "is_viewer": role_of(user) == "viewer",
        "opens_back_office": may_open(user),
    }
