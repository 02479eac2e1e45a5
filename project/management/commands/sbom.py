"""`manage.py sbom`: the bill of materials as CycloneDX JSON."""

import importlib.metadata
import json
import tomllib
from email.message import Message
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from project.bill_of_materials import LockProblem, bill_of


class Command(BaseCommand):
    """Every package of the lock file with hashes, and the vendored browser libraries; needs no network."""

    help = "Write the bill of materials (CycloneDX 1.6 JSON) from uv.lock, with the hash of every file."
    requires_system_checks: list[str] = []  # pyright: ignore[reportIncompatibleVariableOverride, reportAssignmentType]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", help="File to write; the standard output without it.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the lock file beside manage.py."""
        lock_file = settings.BASE_DIR / "uv.lock"
        try:
            lock = tomllib.loads(lock_file.read_text())
            vendored = (settings.BASE_DIR / "static" / "vendor" / "VERSIONS.md").read_text()
            bill = bill_of(lock, vendored=vendored, now=timezone.now(), license_of=license_of)
        except (OSError, tomllib.TOMLDecodeError, LockProblem) as error:
            raise CommandError(f"No bill of materials: {error}") from error
        text = json.dumps(bill, indent=2, sort_keys=True)
        if options["output"]:
            Path(options["output"]).write_text(text + "\n")
            self.stderr.write(f"{len(bill['components'])} components written to {options['output']}.")
        else:
            self.stdout.write(text)


def license_of(name: str) -> str:
    """The license that an installed package declares, in one line; "" when it is not installed or says nothing."""
    try:
        about: Message = importlib.metadata.metadata(name)  # type: ignore[assignment]  # it is one, whatever its stub says
    except importlib.metadata.PackageNotFoundError:
        return ""
    declared = about.get("License-Expression") or about.get("License") or ""
    if declared and "\n" not in declared and len(declared) < 100:
        return declared
    prefix = "License :: "
    said = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or [] if each.startswith(prefix)]
    return ", ".join(said)
