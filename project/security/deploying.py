"""The job `security.deploy`: the generated permission set into the org, given to the integration user, then reviewed again.

The set replaces the one of the same name. Everything is asked anew, so what is deployed fits the org of the moment.
"""

from django.utils import timezone

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.orgs.states import State
from integrations.salesforce.client import Client
from integrations.salesforce.metadata import MetadataPackage
from integrations.sync import deploying, jobs, runs
from integrations.sync.mirror import describing
from integrations.sync.runs import Recorder
from project.security import needs, permission_set, reading, review

JOB, LABEL, DOMAIN = "security.deploy", "Permission set of the integration user", "security"
RIGHTS = (
    "Give the integration user Customize Application, Modify Metadata Through Metadata API Functions and Assign Permission "
    "Sets for the moment, or download the permission set and let a Salesforce administrator deploy and assign it."
)
ALL_RECORDS = "all_records"


def register() -> None:
    """Make the job known; calling it again changes nothing."""
    jobs.register(jobs.Job(JOB, LABEL, DOMAIN, perform, by_hand=True))


def request_deploy(org: SalesforceOrg, *, all_records: bool, user: Person | None, address: str | None) -> Run:
    """Queue the deployment, or join the one that is queued. Refusal `not_ready` for a connection that cannot be asked."""
    if org.state != State.CONNECTED:
        raise Refusal("not_ready", f"{org} is not connected. Authorize it first.")
    run = runs.request_run(JOB, org=org, user=user, arguments={ALL_RECORDS: all_records}, now=timezone.now())
    after = {"run": run.pk, "set": permission_set.NAME, ALL_RECORDS: all_records}
    audit.record("security.deploy_asked", actor=user, target=org, after=after, address=address)
    return run


def perform(recorder: Recorder) -> None:
    """Build, send, assign, review."""
    org = recorder.org
    assert org is not None
    client = client_for(org, domain="connection")
    try:
        with deploying.rights_explained(RIGHTS):
            deploying.deploy_once(recorder, client, package=lambda: _package(recorder, org, client))
            deploying.assign_set(recorder, client, org.user_id, permission_set.NAME)
    finally:
        recorder.spent(client.calls)
        client.close()
    for name in {wish.object for wish in needs.wishes_of(org)}:
        describing.forget_description(org, name)
    found = review.review_org(org, now=timezone.now())
    audit.record(
        "security.deployed", actor=recorder.run.requested_by, target=org,
        after={"run": recorder.run.pk, "set": permission_set.NAME, "verdict": found.verdict},
    )  # fmt: skip


def _package(recorder: Recorder, org: SalesforceOrg, client: Client) -> MetadataPackage:
    """The package; empty when the org has exactly this set already."""
    wishes = needs.wishes_of(org)
    facts, given = reading.read_objects(client, wishes), reading.read_given(client, org.user_id)
    rights = review.known_rights(needs.user_rights_of(org), given)
    all_records = bool(recorder.run.arguments.get(ALL_RECORDS, True))
    made = permission_set.build(wishes, facts, rights, all_records=all_records)
    present = reading.read_present(client, permission_set.NAME)
    if present is not None and not permission_set.changes(present, made):
        recorder.object(deploying.PARTS).unchanged()
        return MetadataPackage()
    return permission_set.package_of(made)
