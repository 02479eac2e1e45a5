"""The job `billing.deploy`: our objects into an org that has no package, by the Metadata API (MT-D15, MT-06).

A deployment that outlives its turn is looked at again until it ends; a second request while one is going on joins it.
"""

from collections.abc import Mapping
from datetime import datetime
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
from integrations.salesforce.metadata import MetadataPackage
from integrations.salesforce.soql import equals
from integrations.sync import deploying, runs
from integrations.sync.deploying import PARTS
from integrations.sync.endings import RunStopped
from integrations.sync.mirror import describing
from integrations.sync.runs import Recorder

__all__ = ["JOB", "LABEL", "PARTS", "PATIENCE", "assign_people", "package_for", "perform", "reading_set", "request_deploy"]
JOB, LABEL = "billing.deploy", "Billing objects into the org"
PATIENCE = deploying.PATIENCE


def request_deploy(org: SalesforceOrg, *, user: Person | None, now: datetime) -> Run:
    """Queue a deployment. Refusal `has_package` where the managed package is installed: its objects are there already."""
    settings = preflight.settings_of(org)
    if settings.prefix_known and settings.prefix and not wants_junction(settings):
        raise Refusal("has_package", has_package(org, settings))
    return runs.request_run(JOB, org=org, user=user, now=now)


def has_package(org: SalesforceOrg, settings: BillingSettings) -> str:
    """Why nothing is deployed beside the managed package."""
    return f"{org} has the objects already, under the prefix {settings.prefix}."


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
        with deploying.rights_explained():
            deploying.deploy_once(recorder, client, package=lambda: _package(org, client), patience=PATIENCE)
            deploying.assign_set(recorder, client, org.user_id, WRITERS)
            _check(recorder, client, org)
    finally:
        recorder.spent(client.calls)
        client.close()


def _package(org: SalesforceOrg, client: Any) -> MetadataPackage:
    settings = preflight.settings_of(org)
    if not settings.prefix_known:  # nobody has looked yet: the managed package may be there
        preflight.check(org, client, settings, now=timezone.now(), fresh=True)
    if settings.prefix_known and settings.prefix and not wants_junction(settings):
        raise RunStopped("has_package", has_package(org, settings), Run.State.FAILED)
    return package_for(settings)


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
    """Give people in Salesforce the reading set (MT-07, MT-D16): what became of each user name, "" when all is well.

    Refusal `too_many_people`, `no_reading_set`. A name that fails does so alone.
    """
    names = deploying.checked_names(usernames)
    found: dict[str, str] = {}
    with client_for(org, domain=preflight.DOMAIN) as client:
        reading = reading_set(client, preflight.settings_of(org).prefix)
        for name in names:
            found[name] = deploying.give_set(client, name, reading)
    given = [name for name, problem in found.items() if not problem]
    audit.record("billing.people", actor=actor, target=org, after={"set": READERS, "users": given})
    return found


def reading_set(client: Any, prefix: str) -> str:
    """The id of the set that lets people read: the managed package's own under its prefix, else the one that we deploy."""
    namespace = prefix.removesuffix("__")
    named = f"({equals('Name', READERS)} OR {equals('Label', READERS_LABEL)})" if namespace else equals("Name", READERS)
    where = f"{equals('NamespacePrefix', namespace or None)} AND {named}"
    rows = client.query_all(f"SELECT Id FROM PermissionSet WHERE {where} ORDER BY Name LIMIT 1")  # noqa: S608  quoted
    if not rows:
        cure = "Ask who installed the package for the name of its set." if namespace else "Deploy the objects first."
        raise Refusal("no_reading_set", f"The permission set {READERS_LABEL} is not in the org. {cure}")
    return str(rows[0]["Id"])
