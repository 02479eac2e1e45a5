"""`manage.py backup [--to FOLDER] [--keep N]` and `manage.py backup --verify FOLDER`."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from project.backups import checking, taking
from project.backups.failures import BackupFailed


class Command(BaseCommand):
    """Works while everything runs; ends with 1 when the backup is not whole."""

    help = "Backs up the database and the lake's files that it knows, or checks a backup. Encryption keys are never in it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to, how many to keep, or what to check."""
        parser.add_argument(
            "--to", type=Path, help="Folder for backups; each gets one of its own in it (backups in CAUSEWAY_DATA)."
        )
        parser.add_argument("--keep", type=int, help="Afterwards delete all but so many of the newest there.")
        parser.add_argument("--copy", action="store_true", help="Copy the lake's files where they could be linked.")
        parser.add_argument("--without-lake", action="store_true", help="Only name the lake's files (a bucket with versions).")
        parser.add_argument("--verify", type=Path, metavar="FOLDER", help="Check this backup and make none.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make one or check one, and say what was found."""
        try:
            if options["verify"] is not None:
                self._verify(options["verify"])
            else:
                self._take(options)
        except BackupFailed as error:
            raise CommandError(str(error)) from error

    def _verify(self, folder: Path) -> None:
        manifest = checking.check_backup(folder)
        checking.check_fit(manifest)
        self.stdout.write(f"{manifest.name}: database and {len(manifest.lake):,} lake files hold, and the keys fit.")
        self._tell_missing(manifest.missing)

    def _take(self, options: dict[str, Any]) -> None:
        root = options["to"] or taking.default_root()
        keep, lake = options["keep"], not options["without_lake"]
        if keep is not None and keep < 1:
            raise CommandError("--keep is at least 1.")
        done = taking.take_backup(root, now=timezone.now(), keep=keep, link=not options["copy"], lake=lake)
        rows = sum(done.manifest.rows.values())
        self.stdout.write(
            f"{done.folder}: {rows:,} rows and {len(done.manifest.lake):,} lake files, {done.manifest.bytes:,} bytes. "
            "FIELD_ENCRYPTION_KEYS and SECRET_KEY are not in it; keep them apart."
        )
        for name in done.pruned:
            self.stdout.write(f"Deleted {name}.")
        self._tell_missing(done.manifest.missing)

    def _tell_missing(self, missing: list[str]) -> None:
        for path in missing[: checking.SHOWN]:
            self.stderr.write(f"The lake lacks {path}.")
        if missing:
            raise CommandError(
                f"{len(missing):,} files that the database knows are not in the lake; mirrored tables can be filled anew."
            )
