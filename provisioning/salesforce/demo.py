"""What an administrator of the demo org does after the deployment: people, the key, the flow; then won deals call at once."""

from datetime import datetime

from integrations.access import Person
from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from provisioning.connection import DOMAIN
from provisioning.salesforce import calling, deploying, flow
from provisioning.salesforce.checking import active_callers


def switch_on(org: SalesforceOrg, *, user: Person | None, now: datetime) -> bool:
    """Let the flow of a deployed org call with a key of its own; False when one does already. Raises the wire's errors."""
    with client_for(org, domain=DOMAIN) as client:
        if active_callers(client):
            return False
        soql = f"SELECT Username FROM User WHERE IsActive = true ORDER BY Username LIMIT {deploying.MOST_PEOPLE}"  # noqa: S608
        people = [str(row["Username"]) for row in client.query_all(soql)]
    deploying.assign_people(org, people, actor=user, now=now)
    calling.renew_key(org, actor=user, now=now)
    calling.activate(org, flow.NAME, actor=user, now=now)
    return True
