"""The job `billing.deploy`: our objects into an org that has no package, by the Metadata API (MT-D15, MT-06).

A deployment that outlives its turn is looked at again until it ends; a second request while one is going on joins it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from billing import preflight
from billing.models import BillingSettings
from billing.package import READERS, READERS_LABEL, WRITERS, junction_beside, package_of
from billing.records import objects_of
from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce import metadata
from integrations.salesforce.errors import InvalidType, NoAccess, NotFound, SalesforceError
from integrations.salesforce.metadata import DeployPending, DeployResult, MetadataPackage
from integrations.salesforce.soql import equals
from integrations.sync import runs
from integrations.sync.endings import RunStopped
from integrations.sync.fields import granting
from integrations.sync.mirror import describing
from integrations.sync.runs import Recorder

JOB, LABEL = "billing.deploy", "Billing objects into the org"
PATIENCE = 20.0  # seconds of one look
LOOK_AGAIN = timedelta(seconds=15)
LONGEST = timedelta(minutes=30)
PARTS = "Parts of the package"


def request_deploy(org: SalesforceOrg, *, user: Person | None, now: datetime) -> Run:
    """Queue a deployment. Refusal `has_package` where the managed package is installed: its objects are there already."""
    settings = preflight.settings_of(org)
    if settings.prefix_known and settings.prefix and not wants_junction(settings):
        raise Refusal("has_package", f"{org} has the objects already, under the prefix {settings.prefix}.")
    return runs.request_run(JOB, org=org, user=user, now=now)


def wants_junction(settings: BillingSettings) -> bool:
    """Whether several accounts of a customer are records of our own object (MT-D1)."""
    return settings.many_accounts == BillingSettings.ManyAccounts.JUNCTION


def package_for(settings: BillingSettings) -> MetadataPackage:
    """What this org lacks: everything, or beside the managed package only the junction."""
    if settings.prefix_known and settings.prefix:
        return junction_beside(settings.prefix)
    return package_of(junction=wants_junction(settings))


def perform(recorder: Recorder) -> None:
    """Send the package once, wait for its end, give our user the rights, check."""
    org = recorder.org
    assert org is not None
    client = client_for(org, domain=preflight.DOMAIN)
    try:
        job = recorder.checkpoint.get("job") or _send(recorder, client)
        result = _await(recorder, client, job)
        _tell(recorder, result)
        _assign(recorder, client, org)
        _check(recorder, client, org)
    except NoAccess as error:
        explained = metadata.explain_problem(error.message, code="INSUFFICIENT_ACCESS")
        raise RunStopped("no_right", f"{explained.sentence} {explained.fix}", Run.State.FAILED) from None
    finally:
        recorder.spent(client.calls)
        client.close()


def _send(recorder: Recorder, client: Any) -> str:
    assert recorder.org is not None
    job = metadata.start_deploy(client, package_for(preflight.settings_of(recorder.org)))
    recorder.save({"job": job, "since": timezone.now().isoformat()})
    return job


def _await(recorder: Recorder, client: Any, job: str) -> DeployResult:
    try:
        return metadata.deploy(client, MetadataPackage(), job_id=job, deadline=PATIENCE)
    except DeployPending as pending:
        now = timezone.now()
        if now - datetime.fromisoformat(recorder.checkpoint["since"]) > LONGEST:
            text = "Salesforce did not end the deployment within 30 minutes. Look at Setup, Deployment Status."
            raise RunStopped("deploy_timeout", text, Run.State.FAILED) from None
        recorder.wait(until=now + LOOK_AGAIN, sentence=str(pending))
        raise AssertionError("unreachable: wait always raises") from None


def _tell(recorder: Recorder, result: DeployResult) -> None:
    """A line for each part; a refused part ends the run, because Salesforce takes all or nothing."""
    parts = recorder.object(PARTS)
    if result.success and not result.failures:
        for each in result.components:
            if each.created or each.changed:
                parts.written(f"{each.type} {each.full_name}", each.full_name)
            else:
                parts.unchanged()
        recorder.save(recorder.checkpoint)
        return
    for each in result.failures:
        explained = each.explained
        parts.failed(each.full_name, explained.code, f"{explained.sentence} {explained.fix}".strip())
    recorder.save(recorder.checkpoint)
    raise RunStopped("deploy_failed", result.sentence, Run.State.FAILED)


def _assign(recorder: Recorder, client: Any, org: SalesforceOrg) -> None:
    """Field-level security hides deployed fields from everybody, so our user gets the writing set at once."""
    row = recorder.object("Permission set")
    try:
        if granting.assign(client, org.user_id, WRITERS):
            row.written(WRITERS, WRITERS)
        else:
            row.unchanged()
    except (ValueError, LookupError, SalesforceError) as error:
        cure = f"In Salesforce, Setup › Permission Sets › {WRITERS} › Manage Assignments, add the integration user."
        row.failed(WRITERS, "not_assigned", f"It could not be assigned: {error} {cure}")
    recorder.save(recorder.checkpoint)


def _check(recorder: Recorder, client: Any, org: SalesforceOrg) -> None:
    settings = preflight.settings_of(org)
    if not settings.prefix_known:
        BillingSettings.objects.filter(pk=settings.pk).update(prefix="", prefix_known=True)
        settings.refresh_from_db()
    for each in objects_of(settings):
        describing.forget_description(org, each.api_name(settings.prefix))
    lacks = preflight.check(org, client, settings, now=timezone.now(), fresh=True)
    for lack in lacks:
        recorder.object("Billing objects").failed(lack.field or lack.object, lack.code, f"{lack.message} {lack.fix}")
    audit.record(
        "billing.deployed", actor=recorder.run.requested_by, target=org, after={"run": recorder.run.pk, "missing": len(lacks)}
    )


# --- people -----------------------------------------------------------------------------------------------------------------


def assign_people(org: SalesforceOrg, usernames: list[str], *, actor: Person | None, now: datetime) -> Mapping[str, str]:
    """Give people in Salesforce the reading set (MT-07, MT-D16): what became of each user name, "" when all is well."""
    found: dict[str, str] = {}
    with client_for(org, domain=preflight.DOMAIN) as client:
        for name in dict.fromkeys(each.strip() for each in usernames if each.strip()):
            found[name] = _assign_one(client, name)
    audit.record("billing.people", actor=actor, target=org, after={"set": READERS, "users": list(found)})
    return found


def _assign_one(client: Any, name: str) -> str:
    users = client.query_all(f"SELECT Id FROM User WHERE {equals('Username', name)} AND IsActive = true LIMIT 1")  # noqa: S608
    if not users:
        return "There is no active user with this name."
    try:
        granting.assign(client, users[0]["Id"], READERS)
    except LookupError:
        return f"The permission set {READERS_LABEL} is not in the org. Deploy the objects first."
    except (NoAccess, NotFound, InvalidType, SalesforceError) as error:
        return f"Salesforce refused: {error}"
    return ""
