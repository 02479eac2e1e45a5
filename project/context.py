"""What every page's shell shows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from integrations.access import has_role, role_of


def shell(request: HttpRequest) -> dict[str, Any]:
    """Role of the person and whether this is the demonstration."""
    user = getattr(request, "user", None)
    if user is None:
        return {"demo_mode": settings.DEMO_MODE}
    return {
        "demo_mode": settings.DEMO_MODE,
        "role": role_of(user),
        "is_operator": has_role(user, "operator"),
        "is_analyst": has_role(user, "analyst"),
        "is_admin": has_role(user, "admin"),
    }
