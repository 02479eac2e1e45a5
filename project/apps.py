"""The composition root: pages that join domains, and management commands that span apps."""

from django.apps import AppConfig
from django.core import checks

from project import alert_kinds
from project.checks import check_queue


def register_security_job() -> None:
    """Imported late: it joins all domains, whose models are there only now."""
    from project.security import deploying

    deploying.register()


class ProjectConfig(AppConfig):
    name = "project"
    verbose_name = "Causeway"

    def ready(self) -> None:
        """Register what start-up must look at."""
        checks.register(check_queue)
        register_security_job()
        alert_kinds.register_kinds()
