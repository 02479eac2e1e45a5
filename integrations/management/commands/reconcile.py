"""`manage.py reconcile --org NAME`: compare the mirror of a connection with Salesforce now (I-05)."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integrations.management.running import add_run_arguments, run_job
from integrations.sync.mirror.reconcile import JOB


class Command(BaseCommand):
    """What the daily slot does, with every id compared."""

    help = "Compares counts and all ids of a connection's mirror with Salesforce and repairs what differs."

    def add_arguments(self, parser: CommandParser) -> None:
        """The connection, and which objects."""
        add_run_arguments(parser)
        parser.add_argument("--object", action="append", default=[], dest="objects", help="May be repeated; all when left out.")
        parser.add_argument("--counts", action="store_true", help="List ids only where the counts differ, as the slot does.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, wait, report."""
        arguments: dict[str, Any] = {} if options["counts"] else {"ids": True}
        if options["objects"]:
            arguments["objects"] = options["objects"]
        run_job(self, JOB, options, arguments)
