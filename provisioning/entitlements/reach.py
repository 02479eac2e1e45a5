"""Which customers a caller may ask about and count for: all, or those that its key is bound to (S-079).

Whoever is out of reach is answered exactly as a customer that does not exist.
"""

from integrations.models import ApiKey, Customer
from provisioning.entitlements.access import follow_merges

Reach = frozenset[int] | None
"""Ids of customers; None = all."""


def reach_of(auth: object) -> Reach:
    """The reach of what a request was let in with: a bound key has its customers, or those that they were merged into."""
    if not isinstance(auth, ApiKey) or not auth.bound:
        return None
    found = (follow_merges(each) for each in auth.customers.select_related("merged_into"))
    return frozenset(each.pk for each in found if each is not None)


def is_in_reach(customer: Customer | None, within: Reach) -> bool:
    """Whether there is such a customer for this caller."""
    return customer is not None and (within is None or customer.pk in within)
