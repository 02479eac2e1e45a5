"""The key field of tasks in Salesforce: whether it is there, and the job that creates it with its permission (PX-41).

Custom fields of tasks are fields of Activity, which tasks and events share; field-level security is granted on each of them.
"""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Run, SalesforceOrg
from integrations.orgs.connect import OrgClient, client_for
from integrations.product.task_rules.kind import DOMAIN, KEY_FIELD, OBJECT
from integrations.salesforce import metadata
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import InvalidType, NoAccess, NotFound
from integrations.salesforce.metadata import CustomField, DeployPending, FieldPermission, MetadataPackage, PermissionSet
from integrations.salesforce.metadata_problems import explain_problem
from integrations.sync import runs
from integrations.sync.fields import granting
from integrations.sync.mirror.describing import describe_object, forget_description
from integrations.sync.runs import Recorder, RunStopped

JOB, LABEL = "product.task_key", "Creation of the task key in Salesforce"
OWNER = "Activity"
LENGTH = 80
PATIENCE = 3.0  # seconds that a worker waits for the end itself; longer deployments give it back
LOOK_AGAIN = timedelta(seconds=10)
LONGEST = timedelta(minutes=30)
READY = ""


def key_field() -> CustomField:
    """The field as it is created."""
    text = "Tells the tasks that Causeway made apart, so that each is made once."
    return CustomField(
        OWNER, KEY_FIELD, "Causeway task key", "Text", length=LENGTH, unique=True, external_id=True, help_text=text,
        description=f"{text} Managed by Causeway; do not change.",
    )  # fmt: skip


def problem_of(info: ObjectInfo) -> str:
    """Why tasks cannot be made as the object is described; "" when they can."""
    found = info.field(KEY_FIELD)
    if found is None:
        return f"The key field {KEY_FIELD} of tasks does not exist, or the integration user cannot see it."
    if not found.external_id:
        return f"The field {KEY_FIELD} of tasks exists but is no external id; make it one in Salesforce."
    if not (info.createable and found.createable):
        return "The integration user may not create tasks or set their key; give it the right and Edit access to the field."
    return READY


def look(org: SalesforceOrg, client: OrgClient, *, fresh: bool = False) -> str:
    """`problem_of` with the object as the connected user sees it now."""
    try:
        return problem_of(describe_object(org, client, OBJECT, fresh=fresh))
    except (NotFound, InvalidType):
        return "The integration user cannot see tasks."


def is_ready(org: SalesforceOrg) -> str:
    """Like `look`, with a client of its own; raises what a call to Salesforce raises."""
    client = client_for(org, domain=DOMAIN)
    with client:
        return look(org, client)


def request_key_field(org: SalesforceOrg, *, user: Person | None, now: datetime, address: str | None = None) -> Run:
    """Start the creation. `Refusal` when the connection is not connected."""
    if not org.is_connected:
        raise Refusal("not_connected", f"{org.name} is {org.get_state_display().lower()}; connect it first.")
    run = runs.request_run(JOB, org=org, user=user, now=now)
    audit.record("run.started", actor=user, target=f"run {run.pk} ({JOB}, {org.name})", address=address)
    return run


def perform(recorder: Recorder) -> None:
    """Deploy the field and the permission set, wait, assign, look again. A killed run waits for the same deployment."""
    org = recorder.org
    assert org is not None
    client = client_for(org, domain=DOMAIN)
    try:
        _perform(recorder, org, client)
    except NoAccess as error:
        explained = explain_problem(error.message, code="INSUFFICIENT_ACCESS")
        raise RunStopped("no_right", f"{explained.sentence} {explained.fix}", Run.State.FAILED) from None
    finally:
        recorder.spent(client.calls)
        client.close()


def _perform(recorder: Recorder, org: SalesforceOrg, client: OrgClient) -> None:
    if "job" not in recorder.checkpoint:
        if not look(org, client, fresh=True):
            recorder.object("Fields").unchanged()
            return
        job = metadata.start_deploy(client, MetadataPackage(fields=(key_field(),), permission_sets=(_set_with(client),)))
        recorder.save({"job": job, "since": timezone.now().isoformat()})
    _await(recorder, client)
    granting.assign(client, org.user_id)
    forget_description(org, OBJECT)
    trouble = look(org, client, fresh=True)
    if trouble:
        recorder.object("Fields").failed(KEY_FIELD, "not_visible", trouble)
        return
    recorder.object("Fields").written(f"{OWNER}.{KEY_FIELD}", "Causeway task key")
    recorder.save()
    audit.record(
        "fields.created", actor=recorder.run.requested_by, target=f"{OWNER} of {org.name} (run {recorder.run.pk})",
        after={"fields": {KEY_FIELD: "Text"}, "permission_set": granting.SET_NAME},
    )  # fmt: skip


def _set_with(client: OrgClient) -> PermissionSet:
    """The permission set of this domain with the field on tasks, joined with what it grants already."""
    grants = (FieldPermission(f"{OBJECT}.{KEY_FIELD}", readable=True, editable=True),)
    ours = PermissionSet(granting.SET_NAME, granting.SET_LABEL, granting.SET_DESCRIPTION, fields=grants)
    present = metadata.find_permission_set(client, granting.SET_NAME)
    return ours if present is None else metadata.joined(present, ours)


def _await(recorder: Recorder, client: OrgClient) -> None:
    kept: dict[str, Any] = dict(recorder.checkpoint)
    try:
        result = metadata.deploy(client, MetadataPackage(), job_id=kept["job"], deadline=PATIENCE)
    except DeployPending as pending:
        now = timezone.now()
        if now - datetime.fromisoformat(kept["since"]) > LONGEST:
            metadata.cancel_deploy(client, kept["job"])
            sentence = "Salesforce did not end the deployment within 30 minutes; it was canceled."
            raise RunStopped("deploy_timeout", sentence, Run.State.FAILED) from None
        recorder.wait(until=now + LOOK_AGAIN, sentence=str(pending))
        raise AssertionError("unreachable: wait always raises") from None
    if not result.success or result.failures:
        told = [f"{each.explained.sentence} {each.explained.fix}".strip() for each in result.failures]
        raise RunStopped("deploy_failed", " ".join(told) or result.sentence, Run.State.FAILED)
