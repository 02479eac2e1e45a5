"""`manage.py export [--org NAME] [--output FILE]`: the configuration as a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations import audit
from integrations.access import Refusal
from project.configuration.exporting import export_configuration


class Command(BaseCommand):
    """Reads only; leaves one audit entry (S-110)."""

    help = "Writes the configuration as YAML: the same configuration gives the same bytes. Secrets are never in it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which connection, and where to."""
        parser.add_argument("--org", default="", help="Only this connection, without what belongs to the whole company.")
        parser.add_argument("--output", default="", help="Write to this file instead of the standard output.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        try:
            text = export_configuration(org=options["org"], now=timezone.now())
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        audit.record("configuration.exported", target=options["org"] or "everything")
        if not options["output"]:
            self.stdout.write(text, ending="")
            return
        try:
            Path(options["output"]).write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{options['output']} cannot be written: {error.strerror}.") from error
