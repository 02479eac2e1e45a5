"""Two people at once: overlapping automations are never both active, templates are made once. SQLite file and PostgreSQL."""

import pytest
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import SalesforceOrg
from provisioning.automations import authoring, finding
from provisioning.models import Automation
from tests.provisioning.test_e_races import elsewhere

__all__ = ["elsewhere"]
pytestmark = pytest.mark.concurrency


def make_org() -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", org_id="00D000000000001AAA")


def test_st_38_of_overlapping_automations_that_are_activated_at_once_one_becomes_active(elsewhere) -> None:
    org = make_org()
    rows = [Automation.objects.create(org=org, name=f"A{number}", trigger="won") for number in range(8)]

    def activate(number: int) -> str:
        try:
            authoring.activate(rows[number], actor=None, now=timezone.now())
        except Refusal as refusal:
            return refusal.code
        return "active"

    answers = elsewhere(activate, 8)
    assert sorted(answers) == ["active", *["overlap"] * 7]


def test_st_26_templates_are_made_once_however_many_look(elsewhere) -> None:
    org = make_org()

    def look(number: int) -> int:
        finding.ensure_templates(org, now=timezone.now())
        return Automation.objects.filter(org=org).count()

    assert elsewhere(look, 8) == [4] * 8
