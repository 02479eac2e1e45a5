"""How provisioning stands, on the page of a connection beside the runs: it looks each minute and is called, without runs."""

from datetime import datetime

from django.urls import reverse

from integrations.connection_pages import Panel
from integrations.models import SalesforceOrg
from provisioning.provision import queries

TITLE = "Provisioning"


def read_panel(org: SalesforceOrg, now: datetime) -> Panel | None:
    """State, last look at opportunities, last call of Salesforce, and deals; None where provisioning never was."""
    place = next(iter(queries.places(org, now=now)), None)
    if place is None or (not org.provisioning_enabled and not place.is_removed):
        return None
    settings, counts = place.settings, place.counts
    moments = (("Last check for deals", settings.polled_at), ("Last call from Salesforce", settings.last_callout_at))
    numbers = (
        ("Deals provisioned", counts.get("done", 0) + counts.get("incomplete", 0)), ("Deals that need a person", place.needs)
    )  # fmt: skip
    return Panel(TITLE, reverse("provisioning:overview"), place.state, moments, numbers)
