"""What a deal asks for, asked of the rooms that know: reading it, choosing the automation, compiling the intent."""

from dataclasses import dataclass
from datetime import datetime

from integrations.salesforce.errors import NotFound, SalesforceError
from provisioning.automations import finding
from provisioning.intent import lines, loading
from provisioning.intent.deal import Deal
from provisioning.intent.kinds import TRIAL
from provisioning.intent.result import Intent, Problem, Problems
from provisioning.models import Automation, Provision, ProvisioningSettings
from provisioning.provision import customers, warm


@dataclass(frozen=True)
class Choice:
    """The automation that answers to a deal, and the slot of the provision."""

    automation: Automation

    @property
    def kind(self) -> str:
        """won, trial, amendment or renewal."""
        return self.automation.trigger

    @property
    def slot(self) -> str:
        """A deal has one trial and one contract."""
        return Provision.Slot.TRIAL if self.kind == TRIAL else Provision.Slot.CONTRACT


def read_deal(settings: ProvisioningSettings, opportunity_id: str) -> Deal:
    """The deal as Salesforce has it now. Raises `NotFound` when it is gone, `SalesforceError`, `NotConnected`."""
    org = settings.org
    try:
        return lines.read_deal(warm.client_of(org), org, opportunity_id)
    except lines.DealGone as gone:
        raise NotFound(str(gone), code="NOT_FOUND") from gone
    except lines.TooManyLines as error:
        raise SalesforceError(str(error), code="TOO_MANY_LINES") from error


def choose(settings: ProvisioningSettings, deal: Deal, *, now: datetime) -> Choice | None:
    """The active automation that answers to the deal as it is now; None when none does."""
    found = finding.find_automation(settings.org, deal, now=now)
    return Choice(found) if found is not None else None


def why_not(settings: ProvisioningSettings, deal: Deal) -> str:
    """Why no automation answers, for a person."""
    if not Automation.objects.filter(org=settings.org_id, is_active=True).exists():
        return "No automation is active for this connection."
    if deal.is_won:
        return "The opportunity is won, but no active automation fits it."
    state = "is lost" if deal.is_closed else f"is in the stage “{deal.stage}”"
    return f"The opportunity {state}; nothing is to be provisioned."


def compile_deal(settings: ProvisioningSettings, deal: Deal, choice: Choice, *, named: str, now: datetime) -> Intent | Problems:
    """The intent, or everything that stands against it. `named`: the customer id that a callout gave, "" without."""
    owner = customers.find_customer(named)
    return loading.compile_deal(settings.org, deal, choice.automation, now=now, customer=owner)


__all__ = ["Choice", "Problem", "choose", "compile_deal", "read_deal", "why_not"]
