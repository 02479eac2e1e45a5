"""The back office under the content security policy: Unfold evaluates expressions and writes styles, our own pages never do."""

from collections.abc import Callable
from typing import Any

from csp.decorators import csp_update
from django.contrib.admin import AdminSite

# Scripts from elsewhere and inline scripts stay forbidden there, too (S-035).
NEEDS = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}


def widen_policy(site: AdminSite) -> None:
    """Every view of `site`, and nothing else, is answered with a policy that its own scripts can work under."""
    plain = site.admin_view

    def admin_view(view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        return csp_update(NEEDS)(plain(view, cacheable))

    site.admin_view = admin_view  # type: ignore[method-assign]
