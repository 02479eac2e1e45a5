"""What the commands about the configuration file share: reading it, who does it, which connection stands for which."""

import sys
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.access import has_role
from project.configuration.planning import Plan
from project.configuration.saying import say_plan, say_problem
from provisioning.catalogue.yaml_text import MOST_BYTES

PROBLEMS, CHANGES = 1, 2  # exit codes


def add_file_arguments(parser: CommandParser) -> None:
    """The file and how it is meant."""
    parser.add_argument("file", help="A configuration file; - reads the standard input.")
    parser.add_argument(
        "--map", action="append", default=[], metavar="THERE=HERE",
        help="A connection of the file stands for this one of ours; may be given several times.",
    )  # fmt: skip
    parser.add_argument("--prune", action="store_true", help="Remove what the sections of the file do not name.")
    parser.add_argument("--user", default="", help="User name of the admin who does it; empty: the system.")


def options_of(options: dict[str, Any]) -> dict[str, Any]:
    """The arguments for `plan_file` and `apply_file`."""
    return {"renames": _renames(options["map"]), "prune": options["prune"], "actor": _person(options["user"])}


def read_text(path: str) -> bytes:
    """The file's bytes; CommandError when it cannot be read or is too large."""
    try:
        if path == "-":
            raw = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.", returncode=PROBLEMS) from error
    if len(raw) > MOST_BYTES:
        raise CommandError(f"{path} has more than {MOST_BYTES // 1_000_000} MB.", returncode=PROBLEMS)
    return raw


def _renames(given: list[str]) -> dict[str, str]:
    found = {}
    for each in given:
        there, _, here = each.partition("=")
        if not there.strip() or not here.strip() or there.strip() in found:
            raise CommandError(f"--map {each}: write THERE=HERE, each connection of the file once.", returncode=PROBLEMS)
        found[there.strip()] = here.strip()
    return found


def _person(name: str) -> Any:
    if not name:
        return None
    found = get_user_model().objects.filter(username=name).first()
    if found is None or not has_role(found, "admin"):
        raise CommandError(f"{name} is no admin here.", returncode=PROBLEMS)
    return found


def report_plan(command: BaseCommand, plan: Plan, *, done: bool = False) -> None:
    """Print a plan; CommandError with exit code 1 for its problems, all of them."""
    for problem in plan.problems:
        command.stderr.write(say_problem(problem))
    if plan.problems:
        count = len(plan.problems)
        raise CommandError(f"{count} problem{'s' if count > 1 else ''}; nothing was changed.", returncode=PROBLEMS)
    for line in say_plan(plan, done=done):
        command.stdout.write(line)
