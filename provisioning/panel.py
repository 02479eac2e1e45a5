"""How provisioning stands, on the page of a connection beside the runs: it looks each minute and is called, without runs."""

from datetime import datetime

from integrations.connection_pages import Panel
from integrations.models import SalesforceOrg
from provisioning.connection import page_of
from provisioning.provision import queries

TITLE = "Provisioning"


def read_panel(org: SalesforceOrg, now: datetime) -> Panel | None:
    """State, last look at opportunities, last call of Salesforce, and deals; None while the connection was never set up."""
    place = next(iter(queries.places(org, now=now)), None)
    if place is None or (not org.provisioning_enabled and not place.is_removed):
        return None
    moments = (
        ("Last check for deals", place.settings.polled_at),
        ("Last call from Salesforce", place.settings.last_callout_at),
    )
    done = place.counts.get("done", 0) + place.counts.get("incomplete", 0)
    return Panel(
        TITLE, page_of(org), place.state, moments, (("Deals provisioned", done), ("Deals that need a person", place.needs))
    )
