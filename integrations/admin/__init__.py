"""Back office of the ground floor, by subject."""

from integrations.admin import access, audit, orgs, runs, tools

__all__ = ["access", "audit", "orgs", "runs", "tools"]
