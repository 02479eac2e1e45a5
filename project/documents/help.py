"""Which document helps with which page: the longest beginning of its path decides."""

from project.documents.library import path_of

HELP: tuple[tuple[str, str, str], ...] = (
    # path, document, anchor
    ("/", "home", ""),
    ("/connections/", "admin-guide", ""),
    ("/mappings/", "user-guide", "mappings"),
    ("/outbox/", "user-guide", "the-outbox"),
    ("/runs/", "user-guide", "runs"),
    ("/mirror/", "user-guide", "the-mirror"),
    ("/configuration/", "configuration", ""),
    ("/customers/", "customers", ""),
    ("/search/", "customers", "search-everywhere"),
    ("/audit/four-way/", "customers", "four-way-audit"),
    ("/product/", "product", ""),
    ("/product/accounts/", "segments", ""),
    ("/product/audience/", "segments", ""),
    ("/product/segments/", "segments", ""),
    ("/product/engagements/", "engagements", ""),
    ("/product/features/", "kpis", "features"),
    ("/product/kpis/", "kpis", ""),
    ("/product/knowledge/", "knowledge", ""),
    ("/product/health/", "product", "health-score"),
    ("/product/task-rules/", "product", "tasks-for-customer-success-managers"),
    ("/product/use-cases/", "product", "ready-made-use-cases"),
    ("/product/data/", "events", ""),
    ("/billing/", "billing", ""),
    ("/provisioning/", "provisioning", ""),
    ("/provisioning/provisions/", "deals", ""),
    ("/provisioning/preflight/", "deals", ""),
    ("/provisioning/subscriptions/", "subscriptions", ""),
    ("/provisioning/catalogue/", "catalogue", ""),
    ("/provisioning/mapping/", "catalogue", ""),
    ("/provisioning/automations/", "automations", ""),
    ("/analytics/", "analytics", ""),
    ("/okr/", "user-guide", "key-results"),
    ("/okr/licenses/", "admin-guide", "seats"),
    ("/security/", "security", ""),
    ("/audit/", "security", "the-audit"),
    ("/alerts/", "alerts", ""),
    ("/budget/", "budget", ""),
    ("/people/", "roles", ""),
    ("/me/", "roles", ""),
    ("/needs/", "home", ""),
    ("/docs/", "README", ""),
)


def help_for(path: str) -> str:
    """The address of the document that helps with the page at `path`."""
    beginnings = [row for row in HELP if path == row[0] or (row[0] != "/" and path.startswith(row[0]))]
    _, slug, anchor = max(beginnings, key=lambda row: len(row[0]), default=("", "README", ""))
    return path_of(slug) + (f"#{anchor}" if anchor else "")
