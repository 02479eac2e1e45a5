"""The job `provisioning.check`: once a day, whether an org that was set up still has everything (ST-38)."""

from django.utils import timezone

from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.sync.runs import Recorder
from provisioning.connection import DOMAIN, settings_of
from provisioning.models import ProvisioningSettings
from provisioning.salesforce import checking
from provisioning.salesforce.checking import Lack

JOB, LABEL = "provisioning.check", "Check of what provisioning needs"


def is_enabled(org: SalesforceOrg) -> bool:
    """Only where somebody set provisioning up and did not remove it."""
    if not org.provisioning_enabled:
        return False
    return ProvisioningSettings.objects.filter(org=org, removed_at=None, checked_at__isnull=False).exists()


def perform(recorder: Recorder) -> None:
    """Ask the org, keep and count what is missing; alerts follow from it."""
    org = recorder.org
    assert org is not None
    client = client_for(org, domain=DOMAIN)
    try:
        lacks = checking.check(org, client, settings_of(org), now=timezone.now(), fresh=True)
        count(recorder, lacks)
    finally:
        recorder.spent(client.calls)
        client.close()


def count(recorder: Recorder, lacks: list[Lack]) -> None:
    """A line for each thing that is missing; advice is skipped, because provisioning works without it."""
    tally = recorder.object("Check")
    for each in lacks:
        note = tally.skipped if each.is_advice else tally.failed
        note(f"{each.object}.{each.field}.{each.code}", each.code, f"{each.message} {each.fix}")
    if not lacks:
        tally.unchanged()
    recorder.save(recorder.checkpoint)
