"""Filling a preset from a connection: which objects there are, how they are described, what we write into them ourselves."""

from collections.abc import Iterable

from analytics.attributes import presets, transactions
from analytics.attributes.presets import PRESETS, Filled
from analytics.attributes.seeing import DOMAIN, describe_objects, list_objects
from integrations.access import Refusal
from integrations.models import Mapping, MappingVersion, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.describe import ObjectInfo
from integrations.sync.mapping.body import PUSH

MOST_CUSTOM = 20
"""Custom objects that are described for a guess: each costs a call."""


def fill_preset(org: SalesforceOrg, name: str) -> Filled:
    """The map that a preset makes of what this connection can read, with a note for every attribute; nothing is saved.

    Costs one call for the list of objects and one for each object that is not known for an hour, at most about 35.
    `Refusal` unknown_preset; raises errors of the wire.
    """
    if name not in PRESETS:
        raise Refusal("unknown_preset", f"There is no preset {name[:40]!r}: choose {', '.join(PRESETS)}.")
    return presets.choose(name, see_for_presets(org), ours=fields_of_ours(org))


def choose_preset(org: SalesforceOrg) -> str:
    """The preset that fits what the org has: CPQ where that package is, else sales, else orders, else custom (FZ-D2)."""
    names = {each.name for each in list_objects(org)}
    if transactions.CPQ in names:
        return "cpq"
    if "Opportunity" in names:
        return "standard_sales"
    return "orders_assets" if names & {"OrderItem", "Asset"} else "custom"


def see_for_presets(org: SalesforceOrg) -> dict[str, ObjectInfo]:
    """The objects that presets choose from, as the connected user sees them."""
    with client_for(org, domain=DOMAIN) as client:
        listed = list_objects(org, client=client)
        standard = [each.name for each in listed if each.name in presets.STANDARD]
        custom = [each.name for each in listed if each.name not in presets.STANDARD]
        wanted = [
            each.name for each in listed if each.name in custom and presets.wants(each.name, each.label, custom=each.custom)
        ]
        return describe_objects(org, [*standard, *wanted[:MOST_CUSTOM]], client=client)


def fields_of_ours(org: SalesforceOrg) -> Iterable[str]:
    """`Object.Field` of what mappings push into Salesforce: it comes from us and says nothing new."""
    latest: dict[int, MappingVersion] = {}
    rows = MappingVersion.objects.filter(mapping__in=Mapping.objects.filter(org=org)).order_by("number")
    for version in rows.iterator():
        latest[version.mapping_id] = version  # pyright: ignore[reportAttributeAccessIssue]
    for version in latest.values():
        for pair in version.body.get("pairs", ()):
            if pair.get("direction") == PUSH:
                yield f"{version.body.get('object', '')}.{pair.get('target', '')}"
