"""The job `provisioning.deploy`: fields, permission sets, the flow and its way to call us, page layouts (ST-14, ST-19, ST-22).

It may be run again at any time: what the org has stays as it is, so a second run changes nothing. The flow arrives as a draft.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from django.conf import settings as django_settings
from django.utils import timezone

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.outgoing import TargetRefused, check_target
from integrations.salesforce import metadata
from integrations.salesforce.client import Client
from integrations.salesforce.errors import NoAccess
from integrations.salesforce.metadata import MetadataPackage
from integrations.sync import deploying, runs
from integrations.sync.endings import RunStopped
from integrations.sync.fields import granting
from integrations.sync.mirror import describing
from integrations.sync.runs import Recorder
from provisioning.connection import DOMAIN, settings_of
from provisioning.models import ProvisioningSettings
from provisioning.salesforce import checking, package, watching
from provisioning.salesforce.layouts import with_fields
from provisioning.salesforce.survey import lacking, survey

JOB, LABEL = "provisioning.deploy", "Deployment for provisioning"
MOST_PEOPLE = deploying.MOST_PEOPLE
LAYOUTS, CALLS = "Page layouts", "Calls from Salesforce"
RIGHTS = (
    "Give the integration user a permission set with Customize Application, Modify Metadata Through Metadata API Functions, "
    "Manage Profiles and Permission Sets, Assign Permission Sets, Manage Flow and Manage Named Credentials (best taken away "
    "again afterwards); or download the package and let a Salesforce administrator deploy it."
)


def request_deploy(org: SalesforceOrg, *, user: Person | None, now: datetime) -> Run:
    """Queue a deployment, or join the one that is queued. Refusal `not_ready` for a connection that cannot be asked."""
    if not org.is_connected or settings_of(org).removed_at is not None:
        raise Refusal("not_ready", f"{org} is not connected, or the integration was removed from it.")
    run = runs.request_run(JOB, org=org, user=user, now=now)
    audit.record("provisioning.deploy", actor=user, target=org, after={"run": run.pk})
    return run


def perform(recorder: Recorder) -> None:
    """Send what the org lacks, extend its layouts, give our user the rights, check."""
    org = recorder.org
    assert org is not None
    client = client_for(org, domain=DOMAIN)
    try:
        with deploying.rights_explained(RIGHTS):
            settings = settings_of(org)
            checking.detect_cpq(client, settings)
            _send(recorder, client, org, settings, flows=False)
            _extend_layouts(recorder, client, settings)
            _assign(recorder, client, org)
            _send(recorder, client, org, settings, flows=True)
            _check(recorder, client, org, settings)
    finally:
        recorder.spent(client.calls)
        client.close()


def _send(recorder: Recorder, client: Client, org: SalesforceOrg, settings: ProvisioningSettings, *, flows: bool) -> None:
    """The flow goes alone and last: Salesforce makes the types of a registered service only after its deployment has ended."""
    step = "flow_" if flows else ""
    deploying.deploy_once(
        recorder, client, package=lambda: _rest_of(recorder, client, org, settings, flows=flows), step=step,
        patience=deploying.PATIENCE,
    )  # fmt: skip


def _rest_of(
    recorder: Recorder, client: Client, org: SalesforceOrg, settings: ProvisioningSettings, *, flows: bool
) -> MetadataPackage:
    """What is to be sent; what the org has is counted as unchanged. RunStopped for names that no package can hold."""
    whole = whole_package(org, settings)
    problems = whole.problems()
    if problems:
        raise RunStopped("bad_names", f"{' '.join(problems)} Change the field names in the settings.", Run.State.FAILED)
    why_not = uncallable(org)
    if why_not and not flows:
        recorder.object(CALLS).skipped(package.CREDENTIAL, "not_reachable", why_not)
    own = tuple(each for each in whole.components if (each.kind == "Flow") is flows)
    wanted = MetadataPackage(components=own) if flows else replace(whole, components=own)
    rest = lacking(wanted, survey(client, wanted))
    kept = _count(wanted) - _count(rest)
    if kept:
        recorder.object(deploying.PARTS).unchanged(kept)
    return rest


def _assign(recorder: Recorder, client: Client, org: SalesforceOrg) -> None:
    if not recorder.checkpoint.get("assigned"):
        deploying.assign_set(recorder, client, org.user_id, package.WRITERS)
        recorder.save({**recorder.checkpoint, "assigned": True})


def whole_package(org: SalesforceOrg, settings: ProvisioningSettings) -> MetadataPackage:
    """The package for this connection, as it is deployed and as it is downloaded."""
    address = "" if uncallable(org) else django_settings.BASE_URL
    return package.package_of(checking.names_of(settings), cpq=bool(settings.uses_cpq), base_url=address)


def _count(each: MetadataPackage) -> int:
    return sum(len(names) for names in each.members().values())


def uncallable(org: SalesforceOrg) -> str:
    """Why Salesforce cannot call our address; empty when it can. The demo org may call this machine."""
    if org.environment == SalesforceOrg.Environment.DEMO:
        return ""
    try:
        check_target(f"{django_settings.BASE_URL}{package.PATH}")
    except TargetRefused:
        return (
            f"Salesforce calls public https addresses only, and BASE_URL is {django_settings.BASE_URL}. Won opportunities are "
            "found by the poll every minute. Set BASE_URL to a public https address and deploy again for calls at once."
        )
    return ""


def _extend_layouts(recorder: Recorder, client: Client, settings: ProvisioningSettings) -> None:
    """Our fields onto every layout of their objects (ST-22); a layout that Salesforce does not take is told by itself."""
    if recorder.checkpoint.get("layouts"):
        return  # an earlier turn of this run did it
    tally = recorder.object(LAYOUTS)
    names = [name for _, name in metadata.list_components(client, "Layout")]
    for place, title, wanted in package.sections(checking.names_of(settings), cpq=bool(settings.uses_cpq)):
        own = [each for each in names if each.startswith(f"{place}-")]
        there = metadata.read_components(client, "Layout", own)
        changed = {name: made for name in own if name in there and (made := with_fields(there[name], title, wanted))}
        for _ in range(len(there) - len(changed)):
            tally.unchanged()
        for result in metadata.upsert_components(client, "Layout", [{**each, "fullName": n} for n, each in changed.items()]):
            if result.success:
                tally.written(result.full_name, result.full_name)
            else:
                fields = ", ".join(each.name for each in wanted)
                cure = f"Add {fields} by hand: Setup › Object Manager › {place} › Page Layouts."
                tally.failed(result.full_name, result.explained.code, f"{result.explained.sentence} {cure}")
    recorder.save({**recorder.checkpoint, "layouts": True})


def _check(recorder: Recorder, client: Client, org: SalesforceOrg, settings: ProvisioningSettings) -> None:
    for name in {each.object for each in package.wanted_fields(checking.names_of(settings), cpq=bool(settings.uses_cpq))}:
        describing.forget_description(org, name)
    lacks = checking.check(org, client, settings, now=timezone.now(), fresh=True)
    watching.count(recorder, lacks)
    audit.record(
        "provisioning.deployed", actor=recorder.run.requested_by, target=org,
        after={"run": recorder.run.pk, "missing": len(lacks)},
    )  # fmt: skip


# --- people -----------------------------------------------------------------------------------------------------------------


def assign_people(org: SalesforceOrg, usernames: list[str], *, actor: Person | None, now: datetime) -> Mapping[str, str]:
    """Give people in Salesforce the set that lets them see the fields and call: what became of each name, "" when all is well.

    Refusal `too_many_people`, `no_set`. A name that fails does so alone.
    """
    names = deploying.checked_names(usernames)
    with client_for(org, domain=DOMAIN) as client:
        own = granting.find_set(client, package.READERS)
        if not own:
            raise Refusal("no_set", f"The permission set {package.READERS_LABEL} is not in the org. Deploy it first.")
        found = {name: deploying.give_set(client, name, own) for name in names}
    given = [name for name, problem in found.items() if not problem]
    audit.record("provisioning.people", actor=actor, target=org, after={"set": package.READERS, "users": given})
    return found


def explained(error: Exception) -> str:
    """A refusal of Salesforce in words, with the rights that are missing where that is the cause."""
    if isinstance(error, NoAccess):
        told = metadata.explain_problem(error.message, code="INSUFFICIENT_ACCESS")
        return f"{told.sentence} {RIGHTS}"
    return str(error)
