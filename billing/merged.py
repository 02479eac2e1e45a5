"""Whose usage counts for whom once customers of the product were merged.

Each use counts once: for the billing customer of the very customer that it is of, if it has one; otherwise for that of the
customer that stands for it by now; otherwise for that of another member of the merge, of the oldest if there are several.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from billing.models import BillingCustomer
from integrations.product.kpis.moved import survivors
from integrations.sync.matching.saving import customers_called


def owners(billed: Collection[int], survivor: Mapping[int, int]) -> dict[int, int]:
    """Each product customer whose use is billed, with the one whose billing customer it is billed to (pure). `billed` have a
    billing customer; `survivor` gives for each merged customer the one that stands for it in the end."""
    groups: dict[int, set[int]] = defaultdict(set)
    for merged, end in survivor.items():
        groups[end] |= {merged, end}
    found = {each: each for each in billed}
    for end, members in groups.items():
        heirs = sorted(each for each in members if each in found)
        if not heirs:
            continue
        heir = end if end in found else heirs[0]
        for each in members:
            found.setdefault(each, heir)
    return found


def keys_by_customer(names: Collection[str] | None = None) -> dict[int, list[str]]:
    """Billing customers (those of `names`; None: all) by the product customers whose events count for them."""
    billed = BillingCustomer.objects.filter(customer__isnull=False, deleted_at=None)
    own: dict[int, list[str]] = defaultdict(list)
    for key, customer in billed.order_by("pk").values_list("key", "customer_id").iterator(5_000):
        own[customer].append(key)
    found: dict[int, list[str]] = {}
    for customer, owner in owners(own, survivors()).items():
        keys = own[owner] if names is None else [key for key in own[owner] if key in names]
        if keys:
            found[customer] = keys
    return found


def heirs_of(keys: Collection[str] | None = None) -> dict[str, str]:
    """Deleted billing customers whose product customer was merged, with the billing customer that gets their reported usage:
    the only one of the customer that stands for it. `keys`: only what these inherit."""
    gone = BillingCustomer.objects.exclude(deleted_at=None).filter(customer__merged_into__isnull=False)
    lost: dict[str, int] = {str(key): int(customer) for key, customer in gone.values_list("key", "customer_id") if customer}
    if not lost:
        return {}
    ends = survivors()
    heir = _only_one({ends.get(customer, customer) for customer in lost.values()})
    found = {key: heir.get(ends.get(customer, customer), "") for key, customer in lost.items()}
    return {key: heir for key, heir in found.items() if heir and (keys is None or heir in keys)}


def called_by_product(names: Iterable[str]) -> dict[str, str]:
    """Billing customers by a name of the product's customer (its id, an alias, the id of one that was merged into it), where it
    has exactly one."""
    known = customers_called(names)
    if not known:
        return {}
    heir = _only_one({each.pk for each in known.values()})
    return {name: heir[each.pk] for name, each in known.items() if each.pk in heir}


def _only_one(customers: Iterable[Any]) -> dict[int, str]:
    wanted = list(customers)
    found: dict[int, list[str]] = defaultdict(list)
    for start in range(0, len(wanted), 500):
        rows = BillingCustomer.objects.filter(deleted_at=None, customer_id__in=wanted[start : start + 500])
        for key, customer in rows.values_list("key", "customer_id"):
            found[customer].append(key)
    return {customer: keys[0] for customer, keys in found.items() if len(keys) == 1}
