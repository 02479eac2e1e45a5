"""`manage.py apply FILE`: bring about what a configuration file says."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations.access import Refusal
from project.configuration.applying import apply_file
from project.management.configuring import PROBLEMS, add_file_arguments, options_of, read_text, report_plan


class Command(BaseCommand):
    """Applying the same file again does nothing. Exit code 0: done, 1: problems."""

    help = "Creates and changes what the file says, each section in one transaction; all problems are told before any change."

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, and the plan that was looked at."""
        add_file_arguments(parser)
        parser.add_argument("--expect", default="", metavar="DIGEST", help="Only if the plan is still the one of this digest.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan, do, report."""
        about = {**options_of(options), "expect": options["expect"].strip()}
        try:
            outcome = apply_file(read_text(options["file"]), **about, now=timezone.now())
        except Refusal as refusal:
            raise CommandError(refusal.message, returncode=PROBLEMS) from refusal
        report_plan(self, outcome.plan if outcome.plan.problems else outcome.done, done=True)
