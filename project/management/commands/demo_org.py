"""`manage.py demo_org`: the same as `python -m integrations.demo_org`."""

import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import BaseCommand

from integrations.demo_org.__main__ import add_arguments, serve


class Command(BaseCommand):
    """Serve a local org with Salesforce's interfaces, to try integrations against."""

    help = "Serve a local Salesforce-compatible org on loopback."
    requires_system_checks = []  # pyright: ignore[reportAssignmentType] - the stub wants a string

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The demo org's own options."""
        add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Serve until stopped."""
        code = serve(Namespace(**options))
        if code:
            sys.exit(code)
