"""`manage.py plan FILE`: what applying a configuration file would do."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from project.configuration.applying import plan_file
from project.management.configuring import CHANGES, add_file_arguments, options_of, read_text, report_plan


class Command(BaseCommand):
    """Changes nothing. Exit code 0: nothing to do, 2: there are changes, 1: problems."""

    help = "Says what `apply FILE` would create, change and remove. Exit code 0: nothing to do, 2: changes, 1: problems."

    def add_arguments(self, parser: CommandParser) -> None:
        """The file."""
        add_file_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare, print, exit."""
        plan = plan_file(read_text(options["file"]), **options_of(options), now=timezone.now())
        report_plan(self, plan)
        self.stdout.write(f"Plan {plan.digest}")
        if not plan.is_quiet:
            self.stdout.flush()
            sys.exit(CHANGES)
