"""Back office of the ground floor, by subject."""

from integrations.admin import access, alerts, audit, customers, lake, mappings, mirror, orgs, outbox, runs, tools

__all__ = ["access", "alerts", "audit", "customers", "lake", "mappings", "mirror", "orgs", "outbox", "runs", "tools"]
