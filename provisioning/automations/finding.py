"""The automations of a connection: templates that ship with it, those that are active, the one that a deal calls for."""

from datetime import datetime

from django.db.models import QuerySet

from integrations.models import SalesforceOrg
from provisioning.automations.matching import Previous, choose
from provisioning.connection import settings_of
from provisioning.intent.deal import Deal
from provisioning.intent.loading import rule_of, rules_of
from provisioning.models import Automation, AutomationVersion

TRIGGER = Automation.Trigger
TEMPLATES: tuple[tuple[str, str], ...] = (
    ("Closed won: subscription", TRIGGER.WON),
    ("Proof of concept: trial", TRIGGER.TRIAL),
    ("Amendment won: change", TRIGGER.AMENDMENT),
    ("Renewal won: extend", TRIGGER.RENEWAL),
)
Automations = QuerySet[Automation]


def ensure_templates(org: SalesforceOrg, *, now: datetime) -> None:
    """The four templates of a connection, active from the start (ST-26); a connection that has any is left alone."""
    if Automation.objects.filter(org=org).exists():
        return
    Automation.objects.bulk_create(templates_of(org, now=now), ignore_conflicts=True)  # two at once: each name is there once


def templates_of(org: SalesforceOrg, *, now: datetime) -> list[Automation]:
    """The templates of a connection, not stored."""
    return [
        Automation(org=org, name=name, trigger=trigger, is_template=True, is_active=True, created_at=now, updated_at=now)
        for name, trigger in TEMPLATES
    ]


def read_automations(org: SalesforceOrg, *, now: datetime) -> list[Automation]:
    """All automations for looking only: nothing is stored, so templates of a fresh connection may have no number yet."""
    order = [str(each) for each in TRIGGER.values]
    rows = list(Automation.objects.filter(org=org)) or templates_of(org, now=now)
    return sorted(rows, key=lambda each: (order.index(each.trigger), not each.is_active, each.name.casefold()))


def automations_of(org: SalesforceOrg, *, now: datetime) -> Automations:
    """All automations of a connection."""
    ensure_templates(org, now=now)
    return Automation.objects.filter(org=org).order_by("trigger", "-is_active", "name")


def active_ones(org: SalesforceOrg, *, now: datetime) -> list[Automation]:
    """Those that answer to deals."""
    rows = list(Automation.objects.filter(org=org).order_by("trigger", "name")) or list(automations_of(org, now=now))
    return [each for each in rows if each.is_active]


def find_automation(org: SalesforceOrg, deal: Deal, *, now: datetime, previous: Previous | None = None) -> Automation | None:
    """The active automation that the deal calls for, None when there is nothing to do."""
    rows = active_ones(org, now=now)
    chosen = choose([rule_of(each) for each in rows], deal, previous, rules=rules_of(settings_of(org)))
    return next((each for each in rows if chosen is not None and each.pk == chosen.id), None)


def versions_of(automation: Automation) -> "QuerySet[AutomationVersion]":
    """Earlier states, newest first."""
    return AutomationVersion.objects.filter(automation=automation).select_related("saved_by")
