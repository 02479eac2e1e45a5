"""`manage.py verify_audit [FILE] [--anchor TEXT]`: prove the audit, or a file that was exported from it."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations import audit
from integrations.audit_chain import read_anchor
from integrations.audit_keeping import anchor_of, verify_chain
from project.audit_log.exporting import UnreadableExport, check_export

SAID = {
    "pruned": "Its entry is older than what is kept: it was removed by the retention.",
    "missing": "There is no entry of that number: entries were removed.",
    "other": "The entry of that number has another digest now: the chain was written anew.",
}


class Command(BaseCommand):
    """Needs the database only without FILE; a file needs the key (SECRET_KEY) alone."""

    help = "Verifies the audit's chain, or with FILE an export of it (CSV or JSON lines), offline."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", help="an export of the audit; without it the database is verified")
        parser.add_argument("--anchor", default="", help="a digest kept outside, causeway-audit:NUMBER:DIGEST")

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what holds; exit with 1 at the first thing that does not."""
        if options["file"]:
            self._check_file(Path(options["file"]))
            return
        check = verify_chain(now=timezone.now())
        if check.broken_id is not None:
            raise CommandError(f"Entry {check.broken_id} does not fit. {check.why} {check.checked:,} entries before it hold.")
        self.stdout.write(f"The chain holds: {check.checked:,} entries.")
        if anchor := anchor_of(check):
            self.stdout.write(f"Keep this outside: {anchor}")
        if options["anchor"]:
            self._compare(options["anchor"])

    def _compare(self, text: str) -> None:
        anchor = read_anchor(text)
        if anchor is None:
            raise CommandError("An anchor is written causeway-audit:NUMBER:DIGEST, the digest in 64 hex digits.")
        found = audit.find_anchor(anchor)
        if found in ("missing", "other"):
            raise CommandError(SAID[found])
        self.stdout.write("The anchor holds." if found == "holds" else SAID[found])

    def _check_file(self, path: Path) -> None:
        try:
            with path.open(encoding="utf-8", newline="") as file:
                found = check_export(file)
        except UnreadableExport as error:
            raise CommandError(str(error)) from error
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{path} cannot be read: {type(error).__name__}.") from error
        if not found.holds:
            raise CommandError(f"Entry {found.broken_id}: {found.why} {found.lines:,} lines before it hold.")
        self.stdout.write(f"The file is as it was exported: {found.lines:,} entries.")
        if found.gaps:
            self.stdout.write(f"{found.gaps:,} gaps: the chain has entries between them that a filter left out.")
        elif found.lines:
            self.stdout.write("They follow one another without a gap.")
