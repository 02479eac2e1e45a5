"""`manage.py run JOB --org NAME`: run a job now and see how it ends."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integrations.management.running import add_run_arguments, run_job


class Command(BaseCommand):
    """Joins a run of the job that is going or queued already."""

    help = "Runs a job (such as mirror.read) now, prints its counts; exit code 1 unless it succeeded."

    def add_arguments(self, parser: CommandParser) -> None:
        """The job and the connection."""
        parser.add_argument("job")
        add_run_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, wait, report."""
        run_job(self, options["job"], options)
