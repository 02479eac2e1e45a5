"""What a connection still lacks before its deals are provisioned, as a short list of things to do, each with where to do it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from integrations.models import SalesforceOrg
from provisioning.models import Automation, Offer, OfferVersion, Provision, ProvisioningSettings
from provisioning.salesforce import checking, deploying, guide

NEEDED = ("connect", "deploy", "people", "key", "flow")
FINE = (guide.DONE, guide.ADVISED)  # the poll finds what no flow tells


@dataclass(frozen=True, slots=True)
class FirstStep:
    """One thing to do. `role`: who may open `url`."""

    title: str
    text: str
    url: str
    is_done: bool
    role: str = "member"


def has_plans() -> bool:
    """Whether the catalogue sells anything."""
    sold = OfferVersion.objects.filter(offer__kind=Offer.Kind.PLAN, offer__archived_at=None, offer__product__archived_at=None)
    return sold.exclude(published_at=None).exists()


def steps_of(org: SalesforceOrg, settings: ProvisioningSettings, automations: Sequence[Automation]) -> list[FirstStep]:
    """In the order of doing; empty once a deal went through and an automation waits for the next."""
    won = Provision.objects.filter(org=org, state__in=(Provision.State.DONE, Provision.State.INCOMPLETE)).exists()
    if won and automations:
        return []
    lacks = checking.read_lacks(settings)
    states = {each.key: each.state for each in guide.steps_of(org, settings, lacks, can_call=not deploying.uncallable(org))}
    place = {"org_id": org.pk}
    return [
        FirstStep("Fill the catalogue", "Products, their plans and add-ons, and the features that they give.",
                  reverse("provisioning:catalogue"), has_plans()),
        FirstStep("Set up Salesforce", "Fields, permissions, the integration key and the flow that calls Causeway.",
                  reverse("provisioning:set_up", kwargs=place), all(states[each] in FINE for each in NEEDED), "operator"),
        FirstStep("Map products", "Say which plan, add-on or entitlement each Salesforce product leads to.",
                  reverse("provisioning:mapping"), won or states["map"] == guide.DONE),
        FirstStep("Activate an automation", "It says what happens when an opportunity is won or reaches a trial stage.",
                  reverse("provisioning:automations"), bool(automations), "analyst"),
        FirstStep("Win a deal", "Look beforehand what each open deal would provision, and what stands in its way.",
                  reverse("provisioning:preflight"), won, "analyst"),
    ]  # fmt: skip
