"""The composition root: pages that join domains, and management commands that span apps."""

from django.apps import AppConfig
from django.core import checks

from project import alert_kinds
from project.checks import check_queue


def register_security_job() -> None:
    """Imported late: it joins all domains, whose models are there only now."""
    from project.security import deploying

    deploying.register()


def register_needs_of_pages() -> None:
    """Imported late for the same reason: what pages that join domains need of the mirror."""
    from integrations.sync.mirror import needs
    from project import account_owners

    needs.register_needs(account_owners.NAME, account_owners.needs_of)


class ProjectConfig(AppConfig):
    name = "project"
    verbose_name = "Causeway"

    def ready(self) -> None:
        """Register what start-up must look at."""
        checks.register(check_queue)
        register_security_job()
        register_needs_of_pages()
        alert_kinds.register_kinds()
