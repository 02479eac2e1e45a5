"""`manage.py verify_ledger`: are the counts of all runs and the audit trail true?"""

from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations import audit
from integrations.sync import verifying

SHOWN = 50


class Command(BaseCommand):
    """Reads only; exit code 1 when something does not hold."""

    help = "Checks that the rows of every finished run add up and that the audit trail was not tampered with."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was checked and what is wrong."""
        found = list(islice(verifying.breaches(), SHOWN + 1))
        for each in found[:SHOWN]:
            self.stderr.write(str(each))
        if len(found) > SHOWN:
            self.stderr.write("And more.")
        trail = audit.verify()
        if not trail.holds:
            self.stderr.write(f"Audit entry #{trail.broken_id}: {trail.why}")
        if found or not trail.holds:
            raise CommandError("The ledger does not hold.")
        self.stdout.write(f"{verifying.count_finished()} finished runs add up; {trail.checked} audit entries hold.")
