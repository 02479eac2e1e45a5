"""The composition root: pages that join domains, and management commands that span apps."""

from django.apps import AppConfig
from django.core import checks

from project.checks import check_queue


class ProjectConfig(AppConfig):
    name = "project"
    verbose_name = "Causeway"

    def ready(self) -> None:
        """Register what start-up must look at."""
        checks.register(check_queue)
