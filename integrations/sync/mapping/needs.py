"""What mappings ask of the mirror: the fields that are pulled and those that match rules compare, and nothing else (I-23)."""

from collections.abc import Iterable

from integrations.models import Mapping, SalesforceOrg
from integrations.sync.mapping import facts
from integrations.sync.mapping.body import PULL, MappingBody, read_body
from integrations.sync.mirror.needs import Need

NEEDS = "mapping"
"""Name under which mappings ask the mirror."""


def needs_of_mappings(org: SalesforceOrg) -> Iterable[Need]:
    """One need for each mapping that was set up and retrieves (PX-20). Paused ones stay fresh, drafts read nothing."""
    if not org.product_enabled:
        return
    mappings = Mapping.objects.filter(org=org, version__gt=0)
    for version in facts.newest_versions(mappings):
        body = read_body(version.body)
        if body.retrieve:
            yield Need(NEEDS, body.object, tuple(fields_read(body)))


def fields_read(body: MappingBody) -> list[str]:
    """The Salesforce fields that pulling and matching look at, each once."""
    compared = [rule.compared_field for rule in body.rules if rule.on and rule.name != "sfdc_id"]
    pulled = [pair.target for pair in body.pairs_of(PULL)]
    return list(dict.fromkeys(name for name in (*compared, *pulled) if name))
