"""What the commands that run a job share: finding the connection, asking, waiting, the exit code."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations.models import Run, SalesforceOrg
from integrations.sync import jobs, runs
from integrations.sync.attending import StillGoing, see_through

PATIENCE = 3600


def add_run_arguments(parser: CommandParser) -> None:
    """The options of a command that runs a job."""
    parser.add_argument("--org", default="", help="Name of the connection.")
    parser.add_argument("--queue", action="store_true", help="Only queue it for the worker; do not wait.")
    parser.add_argument("--seconds", type=int, default=PATIENCE, help="Wait at most so long (the run itself goes on).")


def find_org(name: str) -> SalesforceOrg:
    """The connection of that name; a sentence with the known ones otherwise."""
    org = SalesforceOrg.objects.filter(name=name).first()
    if org is None:
        known = ", ".join(SalesforceOrg.objects.values_list("name", flat=True)) or "none yet"
        problem = f"There is no connection called {name!r}." if name else "Say which connection with --org NAME."
        raise CommandError(f"{problem} Known: {known}.")
    return org


def run_job(command: BaseCommand, name: str, options: dict[str, Any], arguments: dict[str, Any] | None = None) -> None:
    """Ask for a run and see it through; CommandError (exit code 1) unless it came through without failed rows."""
    try:
        job = jobs.get(name)
    except KeyError as error:
        raise CommandError(str(error.args[0])) from error
    if options["org"] and not job.per_org:
        raise CommandError(f"{name} is not about one connection: leave --org out.")
    org = find_org(options["org"]) if job.per_org else None
    if org is not None and not org.is_connected:
        raise CommandError(f"{org} is {org.get_state_display().lower()}. {org.state_reason}".strip())
    run = runs.request_run(name, org=org, trigger=Run.Trigger.MANUAL, arguments=arguments, now=timezone.now())
    if options["queue"]:
        command.stdout.write(f"{run} is {run.get_state_display().lower()}.")
        return
    try:
        ended = see_through(run, tell=command.stdout.write, seconds=options["seconds"])
    except StillGoing as error:
        raise CommandError(str(error)) from error
    _print_counts(command, ended)
    if ended.state != Run.State.SUCCESS:
        raise CommandError(f"{ended}: {ended.get_state_display()}. {ended.sentence}")
    command.stdout.write(f"{ended}: {ended.get_state_display()}. {ended.sentence}")


def _print_counts(command: BaseCommand, run: Run) -> None:
    for each in run.objects_touched.order_by("name"):
        command.stdout.write(
            f"{each.name}: {each.read} read, {each.written} written, {each.unchanged} unchanged, {each.skipped} skipped,"
            f" {each.failed} failed, {each.not_attempted} not attempted"
        )
