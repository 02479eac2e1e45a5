"""Won opportunities in the mirror that were never provisioned: something was sold, and only Salesforce knows what."""

from collections import Counter
from collections.abc import Mapping

from integrations.access import Refusal
from integrations.lake.engine import open_engine
from integrations.lake.failures import EngineError
from integrations.models import MirrorObject, SalesforceOrg
from integrations.sync.mirror import tables
from project.four_way.selling import linked_accounts
from provisioning.models import Provision

OPPORTUNITY, FIELDS = "Opportunity", ("Id", "AccountId", "IsWon")
WON = 'SELECT "Id", "AccountId" FROM found WHERE "IsWon" AND "AccountId" IS NOT NULL'


def read_won(roots: Mapping[int, int]) -> Counter[int]:
    """How many there are, by customer; none where opportunities or their accounts are not mirrored. Asks Salesforce nothing."""
    found: Counter[int] = Counter()
    mirrors = MirrorObject.objects.filter(name=OPPORTUNITY, table__isnull=False).select_related("org")
    orgs = [each.org for each in mirrors]
    linked = linked_accounts() if orgs else {}
    for org in orgs:
        known = set(Provision.objects.filter(org=org).values_list("opportunity_id", flat=True))
        for number, account in _won(org):
            customer = linked.get((org.pk, account))
            if customer is not None and number not in known:
                found[roots.get(customer, customer)] += 1
    return found


def _won(org: SalesforceOrg) -> list[tuple[str, str]]:
    try:
        relation = tables.live(org, OPPORTUNITY, FIELDS)
        with open_engine() as engine:
            engine.bind("found", relation)
            return [(number, account) for number, account in engine.rows(WON)]
    except (EngineError, Refusal, tables.SchemaError):
        return []
