"""Sending a metadata package by a job: once, followed to its end, told part by part, the integration user given its rights.

A deployment that outlives its turn is looked at again until it ends; the checkpoint remembers its number, so that a run taken
over by another worker sends nothing twice and counts nothing twice.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.utils import timezone

from integrations.access import Refusal
from integrations.models import Run
from integrations.salesforce import metadata
from integrations.salesforce.client import Client
from integrations.salesforce.errors import NoAccess, SalesforceError
from integrations.salesforce.metadata import DeployPending, DeployResult, MetadataPackage
from integrations.salesforce.soql import equals
from integrations.sync.endings import RunStopped
from integrations.sync.fields import granting
from integrations.sync.runs import Recorder

PATIENCE = 20.0  # seconds of one look
LOOK_AGAIN = timedelta(seconds=15)
LONGEST = timedelta(minutes=30)
PARTS, SETS = "Parts of the package", "Permission set"
MOST_PEOPLE = 200  # user names that one request may give a set


def deploy_once(
    recorder: Recorder, client: Client, *, package: Callable[[], MetadataPackage], patience: float = PATIENCE, step: str = ""
) -> None:
    """Send `package()` and stay with it until it has ended well; `RunStopped` when Salesforce refuses a part.

    Only the first turn asks for the package; one without members is not sent. One turn looks for `patience` seconds. A run that
    sends several packages names each with `step`.
    """
    if recorder.checkpoint.get(f"{step}told"):
        return
    job = recorder.checkpoint.get(f"{step}job")
    if not job:
        wanted = package()
        if not wanted.members():
            recorder.save({**recorder.checkpoint, f"{step}told": True})
            return
        job = metadata.start_deploy(client, wanted)
        recorder.save({**recorder.checkpoint, f"{step}job": job, f"{step}since": timezone.now().isoformat()})
    _tell(recorder, _await(recorder, client, job, patience, step), step)


def _await(recorder: Recorder, client: Client, job: str, patience: float, step: str) -> DeployResult:
    try:
        return metadata.deploy(client, MetadataPackage(), job_id=job, deadline=patience)
    except DeployPending as pending:
        now = timezone.now()
        if now - datetime.fromisoformat(recorder.checkpoint[f"{step}since"]) > LONGEST:
            text = "Salesforce did not end the deployment within 30 minutes. Look at Setup, Deployment Status."
            raise RunStopped("deploy_timeout", text, Run.State.FAILED) from None
        recorder.wait(until=now + LOOK_AGAIN, sentence=str(pending))
        raise AssertionError("unreachable: wait always raises") from None


def _tell(recorder: Recorder, result: DeployResult, step: str) -> None:
    """A line for each part; a refused part ends the run, because Salesforce takes all or nothing."""
    parts = recorder.object(PARTS)
    if result.success and not result.failures:
        for each in result.components:
            if each.created or each.changed:
                parts.written(f"{each.type} {each.full_name}", each.full_name)
            else:
                parts.unchanged()
        recorder.save({**recorder.checkpoint, f"{step}told": True})  # with the counts: a resumed run must not count them again
        return
    for each in result.failures:
        explained = each.explained
        parts.failed(each.full_name, explained.code, f"{explained.sentence} {explained.fix}".strip())
    recorder.save(recorder.checkpoint)
    raise RunStopped("deploy_failed", result.sentence, Run.State.FAILED)


def assign_set(recorder: Recorder, client: Client, user_id: str, name: str) -> None:
    """Field-level security hides deployed fields from everybody, so our user gets the writing set at once."""
    row = recorder.object(SETS)
    try:
        if granting.assign(client, user_id, name):
            row.written(name, name)
        else:
            row.unchanged()
    except (ValueError, LookupError, SalesforceError) as error:
        cure = f"In Salesforce, Setup › Permission Sets › {name} › Manage Assignments, add the integration user."
        row.failed(name, "not_assigned", f"It could not be assigned: {error} {cure}")
    recorder.save(recorder.checkpoint)


@contextmanager
def rights_explained(rights: str = "") -> Iterator[None]:
    """Inside, a refusal for lack of rights ends the run as `no_right` with what the integration user needs."""
    try:
        yield
    except NoAccess as error:
        explained = metadata.explain_problem(error.message, code="INSUFFICIENT_ACCESS")
        fix = rights or explained.fix
        raise RunStopped("no_right", f"{explained.sentence} {fix}", Run.State.FAILED) from None


# --- people -----------------------------------------------------------------------------------------------------------------


def checked_names(usernames: Sequence[str]) -> list[str]:
    """User names without blanks and repetitions; Refusal `too_many_people`."""
    names = list(dict.fromkeys(each.strip() for each in usernames if each.strip()))
    if len(names) > MOST_PEOPLE:
        raise Refusal("too_many_people", f"Give at most {MOST_PEOPLE} user names at a time, not {len(names):,}.")
    return names


def give_set(client: Client, username: str, set_id: str) -> str:
    """Give a set to the user of that name: "" when all is well, else why not. Never raises what Salesforce refuses."""
    try:
        users = client.query_all(f"SELECT Id FROM User WHERE {equals('Username', username)} AND IsActive = true LIMIT 1")  # noqa: S608
        if not users:
            return "There is no active user with this name."
        granting.assign_set(client, users[0]["Id"], set_id)
    except SalesforceError as error:  # also when the org is gone in the middle: what was given before is told all the same
        return f"It was not given: {error}"
    return ""
