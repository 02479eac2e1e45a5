"""`manage.py restore FOLDER --yes`: make this installation what a backup holds."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from project.backups import restoring
from project.backups.checking import SHOWN
from project.backups.failures import BackupFailed, RestoreBroken


class Command(BaseCommand):
    """Checks everything before it touches anything. Web servers and workers are stopped meanwhile."""

    help = "Restores a backup: the database, the lake's files, and what makes going on from an older state safe."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which backup, and what the person knows."""
        parser.add_argument("folder", type=Path, help="Folder of one backup, with its manifest.json.")
        parser.add_argument("--yes", action="store_true", help="Do it.")
        parser.add_argument("--force", action="store_true", help="Replace an installation that is not empty.")
        parser.add_argument(
            "--stopped", action="store_true", help="All workers and web servers have stopped, whatever the database says."
        )
        parser.add_argument("--without-keys", action="store_true", help="The keys are lost: connections will read Locked.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore, then say what to do next."""
        if not options["yes"]:
            raise CommandError("This replaces the database of this installation. Say --yes to do it.")
        try:
            done = restoring.restore(
                options["folder"], force=options["force"], stopped=options["stopped"], without_keys=options["without_keys"],
                now=timezone.now(),
            )  # fmt: skip
        except RestoreBroken as error:
            raise CommandError(str(error)) from error
        except BackupFailed as error:
            raise CommandError(f"{error} Nothing was changed.") from error
        self._tell(done)

    def _tell(self, done: restoring.Restored) -> None:
        self.stdout.write(
            f"Restored {done.manifest.name} of {done.manifest.made_at}: {done.files:,} lake files brought back, "
            f"{done.runs_ended:,} runs of then ended, {done.targets:,} targets are compared with Salesforce before they send, "
            f"{done.erasures:,} later erasures kept. Everybody signs in again."
        )
        if done.connections:
            self.stdout.write("Connections whose token was renewed since read Needs re-authorization; authorize them again.")
        self.stdout.write(
            "Check who may do what: rights and API keys withdrawn since the backup are back. Then start web and worker."
        )
        for path in done.missing[:SHOWN]:
            self.stderr.write(f"The lake lacks {path}.")
        if done.missing:
            raise CommandError(f"{len(done.missing):,} files of the lake are missing; backfill those tables.")
